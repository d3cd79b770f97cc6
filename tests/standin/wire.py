"""Request, response and router: as much of HTTP as the stand-in needs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from .server import StandIn

Json = dict[str, Any]


@dataclass
class Response:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Seconds until it is sent; others are answered meanwhile.
    delay: float = 0.0

    def payload(self) -> tuple[bytes, str]:
        """The bytes of the body and their media type."""
        if self.body is None:
            return b"", ""
        if isinstance(self.body, bytes):
            given = {name.lower(): value for name, value in self.headers.items()}
            return self.body, given.get("content-type", "application/octet-stream" if self.body else "")
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain; charset=utf-8"
        return json.dumps(self.body).encode(), "application/json; charset=utf-8"


class ServiceError(Exception):
    """An answer other than success, in the shape of Azure Resource Manager's error response.

    `detail` is the code and the message of an error within.
    """

    def __init__(
        self, status: int, code: str, message: str, detail: tuple[str, str] | None = None, **headers: str
    ) -> None:
        super().__init__(message)
        self.details = [{"code": detail[0], "message": detail[1]}] if detail else []
        self.status = status
        self.code = code
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Response:
        error = {"code": self.code, "message": self.message, "details": self.details}
        return Response(self.status, {"error": error}, self.headers)


@dataclass
class Request:
    service: StandIn
    method: str
    host: str
    target: str
    headers: Message
    body: bytes = b""
    #: The named groups of the route's pattern.
    names: dict[str, str] = field(default_factory=dict)
    #: The claims of the caller's token, once it was looked at.
    claims: Json = field(default_factory=dict)

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """Names in small letters: Azure Resource Manager doesn't tell them apart."""
        return {name.lower(): value for name, value in parse_qsl(urlsplit(self.target).query, keep_blank_values=True)}

    @property
    def json(self) -> Json:
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise ServiceError(400, "InvalidRequestContent", "The request content was invalid JSON.") from None
        if not isinstance(value, dict):
            raise ServiceError(400, "InvalidRequestContent", "The request content was not an object.")
        return value

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


Handler = Callable[[Request], Response]


class Router:
    """Handlers by method and path. Patterns are written with {name} for one part of a path and {name*} for the rest."""

    def __init__(self) -> None:
        self.routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def on(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        expression = re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", pattern)
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", expression)

        def register(handler: Handler) -> Handler:
            for one in method.split("|"):
                self.routes.append((one, re.compile(expression + "/?", re.IGNORECASE), handler))
            return handler

        return register

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        for wanted, pattern, handler in self.routes:
            found = pattern.fullmatch(path) if wanted == method else None
            if found:
                return handler, found.groupdict()
        return None
