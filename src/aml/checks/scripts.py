"""Checks of the scripts that say what may be registered. They are parsed, and never run."""

from collections.abc import Iterator
from pathlib import Path

from aml import policy
from aml.checks.finding import Finding
from aml.console import display_path
from aml.errors import FileError


def check_scripts(root: Path) -> Iterator[Finding]:
    """The findings on the scripts: one does not parse, lacks its function, or has no plain TEST_DATA."""
    for script in policy.SCRIPTS.values():
        if not policy.script_exists(root, script):
            continue
        file = display_path(root / script.path)
        try:
            if not policy.find_function(root, script):
                yield Finding(file, 1, script.missing_function, "write it, or delete the script to register anything")
            if script is policy.MODEL:
                policy.find_test_data(root)
        except FileError as error:
            yield Finding(error.place.file, error.place.line, error.problem, error.fix)
        except SyntaxError as error:
            yield Finding(file, error.lineno or 1, error.msg, f"fix it: aml {script.verb} asks this script")
        except ValueError as error:  # a null byte, before Python 3.12
            yield Finding(file, 1, str(error), f"fix it: aml {script.verb} asks this script")
