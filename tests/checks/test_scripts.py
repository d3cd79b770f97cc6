"""aml check parses the scripts that say what may be registered, and runs none of them."""

import shutil
from pathlib import Path

import pytest

from aml import policy
from aml.checks.scripts import check_scripts
from support import GENERATED

FUNCTION = "def reasons_against(candidate, champion):\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(GENERATED / "scripts", tmp_path / "scripts")
    return tmp_path


def write(root: Path, text: str) -> None:
    (root / "scripts" / "register_model.py").write_text(text, encoding="utf-8")


def findings(root: Path) -> list[str]:
    return [str(finding).partition("scripts")[2][1:] for finding in check_scripts(root)]


def test_what_is_checked_is_not_run(root: Path) -> None:
    write(root, f"{FUNCTION}    return []\n\n\nraise SystemExit(1)\n")
    assert findings(root) == []


@pytest.mark.parametrize("text", ["from rules import reasons_against\n", "from rules import x as reasons_against\n",
                                  "reasons_against = lambda candidate, champion: []\n",
                                  "x = 1\nreasons_against: object = print\n",
                                  "if True:\n    def reasons_against(candidate, champion): ...\n",
                                  "try:\n    from a import reasons_against\nexcept ImportError:\n    pass\n",
                                  ])  # fmt: skip
def test_the_function_may_come_from_elsewhere(text: str, root: Path) -> None:
    write(root, text)
    assert findings(root) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = (\n", "register_model.py:1: '(' was never closed: fix it: aml register-model asks this script"),
        (
            "def other():\n    def reasons_against(candidate, champion): ...\n",
            "register_model.py:1: function reasons_against(candidate, champion) is missing",
        ),
        (
            "class reasons_against: ...\n",
            "register_model.py:1: function reasons_against(candidate, champion) is missing",
        ),
    ],
)
def test_what_is_wrong_is_found(text: str, says: str, root: Path) -> None:
    write(root, text)
    (finding,) = findings(root)
    assert finding.startswith(says)


def test_a_script_in_another_encoding_is_found(root: Path) -> None:
    (root / "scripts" / "register_model.py").write_bytes("x = 'Größe'\n".encode("latin-1"))
    (finding,) = findings(root)
    assert finding.startswith("register_model.py:") and "aml register-model asks this script" in finding


def test_a_repository_without_scripts_is_sound(tmp_path: Path) -> None:
    assert list(check_scripts(tmp_path)) == []


def test_the_shipped_scripts_are_sound() -> None:
    assert list(check_scripts(GENERATED)) == []
    for script in (policy.MODEL, policy.DATA):
        assert len((GENERATED / script.path).read_text(encoding="utf-8").splitlines()) <= 40
