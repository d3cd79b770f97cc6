"""Where a job that a file submits by SDK v1 runs: its cluster, its nodes, and what starts the processes on them."""

from typing import Any

import libcst as cst

from aml.adopt.v1.expressions import Expression, File, Place, last


def compute(file: File, given: dict[str, Expression], configurations: list[Place]) -> dict[str, Any]:
    """The cluster's name, size and max_instances, as far as they are known."""
    targets = [given[key] for key in ("compute_target", "compute") if key in given]
    targets += file.set_at([(key, f"{prefix}target") for key, prefix in configurations])
    named = (file.text(one) or _name(file, one) for target in targets for one in (target, *file.every(target)))
    name = next(filter(None, named), None)
    if name == "local":
        return {}
    made = file.named("provisioning_configuration")
    for call in file.named("create"):
        inner = file.given(call)
        if name and file.text(inner.get("name")) == name:
            own = [one for one in file.every(inner.get("provisioning_configuration")) if one in made]
            made = [one for one in own if isinstance(one, cst.Call)] or made
    inner = file.given(made[0]) if len(made) == 1 else {}
    most = file.text(inner.get("max_nodes")) or ""
    size = file.text(given.get("vm_size")) or file.text(inner.get("vm_size"))
    found = {"name": name, "size": size, "max_instances": int(most) if most.isdigit() else None}
    return {key: value for key, value in found.items() if value}


def _name(file: File, node: Expression) -> str | None:
    if isinstance(node, cst.Call) and last(node) in ("ComputeTarget", "AmlCompute", "create"):
        return file.text(file.given(node).get("name"))
    if isinstance(node, cst.Attribute) and node.attr.value == "name":
        return next(filter(None, (_name(file, one) for one in file.every(node.value))), None)
    if isinstance(node, cst.Subscript) and file.code(node.value).endswith(".compute_targets"):
        return file.text(getattr(node.slice[0].slice, "value", None))
    return None


def cluster(file: File, given: dict[str, Expression]) -> dict[str, Any]:
    """More than one node, and the distribution: resources and distribution of the job."""
    keys = ("distributed_training", "distributed_job_config", "distributed_backend", "distribution")
    node = next((given[key] for key in keys if key in given), None)
    made = file.one(node)
    inner = file.given(made) if isinstance(made, cst.Call) else {}
    kind = (last(made) if isinstance(made, cst.Call) else file.text(made) or "").lower()

    def number(*names: str) -> int:
        texts = [file.text(one.get(name)) or "" for one in (inner, given) for name in names]
        return next((int(text) for text in texts if text.isdigit() and int(text)), 1)

    nodes, each = number("node_count"), number("process_count_per_node", "process_count_per_instance")
    if kind.startswith(("mpi", "openmpi", "intelmpi")):
        distribution: dict[str, Any] = {"type": "mpi", "process_count_per_instance": each}
    elif kind.startswith(("nccl", "gloo", "pytorch")):
        total = number("process_count")
        distribution = {"type": "pytorch", "process_count_per_instance": -(-total // nodes) if total > 1 else each}
    elif kind.startswith(("tensorflow", "parameterserver", "ps")):
        count = {name: number(name) for name in ("worker_count", "parameter_server_count")}
        distribution = {"type": "tensorflow", **count}
        nodes = max(nodes, count["worker_count"])
    else:
        if kind not in ("", "none") and node is not None:
            text = f"{file.code(node)} has no equal here: add a distribution to the cluster's job"
            file.note("decide", node, text)
        if nodes > 1:
            text = f"asks for {nodes} nodes, which would each train on their own: one node, unless you add"
            place = given.get("node_count") or inner["node_count"]
            file.note("decide", place, f"{text} resources.instance_count and a distribution")
        return {}
    resources = {"resources": {"instance_count": nodes}} if nodes > 1 else {}
    return {**resources, "distribution": distribution}
