"""Protecting a path that goes into a command of cmd; test_job.py has bash, where jobs are filled in."""

import pytest

from aml.jobfile.quoting import quote_for_cmd


@pytest.mark.parametrize(
    ("path", "before", "expected"),
    [
        (r"C:\data", "dir ", r"C:\data"),
        (r"C:\my data", "dir ", r'"C:\my data"'),
        (r"C:\my data", 'dir "', r"C:\my data"),
        (r"C:\my data", 'dir "x" ', r'"C:\my data"'),
        *[(f"C:\\a{letter}b", "dir ", f'"C:\\a{letter}b"') for letter in "&()^;,="],
    ],
)
def test_cmd_gets_double_quotes_where_it_needs_them(path: str, before: str, expected: str) -> None:
    assert quote_for_cmd(path, before) == expected
