"""What every verb needs to talk to a terminal."""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TextIO

# Each may begin with what of it may be shown, as a group.
SECRETS = re.compile(
    r"""((?:\.(?:blob|dfs|file|queue|table)\.|with\ url:\ )[^\s?"'<>]*\?)[^\s"'<>]+  # the query string of storage
    |(?:[\w$.-]+=[^\s&"'<>\\]*&)*+\bsig(?:=|%3[dD])[^\s"'<>\\]+  # a shared access signature, wherever it is
    |\beyJ[\w-]{10,}\.[\w-]+(?:\.[\w-]*)?  # a token of Entra
    |\b((?:Bearer|SharedKey)\ )[^\s"',}]{16,}
    |(?<![\w+/=])[\w+/]{86}==  # the key of a storage account: 64 bytes in base64
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
        print(redact(text), file=sys.stderr, flush=True)


def redirect_to_devnull(stream: TextIO) -> None:
    """Redirect a stream whose reader is gone, so that Python does not fail when it closes the stream at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def display_path(path: Path) -> str:
    """The path as messages show it: relative to the working folder, unless it is on another drive."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)
