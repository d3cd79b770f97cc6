"""code.py: what the code becomes is told by the places of the source."""

import json
from pathlib import Path

import nbformat

from aml_adopt import code, source

FIT = "from sklearn.svm import SVC\nm = SVC().fit(x, y)\n"


def converted(root: Path, name: str, text: str, versions: dict[str, str] | None = None) -> code.Code:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return code.convert(source.read(root, name), versions)


def notebook(*cells: str) -> str:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    return json.dumps(made)


def test_imports_of_a_notebook_are_named_by_their_cells(tmp_path: Path) -> None:
    cells = ["# a\n\nimport os", "%%writefile helper.py\nimport joblib", "import helper\nimport numpy as np\n" + FIT]
    done = converted(tmp_path, "work/Titanic (v3).ipynb", notebook(*cells))
    assert done.imports == {
        "joblib": "work/Titanic (v3).ipynb",
        "numpy": "work/Titanic (v3).ipynb cell 3",
        "sklearn": "work/Titanic (v3).ipynb cell 3",
    }


def test_imports_that_were_made_are_named_by_the_line_that_they_come_from(tmp_path: Path) -> None:
    text = "x = y = 1\nfrom sklearn.externals import joblib\n" + FIT + "joblib.dump(m, 'm.pkl')\n"
    done = converted(tmp_path, "src/train_model.py", text)
    assert done.imports == {"joblib": "src/train_model.py:2", "sklearn": "src/train_model.py:2"}
    done = converted(tmp_path / "b", "train.ipynb", notebook("x = y = 1", text))
    assert done.imports["joblib"] == "train.ipynb cell 2"


def test_pictures_have_plain_names(tmp_path: Path) -> None:
    cells = notebook("import matplotlib.pyplot as plt\nx = y = 1\n" + FIT, "plt.plot(x)")
    done = converted(tmp_path, "Titanic - final (v3).ipynb", cells)
    text = done.files[done.entry]
    assert isinstance(text, str) and 'plt.savefig("outputs/Titanic-final-v3-1.png")\nplt.close()\n' in text
    assert [note.where for note in done.notes if "savefig" in note.text] == ["Titanic - final (v3).ipynb cell 2"]


def test_later_packages_change_the_code(tmp_path: Path) -> None:
    text = "from sklearn.preprocessing import OneHotEncoder\nx = y = OneHotEncoder(sparse=False)\n" + FIT
    kept = converted(tmp_path, "train.py", text).files["train.py"]
    assert isinstance(kept, str) and "sparse=False" in kept
    done = converted(tmp_path, "train.py", text, {"scikit-learn": "1.9.1"})
    new = done.files["train.py"]
    assert isinstance(new, str) and "sparse_output=False" in new
    assert "train.py:2" in [note.where for note in done.notes if "sparse_output" in note.text]
