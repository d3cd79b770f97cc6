"""Writing a file so that nobody ever reads half of it."""

import contextlib
import os
import shutil
import time
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Replace the file's content, in UTF-8 and with the newlines of `text`: whole, or not at all.

    The file's mode stays, and a link stays a link.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="")
        if target.exists():
            shutil.copymode(target, temporary)
        for pause in (0.05, 0.2, 0.5, 1):  # Windows lets nobody replace a file while somebody reads it
            with contextlib.suppress(PermissionError):
                temporary.replace(target)
                return
            time.sleep(pause)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
