"""Runs code and says what it did: how it ended, what it printed, which files it read and which it left."""

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aml.adopt.observe.environment import Opened, Recording
from aml.local import environments, processes

# Folders with nothing that code reads or keeps.
OTHERS = {".git", ".hg", ".svn", ".pytest_cache", ".ipynb_checkpoints", "__pycache__", "mlruns", "node_modules"}
SIZE_LIMIT = 1_000_000_000  # bytes of a source that are copied to try it
LONG_AGO = 86_400.0  # seconds: Linux notes an access to a file whose last one is older (relatime, mount(8))


@dataclass(frozen=True)
class Trial:
    """What one run did. Paths are relative to the tree in which it ran, with slashes."""

    status: int | None  # None: it took longer than the limit
    seconds: float
    output: str
    opened: Opened
    touched: frozenset[str]  # files whose access times say that they were read, by whatever language
    before: Mapping[str, str]  # path -> hash of all files
    after: Mapping[str, str]

    @property
    def ended_well(self) -> bool:
        """Whether it ended, with status 0."""
        return self.status == 0

    @property
    def left(self) -> dict[str, str]:
        """The files that it made or changed, with their hashes."""
        return {path: mark for path, mark in self.after.items() if self.before.get(path) != mark}

    @property
    def reason(self) -> str:
        """Why it did not end well, as its output says it last."""
        if self.status is None:
            return f"it was ended after {self.seconds:.0f} s"
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        errors = [at for at, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception|Exit|Interrupt)\b", line)]
        if not errors:
            return f"it ended with status {self.status}{': ' + lines[-1][:300] if lines else ''}"
        places = [re.match(r'File "([^<].*)", line (\d+)', line) for line in lines[: errors[-1]]]
        own = [place for place in places if place and "site-packages" not in place[1] and "lib/python" not in place[1]]
        where = f"{Path(own[-1][1]).name}:{own[-1][2]}: " if own else ""
        return f"{where}{lines[errors[-1]][:300]}"


def copy(source: Path, texts: Mapping[Path, str], to: Path) -> bool:
    """Copy a source to try it, with other texts for some of its files; False when it is too large for that."""
    files = [path for path in _files(source) if not path.is_symlink() or path.exists()]
    if sum(path.stat().st_size for path in files) > SIZE_LIMIT:
        return False
    for path in files:
        place = to / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for path, text in texts.items():
        place = to / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", newline="\n")
    return True


def run(
    recording: Recording, command: Sequence[str], tree: Path, folder: Path, limit: float, **variables: str
) -> Trial:
    """Run a command in `folder`, below or beside the `tree` whose files count, for at most `limit` seconds."""
    before = marks(tree)
    aged = _age(tree)
    recording.begin(tree)
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    surroundings = {
        **own,
        "AML_ENVIRONMENTS": str(recording.cache),
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        **variables,
    }
    log = recording.log.with_suffix(".txt")
    started = time.monotonic()
    group: Any = {"start_new_session": True}
    if os.name == "nt":
        group = {"creationflags": 0x200}  # CREATE_NEW_PROCESS_GROUP, which only Windows' subprocess knows
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=surroundings, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **group
        )
        try:
            status: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            processes.end(None, [process.pid])
    seconds = time.monotonic() - started
    touched = frozenset(path for path, when in aged.items() if _accessed(tree / path) > when)
    text = log.read_text(encoding="utf-8", errors="replace")
    for place in {str(tree), str(tree.resolve())}:
        text = text.replace(place + os.sep, "")  # which says nothing to who reads it
    return Trial(status, seconds, text, recording.opened(), touched, before, marks(tree))


def interpreter(recording: Recording) -> dict[str, str]:
    """The variables that let a command find the environment's programs first."""
    path = os.pathsep.join([str(environments.scripts(recording.environment)), os.environ.get("PATH", "")])
    return {"PATH": path, "VIRTUAL_ENV": str(recording.environment)}


def marks(tree: Path) -> dict[str, str]:
    """The hash of each file below a folder, by its path from there."""
    found = {}
    for path in _files(tree):
        with path.open("rb") as file:
            found[path.relative_to(tree).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for current, folders, names in os.walk(folder):
        here = Path(current)
        folders[:] = [name for name in folders if name not in OTHERS and not (here / name / "pyvenv.cfg").exists()]
        found += [here / name for name in names if (here / name).is_file()]
    return sorted(found)


def _age(tree: Path) -> dict[str, float]:
    """Let each file be last read long ago, where the file system notes it when one is read; those times."""
    probe = tree / ".aml-adopt-probe"
    probe.write_bytes(b"0")
    try:
        old = _set_back(probe)
        probe.read_bytes()
        if _accessed(probe) <= old:
            return {}
    finally:
        probe.unlink()
    return {path.relative_to(tree).as_posix(): _set_back(path) for path in _files(tree)}


def _set_back(path: Path) -> float:
    found = path.stat()
    os.utime(path, (found.st_mtime - 2 * LONG_AGO, found.st_mtime))
    return _accessed(path)


def _accessed(path: Path) -> float:
    return path.stat().st_atime if path.exists() else 0.0
