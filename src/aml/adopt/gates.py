"""The scripts that say what may be registered, for code that was adopted: what they expect is the owner's to say."""

import re
from pathlib import Path

METRICS = """METRICS: list[Metric] = [
    # Metric("accuracy", better="higher", limit=0.9, tolerance=0.01),
]
"""
DATA = '''    """What is wrong with the data at `path`, a file or a folder; an empty list lets it through."""
    return [] if path.exists() else [f"{path} does not exist"]  # what does training expect of it?
'''


def loosen(scripts: Path) -> None:
    """Let the gates of the template, in the folder `scripts`, expect nothing of the example's metrics and columns."""
    model = scripts / "register_model.py"
    _replace(model, r"METRICS = \[\n.*?^\]\nTEST_DATA = .*?\n", METRICS)
    _replace(model, r"def score\(.*?\n\n\n(?=if __name__)", "")
    data = scripts / "register_data.py"
    _replace(data, r"^TARGET = .*?\n\n\n", "\n")
    _replace(data, r'^    """What is wrong with .*?^    return reasons\n', DATA)


def _replace(path: Path, old: str, new: str) -> None:
    text, count = re.subn(old, lambda _: new, path.read_text(encoding="utf-8"), count=1, flags=re.DOTALL | re.MULTILINE)
    if count != 1:
        raise RuntimeError(f"the template's {path.name} has another form: {old}")
    path.write_text(text, encoding="utf-8", newline="\n")
