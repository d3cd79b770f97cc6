"""Settings files that travel with the code: the data that they name comes along, results go below outputs/."""

import re
from pathlib import Path, PurePosixPath

from aml.adopt import Note
from aml.adopt.convert import models
from aml.adopt.convert.inputs import TRAVELS
from aml.adopt.convert.paths import ABSOLUTE, ADDRESS, DATA
from aml.adopt.python.static import KINDS, read_settings, texts
from aml.adopt.tree import files_below, shown

RESULTS = re.compile(r"(?i).*(out|save|log|artifact|checkpoint|model|metric|report|result|export).*")


def carry(files: dict[str, str | Path], read: set[Path], root: Path, project: Path, notes: list[Note]) -> str | None:
    """Add to `files` (path in src/ -> text, or file to copy) what its settings name, and change the results in them.

    `read`: the data that are inputs already. Reads the source and changes nothing there. Returns the model's new path.
    """
    results: list[str] = []
    for place, path in list(files.items()):
        if not isinstance(path, Path) or path.suffix.lower() not in KINDS:
            continue
        where = shown(root, path)
        content = read_settings(path, KINDS[path.suffix.lower()])
        text = path.read_text(encoding="utf-8-sig") if content is not None else ""
        for key, value in texts(content):
            found = _data(value, root, project)
            folder = PurePosixPath(value.replace("\\", "/")).parent
            if not found and folder.name and ".." not in folder.parts and (project / folder).is_dir():
                files.setdefault(f"{folder}/.gitkeep", "")  # such as logs/, which logging does not make
            if found and found not in read:
                _let_travel(files, found, value, where, notes)
            elif not found and RESULTS.fullmatch(key) and (new := _result(value)):
                whole = re.compile(rf"(?m)(?<![\w./-]){re.escape(value)}(?![\w./-])")
                if whole.search(text):
                    text = whole.sub(new, text)
                    files[place] = text
                    notes.append(
                        Note("changed", where, f"{value} -> {new}: a job keeps what is below outputs/", "result")
                    )
                    results.append(new)
    return models.choose(results)


def _data(text: str, root: Path, project: Path) -> Path | None:
    """The data of the source that a text names."""
    if not text or ADDRESS.match(text) or ABSOLUTE.match(text) or ".." in PurePosixPath(text).parts or len(text) > 200:
        return None
    for folder in dict.fromkeys((project, root)):
        try:
            path = (folder / text.replace("\\", "/")).resolve()
            if (path.is_file() and DATA.fullmatch(path.name)) or (path.is_dir() and "/" in text and path != root):
                return path
        except (OSError, ValueError):
            continue
    return None


def _result(text: str) -> str | None:
    """Where a result goes instead; None for what is no path, or is below outputs/ already."""
    plain = text.replace("\\", "/").removeprefix("./")
    path = PurePosixPath(plain)
    is_path = re.fullmatch(r"[\w./-]+", plain) and (
        "/" in plain.strip("/") or models.may_be(plain) or path.suffix == ".log"
    )
    if not is_path or ABSOLUTE.match(text) or ADDRESS.match(text) or ".." in path.parts or path.parts[0] == "outputs":
        return None
    return f"outputs/{plain}"


def _let_travel(files: dict[str, str | Path], found: Path, text: str, where: str, notes: list[Note]) -> None:
    inner = files_below(found) if found.is_dir() else [found]
    place = PurePosixPath(text.replace("\\", "/"))
    if not inner:
        return
    if sum(one.stat().st_size for one in inner) > TRAVELS:
        notes.append(Note("decide", where, f"{text} is too large to travel with the code: let an option name it"))
        return
    for one in inner:
        files.setdefault((place / one.relative_to(found)).as_posix() if found.is_dir() else place.as_posix(), one)
    text = (
        f"{text} travels with the code, as these settings name it; let an option name it, and it is an input of the job"
    )
    notes.append(Note("decide", where, text))
