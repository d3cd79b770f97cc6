"""The register scripts: run by themselves or by their verb, from any folder, with what their owner changed."""

import subprocess
import sys
from pathlib import Path

import pytest

from support import ENVIRONMENT, GENERATED

SCRIPT = GENERATED / "scripts" / "register_model.py"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A repository that has no more than what the verb looks for before it looks for a run."""
    for name in ("aml_config", "scripts", "src"):
        (tmp_path / "model" / name).mkdir(parents=True)
    (tmp_path / "model" / "scripts" / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    return tmp_path / "model"


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=ENVIRONMENT, capture_output=True, encoding="utf-8", check=False
    )


def test_the_script_and_the_verb_say_the_same_from_any_folder(model: Path) -> None:
    by_script = run(model.parent, str(model / "scripts" / SCRIPT.name), "-n", "a b")
    assert by_script.returncode == 2
    assert by_script.stderr.startswith("aml: -n 'a b': should be")
    for folder in (model, model / "src"):
        by_verb = run(folder, "-m", "aml", "register-model", "-n", "a b")
        assert (by_verb.returncode, by_verb.stderr) == (2, by_script.stderr)
    (model / "scripts" / SCRIPT.name).unlink()
    assert run(model, "-m", "aml", "register-model", "-n", "a b").stderr == by_script.stderr


def test_what_the_owner_changed_counts_for_the_verb(model: Path) -> None:
    (model / "src" / "rules.py").write_text("NAME = 'from src'\n")
    (model / "scripts" / SCRIPT.name).write_text(
        "import rules\n\ndef main(argv=None, root=None):\n"
        "    print(rules.NAME, argv, root.name, __name__)\n    return 3\n"
    )
    done = run(model / "src", "-m", "aml", "register-model", "-n", "x")
    assert done.returncode == 3, done.stderr
    assert done.stdout == "from src ['-n', 'x'] model _aml_script_register_model\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\nimport nothing_of_that_name\n", "register_model.py:2: ModuleNotFoundError: No module named"),
        ("def main(argv, root):\n    x = 1\n    return x / 0\n", "register_model.py:3: ZeroDivisionError: division"),
        ("def main(:\n", "register_model.py:1: SyntaxError: "),
        ("x = 1\n", "register_model.py:1: no main(argv, root): import it from aml.cli.register_model"),
    ],
)
def test_an_error_in_the_script_shows_its_line(model: Path, text: str, says: str) -> None:
    (model / "scripts" / SCRIPT.name).write_text(text)
    done = run(model, "-m", "aml", "register-model", "-n", "x")
    assert done.returncode == 2
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert "Traceback" in run(model, "-m", "aml", "register-model", "-n", "x", "--debug").stderr
