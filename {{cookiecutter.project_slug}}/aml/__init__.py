"""The command line of this model repository: one verb a module; `aml --help` lists them."""

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO


class Refusal(Exception):
    """Something the user can mend: what, where, why and the command that mends it. Shown without a traceback."""


def say(text: str) -> None:
    """Tell the user, on stderr, whether or not anybody reads it: a job goes on when `| head` has had enough."""
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)


def mute(stream: TextIO) -> None:
    """Lead a stream whose reader went away to nowhere, so that nothing fails when Python closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def shown(path: Path) -> str:
    """The path as messages give it: relative to the working folder, unless it is on another drive."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)


def find_root(start: Path | None = None) -> Path:
    """The model repository around `start` (default: the working folder): the nearest folder that holds aml_config/.

    Raises Refusal outside of one.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "aml_config").is_dir():
            return folder
    raise Refusal(f"{start} is not in a model repository (no aml_config/ here or above): cd into one")
