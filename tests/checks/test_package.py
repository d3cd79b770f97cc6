"""The installed package is compared with the line of pyproject.toml."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aml.checks.package import check_package

COMMIT, OTHER = "0123456789" * 4, "abcdef0123" * 4
GIT = {"url": "https://github.com/org/aml-template.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}
TAG = {**GIT, "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "v1"}}
SSH = {"url": "ssh://git@host/org/x", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}
FOLDER = {"url": "file:///srv/a b", "dir_info": {}}
WHEEL = {"url": "https://host/aml_template-1-py3-none-any.whl", "archive_info": {}}


class Case(NamedTuple):
    id: str
    pin: str
    installed: dict[str, Any] | None
    says: str = ""


CASES = [
    Case("commit", f" @ git+{GIT['url']}@{COMMIT}", GIT),
    Case("other commit", f" @ git+{GIT['url']}@{OTHER}", GIT, f"(https://github.com/org/aml-template.git@{COMMIT})"),
    Case("other address", f" @ git+https://elsewhere/x@{COMMIT}", GIT, "(https://github.com/"),
    Case("no commit named", f" @ git+{GIT['url']}", GIT),
    Case("tag", f" @ git+{GIT['url']}@v1", TAG),
    Case("other tag", f" @ git+{GIT['url']}@v2", TAG, COMMIT),
    Case("ssh", f" @ git+ssh://git@host/org/x@{COMMIT}", SSH),
    Case("ssh, as pip writes another user", f" @ git+ssh://org-1@host/org/x@{COMMIT}", SSH),
    Case("Azure DevOps", f" @ git+https://org@dev.azure.com/org/p/_git/x@{COMMIT}",
         {**GIT, "url": "https://dev.azure.com/org/p/_git/x"}),
    Case("with its extra", f"[adopt] @ git+{GIT['url']}@{COMMIT}", GIT),
    Case("folder", " @ file:///srv/a%20b", FOLDER),
    Case("other folder", " @ file:///srv/b", FOLDER, "(file:///srv/a b)"),
    Case("folder instead of git", f" @ git+{GIT['url']}@{COMMIT}", FOLDER, "(file:///srv/a b)"),
    Case("editable", f" @ git+{GIT['url']}@{COMMIT}", {**FOLDER, "dir_info": {"editable": True}}),
    Case("wheel", f" @ {WHEEL['url']}#sha256={'0' * 64}", WHEEL),
    Case("index", ">=0.1,<1", None),
    Case("any version", "", None),
    Case("exact version", "==1.2.3", None),
    Case("other exact version", "==1.2.4", None, "(1.2.3 of an index)"),
    Case("index instead of git", f" @ git+{GIT['url']}@{COMMIT}", None, "(1.2.3 of an index)"),
    Case("git instead of index", "==1.2.3", GIT, f"@{COMMIT})"),
]  # fmt: skip


class Installed:
    """An installation that its installer has described so."""

    version = "1.2.3"

    def __init__(self, source: dict[str, Any] | None) -> None:
        self.source = source

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return json.dumps(self.source) if self.source else None


def write(root: Path, pin: str) -> None:
    text = (
        f'[project]\nname = "demo"\n# aml-template\ndependencies = [\n  # aml\n  "aml-template{pin}",\n  "pandas",\n]\n'
    )
    (root / "pyproject.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_line_and_what_is_installed(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Installed(case.installed))
    write(tmp_path, case.pin)
    findings = [str(finding) for finding in check_package(tmp_path)]
    assert len(findings) == bool(case.says)
    for finding in findings:
        assert finding.startswith("pyproject.toml:6: names another aml-template than is installed (")
        assert case.says in finding and finding.endswith("run pip install -e . (or uv pip install -e .)")


def test_without_hooks_there_is_one_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Installed(None))
    write(tmp_path, " @ file:///post_gen_project-did-not-run")
    (finding,) = map(str, check_package(tmp_path))
    assert "hooks did not run" in finding


def test_without_a_line_or_an_installation_there_is_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not list(check_package(tmp_path))
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = [\n  "aml-template-user==1",\n]\n', encoding="utf-8"
    )
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Installed(GIT))
    assert not list(check_package(tmp_path))
