"""What a module reads: data become inputs of the job, by options; settings and small files travel with the code."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import libcst as cst

from aml.adopt import DataInput
from aml.adopt.convert.paths import ABSOLUTE, ADDRESS, DATA, PATHS, TEMPORARY, Root
from aml.adopt.convert.results import leads_out
from aml.adopt.convert.work import Work
from aml.adopt.discover.resources import may_hold_secrets
from aml.adopt.python.arguments import Options, Wanted
from aml.adopt.python.flags import Option
from aml.adopt.python.static import SETTINGS, SETTINGS_LIMIT
from aml.adopt.python.syntax import expression, literal, method_of, quoted
from aml.adopt.tree import files_below

TRAVELS = 10 * 2**20  # bytes of files that may go with the code
SETTINGS_NAME = re.compile(r"(?i)(^|_)(conf|configs?|configuration|settings|yaml)(_|$)")


@dataclass
class _Read:
    """What a module reads, and the option that it gets."""

    root: Root
    text: str
    base: str  # of the text, without a pattern such as *.csv
    path: Path | None  # on this machine
    type: Literal["uri_file", "uri_folder"]
    wanted: Wanted


def take_from_options(work: Work, written: set[cst.CSTNode]) -> Options | None:
    work.part = "data"
    found: dict[cst.CSTNode, _Read] = {}
    shared: dict[str, Wanted] = {}
    seen: set[cst.CSTNode] = set()
    for call, root, is_folder in _read_roots(work, written):
        if root.option:
            _option_input(work, root.option, is_folder or root.joined)
            continue
        if root.node is None or root.node in seen or root.node in work.new:
            continue
        seen.add(root.node)
        if root.value is None and (root.pattern or isinstance(root.node, cst.FormattedString)):
            _partial(work, root.node)
            continue
        text = str(literal(root.node) if root.value is None else root.value)
        if ADDRESS.match(text) or not text or (text in (".", "./") and not work.is_entry):
            continue
        base = re.split(r"[^\\/]*[*?\[]", text)[0] if re.search(r"[*?\[]", text) else text
        path = work.locate(base or ".")
        if root.value is not None and work.paths.values.holds_code(base or "."):
            _beside(work, root.node)
            continue
        if path and _travel(work, call, root, base, path):
            continue
        folder = path.is_dir() if path else is_folder or root.joined or base != text
        if text not in shared:
            default = quoted(_relative(work, base), root.node)
            if root.value is None and base == text:
                default = root.node.with_changes(lpar=[], rpar=[])  # type: ignore[assignment]
            name = _name(work, root.node, base)
            shared[text] = Wanted(name, default, "data: a " + ("folder" if folder else "file"))
        found[root.node] = _Read(root, text, base, path, "uri_folder" if folder else "uri_file", shared[text])
    if not found:
        return None
    options = Options(work.tree, {node: read.wanted for node, read in found.items()}, work.is_entry)
    for node, name in options.uses.items():
        _to_option(work, found[node], options.expression(node), name, options.flags[name])
    return options


def _to_option(work: Work, read: "_Read", new: cst.BaseExpression, name: str, flag: str) -> None:
    """Let what is read come from an option."""
    node = read.root.node
    assert node is not None
    rest, is_path = read.text[len(read.base) :], isinstance(read.root.value, Path)
    if rest and not is_path:
        new = expression(f"os.path.join(OPTION, {quoted(rest).value})", OPTION=new)
        work.imports.append("import os")
    elif read.text[-1] in "/\\" and not is_path and read.root.joined:
        new = expression('os.path.join(OPTION, "")', OPTION=new)  # with its last slash, for + to add to
        work.imports.append("import os")
    work.become(read.root, new, is_path)
    if name in {entry.name for entry in work.inputs}:
        return
    work.inputs.append(DataInput(name, read.type, read.path, flag))
    text = read.text if read.root.value is None else work.short(node)
    work.note("changed", node, f"{text} -> the option {flag}, an input of the job")
    if read.path is None:
        fix = f"give inputs.{name} a path"
        work.note("decide", node, f"{read.text} is not on this machine: {fix}", "data-missing", read.text)


def _relative(work: Work, text: str) -> str:
    """A path as it may stand in code: below the source where it is there."""
    path = Path(os.path.normpath(text))
    if path.is_absolute() and path.is_relative_to(work.root):
        return path.relative_to(work.root).as_posix()
    return text.rstrip("/\\") or "."


def _travel(work: Work, call: cst.CSTNode, root: Root, text: str, path: Path) -> bool:
    """Whether a file goes with the code, and not as data: settings, and what lies in a module's own folder."""
    assert root.node is not None
    if work.root not in path.parents or (path.is_dir() and work.is_entry) or _size(path) > TRAVELS:
        return False
    settings = (
        path.suffix.lower() in (*SETTINGS, ".j2", ".sql")
        and _size(path) <= SETTINGS_LIMIT
        and not _is_table(work, call)
    )
    beside = isinstance(root.value, str | Path) and Path(root.value).is_absolute()
    if not settings and work.is_entry and DATA.fullmatch(path.name):
        return False
    if beside and path.is_relative_to(work.path.parent):
        inside = path.relative_to(work.path.parent).as_posix()
        place = (PurePosixPath(work.place).parent / inside).as_posix()
    elif not beside and not Path(text).is_absolute() and ".." not in re.split(r"[\\/]", text):
        place = inside = PurePosixPath(text.replace("\\", "/")).as_posix()
    elif settings:
        place = path.relative_to(work.root).as_posix()
        work.become(root, quoted(place, root.node), isinstance(root.value, Path))
        work.note("changed", root.node, f"{work.short(root.node)} -> {place}, which travels with the code")
    else:
        return False
    if settings and may_hold_secrets(path):
        work.note(
            "decide", root.node, f"{path.name} may hold secrets, so it is left out: let the job read them elsewhere"
        )
        return True
    if (path, place) not in work.travels:
        work.travels.append((path, place))
    if root.node not in work.new:
        work.note("taken", root.node, f"{inside} travels with the code")
    return True


def _is_table(work: Work, call: cst.CSTNode) -> bool:
    name = work.tree.qualified(call.func) if isinstance(call, cst.Call) else ""
    return name.split(".")[0] in ("pandas", "polars", "pyarrow", "geopandas", "xgboost")


def _read_roots(work: Work, written: set[cst.CSTNode]) -> Iterator[tuple[cst.CSTNode, Root, bool]]:
    """What is read: by a known call, or a literal that clearly names data."""
    for call, path, writes in work.paths.calls():
        name = work.tree.qualified(call.func)
        method = method_of(call)
        folder = name in ("os.listdir", "os.walk", "os.scandir")
        folder = folder or method in ("glob", "rglob", "iterdir", "flow_from_directory")
        folder = (folder and not name.startswith("glob.")) or "from_directory" in name or name.endswith("ImageFolder")
        for root in work.paths.anchors(path) if not writes else ():
            if root.beside:
                _beside(work, path)
            elif root.node not in written:
                yield call, root, folder or path in work.paths.folders
    handed = {option.default for option in work.paths.by_dest.values()}
    for node in work.tree.all(cst.SimpleString | cst.ConcatenatedString):
        text = literal(node)
        parent = work.tree.parents[node]
        plain = isinstance(parent, cst.Assign | cst.AnnAssign | cst.Arg) and node not in handed and node not in written
        if plain and text and DATA.fullmatch(text) and not ADDRESS.match(text) and _names_data(work, node, text):
            yield node, Root(node, None, False), False
    for option in work.paths.by_dest.values():
        text = literal(option.default) if option.default else None
        place = work.locate(text) if text else None
        settings = place and place.suffix.lower() in SETTINGS  # which the code's folder has
        if place and not settings and option.default not in work.new and work.is_entry and not leads_out(option.dest):
            yield option.call, Root(None, option, False), place.is_dir()


def _names_data(work: Work, node: cst.CSTNode, text: str) -> bool:
    call = work.tree.around(node, cst.Call, cst.SimpleStatementLine)
    joins = isinstance(call, cst.Call) and work.tree.qualified(call.func) in PATHS
    logs = isinstance(call, cst.Call) and (
        "mlflow" in work.tree.qualified(call.func) or work.tree.code(call.func).startswith(("log_", "print"))
    )
    parent = work.tree.parents[node]
    inner = isinstance(call, cst.Call) and parent in call.args[1:] and not re.search(r"[\\/]", text)
    if joins or logs or inner:  # a name after another argument may be one in that folder
        return False
    return bool(ABSOLUTE.match(text) and not TEMPORARY.match(text)) or bool(
        (path := work.locate(text)) and path.is_file()
    )


def _name(work: Work, node: cst.BaseExpression, text: str) -> str:
    """A name for an option: the constant's, else the file's or folder's."""
    parent = work.tree.parents[node]
    while isinstance(parent, cst.Arg | cst.Call) and not isinstance(parent, cst.Assign):
        call = parent if isinstance(parent, cst.Call) else work.tree.parents[parent]
        if work.tree.qualified(call.func) not in PATHS if isinstance(call, cst.Call) else True:
            break
        parent = work.tree.parents[call]
    target = parent.targets[0].target if isinstance(parent, cst.Assign) and len(parent.targets) == 1 else None
    if isinstance(target, cst.Name) and target.value.isupper():
        return target.value.lower()
    stem = re.split(r"[\\/]", text.rstrip("/\\"))[-1].split(".")[0]
    return stem if re.match(r"[A-Za-z]\w*$", stem) else "data"


def _option_input(work: Work, option: Option, folder: bool) -> None:
    """An option of the script that is read: it is the input, and the code stays."""
    if not work.is_entry or any(entry.name == option.dest for entry in work.inputs):
        return
    default = next(iter(work.paths.roots(option.default)), None)
    text = literal(default.node) if default and default.node else None
    if text and (ADDRESS.match(text) or re.match(r"(\./)?outputs\b", text)):
        return
    said = option.flag or option.dest
    if not text and SETTINGS_NAME.search(option.dest):
        fix = "let its file lie with the code, and name it in the job's command"
        work.note("decide", option.call, f"{said} names settings, and not which ones: {fix}", "names-settings", said)
        return
    path = work.locate(text) if text else None
    folder = path.is_dir() if path else folder
    work.inputs.append(DataInput(option.dest, "uri_folder" if folder else "uri_file", path, option.flag))
    work.note("taken", option.call, f"the option {said} is an input of the job", "option-input", said)
    if path is None:
        what = f"{text} is not on this machine" if text else f"{said} names no data of its own"
        about = ("data-missing", text) if text else ("no-data-named", said)
        work.note("decide", option.call, f"{what}: give inputs.{option.dest} a path", *about)


def _partial(work: Work, node: cst.BaseExpression) -> None:
    """A path with gaps that are filled in while the code runs."""
    first = node.parts[0] if isinstance(node, cst.FormattedString) else None
    text = first.value if isinstance(first, cst.FormattedStringText) else literal(node) or ""
    if not (ADDRESS.match(text) or TEMPORARY.match(text) or re.match(r"(\./)?outputs\b", text)):
        fix = 'put its folder into an option, such as parser.add_argument("--data"), and join the rest to args.data'
        work.note("decide", node, f"the path begins with {text} and differs from run to run: {fix}")


def _beside(work: Work, path: cst.CSTNode) -> None:
    """A path that begins at the module's own folder, and goes on as the code runs."""
    text = "a path from __file__ is that of something that does not travel with the code: take it from an option"
    work.note("decide", path, text)


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in files_below(path))
