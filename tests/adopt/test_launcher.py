"""launcher.py: code that keeps its files in fixed places runs as a job, in a folder as the local runner makes it."""

import subprocess
import sys
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adopt.sources import contents, plant
from aml.adopt.convert import launcher
from aml.adopt.convert.launcher import LAUNCHER


def launched(
    job: Path, code: dict[str, str], command: list[str], *words: str, folder: str = ".", expected: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    """Run the launcher in a job's folder that has this code."""
    plant(job, {**code, LAUNCHER: launcher.text(command, folder, expected)})
    return subprocess.run(
        [sys.executable, LAUNCHER, *words], cwd=job, capture_output=True, encoding="utf-8", timeout=60
    )


def test_data_comes_in_results_go_out_and_options_go_through(tmp_path: Path) -> None:
    code = """import sys
print(sys.argv[1:], open("../data/a.csv").read())
open("models/m.pkl", "w").write("m")
open("report.txt", "w").write("r")
"""
    data = plant(tmp_path / "data", {"data/a.csv": "1.5", "data/unread.csv": "2"})
    words = ("--rate", "0.1", "--files", str(data))
    done = launched(
        tmp_path / "job", {"src/train.py": code}, ["train.py"], *words, folder="src", expected=("src/models",)
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "['--rate', '0.1'] 1.5", "")
    outputs = contents(tmp_path / "job" / "outputs")
    assert outputs == {"src/models/m.pkl": b"m", "src/report.txt": b"r"}
    assert contents(data) == {"data/a.csv": b"1.5", "data/unread.csv": b"2"}


def test_results_are_kept_when_the_code_fails_and_its_status_is_the_launchers(tmp_path: Path) -> None:
    code = 'open("log.txt", "w").write("so far")\nraise SystemExit(7)\n'
    assert launched(tmp_path, {"train.py": code}, ["train.py"]).returncode == 7
    assert contents(tmp_path / "outputs") == {"log.txt": b"so far"}


def test_appending_to_data_leaves_the_owners_file_alone(tmp_path: Path) -> None:
    data = plant(tmp_path / "data", {"history.csv": "1\n"})
    code = 'open("history.csv", "a").write("2\\n")\n'
    assert launched(tmp_path / "job", {"train.py": code}, ["train.py"], "--files", str(data)).returncode == 0
    assert contents(data) == {"history.csv": b"1\n"}
    assert contents(tmp_path / "job" / "outputs") == {"history.csv": b"1\n2\n"}


def test_what_the_code_writes_to_outputs_itself_stays_there(tmp_path: Path) -> None:
    code = 'import os\nos.makedirs("outputs", exist_ok=True)\nopen("outputs/m.pkl", "w").write("m")\n'
    launched(tmp_path / "a", {"train.py": code}, ["train.py"])
    assert contents(tmp_path / "a" / "outputs") == {"m.pkl": b"m"}
    launched(tmp_path / "b", {"src/train.py": code}, ["train.py"], folder="src")
    assert contents(tmp_path / "b" / "outputs") == {"src/outputs/m.pkl": b"m"}


def test_a_module_runs_as_one(tmp_path: Path) -> None:
    code = {"risk/__init__.py": "", "risk/train.py": "from . import other\n", "risk/other.py": 'print(__name__, "☃")'}
    done = launched(tmp_path, code, ["-X", "utf8", "-m", "risk.train"])
    assert done.stdout.strip() == "risk.other ☃"


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=200)
@given(st.lists(NAMES, min_size=1, max_size=3), NAMES, st.lists(NAMES, max_size=2))
def test_whatever_the_names_are_the_launcher_has_them_as_values(
    command: list[str], folder: str, expected: list[str]
) -> None:
    found: dict[str, object] = {"__name__": "launch", "__file__": str(Path(tempfile.gettempdir()) / LAUNCHER)}
    exec(launcher.text(command, folder, expected), found)  # noqa: S102  # our own text, which is to be data only
    assert (found["COMMAND"], found["FOLDER"], found["EXPECTED"]) == (command, folder, expected)
