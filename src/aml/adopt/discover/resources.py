"""The files that travel with code, and those that must not."""

import re
from pathlib import Path, PurePosixPath

from aml.adopt import Note
from aml.adopt.private import VALUES, is_secret_option
from aml.adopt.python.closure import Closure
from aml.adopt.python.static import KINDS, SETTINGS, read_settings, texts
from aml.adopt.tree import DATA_FOLDERS, TABLES, shown, text_of

RESOURCES = (".cfg", ".csv", ".ini", ".j2", ".json", ".sql", ".toml", ".txt", ".yaml", ".yml")
RESOURCE_LIMIT = 100_000  # bytes; what is larger is data
SECRET_FILES = re.compile(r"^\.env|\.(pem|key|pfx|p12|jks)$|^id_rsa|credential|secret", re.IGNORECASE)
LINE = re.compile(r"(?m)^\s*([\w.-]+)\s*[:=]\s*[\"']?([^\s\"']+)")  # such as password = hunter2
HOSTILE = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com[1-9]|lpt[1-9])(\.|$)', re.IGNORECASE)


def add(root: Path, project: Path, path: Path, key: str, files: set[Path], closure: Closure, notes: list[Note]) -> None:
    """Let the small files travel that lie in a travelling package or that the code names."""
    base = path
    for _ in PurePosixPath(key).parts:
        base = base.parent
    wanted: dict[str, Path] = {}
    for own, file in list(closure.code.items()):
        wanted.update(named(project, path.parent, base, own, closure.texts.get(own, set()), files))
        if file.name == "__init__.py":
            inside = PurePosixPath(own).parent
            for beside in files:
                if beside.is_relative_to(file.parent) and beside.suffix in RESOURCES:
                    wanted[(inside / beside.relative_to(file.parent).as_posix()).as_posix()] = beside
    for name, file in sorted(wanted.items()):
        if name in closure.code or file.suffix == ".py":
            continue
        if file.suffix in TABLES:
            continue  # data, which the job has as an input
        if may_hold_secrets(file):
            notes.append(
                Note(
                    "decide", shown(root, file), "may hold secrets, so it is left out: let the job read them elsewhere"
                )
            )
        elif file.stat().st_size > RESOURCE_LIMIT:
            notes.append(Note("decide", shown(root, file), f"is large, so it is left out of {name}: make it an input"))
        else:
            closure.code[name] = file


def named(
    project: Path, entry_folder: Path, base: Path, own: str, strings: set[str], files: set[Path]
) -> list[tuple[str, Path]]:
    """Files that the code names in a string, with the place that keeps them where the string looks for them."""
    found: list[tuple[str, Path]] = []
    for text in sorted(strings):
        name = PurePosixPath(text.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or name.suffix not in (*RESOURCES, ".py") or len(name.parts) > 8:
            continue
        inside = PurePosixPath(own).parent  # beside the module, or in the job's folder
        for folder, place in ((base / inside, inside), (entry_folder, PurePosixPath()), (project, PurePosixPath())):
            if (path := folder / name) in files:
                found.append(((place / name).as_posix(), path))
                break
    return found


def may_hold_secrets(path: Path) -> bool:
    """Whether a small text file has a password or the like, as far as names and values in it tell."""
    if SECRET_FILES.search(path.name):
        return True
    text, kind = text_of(path), KINDS.get(path.suffix.lower())
    pairs = texts(read_settings(path, kind)) if kind else LINE.findall(text)
    return bool(VALUES.search(text)) or any(is_secret_option(key.rpartition(".")[2], value) for key, value in pairs)


def is_settings(path: Path, root: Path) -> bool:
    """Whether a file that code reads is settings, which travel with the code, and no data."""
    in_data = {part.lower() for part in path.relative_to(root).parts[:-1]} & {*DATA_FOLDERS}
    return path.suffix.lower() in (*SETTINGS, ".j2", ".sql") and not in_data and path.stat().st_size <= RESOURCE_LIMIT


def with_siblings(path: Path, root: Path) -> list[Path]:
    """A settings file with those of its kind in the same folder, which a command may name instead."""
    found = [] if path.parent == root else [one for one in sorted(path.parent.glob(f"*{path.suffix}")) if one.is_file()]
    return [path, *(one for one in found if one != path and is_settings(one, root) and not may_hold_secrets(one))]


def check_names(root: Path, code: dict[str, Path], notes: list[Note]) -> None:
    """Note the names that a Windows disk cannot hold together."""
    seen: dict[str, str] = {}
    for name, path in sorted(code.items()):
        if any(HOSTILE.search(part) for part in PurePosixPath(name).parts):
            notes.append(Note("blocked", shown(root, path), "Windows cannot have a file of this name: rename it"))
        for part in [PurePosixPath(name), *PurePosixPath(name).parents]:
            other = seen.setdefault(str(part).casefold(), str(part))
            if other != str(part):
                text = f"{part} differs from {other} in its capitals only: rename one"
                notes.append(Note("blocked", shown(root, path), text))
