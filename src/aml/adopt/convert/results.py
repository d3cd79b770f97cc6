"""What a module writes: results go below outputs/, which a job keeps, and one of them is the model."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from weakref import WeakKeyDictionary

import libcst as cst

from aml.adopt.convert.models import evidence, may_be
from aml.adopt.convert.paths import (
    ABSOLUTE,
    ADDRESS,
    ARRAY_WRITERS,
    CHECKS,
    MODEL_METHODS,
    MODEL_WRITERS,
    PATHS,
    TEMPORARY,
    WRITER_METHODS,
    WRITERS,
    Paths,
    Root,
)
from aml.adopt.convert.work import Work
from aml.adopt.python.flags import Option
from aml.adopt.python.static import Modules
from aml.adopt.python.syntax import expression, keyword, literal, method_of, quoted

# Functions whose argument is a path even where it looks like a word.
TAKES_FOLDER = re.compile(
    r"log_artifacts?|upload_\w+|copy\w*|move|load\w*|from_pretrained|rmtree|make_archive|listdir|remove|unlink|isdir"
    r"|exists|getsize|stat|imread|read\w*|open|walk|glob|Path"
)
_WRITTEN: "WeakKeyDictionary[Modules, dict[Path, set[str]]]" = WeakKeyDictionary()  # what each module writes


def lead_below_outputs(work: Work) -> set[cst.CSTNode]:
    """Lead what is written below outputs/; returns the literals that are written to."""
    work.part = "result"
    written: set[cst.CSTNode] = set()
    reads: dict[cst.CSTNode, int] = {}  # and what is read, from which line on
    for call, path, writes in work.paths.calls():
        for root in work.paths.anchors(path) if not writes else ():
            if root.node is not None:
                reads.setdefault(root.node, work.tree.line(call))
    texts: dict[str, int] = _written_elsewhere(work)  # what is written, and from which line on
    for call, path, writes in work.paths.calls():
        if not writes:
            continue
        for root in work.paths.anchors(path):
            if root.option and _is_a_name(work, root.option):
                _name_of_result(work, root.option)
            elif root.option and root.option.default is None and root.option.flag:
                makes = work.tree.qualified(call.func).startswith("os.") or method_of(call) == "mkdir"
                folder = work.paths.is_folder(path, root) or (makes and not root.joined)
                if folder or not makes:
                    _give(work, root.option, "outputs" if folder else f"outputs/{root.option.dest}")
            elif root.option:
                _option_default(work, root.option)
            elif root.node in reads and reads[root.node] < work.tree.line(call) and _is_there(work, root):
                fix = "write to a name of its own below outputs/"
                work.note("blocked", call, f"{work.short(root.node)} is read, and written over: {fix}")
            elif root.joined and root.node in reads and reads[root.node] < work.tree.line(call):
                _apart(work, path)
            elif root.node is not None and root.value is not None:
                if _known_outputs(work, root):
                    written.add(root.node)
                    texts.setdefault(str(root.value), work.tree.line(call))
            elif root.node is not None and isinstance(root.node, cst.FormattedString):
                _formatted(work, root.node)
            elif root.node is not None:
                written.add(root.node)
                texts.setdefault(str(literal(root.node)), work.tree.line(call))
    for call, path, writes in work.paths.calls():  # what is read under the same name, later or on another run
        for root in work.paths.anchors(path) if not writes else ():
            said = literal(root.node) if root.value is None else str(root.value)
            later = said in texts and (work.tree.line(call) > texts[said] or not _is_there(work, root))
            if root.node is not None and later:
                written.add(root.node)
                if root.value is not None:
                    _known_outputs(work, root)
    for call in work.tree.all(cst.Call):
        if work.tree.qualified(call.func) in CHECKS and call.args:
            written |= {
                root.node for root in work.paths.roots(call.args[0].value) if root.node and literal(root.node) in texts
            }
    written |= _same_paths(work, texts)
    for node in written - work.new.keys():
        _below_outputs(work, node)
    _allow_made_folders(work)
    work.model = _find_model(work) or work.model
    return written


def _same_paths(work: Work, texts: Mapping[str, int]) -> set[cst.CSTNode]:
    """Other places of paths that are written: what reads, logs or copies a result, by whatever function."""
    found: set[cst.CSTNode] = set()
    for node in work.tree.all(cst.SimpleString | cst.ConcatenatedString):
        text, parent = literal(node), work.tree.parents[node]
        if not text or text not in texts or node in work.new or isinstance(parent, cst.Expr | cst.ConcatenatedString):
            continue
        call = work.tree.parents[parent] if isinstance(parent, cst.Arg) else None
        name = (work.tree.code(call.func) if isinstance(call, cst.Call) else "").rpartition(".")[2]
        word = parent.keyword.value if isinstance(parent, cst.Arg) and parent.keyword else ""
        artifact = name in ("log_file", "upload_file", "log_image") and isinstance(call, cst.Call)
        if word in ("name", "artifact_path", "key") or (artifact and not word and call.args[0] is parent):  # type: ignore[union-attr]
            continue  # what it is called in the run
        plain = PurePosixPath(text).suffix or "/" in text.strip("/")
        if isinstance(parent, cst.Index | cst.DictElement | cst.Comparison) or not (
            plain or TAKES_FOLDER.fullmatch(name)
        ):
            continue
        if work.tree.line(node) > texts[text] or not _is_there(work, Root(node, None, False)):
            found.add(node)
    made = {work.tree.code(node): node for node in work.tree.all(cst.FormattedString) if node.parts[0] in work.new}
    for node in work.tree.all(cst.FormattedString):
        if work.tree.code(node) in made and node.parts[0] not in work.new:
            _formatted(work, node)
    return found


def _written_elsewhere(work: Work) -> dict[str, int]:
    """The paths that other modules write, and the first lines here that call these modules."""
    modules = work.paths.values.modules
    if modules not in _WRITTEN:
        _WRITTEN[modules] = {}
        for path in modules.files.values():
            values = modules.of(path) if path.suffix == ".py" else None
            paths = Paths(values.tree, values) if values else None
            for _, written, writes in paths.calls() if paths else ():
                roots = paths.roots(written) if paths and writes else ()
                said = {literal(root.node) for root in roots} - {None}
                _WRITTEN[modules].setdefault(path, set()).update(filter(None, said))
    found: dict[str, int] = {}
    for path, texts in _WRITTEN[modules].items():
        if path != work.path:
            lines = (work.tree.line(call) for call in work.tree.all(cst.Call) if work.paths.home(call) == path)
            if line := min(lines, default=0):
                found |= dict.fromkeys(texts, line)
    return found


def _allow_made_folders(work: Work) -> None:
    """Let the code's own mkdir find the folder that is made at its beginning."""
    for call, path, writes in work.paths.calls():
        name, method = work.tree.qualified(call.func), method_of(call)
        makes = writes and (name in ("os.mkdir", "os.makedirs") or (method == "mkdir" and not name))
        whole = (work.paths.whole(path) or "").rstrip("/") if makes and not keyword(call, "exist_ok") else ""
        if (
            whole
            and not work.tree.around(call, cst.If, cst.Try)
            and any(f"{made}/".startswith(f"{whole}/") for made in work.folders)
        ):
            work.makes.add(call)


def _apart(work: Work, path: cst.BaseExpression) -> None:
    """Lead one path below outputs/ whose beginning is also that of data."""
    value = work.paths.values.of(path)
    if isinstance(value, str | Path):
        _known_outputs(work, Root(path, None, False, value=value))
    else:
        work.note("decide", path, f"{work.short(path)} is written where data are read: let it begin with outputs/")


def _is_there(work: Work, root: Root) -> bool:
    """Whether a path is of a file that the source has."""
    text = literal(root.node) if root.value is None else str(root.value)
    path = work.locate(text) if text else None
    return path is not None and path.is_file()


def leads_out(name: str) -> bool:
    """Whether an option of this name is for results."""
    return bool(re.search(r"(?i)(?<![a-z])(out|save|log(?!i|o)|export|result)", name))


def _outputs(text: str) -> str | None:
    """A path below outputs/, or None when it may stay."""
    if TEMPORARY.match(text) or ADDRESS.match(text) or not text:
        return None
    if re.match(r"(\./)?outputs([\\/]|$)", text.replace("\\", "/")):
        return None
    plain = text.replace("\\", "/")
    last = "/" if plain.endswith("/") else ""
    if ABSOLUTE.match(text):
        return "outputs/" + plain.rstrip("/").rpartition("/")[2] + last
    parts = [part for part in plain.split("/") if part not in (".", "..", "")]
    return "/".join(["outputs", *(parts[1:] if parts[:1] == ["outputs"] else parts)]) + last


def _below_outputs(work: Work, node: cst.CSTNode) -> None:
    text = str(literal(node))
    new = _outputs(text)
    if new is None:
        return
    work.new[node] = quoted(new, node)
    work.paths.becomes[node] = new
    work.make(new)
    work.note("changed", node, f"{text} -> {new}: a job keeps what is below outputs/")


def _known_outputs(work: Work, root: Root) -> bool:
    """Lead a path below outputs/ that is put together, or says where the code lies; False when it may stay."""
    node, value = root.node, root.value
    assert node is not None
    assert value is not None
    if node in work.new:
        return True
    path = Path(value)
    if path.is_absolute() and path.is_relative_to(work.root):
        home = work.path.parent if path.is_relative_to(work.path.parent) else work.root
        text = path.relative_to(home).as_posix()
        new: str | None = _outputs(text) or text
    else:
        new = _outputs(str(value))
    if new is None:
        return False
    work.become(root, quoted(new), isinstance(value, Path))
    work.paths.becomes[node] = new
    work.make(f"{new}/" if root.joined and not PurePosixPath(new).suffix else new)
    work.note("changed", node, f"{work.short(node)} -> {new}: a job keeps what is below outputs/")
    return True


def _formatted(work: Work, node: cst.FormattedString) -> None:
    first = node.parts[0]
    assert isinstance(first, cst.FormattedStringText)
    new = _outputs(first.value)
    if new is None or "\\" in first.value or "{" in first.value:
        return
    ends = "/" if first.value.endswith("/") and not new.endswith("/") else ""
    work.new[first] = first.with_changes(value=new + ends)
    work.paths.becomes[first] = new + ends
    work.make(new + ends)
    work.note("changed", node, f"{first.value} -> {new + ends}: a job keeps what is below outputs/")


def _option_default(work: Work, option: Option) -> None:
    default = next(iter(work.paths.roots(option.default)), None)
    text = literal(default.node) if default and default.node else None
    if text is not None and default and default.node and default.node not in work.new:
        new = _outputs(text)
        work.results[option.flag] = new or text
        if new is not None:
            work.new[default.node] = quoted(new, default.node)
            work.paths.becomes[default.node] = new
            work.note(
                "changed",
                option.call,
                f"default of {option.flag or option.dest}: {text} -> {new}: a job keeps what is below outputs/",
            )
    elif text is None and option.default is None:
        text = f"results go to {option.dest}: let the job's command give a path below outputs/"
        work.note("decide", option.call, text)


def _give(work: Work, option: Option, path: str) -> None:
    """Let the job's command give an option for results its value; one use as a folder makes it one."""
    given = work.paths.given
    if option.dest not in given:
        work.note("changed", option.call, f"the job gives {option.flag} a path: it keeps what is below outputs/")
    if given.get(option.dest) != "outputs":
        given[option.dest] = path
        work.given[option.flag] = work.results[option.flag] = path


def _is_a_name(work: Work, option: Option) -> bool:
    """Whether an option's value is joined to a folder somewhere, so that it must not become a path of its own."""
    return any(_is_joined(work, node) for node in _uses(work, option))


def _uses(work: Work, option: Option) -> list[cst.Attribute]:
    nodes = (node for node in work.tree.all(cst.Attribute) if node.attr.value == option.dest)
    return [node for node in nodes if work.paths.parsers.of(node.value)]


def _is_joined(work: Work, node: cst.Attribute) -> bool:
    """Whether a name is put after a folder here."""
    parent = work.tree.parents[node]
    call = work.tree.parents[parent] if isinstance(parent, cst.Arg) else None
    joins = isinstance(call, cst.Call) and work.tree.qualified(call.func) in PATHS and call.args[0] is not parent
    return joins or (isinstance(parent, cst.BinaryOperation) and parent.right is node)


def _name_of_result(work: Work, option: Option) -> None:
    """Lead a result whose name an option gives below outputs/, wherever the name alone is handed to a call."""
    for node in _uses(work, option):
        if node in work.new or _is_joined(work, node) or not isinstance(work.tree.parents[node], cst.Arg):
            continue
        default = work.paths.whole(node)
        work.new[node] = expression('os.path.join("outputs", NAME)', NAME=node)
        work.paths.becomes[node] = f"outputs/{default}" if default else ""
        work.imports.append("import os")
        work.make("outputs/")
        work.note("changed", node, f"{work.short(node)} -> below outputs/: a job keeps what is there")


def _find_model(work: Work) -> str | None:
    """Where the module saves the model; None where it does not say that, or of several things which one it is."""
    found: dict[str, int] = {}
    for call in work.tree.all(cst.Call):
        name = work.tree.qualified(call.func)
        method = method_of(call)
        what: cst.BaseExpression | None = None
        if name in MODEL_WRITERS:
            path, what = work.paths.argument(call, WRITERS[name]), call.args[0].value if call.args else None
        elif name in ("pickle.dump", "cloudpickle.dump", "dill.dump"):
            path, what = work.paths.argument(call, (1, ("file",))), call.args[0].value if call.args else None
        elif name in ARRAY_WRITERS:
            path = work.paths.argument(call, WRITERS[name])
        elif method in MODEL_METHODS and not name.startswith(("mlflow", "numpy", "PIL")):
            path = work.paths.argument(call, WRITER_METHODS[method])
            what = call.func.value if isinstance(call.func, cst.Attribute) else None
        elif own := [given for given, writes in work.paths.own(call) if writes]:
            path, what = own[0], next((arg.value for arg in call.args if arg.value is not own[0]), None)
            if not may_be(work.paths.whole(path) or ""):
                continue
        else:
            continue
        whole = work.paths.whole(path) or work.paths.folder(path)
        if whole and not ABSOLUTE.match(whole):
            place = whole.replace("\\", "/").removeprefix("./")
            says = evidence(place, work.tree.code(what) if what else "")
            if says and not (name in ARRAY_WRITERS and says < 3):
                found[place] = max(says, found.get(place, 0))
    best = [place for place, says in found.items() if says == max(found.values())]
    return best[0] if len(best) == 1 else None
