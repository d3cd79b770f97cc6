"""What should not travel with the code."""

import re
from pathlib import Path

import pytest

from aml.checks.secrets import TOO_LARGE
from checks.models import check


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        (".env", "x", r"src/\.env: a secret"),
        ("deploy.pem", "x", r"src/deploy\.pem: a secret"),
        ("a.py", 'x = 1\nkey = "AccountKey=' + "a" * 30 + '"', r"src/a\.py:2: looks like a secret"),
        ("a.txt", "-----BEGIN RSA PRIVATE KEY-----", r"src/a\.txt:1: looks like a secret"),
        ("a.py", "password = 'correct horse'", None),  # blanks: prose, as in a test or a message
        ("a.py", "password = os.environ['PASSWORD']", None),
        (".git/config", "password = 'correct-horse'", None),  # never travels
        ("venv/pyvenv.cfg", "password = 'correct-horse'", None),
    ],
)
def test_what_should_not_travel_is_found(model: Path, name: str, text: str, finding: str | None) -> None:
    (model / "src" / ".amlignore").write_text("*.pyc\n", encoding="utf-8")
    file = model / "src" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    findings = set(check(model))
    assert len(findings) == (1 if finding else 0), findings
    assert all(re.match(finding or "", one) for one in findings)


def test_a_snapshot_over_100_mb_is_found_unless_ignored(model: Path) -> None:
    with (model / "src" / "large.bin").open("wb") as large:
        large.truncate(TOO_LARGE + 1)
    (finding,) = set(check(model))
    travels = "100 MB would travel with the code, 100 of them large.bin"
    assert finding == f"src: {travels}: name in {Path('src/.amlignore')} what no job needs"
    with (model / "src" / ".amlignore").open("a", encoding="utf-8") as rules:
        rules.write("*.bin\n")
    assert list(check(model)) == []
