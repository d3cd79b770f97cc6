"""All errors that a user meets. Each ends in one or two lines on the terminal, without a traceback."""

from typing import NamedTuple


class Place(NamedTuple):
    """Where something is written: a file, as messages show it, or an option; `line` is 0 for the whole of it."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def message(self, *parts: str) -> str:
        """`file:line: part: part`, without the parts that are empty."""
        return ": ".join(filter(None, (str(self), *parts)))


class UserError(Exception):
    """Something the user can fix. The message says what, where, why, and the command that fixes it."""


class FileError(UserError):
    """Something that is written where the user can fix it: `file:line: problem: fix`."""

    def __init__(self, place: Place, problem: str, fix: str = "") -> None:
        super().__init__(place.message(problem, fix))
        self.place = place
        self.problem = problem
        self.fix = fix


class ServiceError(UserError):
    """Azure refused a request, or did not answer it.

    Attributes:
        status: The HTTP status; 0 where there was no answer.
        code: The service's own word for the error, such as ResourceNotFound.

    """

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
