"""The launcher: lets code that keeps its files in fixed places run as a job, and stay as it is."""

import json
from collections.abc import Sequence
from pathlib import Path

LAUNCHER = "launch.py"  # its place in src/
OPTION = "--files"


def text(command: Sequence[str], folder: str, expected: Sequence[str], paths: Sequence[str] = ()) -> str:
    """The launcher's text.

    `command`: the words after python; `folder`: where it runs, below src/; `expected`: folders that the code takes for
    granted; `paths`: folders whose modules it imports from anywhere, as if they were installed.
    """
    values = {"COMMAND: list[str]": [*command], "FOLDER": folder}
    values |= {"EXPECTED: list[str]": [*expected], "PATHS: list[str]": [*paths]}
    lines = Path(__file__).with_name("launcher_template.py").read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines):
        name, _, comment = line.partition("  # ")
        name = name.partition(" = ")[0]
        if name in values:
            value = json.dumps(values[name], ensure_ascii=False)
            lines[number] = f"{name.partition(':')[0]} = {value}  # {comment}"
    return "".join(lines)
