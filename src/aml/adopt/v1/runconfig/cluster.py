"""Where a v1 run configuration runs: its target, its nodes with what starts the processes on them, its services."""

import re
from typing import Any

from aml.adopt import input_name
from aml.adopt.v1.runconfig.converted import Work
from aml.jobfile.names import RULES

RETIRED_SIZE = re.compile(r"standard_(n[cvd]\d+r?s?(_promo)?|nc\d+r?s_v2)", re.IGNORECASE)  # NC, NV, ND, NCv2: 2023
ABSENT_COMPUTE, ABSENT_SIZE = "cpu-cluster", "Standard_DS3_v2"  # the template's own
SERVICES = {"ssh": "ssh", "tensorboard": "tensor_board", "vscode": "vs_code", "jupyterlab": "jupyter_lab"}
SERVICES["jupyter"] = "jupyter_lab"
PROPERTIES = {"ssh": ("sshpublickeys", "ssh_public_keys"), "tensor_board": ("logdir", "log_dir")}


def compute(work: Work) -> str | None:
    """The job's compute; None for a cluster that v1 made for the one job."""
    v1, section, target = work.v1, work.v1.at("amlcompute"), work.v1.at("target")
    size, low = section["vmSize"], is_low_priority(work)
    if size:
        name = section["name"] or (None if target == "amlcompute" or v1.local else target)
        work.result.compute = {
            "name": name if RULES["compute"].accepts(name) else None,
            "size": size,
            "max_instances": section["clusterMaxNodeCount"],
            "tier": "low_priority" if low else "dedicated",
        }
    if v1.local:
        return "local"
    if target == "amlcompute":
        work.resources["instance_type"] = size or ABSENT_SIZE
        if not size:
            text = f"v1 names no vmSize: {ABSENT_SIZE} unless you choose another"
            work.decide("resources.instance_type", "amlcompute", text)
        elif RETIRED_SIZE.fullmatch(size):
            text = f"Azure retired {size} in 2023: name a size of today"
            work.decide("resources.instance_type", "amlcompute.vmSize", text)
        return None
    if instance := v1.at("kubernetescompute", "instanceType"):
        work.resources["instance_type"] = instance
    if v1.compute_type and v1.compute_type != "amlcompute":
        text = f"target {target} is a {v1.compute_type}, where v2 runs no job: name a cluster"
    elif target == "containerinstance":
        text = "container instances run no v2 job: name a cluster"
    elif not RULES["compute"].accepts(target):
        text = f"{target} is no name that v2 accepts for a cluster: name one"
    else:
        return f"azureml:{target}"
    work.decide("compute", "target", text)
    return f"azureml:{ABSENT_COMPUTE}"


def is_low_priority(work: Work) -> bool:
    return str(work.v1.at("amlcompute", "vmPriority")).lower() == "lowpriority"


def distribution(work: Work) -> dict[str, Any] | None:
    """What starts the processes on more than one node, which it sets as well."""
    v1 = work.v1
    communicator, nodes = v1.at("communicator").lower(), max(1, v1.at("nodeCount"))
    found: dict[str, Any] | None = None
    if communicator in ("openmpi", "intelmpi", "mpi"):
        found = {"type": "mpi", "process_count_per_instance": v1.at("mpi", "processCountPerNode")}
    elif communicator in ("nccl", "gloo"):
        total = v1.at("pytorch", "processCount") or nodes
        found = {"type": "pytorch", "process_count_per_instance": -(-total // nodes)}
        if total % nodes:
            text = f"v1 started {total} processes on {nodes} nodes, v2 starts the same number on each: choose it"
            work.decide("distribution.process_count_per_instance", "pytorch.processCount", text)
        if communicator == "gloo":
            work.comment("distribution", "backend gloo: the code's init_process_group chooses it")
    elif communicator == "parameterserver":
        count = v1.at("tensorflow")
        found = {"type": "tensorflow", "worker_count": count["workerCount"]}
        found["parameter_server_count"] = count["parameterServerCount"]
    elif communicator not in ("none", "", "paralleltask"):
        text = f"communicator {v1.at('communicator')} has no equivalent in v2: mpi?"
        work.decide("command", "communicator", text)
    if nodes > 1 and found:
        work.resources["instance_count"] = nodes
    elif nodes > 1:
        text = f"v1 asked for {nodes} nodes without a communicator, which would each train on their own: "
        text += "one node, unless you add resources.instance_count and a distribution"
        work.decide("resources" if v1.at("target") == "amlcompute" else "compute", "nodeCount", text)
    return found


def services(work: Work) -> dict[str, Any]:
    """What runs beside the job, such as TensorBoard."""
    found: dict[str, Any] = {}
    for name, endpoint in work.v1.at("applicationEndpoints").items():
        kind = SERVICES.get((endpoint["type"] or "").lower())
        if work.v1.local or not kind:
            work.comment("command", f"v1 service {name} ({endpoint['type']}) has no equivalent")
            continue
        old, new = PROPERTIES.get(kind, ("", ""))
        value = {key.lower(): value for key, value in endpoint["properties"].items()}.get(old)
        if kind == "ssh" and not value:
            text = f"service {name} has no sshPublicKeys, so it was left out: add them"
            work.decide("command", ("applicationEndpoints", name), text)
            continue
        service = {"type": kind, new: value, "port": endpoint["port"]}
        found[input_name(name)] = {key: value for key, value in service.items() if value}
    return found
