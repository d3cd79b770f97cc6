"""Batches over the wire: the unmodified SDK, and the scoring script over real files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from standin.contents import SCORE_BATCH, add_model, batch_quickly, plant
from standin.fixtures import Attached


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
