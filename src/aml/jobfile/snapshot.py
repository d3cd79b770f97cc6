"""The snapshot of a job's code: what of it travels, by the rules of .amlignore, as azure-ai-ml 1.35 reads them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pathspec import PathSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from aml.errors import UserError


def ignore_file(folder: Path) -> Path | None:
    """The file whose rules hold for `folder`: .amlignore, else .gitignore, in the folder itself and nowhere else."""
    return next((folder / name for name in (".amlignore", ".gitignore") if (folder / name).is_file()), None)


def files(folder: Path) -> Iterator[Path]:
    """The files below `folder` that travel, relative to it. Links are followed.

    Patterns are matched against files, the last match wins, and an ignored folder is not walked unless a
    pattern brings something back. Whatever the rules say, .git, virtual environments, and runs/ and mlruns/ of a model
    stay here, so that `folder` may be a whole codebase.
    """
    rules = ignore_file(folder)
    lines = [line.strip() for line in rules.read_text(encoding="utf-8-sig").splitlines()] if rules else []
    try:
        ignored = PathSpec.from_lines(GitIgnoreSpecPattern, lines)
    except ValueError as error:
        raise UserError(f"{rules}: {error}") from None
    brings_back = any(line.startswith("!") for line in lines)
    for current, folders, names in os.walk(folder, followlinks=True):
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
        for name in sorted(names):
            if not ignored.match_file((relative / name).as_posix()) and (here / name).is_file():
                yield relative / name


def copy(folder: Path, target: Path) -> int:
    """Copy what travels from `folder` into `target`; returns the number of files."""
    count = 0
    for file in files(folder):
        destination = target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / file, destination)
        count += 1
    return count
