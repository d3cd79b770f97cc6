"""What the job that a file submits by SDK v1 needs: its packages, its cluster, and what starts its processes."""

from pathlib import Path
from typing import Any

import libcst as cst

from aml.adopt.v1.expressions import Expression, File, Place, is_none, last

FILES = (
    *("conda_dependencies_file", "conda_dependencies_file_path", "pip_requirements_file", "pip_requirements_file_path"),
    *("conda_file", "file_path"),  # the latter of Environment.from_conda_specification and from_pip_requirements
)
CONDA, PIP = ("conda_packages", "conda_package"), ("pip_packages", "pip_package")
Given = dict[str, Expression]  # the arguments of a call
Declared = list[Path | tuple[str, dict[str, Any]]]  # as packages.build takes them


def packages(file: File, call: cst.Call, given: Given, configurations: list[Place]) -> Declared:
    """The files of packages, and what the code itself lists.

    `configurations`: the attributes of variables where the job's run configuration is, each "" or ending in a dot.
    """
    calls = [given]
    environments = [given[key] for key in ("environment", "environment_definition") if key in given]
    environments += file.set_at([(key, f"{prefix}environment") for key, prefix in configurations])
    dependencies = [(key, f"{prefix}environment.python.conda_dependencies") for key, prefix in configurations]
    for environment in environments:
        dependencies += [(key, "python.conda_dependencies") for key in file.keys(environment)]
        calls += [_environment(file, one) for one in file.every(environment) if isinstance(one, cst.Call)]
    for value in file.set_at(dependencies):
        made = [one for one in file.every(value) if isinstance(one, cst.Call)]
        calls += [file.given(one) for one in made if "CondaDependencies" in file.code(one.func)]
        dependencies += [(key, "") for key in file.keys(value)]
    calls += [file.given(one) for one in file.called_on(dependencies)]
    python = [text for one in calls if (text := file.text(one.get("python_version")))]
    conda = [f"python={version}" for version in reversed(python)] + _listed(file, calls, CONDA)
    pip = _listed(file, calls, PIP)
    found: Declared = [*dict.fromkeys(path for one in calls for key in FILES if (path := _file(file, one.get(key))))]
    if conda or pip:
        found.append((file.where(call), {"dependencies": [*dict.fromkeys(conda), {"pip": [*dict.fromkeys(pip)]}]}))
    return found


def _environment(file: File, made: cst.Call) -> Given:
    given = file.given(made)
    if last(made) == "get" and "Environment" in file.code(made.func):
        known = file.text(given.get("name")) or file.code(made)
        text = f"environment {known} is known to a workspace only: image and train-conda.yml take its place"
        file.note("decide", made, f"{text}, so compare their packages with it")
    return {key: given[key] for key in FILES if key in given}


def _listed(file: File, calls: list[Given], keys: tuple[str, ...]) -> list[str]:
    """The packages that calls list by one of these arguments."""
    found = []
    for key, node in ((key, given[key]) for given in calls for key in keys if key in given):
        for item in file.items(node):
            if (text := file.text(item)) is not None:
                found.append(text)
            elif not is_none(item):
                says = f"{file.code(item)} of {key} is not literal: add it to train-conda.yml"
                file.note("decide", item, says)
    return found


def _file(file: File, node: Expression | None) -> Path | None:
    """A file of packages."""
    if node is None or is_none(node):
        return None
    text = (file.text(node) or "").replace("\\", "/")
    path = (file.values.locate(text) or file.by_end(text.removeprefix("./"))) if text else None
    if path and path.is_file() and path.is_relative_to(file.root):
        return path
    what = f"{text or file.code(node)} is not in the source"
    file.note("decide", node, f"{what}: compare train-conda.yml with what it had")
    return None


def compute(file: File, given: Given, configurations: list[Place]) -> dict[str, Any]:
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


def cluster(file: File, given: Given) -> dict[str, Any]:
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
