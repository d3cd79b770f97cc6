"""Distributed jobs on this machine: each process gets what the service gives it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from aml.errors import UserError
from aml.jobfile.document import Document
from aml.jobfile.job import Job
from aml.local import distribution, runs
from support import Repository

posix = pytest.mark.skipif(os.name == "nt", reason="bash is not available there")


def job_of(folder: Path, **wanted: Any) -> Job:
    path = folder / "job.yml"
    path.write_text(yaml.safe_dump({"command": "true", "distribution": wanted or None}), encoding="utf-8")
    return Job(Document(path))


def test_a_job_without_a_distribution_is_one_process(tmp_path: Path) -> None:
    assert distribution.distribute(job_of(tmp_path), docker=False) == ([{}], 0, ())


# Source: Microsoft's how-to-train-distributed-gpu.md
def test_pytorch_gets_its_ranks(tmp_path: Path) -> None:
    found = distribution.distribute(job_of(tmp_path, type="PyTorch", process_count_per_instance=3), docker=False)
    ports = {own.pop("MASTER_PORT") for own in found.variables}
    assert len(ports) == 1 and ports.pop().isdigit()
    shared = {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "3", "NODE_RANK": "0"}
    assert found.variables == [shared | {"RANK": rank, "LOCAL_RANK": rank} for rank in "012"]
    assert found.servers == 0


def test_tensorflow_gets_its_cluster(tmp_path: Path) -> None:
    wanted = {"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1}
    found = distribution.distribute(job_of(tmp_path, **wanted), docker=False)
    configs = [json.loads(own["TF_CONFIG"]) for own in found.variables]
    cluster = configs[0]["cluster"]
    assert {kind: len(members) for kind, members in cluster.items()} == {"worker": 2, "ps": 1}
    assert len({*cluster["worker"], *cluster["ps"]}) == 3
    tasks = [{"type": "worker", "index": 0}, {"type": "worker", "index": 1}, {"type": "ps", "index": 0}]
    assert configs == [{"cluster": cluster, "task": task} for task in tasks]
    assert found.servers == 1


@pytest.mark.parametrize(
    ("wanted", "docker", "says"),
    [
        ({"type": "ray"}, False, "distribution ray does not run on this machine"),
        ({"type": "spark"}, False, "distribution spark does not run on this machine"),
        ({"process_count_per_instance": 2}, False, "distribution none does not run on this machine"),
        ({"type": "pytorch", "process_count_per_instance": 2}, True, "2 processes do not run with --docker"),
        ({"type": "pytorch", "process_count_per_instance": 0}, False, "should be a whole number from 1"),
        ({"type": "pytorch", "process_count_per_instance": "two"}, False, "should be a whole number from 1"),
        ({"type": "tensorflow", "parameter_server_count": -1}, False, "should be a whole number from 0"),
    ],
)
def test_what_cannot_be_started_is_refused(tmp_path: Path, wanted: dict[str, Any], docker: bool, says: str) -> None:
    with pytest.raises(UserError, match=rf"job\.yml:\d: .*{says}"):
        distribution.distribute(job_of(tmp_path, **wanted), docker)


def test_mpi_without_mpirun_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"MPI needs mpirun, which is not on PATH: install it, or --set distribution="):
        distribution.distribute(job_of(tmp_path, type="mpi"), docker=False)


@posix
def test_all_processes_run_and_write_into_one_log(repository: Repository) -> None:
    done = repository.submit(
        "echo $RANK of $WORLD_SIZE", distribution={"type": "pytorch", "process_count_per_instance": 3}
    )
    run = runs.find(repository.path, None)
    assert sorted(done.stdout.splitlines()) == ["0 of 3", "1 of 3", "2 of 3"]
    assert run.status == "finished"
    assert sorted((run.folder / "logs" / "std_log.txt").read_text().splitlines()) == ["0 of 3", "1 of 3", "2 of 3"]


@posix
def test_the_process_that_fails_ends_the_others(repository: Repository) -> None:
    wanted = {"type": "pytorch", "process_count_per_instance": 2}
    repository.submit("if [ $RANK = 1 ]; then exit 7; fi; sleep 600", distribution=wanted, status=7)
    assert runs.find(repository.path, None).status == "failed"


@posix
def test_parameter_servers_end_with_the_workers(repository: Repository) -> None:
    wanted = {"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1}
    command = 'case "$TF_CONFIG" in *\'"type": "ps"\'*) sleep 600;; *) echo worked;; esac'
    assert repository.submit(command, distribution=wanted).stdout == "worked\nworked\n"


@posix
def test_one_process_runs_where_the_distribution_is_taken_away(repository: Repository) -> None:
    refused = repository.submit("echo one", distribution={"type": "ray"}, status=2).stderr
    assert refused.startswith("aml: job.yml:3: distribution ray")
    assert not (repository.path / "runs").exists()
    assert repository.submit("echo one", "--set", "distribution=", distribution={"type": "ray"}).stdout == "one\n"


@pytest.mark.skipif(not shutil.which("mpirun"), reason="mpirun is not installed")
def test_mpi_runs_with_mpirun(repository: Repository) -> None:
    wanted = {"type": "mpi", "process_count_per_instance": 3}
    done = repository.submit("echo $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE", distribution=wanted)
    assert sorted(done.stdout.splitlines()) == ["0 of 3", "1 of 3", "2 of 3"]
