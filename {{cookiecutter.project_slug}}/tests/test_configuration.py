"""aml check finds nothing to fix."""

from pathlib import Path

from aml.checks.repository import check


def test_aml_check_finds_nothing() -> None:
    assert [str(finding) for finding in check(Path(__file__).parent.parent)] == []
