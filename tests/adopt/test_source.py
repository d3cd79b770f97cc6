"""What of a source counts: the script that trains, and what it needs. Python itself judges the import closure."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adopt.sources import plant
from aml.adopt import UserError, repository
from aml.adopt.discover import source
from aml.cli.main import main

FIT = "from sklearn.svm import SVC\nSVC().fit([[0], [1]], [0, 1])\n"
ID = "11111111-2222-3333-4444-555555555555"
RUNCONFIG = "script: train.py\narguments: [--data-path, /data]\ntarget: {}\nframework: Python\n"


def notebook_of(*cells: str) -> str:
    parts: list[dict[str, Any]] = [
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": cell} for cell in cells
    ]
    return json.dumps({"cells": parts, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def blocked(found: source.Source) -> list[tuple[str, str]]:
    return [(note.where, note.text) for note in found.notes if note.kind == "blocked"]


# what is in the source, the entry, its module, the code in src/
TREES = {
    "script": ({"train.py": FIT}, "train.py", None, ["train.py"]),
    "script and module": (
        {"train.py": "import model\nmodel.build().fit()\n", "model.py": "def build(): ...\n", "other.py": ""},
        "train.py",
        None,
        ["model.py", "train.py"],
    ),
    "another name": ({"iris.py": FIT, "plots.py": "import matplotlib\n"}, "iris.py", None, ["iris.py"]),
    "helpers around": (
        {"train.py": FIT, "score.py": FIT, "setup.py": "", "submit.py": "", "tests/test_train.py": "import train\n"},
        "train.py",
        None,
        ["train.py"],
    ),
    "main and train": (
        {
            "main.py": "import train\nif __name__ == '__main__':\n    train.train()\n",
            "train.py": "def train():\n    model.fit()\n",
        },
        "main.py",
        None,
        ["main.py", "train.py"],
    ),
    "package": (
        {
            "pyproject.toml": "",
            "pkg/__init__.py": "",
            "pkg/train.py": "from .data import x\n" + FIT,
            "pkg/data.py": "x = 1",
        },
        "pkg/train.py",
        "pkg.train",
        ["pkg/__init__.py", "pkg/data.py", "pkg/train.py"],
    ),
    "package by its own name": (
        {"pkg/__init__.py": "", "pkg/train.py": "from pkg import data\n" + FIT, "pkg/data.py": ""},
        "pkg/train.py",
        "pkg.train",
        ["pkg/__init__.py", "pkg/data.py", "pkg/train.py"],
    ),
    "src layout": (
        {
            "setup.py": "",
            "src/pkg/__init__.py": "",
            "src/pkg/model.py": "",
            "scripts/train.py": "import pkg.model\n" + FIT,
        },
        "scripts/train.py",
        None,
        ["pkg/__init__.py", "pkg/model.py", "train.py"],
    ),
    "namespace package": (
        {"train.py": "from lib.deep import model\n" + FIT, "lib/deep/model.py": "", "lib/deep/other.py": ""},
        "train.py",
        None,
        ["lib/deep/model.py", "train.py"],
    ),
    "sibling folder": (
        {
            "job/train.py": "import sys\nsys.path.append('../common')\nimport shared\n" + FIT,
            "common/shared.py": "import more\n",
            "common/more.py": "",
        },
        "job/train.py",
        None,
        ["more.py", "shared.py", "train.py"],
    ),
    "sibling folder by __file__": (
        {
            "job/train.py": "import sys, os\nfrom pathlib import Path\n"
            "sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'common'))\n"
            "sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'more'))\n"
            "import shared, extra\n" + FIT,
            "common/shared.py": "",
            "more/extra.py": "",
        },
        "job/train.py",
        None,
        ["extra.py", "shared.py", "train.py"],
    ),
    "by name": (
        {
            "train.py": "import importlib\nimportlib.import_module('models.a')\n" + FIT,
            "models/__init__.py": "",
            "models/a.py": "",
            "models/b.py": "",
        },
        "train.py",
        None,
        ["models/__init__.py", "models/a.py", "train.py"],
    ),
    "by a name made at run time": (
        {
            "train.py": "import importlib\ndef get(n): return importlib.import_module(f'models.{n}')\n" + FIT,
            "models/__init__.py": "",
            "models/a.py": "",
            "models/b.py": "",
        },
        "train.py",
        None,
        ["models/__init__.py", "models/a.py", "models/b.py", "train.py"],
    ),
    "files that the code names": (
        {
            "train.py": "open('conf/base.yml')\nopen('data.csv')\n" + FIT,
            "conf/base.yml": "a: 1",
            "conf/unused.yml": "a: 1",
            "data.csv": "a\n1\n",
        },
        "train.py",
        None,
        ["conf/base.yml", "train.py"],
    ),
    "files of a package": (
        {"train.py": "import pkg\n" + FIT, "pkg/__init__.py": "", "pkg/words/list.txt": "a", "pkg/weights.bin": "a"},
        "train.py",
        None,
        ["pkg/__init__.py", "pkg/words/list.txt", "train.py"],
    ),
    "notebook": (
        {"My Model.ipynb": notebook_of("%matplotlib inline\nimport own\n", FIT), "own.py": ""},
        "My Model.ipynb",
        None,
        ["My_Model.py", "own.py"],
    ),
    "notebook that hides a module": (
        {"1 statistics.ipynb": notebook_of(FIT)},
        "1 statistics.ipynb",
        None,
        ["statistics_notebook.py"],
    ),
    "script from a notebook": (
        {"train.ipynb": notebook_of(FIT), "train.py": FIT},
        "train.py",
        None,
        ["train.py"],
    ),
    "entry point": (
        {
            "pyproject.toml": '[project]\nname = "x"\n[project.scripts]\ntrain-it = "pkg.cli:main"\n',
            "pkg/__init__.py": "",
            "pkg/cli.py": "def main(): ...\nif __name__ == '__main__':\n    main()\n",
            "pkg/model.py": FIT,
        },
        "pkg/cli.py",
        None,
        ["cli.py"],
    ),
    "submit script": (
        {
            "go.py": "from azureml.core import ScriptRunConfig\n"
            "ScriptRunConfig(source_directory='work', script='run.py')\n",
            "work/run.py": "import model\n",
            "work/model.py": FIT,
        },
        "work/run.py",
        None,
        ["model.py", "run.py"],
    ),
    "runconfig in any capitals": (
        {"aml_config/job.runconfig": '{"Script": "go.py", "Target": "local"}', "go.py": "print()", "train.py": FIT},
        "go.py",
        None,
        ["go.py"],
    ),
}


@pytest.mark.parametrize("case", TREES)
def test_finds_the_entry_and_what_it_needs(tmp_path: Path, case: str) -> None:
    tree, entry, module, code = TREES[case]
    found = source.read(plant(tmp_path, tree), None)
    assert found.entry == tmp_path / entry
    assert found.module == module
    assert sorted(found.code) == code
    assert blocked(found) == []
    assert found.why.startswith(f"{entry}: ")
    assert source.candidates(tmp_path)[0].name == entry


def test_reads_a_v1_repository(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "models/model1/train.py": "import argparse\nimport pandas\nfrom azureml.core import Run\n"
            "def main():\n    pandas.read_csv('rows.csv')\n" + FIT,
            "models/model1/score.py": "def init(): ...\ndef run(data): ...\n",
            "models/model1/tests/test_score.py": "from score import run\n",
            "models/model1/tests/test_train.py": "import train\n",
            "models/model1/tests/conftest.py": "",
            "models/model1/aml_config/train-local.runconfig": RUNCONFIG.format("local")
            + "environment: {python: {condaDependenciesFile: aml_config/job.yml}}\n",
            "models/model1/aml_config/train-amlcompute.runconfig": RUNCONFIG.format("cpu-cluster"),
            "models/model1/aml_config/job.yml": "dependencies: [python=3.6.2]\n",
            "models/model1/aml_config/inference-conda.yml": "dependencies: [python=3.6.2]\n",
            "models/model1/README.md": "    python train.py --data-path ../../sample-data/\n",
            "requirements.txt": "pandas\n",
            "sample-data/rows.csv": "a,b\n1,2\n3,4\n",
            "sample-data/few.csv": "a,b\n1,2\n",
            ".azureml/config.json": '{"Id": null, "Scope": "/subscriptions/' + ID + "/resourceGroups/g/providers/"
            'Microsoft.MachineLearningServices/workspaces/w"}',
            "pipelines/train/pipeline.py": "from azureml.pipeline.steps import PythonScriptStep\n"
            "PythonScriptStep(script_name='train.py', source_directory='models/model1')\n",
        },
    )
    found = source.read(tmp_path, None)
    project = tmp_path / "models" / "model1"
    assert found.project == project
    assert found.entry == project / "train.py"
    assert found.arguments == "--data-path /data"
    assert [path.name for path in found.runconfigs] == ["train-local.runconfig", "train-amlcompute.runconfig"]
    assert [path.name for path in found.packages] == ["job.yml", "requirements.txt", "inference-conda.yml"]
    assert [path.name for path in found.data] == ["rows.csv", "few.csv"]
    assert found.tests == {name: project / "tests" / name for name in ("conftest.py", "test_train.py")}
    assert found.settings == {"subscription_id": ID, "resource_group": "g", "workspace_name": "w"}
    assert found.imports == {
        "azureml.core.Run": "models/model1/train.py:3",
        "pandas": "models/model1/train.py:2",
        "sklearn": "models/model1/train.py:6",
    }
    assert [note.text for note in found.notes if note.code != "stays-behind"] == [
        "tests left out, for they import what does not travel: models/model1/tests/test_score.py"
    ]


@pytest.mark.parametrize(
    "tree",
    [
        {"train_a.py": FIT, "train_b.py": FIT},
        {"one.py": FIT, "two.py": FIT},
        {"models/model1/train.py": FIT, "models/model2/train.py": FIT + "import joblib\njoblib.dump(1, 'x')\n"},
        {f"{name}/{file}": text for name in ("a", "b") for file, text in
         {"train.py": FIT, "aml_config/l.runconfig": RUNCONFIG.format("local")}.items()},
    ],
    ids=["scripts", "equal", "models", "v1 models"],
)  # fmt: skip
def test_asks_which_of_several_models(tmp_path: Path, tree: dict[str, str]) -> None:
    plant(tmp_path, tree)
    names = sorted(name for name in tree if name.endswith(".py"))
    with pytest.raises(source.Undecided) as refusal:
        source.read(tmp_path, None)
    assert sorted(one.name for one in refusal.value.candidates) == names
    assert "or another one" not in str(refusal.value)
    for name in names:
        assert f"aml adopt {tmp_path} --entry {name} " in str(refusal.value)
        found = source.read(tmp_path, name)
        assert found.entry == tmp_path / name
        assert found.code == {Path(name).name: tmp_path / name}
        assert [path.parts[-3] for path in found.runconfigs] == (
            [name.split("/")[0]] if "runconfig" in str(tree) else []
        )


@pytest.mark.parametrize(
    ("answer", "status"), [(EOFError(), 130), (KeyboardInterrupt(), 130), ("²", 2), ("3", 2), ("", 2)]
)
def test_no_answer_is_no_traceback(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str | BaseException,
    status: int,
) -> None:
    def asked(_: str) -> str:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    plant(tmp_path, {"a/train.py": FIT, "b/train.py": FIT})
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "reconfigure", lambda **_: None, raising=False)
    monkeypatch.setattr("builtins.input", asked)
    assert main(["adopt", str(tmp_path)]) == status
    assert "aml: " in capsys.readouterr().err


def test_names_the_less_likely_ones_too(tmp_path: Path) -> None:
    plant(tmp_path, {"train_a.py": FIT, "train_b.py": FIT, "iris.py": FIT})
    with pytest.raises(source.Undecided) as refusal:
        source.read(tmp_path, None)
    assert [one.name for one in refusal.value.candidates] == ["train_a.py", "train_b.py"]
    assert str(refusal.value).endswith("or another one: iris.py")


@pytest.mark.parametrize("tree", [{}, {"README.md": "hello"}, {"plots.py": "import matplotlib\n"}, {"score.py": FIT}])
def test_refuses_a_source_where_nothing_trains(tmp_path: Path, tree: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"nothing in .* trains"):
        source.read(plant(tmp_path, tree), None)


@pytest.mark.parametrize("entry", ["absent.py", "../outside.py", "notes.txt", "."])
def test_refuses_an_entry_that_is_none(tmp_path: Path, entry: str) -> None:
    plant(tmp_path, {"outside.py": FIT, "in/notes.txt": "", "in/train.py": FIT})
    with pytest.raises(UserError, match=r"is (not a file in|neither)"):
        source.read(tmp_path / "in", entry)


def test_refuses_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        source.read(plant(tmp_path, {"train.py": FIT}) / "train.py", None)


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=n", "-c", "user.email=n@example.com", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_takes_of_a_checkout_what_git_does_not_ignore(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            ".gitignore": "scratch/\nlocal_settings.py\n.azureml/\n",
            "train.py": "import local_settings\n" + FIT,
            "new.csv": "a\n",
            "scratch/train_old.py": FIT,
            "scratch/old.csv": "a\n",
            "local_settings.py": "",
            ".azureml/config.json": json.dumps({"subscription_id": ID, "resource_group": "g", "workspace_name": "w"}),
            "venv/pyvenv.cfg": "",
            "venv/lib/train_x.py": FIT,
            "outputs/train_y.py": FIT,
        },
    )
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".gitignore", "train.py")
    git(tmp_path, "commit", "-qm", "first")
    # A checkout may name a program that git runs on each look at it.
    marker = tmp_path.parent / "ran"
    git(tmp_path, "config", "core.fsmonitor", f"touch '{marker}'; false")
    found = source.read(tmp_path, None)
    assert found.entry == tmp_path / "train.py"
    assert found.data == [tmp_path / "new.csv"]
    assert found.settings["workspace_name"] == "w"
    assert blocked(found) == [
        (
            "train.py:1",
            "imports local_settings, which is left out (local_settings.py is ignored): add it, or do without it",
        )
    ]
    assert not marker.exists()


def test_never_runs_or_changes_the_source(tmp_path: Path) -> None:
    tree = dict.fromkeys(
        ("train.py", "setup.py", "conftest.py"), f"import pathlib\npathlib.Path(r'{tmp_path}', 'ran').touch()\n" + FIT
    )
    plant(tmp_path, {**tree, "train.py": tree["train.py"] + "import setup, conftest\n"})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    first = source.read(tmp_path, None)
    assert sorted(first.code) == ["conftest.py", "setup.py", "train.py"]
    assert source.read(tmp_path, None) == first
    assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_the_template_runs_nothing_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "here", {"click.py": "open('ran', 'w')\n", "train.py": FIT})
    monkeypatch.chdir(tmp_path / "here")
    made = repository._generate({"project_name": "Credit risk", "project_slug": "credit-risk"}, tmp_path)
    assert (made / "cookiecutter.json").exists() is False and (made / "src" / "train.py").is_file()
    assert sorted(path.name for path in Path().iterdir()) == ["click.py", "train.py"]


def test_the_same_whatever_the_order_of_sets(tmp_path: Path) -> None:
    names = [f"{letter}{number}" for letter in "abc" for number in range(4)]
    tree = {f"{name}.py": f"import z{name}, gone\nfrom . import x\nopen('{name}.yml')\n" for name in names}
    tree |= {f"{name}.yml": "a: 1" for name in names} | {
        f"tests/{name}/test_{name}.py": f"import {name}" for name in names
    }
    cells = [f"%run {name}.ipynb\n%load_ext {name}\n!pip install {name}\nprint(x{name})" for name in names]
    plant(tmp_path, {**tree, "train.ipynb": notebook_of(f"import {', '.join(names)}\n{FIT}", *cells)})
    code = (
        "import sys, pathlib; from aml.adopt.discover import source; from aml.adopt.notebooks import notebook;"
        "root = pathlib.Path(sys.argv[1]);"
        "print(source.candidates(root), source.read(root, None), notebook.convert(root / 'train.ipynb', 'train.ipynb'))"
    )
    done = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=Path(source.__file__).parent.parent,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert done[0] == done[1] == done[2]
    assert done[0].count(b"kind='blocked'") > len(names)


def test_notes_what_cannot_be_read(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "train.py": "import broken, latin, bom, bad\nfrom pkg.absent import x\n"
            "try:\n    import maybe\nexcept ImportError:\n    maybe = None\n"
            "try:\n    import cPickle\nexcept ImportError:\n    import pickle\n" + FIT,
            "broken.py": "x = 1\nprint x\n",
            "bom.py": "\ufeffimport numpy\n",
            "pkg/__init__.py": "",
        },
    )
    (tmp_path / "latin.py").write_bytes("# coding: latin-1\nimport pandas  # ä\n".encode("latin-1"))
    (tmp_path / "bad.py").write_bytes(b"x = '\xe4'\n")
    found = source.read(tmp_path, None)
    places = [where for where, _ in blocked(found)]
    assert places == ["bad.py", "broken.py:2", "train.py:2"]
    assert found.imports == {"numpy": "bom.py:1", "pandas": "latin.py:2", "sklearn": "train.py:11"}


def test_leaves_secrets_where_they_are(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "train.py": "open('config.json')\nopen('plain.json')\nopen('my_credentials.json')\n" + FIT,
            "config.json": '{"storage": {"account_key": "0123456789"}}',
            "plain.json": '{"max_tokens": 5, "key": "x"}',
            "my_credentials.json": "{}",
            ".env": "A=b",
        },
    )
    found = source.read(tmp_path, None)
    assert sorted(found.code) == ["plain.json", "train.py"]
    assert [note.where for note in found.notes] == [".env", "config.json", "my_credentials.json"]
    assert "0123456789" not in repr(found)


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be on a Windows disk")
def test_names_that_windows_cannot_have_are_blocked(tmp_path: Path) -> None:
    plant(tmp_path, {"train.py": "import utils, Utils, aux\n" + FIT, "utils.py": "", "Utils.py": "", "aux.py": ""})
    assert sorted(where for where, _ in blocked(source.read(tmp_path, None))) == ["aux.py", "utils.py"]


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own on Windows")
def test_links_that_lead_back_or_out_do_not_count(tmp_path: Path) -> None:
    plant(tmp_path, {"in/train.py": "import outside\n" + FIT, "outside.py": "", "rows.csv": "a\n"})
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "loop.py").symlink_to(tmp_path / "in" / "loop.py")
    (tmp_path / "in" / "outside.py").symlink_to(tmp_path / "outside.py")
    (tmp_path / "in" / "rows.csv").symlink_to(tmp_path / "rows.csv")
    found = source.read(tmp_path / "in", None)
    assert list(found.code) == ["train.py"]
    assert found.data == []
    assert [where for where, _ in blocked(found)] == ["train.py:1"]


@pytest.mark.parametrize("subscription", ["xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "<your id>", "", "${ID}"])
def test_settings_that_are_not_filled_in_do_not_count(tmp_path: Path, subscription: str) -> None:
    content = {"subscription_id": subscription, "resource_group": "g", "workspace_name": "w"}
    plant(tmp_path, {"train.py": FIT, "config.json": json.dumps(content)})
    assert source.read(tmp_path, None).settings == {}


def test_an_address_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"https://github\.com/x/y is an address: git clone it"):
        source.read(Path("https://github.com/x/y"), None)


def test_pictures_count_as_one_folder(tmp_path: Path) -> None:
    pictures = {f"photos/{kind}/{number}.png": "x" * 10 for kind in ("cat", "dog") for number in range(3)}
    plant(tmp_path, {"train.py": FIT, **pictures, "doc.png": "", "labels.csv": "a\n"})
    assert source.read(tmp_path, None).data == [tmp_path / "labels.csv", tmp_path / "photos"]


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("$ CUDA_VISIBLE_DEVICES=0 python3 -u train.py --name 'a b' && echo done", "--name 'a b'"),
        ("python train.py --data <folder>", ""),
        ("python train.py --help", ""),
        ("Run python train.py to train", ""),
        ("`python ./train.py -e 3`", "-e 3"),
        ("python -m train --lr 1", "--lr 1"),
        ("pip install x; python train.py -e 3; echo", "-e 3"),
    ],
)
def test_takes_arguments_from_the_documentation(tmp_path: Path, line: str, arguments: str) -> None:
    plant(tmp_path, {"train.py": FIT, "README.md": f"# Model\n\n{line}\n"})
    assert source.read(tmp_path, None).arguments == arguments


def test_an_entry_that_only_defines_functions_is_blocked(tmp_path: Path) -> None:
    plant(tmp_path, {"train.py": "import math\nX = 1\ndef train():\n    model.fit(X)\n"})
    fix = 'does nothing when it is run: add `if __name__ == "__main__": train()` at its end'
    assert blocked(source.read(tmp_path, None)) == [("train.py", fix)]


def test_a_package_without_a_folder_around_it(tmp_path: Path) -> None:
    plant(tmp_path, {"proj/__init__.py": "", "proj/train.py": "from . import data\n" + FIT, "proj/data.py": ""})
    found = source.read(tmp_path / "proj", None)
    assert found.module == "proj.train"
    assert list(found.code) == ["proj/__init__.py", "proj/data.py", "proj/train.py"]
    (tmp_path / "proj").rename(tmp_path / "my-proj")
    assert [where for where, _ in blocked(source.read(tmp_path / "my-proj", None))] == ["train.py"]


def test_a_notebook_that_writes_its_modules(tmp_path: Path) -> None:
    cells = ["%%writefile own.py\nimport numpy\n", "import own, other\n" + FIT]
    plant(tmp_path, {"train.ipynb": notebook_of(*cells), "other.py": "import pandas\n"})
    found = source.read(tmp_path, None)
    assert {place: path.relative_to(found.root).as_posix() for place, path in found.code.items()} == {
        "train.py": "train.ipynb",
        "own.py": "own.py",
        "other.py": "other.py",
    }
    assert sorted(found.imports) == ["numpy", "pandas", "sklearn"]


# Modules by their place; n/ is a package without __init__.py.
PLACES = ["a.py", "b.py", "p/__init__.py", "p/c.py", "p/q/__init__.py", "p/q/d.py", "n/e.py", "n/m/f.py"]
FORMS = ["import {0}", "import {0} as other", "from {1} import {2}", "def f():\n    import {0}\nf()",
         "import importlib\nimportlib.import_module('{0}')", "try:\n    import {0}\nfinally:\n    pass"]  # fmt: skip


def dotted(place: str) -> str:
    return place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def relative(place: str, target: str) -> str:
    """`from ..q import d` as it stands in `place`, "" where it cannot."""
    here = place.split("/")[:-1]
    there = dotted(target).split(".")
    if not here or there[0] != here[0] or len(there) < 2:
        return ""
    package = there[:-1]
    common = 0
    while common < min(len(here), len(package)) and here[common] == package[common]:
        common += 1
    return f"from {'.' * (len(here) - common + 1)}{'.'.join(package[common:])} import {there[-1]}"


@st.composite
def graphs(draw: st.DrawFn, entry: str) -> tuple[str, dict[str, str]]:
    """An entry, and a project with it in which modules import each other in all ways."""
    tree: dict[str, str] = {}
    for place in [entry, *PLACES]:
        lines: list[str] = []
        for target in draw(st.lists(st.sampled_from(PLACES), max_size=2 if place != entry else 3, unique=True)):
            if target == place:
                continue
            package, _, last = dotted(target).rpartition(".")
            forms = [form for form in FORMS if package or "{1}" not in form]
            line = draw(st.sampled_from(forms)).format(dotted(target), package, last)
            lines.append((draw(st.booleans()) and relative(place, target)) or line)
        tree[place] = "\n".join(lines) + "\n"
    return entry, tree


LOADED = """
import sys
for module in list(sys.modules.values()):
    print(getattr(module, "__file__", None) or "")
"""


def loaded(folder: Path, *command: str, project: Path) -> set[str]:
    """The files below `project` that Python loads when it runs a command in `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(project)}  # as if the packages there were installed
    line = [sys.executable, "-B", "-S", *command]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    paths = [Path(line).resolve() for line in done.stdout.splitlines()]
    return {path.relative_to(project.resolve()).as_posix() for path in paths if path.is_relative_to(project.resolve())}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["train.py", "p/train.py", "n/m/train.py"]).flatmap(graphs))
@example(("n/m/train.py", {"n/m/train.py": "from . import f\n", "n/m/f.py": "from .. import e\n", "n/e.py": "\n"}))
def test_what_python_loads_travels_and_loads_there(tmp_path: Path, graph: tuple[str, dict[str, str]]) -> None:
    entry, tree = graph
    shutil.rmtree(tmp_path)
    project = plant(tmp_path / "in", {**tree, entry: tree[entry] + LOADED})
    found = source.read(project, None)
    assert blocked(found) == []
    assert found.imports == {}
    command = ["-m", found.module] if found.module else ["train.py"]
    folder = found.entry.parents[found.module.count(".") if found.module else 0]
    there = loaded(folder, *command, project=project)
    assert {path.relative_to(project).as_posix() for path in found.code.values()} == there
    for name, path in found.code.items():
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "src" / name)
    assert loaded(tmp_path / "src", *command, project=tmp_path / "src") == set(found.code)


DAMAGED = [
    "train.py", "setup.py", "tests/test_a.py", "nb.ipynb", "aml_config/a.runconfig", "config.json", "setup.cfg",
    "pyproject.toml", "README.md", "environment.yml",
]  # fmt: skip
DAMAGE = [
    "[1]", "{}", "a: [", "{script: 3, target: [x]}", "[options.entry_points]\nconsole_scripts = 1", "python 'train.py",
    "[project.scripts]\ntrain = 3", '{"cells": 3}', '{"cells": [3]}', "from . import x", "from ... import x",
]  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(DAMAGED), st.text(max_size=40) | st.sampled_from(DAMAGE)))
def test_a_damaged_source_is_read_or_refused(tmp_path: Path, tree: dict[str, str]) -> None:
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    for name, text in tree.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = source.read(tmp_path, None)
    except UserError as refusal:
        reason = str(refusal)
        assert reason
    else:
        assert found == source.read(tmp_path, None)
        assert found.entry in found.code.values()


def test_a_package_elsewhere_in_the_source_travels(tmp_path: Path) -> None:
    tree = {"ml/train.py": f"import kit.clean\n{FIT}", "packages/kit/src/kit/clean.py": "A = 1\n"}
    tree |= {"packages/kit/src/kit/__init__.py": "", "packages/kit/pyproject.toml": "[project]\nname = 'kit'\n"}
    found = source.read(plant(tmp_path, tree), None)
    assert found.code["kit/clean.py"] == tmp_path / "packages/kit/src/kit/clean.py"
    assert "kit" not in found.imports and found.paths == ["packages/kit/src"]


def test_a_documented_pipeline_whose_imports_fit_a_model_comes_before_a_notebook(tmp_path: Path) -> None:
    cell: dict[str, Any] = {"cell_type": "code", "source": "model.fit(x)", "metadata": {}, "outputs": []}
    cell["execution_count"] = None
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    tree = {"nb/trial.ipynb": json.dumps(notebook), "README.md": "```\npython run_pipeline.py\n```\n"}
    tree |= {"run_pipeline.py": "from pipelines.first import run\nif __name__ == '__main__':\n    run()\n"}
    tree |= {"pipelines/first.py": "from src.training import go\ndef run():\n    go()\n"}
    tree |= {"src/training.py": "from src.data import x\ndef go():\n    model.fit(x)\n", "src/data.py": "x = 1\n"}
    found = source.candidates(plant(tmp_path, tree))
    assert found[0].name == "run_pipeline.py" and "what it imports fits a model" in found[0].reasons


@pytest.mark.parametrize("other", ["train_test_creator.py", "train_test_split.py", "make_train_val.py"])
def test_what_splits_data_does_not_train_by_its_name(tmp_path: Path, other: str) -> None:
    text = "import pandas as pd\nif __name__ == '__main__':\n    pd.read_csv('d.csv').to_csv('train.csv')\n"
    tree = {"src/train.py": text + "    model.fit(1)\n", f"src/{other}": text, "src/train_test.py": text}
    assert [one.name for one in source.candidates(plant(tmp_path, tree))] == ["src/train.py"]
