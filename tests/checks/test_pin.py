"""The installed package is the one that pyproject.toml pins, or `aml check` says so."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aml.checks.pin import check_pin

COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40
URL = "https://github.com/org/aml-template"
WHEEL = "file:///packages/aml_template-1.0-py3-none-any.whl"


def from_git(commit: str = COMMIT, url: str = URL, **more: str) -> dict[str, Any]:
    return {"url": url, "vcs_info": {"vcs": "git", "commit_id": commit, **more}}


class Case(NamedTuple):
    """A pin, what is installed, and what the finding says of it; nothing where there is none."""

    id: str
    pin: str
    installed: dict[str, Any]
    says: str = ""


CASES = [
    Case("same-commit", f"aml-template @ git+{URL}@{COMMIT}", from_git()),
    Case("same-tag", f"aml-template @ git+{URL}@v1.0", from_git(requested_revision="v1.0")),
    Case("short-commit", f"aml-template @ git+{URL}@{COMMIT[:10]}", from_git()),
    Case("user-in-address", f"aml-template @ git+ssh://git@host/x@{COMMIT}", from_git(url="ssh://git@host/x")),
    Case("extra", f"aml-template[adopt] @ git+{URL}@{COMMIT}", from_git()),
    Case("same-folder", "aml-template @ file:///code/template", {"url": "file:///code/template", "dir_info": {}}),
    Case("same-wheel", f"aml-template @ {WHEEL}", {"url": WHEEL, "archive_info": {}}),
    Case("index", "aml-template>=1,<2", {}),
    Case("editable", f"aml-template @ git+{URL}@{COMMIT}", {"url": "file:///x", "dir_info": {"editable": True}}),
    Case("other-package", "aml-template-tools @ file:///x", from_git()),
    Case(
        "other-commit", f"aml-template @ git+{URL}@{COMMIT}", from_git(OTHER), f"from git+{URL}@{OTHER}, not from git+"
    ),
    Case("other-tag", f"aml-template @ git+{URL}@v2", from_git(requested_revision="v1"), "not from git+"),
    Case("other-address", f"aml-template @ git+{URL}@{COMMIT}", from_git(url=f"{URL}-fork"), f"from git+{URL}-fork@"),
    Case("git-not-index", f"aml-template @ git+{URL}@{COMMIT}", {}, "from an index, not from git+"),
    Case("index-not-git", "aml-template==1.0", from_git(), f"from git+{URL}@{COMMIT}, not from an index"),
    Case(
        "other-folder",
        "aml-template @ file:///a",
        {"url": "file:///b", "dir_info": {}},
        "file:///b, not from file:///a",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_installed_package_is_the_pinned_one(case: Case, tmp_path: Path) -> None:
    text = f'[project]\nname = "x"\ndependencies = [\n  "{case.pin}",\n]\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    findings = list(check_pin(tmp_path, case.installed))
    assert len(findings) == bool(case.says)
    for finding in findings:
        assert finding.line == 4
        assert finding.fix == "pip install -e ."
        assert case.says in finding.problem


@pytest.mark.parametrize("text", ["", "[project]\ndependencies = []\n", "[project]\n"])
def test_without_a_pin_there_is_nothing_to_compare(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert list(check_pin(tmp_path, from_git())) == []
