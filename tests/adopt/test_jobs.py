"""jobs.py and data.py: what the job files hand over, and what of the data comes along."""

import os
from pathlib import Path

import pytest
import yaml

from aml.adopt.convert import code
from aml.adopt.convert.seen import Files, convert
from aml.adopt.discover import source
from aml.adopt.jobs import make as jobs
from aml.adopt.jobs.data import Data

TRAIN = """\
import argparse
import glob
import joblib
import pandas as pd
import yaml
from sklearn.svm import SVC
parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--api-key")
args = parser.parse_args()
"""
FIT = "\nmodel = SVC().fit(x, y)\njoblib.dump(model, 'model.pkl')\n"
KEY = "abcdef0123456789abcdef0123456789"


def plant(root: Path, tree: dict[str, str]) -> Path:
    for name, text in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def made(root: Path, read: str = "", left: str = "", words: str = "") -> tuple[code.Code, jobs.Jobs, Data]:
    """What becomes of a source, with what a run of it by these words read and left."""
    found = source.read(root, None)
    written = code.convert(found)
    if read or left:
        files = Files(tuple(words.split()), ".", frozenset(read.split()), frozenset(left.split()), frozenset())
        handed = {
            path for path in files.read if any((root / path).is_relative_to(str(one.path)) for one in written.inputs)
        }
        changed = convert(written, files, found.root, found.entry, handed)
        assert isinstance(changed, code.Code), changed
        written = changed
    data = Data(found, "slug-data", written.inputs)
    return written, jobs.make(found, written, "slug", data), data


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ("x, y = pd.read_csv('train/d.csv'), pd.read_csv('valid/d.csv')", {"d.csv": "train", "valid/d.csv": "valid"}),
        ("x, y = os.listdir('train'), os.listdir('valid')", {"train/d.csv": "train", "valid/d.csv": "valid"}),
        ("x, y = os.listdir('train'), 1", {"d.csv": "train"}),
        (
            "x, y = os.listdir('a/train'), os.listdir('b/train')",
            {"train/d.csv": "a/train", "train-2/d.csv": "b/train"},
        ),
    ],
)
def test_files_of_one_name_do_not_take_each_other_s_place(tmp_path: Path, body: str, places: dict[str, str]) -> None:
    folders = ("train", "valid", "a/train", "b/train")
    plant(tmp_path, {"train.py": TRAIN + body + FIT, **{f"{name}/d.csv": f"a\n{name}\n" for name in folders}})
    written, done, data = made(tmp_path, " ".join(f"{folder}/d.csv" for folder in places.values()))
    assert {place: path.parent.relative_to(tmp_path).as_posix() for place, path in data.files.items()} == places
    for one in written.inputs:  # each job reads what the code read
        path = data.here(one).removeprefix("../sample-data").removeprefix("/")
        inside = {
            place: file for place, file in data.files.items() if path in ("", place) or place.startswith(f"{path}/")
        }
        assert set(inside.values()) == ({one.path} if one.type == "uri_file" else {*Path(one.path or "").glob("*.csv")})
        assert f"path: ../sample-data/{path}".rstrip("/") in done.files["train-local.yml"]


@pytest.mark.parametrize(
    "line", [f"--config conf.yaml --api-key {KEY}", f"--api-key={KEY} --config conf.yaml", f"{KEY} --config conf.yaml"]
)
def test_secrets_of_a_documented_command_stay_there(tmp_path: Path, line: str) -> None:
    body = "x = y = yaml.safe_load(open(args.config))\npd.read_csv('d.csv')"
    tree = {"train.py": TRAIN + body + FIT, "conf.yaml": "depth: 3\n", "d.csv": "a\n1\n"}
    plant(tmp_path, {**tree, "README.md": f"    python train.py {line}\n"})
    written, done, _ = made(tmp_path, "d.csv conf.yaml")
    if not line.startswith(KEY):
        assert KEY not in repr((written.notes, done.notes)) + "".join(done.files.values())
        assert [note.text for note in done.notes if "--api-key" in note.text and note.kind == "decide"]
    # The settings travel: they are no input, which would be handed the table.
    assert written.files["conf.yaml"] == tmp_path / "conf.yaml"
    assert [one.flag for one in written.inputs] == ["--d"]
    assert "--config conf.yaml" in done.files["train-local.yml"]


def test_settings_that_nothing_names_are_no_data(tmp_path: Path) -> None:
    text = TRAIN.replace('"--config"', '"--config", required=True')
    body = "x = y = yaml.safe_load(open(args.config))\npd.read_csv('d.csv')"
    plant(tmp_path, {"train.py": text + body + FIT, "d.csv": "a\n1\n"})
    written, _, _ = made(tmp_path)
    assert written.inputs == []
    assert [note.where for note in written.notes if note.text.startswith("--config names settings")] == ["train.py:8"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conf.yaml", "db:\n  password: hunter2hunter2\n"), ("conf.toml", 'client_secret = "hunter2"\n'),
        ("conf.ini", "[db]\npassword = hunter2\n"), ("conf.json", f'{{"keys": [{{"api_key": "{KEY}"}}]}}'),
        ("conf.cfg", f"[store]\nconnection: AccountName=a;AccountKey={KEY};\n"),
    ],
)  # fmt: skip
def test_settings_with_secrets_do_not_travel(tmp_path: Path, name: str, text: str) -> None:
    plant(tmp_path / "a", {"train.py": TRAIN + f"x = y = open('{name}').read()" + FIT, name: text})
    plant(tmp_path / "b", {"train.py": TRAIN + "x = y = open(args.config).read()" + FIT, name: text})
    plant(tmp_path / "b", {"README.md": f"    python train.py --config {name}\n"})
    for folder in ("a", "b"):
        written, _, data = made(tmp_path / folder)
        assert [*written.files, *data.files] == ["train.py"]
        told = [*written.notes, *source.read(tmp_path / folder, None).notes]
        assert [note for note in told if "may hold secrets" in note.text]


def test_settings_without_secrets_travel(tmp_path: Path) -> None:
    text = '{"tokenizer": "bert-base-uncased-v2", "eos_token": "<|endoftext|>", "max_tokens": 512, "key": "customer"}'
    plant(tmp_path, {"train.py": TRAIN + "x = y = open('conf.json').read()" + FIT, "conf.json": text})
    assert "conf.json" in made(tmp_path)[0].files


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own on Windows")
def test_links_in_a_folder_of_data_stay_there(tmp_path: Path) -> None:
    outside = plant(tmp_path / "outside", {"private.csv": "a\n1\n"}) / "private.csv"
    tree = {"train.py": TRAIN + "x = y = os.listdir('data/more')" + FIT, "data/more/x.csv": "a\n1\n"}
    root = plant(tmp_path / "a", tree)
    (root / "data/more/y.csv").symlink_to(outside)
    _, _, data = made(root, "data/more/x.csv")
    assert data.files == {"x.csv": root / "data/more/x.csv"}


def test_settings_that_lead_back_to_themselves(tmp_path: Path) -> None:
    body = "x = y = yaml.safe_load(open('conf.yaml'))"
    plant(tmp_path, {"train.py": TRAIN + body + FIT, "conf.yaml": "a: &a [*a, d.csv]\n", "d.csv": "a\n1\n"})
    assert "conf.yaml" in made(tmp_path)[0].files


POSITIONAL = """\
import argparse
import joblib
import pandas as pd
from sklearn.svm import SVC
parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("-n", "--epochs", type=int)
parser.add_argument("--fast", action="store_true")
args = parser.parse_args()
x = y = pd.read_csv(args.data)
"""


@pytest.mark.parametrize(
    ("given", "handed", "path"),
    [
        ("b.csv --epochs 3", "DATA --epochs 3", "b.csv"), ("--epochs 3 b.csv", "--epochs 3 DATA", "b.csv"),
        ("-n 3 b.csv --fast", "-n 3 DATA --fast", "b.csv"), ("-n=3 --fast b.csv", "-n=3 --fast DATA", "b.csv"),
        ("--epochs 3", "--epochs 3 DATA", None),
    ],
)  # fmt: skip
def test_a_positional_argument_keeps_its_place(tmp_path: Path, given: str, handed: str, path: str | None) -> None:
    tree = {"train.py": POSITIONAL + FIT, "a.csv": "a\n1\n", "b.csv": "a\n1\n2\n"}
    plant(tmp_path / "a", {**tree, "README.md": f"    python train.py {given}\n"})
    v1 = f"script: train.py\ntarget: local\narguments: {given.split()}\nframework: Python\n"
    plant(tmp_path / "b", {**tree, "aml_config/train.runconfig": v1})
    for folder in ("a", "b"):
        written, done, _ = made(tmp_path / folder)
        job = yaml.safe_load(done.files["train-local.yml"])
        assert job["command"].strip() == "python train.py " + handed.replace("DATA", '"${{inputs.data}}"')
        [one] = written.inputs
        assert one.path == (tmp_path / folder / path if path else None)


DATA_REFERENCES = """\
script: train.py
arguments: [--input, $AZUREML_DATAREFERENCE_mydata, {flag}, $AZUREML_DATAREFERENCE_results]
target: {target}
dataReferences:
  mydata: {{dataStoreName: store, mode: mount, overwrite: false, pathOnDataStore: data}}
  results: {{dataStoreName: store, mode: {mode}, overwrite: true, pathOnDataStore: results}}
"""
WRITES = """\
import argparse
import os
import joblib
import pandas as pd
from sklearn.svm import SVC
parser = argparse.ArgumentParser()
parser.add_argument("--input")
parser.add_argument("{flag}"{default})
args = parser.parse_args()
table = pd.read_csv(os.path.join(args.input, "d.csv"))
model = SVC().fit(table[["a"]], table["b"])
"""
SAVES = 'joblib.dump(model, os.path.join(args.{dest}, "model.pkl"))\n'
TABLE = 'table.to_csv(os.path.join(args.{dest}, "seen.csv"))\n'
DATASTORE = "azureml://datastores/store/paths/results"


@pytest.mark.parametrize("target", ["local", "cpu-cluster"])
@pytest.mark.parametrize("mode", ["mount", "upload", "download"])
@pytest.mark.parametrize(
    ("flag", "default", "body", "left"),
    [
        ("--output_dir", "", SAVES, "model.pkl"),
        ("--output_dir", ', default="./out"', SAVES, "model.pkl"),
        ("--log_dir", "", TABLE, "seen.csv"),
        ("--output_dir", "", "print(vars(args))\n", ""),  # not seen in use: the name decides
    ],
)
def test_what_the_code_writes_to_is_no_input(
    tmp_path: Path, flag: str, default: str, body: str, left: str, mode: str, target: str
) -> None:
    text = (WRITES + body).replace("{flag}", flag).replace("{default}", default).replace("{dest}", flag.strip("-"))
    runconfig = DATA_REFERENCES.format(flag=flag, mode=mode, target=target)
    plant(tmp_path, {"train.py": text, "data/d.csv": "a,b\n", "aml_config/train.runconfig": runconfig})
    leaves = f"outputs/results/{left}" if left else ""
    written, done, _ = made(tmp_path, left=leaves, words=f"train.py {flag} outputs/results")
    for name in ("train-local.yml", "train-amlcompute.yml"):
        job = yaml.safe_load(done.files[name])
        given = job["command"].partition(f"{flag} ")[2]
        assert [*job["inputs"]] == ["input"]
        if left == "model.pkl":
            assert given == "outputs/results" and "outputs" not in job
            assert written.model == "outputs/results/model.pkl"
        else:
            [(output, entry)] = job["outputs"].items()
            assert given == f'"${{{{outputs.{output}}}}}"' and entry.get("path") in (DATASTORE, None)
            assert "path" in entry or target == "local"  # which reads nothing of Azure
    told = [note.text for note in [*done.notes, *written.notes]]
    assert not [text for text in told if flag in text and "input of the job" in text]
    assert not [text for text in told if text.startswith("results is in Azure")]
    if mode != "upload":
        becomes = "outputs/results" if left == "model.pkl" else "the output"
        assert [text for text in told if text.startswith(f"{flag} is written to: {becomes}")]


@pytest.mark.parametrize(
    "given",
    [
        "OutputFileDatasetConfig(destination=(store, 'results'))",
        "PipelineData('results', datastore=store)",
        "store.path('results').as_mount()",
        "DataReference(store, 'results', path_on_datastore='results', mode='upload', overwrite=True)",
    ],
)
def test_an_output_that_a_script_hands_over(tmp_path: Path, given: str) -> None:
    text = (WRITES + SAVES).format(flag="--output_dir", default="", dest="output_dir")
    submit = f"""from azureml.core import *
store = Workspace.from_config().get_default_datastore()
where = {given}
run = ScriptRunConfig('.', 'train.py', arguments=['--input', store.path('data').as_mount(), '--output_dir', where])
"""
    plant(tmp_path, {"train.py": text, "data/d.csv": "a,b\n", "go.py": submit})
    written, done, _ = made(tmp_path)
    assert "--output_dir outputs" in yaml.safe_load(done.files["train-local.yml"])["command"]
    [said] = [note for note in done.notes if note.text.startswith("--output_dir")]
    assert said.kind == "changed" and "outputs, which a job keeps" in said.text
    assert [data.flag for data in written.inputs] == ["--input"]


V1 = """\
import pandas as pd
from azureml.core import Dataset, Run, Workspace
from sklearn.svm import SVC
run = Run.get_context()
table = {}
SVC().fit(table[["a"]], table["b"])
"""
BOUND = 'run.input_datasets["{}"].to_pandas_dataframe()'
NAMED = 'Dataset.get_by_name(run.experiment.workspace, "{}").to_pandas_dataframe()'


@pytest.mark.parametrize(
    ("code_of_data", "files", "path"),
    [
        (BOUND.format("sales"), "data/bikes.csv data/sales.csv", "sales.csv"),
        (BOUND.format("salesData"), "data/bikes.csv data/sales.csv", "sales.csv"),
        (BOUND.format("sales"), "data/bikes.csv data/sales-2020.csv", "sales-2020.csv"),
        (NAMED.format("sales-dataset"), "data/bikes.csv data/sales.csv", "sales.csv"),
        (BOUND.format("training_data"), "data/bikes.csv", "bikes.csv"),
        (BOUND.format("training_data"), "data/test.csv data/train.csv", "train.csv"),
        (BOUND.format("sales"), "data/bikes.csv data/trees.csv", None),
        (BOUND.format("data"), "data/bikes.csv data/trees.csv", None),
        (BOUND.format("sales"), "data/sales-1.csv data/sales-2.csv", None),
    ],
)
def test_data_is_found_by_its_name_never_by_order(
    tmp_path: Path, code_of_data: str, files: str, path: str | None
) -> None:
    plant(tmp_path, {"train.py": V1.format(code_of_data), **{name: f"a,b\n{name},1\n" for name in files.split()}})
    _, done, data = made(tmp_path)
    [entry] = yaml.safe_load(done.files["train-local.yml"])["inputs"].values()
    asked = [note for note in data.notes if note.code == "which-data"]
    if path:
        assert (entry["path"], entry["type"], asked) == (f"../sample-data/{path}", "uri_file", [])
        assert [*data.files] == [path]
    else:
        assert data.files == {} and len(asked) == 1 and all(name in asked[0].text for name in files.split())
