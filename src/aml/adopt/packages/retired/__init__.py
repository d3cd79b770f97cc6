"""Code for old releases of packages: what they removed is written in today's words, or named for the owner.

tables.py has what they removed. Each kind of node has its handlers: names.py for imports and names, calls.py for calls,
methods.py for methods of objects; work.py is what they work on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import libcst as cst
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aml.adopt import Note
from aml.adopt.packages.retired import calls, methods, names
from aml.adopt.packages.retired.work import Versions, Work
from aml.adopt.python.syntax import UNPARSED, Tree

HANDLERS = (
    (cst.ImportFrom, names.imported_from),
    (cst.Import, names.imported),
    (cst.Attribute | cst.Name, names.used),
    (cst.Call, calls.arguments),
    (cst.Call, calls.searched),
    (cst.Call, calls.positional),
    (cst.Call, calls.special),
    (cst.Attribute, methods.method),
)


@dataclass
class Rewritten:
    """A module without what is retired, and what was done to it."""

    text: str
    notes: list[Note] = field(default_factory=list)


def rewrite(text: str, file: str, versions: Versions | None = None, original: str | None = None) -> Rewritten:
    """The text of a module in today's words; what does not parse stays as it is.

    `versions`: of the packages that it will run with; without, only what holds for all of them is done. `original`: the
    text whose lines the notes are to name, when it was rewritten before.
    """
    try:
        tree = Tree(text)
    except UNPARSED:
        return Rewritten(text)
    work = Work(tree, file, versions or {}, original)
    if work.roots:
        for kind, handler in HANDLERS:
            for node in tree.all(kind):
                handler(work, node)
    return Rewritten(tree.text_of(work.done()), work.notes)


def versions_of(requirements: Sequence[str], python: str) -> dict[str, str]:
    """The exact versions of what an environment has, such as ["scikit-learn==1.1.3"]."""
    found = {"python": python}
    for line in requirements:
        requirement = Requirement(line)
        if [each.operator for each in requirement.specifier] == ["=="]:
            found[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
    return found
