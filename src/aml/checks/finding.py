"""A finding: one thing that should be fixed or known, and where it stands."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from aml.checks.rules import RULES
from aml.errors import FileError, Place, UserError
from aml.jobfile.document import Document


class Finding(NamedTuple):
    """One thing that should be fixed or known; as text it is `file:line: problem: fix`.

    Attributes:
        file: As messages show it: relative to the working folder.
        line: Counted from 1; 0 for the file as a whole.
        problem: What is wrong.
        fix: What to do about it, where the problem does not say so already.
        rule: The one of rules.RULES that is broken; "" where azure-ai-ml itself refuses the file, or the finding is
            about the repository and not about what is sent.

    """

    file: str
    line: int
    problem: str
    fix: str = ""
    rule: str = ""

    def __str__(self) -> str:
        return Place(self.file, self.line).message("notice" * self.is_notice, self.problem, self.fix)

    @property
    def is_notice(self) -> bool:
        """Whether it is only worth knowing: it stops no submission."""
        return bool(self.rule) and RULES[self.rule].is_notice

    @classmethod
    def at(cls, document: Document, keys: tuple[str | int, ...], problem: str, fix: str = "", rule: str = "") -> Self:
        """A finding on the value that stands at `keys` of a YAML file."""
        return cls(document.name, document.line(*keys), problem, fix, rule)

    @classmethod
    def from_error(cls, error: UserError, rule: str = "") -> Self:
        """The finding that a file, or what stands at a place in it, cannot be judged further."""
        if isinstance(error, FileError):
            return cls(*error.place, error.problem, error.fix, rule)
        return cls("", 0, str(error), rule=rule)


def require_none(what: str, findings: Iterable[Finding]) -> None:
    """Raise UserError with the findings on `what` that are more than notices, if there are any."""
    errors = [str(finding) for finding in sorted(set(findings)) if not finding.is_notice]
    if len(errors) == 1:
        raise UserError(errors[0])
    if errors:
        raise UserError("\n     ".join([f"{what} has {len(errors)} to fix first", *errors]))
