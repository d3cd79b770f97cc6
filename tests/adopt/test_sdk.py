"""sdk.py: the retired SDK's calls become MLflow calls and options, and the result runs."""
# ruff: noqa: E501  # a case a line reads best

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aml.adopt import DataInput
from aml.adopt.python.arguments import declare
from aml.adopt.v1.sdk import Rewritten, rewrite

START = "from azureml.core import Run\nrun = Run.get_context()\n"


def body(text: str) -> str:
    """What follows the imports, settings and helpers in a rewritten module."""
    done = rewrite(START + text, "train.py", False).text
    lines = done.splitlines(keepends=True)
    tree = ast.parse(done)
    first = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)]
    return "".join(lines[first[0].lineno - 1 :]) if first else ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('run.log("a", 0.5)\n', 'mlflow.log_metric("a", 0.5)\n'),
        ('run.log(name="a", value=0.5)\n', 'mlflow.log_metric(key="a", value=0.5)\n'),
        ('run.log("a", 0.5, "text", 3)\n', 'mlflow.log_metric("a", 0.5, step=3)\n'),
        ('run.log("a", 0.5, step=3, description="x")\n', 'mlflow.log_metric("a", 0.5, step=3)\n'),
        ('run.log("a", "text")\n', 'mlflow.set_tag("a", "text")\n'),
        ('run.log("a", str(x), step=2)\n', 'mlflow.set_tag("a", str(x))\n'),
        ('run.log("F1 (macro)", 1)\n', 'log_value("F1 (macro)", 1)\n'),
        ('run.log("a", x)\n', 'log_value("a", x)\n'),
        ("run.log(**d)\n", "log_value(**d)\n"),
        ("run.log(*d)\n", "log_value(*d)\n"),
        ('run.log_list("a", [1, 2])\n', 'log_value("a", [1, 2])\n'),
        ('run.log_table("a", d, description="x")\n', 'log_value("a", d)\n'),
        ('run.log_row("a", x=1, y=b)\n', 'log_value("a", dict(x=1, y=b))\n'),
        ('run.log_row(name="a", **d)\n', 'log_value("a", dict(**d))\n'),
        ('run.log_row("a", "about", x=1)\n', 'log_value("a", dict(x=1))\n'),
        ('run.log_image("roc", "roc.png")\n', 'mlflow.log_artifact("roc.png")\n'),
        ('run.log_image("roc", plot=figure)\n', 'mlflow.log_figure(figure, "roc.png")\n'),
        ('run.log_confusion_matrix("m", value)\n', 'mlflow.log_dict(value, "m.json")\n'),
        ("run.log_residuals(n, value=v)\n", 'mlflow.log_dict(v, f"{n}.json")\n'),
        ('run.upload_file("outputs/m.pkl", "outputs/m.pkl")\n', 'mlflow.log_artifact("outputs/m.pkl", "outputs")\n'),
        ('run.upload_file("m.pkl", path_or_stream=p)\n', 'log_file("m.pkl", path_or_stream=p)\n'),
        ('run.upload_files(["a"], paths=["b"])\n', 'log_file(["a"], path_or_stream=["b"])\n'),
        ('run.upload_folder("logs", path="l")\n', 'mlflow.log_artifacts("l", "logs")\n'),
        ('run.tag("k")\n', 'mlflow.set_tag("k", value="")\n'),
        ('run.set_tags({"k": "v"})\n', 'mlflow.set_tags({"k": "v"})\n'),
        ('run.add_properties({"k": "v"})\n', 'mlflow.set_tags({"k": "v"})\n'),
        ('run.parent.log("a", 1)\n', 'mlflow.log_metric("a", 1)\n'),
        ('run.parent.log("a", 1) if run.parent else None\n', 'mlflow.log_metric("a", 1)\n'),
        ('x = (run.parent.log("a", 1) if run.parent else 2)\n', 'x = (mlflow.log_metric("a", 1))\n'),
        (
            'if run.parent:\n    run.parent.log("a", 1)\n',
            'if (mlflow.active_run() or mlflow.start_run()):\n    mlflow.log_metric("a", 1)\n',
        ),
        (
            'above = run.parent\nif above is not None:\n    above.log("a", 1)\n',
            'above = mlflow.active_run() or mlflow.start_run()\nif above is not None:\n    mlflow.log_metric("a", 1)\n',
        ),
        ("while run.parent:\n    f()\n", "while None:\n    f()\n"),
        ("run.complete()\n", ""),
        ("try:\n    f()\nfinally:\n    run.complete()\n", "try:\n    f()\nfinally:\n    pass\n"),
        ("x = 1\nrun.flush()  # now\n", "x = 1\n# now\n"),
        ('run.log(\n    "a",  # the name\n    1,\n)\n', 'mlflow.log_metric(\n    "a",  # the name\n    1,\n)\n'),
        ('x = [run.log("a", v) for v in w]\n', 'x = [log_value("a", v) for v in w]\n'),
        ("f(callback=run.log)\n", "f(callback=log_value)\n"),
        ("print(run.id)\n", "run = mlflow.active_run() or mlflow.start_run()\nprint(run.info.run_id)\n"),
        ("f(run)\n", "run = mlflow.active_run() or mlflow.start_run()\nf(run)\n"),
        ('if run.id.startswith("OfflineRun"):\n    f()\n', 'if ("MLFLOW_EXPERIMENT_ID" not in os.environ):\n    f()\n'),
        ('if "OfflineRun" not in run.id:\n    f()\n', 'if ("MLFLOW_EXPERIMENT_ID" in os.environ):\n    f()\n'),
        ("ws = run.experiment.workspace\nf()\n", "f()\n"),
        ("ws = run.experiment.workspace\nf(ws)\n", "ws = None\nf(ws)\n"),
        ("print(run.experiment.workspace.name)\nf()\n", "f()\n"),
        ("experiment = run.experiment\nf()\nexperiment\n", "f()\n"),
        (
            'with run.child_run("c") as child:\n    child.log("a", 1)\n',
            "run = mlflow.active_run() or mlflow.start_run()\n"
            'with mlflow.start_run(run_name="c", nested=True) as child:\n    mlflow.log_metric("a", 1)\n',
        ),
        ('m = run.register_model("m", "outputs/m.pkl")\nprint(m.name, m.version)\nf()\n', "f()\n"),
    ],
)
def test_what_each_call_becomes(before: str, after: str) -> None:
    assert body(before) == after


@pytest.mark.parametrize(
    "lines",
    [
        "from azureml.core import Run\nr = Run.get_context()\n",
        "from azureml.core.run import Run as R\nr = R.get_context()\n",
        "import azureml.core\nr = azureml.core.Run.get_context()\n",
        "import azureml.core as aml\nr = aml.Run.get_context(allow_offline=True)\n",
        "from azureml import core\nr = core.Run.get_context()\n",
        "from azureml.core import *\nfrom azureml.core import Run\nr = Run.get_submitted_run()\n",
        "try:\n    from azureml.core import Run\nexcept ImportError:\n    Run = None\nr = Run.get_context()\n",
    ],
)
def test_spellings_of_the_import(lines: str) -> None:
    done = rewrite(lines + 'r.log("a", 1)\n', "train.py", False)
    ast.parse(done.text)
    assert 'mlflow.log_metric("a", 1)' in done.text
    assert "get_context" not in done.text and "get_submitted_run" not in done.text
    assert done.text.count("import mlflow\n") == 1
    assert "Run" not in done.text.replace("Run = None", "") or "import *" in lines


def test_runs_in_classes_functions_and_parameters() -> None:
    done = rewrite(
        "from azureml.core import Run\n"
        "class Trainer:\n"
        "    shared = Run.get_context()\n"
        "    def __init__(self):\n"
        "        self.run = Run.get_context()\n"
        "    def fit(self):\n"
        "        self.run.log('a', 1)\n"
        "        Trainer.shared.log('b', 2)\n"
        "def get():\n"
        "    return Run.get_context()\n"
        "def train(r: Run, other):\n"
        "    r.log('c', 3)\n"
        "    other.log('d', 4)\n"
        "    get().log('e', 5)\n"
        "train(get(), Run.get_context())\n",
        "train.py",
        False,
    )
    for name, value in zip("abcde", range(1, 6), strict=True):
        assert f"mlflow.log_metric('{name}', {value})" in done.text
    assert "azureml" not in done.text
    assert not [note for note in done.notes if note.kind == "blocked"]


def test_a_parameter_of_another_module_is_known_by_its_use() -> None:
    text = 'def report(run, value):\n    run.log("accuracy", value)\n'
    assert 'log_value("accuracy", value)' in rewrite(text, "report.py", False).text
    foreign = 'import wandb\ndef report(run, value):\n    run.log("accuracy", value)\n'
    assert rewrite(foreign, "report.py", False) == Rewritten(foreign, [], [])
    logger = "def report(run):\n    run.log({'a': 1})\n"
    assert rewrite(logger, "report.py", False).text == logger


def test_the_import_goes_after_docstring_future_and_comments() -> None:
    text = (
        '#!/usr/bin/env python\n# licence\n"""Doc."""\nfrom __future__ import annotations\n\n'
        + START
        + 'run.log("a", 1)\n'
    )
    lines = rewrite(text, "train.py", False).text.splitlines()
    assert lines[:4] == text.splitlines()[:4]
    assert "import mlflow" in lines[4:7]


def test_input_datasets_use_the_scripts_own_parser() -> None:
    done = rewrite(
        "import argparse\nfrom azureml.core import Run\n"
        "def main():\n"
        "    parser = argparse.ArgumentParser()\n"
        "    parser.add_argument('--c', type=float)\n"
        "    args = parser.parse_args()\n"
        "    run = Run.get_context()\n"
        "    table = run.input_datasets['credit data'].to_pandas_dataframe()\n"
        "    run.log('c', args.c)\n"
        "main()\n",
        "train.py",
        True,
    )
    assert (
        "    parser.add_argument('--c', type=float)\n    parser.add_argument(\"--credit-data\", required=True"
        in done.text
    )
    assert "    table = pd.read_csv(args.credit_data)\n" in done.text
    assert "import pandas as pd\n" in done.text
    assert done.inputs == [DataInput("credit_data", "uri_file", None, "--credit-data")]
    assert [note.where for note in done.notes if note.kind == "decide"] == ["train.py:8"]


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ('Dataset.get_by_name(ws, "credit")', "azureml:credit@latest"),
        ('Dataset.get_by_name(workspace=ws, name="credit", version=2)', "azureml:credit:2"),
        ("Dataset.get_by_name(ws, NAME)", "azureml:credit@latest"),
        (
            'Dataset.Tabular.from_delimited_files((store, "credit/a.csv"))',
            "azureml://datastores/store1/paths/credit/a.csv",
        ),
        ('Dataset.get_by_id(ws, id="0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f")', None),
    ],
)
def test_datasets_by_name_become_options_of_a_new_parser(call: str, path: str | None) -> None:
    done = rewrite(
        "from azureml.core import Dataset, Datastore, Workspace\n"
        'NAME = "credit"\n'
        "ws = Workspace.from_config()\n"
        'store = Datastore.get(ws, "store1")\n'
        f"data = {call}\n"
        "table = data.to_pandas_dataframe()\n",
        "train.py",
        True,
    )
    assert [(entry.type, entry.path) for entry in done.inputs] == [("uri_file", path)]
    flag = done.inputs[0].flag
    assert f'parser.add_argument("{flag}", required=True' in done.text
    assert "azureml" not in done.text.replace(path or "", "") and "from_config" not in done.text
    ran = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['train.py', *sys.argv[1:]]\n" + done.text.replace("import pandas as pd", "class pd: read_csv = print"), flag, "here.csv", "--other", "1"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("here.csv\n", "")


def test_a_file_on_the_web_is_read_by_pandas() -> None:
    done = rewrite(
        "from azureml.core import Dataset\n"
        'd = Dataset.Tabular.from_delimited_files("https://example.org/a.csv")\nt = d.to_pandas_dataframe()\n',
        "train.py",
        True,
    )
    assert done.text.endswith('d = "https://example.org/a.csv"\nt = pd.read_csv(d)\n')
    assert done.inputs == []


@pytest.mark.parametrize(
    ("lines", "where", "word"),
    [
        (
            "from azureml.core import ScriptRunConfig\nc = ScriptRunConfig(source_directory='.')\n",
            "t.py:2",
            "aml submit",
        ),
        ("from azureml.core.model import Model\nm = Model(ws, 'x')\n", "t.py:2", "option"),
        (START + "run.get_details()['status']\nx = run.get_details()\n", "t.py:4", "get_details"),
        (START + "for d in run.input_datasets.values():\n    f(d)\n", "t.py:3", "each one"),
        (START + "d = run.input_datasets['a']\nd.download('.')\n", "t.py:4", "folder already"),
        (
            "from azureml.core import Dataset\ndef f(ws, name):\n    return Dataset.get_by_name(ws, name)\n",
            "t.py:3",
            "option",
        ),
    ],
)
def test_what_cannot_be_rewritten_is_named_with_its_line(lines: str, where: str, word: str) -> None:
    notes = [note for note in rewrite(lines, "t.py", True).notes if note.kind == "blocked"]
    assert where in [note.where for note in notes]
    assert any(word in note.text for note in notes)


def test_registering_leaves_a_note_and_no_code() -> None:
    done = rewrite(
        "from azureml.core import Model, Workspace\nws = Workspace.from_config()\n"
        'model = Model.register(ws, model_name="demo", model_path="outputs/m.pkl")\nprint(model.version)\n',
        "train.py",
        True,
    )
    assert done.text == "\n"
    assert any("aml register-model -n demo" in note.text for note in done.notes)


def test_no_secret_in_a_note() -> None:
    value = "abcd1234efgh5678ijkl9012"
    done = rewrite(
        "from azureml.core import Dataset\n"
        f'd = Dataset.Tabular.from_delimited_files(["https://x.blob.core.windows.net/a.csv?sig={value}"])\n',
        "train.py",
        True,
    )
    assert done.notes
    assert all(value not in note.text for note in done.notes)


def test_declare_lets_the_scripts_parser_know_other_options() -> None:
    text = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--a')\nargs = p.parse_args()\n"
    inputs = [DataInput("b", "uri_file", None, "--b"), DataInput("a", "uri_file", None, "--a")]
    assert declare(text, inputs) == text.replace(
        "'--a')\n", '\'--a\')\np.add_argument("--b", help="data, read in another module")\n'
    )
    assert declare("x = 1\n", inputs) == "x = 1\n"


# Executed

RUNNING = """
import argparse
import io
from azureml.core import Run
from azureml.core.model import Model

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.5)
args = parser.parse_args()
run = Run.get_context()
ws = run.experiment.workspace
open("plain.txt", "w").write("plain")


class Figure:
    def savefig(self, path):
        open(path, "wb").write(b"png")


def epoch(run, number):
    run.log("loss", 1 / (number + 1), step=number)


for number in range(3):
    epoch(run, number)
run.log("rate", args.rate)
run.log("kernel", "linear")
run.log("F1 (macro)", 0.25)
unknown = {"text": "words", "number": 7}
for name, value in unknown.items():
    run.log(name, value)
run.log(**{"name": "stars", "value": 2, "description": "x"})
run.log_list("list", [1, 2, 3])
run.log_row("row", x=1, y=2.5)
run.log_table("table", {"x": [1, 2], "y": [3, 4]})
run.log_confusion_matrix("matrix", {"schema_type": "confusion_matrix", "data": {"matrix": [[1]]}})
run.upload_file("kept/plain.txt", "plain.txt")
run.upload_file(name="other/renamed.txt", path_or_stream="plain.txt")
run.upload_file("stream.txt", io.BytesIO(b"stream"))
run.upload_files(["f/a.txt", "f/b.txt"], ["plain.txt", "plain.txt"])
run.tag("colour", "blue")
run.set_tags({"size": "big"})
run.parent.log("to parent", 9)
with run.child_run(name="child") as child:
    child.log("inner", 1)
run.log("after", 1)
print(run.experiment.name, "RUN", run.id)
run.register_model(model_name="m", model_path="outputs/m.pkl")
run.complete()
"""


def test_the_rewritten_code_tracks_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    done = rewrite(RUNNING, "train.py", True)
    assert "azureml" not in done.text
    (tmp_path / "train.py").write_text(done.text, encoding="utf-8")
    store = (tmp_path / "mlruns").as_uri()
    client = mlflow.MlflowClient(store)
    experiment = client.create_experiment("named")
    run_id = client.create_run(experiment).info.run_id
    job = {
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_RUN_ID": run_id,
        "MLFLOW_EXPERIMENT_ID": experiment,
    }
    ran = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, env={**os.environ, **job}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"named RUN {run_id}\n"
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {
        "loss": pytest.approx(1 / 3), "rate": 0.5, "F1 _macro_": 0.25, "number": 7, "stars": 2, "list": 3, "row.x": 1,
        "row.y": 2.5, "table.x": 2, "table.y": 4, "to parent": 9, "after": 1,
    }  # fmt: skip
    history = [(entry.step, entry.value) for entry in client.get_metric_history(run_id, "loss")]
    assert history == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
    assert [(entry.step, entry.value) for entry in client.get_metric_history(run_id, "list")] == [
        (0, 1),
        (1, 2),
        (2, 3),
    ]
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    assert tags == {"kernel": "linear", "text": "words", "colour": "blue", "size": "big"}
    artifacts = {entry.path for entry in client.list_artifacts(run_id)}
    assert artifacts == {"matrix.json", "kept", "other", "stream.txt", "f"}
    assert {entry.path for entry in client.list_artifacts(run_id, "f")} == {"f/a.txt", "f/b.txt"}
    assert {entry.path for entry in client.list_artifacts(run_id, "other")} == {"other/renamed.txt"}
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{run_id}'")
    assert [child.data.metrics for child in children] == [{"inner": 1}]


def test_the_rewritten_code_runs_outside_a_job(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    text = rewrite(
        START
        + 'run.log("a", 1)\nimport azureml.core\nif isinstance(run, azureml.core.run._OfflineRun):\n    print("offline")\n',
        "t.py",
        True,
    ).text
    (tmp_path / "t.py").write_text(text, encoding="utf-8")
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    ran = subprocess.run([sys.executable, "t.py"], cwd=tmp_path, env=bare, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "offline\n"), ran.stderr
    assert list((tmp_path / "mlruns").rglob("metrics/a"))


# Properties

STATEMENTS = st.sampled_from(
    ["x = 1", "import os", "def f(a, *b):\n\treturn a", "if x:\n\tpass\nelse:\n\ty = (1,\n  2)", "# note", "", "s = '''a\n  b'''",
     "log('a', 1)", "logger.log(1, 'a')", "class C:\n    run = None\n    def run(self): return self.run", "f(**d)", "import azureml.mlflow",
     "x = {**a, 'azureml': [*b]}", "with open(p) as h: h.read()", "async def g():\n    await run", "run.log(x)", "\f", "λ = 'ß'"]
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(STATEMENTS, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_code_without_v1_comes_back_byte_for_byte(parts: list[str], newline: str, last: bool, mark: bool) -> None:
    text = ("\ufeff" if mark else "") + "\n".join(parts).replace("\n", newline) + (newline if last else "")
    assert rewrite(text, "train.py", True) == Rewritten(text, [], [])


CALLS = st.sampled_from(
    ['run.log("a", 1)', "run.log(n, v, step=1)", 'run.log_row("r", x=1)', "run.complete()", 'd = run.input_datasets["d"]',
     "print(run.id)", "f(run)", "x = 1  # why", "if x:\n    run.flush()", "ws = run.experiment.workspace", "import os",
     'c = run.child_run("c")', "run = run", 'run.upload_file("a", "b")', "def g(run):\n    run.log('a', run)", "g(run)",
     "with run as r:\n    r.log('a', 1)", "run.register_model('m')", "print(ws.name)", "class A:\n    r = Run.get_context()",
     "d.to_pandas_dataframe()", "try:\n    run.log_list('a', x)\nexcept Exception: run.fail()", "args = parser.parse_args()",
     "import argparse\nparser = argparse.ArgumentParser()", "lambda: run.log('a', 1)", "run.unknown(1)", "run.log('a', 1); run.flush()"]
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.lists(CALLS, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_the_result_parses_and_is_final(parts: list[str], newline: str, is_entry: bool) -> None:
    text = (START + "\n".join(parts) + "\n").replace("\n", newline)
    once = rewrite(text, "train.py", is_entry)
    ast.parse(once.text)
    again = rewrite(once.text, "train.py", is_entry)
    assert again.text == once.text
    assert again.inputs == []
    assert all(1 <= int(note.where.rpartition(":")[2]) <= text.count("\n") for note in once.notes)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.text("abcXYZ 019_.-(%)", min_size=1, max_size=8).filter(lambda name: name.strip(" .")),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9),
    st.none() | st.integers(0, 99),
    st.none() | st.text("abc", max_size=3),
    st.permutations(range(4)),
    st.integers(0, 4),
)
def test_any_spelling_of_log_keeps_the_values(
    name: str, value: float, step: int | None, about: str | None, order: list[int], positional: int
) -> None:
    given_arguments = [("name", name), ("value", value), ("description", about), ("step", step)]
    plain = []
    for _, argument in given_arguments[:positional]:
        if argument is None:
            break
        plain.append(argument)
    named = [given_arguments[at] for at in order if at >= len(plain) and given_arguments[at][1] is not None]
    words = [repr(argument) for argument in plain] + [f"{key}={argument!r}" for key, argument in named]
    text = rewrite(START + f"run.log({', '.join(words)})\n", "train.py", False).text
    logged: list[tuple[str, float, int | None]] = []

    class MLflow:
        def log_metric(self, key: str, value: float, step: int | None = None) -> None:
            logged.append((key, value, step))

        set_tag = log_metric

    exec(text.replace("import mlflow\n", ""), {"mlflow": MLflow()})  # noqa: S102  # made here
    sent = "".join(c if c.isalnum() or c in "_./ -" else "_" for c in name)
    assert logged == [(sent, value, step)]


TABLE = "Run.get_context().input_datasets['a'].to_pandas_dataframe()\n"


@pytest.mark.parametrize(
    ("lines", "reader", "imported"),
    [
        ("import pandas as pd\ndf = " + TABLE, "pd", "import pandas as pd\n"),
        ("import pandas\ndf = " + TABLE, "pandas", "import pandas\n"),
        ("df = " + TABLE, "pd", "import pandas as pd\n"),
        ("def other():\n    import pandas as pd\n    return pd\ndf = " + TABLE, "pd", "import pandas as pd\n"),
        ("if f():\n    import pandas as p\nelse:\n    df = " + TABLE, "p", "import pandas as p\n"),
        (
            "def get():\n    if f():\n        import pandas as pd\n    else:\n        return " + TABLE,
            "pandas",
            "import pandas\n",
        ),
        ("def get(pd):\n    return " + TABLE + "get(1)\n", "pandas", "import pandas\n"),
        ("pd = pandas = 1\ndf = " + TABLE, "pandas_frame", "import pandas as pandas_frame\n"),
    ],
)
def test_pandas_is_imported_where_it_is_used(lines: str, reader: str, imported: str) -> None:
    done = rewrite(f"from azureml.core import Run\n{lines}", "train.py", False).text
    assert f"{reader}.read_csv(" in done
    top = "".join(line for line in done.splitlines(keepends=True) if line.startswith("import"))
    assert imported in top and done.count(imported) - done.count("    " + imported) == 1
    compile(done, "train.py", "exec")


def test_os_is_imported_where_it_is_used() -> None:
    text = START + "def f():\n    import os\nif 'OfflineRun' in run.id:\n    f()\n"
    done = rewrite(text, "train.py", False).text
    assert done.startswith("import os\n") and '"MLFLOW_EXPERIMENT_ID" not in os.environ' in done


OFFLINE = """import pandas as pd
from azureml.core import Dataset, Run
run = Run.get_context()
"""


@pytest.mark.parametrize(
    "lines",
    [
        "if run.id.startswith('OfflineRun'):\n    df = pd.read_csv('../data/a.csv')\nelse:\n    df = DATASET\n",
        "if not run.id.startswith('OfflineRun'):\n    df = DATASET\nelse:\n    df = pd.read_csv('../data/a.csv')\n",
        "if 'OfflineRun' in run.id:\n    df = pd.read_csv('../data/a.csv')\nelse:\n    df = DATASET\n",
        "def get():\n    if 'OfflineRun' in run.id:\n        return pd.read_csv('../data/a.csv')\n    return DATASET\nget()\n",
    ],
)
def test_a_file_in_place_of_a_dataset_is_the_same_input(lines: str, tmp_path: Path) -> None:
    dataset = "run.input_datasets['train_set'].to_pandas_dataframe()"
    found = rewrite(OFFLINE + lines.replace("DATASET", dataset), "train.py", True, lambda text: tmp_path / text)
    assert found.inputs == [DataInput("train_set", "uri_file", tmp_path / "../data/a.csv", "--train-set")]
    assert found.text.count("pd.read_csv(inputs.train_set)") + found.text.count("pd.read_csv(args.train_set)") == 2
    assert "a.csv" not in found.text
    compile(found.text, "train.py", "exec")


@pytest.mark.parametrize(
    "lines",
    [
        "if f():\n    df = pd.read_csv('a.csv')\nelse:\n    df = DATASET\n",
        "if 'OfflineRun' in run.id:\n    df, y = pd.read_csv('a.csv'), pd.read_csv('b.csv')\nelse:\n    df = DATASET\n",
        "if 'OfflineRun' in run.id:\n    df = pd.read_csv('a.csv')\ndf = DATASET\n",
    ],
)
def test_other_files_stay_what_they_are(lines: str) -> None:
    dataset = "run.input_datasets['train_set'].to_pandas_dataframe()"
    found = rewrite(OFFLINE + lines.replace("DATASET", dataset), "train.py", True)
    assert [one.name for one in found.inputs] == ["train_set"] and "a.csv" in found.text


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("run.register_model('m', 'outputs/m.pkl')", "m"),
        ("run.register_model(model_path='outputs/m.pkl', model_name='my model.v1')", "my-model-v1"),
        ("Model.register(ws, 'outputs/m.pkl', 'm_2')", "m_2"),
        ("Model.register(workspace=ws, model_path='m.pkl', model_name=NAME)", "constant"),
        ("Model.register(workspace=ws, model_path='m.pkl', model_name=f())", None),
    ],
)
def test_the_name_that_a_model_was_registered_by(call: str, name: str | None) -> None:
    text = f"from azureml.core import Model, Run\nNAME = 'constant'\nrun = Run.get_context()\n{call}\n"
    found = rewrite(text, "train.py", True)
    assert found.model == name
    option = f" -n {name}" if name else ""
    assert f"aml register-model{option} does it" in found.notes[-1].text


@pytest.mark.parametrize(
    "test", ['"OfflineRun" in run.id', 'run.id.startswith("OfflineRun")', 'run.name == "OfflineRun"']
)
def test_a_test_for_an_offline_run_is_told_as_that_alone(test: str) -> None:
    text = f"from azureml.core import Run\nrun = Run.get_context()\nif {test}:\n    work()\n"
    done = rewrite(text, "train.py", True)
    assert [note.text.split()[0] for note in done.notes if note.where == "train.py:3"] == ["the"]


@pytest.mark.parametrize(
    ("call", "address"),
    [
        ("ws, 'x'", "azureml:x@latest"), ("ws, 'x', 3", "azureml:x:3"), ("ws, name='x', version='4'", "azureml:x:4"),
        ("ws, 'x', version='latest'", "azureml:x@latest"), ("ws, 'x', version=V", "azureml:x:5"),
        ("ws, 'x', version=asked()", None), ("ws, 'x', asked()", None),
    ],
)  # fmt: skip
def test_a_dataset_keeps_its_version(call: str, address: str | None) -> None:
    text = "from azureml.core import Dataset, Run\nV = 5\nws = Run.get_context().experiment.workspace\n"
    done = rewrite(text + f"t = Dataset.get_by_name({call}).to_pandas_dataframe()\n", "train.py", True)
    assert [(one.name, one.path) for one in done.inputs] == [("x", address)]


@pytest.mark.parametrize("name", ['names["a"]', "'a' + b", "f'{b}'", "'\\n'.join(b)", "b", "b.c"])
def test_a_file_s_name_that_is_made_is_python_of_any_version(name: str) -> None:
    text = f"from azureml.core import Run\nimport matplotlib.pyplot as plt\nRun.get_context().log_image({name}, plot=plt)\n"
    new = rewrite(text, "train.py", True).text
    ast.parse(new, feature_version=(3, 10))
    assert "mlflow.log_figure(plt.gcf()" in new and ".png" in new


@pytest.mark.parametrize(
    "use",
    ["run.input_datasets[name]", "run.input_datasets.get(name)", "Dataset.get_by_name(ws, name)"],
)
def test_data_whose_name_varies_is_left_and_told(use: str) -> None:
    text = "from azureml.core import Dataset, Run\nrun = Run.get_context()\nws = run.experiment.workspace\n"
    done = rewrite(text + f"for name in ('a', 'b'):\n    f({use}.to_pandas_dataframe())\n", "train.py", True)
    assert [note.where for note in done.notes if "differs from call to call" in note.text] == ["train.py:5"]
    assert done.inputs == []


def test_the_path_of_a_model_is_a_text() -> None:
    text = "from azureml.core import Model\npath = Model.get_model_path('demo').replace('a', 'b')\nf(path.upper)\n"
    done = rewrite(text, "train.py", True)
    assert "path = args.demo.replace('a', 'b')\nf(path.upper)\n" in done.text
    assert not [note for note in done.notes if note.kind == "blocked"]


@pytest.mark.parametrize(
    ("call", "after"),
    [
        ("run.get_secret('db-password')", 'os.environ["DB_PASSWORD"]'),
        ("run.get_secret(name='db-password')", 'os.environ["DB_PASSWORD"]'),
        ("run.experiment.workspace.get_default_keyvault().get_secret('db-password')", 'os.environ["DB_PASSWORD"]'),
        ("run.get_tags()", "mlflow.get_run(run.info.run_id).data.tags"),
        ("run.status", "run.info.status"),
        ("run.log_table(**d)", "log_value(**d)"),
        ("run.log_image(**d)", "run.log_image(**d)"),
    ],
)
def test_what_a_value_of_a_run_becomes(call: str, after: str) -> None:
    assert f"x = {after}\n" in rewrite(f"{START}x = {call}\nf(x, run)\n", "train.py", False).text


@pytest.mark.parametrize(
    ("lines", "after"),
    [
        ("import azureml.core, os\nprint(os.sep)\n", "import os\nprint(os.sep)\n"),
        ("from azureml.core import (\n    Run,  # v1\n    Workspace,\n)\nx = 1\n", "x = 1\n"),
        ("import azureml.mlflow\nfrom azureml.core import Run\nx = 1\n", "import azureml.mlflow\nx = 1\n"),
        ("def f():\n    from azureml.core import Run\nf()\n", "def f():\n    pass\nf()\n"),
        (
            "try:\n    import azureml.core\nexcept ImportError:\n    pass\n",
            "try:\n    pass\nexcept ImportError:\n    pass\n",
        ),
    ],
)
def test_imports_that_nobody_uses_go(lines: str, after: str) -> None:
    assert rewrite(lines, "train.py", False).text == after


def test_what_a_notebook_only_shows_goes() -> None:
    text = (
        "import azureml.core\nfrom azureml.core import Experiment, Workspace\nfrom azureml.widgets import RunDetails\n"
    )
    text += "print('SDK', azureml.core.VERSION)\nws = Workspace.from_config()\nprint(ws.name, ws.location)\n"
    text += "run = Experiment(ws, 'risk').start_logging()\nRunDetails(run).show()\nrun.log('a', 1)\nrun.complete()\n"
    done = rewrite(text, "train.py", False)
    assert done.text == "import mlflow\nmlflow.log_metric('a', 1)\nmlflow.end_run()\n"
    assert not [note for note in done.notes if note.kind == "blocked"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("try:\n    f()\nexcept (ValueError, UserErrorException):\n    g()\n", "except (ValueError, mlflow.MlflowException):\n"),
        ("def f(ws: Workspace, run: Run) -> None:\n    run.log('a', 1)\nf(1, 2)\n", "def f(ws: object, run: mlflow.ActiveRun) -> None:\n"),
        ("if UserErrorException is None:\n    f()\n", "if mlflow is None:\n"),
        ("run.fail('it did')\n", 'mlflow.end_run("FAILED")\n'),
        ("for rate in rates:\n    one = Experiment(ws, 'x').start_logging()\n    f(one.id)\n", "f(one.info.run_id)\n"),
        ("with run.child_run() as child:\n    child.complete()\n", "with mlflow.start_run(nested=True) as child:\n    mlflow.end_run()\n"),
        ("d = Dataset.File.from_files((ws.get_default_datastore(), 'a/b'))\nf(d.as_mount())\n", "d = args.data\nf(d)\n"),
    ],
)  # fmt: skip
def test_other_uses_of_v1_in_a_module(before: str, after: str) -> None:
    text = "from azureml.core import Dataset, Experiment, Run, Workspace\nfrom azureml.exceptions import UserErrorException\n"
    done = rewrite(text + "ws = Workspace.from_config()\nrun = Run.get_context()\n" + before, "train.py", False)
    assert after in done.text and "azureml" not in done.text
    assert not [note for note in done.notes if note.kind == "blocked"]


@pytest.mark.parametrize(("calls", "name"), [("t = load('sales')", "sales"), ("load('a')\nload(name='a')", "a")])
def test_a_dataset_that_all_calls_of_a_function_name_alike(calls: str, name: str) -> None:
    text = "from azureml.core import Dataset, Run\n\ndef load(name):\n    ws = Run.get_context().experiment.workspace\n"
    done = rewrite(f"{text}    return Dataset.get_by_name(ws, name).to_pandas_dataframe()\n{calls}\n", "train.py", True)
    assert [(one.name, one.path, one.flag) for one in done.inputs] == [(name, f"azureml:{name}@latest", f"--{name}")]
    assert not [note for note in done.notes if note.kind == "blocked"]


def test_a_dataset_that_calls_name_differently_is_in_the_way_once() -> None:
    text = "from azureml.core import Dataset, Workspace\nws = Workspace.from_config()\n\ndef load(name):\n"
    text += "    return Dataset.get_by_name(ws, name).to_pandas_dataframe()\nload('a')\nload('b')\n"
    [blocked] = [note for note in rewrite(text, "train.py", True).notes if note.kind == "blocked"]
    assert blocked.where == "train.py:5" and "differs from call to call" in blocked.text


@pytest.mark.parametrize("path", ["'https://example.org/d.csv'", "['https://example.org/d.csv']", "path=URL", "[URL]"])
@pytest.mark.parametrize("factory", ["Dataset.Tabular", "TabularDatasetFactory"])
def test_a_table_by_its_address(factory: str, path: str) -> None:
    text = "from azureml.core import Dataset\nfrom azureml.data.dataset_factory import TabularDatasetFactory\n"
    text += f"URL = 'https://example.org/d.csv'\nds = {factory}.from_delimited_files({path})\n"
    text += "print(ds.take(3).to_pandas_dataframe())\nx = ds.to_pandas_dataframe().dropna()\n"
    done = rewrite(text, "train.py", True)
    value = "URL" if "URL" in path else "'https://example.org/d.csv'"
    assert f"ds = {value}\nprint(pd.read_csv(ds).head(3))\nx = pd.read_csv(ds).dropna()\n" in done.text
    assert "azureml" not in done.text and not done.inputs and not [one for one in done.notes if one.kind == "blocked"]


def test_registering_a_dataset_is_left_out() -> None:
    text = "from azureml.core import Dataset, Workspace\nws = Workspace.from_config()\nds = Dataset.Tabular.from_delimited_files('d.csv')\n"
    text += "ds.register(ws, name='sales')\nnew = ds.register(workspace=ws, name='sales', create_new_version=True)\n"
    done = rewrite(text + "x = new.to_pandas_dataframe()\n", "train.py", True)
    assert "register" not in done.text and "new = ds\nx = pd.read_csv(new)\n" in done.text
    assert [note.where for note in done.notes if "aml register-data does it" in note.text] == [
        "train.py:4",
        "train.py:5",
    ]
    assert not [note for note in done.notes if note.kind == "blocked"]
