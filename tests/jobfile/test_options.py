"""Options of a command that the script does not know: argparse itself is the judge."""

import subprocess
import sys
from pathlib import Path

import pytest

from aml.jobfile.options import unknown_options
from support import GENERATED

PARSER = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--rate", "-r", type=float)
parser.add_argument("--max-iter", dest="iterations", type=int)
parser.add_argument("--shuffle", action=argparse.BooleanOptionalAction)
parser.add_argument("rest", nargs="*")
parser.parse_args()
"""


@pytest.mark.parametrize(
    "arguments",
    [
        "--rate 1 --max-iter 2",
        "--rate=1 -r 2 --no-shuffle a b",
        "--max 1",
        "--help",
        "--rat 1 --shuf",
        "--max_iter 2",
        "--learning-rate 1",
        "--no-rate",
        "--Rate 1",
    ],
)
def test_argparse_refuses_what_is_found(tmp_path: Path, arguments: str) -> None:
    (tmp_path / "train.py").write_text(PARSER, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "train.py"), *arguments.split()], capture_output=True, text=True
    )
    found = list(unknown_options(tmp_path / "train.py", arguments.split()))
    assert ("unrecognized arguments" in done.stderr) == bool(found)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--wrong", "1", "|", "tee", "--append", "log"], ["--wrong"]),
        (["--wrong=a b", "--also-wrong", ">log"], ["--wrong", "--also-wrong"]),
        (["--rate", "--a b", "x--y", "-x"], []),
        (["--", "--wrong"], []),
        (["$(cat", "--number", "options)"], []),
    ],
)
def test_the_options_are_those_of_the_script(tmp_path: Path, words: list[str], options: list[str]) -> None:
    (tmp_path / "train.py").write_text(PARSER, encoding="utf-8")
    assert [option for option, _ in unknown_options(tmp_path / "train.py", words)] == options


@pytest.mark.parametrize(
    "text",
    [
        "import fire; fire.Fire()",
        PARSER.replace("parse_args", "parse_known_args"),
        PARSER.replace("ArgumentParser()", "ArgumentParser(parents=[other])"),
        PARSER.replace("parser.parse", "from options import add; add(parser); parser.parse"),
        PARSER + "parser.add_argument(*names)",
        PARSER + "for name in names: parser.add_argument('--' + name)",
        PARSER + "more = argparse.ArgumentParser()",
        "import (",
    ],
)
def test_a_script_whose_options_cannot_be_read_is_not_judged(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    assert list(unknown_options(tmp_path / "train.py", ["--wrong", "1"])) == []


def test_a_parser_may_be_handed_to_a_function_of_the_script(tmp_path: Path) -> None:
    text = PARSER.replace("parser.parse", "add(parser); parser.parse")
    (tmp_path / "train.py").write_text("def add(to):\n    to.add_argument('--more')\n" + text, encoding="utf-8")
    found = unknown_options(tmp_path / "train.py", ["--more", "1", "--wrong", "2"])
    assert [option for option, _ in found] == ["--wrong"]


def test_the_generated_script_is_judged() -> None:
    words = "--data-path x --c 1 --max-iter 3 --epochs 4".split()
    ((option, known),) = unknown_options(GENERATED / "src" / "train.py", words)
    assert option == "--epochs" and "--data-path" in known
