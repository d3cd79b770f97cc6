"""The launcher: lets code that keeps its files in fixed places run as a job, and stay as it is."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

LAUNCHER = "launch.py"  # its place in src/
OPTION = "--files"


def text(command: Sequence[str], folder: str, expected: Sequence[str]) -> str:
    """The launcher's text.

    `command`: the words after python; `folder`: where it runs, below src/; `expected`: folders that the code takes for
    granted.
    """
    text = Path(__file__).with_name("launcher_template.py").read_text(encoding="utf-8")
    for name, value in {"COMMAND: list[str]": [*command], "FOLDER": folder, "EXPECTED: list[str]": [*expected]}.items():
        line = f"{name.partition(':')[0]} = {json.dumps(value, ensure_ascii=False)}"
        text = re.sub(rf"^{re.escape(name)} = (\[\]|\".\")", lambda _, line=line: line, text, flags=re.MULTILINE)
    return text
