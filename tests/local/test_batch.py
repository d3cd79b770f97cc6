"""Batches on this machine: the files of docs/serving.md as they stand there, in an environment of their own."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from aml.local import batch_program
from support import ENVIRONMENT, TEMPLATE, Repository

ONLINE = """
import json
from pathlib import Path
import pandas
from aml.jobfile import deployment
from aml.local import serving
online = deployment.load("deployment", Path.cwd())
model = serving.registered_model(Path.cwd(), online.model)
table = pandas.concat([pandas.read_csv(file) for file in sorted(Path("new data").iterdir())])
rows = json.loads(table.drop(columns="species").to_json(orient="records"))
print(serving.answer(online, model.path, json.dumps({"data": rows})).body)
"""
GUIDE = (TEMPLATE / "docs" / "serving.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def batches(installed: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with a registered model and the two files of the guide."""
    folder = tmp_path_factory.mktemp("a model") / "demo-model"
    shutil.copytree(installed.path, folder, ignore=shutil.ignore_patterns(".venv", "ready", "__pycache__"))
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    found = Repository(folder, installed.python)
    found.aml("submit", "-c", "train-local", "--here")
    found.aml("register-model", "-n", "demo-model")
    return found


def test_the_guide_has_the_two_files() -> None:
    assert FILES.keys() == {"src/score_batch.py", "aml_config/batch-deployment.yml"}


@pytest.mark.slow
def test_a_batch_and_an_online_answer_for_the_same_rows_are_the_same(batches: Repository) -> None:
    assert batches.aml("check").stdout == "aml_config/: nothing to fix\n"
    data = batches.path / "new data"
    data.mkdir()
    lines = (batches.path / "sample-data" / "penguins.csv").read_text(encoding="utf-8").splitlines()
    for index in range(3):
        (data / f"{index}.csv").write_text("\n".join([lines[0], *lines[1 + index :: 3], ""]), encoding="utf-8")
    said = batches.aml("serve", "--batch", "new data").stdout
    assert said.splitlines()[-1] == f"3 of 3 files: {len(lines) - 1} rows in runs/batch/predictions.csv"
    written = (batches.path / "runs" / "batch" / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert [shlex.split(line)[0] for line in written[:1] + written[-1:]] == ["0.csv", "2.csv"]

    command = [str(batches.python), "-c", ONLINE]
    done = subprocess.run(command, cwd=batches.path, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["predictions"] == [shlex.split(line)[1] for line in written]


@pytest.mark.slow
def test_a_file_that_fails_does_not_stop_the_others(batches: Repository, tmp_path: Path) -> None:
    shutil.copytree(batches.path, tmp_path / "model")
    model = Repository(tmp_path / "model", batches.python)
    settings = model.path / "aml_config" / "batch-deployment.yml"
    one = settings.read_text(encoding="utf-8").replace("mini_batch_size: 10", "mini_batch_size: 1")
    settings.write_text(one, encoding="utf-8")
    (model.path / "sample-data" / "birds.json").write_text("{}")
    done = model.aml("serve", "--batch", "sample-data", status=1)  # without request.json, which is no data
    assert "1 of 2 files: 344 rows in runs/batch/predictions.csv" in done.stdout
    assert "src/score_batch.py: run() failed on 1 file: the reasons are above" in done.stderr
    settings.write_text(one + "  error_threshold: 0\n", encoding="utf-8")
    (model.path / "sample-data" / "a.json").write_text("{}")
    assert "0 of 3 files: 0 rows" in model.aml("serve", "--batch", "sample-data", status=1).stdout


@pytest.mark.slow
def test_what_is_no_batch_is_refused(batches: Repository) -> None:
    refusal = batches.aml("serve", "-c", "batch-deployment", status=2).stderr
    assert "aml_config/batch-deployment.yml is for batches: name its files with --batch FOLDER" in refusal
    refusal = batches.aml("serve", "-c", "deployment", "--batch", "sample-data", status=2).stderr
    assert "aml_config/deployment.yml is not for batches: --batch takes a batch deployment" in refusal
    assert "--batch nowhere: no such file" in batches.aml("serve", "--batch", "nowhere", status=2).stderr


def test_items_of_a_list_are_written_as_python_shows_them() -> None:
    assert "".join(batch_program.rows([["a.csv", 1], "x"])) == "['a.csv', 1]\nx\n"
