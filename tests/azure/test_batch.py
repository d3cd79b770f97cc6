"""Batches over the wire: the unmodified SDK, and the scoring script over real files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import pytest

from standin import endpoints
from standin.contents import BATCH_ENDPOINT, ENDPOINT, SCORE_BATCH, add_model, batch_quickly, plant
from standin.fixtures import Attached, until


@pytest.fixture
def batched(attached: Attached) -> Attached:
    """A repository with a batch deployment, and version 1 of its model in the workspace."""
    batch_quickly(attached)
    plant(attached.path / "files", {f"{number}.txt": f"a{number} b{number}".encode() for number in range(3)})
    return attached


def test_from_a_registered_model_to_the_rows_of_a_batch(batched: Attached) -> None:
    said = batched.aml("deploy", "-c", "batch-deployment")
    assert said.stdout == "batch endpoint demo-batch: its jobs use deployment demo-model-1\n"
    ran = batched.aml("invoke", "-c", "batch-deployment", "--data", "files")
    assert "mini batch ['0.txt', '1.txt']" in ran.stdout and "mini batch ['2.txt']" in ran.stdout
    rows = batched.path / ran.stdout.splitlines()[-1]
    assert rows.read_text().splitlines() == [f"{letter}{n} owl" for n in range(3) for letter in "ab"]
    add_model(batched.workspace, "2", "lark")
    with batched.service.watch() as calls:
        batched.aml("deploy", "-c", "batch-deployment")
        batched.aml("deploy", "-c", "batch-deployment")
    puts = [call.path.rpartition("/")[2] for call in calls if call.method == "PUT" and "/batchEndpoints/" in call.path]
    assert puts == ["demo-model-2", "demo-batch"]
    ran = batched.aml("invoke", "-c", "batch-deployment", "--data", "files/0.txt")
    assert (batched.path / ran.stdout.splitlines()[-1]).read_text() == "a0 lark\nb0 lark\n"
    refused = batched.refused("deploy", "-c", "batch-deployment", "--delete", "demo-model-2")
    assert "the jobs of batch endpoint demo-batch use deployment demo-model-2" in refused
    batched.aml("deploy", "-c", "batch-deployment", "--delete", "demo-model-1")
    batched.aml("deploy", "-c", "batch-deployment", "--delete", "demo-batch")
    assert not batched.workspace.batch_endpoints


WAITS = """
    while not (Path(os.environ["GO"])).exists():
        time.sleep(0.05)
    return"""


@pytest.fixture
def waiting(batched: Attached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attached:
    """A batch deployment whose jobs wait for the file `go`, before their rows are written."""
    monkeypatch.setenv("GO", str(tmp_path / "go"))
    script = "import time\n" + SCORE_BATCH.replace("\n    return", WAITS)
    (batched.path / "src" / "score_batch.py").write_text(script)
    batched.aml("deploy", "-c", "batch-deployment")
    return batched


@pytest.mark.parametrize("signal", ["terminate", "kill"])
def test_a_batch_that_was_cut_off_goes_on(waiting: Attached, tmp_path: Path, signal: str) -> None:
    """The same command follows the same job; with other data it is another job."""
    with waiting.start("invoke", "-c", "batch-deployment", "--data", "files") as process:
        (job,) = until(lambda: list(waiting.workspace.jobs.values()))
        getattr(process, signal)()
        process.wait()
    (tmp_path / "go").touch()
    other = waiting.aml("invoke", "-c", "batch-deployment", "--data", "files/0.txt")
    again = waiting.aml("invoke", "-c", "batch-deployment", "--data", "files")
    assert f"going on with run {job.name}, which this command began\nrun {job.name}, batch" in again.stderr
    assert "going on" not in other.stderr and len(waiting.workspace.jobs) == 2
    rows = waiting.path / again.stdout.splitlines()[-1]
    assert rows == waiting.path / "runs" / job.name / "predictions.csv"
    assert rows.read_text().splitlines() == [f"{letter}{n} owl" for n in range(3) for letter in "ab"]
    anew = waiting.aml("invoke", "-c", "batch-deployment", "--data", "files")
    assert "going on" not in anew.stderr and len(waiting.workspace.jobs) == 3
    assert not list((waiting.path / "runs").glob(".submitted-*"))


@pytest.mark.parametrize("kind", ["reset-after", "crash-after", "truncated"])
def test_a_batch_whose_start_had_no_answer_is_not_started_twice(
    batched: Attached, kind: Literal["reset-after", "crash-after", "truncated"]
) -> None:
    batched.aml("deploy", "-c", "batch-deployment")
    with batched.start("invoke", "-c", "batch-deployment", "--data", "files") as process:
        action = process.kill if kind == "crash-after" else None
        batched.service.faults.add(kind, method="POST", path="/jobs$", action=action)
        status = process.wait()
    assert (status != 0) == (kind == "crash-after")  # else the request is sent once more
    if status:
        batched.aml("invoke", "-c", "batch-deployment", "--data", "files")
    assert len(batched.workspace.jobs) == 1
    assert len(list((batched.path / "runs").rglob("predictions.csv"))) == 1


def test_batches_of_another_deployment_are_other_ones(waiting: Attached, tmp_path: Path) -> None:
    with waiting.start("invoke", "-c", "batch-deployment", "--data", "files") as process:
        until(lambda: waiting.workspace.jobs)
        process.kill()
        process.wait()
    (tmp_path / "go").touch()
    add_model(waiting.workspace, "2", "lark")
    waiting.aml("deploy", "-c", "batch-deployment")
    said = waiting.aml("invoke", "-c", "batch-deployment", "--data", "files")
    assert "going on" not in said.stderr and len(waiting.workspace.jobs) == 2
    assert (waiting.path / said.stdout.splitlines()[-1]).read_text().startswith("a0 lark\n")


def test_batch_endpoints_are_listed_and_shown(batched: Attached) -> None:
    batched.aml("deploy", "-c", "batch-deployment")
    add_model(batched.workspace, "2", "lark")
    batched.aml("deploy", "-c", "batch-deployment")
    listed = batched.aml("endpoints").stdout.splitlines()
    assert [re.split("  +", line) for line in listed[1:3]] == [
        ["demo-batch", "batch", "demo-model-1", "demo-model:1", "succeeded", "cpu-cluster"],
        ["demo-batch", "batch", "demo-model-2", "demo-model:2", "default", "succeeded", "cpu-cluster"],
    ]
    assert listed[3:] == ["batch endpoints: nothing is billed until a job runs"]
    endpoints.store(batched.workspace, ENDPOINT)
    both = batched.aml("endpoints").stdout.splitlines()
    assert re.split("  +", both[1]) == [ENDPOINT, "online", "succeeded"]
    assert both[4:] == ["no instances are billed now, even without traffic", *listed[3:]]
    shown = batched.aml("endpoints", "show", BATCH_ENDPOINT).stdout.splitlines()
    assert shown[:3] == [
        "demo-batch  batch, succeeded",
        "  address  https://demo-batch.eastus.inference.ml.azure.com/jobs",
        "  sign-in  aad_token",
    ]
    assert shown[4:] == listed
    facts = json.loads(batched.aml("endpoints", "show", BATCH_ENDPOINT, "--json").stdout)
    assert json.loads(batched.aml("endpoints", "--json").stdout)[1] == facts
    assert facts["kind"] == "batch" and facts["deployments"][1] == {
        "name": "demo-model-2",
        "model": "demo-model:2",
        "state": "Succeeded",
        "default": True,
        "compute": "cpu-cluster",
    }
    refused = batched.refused("endpoints", "logs", BATCH_ENDPOINT)
    assert refused.endswith("its jobs print, not it: aml runs --azure follow ID\n")
    assert "endpoint nobody is not in workspace" in batched.refused("endpoints", "show", "nobody")


def test_a_batch_that_fails_says_why(batched: Attached) -> None:
    script = batched.path / "src" / "score_batch.py"
    script.write_text(SCORE_BATCH.replace("    return", "    assert len(mini_batch) > 1, 'alone'\n    return"))
    batched.aml("deploy", "-c", "batch-deployment")
    said = batched.aml("invoke", "-c", "batch-deployment", "--data", "files", status=1)
    assert "mini batch 1 failed: AssertionError: alone" in said.stdout
    assert re.search("failed.*: Execution failed. 1 files failed, and error_threshold is 0", said.stderr)
    assert "there is no such file or folder" in batched.refused("invoke", "-c", "batch-deployment", "--data", "nothing")
    assert "aml invoke -c batch-deployment --data PATH" in batched.refused("invoke", "-c", "batch-deployment")


def test_a_batch_predicts_what_the_endpoint_does(batched: Attached) -> None:
    """The same rows, by the same function."""
    from standin.contents import SCORE

    (batched.path / "src" / "score.py").write_text(SCORE)
    (batched.path / "sample-data" / "request.json").write_text(json.dumps({"data": ["a0", "b0"]}))
    shared = "import score\nfrom pathlib import Path\ninit = score.init\ndef run(files):\n"
    shared += "    return score.predict([word for file in files for word in Path(file).read_text().split()])\n"
    (batched.path / "src" / "score_batch.py").write_text(f"import sys\nsys.path.insert(0, '.')\n{shared}")
    batched.aml("deploy")
    online = json.loads(batched.aml("invoke").stdout)["predictions"]
    batched.aml("deploy", "-c", "batch-deployment")
    ran = batched.aml("invoke", "-c", "batch-deployment", "--data", "files/0.txt")
    assert Path(batched.path / ran.stdout.splitlines()[-1]).read_text().splitlines() == online
