"""The command line as a whole: its verbs, misspelt ones, and how it ends."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aml.cli.main import VERBS
from support import ENVIRONMENT


def aml(folder: Path, *arguments: str, script: str = "") -> "subprocess.CompletedProcess[str]":
    command = ["-c", script, *arguments] if script else ["-m", "aml", *arguments]
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=ENVIRONMENT, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(tmp_path: Path, verb: str) -> None:
    done = aml(tmp_path, verb, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: aml {verb}")
    assert VERBS[verb].split(",")[0] in done.stdout


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(tmp_path: Path, option: str) -> None:
    script = (
        "import sys\nfrom aml.cli.main import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    loaded = set(aml(tmp_path, option, script=script).stderr.split())
    assert "aml" in loaded
    assert not loaded & {"azure", "mlflow", "yaml", "requests", "pathspec", "psutil", "filelock"}


def test_version_is_that_of_the_distribution(tmp_path: Path) -> None:
    assert aml(tmp_path, "--version").stdout == f"aml {importlib.metadata.version('aml-template')}\n"


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("sumbit", "there is no verb sumbit; did you mean submit?"),
        ("register_model", "there is no verb register_model; did you mean register-model?"),
        ("xyz", f"there is no verb xyz; the verbs are {', '.join(VERBS)}"),
    ],
)
def test_an_unknown_verb_is_refused_in_one_line(tmp_path: Path, typed: str, says: str) -> None:
    done = aml(tmp_path, typed, "-c", "train-local")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"aml: {says}\n")


@pytest.mark.parametrize("arguments", [["--nonsense"], ["check", "--nonsense"]])
def test_an_unknown_option_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    done = aml(tmp_path, *arguments)
    assert done.returncode == 2
    assert "--nonsense" in done.stderr.splitlines()[-1]


def test_without_a_verb_the_help_is_shown(tmp_path: Path) -> None:
    done = aml(tmp_path)
    assert done.returncode == 2
    assert all(verb in done.stdout for verb in VERBS)


def test_outside_of_a_repository_it_says_so_and_debug_says_where(tmp_path: Path) -> None:
    done = aml(tmp_path, "check")
    assert done.returncode == 2
    assert done.stderr.startswith("aml: ") and done.stderr.count("\n") == 1
    assert "Traceback" in aml(tmp_path, "check", "--debug").stderr


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [("BrokenPipeError", 0, ""), ("KeyboardInterrupt", 130, "aml: cancelled\n"), ("OSError('full')", 2, "aml: full\n")],
)
def test_how_a_verb_ends(tmp_path: Path, error: str, status: int, says: str) -> None:
    script = (
        "import sys\nfrom aml.cli import check, main\n"
        f"def run(args):\n    raise {error}\ncheck.run = run\nsys.exit(main.main())"
    )
    done = aml(tmp_path, "check", script=script)
    assert (done.returncode, done.stderr) == (status, says)


@pytest.mark.skipif(os.name == "nt", reason="a pipe that nobody reads is another error there")
def test_output_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "aml", "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert b"Traceback" not in done.stderr
