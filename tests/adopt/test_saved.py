"""saved.py: whether a model is saved, and what is said where none is."""

from pathlib import Path

import pytest

from adopt.test_code import converted, written
from aml.adopt.convert import code
from aml.adopt.convert.saved import advice
from aml.adopt.discover import source

HEAD = "import pandas as pd\nfrom sklearn.svm import SVC\nt = pd.read_csv('d.csv')\nx, y = t[['a']], t['b']\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (
            "m = SVC()\nm.fit(x, y)\npd.DataFrame(m.predict(x)).to_csv('submission.csv')\n",
            6,
            'joblib.dump(m, "out',
        ),
        ("clf = SVC().fit(x, y)\nprint(clf.score(x, y))\n", 5, 'joblib.dump(clf, "outputs/model.pkl")'),
        ("s = SVC()\ns.fit(x, y)\nscaler.fit(x)\nopen('scores.txt', 'w').write('1')\n", 6, "joblib.dump(s,"),
        ("import json\nbst = xgb.train({}, x)\njson.dump({}, open('m.json', 'w'))\n", 6, "joblib.dump(bst,"),
    ],
)
def test_a_model_that_nothing_saves(tmp_path: Path, text: str, line: int, says: str) -> None:
    done = converted(tmp_path, "train.py", HEAD + text)
    [note] = [note for note in done.notes if note.code in ("no-model-saved", "model-not-known")]
    assert (note.kind, note.where, note.code) == ("decide", f"train.py:{line}", "no-model-saved")
    assert says in note.text and "import os" in note.text and done.model is None


def test_frameworks_save_their_own_way() -> None:
    torch = "import torch\nopt = torch.optim.SGD(net.parameters())\nloss.backward()\nopt.step()\n"
    found = advice({"t.py": torch}, "t.py")
    assert found and found.line == 3 and 'torch.save(net.state_dict(), "outputs/model.pt")' in found.code
    keras = "from tensorflow import keras\nmodel = keras.Sequential()\nmodel.fit(x, y)\n"
    found = advice({"t.py": keras}, "t.py")
    assert found and found.line == 3 and 'model.save("outputs/model.keras")' in found.code


@pytest.mark.parametrize(
    "text",
    ["import joblib\njoblib.dump(m, name)\n", "m.save(where())\n", "with open(name(), 'wb') as f:\n    f.write(m)\n",
     "import mlflow\ninfo = mlflow.sklearn.log_model(m, 'm')\n", "import mlflow\nmlflow.log_artifact(name())\n",
     "from joblib import dump as keep\nkeep(m, name())\n"],
)  # fmt: skip
def test_what_may_save_a_model_is_no_missing_one(tmp_path: Path, text: str) -> None:
    done = converted(tmp_path, "train.py", f"{HEAD}m = SVC().fit(x, y)\n{text}")
    assert [note.code for note in done.notes if "model" in note.code] == ["model-not-known"]


def test_another_module_saves_it(tmp_path: Path) -> None:
    written(tmp_path, "keep.py", "import joblib\ndef keep(m, where):\n    joblib.dump(m, where)\n")
    written(tmp_path, "train.py", f"{HEAD}from keep import keep\nm = SVC().fit(x, y)\nkeep(m, str(t))\n")
    done = code.convert(source.read(tmp_path, "train.py"))
    assert [note.code for note in done.notes if "model" in note.code] == ["model-not-known"]
