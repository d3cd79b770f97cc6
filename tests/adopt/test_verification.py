"""verification.py: a repository is ready only where all results are kept, and what is said of it is true."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from adopt.sources import adopt, contents, plant
from aml.adopt.convert import code
from aml.adopt.discover import source
from aml.adopt.v1 import uploads
from aml.adopt.verification import ASKS, Verdict
from support import ENVIRONMENT

CSV = "a,b\n" + "1,0\n2,1\n3,0\n4,1\n" * 10
TRAIN = """import os, pickle
import numpy as np
import yaml

settings = yaml.safe_load(open("config.yaml"))
rows = np.genfromtxt("data/d.csv", delimiter=",", skip_header=1)
fit = np.polyfit(rows[:, 0], rows[:, 1], 1)
"""
SAVES = """where = "".join(reversed("stcafitra"))
os.makedirs(where, exist_ok=True)
with open(os.path.join(where, "model.pkl"), "wb") as file:
    pickle.dump(fit, file)
"""
TREE = {"requirements.txt": "numpy\npyyaml\n", "data/d.csv": CSV, "config.yaml": "where: artifacts\n"}


def outputs(out: Path) -> set[str]:
    """What a run of a new repository keeps."""
    subprocess.run([find_uv_bin(), "venv", "-q", str(out / ".venv")], check=True, env=ENVIRONMENT)
    command = [sys.executable, "-P", "-m", "aml", "submit", "-c", "train-local"]
    subprocess.run(command, cwd=out, check=True, env=ENVIRONMENT, capture_output=True)
    [folder] = out.glob("runs/*/outputs")
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_folder_for_results_that_the_source_lacks_is_made(tmp_path: Path) -> None:
    text = TRAIN + SAVES + 'np.savetxt("reports/fit.txt", fit)\n'  # the original has no folder reports/
    folder = plant(tmp_path / "line", {**TREE, "train.py": text})
    said = adopt(folder, "-o", str(tmp_path / "out" / "line-fit"))
    assert "not compared" not in said
    assert "runs through src/launch.py" in said and "leaves       outputs/artifacts/model.pkl" in said
    assert outputs(tmp_path / "out" / "line-fit") == {"artifacts/model.pkl", "reports/fit.txt"}


STEPS = {
    "clean.py": "import os\nos.makedirs('data/clean')\n"
    "rows = open('data/d.csv').readlines()\nopen('data/clean/c.csv', 'w').writelines(rows)\n",
    "filter.py": "import six, sys\nrows = open('data/clean/c.csv').readlines()\n"  # six is not of the job
    "open(sys.argv[1], 'w').writelines(row for row in rows if not row.startswith('4'))\n",
    "a.ipynb": "import os\nos.makedirs('../data/clean', exist_ok=True)\n"
    "out = '../data/clean/n.csv'\npd.read_csv('../data/d.csv').to_csv(out, index=False)\n",
}
LINE = (
    TRAIN.replace("data/d.csv", "data/clean/f.csv")
    + 'print("slope", round(fit[0], 5))\nnp.savez("best.npz", fit=fit)\n'
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "tree",
    [
        {"Makefile": "all: clean filter line\nclean:\n\tpython clean.py\nfilter:\n\tpython filter.py data/clean/f.csv\n"
         "line:\n\tpython train.py\n"},
        {"run.sh": "python filter.py data/clean/f.csv\n",
         "notes.sh": "python clean.py\n"},  # nothing says the order: the files that lack and that are made do
    ],
)  # fmt: skip
def test_data_that_earlier_steps_make_come_along(tmp_path: Path, tree: dict[str, str]) -> None:
    folder = plant(tmp_path / "line", {**TREE, **STEPS, **tree, "train.py": LINE})
    before = contents(folder)
    said = adopt(folder, "-o", str(tmp_path / "out" / "line-fit"))
    assert (
        "`python filter.py data/clean/f.csv` (" in said
        and "made data/clean/c.csv, data/clean/f.csv here: run them again when" in said
    )
    assert "not compared" not in said and "adopt the copy" not in said
    assert "reads        f.csv" in said and "trained here on sample-data/f.csv; model outputs/best.npz" in said
    assert contents(folder) == before
    assert (tmp_path / "out" / "line-fit" / "sample-data" / "f.csv").read_text() == CSV.replace("4,1\n", "")


@pytest.mark.slow
def test_a_notebook_that_makes_missing_data_is_run(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "source": text, "metadata": {}, "outputs": []}
        for text in ("%matplotlib inline\nimport pandas as pd", STEPS["a.ipynb"])
    ]
    whole = json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}})
    other = "import pandas as pd\nprint(pd.read_csv('data/clean/n.csv'))\n"
    tree = {**TREE, "a_plots.py": other, "nb/1_clean.ipynb": whole, "requirements.txt": "numpy\npyyaml\npandas\n"}
    folder = plant(tmp_path / "line", {**tree, "train.py": LINE.replace("f.csv", "n.csv")})
    said = adopt(folder, "-o", str(tmp_path / "out" / "line-fit"))
    assert "`jupyter execute nb/1_clean.ipynb` made data/clean/n.csv here: run it again when" in said
    assert "reads        n.csv" in said and "trained here on sample-data/n.csv; model outputs/best.npz" in said
    assert "stays behind a_plots.py, nb/1_clean.ipynb" in said


@pytest.mark.slow
def test_a_step_that_fails_after_one_that_works_is_the_reason(tmp_path: Path) -> None:
    tree = {
        "filter.py": "raise SystemExit('no licence')\n",
        "README.md": "    python clean.py\n    python filter.py\n    python train.py\n",
    }
    folder = plant(tmp_path / "line", {**TREE, **STEPS, **tree, "train.py": LINE})
    said = adopt(folder, "-o", str(tmp_path / "out" / "line-fit"), status=1)
    assert "`python filter.py` (README.md:2), which runs before it, fails: it ended with status 1: no licence" in said
    assert "once more" not in said


@pytest.mark.slow
def test_an_earlier_step_that_fails_is_the_reason(tmp_path: Path) -> None:
    tree = {
        "clean.py": "raise SystemExit('the bucket is closed')\n",
        "Makefile": "t: c\n\tpython train.py\nc:\n\tpython clean.py\n",
    }
    folder = plant(tmp_path / "line", {**TREE, **tree, "train.py": LINE})
    said = adopt(folder, "-o", str(tmp_path / "out" / "line-fit"), status=1)
    assert "the original does not run here either: train.py:6: FileNotFoundError: data/clean/f.csv not found." in said
    assert (
        "`python clean.py` (Makefile:4), which runs before it, fails: it ended with status 1: the bucket is closed"
        in said
    )


@pytest.mark.slow
def test_the_scaler_is_not_the_model(tmp_path: Path) -> None:
    text = TRAIN + 'np.savez("best.npz", fit=fit)\nwith open("scaler.pkl", "wb") as f:\n    pickle.dump(1, f)\n'
    folder = plant(tmp_path / "line", {**TREE, "train.py": text})
    said = adopt(folder, "-o", str(tmp_path / "out" / "line-fit"))
    assert "aml register-model -n line-fit --asset-path outputs/best.npz" in said
    assert "outputs/scaler.pkl may belong to the model: aml register-model --asset-path outputs takes all" in said


@pytest.mark.slow
def test_what_the_original_says_has_the_lines_of_the_source(tmp_path: Path) -> None:
    text = 'from azureml.core import Run\n\nrun = Run.get_context()\nrun.log("a", 1)\n{}["DATA"]\n'
    folder = plant(tmp_path / "line", {**TREE, "train.py": text + "import numpy as np\nnp.polyfit([1], [1], 0)\n"})
    said = adopt(folder, "-o", str(tmp_path / "out" / "line-fit"), status=1)
    assert "the original does not run here either: train.py:5: KeyError: 'DATA'" in said
    assert "if it needs arguments" not in said
    first = (tmp_path / "out" / "line-fit" / "ADOPTED.md").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("**This repository is not ready: ") and "; the original does not run here either" in first


def test_the_sentence_that_comes_first(tmp_path: Path) -> None:
    nothing: object = None
    assert Verdict(nothing).headline == ""  # type: ignore[arg-type]
    assert Verdict(nothing, "a\n  b").headline == "This repository is not ready: a; b"  # type: ignore[arg-type]
    assert "not compared" in Verdict(nothing, uncompared="it asks").headline  # type: ignore[arg-type]


ARGPARSE = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--x', required=True)\np.parse_args()\n"


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        (ARGPARSE, True),
        ("import sys\nname = sys.argv[1]\n", True),
        ("import sys\na, b = sys.argv[1:]\n", True),
        ("import click\nclick.command()(click.argument('x')(lambda x: 0))()\n", True),
        ("open('absent.csv')\n", False),
        ("{}['DATA_DIR']\n", False),
        ("import sys\n[][len(sys.argv)]\n", False),
        ("[][1]\n", False),
    ],
)
def test_only_what_asks_for_arguments_is_said_to_need_them(tmp_path: Path, text: str, asks: bool) -> None:
    plant(tmp_path, {"train.py": text})
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode and bool(ASKS.search(done.stderr)) == asks, done.stderr


REGISTERS = """from azureml.core import Dataset, Workspace
store = Workspace.from_config().get_default_datastore()
store.upload_files(files=['./data/a.csv', './data/b.csv'], target_path='rows/')
Dataset.Tabular.from_delimited_files(path=(store, 'rows/*.csv')).register(name='rows')
"""
V1 = """import argparse
import joblib
import pandas as pd
from azureml.core import Run
from sklearn.svm import SVC

rows = Run.get_context().input_datasets["training"].to_pandas_dataframe()
joblib.dump(SVC().fit(rows[["a"]], rows["b"]), "outputs/model.pkl")
"""


@pytest.mark.parametrize("old", ["", "files=[", "'./data/b.csv'"])
def test_what_v1_uploads_as_one_dataset_is_one_folder(tmp_path: Path, old: str) -> None:
    new = {"": "", "files=[": "[", "'./data/b.csv'": "SECOND"}[old]
    registers = "SECOND = './data/b.csv'\n" + (REGISTERS.replace(old, new) if old else REGISTERS)
    tree = {"data/a.csv": CSV, "data/b.csv": CSV, "data/other.csv": CSV, "register.py": registers}
    found = source.read(plant(tmp_path, {**tree, "training/train.py": V1}), None)
    done = code.convert(found)
    [data] = done.inputs
    files = tuple(tmp_path / "data" / name for name in ("a.csv", "b.csv"))
    assert (data.type, data.path, data.files) == ("uri_folder", tmp_path / "data", files)
    read = "pd.read_csv(os.path.join(args.training, name)) for name in sorted(os.listdir(args.training))"
    assert f"rows = pd.concat([{read}], ignore_index=True)" in str(done.files["train.py"])


@pytest.mark.parametrize(
    "text",
    [
        REGISTERS.replace("rows/*.csv", "rows/a.csv"),
        REGISTERS.replace(", './data/b.csv'", ""),
        REGISTERS + REGISTERS,
        "store.upload_files(files=['./data/a.csv', './data/b.csv'])\n",
    ],
)
def test_other_uploads_are_no_folder(tmp_path: Path, text: str) -> None:
    plant(tmp_path, {"data/a.csv": CSV, "data/b.csv": CSV, "register.py": text})
    assert uploads.together(tmp_path) is None


@pytest.mark.slow
def test_old_code_gets_packages_of_its_time(tmp_path: Path) -> None:
    # pandas 2 has no DataFrame.append; the note on it comes from its release notes, the fix from the day of the commit.
    train = "import pandas as pd\nt = pd.read_csv('d.csv')\nt = getattr(t, 'app' + 'end')(t)\n"
    train += "t.mean().to_json('model.json')\n"
    folder = plant(tmp_path / "line", {"train.py": train, "d.csv": CSV, "requirements.txt": "pandas\n"})
    environment = {**ENVIRONMENT, "GIT_COMMITTER_DATE": "2022-11-30T12:00:00Z"}
    identity = ("-c", "user.name=Sample", "-c", "user.email=sample@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "first")):
        subprocess.run(["git", "-C", str(folder), *command], check=True, env=environment)
    said = adopt(folder, "-o", str(tmp_path / "out" / "line-fit"), "--entry", "train.py")
    assert "once more with packages of 2022-11-30, the day of the last commit" in said
    assert (
        "it has packages of 2022-11-30, the day of its last commit, for it does not run with those of today: " in said
    )
    assert "train.py:3: AttributeError: 'DataFrame' object has no attribute 'append'" in said
    conda = (tmp_path / "out" / "line-fit" / "aml_config" / "train-conda.yml").read_text(encoding="utf-8")
    assert "- pandas==1.5." in conda and "trained here on sample-data/d.csv" in said


@pytest.mark.slow
def test_what_does_nothing_does_not_train(tmp_path: Path) -> None:
    text = "from sklearn.svm import SVC\ndef train(x, y):\n    return SVC().fit(x, y)\nprint('ready')\n"
    folder = plant(tmp_path / "line", {"train.py": text, "requirements.txt": "scikit-learn\n"})
    said = adopt(folder, "-o", str(tmp_path / "out" / "line-fit"), status=1)
    assert "the repository is not ready: it runs, but reads no data, leaves no file" in said
    said = adopt(plant(tmp_path / "empty", {"src/train.py": ""}), "-o", str(tmp_path / "out" / "b-fit"), status=1)
    assert "src/train.py: does nothing when it is run" in said
