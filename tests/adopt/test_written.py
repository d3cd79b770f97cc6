"""written.py: a cell that writes a script is that script, and the rest of its notebook submits it."""

from pathlib import Path

import pytest

from adopt.sources import adopt, plant
from adopt.test_submits import notebook_of
from aml.adopt.convert import code
from aml.adopt.discover import source
from aml.adopt.notebooks import written

FIT = """import argparse
import joblib
import pandas as pd
from azureml.core import Run
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("--reg-rate", type=float, default=0.01)
args = parser.parse_args()
run = Run.get_context()
table = pd.read_csv("diabetes.csv")
model = LogisticRegression(C=1 / args.reg_rate).fit(table[["a"]], table["b"])
run.log("rate", args.reg_rate)
joblib.dump(value=model, filename="outputs/model.pkl")
run.complete()
"""
HEAD = "from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace\nws = Workspace.from_config()"
MAKES = (
    "import os, shutil\nfolder = 'diabetes-training'\nos.makedirs(folder, exist_ok=True)\nshutil.copy('data/d.csv', "
    "os.path.join(folder, 'diabetes.csv'))"
)
RUNS = """config = ScriptRunConfig(source_directory=folder, script='fit.py', arguments=['--reg-rate', 0.1])
Experiment(workspace=ws, name='mslearn-diabetes').submit(config)"""
TABLE = "a,b\n" + "1,0\n2,1\n3,0\n4,1\n" * 10


@pytest.mark.parametrize(
    ("magic", "runs"),
    [
        ("%%writefile $folder/fit.py", RUNS),
        ("%%writefile {folder}/fit.py", RUNS),
        ("%%writefile fit.py", RUNS.replace("folder", "'.'")),
        ('%%file "{os.path.join(folder, "fit.py")}"', RUNS),
        ("%%writefile {here / 'fit.py'}", RUNS.replace("=folder", "=str(here)")),
        ("%%writefile $folder/fit.py", RUNS.replace("folder", "os.path.join(os.getcwd(), folder)")),
        (
            "%%writefile $folder/fit.py",
            "from azureml.train.estimator import Estimator\n"
            + RUNS.replace("script=", "entry_script=").replace("ScriptRunConfig", "Estimator").split(", arg")[0]
            + ", script_params={'--reg-rate': 0.1})",
        ),
        (
            "%%writefile $folder/fit.py",
            "from azure.ai.ml import command\njob = command(code=folder, command='python fit.py --reg-rate 0.1')",
        ),
    ],
)
def test_a_cell_that_is_the_script(tmp_path: Path, magic: str, runs: str) -> None:
    made = f"{MAKES}\nfrom pathlib import Path\nhere = Path(folder)"
    plant(tmp_path, {"05 - Train.ipynb": notebook_of(HEAD, made, f"{magic}\n{FIT}", runs), "d.csv": TABLE})
    found = source.read(tmp_path, None)
    assert "05 - Train.ipynb submits it" in found.why and found.arguments == "--reg-rate 0.1"
    assert [*found.code] == ["fit.py"] and found.code["fit.py"].read_text(encoding="utf-8") == FIT
    assert ("05 - Train.ipynb cell 4", "taken") in [(note.where, note.kind) for note in found.notes]
    assert {path.name for path in tmp_path.iterdir()} == {"05 - Train.ipynb", "d.csv"}
    assert source.read(tmp_path, "05 - Train.ipynb").why == found.why  # what submits stands for what it submits
    text = code.convert(found).files["fit.py"]
    assert isinstance(text, str) and "azureml" not in text


def test_what_is_added_and_what_is_there_already(tmp_path: Path) -> None:
    cells = ["%%writefile own.py\nA = 1", "%%writefile -a own.py\nB = 2\n", "%%writefile there.py\nC = 1\n"]
    plant(tmp_path, {"a.ipynb": notebook_of(*cells), "there.py": "C = 2\n"})
    plant(tmp_path, {"b.ipynb": notebook_of("%%writefile own.py\nD = 1", "%%writefile there.py\nC = 2")})
    laid = written.lay_out(tmp_path, ["a.ipynb", "b.ipynb", "there.py"], "")
    assert laid.files == ["a.ipynb", "b.ipynb", "own.py", "there.py"]
    assert (laid.root / "own.py").read_text(encoding="utf-8") == "A = 1\nB = 2\n"
    assert (laid.root / "there.py").read_text(encoding="utf-8") == "C = 2\n"
    assert [(name, note.kind, note.where) for name, note in laid.notes if note.kind == "decide"] == [
        ("there.py", "decide", "a.ipynb cell 4"),
        ("own.py", "decide", "b.ipynb cell 2"),
    ]
    laid = written.lay_out(tmp_path, ["a.ipynb", "b.ipynb", "there.py"], "b.ipynb")
    assert (laid.root / "own.py").read_text(encoding="utf-8") == "D = 1\n"


@pytest.mark.parametrize(
    "target", ["../x.py", "/etc/x.py", "$unknown/x.py", "~/x.py", "{1 +}/x.py", "a b*.py", "{f()}"]
)
def test_what_lies_elsewhere_or_is_not_certain_is_left_out(tmp_path: Path, target: str) -> None:
    plant(tmp_path, {"a.ipynb": notebook_of("def f(): return open('x')", f"%%writefile {target}\nA = 1")})
    assert [one.name for one in written.read(tmp_path / "a.ipynb")] == [""]
    assert written.lay_out(tmp_path, ["a.ipynb"], "").root == tmp_path


def test_the_largest_files_of_a_large_source_are_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "COPIED", 2000)
    plant(tmp_path, {"a.ipynb": notebook_of("%%writefile own.py\nA = 1"), "d.csv": "x" * 3000})
    laid = written.lay_out(tmp_path, ["a.ipynb", "d.csv"], "")
    assert (laid.root / "d.csv").resolve() == tmp_path / "d.csv" and not (laid.root / "a.ipynb").is_symlink()


def test_several_scripts_are_a_choice_by_name(tmp_path: Path) -> None:
    cells = [HEAD, MAKES, f"%%writefile $folder/fit.py\n{FIT}", RUNS]
    cells += [f"%%writefile $folder/other.py\n{FIT}", RUNS.replace("fit.py", "other.py")]
    plant(tmp_path, {"a.ipynb": notebook_of(*cells), "d.csv": TABLE})
    for entry in (None, "a.ipynb"):
        with pytest.raises(source.Undecided, match=r"--entry diabetes-training/other\.py"):
            source.read(tmp_path, entry)
    assert source.read(tmp_path, "diabetes-training/other.py").entry.name == "other.py"


def test_a_script_that_the_notebook_runs_itself(tmp_path: Path) -> None:
    plant(tmp_path, {"a.ipynb": notebook_of(f"%%writefile train.py\n{FIT}", "!python train.py --reg-rate 0.3")})
    found = source.read(tmp_path, None)
    assert found.entry.name == "train.py" and found.arguments == "--reg-rate 0.3"


@pytest.mark.slow
def test_a_lab_notebook_is_adopted(tmp_path: Path) -> None:
    folder = plant(
        tmp_path / "labs", {"05.ipynb": notebook_of(HEAD, MAKES, f"%%writefile $folder/fit.py\n{FIT}", RUNS)}
    )
    plant(folder, {"data/d.csv": TABLE, "data/other.csv": TABLE})
    said = adopt(folder, "-o", str(tmp_path / "risk"))
    document = (tmp_path / "risk" / "ADOPTED.md").read_text(encoding="utf-8")
    assert "05.ipynb cell 4: diabetes-training/fit.py is this cell" in document
    assert "aml-adopt-" not in said + document
    assert "05.ipynb: diabetes-training/diabetes.csv is its copy of data/d.csv" in document
    assert (tmp_path / "risk" / "src" / "fit.py").is_file()
