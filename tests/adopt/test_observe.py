"""observe/: what code reads, writes and prints is seen, and a conversion that does otherwise is told apart."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from uv import find_uv_bin

from adopt.sources import contents, plant
from aml.adopt.observe import recorder, trial
from aml.adopt.observe.environment import Opened, Recording, _site_packages
from aml.adopt.observe.observation import Command, Observation, differences, lost, observe
from aml.adopt.observe.trial import Trial


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without packages, with the recorder."""
    folder = tmp_path_factory.mktemp("cache") / "environment"
    subprocess.run([find_uv_bin(), "venv", "-q", "--python", sys.executable, folder], check=True)
    shutil.copyfile(recorder.__file__, _site_packages(folder) / "_aml_recorder.py")
    (_site_packages(folder) / "_aml_recorder.pth").write_text("import _aml_recorder\n")
    return folder


@pytest.fixture
def recording(environment: Path, tmp_path: Path) -> Recording:
    """A recording of the source `tmp_path/source`, which the tests plant."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "source").mkdir()
    source = tmp_path / "source"
    return Recording(tmp_path / "cache", environment, tmp_path / "opened.jsonl", source, source, network=False)


def seen(recording: Recording, files: dict[str, str], code: str, limit: float = 60, folder: str = ".") -> Observation:
    """What is seen of a source with these files whose train.py has this code."""
    plant(recording.source, {**files, "train.py": code})
    before = contents(recording.source)
    words = ["train.py" if folder == "." else "../train.py"]
    found = observe(recording, {}, [(words, folder)], limit)
    assert found
    assert contents(recording.source) == before
    return found


def test_reads_and_writes_are_told_apart(recording: Recording) -> None:
    code = """import json, os, sqlite3
rows = open("data/a.csv").read()
json.dump(rows, open("m.json", "w"))
json.load(open("m.json"))
open("history.csv", "a").write("x")
open("new.tmp", "w").write("y"); os.replace("new.tmp", "final.bin")
sqlite3.connect("data/b.db").execute("select 1")
print("score 0.75")
"""
    files = {"data/a.csv": "1", "data/b.db": "", "data/unread.csv": "2", "history.csv": "h", "m.json": "old"}
    found = seen(recording, files, code)
    assert found.first.ended_well, found.first.output
    assert [*found.data] == ["data/a.csv", "data/b.db", "history.csv"]  # it appends to the last one
    assert sorted(found.first.left) == ["final.bin", "history.csv", "m.json"]
    assert (found.stable == found.first.left, found.lines) == (True, ["score 0.75"])


def test_what_is_read_and_then_written_over_counts_as_it_was(recording: Recording) -> None:
    code = "old = open('best.txt').read()\nopen('best.txt', 'w').write(old + '1')\nopen('new.txt', 'w').write('2')\n"
    found = seen(recording, {"best.txt": "0", "new.txt": "old"}, code + "open('new.txt').read()\n")
    assert [*found.data] == ["best.txt"] and sorted(found.first.left) == ["best.txt", "new.txt"]


@pytest.mark.parametrize("how", ["os.listdir('runs')", "glob.glob('runs/*.json')", "[*pathlib.Path('runs').iterdir()]"])
def test_what_lies_in_a_folder_counts_when_its_names_are_read(recording: Recording, how: str) -> None:
    files = {"runs/1.json": "1", "runs/2.json": "2", "notes/3.json": "3"}
    found = seen(recording, files, f"import glob, os, pathlib\nprint(len({how}))\n")
    assert [*found.data] == ["runs/1.json", "runs/2.json"]


def test_looking_for_modules_reads_no_folder(recording: Recording) -> None:
    code = "import importlib.metadata, pkgutil, sys\nimport helper\n[*pkgutil.iter_modules(sys.path)]\n"
    assert seen(recording, {"helper.py": "", "a.csv": "1"}, code).data == {}


@pytest.mark.parametrize("how", ["[sys.executable, 'child.py']", "[sys.executable, '-I', 'child.py']"])
@pytest.mark.parametrize("variables", ["{}", "None"])
def test_subprocesses_are_seen(recording: Recording, how: str, variables: str) -> None:
    code = f"import subprocess, sys\nsubprocess.run({how}, env={variables}, check=True)\n"
    found = seen(recording, {"child.py": "open('a.csv').read()", "a.csv": "1"}, code)
    assert found.first.ended_well, found.first.output
    assert [*found.data] == ["a.csv"]


def test_a_reader_without_python_is_seen_by_its_access_time(recording: Recording) -> None:
    if not shutil.which("cat"):
        pytest.skip("no cat here")
    found = seen(recording, {"a.parquet": "1"}, "import subprocess\nsubprocess.run(['cat', 'a.parquet'])\n")
    if not found.first.touched:
        pytest.skip("this file system does not note when files are read")
    assert [*found.data] == ["a.parquet"]
    assert not found.opened & {"a.parquet"}


def test_watched_readers_record_what_their_arguments_name(recording: Recording) -> None:
    library = "class DMatrix:\n    def __init__(self, data, label=None): self.data = data\n"
    code = "import xgboost.core as x\nm = x.DMatrix('a.svm', label=[1])\nassert isinstance(m, x.DMatrix)\n"
    files = {"xgboost/__init__.py": "", "xgboost/core.py": library, "a.svm": "1"}
    found = seen(recording, files, code)
    assert found.first.ended_well, found.first.output
    assert "a.svm" in found.opened


def test_the_source_and_the_rest_of_the_machine_cannot_be_written(recording: Recording) -> None:
    target = recording.source / "mine.csv"
    found = seen(recording, {"mine.csv": "1"}, f"open({str(target)!r}, 'w').write('2')\n")
    assert not found.first.ended_well
    assert [Path(name) for name in found.first.opened.refused] == [target]
    assert "train.py:1: PermissionError" in found.first.reason


def test_other_machines_are_out_of_reach_and_this_one_is_not(recording: Recording) -> None:
    code = """import socket
server = socket.create_server(("127.0.0.1", 0)); socket.create_connection(server.getsockname()).close()
socket.socket().connect(("192.0.2.1", 80))
"""
    found = seen(recording, {}, code)
    assert "--network" in found.first.reason and found.first.opened.hosts == {"192.0.2.1"}
    names = "import socket, urllib.request\nsocket.getaddrinfo('localhost', 80)\n"
    names += "socket.gethostbyname(socket.gethostname())\n"
    found = seen(recording, {}, f"{names}urllib.request.urlopen('http://data.example.org/x.csv')\n")
    assert "with --network only" in found.first.reason and found.first.opened.hosts == {"data.example.org"}


def test_a_run_that_takes_too_long_is_ended_with_its_children(recording: Recording) -> None:
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    found = seen(recording, {}, code, limit=2)
    assert found.first.status is None and found.second is None and "was ended after" in found.first.reason


def test_the_folder_is_the_one_where_the_code_ends_well(recording: Recording) -> None:
    plant(recording.source, {"src/train.py": "open('data/a.csv').read()", "data/a.csv": "1"})
    found = observe(recording, {}, [(["train.py"], "src"), (["src/train.py"], ".")], 60)
    assert found and found.first.ended_well and found.command == Command(("src/train.py",), ".")


def test_what_differs_from_run_to_run_is_not_stable(recording: Recording) -> None:
    code = """import time, pathlib
now = time.time_ns(); print("took", now / 7, "score 0.5")
open("time.txt", "w").write(str(now)); open(f"m_{now}.pkl", "w").write("m")
open("path.txt", "w").write(str(pathlib.Path.cwd())); open("same.txt", "w").write("s")
"""
    found = seen(recording, {}, code)
    assert [*found.stable] == ["same.txt"] and found.lines == []
    assert len(found.first.left) == 4


def test_files_of_this_machine_that_are_read_are_named(recording: Recording, tmp_path: Path) -> None:
    outside = plant(tmp_path / "elsewhere", {"big.csv": "1"}) / "big.csv"
    assert seen(recording, {}, f"open({str(outside)!r}).read()\n").outside == [outside]


def test_a_source_that_is_too_large_is_not_run(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SIZE_LIMIT", 10)
    plant(recording.source, {"train.py": "print('far too long')"})
    assert observe(recording, {}, [(["train.py"], ".")], 60) is None


# What the original does: it reads data/a.csv, writes models/m.pkl over the one that is there, and prints a score.
FIRST = Trial(0, 1.0, "score 0.75\n", Opened(frozenset(), frozenset(), frozenset(), frozenset()), frozenset(),
              {"data/a.csv": "A", "data/b.csv": "B", "models/m.pkl": "OLD"},
              {"data/a.csv": "A", "data/b.csv": "B", "models/m.pkl": "NEW"})  # fmt: skip


def converted(
    tmp_path: Path, output: str = "score 0.75\n", reads: tuple[str, ...] = ("A",), left: str = "NEW"
) -> list[str]:
    """The differences of a conversion that prints `output`, reads files of these contents and leaves this model."""
    tree = tmp_path / "original"
    opened = FIRST.opened._replace(read=frozenset({tree / "data/a.csv"}), written=frozenset({tree / "models/m.pkl"}))
    once = replace(FIRST, opened=opened)
    made = plant(tmp_path / "made", {f"sample-data/{text}.csv": text for text in ("A", "B", "OLD")})
    marks = trial.marks(made)
    names = {text: marks[f"sample-data/{text}.csv"] for text in ("A", "B", "OLD")}
    before = {"data/a.csv": names["A"], "data/b.csv": names["B"], "models/m.pkl": names["OLD"]}
    once = replace(once, before=before, after={**before, "models/m.pkl": "NEW"})
    found = frozenset(made / "sample-data" / f"{text}.csv" for text in reads)
    done = replace(FIRST, after=marks, output=output, opened=opened._replace(read=found))
    kept = {"runs/1/outputs/models/m.pkl": left} if left else {}
    return differences(Observation(tree, Command(("train.py",), "."), once, once), done, made, kept)


def test_the_same_is_the_same(tmp_path: Path) -> None:
    assert converted(tmp_path) == []


def test_two_files_of_one_name_are_two_results(tmp_path: Path) -> None:
    once = replace(FIRST, before={}, after={"a/m1.pkl": "A", "b/m2.pkl": "B", "catboost_info/learn.tsv": "C"})
    original = Observation(tmp_path, Command(("train.py",), "."), once, None)
    kept = {"runs/1/outputs/a/m1.pkl": "A", "runs/1/outputs/b/m2.pkl": "B"}
    assert differences(original, FIRST, tmp_path, kept) == []
    del kept["runs/1/outputs/b/m2.pkl"]
    assert differences(original, FIRST, tmp_path, kept) == ["b/m2.pkl, which the original writes, is not kept"]


def test_what_a_run_leaves_beside_outputs_is_lost(tmp_path: Path) -> None:
    before = {"src/train.py": "T", "src/d.csv": "D"}
    run = {"code/train.py": "T", "code/d.csv": "D", "outputs/a.pkl": "A", "logs/std_log.txt": "L"}
    lefts = {**run, "code/artifacts/m.pkl": "M", "code/catboost_info/x.tsv": "X", "code/a.pyc": "P", "up.png": "U"}
    after = {**before, **{f"runs/1/{path}": mark for path, mark in lefts.items()}}
    done = replace(FIRST, before=before, after=after)
    assert lost(done, "runs/1", {"runs/1/outputs/a.pkl"}) == ["artifacts/m.pkl", "up.png"]
    assert lost(replace(done, after={f"runs/1/{path}": "T" for path in run}), "runs/1", {}) == []


@pytest.mark.parametrize(
    ("otherwise", "said"),
    [
        ({"left": ""}, "models/m.pkl, which the original writes, is not kept"),
        ({"left": "OLD"}, "models/m.pkl has another content"),
        ({"output": "score 0.50\n"}, "does not print 'score 0.75'"),
        ({"reads": ()}, "does not read data/a.csv"),
        ({"reads": ("A", "B")}, "B.csv as the source has it, which the original does not"),
        ({"reads": ("A", "OLD")}, "OLD.csv as the source has it, which the original does not"),
    ],
)
def test_each_difference_is_found(tmp_path: Path, otherwise: dict[str, object], said: str) -> None:
    found = converted(tmp_path, **otherwise)  # type: ignore[arg-type]
    assert len(found) == 1 and said in found[0]
