"""Writing a file so that nobody ever reads half of it, and never anywhere else than it should be."""

import contextlib
import os
import shutil
import time
import unicodedata
from pathlib import Path

from aml.errors import UserError


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


def inside(folder: Path, name: str) -> Path:
    """The place in `folder` for a file with a name from elsewhere, such as "deep/er.txt".

    Raises UserError for a name that is absolute, has "..", or passes a link that leads out of the folder.
    """
    path, own = folder / name, Path(name)
    if own.anchor or not own.parts or ".." in own.parts or not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{name!r} leads out of {folder}: nothing is written there")
    return path


def is_of_git(name: str) -> bool:
    """Whether a name has a part that git would take for its own folder, whose hooks it runs.

    By the rules of git's is_hfs_dotgit and is_ntfs_dotgit (utf8.c, path.c): case, characters that are not shown, blanks
    and dots at the end, streams and short names of NTFS make no difference.
    """
    for part in name.replace("\\", "/").split("/"):
        shown = "".join(letter for letter in part if unicodedata.category(letter) != "Cf")
        if shown.partition(":")[0].rstrip(" .").casefold() in (".git", "git~1"):
            return True
    return False
