"""What every verb needs to talk to a terminal."""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TextIO

# What changes a terminal, or the order in which letters are read: control characters but for tab and newline, marks of
# direction, and separators of lines that are none for most programs.
_UNSAFE = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")


def printable(text: str, *, colours: bool = False) -> str:
    """The text, with an escape in the place of what could change the terminal: whoever wrote it is not trusted there.

    With `colours`, sequences that only set colours stay, as those of a log.
    """
    if colours:  # re.split gives text and colours in turn
        parts = _COLOUR.split(text)
        return "".join(part if index % 2 else printable(part) for index, part in enumerate(parts))
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """The same for what has a line of its own, or a part of one: tabs and newlines are written out, too."""
    return printable(text).replace("\t", "\\t").replace("\n", "\\n")


# Each may begin with what of it may be shown, as a group.
SECRETS = re.compile(  # lengths are bounded where a text could be read again from each of its letters
    r"""((?:\.(?:blob|dfs|file|queue|table)\.|with\ url:\ )[^\s?"'<>]{0,2000}\?)[^\s"'<>]+  # the query of storage
    |(\?)[^\s?"'<>]*\bsig=[^\s"'<>\\]+  # the same with a signature, of any host
    |(?:(?<![a-zA-Z_-])|(?<=3[fF]))sig(?:=|%(?:25)*3[dD])[^\s"'<>\\]+  # a signature by itself, however often encoded
    |\beyJ[\w-]{10,2000}\.[\w-]+(?:\.[\w-]*)?  # a token of Entra
    |\b((?:Bearer|SharedKey)\ )[^\s"',}]{16,}
    |(?<![\w+/])[\w+/]{86}==  # the key of a storage account: 64 bytes in base64
    |((?:://))[^/\s:@"']*:[^/\s@"']+(?=@)  # a name and its password in an address
    """,
    re.VERBOSE,
)
# Variables that azure-identity reads secrets from (azure/identity/_constants.py)
SECRET_VARIABLES = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "IDENTITY_HEADER",
    "MSI_SECRET",
)


def redact(text: str) -> str:
    """The text without secrets: what every message, log line and traceback goes through."""
    for name in SECRET_VARIABLES:
        if value := os.environ.get(name):
            text = text.replace(value, "<redacted>")
    return SECRETS.sub(lambda found: next(filter(None, found.groups()), "") + "<redacted>", text)


def say(text: str) -> None:
    """Print to stderr, without secrets. A closed stderr is no error: a job goes on after `| head` has read enough."""
    with contextlib.suppress(BrokenPipeError):
        print(printable(redact(text)), file=sys.stderr, flush=True)


def print_safely(text: str) -> None:
    """Print what a verb was asked for, to stdout."""
    print(printable(text), flush=True)


def redirect_to_devnull(stream: TextIO) -> None:
    """Redirect a stream whose reader is gone, so that Python does not fail when it closes the stream at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def display_path(path: Path) -> str:
    """The path as messages show it: relative to the working folder, unless it is on another drive."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)
