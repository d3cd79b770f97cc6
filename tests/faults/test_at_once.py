"""Two people at once, logs without an account key, tokens that run out: what no single fault brings about."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from adopt.sources import contents
from standin import datastores
from standin.cloud import Workspace
from standin.contents import add_model
from standin.jobs import LOG

from .bench import NOISE, Bench, Ended
from .verbs import CLUSTER, DATA, IMAGE, JOB, MODEL, add_job, cluster, gated, write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no fork, which the runner needs"),
]
BLOBS = r"azureml-blobstore-[^/]+"


def two(bench: Bench) -> list[Path]:
    """Two people's copies of the repository."""
    copy = bench.here.with_name("second")
    shutil.copytree(bench.here, copy)
    return [bench.here, copy]


def succeeded(bench: Bench, *ends: Ended) -> bool:
    """Whether all ended with status 0 and said nothing that is not for users, within the contract."""
    assert all(ended.status == 0 and not NOISE.search(ended.errors) for ended in ends), ends
    assert not bench.service.violations, bench.service.violations
    return True


def test_two_register_a_model_of_one_name(bench: Bench) -> None:
    """Both ask for the next version before either takes it."""
    runs = [JOB, JOB.replace("1", "2")]

    def prepare(workspace: Workspace) -> None:
        artifacts, _ = datastores.locate(workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")
        for run_id in runs:
            job = add_job(workspace, run_id, status="Completed")
            workspace.service.storage.upload(artifacts, job.run.artifact_prefix + MODEL, run_id.encode())

    workspace = bench.fresh(prepare)
    raced = bench.service.faults.add("slow", method="GET", path="/models/raced$", times=2, seconds=1)
    verbs = [("register-model", "-n", "raced", "--to", "azure", "--run", run_id) for run_id in runs]
    assert succeeded(bench, *bench.together(*verbs, folders=two(bench))) and len(raced.hits) == 2
    versions = workspace.assets["models"]["raced"]
    assert sorted(versions) == ["1", "2"]
    assert sorted(version["properties"]["jobName"] for version in versions.values()) == runs


def test_two_promote_versions_of_one_model(bench: Bench) -> None:
    """Both read who is the champion before either writes: the newer version stays, and the other one's time is over."""
    workspace = bench.fresh(gated)
    add_model(workspace, "3", "owl 3")
    raced = bench.service.faults.add("slow", method="GET", path="/models/demo-model/versions$", times=2, seconds=1)
    ends = bench.together(*(("promote", f"demo-model:{version}", "--azure") for version in ("2", "3")))
    assert len(raced.hits) == 2 and not bench.service.violations
    assert [ended.status for ended in ends] in ([2, 0], [0, 0]) and not any(NOISE.search(end.errors) for end in ends)
    found = workspace.assets["models"]["demo-model"]
    kept = {version: one["properties"]["tags"] for version, one in found.items()}
    assert [version for version, tags in kept.items() if tags.get("champion.held", "").endswith("/")] == ["3"]
    assert not kept["1"]["champion.held"].endswith("/")
    if ends[0].status:
        assert "somebody promoted version 3 at the same moment" in ends[0].errors


@pytest.mark.parametrize("same", [True, False], ids=["the same data", "other data"])
def test_two_register_data_of_one_name(bench: Bench, same: bool) -> None:
    workspace = bench.fresh()
    folders = two(bench)
    if not same:
        (folders[1] / "sample-data" / "more.csv").write_text("a,b\n")
    raced = bench.service.faults.add("slow", method="GET", path=f"/data/{DATA}$", times=2, seconds=1)
    ends = bench.together(["register-data"], ["register-data"], folders=folders)
    assert succeeded(bench, *ends) and len(raced.hits) == 2
    versions = workspace.assets["data"][DATA]
    assert sorted(versions) == (["1"] if same else ["1", "2"])
    assert len({version["properties"]["dataUri"] for version in versions.values()}) == len(versions)


def test_two_upload_one_folder(bench: Bench) -> None:
    """Neither finds the other's blobs; both send all."""
    workspace = bench.fresh()
    data = bench.here / "sample-data"
    for number in range(40):
        (data / f"part-{number}").mkdir()
        (data / f"part-{number}" / f"{number}.bin").write_bytes(os.urandom(1000 + number))
    raced = bench.service.faults.add("slow", method="GET", path=rf"{BLOBS}$", times=2, seconds=1)
    assert succeeded(bench, *bench.together(["register-data"], ["register-data"])) and len(raced.hits) == 2
    (version,) = workspace.assets["data"][DATA].values()
    container, place = datastores.locate(workspace, version["properties"]["dataUri"])
    below = bench.folder / "fetched"
    workspace.service.storage.download(container, place, below)
    kept_back = (".amlignore", "request.json")
    assert contents(below) == {name: content for name, content in contents(data).items() if name not in kept_back}
    shutil.rmtree(below)


@pytest.mark.parametrize("status", [0, 3])
@pytest.mark.parametrize("credentials", ["account-key", "sas", "identity"])
def test_log_is_followed(bench: Bench, credentials: Any, status: int) -> None:
    """The job's own status and its whole log, whatever opens the datastores."""
    workspace = bench.fresh(cluster)
    workspace.datastore_credentials = credentials
    lines = f"for n in $(seq 300); do echo line $n äöü; done; sleep 0.5; cat ${{{{inputs.more}}}}/1.csv; exit {status}"
    more = {"more": {"type": "uri_folder", "path": "more-data"}}
    job = {"command": lines, "environment": IMAGE, "compute": f"azureml:{CLUSTER}", "inputs": more}
    write(bench.here / "talk.yml", job)
    ended = bench.run("submit", "-c", "talk.yml")
    (made,) = workspace.jobs.values()
    assert ended.status == (1 if status else 0) and not NOISE.search(ended.errors), ended
    assert ended.output.splitlines() == [*(f"line {n} äöü" for n in range(1, 301)), "a,b", "1,1"]
    word = "failed" if status else "finished"
    assert f"run {made.name} {word}" in ended.errors.splitlines()[-1], ended.errors
    artifacts, _ = datastores.locate(workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")
    assert made.run.artifact_prefix + LOG in workspace.service.storage.list(artifacts, made.run.artifact_prefix)


@pytest.mark.parametrize("sign_in", ["az", "client-secret"])
def test_tokens_run_out_while_a_job_goes_on(bench: Bench, sign_in: Any) -> None:
    workspace = bench.fresh(cluster)
    bench.service.login.token_lifetime = 2
    job = {"command": "echo begun; sleep 4; echo done", "environment": IMAGE, "compute": f"azureml:{CLUSTER}"}
    write(bench.here / "long.yml", job)
    ended = bench.run("submit", "-c", "long.yml", "-t", "run.json", sign_in=sign_in)
    assert succeeded(bench, ended) and ended.output == "begun\ndone\n"
    assert json.loads((bench.here / "run.json").read_text())["run_id"] in workspace.jobs
    assert not [call for call in bench.service.calls if call.status == 401]
