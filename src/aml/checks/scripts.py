"""Checks of the scripts that say what may be registered. They are parsed, and never run."""

from collections.abc import Iterator
from pathlib import Path

from aml import policy
from aml.checks.finding import Finding
from aml.console import display_path


def check_scripts(root: Path) -> Iterator[Finding]:
    """The findings on the scripts: one that Python does not parse, or that lacks its function."""
    for script in policy.SCRIPTS.values():
        if not policy.script_exists(root, script):
            continue
        file = display_path(root / script.path)
        try:
            if not policy.find_function(root, script):
                yield Finding(file, 1, script.missing_function, "write it, or delete the script to register anything")
        except SyntaxError as error:
            yield Finding(file, error.lineno or 1, error.msg, f"fix it: aml {script.verb} asks this script")
        except ValueError as error:  # a null byte, before Python 3.12
            yield Finding(file, 1, str(error), f"fix it: aml {script.verb} asks this script")
