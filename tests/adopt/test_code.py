"""code.py: what the code becomes is told by the places of the source."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from adopt.sources import plant
from aml.adopt.convert import code
from aml.adopt.discover import source

FIT = "from sklearn.svm import SVC\nm = SVC().fit(x, y)\n"


def written(root: Path, name: str, text: str) -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root


def converted(root: Path, name: str, text: str, versions: dict[str, str] | None = None) -> code.Code:
    return code.convert(source.read(written(root, name, text), name), versions)


def notebook(*cells: str) -> str:
    v4: Any = nbformat.v4  # has no types
    made = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    return json.dumps(made)


def test_imports_of_a_notebook_are_named_by_their_cells(tmp_path: Path) -> None:
    cells = ["# a\n\nimport os", "%%writefile helper.py\nimport joblib", "import helper\nimport numpy as np\n" + FIT]
    done = converted(tmp_path, "work/Titanic (v3).ipynb", notebook(*cells))
    assert done.imports == {
        "joblib": "work/helper.py:1",
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


@pytest.mark.parametrize("place", ["train.py", "helper.py", "train.ipynb"])
@pytest.mark.parametrize("length", [400, 2000, 20_000])
def test_what_is_nested_too_deeply_is_blocked(tmp_path: Path, place: str, length: int) -> None:
    text = "x = y = 1\nimport helper\nz = " + " + ".join(["x"] * length) + "\n" + FIT
    if place == "helper.py":
        (tmp_path / place).write_text(text.replace("import helper", ""), encoding="utf-8")
        text = "import helper\nx = y = 1\n" + FIT
    entry = "train.ipynb" if place.endswith("ipynb") else "train.py"
    found = source.read(written(tmp_path, entry, notebook(text) if entry.endswith("ipynb") else text), entry)
    done = code.convert(found)
    told = {note.where for note in [*found.notes, *done.notes] if note.kind == "blocked" and "too deeply" in note.text}
    assert told and all(where.startswith(place) for where in told)


def test_a_long_chain_elsewhere_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("x = 1\ny = " + " + ".join(["x"] * 1500), encoding="utf-8")
    assert converted(tmp_path, "train.py", "x = y = 1\n" + FIT).entry == "train.py"


def test_code_in_no_encoding_that_it_says_is_blocked(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_bytes(b"x = '\xe9'\n" + FIT.encode())
    found = source.read(tmp_path, None)
    assert [note.kind for note in found.notes if note.where == "train.py"] == ["blocked"]
    assert code.convert(found).files == {"train.py": ""}


def test_modules_that_call_one_another(tmp_path: Path) -> None:
    text = "import {other}\nimport pandas as pd\ndef load(path):\n    return pd.read_csv(path)\ndef again(p):\n"
    text += "    return {other}.load(p)\n"
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.py").write_text(text.format(other=other), encoding="utf-8")
    (tmp_path / "x.csv").write_text("a\n1\n", encoding="utf-8")
    done = converted(tmp_path, "train.py", "import a\nx = y = a.again('x.csv')\n" + FIT)
    assert sorted(done.files) == ["a.py", "b.py", "train.py"] and done.inputs == []


def test_a_table_of_tags_may_be_null(tmp_path: Path) -> None:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "source": FIT,
        "metadata": {"tags": None},
        "outputs": [],
        "execution_count": None,
    }
    text = json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 2, "metadata": {}})
    assert "SVC" in str(converted(tmp_path, "train.ipynb", text).files["train.py"])


@pytest.mark.parametrize(
    "head", ["# -*- coding: latin-1 -*-\n", "#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\n"]
)
def test_code_is_written_in_the_encoding_that_it_says(tmp_path: Path, head: str) -> None:
    (tmp_path / "train.py").write_bytes((head + "x = y = 'é'\n" + FIT).encode("latin-1"))
    text = code.convert(source.read(tmp_path, None)).files["train.py"]
    assert isinstance(text, str)
    names: dict[str, str] = {}
    exec(compile(text.partition("from sklearn")[0].encode(), "train.py", "exec"), names)  # noqa: S102  # made here
    assert names["x"] == "é"


@pytest.mark.parametrize(
    "head", ["# coding: utf-8\n", "# coding=utf8\n", "# a comment on encoding\n", "", "\n\n# coding: x\n"]
)
def test_code_in_utf_8_comes_back_as_it_was(tmp_path: Path, head: str) -> None:
    text = head + "x = y = 'é'\n" + FIT
    assert converted(tmp_path, "train.py", text).files["train.py"] == text


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("import pandas as pd\nd = pd.read_parquet('d.parquet')\n", {"pandas", "pyarrow"}),
        ("import pandas\nd = pandas.read_csv('d.csv')\nd.to_excel('d.xlsx')\n", {"pandas", "openpyxl"}),
        ("import polars as pl\nd = pl.read_parquet('d.parquet')\n", {"polars"}),
        ("import pandas as pd\nd = pd.read_csv('d.csv')\n", {"pandas"}),
    ],
)
def test_what_pandas_imports_for_a_format_is_needed(tmp_path: Path, text: str, needs: set[str]) -> None:
    found = source.read(plant(tmp_path, {"train.py": text + "from sklearn.svm import SVC\nSVC().fit(d, d)\n"}), None)
    assert {*code.convert(found).imports} == needs | {"sklearn"}
