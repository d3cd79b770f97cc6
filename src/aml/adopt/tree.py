"""The files of a source that count."""

import codecs
import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath

from aml.adopt import Note

# Folders that hold nothing of the owner's. Those that begin with a dot are left out too, but for Azure ML's own.
SKIPPED = ("__pycache__", "build", "dist", "env", "logs", "mlruns", "node_modules", "outputs", "site-packages", "venv")
KEPT = (".azureml",)
TABLES = (".arff", ".csv", ".feather", ".h5", ".hdf5", ".jsonl", ".ndjson", ".npy", ".npz", ".parquet", ".tsv")
DATA_FOLDERS = ("data", "dataset", "datasets", "input", "inputs", "sample-data", "sample_data")
SKIPPED_FILES = (".egg", ".pyc", ".pyo", ".so", ".pyd", ".dll", ".whl")


def shown(root: Path, path: Path) -> str:
    """A path as messages have it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def folders(root: Path, start: Path) -> list[Path]:
    """`start` and the folders above it, up to `root`."""
    return [start, *(parent for parent in start.parents if parent.is_relative_to(root))]


def locate(root: Path, start: Path, path: str | Path) -> Path | None:
    """The file or folder that a path in the code means: seen from `start`, or a folder above it up to `root`."""
    places = (folder / path for folder in folders(root, start))
    return next((place.resolve() for place in places if path and place.exists()), None)


def by_end(root: Path, project: Path, name: str, files: list[str]) -> list[Path]:
    """The files whose paths end like `name`: those in the project, where there are some, else in the whole source."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        return []
    found = [root / file for file in files if PurePosixPath(file).parts[-len(parts) :] == parts]
    return [path for path in found if path.is_relative_to(project)] or found


def listing(root: Path) -> tuple[list[str], list[Note]]:
    """The files below `root`, as sorted posix paths; in a git checkout without what git ignores.

    Links to elsewhere and what cannot be read do not count.
    """
    notes: list[Note] = []
    names = _of_git(root)
    if names is None and any((parent / ".git").exists() for parent in [root, *root.parents]):
        notes.append(Note("taken", "", "git cannot list this checkout, so files that it ignores count too"))
    found: set[str] = set()
    for name in names or ["."]:
        path = root / name
        if path.is_dir() and not path.is_symlink():  # the whole, or a submodule
            found.update((PurePosixPath(name) / inner).as_posix() for inner in _walk(path))
        else:
            found.add(name)
    return sorted(name for name in found if _counts(root, name, notes)), notes


def last_commit(root: Path) -> str:
    """The day of the last commit of a checkout, such as 2023-01-31; "" where there is none."""
    return (_git(root, "log", "-1", "--format=%cs") or b"").decode("ascii", "replace").strip()


def _of_git(root: Path) -> list[str] | None:
    """What git has and does not ignore, or None."""
    names = _git(root, "ls-files", "-co", "--exclude-standard", "-z")
    # Nothing: a folder that a checkout around it ignores.
    return [os.fsdecode(name) for name in names.split(b"\0") if name] or None if names is not None else None


def _git(root: Path, *arguments: str) -> bytes | None:
    """What git prints for a checkout; None where it fails."""
    git = shutil.which("git")
    if git is None:
        return None
    # fsmonitor and hooks are programs that a checkout's own settings may name.
    settings = ["-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = [git, *settings, "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, env={**environment, "GIT_OPTIONAL_LOCKS": "0"}, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def _walk(folder: Path) -> list[str]:
    found: list[str] = []
    for current, folders, names in os.walk(folder):  # follows no links
        here = Path(current)
        folders[:] = [name for name in folders if not _is_skipped(here / name)]
        found += [(here / name).relative_to(folder).as_posix() for name in names]
    return found


def _is_skipped(folder: Path) -> bool:
    name = folder.name
    if name in SKIPPED or (name.startswith(".") and name not in KEPT) or name.endswith((".egg-info", ".dist-info")):
        return True
    return (folder / "pyvenv.cfg").exists() or (folder / "conda-meta").is_dir()


def _counts(root: Path, name: str, notes: list[Note]) -> bool:
    path = root / name
    parents = [parent for parent in path.parents if parent != root and parent.is_relative_to(root)]
    if path.suffix in SKIPPED_FILES or any(map(_is_skipped, parents)):
        return False
    try:
        name.encode("utf-8")
        if not path.is_file() or not path.resolve().is_relative_to(root):
            return False
    except (OSError, RuntimeError, UnicodeEncodeError):  # RuntimeError: a link to itself, before Python 3.13
        return False
    if path.suffix in (".py", ".ipynb") and not os.access(path, os.R_OK):
        notes.append(Note("decide", name, "cannot be read, so it is left out"))
        return False
    return True


def files_below(folder: Path) -> list[Path]:
    """The files that come along with a folder of data: neither links, which may point anywhere, nor hidden ones."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 or, as Windows PowerShell's `pip freeze > requirements.txt` makes it, in UTF-16.

    Raises OSError, and UnicodeDecodeError for other encodings.
    """
    with path.open("rb") as file:
        is_utf_16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return path.read_text(encoding="utf-16" if is_utf_16 else "utf-8-sig")


def text_of(path: Path, limit: int = 1_000_000) -> str:
    """The text of a small file; "" for another one."""
    try:
        return read_text(path) if path.stat().st_size <= limit else ""
    except (OSError, UnicodeDecodeError):
        return ""
