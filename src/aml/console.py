"""What every verb needs to talk to a terminal."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO


def say(text: str) -> None:
    """Print to stderr. A closed stderr is no error: a job goes on although `| head` has read enough."""
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)


def redirect_to_devnull(stream: TextIO) -> None:
    """Redirect a stream whose reader is gone, so that Python does not fail when it closes the stream at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def display_path(path: Path) -> str:
    """The path as messages show it: relative to the working folder, unless it is on another drive."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)
