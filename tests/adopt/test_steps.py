"""steps.py: the scripts that run before and after the one that trains are named, with what they make."""

from pathlib import Path

from adopt.sources import plant
from aml.adopt import Note, report
from aml.adopt.commands.steps import explained, makers
from aml.adopt.discover import source

TRAIN = """import joblib, sys
import pandas as pd
from sklearn.svm import SVC
t = pd.read_csv("data/processed/x.csv")
joblib.dump(SVC().fit(t[["a"]], t["b"]), "model.pkl")
"""
TREE = {
    "train.py": TRAIN,
    "get.py": "open('data/processed/x.csv', 'w').write('a,b')\n",
    "evaluate.py": "import sys\nopen(sys.argv[1], 'w')\nopen('roc.png', 'w')\nopen('model.pkl')\n",
    "app.py": "",
    "Dockerfile": "",
    ".github/workflows/ci.yml": "",
    "Makefile": "data:\n\tpython get.py --from raw.csv\ntrain: data\n\tpython train.py\nscore: train\n"
    "\tpython evaluate.py metrics.json\n",
}


def test_what_runs_before_and_after_is_named_with_its_line(tmp_path: Path) -> None:
    found = source.read(plant(tmp_path, TREE), None)
    assert {step.script: step.order for step in found.steps} == {"get.py": "before", "evaluate.py": "after"}
    [row] = [row for row in report.summary(found.notes, None) if row.startswith("stays behind")]
    names = {"get.py (Makefile:2)", "evaluate.py (Makefile:6)", "app.py", "Dockerfile", ".github/workflows/ci.yml"}
    assert {*row.removeprefix("stays behind ").split(", ")} == names
    [after] = [note for note in found.notes if note.code == "runs-after"]
    assert (after.kind, after.where) == ("decide", "Makefile:6")
    assert "runs evaluate.py after train.py" in after.text and "(it names metrics.json, roc.png)" in after.text


def test_missing_data_name_the_step_that_makes_them(tmp_path: Path) -> None:
    found = source.read(plant(tmp_path, TREE), None)
    missing = Note("decide", "train.py:4", "is not in the source", "data-missing", "data/processed/x.csv")
    note = explained(missing, found.steps)
    advice = "run `python get.py --from raw.csv` in a copy of the source, and adopt the copy"
    assert note.text == f"get.py names x.csv (Makefile:2): {advice}" and note.where == "train.py:4"
    [step] = makers(found.steps, "train.py:4: FileNotFoundError: [Errno 2] ... 'data/processed/x.csv'")
    assert step.script == "get.py"
    assert makers(found.steps, "train.py:4: FileNotFoundError: [Errno 2] ... 'roc.png'") == []  # made afterwards
    other = Note("decide", "", "z.csv is not on this machine", "data-missing", "z.csv")
    assert explained(other, found.steps) == other
