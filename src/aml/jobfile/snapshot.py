"""The snapshot of a job's code: what of it travels, by the rules of .amlignore, as azure-ai-ml 1.35 reads them."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from pathspec import PathSpec, Pattern
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from aml.console import display_path
from aml.errors import UserError


def ignore_file(folder: Path) -> Path | None:
    """The file whose rules hold for `folder`: .amlignore, else .gitignore, in the folder itself and nowhere else."""
    return next((folder / name for name in (".amlignore", ".gitignore") if (folder / name).is_file()), None)


def files(folder: Path) -> Iterator[Path]:
    """The files below `folder` that travel, relative to it. Links are followed.

    Patterns are matched against files, the last match wins, and an ignored folder is not walked unless a
    pattern brings something back. Whatever the rules say, .git, virtual environments, and runs/ and mlruns/ of a model
    stay here, so that `folder` may be a whole codebase.

    Raises UserError for what would travel and cannot: it cannot be read, or its name is no text.
    """
    return (path for path in _walk(folder) if (folder / path).is_file())


def links_outside(folder: Path) -> Iterator[Path]:
    """The links below `folder` that travel and point outside of it, relative to it: what they point to travels."""
    inside = folder.resolve()
    for path in _walk(folder):
        whole = folder / path
        is_inside = whole.parent.resolve().is_relative_to(inside)  # else the link is above, and named already
        if whole.is_symlink() and is_inside and not whole.resolve().is_relative_to(inside):
            yield path


def _walk(folder: Path) -> Iterator[Path]:
    """The files and folders that travel."""
    ignored, brings_back = _rules(folder)

    def fail(error: OSError) -> None:
        raise UserError(_cannot_travel(folder, Path(error.filename), str(error.strerror))) from None

    for current, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        here = Path(current)
        leads_back = os.path.realpath(here) in map(os.path.realpath, here.parents)  # a link
        if leads_back or ("pyvenv.cfg" in names and here != folder):
            folders.clear()
            continue
        relative = here.relative_to(folder)
        stay = (".git", "runs", "mlruns") if "aml_config" in folders else (".git",)
        folders[:] = sorted(
            name
            for name in folders
            if name not in stay and (brings_back or not ignored.match_file((relative / name).as_posix() + "/"))
        )
        for name in [*folders, *sorted(names)]:
            path = relative / name
            whole = folder / path
            if name not in folders and (ignored.match_file(path.as_posix()) or not whole.is_file()):
                continue
            try:
                name.encode("utf-8")
            except UnicodeEncodeError:
                raise UserError(_cannot_travel(folder, whole, "its name is not UTF-8")) from None
            if not os.access(whole, os.R_OK):
                raise UserError(_cannot_travel(folder, whole, "it cannot be read"))
            yield path


def _cannot_travel(folder: Path, path: Path, reason: str) -> str:
    rules = display_path(ignore_file(folder) or folder / ".amlignore")
    return f"{display_path(path)}: {reason}, so that it cannot travel with the code: change that, or name it in {rules}"


def _rules(folder: Path) -> tuple[PathSpec[Pattern], bool]:
    """The rules of the folder's ignore file, and whether one of them brings something back."""
    rules = ignore_file(folder)
    try:
        lines = [line.strip() for line in rules.read_text(encoding="utf-8-sig").splitlines()] if rules else []
        return PathSpec.from_lines(GitIgnoreSpecPattern, lines), any(line.startswith("!") for line in lines)
    except UnicodeDecodeError:
        raise UserError(f"{display_path(rules or folder)}: not UTF-8: save it as UTF-8") from None
    except ValueError as error:
        raise UserError(f"{rules}: {error}") from None


def copy(folder: Path, travels: Iterable[Path], target: Path) -> None:
    """Copy the files `travels` of `folder` into `target`."""
    for file in travels:
        destination = target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / file, destination)
