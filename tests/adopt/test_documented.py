"""documented.py and variables.py: how a source says that it is run, and what reaches the job of it."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adopt.sources import adopt, plant
from aml.adopt.commands.shell import Run, Shell
from aml.adopt.convert.code import convert
from aml.adopt.discover import source
from aml.adopt.discover.source import Source
from aml.adopt.jobs.data import Data
from aml.adopt.jobs.make import make
from support import Repository

FIT = """import argparse, os
from sklearn.linear_model import LogisticRegression
parser = argparse.ArgumentParser()
parser.add_argument("--trees", type=int, default=5)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--name", default="")
args = parser.parse_args()
SEED, RATE = os.environ.get("SEED", "0"), os.getenv("RATE")
LogisticRegression().fit([[0], [1]], [0, 1])
"""


def read(folder: Path, tree: dict[str, str], entry: str = "train.py") -> Source:
    named = any(name.endswith("train.py") for name in tree)
    return source.read(plant(folder, tree if named else {entry: FIT, **tree}), None)


def left(found: Source, code: str) -> list[str]:
    """What the notes of this kind say, with their places."""
    return [f"{note.where}: {note.text}" for note in found.notes if note.code == code]


# What a file says, the arguments and where they stand.
SAID = {
    "a recipe with variables": (
        {"Makefile": "PYTHON = python3\nTREES ?= 120\nSEED := 20$(YEAR)\nYEAR = 21\n\ntrain: data\n"
                     "\t@echo training\n\t@$(PYTHON) train.py \\\n\t  --trees ${TREES} \\\n\t  --seed $(SEED)\n"
                     "\ndata:\n\ttrue\n"},
        "--trees 120 --seed 2021", "Makefile:8",
    ),
    "a recipe in a folder, of a shell's variable": (
        {"Makefile": "all: train\ntrain:\n\tcd models && N=3; python -u train.py --trees $$N > log.txt 2>&1\n",
         "models/train.py": FIT},
        "--trees 3", "Makefile:3",
    ),
    "a target's own variable, and README's": (
        {"Makefile": "train: TREES = 7\ntrain:\n\tpython train.py --trees $(TREES) --seed $(SEED)\n",
         "README.md": "Then:\n\n    make train SEED=4\n"},
        "--trees 7 --seed 4", "README.md:3, Makefile:3",
    ),
    "the target that README names": (
        {"Makefile": "smoke:\n\tpython train.py --trees 1\ntrain:\n\tpython train.py --trees 9\n",
         "README.md": "```\nmake train\n```\n"},
        "--trees 9", "README.md:2, Makefile:4",
    ),
    "just": (
        {"justfile": "seed := '3'\ntrain trees=\"12\" name='a b':\n"
                     "    python train.py --trees {{trees}} --seed {{ seed }}\n"},
        "--trees 12 --seed 3", "justfile:3",
    ),
    "tox": (
        {"tox.ini": "[testenv:train]\nsetenv =\n    TREES = 4\ncommands =\n"
                    "    {envpython} train.py --trees 4 {posargs:--seed 2}\n"},
        "--trees 4 --seed 2", "tox.ini:5",
    ),
    "pyproject": (
        {"pyproject.toml": '[tool.poe.tasks]\ntrain = "python train.py --trees 8"\n'}, "--trees 8", "pyproject.toml:2",
    ),
    "Task": (
        {"Taskfile.yml": "version: '3'\nvars: {TREES: 30}\ntasks:\n  train:\n    dir: src\n    cmds:\n"
                         "      - python train.py --trees {{.TREES}}\n", "src/train.py": FIT},
        "--trees 30", "Taskfile.yml:7",
    ),
    "npm": (
        {"package.json": json.dumps({"scripts": {"train": "python train.py --seed 5"}}, indent=1)},
        "--seed 5", "package.json:3",
    ),
    "a workflow": (
        {".github/workflows/train.yml": "on: push\nenv: {TREES: 6}\njobs:\n  a:\n    steps:\n"
                                        "    - run: |\n        pip list\n"
                                        "        python train.py --trees ${{ env.TREES }} --seed $TREES\n"},
        "--trees 6 --seed 6", ".github/workflows/train.yml:8",
    ),
    "a Dockerfile": (
        {"Dockerfile": 'FROM python\nWORKDIR /app\nENTRYPOINT ["python", "/app/train.py"]\nCMD ["--trees", "2"]\n'},
        "--trees 2", "Dockerfile:4",
    ),
    "DVC and its parameters": (
        {"dvc.yaml": "stages:\n  train:\n    cmd: python train.py --trees ${train.trees}\n",
         "params.yaml": "train: {trees: 11}\n"},
        "--trees 11", "dvc.yaml:3",
    ),
    "MLflow": (
        {"MLproject": "entry_points:\n  main:\n    parameters:\n      trees: {type: int, default: 13}\n"
                      "    command: python train.py --trees {trees}\n"},
        "--trees 13", "MLproject:5",
    ),
    "a script in a folder of its own": (
        {"scripts/run.sh": '#!/bin/sh\nHERE="$(cd "$(dirname "$0")" && pwd)"\ncd "$HERE/.."\n'
                           'T=${1:-9}\npython train.py --trees $T "$@"\n'},
        "--trees 9", "scripts/run.sh:5",
    ),
    "a script that README gives an argument": (
        {"run.sh": "python train.py --trees $1\n", "README.md": "    ./run.sh 44\n"},
        "--trees 44", "README.md:1, run.sh:1",
    ),
    "the command of a package": (
        {"pyproject.toml": '[project]\nname = "m"\n[project.scripts]\nfit-it = "m.train:main"\n',
         "src/m/__init__.py": "", "README.md": "```\nfit-it --trees 21\n```\n", "src/m/train.py": FIT},
        "--trees 21", "README.md:2",
    ),
    "an interpreter that nobody names": (
        {"Makefile": "ROOT := $(shell dirname $(realpath $(lastword $(MAKEFILE_LIST))))\n"
                     "train:\n\tcd $(ROOT) && $(PYTHON) $(ROOT)/train.py --trees 2 --name $(CURDIR)/a\n"},
        "--trees 2 --name ./a", "Makefile:3",
    ),
    "prose": (
        {"README.md": "python train.py is what trains. Do not run it often\n", "run.sh": "python train.py --trees 2\n"},
        "--trees 2", "run.sh:1",
    ),
    "PowerShell": (
        {"README.md": '```\n$env:TREES = "2"\npython .\\lib\\train.py --trees $TREES\n```\n', "lib/train.py": FIT},
        "--trees 2", "README.md:3",
    ),
    "a prompt": (
        {"README.md": "```\n(venv) $ python train.py --trees 2\n```\n"}, "--trees 2", "README.md:2",
    ),
    "a program that runs Python": (
        {"README.md": "```\nuv run train.py --trees 2\n```\n"}, "--trees 2", "README.md:2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_arguments_come_from_where_the_source_has_them(name: str, tmp_path: Path) -> None:
    tree, arguments, where = SAID[name]
    found = read(tmp_path, tree)
    assert found.arguments == arguments
    assert found.command and found.command.where == where
    assert f"{where} runs it" in found.why and "documentation" not in found.why
    assert left(found, "several-commands") == [] or name == "the target that README names"


def test_a_value_that_nobody_says_is_left_to_decide(tmp_path: Path) -> None:
    found = read(tmp_path, {"Makefile": "train:\n\tpython train.py --trees $(TREES) --seed 3 --name $(shell date)\n"})
    assert found.arguments == "--seed 3"
    assert [line.partition(" has a value")[0] for line in left(found, "unclear-argument")] == [
        "Makefile:2: --name $(shell date)",
        "Makefile:2: --trees $(TREES)",
    ]


@pytest.mark.parametrize(
    "tree",
    [
        {"Makefile": "ifeq ($(X),1)\nT = 3\nelse\nT = 4\nendif\ntrain:\n\tpython train.py --trees $(T) --seed 3\n"},
        {"run.sh": 'if [ "$1" = all ]; then\n  T=3\nelse\n  T=4\nfi\nN=3\npython train.py --trees $T --seed $N\n'},
        {"run.sh": "for T in 1 2; do\n  python train.py --trees $T --seed 3\ndone\n"},
    ],
)
def test_a_value_that_differs_by_condition_is_left_to_decide(tree: dict[str, str], tmp_path: Path) -> None:
    found = read(tmp_path, tree)
    assert found.arguments == "--seed 3"
    [note] = left(found, "unclear-argument")
    assert ": --trees $" in note


def test_commands_that_differ_are_left_to_decide(tmp_path: Path) -> None:
    tree = {"README.md": "    python train.py --trees 1\n", "run.sh": "SEED=3 python train.py --trees 1\n"}
    tree |= {"Makefile": "train:\n\tpython train.py --trees 2\n", "Dockerfile": "CMD python train.py --trees 1\n"}
    found = read(tmp_path, tree)
    assert found.arguments == "--trees 1"
    assert left(found, "several-commands") == [
        "train.py: README.md:1 runs it with --trees 1, Makefile:2 with --trees 2, run.sh:1 with SEED=3 --trees 1: "
        "the job files do as README.md:1 says"
    ]


def test_what_runs_before_and_after_is_named(tmp_path: Path) -> None:
    recipes = "train: features\n\tpython train.py\nfeatures: data\n\tpython features.py --lags 3\n"
    recipes += "data:\n\tpython get.py raw\n"
    found = read(tmp_path, {"Makefile": recipes, "features.py": "x = 1\n", "get.py": "x = 1\n"})
    [note] = left(found, "runs-before")
    assert "`python get.py raw` (Makefile:6); `python features.py --lags 3` (Makefile:4)" in note
    assert [note.subject for note in found.notes if note.code == "stays-behind"] == ["features.py", "get.py"]


@pytest.mark.parametrize(
    "tree",
    [
        {"Makefile": "all: a b t\na:\n\tpython a.py\nb:\n\tpython b.py\nt:\n\tpython train.py\n"},
        {
            "Makefile": "t:\n\tpython train.py\nb:\n\tpython b.py\na:\n\tpython a.py\n",
            "README": "$ make a b\n$ make t\n",
        },
        {"Makefile": "t: b\n\tpython train.py\nb: a\n\tpython b.py\na: t\n\tpython a.py\n"},  # make drops the circle
        {"README.md": "```\npython a.py\npython b.py\n```\nThen\n```\npython train.py\npython c.py\n```\n"},
        {"run.sh": "python a.py && python b.py\npython train.py\npython c.py\n"},
        {
            "dvc.yaml": "stages:\n  a:\n    cmd: python a.py\n  b:\n    cmd: python b.py\n"
            "  t:\n    cmd: python train.py\n"
        },
    ],
)
def test_what_runs_before_is_known_in_its_order(tree: dict[str, str], tmp_path: Path) -> None:
    found = read(tmp_path, {**dict.fromkeys(("a.py", "b.py", "c.py"), "x = 1\n"), **tree})
    assert [one.script for one in found.steps if one.order == "before"] == ["a.py", "b.py"]


def test_a_server_and_an_installation_are_no_step_before(tmp_path: Path) -> None:
    lines = "```\npython setup.py install\npython app.py\npython get.py\npython train.py\n```\n"
    found = read(tmp_path, {**dict.fromkeys(("app.py", "get.py", "setup.py"), "x = 1\n"), "README.md": lines})
    assert [one.script for one in found.steps] == ["get.py"]


SUB = FIT.replace("args = parser", "parser.add_argument('command')\nargs = parser")


@pytest.mark.parametrize("name", ["train", "fit-model"])
def test_of_several_commands_of_a_script_that_which_trains_counts(name: str, tmp_path: Path) -> None:
    lines = f"```\npython main.py prepare\npython main.py {name} --trees 2\npython main.py show\n```\n"
    found = source.read(plant(tmp_path, {"main.py": SUB, "README.md": lines}), None)
    assert found.arguments == f"{name} --trees 2"
    assert [(one.command, one.order) for one in found.steps] == [("python main.py prepare", "before")]
    assert not left(found, "several-commands")


def test_a_command_of_the_package_calls_its_function(tmp_path: Path) -> None:
    text = "from sklearn.svm import SVC\ndef main():\n    SVC().fit([[0], [1]], [0, 1])\n"
    tree = {"pyproject.toml": '[project]\nname = "cups"\n[project.scripts]\ncups = "cups.cli:main"\n'}
    tree |= {"src/cups/__init__.py": "", "src/cups/cli.py": text, "justfile": "fit:\n    cups fit --alpha 2\n"}
    found = source.read(plant(tmp_path, tree), None)
    assert (found.arguments, found.function) == ("fit --alpha 2", "main")
    made = convert(found)
    assert str(made.files[made.entry]) == f'{text}\n\nif __name__ == "__main__":\n    main()\n'
    calls = plant(tmp_path / "b", {**tree, "src/cups/cli.py": f"{text}main()\n"})
    assert source.read(calls, None).function == ""


def jobs(found: Source) -> list[dict[str, str]]:
    """The environment variables of both jobs."""
    code = convert(found)
    files = make(found, code, "model", Data(found, "model-data", code.inputs)).files
    return [yaml.safe_load(files[f"train-{name}.yml"])["environment_variables"] for name in ("local", "amlcompute")]


@pytest.mark.parametrize(
    "tree",
    [
        {"run.sh": "#!/bin/sh\nexport SEED=2021\nOTHER=1 RATE='a b' python train.py\n"},
        {"run.sh": "set -a\nSEED=2021\nRATE='a b'\nset +a\npython train.py\n"},
        {"run.sh": "set -euo pipefail\nOTHER=3\nset -a; source conf/env.sh\npython train.py\n",
         "conf/env.sh": "SEED=2021\nRATE='a b'\n"},
        {"conf/prod.env": "SEED=2021\nRATE=a b\n", "train.py": FIT + "load_dotenv('conf/prod.env')\n"},
        {"Makefile": "export SEED = 2021\nRATE = a b\nexport RATE\nOTHER = 2\ntrain:\n\tpython train.py\n"},
        {"Makefile": "include .env\nexport\ntrain:\n\tpython train.py\n", ".env": "SEED=2021\nRATE=a b\n"},
        {"Dockerfile": "FROM python\nENV SEED=2021 RATE='a b'\nENV OTHER 3\nCMD python train.py\n"},
        {"README.md": "```bash\nexport SEED=2021\nexport RATE='a b'\n```\n\n```bash\npython train.py\n```\n"},
        {".env": '# settings\nexport SEED=2021  # as ever\nRATE="a b"\nOTHER=1\n'},
        {".env.example": "SEED=2021\nRATE=a b\n", "README.md": "    cp .env.example .env\n    python train.py\n"},
        {"run.bat": '@echo off\r\nset SEED=2021\r\nset "RATE=a b"\r\npython train.py\r\n'},
        {"tox.ini": "[testenv]\nsetenv =\n    SEED = 2021\n    RATE = a b\ncommands = python train.py\n"},
        {".github/workflows/a.yml": "env: {SEED: 2021}\njobs:\n  a:\n    steps:\n    - run: python train.py\n"
                                    "      env: {RATE: a b}\n"},
    ],
)  # fmt: skip
def test_variables_that_the_code_reads_reach_both_jobs(tree: dict[str, str], tmp_path: Path) -> None:
    found = read(tmp_path, tree)
    assert jobs(found) == [{"RATE": "a b", "SEED": "2021"}] * 2
    assert all(name in {note.subject for note in found.notes if note.kind == "taken"} for name in ("RATE", "SEED"))


def test_secrets_stay_where_they_are(tmp_path: Path) -> None:
    code = FIT + 'KEY, TOKENS = os.environ["API_KEY"], os.environ["MAX_TOKENS"]\n'
    tree = {".env": "API_KEY=short1\nSEED=1\nMAX_TOKENS=512\nUNREAD_PASSWORD=hunter22\n", "train.py": code}
    found = read(tmp_path, tree)
    assert jobs(found) == [{"MAX_TOKENS": "512", "SEED": "1"}] * 2
    assert left(found, "variable")[0].startswith(".env:1: API_KEY looks like a secret and was not copied: set it where")
    assert ".env" in [note.subject for note in found.notes if note.code == "stays-behind"]
    assert "short1" not in str(found.notes) and "hunter22" not in str(found.notes)


def test_a_variable_whose_value_nobody_says_is_left_to_decide(tmp_path: Path) -> None:
    found = read(tmp_path, {"Makefile": "train:\n\tSEED=$(SEED) OTHER=$(OTHER) python train.py\n"})
    assert found.variables == {}
    [note] = left(found, "variable")
    assert note.startswith("Makefile:2: SEED=$(SEED) has a value that no file says: environment_variables")


def test_a_variable_that_nothing_sets_is_left_to_decide(tmp_path: Path) -> None:
    code = FIT + 'a = os.environ["FIRST"]\nos.environ["SECOND"] = "1"\nb = os.environ["SECOND"]\n'
    found = read(tmp_path, {"train.py": code})
    assert left(found, "variable") == [
        "train.py:10: reads the environment variable FIRST, which no file sets: environment_variables in both job files"
    ]


def test_a_package_runs_in_the_folder_of_its_documentation(tmp_path: Path) -> None:
    tree = {"src/churn/__init__.py": "", "src/churn/data.py": "", "README.md": "    python -m churn.train --trees 3\n"}
    found = read(tmp_path, tree, "src/churn/train.py")
    (found.entry).write_text("from churn.data import *\n" + FIT, encoding="utf-8")
    found = source.read(tmp_path, None)
    assert found.ways(found.entry)[0] == (["-m", "churn.train"], ".") and found.paths == ["src"]
    plant(tmp_path, {"README.md": "    cd src\n    python churn/train.py\n"})
    assert source.read(tmp_path, None).ways(found.entry)[0] == (["churn/train.py"], "src")
    (tmp_path / "README.md").unlink()
    assert source.read(tmp_path, None).ways(found.entry)[0][1] == "."


PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="$`{}[]<>%\\#\x7f"), min_size=1)


@given(st.lists(PLAIN.filter(lambda word: word not in ("-h", "--help", "...", ">", "&>")), max_size=4))
def test_arguments_are_those_that_a_shell_would_give(words: list[str]) -> None:
    followed = Shell().follow(f"echo 1; python train.py {shlex.join(words)} && echo done")
    assert [list(run.words) for run in followed if isinstance(run, Run)] == [words]


@given(st.text(st.sampled_from("python train.py-$(){}<>&|;'\"\\`=cdm %@ \n\t#:"), max_size=60))
def test_any_text_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    names = ("README.md", "Makefile", "run.sh", "Dockerfile", "dvc.yaml", "tox.ini", "pyproject.toml", ".env")
    read(folder, dict.fromkeys(names, text))


# Trains on what its arguments, its environment and its folder say, with nothing but Python.
TRAINS = """import argparse, json, os
from pkg.data import rows
parser = argparse.ArgumentParser()
parser.add_argument("--trees", type=int, default=5)
args = parser.parse_args()
values = rows()
model = {"trees": args.trees, "seed": os.getenv("SEED"), "rate": os.environ["RATE"], "mean": sum(values) / len(values)}
os.makedirs("models", exist_ok=True)
json.dump(model, open("models/model.json", "w"))
print("score", 0.25 * args.trees + float(model["rate"]))
"""
RECIPE = {
    "README.md": "# Rentals\n\n    make train\n",
    "Makefile": "TREES ?= 120\nexport SEED := 2021\n\ntrain:\n\tpython -m pkg.train \\\n\t\t--trees $(TREES)\n",
    ".env": "RATE=0.125\n",
    "src/pkg/__init__.py": "",
    "src/pkg/data.py": 'def rows():\n    return [float(line) for line in open("data/rows.csv").read().split()[1:]]\n',
    "src/pkg/train.py": TRAINS,
    "data/rows.csv": "value\n1\n2\n4\n",
}


@pytest.mark.slow
def test_a_repository_trains_as_the_documentation_says(installed: Repository, tmp_path: Path) -> None:
    folder = plant(tmp_path / "rentals", RECIPE)
    out = tmp_path / "out" / "rentals"
    said = adopt(folder, "-o", str(out))
    assert "README.md:3, Makefile:5 runs it" in said and "stays behind .env" in said
    for name in ("local", "amlcompute"):
        job = yaml.safe_load((out / "aml_config" / f"train-{name}.yml").read_text(encoding="utf-8"))
        assert "--trees 120" in job["command"] and job["environment_variables"] == {"RATE": "0.125", "SEED": "2021"}
    original = shutil.copytree(folder, tmp_path / "original")
    variables = {**os.environ, "PYTHONPATH": "src", "SEED": "2021", "RATE": "0.125"}
    command = [sys.executable, "-m", "pkg.train", "--trees", "120"]
    subprocess.run(command, cwd=original, env=variables, check=True, capture_output=True)
    assert "score 30.125" in Repository(out, installed.python).aml("submit", "-c", "train-local").stdout
    [model] = (out / "runs").glob("*/outputs/**/model.json")
    assert model.read_bytes() == (original / "models" / "model.json").read_bytes()
