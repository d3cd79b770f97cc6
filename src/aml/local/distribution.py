"""The processes of a distributed job, as one node of the service starts them.

Source: Microsoft's how-to-train-distributed-gpu.md, which names the variables of each kind.
"""

import json
import shutil
import socket
from typing import Any, NamedTuple

from aml.errors import FileError
from aml.jobfile.job import Job

Variables = dict[str, str]

# Open MPI refuses root, as whom the service runs, and more processes than cores; the latter by one name up to version
# 4, and by another from 5.
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "true",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


class Processes(NamedTuple):
    """How the command of a job is started.

    Attributes:
        variables: Those of each process. What is meant for all of them comes on top.
        servers: How many of them, the last ones, serve the others until those have ended.
        launcher: What stands before the command.

    """

    variables: list[Variables]
    servers: int = 0
    launcher: tuple[str, ...] = ()


def distribute(job: Job, docker: bool) -> Processes:
    """The processes that the job's distribution asks for on one node; a job without one has one process.

    Raises UserError for what this machine cannot start.
    """
    wanted = job.data.get("distribution")
    if not wanted:
        return Processes([{}])
    kind = str(job.at("distribution", "type")).lower()
    where = job.where("distribution")
    one = "--set distribution= runs one process without it"
    if kind == "mpi":
        count = _count(job, "process_count_per_instance", 1)
        if not docker and not shutil.which("mpirun"):
            raise FileError(where, "MPI needs mpirun, which is not on PATH", f"install it, or {one}")
        return Processes([OPEN_MPI], launcher=("mpirun", "-np", str(count)))
    if kind == "pytorch":
        variables = _pytorch(_count(job, "process_count_per_instance", 1))
        found = Processes(variables)
    elif kind == "tensorflow":
        servers = _count(job, "parameter_server_count", 0)
        found = Processes(_tensorflow(_count(job, "worker_count", 1), servers), servers)
    else:
        raise FileError(where, f"distribution {kind} does not run on this machine", one)
    if docker and len(found.variables) > 1:
        raise FileError(where, f"{len(found.variables)} processes do not run with --docker", one)
    return found


def _pytorch(count: int) -> list[Variables]:
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_ports(1)[0]), "WORLD_SIZE": str(count)}
    return [shared | {"NODE_RANK": "0", "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def _tensorflow(workers: int, servers: int) -> list[Variables]:
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(workers + servers)]
    cluster = {"worker": addresses[:workers]} | ({"ps": addresses[workers:]} if servers else {})
    tasks: list[dict[str, Any]] = [
        {"type": kind, "index": index} for kind, members in cluster.items() for index in range(len(members))
    ]
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def _count(job: Job, key: str, default: int) -> int:
    """The number that stands at a key of the distribution. Raises UserError when it is none."""
    value = job.at("distribution", key)
    least = min(default, 1)
    if value is None:
        return default
    if type(value) is not int or value < least:
        raise FileError(job.where("distribution", key), f"{key} {value}", f"should be a whole number from {least}")
    return value


def _free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
