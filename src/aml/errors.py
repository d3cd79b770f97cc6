"""All errors that a user meets. Each ends in one or two lines on the terminal, without a traceback."""


class UserError(Exception):
    """Something the user can fix. The message says what, where, why, and the command that fixes it."""


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
