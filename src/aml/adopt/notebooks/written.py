"""Files that cells of notebooks write with %%writefile: the source is read as if they were in it already."""

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import libcst as cst

from aml.adopt import Note
from aml.adopt.python.cells import is_magic, raw_cells
from aml.adopt.python.closure import CODE_LIMIT
from aml.adopt.python.syntax import UNPARSED
from aml.adopt.v1.expressions import File

COPIED = 200 * 2**20  # bytes of a source; beyond that its largest files are links
MARK = "__written__"
# What IPython fills into the line of a magic: IPython 9, utils/text.py, DollarFormatter.
FILLED = re.compile(r"\{(?P<code>[^{}]+)\}|\$(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class Written:
    """What one cell writes."""

    cell: int
    name: str  # below the notebook's folder; "" where that is not certain, or elsewhere
    text: str
    adds: bool  # to what is there


@dataclass
class Laid:
    """A source to read: its own folder, or a copy that has the files which its notebooks write."""

    root: Path
    files: list[str]
    notes: list[tuple[str, Note]]  # with the names of the files that they are about


def read(path: Path) -> list[Written]:
    """What the cells of a notebook write, in their order. Raises OSError, and ValueError when the file is no JSON."""
    cells = raw_cells(path)
    found = [(number, *_split(text)) for number, text in cells if re.match(r"\s*%%(writefile|file)\s", text)]
    names = _names(path, cells, [target for _, target, _, _ in found]) if found else []
    return [Written(number, name, text, adds) for (number, _, adds, text), name in zip(found, names, strict=True)]


def lay_out(root: Path, files: list[str], first: str) -> Laid:
    """The source with what its notebooks write, those of the notebook `first` before those of others.

    What is in the source already stays as it is. The copy lasts as long as what is returned.
    """
    notes: list[tuple[str, Note]] = []
    made: dict[str, str] = {}  # name -> text
    by: dict[str, str] = {}  # name -> notebook
    for notebook in sorted((name for name in files if name.endswith(".ipynb")), key=lambda name: (name != first, name)):
        for one in _of(root / notebook):
            name = PurePosixPath(notebook).parent.joinpath(one.name).as_posix()
            where = f"{notebook} cell {one.cell}"
            if not one.name or (root / name).is_symlink():
                continue
            if (root / name).exists():
                if name not in files or (root / name).read_bytes().split() != one.text.encode().split():
                    text = f"writes {name}, which is there already, and differs: that file counts"
                    notes.append((name, Note("decide", where, text)))
            elif by.setdefault(name, notebook) != notebook:
                text = f"writes {name}, which {by[name]} writes too: that one counts"
                notes.append((name, Note("decide", where, text)))
            else:
                made[name] = (made.get(name, "") if one.adds else "") + one.text
                notes.append((name, Note("taken", where, f"{name} is this cell")))
    if not made:
        return Laid(root, files, notes)
    folder = Path(tempfile.mkdtemp(prefix="aml-adopt-"))
    copy = (folder / root.name).resolve()
    _copy(root, files, copy)
    for name, text in made.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text, encoding="utf-8", newline="\n")
    copied: dict[str, str] = {}
    for notebook in dict.fromkeys(by.values()):
        for old, new in _copies(root / notebook):
            old, new = (PurePosixPath(notebook).parent.joinpath(name).as_posix() for name in (old, new))
            if old in files and new not in {*files, *made, *copied}:
                copied[new] = old
                (copy / new).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / old, copy / new)
                notes.append((new, Note("taken", notebook, f"{new} is its copy of {old}")))
    laid = Laid(copy, sorted({*files, *made, *copied}), notes)
    weakref.finalize(laid, shutil.rmtree, folder, ignore_errors=True)
    return laid


def _of(path: Path) -> list[Written]:
    try:
        return read(path) if path.stat().st_size <= 20 * CODE_LIMIT else []
    except (OSError, ValueError, RecursionError):
        return []


def _split(cell: str) -> tuple[str, bool, str]:
    """The target of a %%writefile as it stands there, whether it adds to the file, and the text."""
    line, _, text = cell.replace("\r\n", "\n").lstrip().partition("\n")
    words = line.split(maxsplit=1)[1]
    target = re.sub(r"(^|\s)(-a|--append)(?=\s|$)", " ", words).strip()
    return target.strip("'\""), target != words.strip(), text.removesuffix("\n") + "\n"


def _names(path: Path, cells: list[tuple[int, str]], targets: list[str]) -> list[str]:
    """The files that targets mean, where variables that other cells set may be in them."""
    if not any(FILLED.search(target) for target in targets):
        return [_below(target) for target in targets]
    lines, waiting = [], list(targets)
    for _, text in cells:
        if re.match(r"\s*%%(writefile|file)\s", text):
            lines.append(f"{MARK} = [{', '.join(_parts(waiting.pop(0)))}]")
        else:
            lines += [line for line in text.split("\n") if not is_magic(line)] if not text.startswith("%%") else []
    try:
        file = File(path.parent, path, [], "\n".join(lines) + "\n", [])
    except UNPARSED:
        return [_below(target) for target in targets]
    names = []
    for node in file.tree.all(cst.Assign):
        if getattr(node.targets[0].target, "value", "") == MARK and isinstance(node.value, cst.List):
            parts = [file.text(element.value) for element in node.value.elements]
            names.append(_below("".join(filter(None, parts)) if None not in parts else "?"))
    return names if len(names) == len(targets) else [_below(target) for target in targets]


def _copies(path: Path) -> list[tuple[str, str]]:
    """The files that a notebook copies with shutil, and their copies: both below its folder."""
    lines = [text for _, text in raw_cells(path) if not text.startswith("%%")]
    text = "\n".join(line for cell in lines for line in cell.split("\n") if not is_magic(line))
    try:
        file = File(path.parent, path, [], text + "\n", [])
    except UNPARSED:
        return []
    found = []
    for call in file.tree.all(cst.Call):
        if file.tree.qualified(call.func) in ("shutil.copy", "shutil.copy2", "shutil.copyfile") and len(call.args) == 2:
            old, new = (file.text(arg.value) for arg in call.args)
            new = f"{new}/{PurePosixPath(old).name}" if old and new and not PurePosixPath(new).suffix else new
            if old and new and _below(old) and _below(new):
                found.append((_below(old), _below(new)))
    return found


def _parts(target: str) -> Iterator[str]:
    """The literals and expressions that a target consists of."""
    at = 0
    for found in FILLED.finditer(target):
        yield repr(target[at : found.start()])
        code = found["name"] or found["code"]
        yield code if _is_expression(code) else "None"
        at = found.end()
    yield repr(target[at:])


def _is_expression(code: str) -> bool:
    try:
        cst.parse_expression(code)
    except (cst.ParserSyntaxError, RecursionError):
        return False
    return True


def _below(target: str) -> str:
    """A path below the notebook's folder; "" for one that is not certain, or elsewhere."""
    path = PurePosixPath(target.replace("\\", "/"))
    hostile = set('{}$:*?"<>|~\0') & set(target)
    outside = path.is_absolute() or ".." in path.parts
    return "" if hostile or outside or not path.suffix else path.as_posix()


def _copy(root: Path, files: list[str], copy: Path) -> None:
    """Copy a source; its largest files are links where all of them are too much."""
    total = 0
    for name in sorted(files, key=lambda name: (root / name).stat().st_size):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        total += (root / name).stat().st_size
        if total > COPIED:
            try:
                (copy / name).symlink_to(root / name)
                continue
            except OSError:  # Windows asks for a privilege
                pass
        shutil.copyfile(root / name, copy / name)
