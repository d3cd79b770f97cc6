"""Make src/aml/jobfile/conda_names.txt anew from parselmouth, the mapping that pixi uses.

    python tests/jobfile/make_conda_names.py PARSELMOUTH

PARSELMOUTH is a checkout of github.com/prefix-dev/parselmouth. It reads the names from the packages of conda-forge
themselves: a package is a Python package when it installs the metadata of one.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from aml.jobfile.conda_names import FILE

HEADER = """\
# The Python packages of conda-forge and of the channel pytorch: the name in conda and, where it differs, that on PyPI.
# From the mapping of github.com/prefix-dev/parselmouth, Copyright (c) 2023 prefix.dev GmbH, BSD 3-Clause License.
# Made by tests/jobfile/make_conda_names.py.
"""


def lines(mapping: Mapping[str, list[str] | None]) -> list[str]:
    """A line for each conda package that is one Python package; those that bring several, or none, are left out."""
    found = []
    for name, titles in sorted(mapping.items()):
        known = {canonical(title) for title in titles or []}
        if canonical(name) in known:
            found.append(name)
        elif len(known) == 1:
            found.append(f"{name} {known.pop()}")
    return found


def canonical(name: str) -> str:
    """The name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Write the file."""
    mapping: dict[str, list[str] | None] = {}
    for channel in ("pytorch", "conda-forge"):
        file = Path(sys.argv[1]) / "files" / "v0" / channel / "compressed_mapping.json"
        found = json.loads(file.read_text(encoding="utf-8"))
        mapping |= {name: titles for name, titles in found.items() if titles}
    FILE.write_text(HEADER + "\n".join(lines(mapping)) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
