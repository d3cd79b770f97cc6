"""A finding: one thing that should be fixed, and where it stands."""

import re
from typing import NamedTuple, Self

from aml.errors import UserError
from aml.jobfile.document import Document


class Finding(NamedTuple):
    """One thing that should be fixed; as text it is `file:line: problem: fix`.

    Attributes:
        file: As messages show it: relative to the working folder.
        line: Counted from 1; 0 for the file as a whole.
        problem: What is wrong.
        fix: What to do about it, where the problem does not say so already.

    """

    file: str
    line: int
    problem: str
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.problem, self.fix) if part)

    @classmethod
    def at(cls, document: Document, keys: tuple[str | int, ...], problem: str, fix: str = "") -> Self:
        """A finding on the value that stands at `keys` of a YAML file."""
        return cls(document.name, document.line(*keys), problem, fix)

    @classmethod
    def from_refusal(cls, refusal: UserError) -> Self:
        """The finding that a file is refused as a whole; messages of such errors begin with `file:` or `file:line:`."""
        found = re.fullmatch(r"(.*?)(?::(\d+))?: (.*)", str(refusal), re.DOTALL)
        return cls(found[1], int(found[2] or 0), found[3]) if found else cls("", 0, str(refusal))
