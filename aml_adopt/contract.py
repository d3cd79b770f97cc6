"""Where code breaks the contract of a cloud job: data by inputs, results below outputs/, nobody at the keyboard."""

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import libcst as cst

from aml_adopt import DataInput, Note
from aml_adopt.arguments import Option, Options, Wanted
from aml_adopt.paths import (
    ABSOLUTE,
    ADDRESS,
    CHECKS,
    DATA,
    MODEL_METHODS,
    MODEL_WRITERS,
    MODELS,
    PATHS,
    TEMPORARY,
    WRITER_METHODS,
    WRITERS,
    Paths,
    Root,
)
from aml_adopt.private import VALUES, hide, is_secret
from aml_adopt.resources import may_hold_secrets
from aml_adopt.static import SETTINGS, SETTINGS_LIMIT, Modules, Values
from aml_adopt.syntax import (
    GONE,
    Sweep,
    Tree,
    add_import,
    expression,
    has_import,
    imports_end,
    insert,
    lines_of,
    literal,
    quoted,
    space,
)

TRAVELS = 10 * 2**20  # bytes of a file that may go with the code

NOTHING_SAVED = "no model is saved here"


@dataclass
class Checked:
    """A module that keeps the contract, what was done to it, and the data that it gets by options."""

    text: str
    notes: list[Note]
    inputs: list[DataInput]
    model: str | None  # below the run's folder
    travels: list[tuple[Path, str]] = field(default_factory=list)  # files to copy, and where to, from the code's folder


def check(text: str, file: str, is_entry: bool, modules: Modules, original: str | None = None) -> Checked:
    """Check one module, and mend what is certain.

    `file` is its path in the source, `original` the text whose lines the notes are to name when the text was rewritten
    before.
    """
    body = text.removeprefix("\ufeff")
    try:
        ast.parse(body)
        tree = Tree(body)
    except (SyntaxError, ValueError, cst.ParserSyntaxError) as error:
        line = getattr(error, "lineno", None) or getattr(error, "raw_line", 1)
        reason = str(getattr(error, "msg", "") or "does not parse").rstrip(".")
        advice = "mend it; for Python 2 code: 2to3 -w FILE (up to Python 3.12), or modernize"
        return Checked(
            text, [Note("blocked", f"{file}:{line}", f"is not Python 3: {hide(reason)}: {advice}")], [], None
        )
    work = _Check(tree, file, is_entry, modules, original)
    module = work.run()
    new = text if module.code == tree.module.code else text[: len(text) - len(body)] + module.code
    return Checked(new, work.notes, work.inputs, work.model, work.travels)


@dataclass
class _Read:
    """What a module reads, and the option that it gets."""

    root: Root
    text: str
    base: str  # of the text, without a pattern such as *.csv
    path: Path | None  # on this machine
    type: Literal["uri_file", "uri_folder"]
    wanted: Wanted


def leads_out(name: str) -> bool:
    """Whether an option of this name is for results."""
    return bool(re.search(r"(?i)out|save|log|export|result", name))


class _Check:
    def __init__(self, tree: Tree, file: str, is_entry: bool, modules: Modules, original: str | None) -> None:
        self.tree, self.file, self.is_entry, self.root, self.folder = tree, file, is_entry, modules.root, modules.folder
        self.path = modules.root / file
        self.place = modules.places.get(self.path, self.path.name)  # below the code's folder
        self.source_line = lines_of(original, tree.module.code) if original is not None else lambda line: line
        self.notes: list[Note] = []
        self.inputs: list[DataInput] = []
        self.travels: list[tuple[Path, str]] = []
        self.model: str | None = None
        self.paths = Paths(tree, Values(tree, self.path, modules))
        self.new: dict[cst.CSTNode, cst.CSTNode | cst.FlattenSentinel[Any]] = {}
        self.imports: list[str] = []
        self.folders: list[str] = []  # to make

    def note(self, kind: Literal["taken", "changed", "decide", "blocked"], node: cst.CSTNode, text: str) -> None:
        note = Note(kind, f"{self.file}:{self.source_line(self.tree.line(node))}", hide(text))
        if note not in self.notes:
            self.notes.append(note)

    def run(self) -> cst.Module:
        self._secrets()
        self._keyboard()
        written = self._writes()
        options = self._reads(written)
        module = self.tree.module.visit(_Replace(self.new)).visit(Sweep())
        module = self._finish(module)
        if options:
            module = options.apply(module)
        self.notes.sort(key=lambda note: int(note.where.rpartition(":")[2] or 0))
        return module

    def _finish(self, module: cst.Module) -> cst.Module:
        deepest = sorted(made for made in set(self.folders) if not any(f.startswith(f"{made}/") for f in self.folders))
        lines = [f"os.makedirs({quoted(made).value}, exist_ok=True)\n" for made in deepest]
        lines = [line for line in lines if line.strip() not in module.code]
        if lines:
            module = insert(module, imports_end(module), "\n" + "".join(lines))
            module = space(module, imports_end(module) + len(lines))
            self.imports.append("import os")
        for wanted in sorted(set(self.imports)):
            module = add_import(module, wanted)
        return module

    # Results

    def _writes(self) -> set[cst.CSTNode]:
        """Lead what is written below outputs/; returns the literals that are written to."""
        texts: dict[str, int] = {}  # what is written, and from which line on
        written: set[cst.CSTNode] = set()
        saved = False
        for call, path, writes in self.paths.calls():
            if not writes:
                continue
            saved = saved or not self.tree.qualified(call.func).startswith("os.")
            for root in self.paths.anchors(path):
                if root.option and root.node is not None and self._is_a_name(root.option):
                    self._name_of_result(root.node)
                elif root.option:
                    self._option_default(root.option)
                elif root.node is not None and root.value is not None:
                    if self._known_outputs(root):
                        written.add(root.node)
                        texts.setdefault(str(root.value), self.tree.line(call))
                elif root.node is not None and isinstance(root.node, cst.FormattedString):
                    self._formatted(root.node)
                elif root.node is not None:
                    written.add(root.node)
                    texts.setdefault(str(literal(root.node)), self.tree.line(call))
        for call, path, writes in self.paths.calls():  # what is read later, under the same name
            for root in self.paths.anchors(path) if not writes else ():
                said = literal(root.node) if root.value is None else str(root.value)
                if root.node is not None and said in texts and self.tree.line(call) > texts[said]:
                    written.add(root.node)
                    if root.value is not None:
                        self._known_outputs(root)
        for call in self.tree.all(cst.Call):
            if self.tree.qualified(call.func) in CHECKS and call.args:
                written |= {
                    root.node
                    for root in self.paths.roots(call.args[0].value)
                    if root.node and literal(root.node) in texts
                }
        for node in written - self.new.keys():
            self._below_outputs(node)
        self.model = self._find_model()
        saved = saved or any(self.paths.writes_elsewhere(call) for call in self.tree.all(cst.Call))
        if self.is_entry and not saved and not self._logs_model():
            self._nothing_saved()
        return written

    def _logs_model(self) -> bool:
        names = (self.tree.qualified(call.func) for call in self.tree.all(cst.Call))
        return any(
            name.startswith("mlflow") and name.endswith(("log_model", "save_model", "log_artifact")) for name in names
        )

    def _outputs(self, text: str) -> str | None:
        """A path below outputs/, or None when it may stay."""
        if TEMPORARY.match(text) or ADDRESS.match(text) or not text:
            return None
        if re.match(r"(\./)?outputs([\\/]|$)", text.replace("\\", "/")):
            return None
        plain = text.replace("\\", "/")
        if ABSOLUTE.match(text):
            return "outputs/" + plain.rstrip("/").rpartition("/")[2]
        parts = [part for part in plain.split("/") if part not in (".", "..", "")]
        return "/".join(["outputs", *(parts[1:] if parts[:1] == ["outputs"] else parts)])

    def _below_outputs(self, node: cst.CSTNode) -> None:
        text = str(literal(node))
        new = self._outputs(text)
        if new is None:
            return
        self.new[node] = quoted(new, node)
        self.paths.becomes[node] = new
        self._make(new)
        self.note("changed", node, f"{text} -> {new}: a job keeps what is below outputs/")

    def _known_outputs(self, root: Root) -> bool:
        """Lead a path below outputs/ that is put together, or says where the code lies; False when it may stay."""
        node, value = root.node, root.value
        assert node is not None and value is not None
        if node in self.new:
            return True
        path = Path(value)
        if path.is_absolute() and path.is_relative_to(self.root):
            home = self.path.parent if path.is_relative_to(self.path.parent) else self.root
            text = path.relative_to(home).as_posix()
            new: str | None = self._outputs(text) or text
        else:
            new = self._outputs(str(value))
        if new is None:
            return False
        self._become(root, quoted(new), isinstance(value, Path))
        self.paths.becomes[node] = new
        self._make(f"{new}/" if root.joined and not PurePosixPath(new).suffix else new)
        self.note("changed", node, f"{self._short(node)} -> {new}: a job keeps what is below outputs/")
        return True

    def _become(self, root: Root, new: cst.BaseExpression, is_path: bool) -> None:
        """Put something else where a path has a known value."""
        node = root.node
        assert node is not None
        if is_path:
            plain = any(
                isinstance(one, cst.ImportFrom) and self.tree.code(one).startswith("from pathlib import Path")
                for one in self.tree.all(cst.ImportFrom)
            )
            new = expression(f"{'Path' if plain else 'pathlib.Path'}(PART)", PART=new)
            if not plain:
                self.imports.append("import pathlib")
        if root.parts and isinstance(node, cst.Call):
            new = node.with_changes(args=[node.args[0].with_changes(value=new), *node.args[root.parts :]])
        self.new[node] = new

    def _short(self, node: cst.CSTNode) -> str:
        code = " ".join(self.tree.code(node).split())
        return code if len(code) <= 60 else f"{code[:57]}..."

    def _make(self, path: str) -> None:
        self.folders.append(path.rpartition("/")[0] or "outputs")

    def _formatted(self, node: cst.FormattedString) -> None:
        first = node.parts[0]
        assert isinstance(first, cst.FormattedStringText)
        new = self._outputs(first.value)
        if new is None or "\\" in first.value or "{" in first.value:
            return
        ends = "/" if first.value.endswith("/") and not new.endswith("/") else ""
        self.new[first] = first.with_changes(value=new + ends)
        self._make(new + ends)
        self.note("changed", node, f"{first.value} -> {new + ends}: a job keeps what is below outputs/")

    def _option_default(self, option: Option) -> None:
        default = next(iter(self.paths.roots(option.default)), None)
        text = literal(default.node) if default and default.node else None
        if text is not None and default and default.node and default.node not in self.new:
            new = self._outputs(text)
            if new is not None:
                self.new[default.node] = quoted(new, default.node)
                self.paths.becomes[default.node] = new
                self.note(
                    "changed",
                    option.call,
                    f"default of {option.flag}: {text} -> {new}: a job keeps what is below outputs/",
                )
        elif text is None and option.default is None:
            self.note(
                "decide",
                option.call,
                f"results go to {option.flag or option.dest}: let the job's command give a path below outputs/",
            )

    def _is_a_name(self, option: Option) -> bool:
        """Whether an option's value is joined to a folder somewhere, so that it must not become a path of its own."""
        for node in self.tree.all(cst.Attribute):
            if node.attr.value == option.dest and self.paths.parsers.of(node.value):
                parent = self.tree.parents[node]
                call = self.tree.parents[parent] if isinstance(parent, cst.Arg) else None
                joined = isinstance(call, cst.Call) and self.tree.qualified(call.func) in PATHS
                if isinstance(parent, cst.BinaryOperation) and parent.right is node:
                    return True
                if joined and isinstance(call, cst.Call) and call.args[0] is not parent:
                    return True
        return False

    def _name_of_result(self, node: cst.BaseExpression) -> None:
        """Lead a result whose name an option gives below outputs/, at the place where it is written."""
        self.new[node] = expression('os.path.join("outputs", NAME)', NAME=node)
        self.imports.append("import os")
        self._make("outputs/")
        if default := self.paths.whole(node):
            self.paths.becomes[node] = f"outputs/{default}"
        self.note("changed", node, f"{self._short(node)} -> below outputs/: a job keeps what is there")

    def _find_model(self) -> str | None:
        found: list[tuple[int, str]] = []
        for call in self.tree.all(cst.Call):
            name = self.tree.qualified(call.func)
            method = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
            what: cst.BaseExpression | None = None
            if name in MODEL_WRITERS:
                path, what = self.paths.argument(call, WRITERS[name]), call.args[0].value if call.args else None
            elif name in ("pickle.dump", "cloudpickle.dump", "dill.dump"):
                path, what = self.paths.argument(call, (1, ("file",))), call.args[0].value if call.args else None
            elif method in MODEL_METHODS and not name.startswith(("mlflow", "numpy", "PIL")):
                path = self.paths.argument(call, WRITER_METHODS[method])
                what = call.func.value if isinstance(call.func, cst.Attribute) else None
            elif own := [given for given, writes in self.paths.own(call) if writes]:
                path, what = own[0], next((arg.value for arg in call.args if arg.value is not own[0]), None)
                if not MODELS.fullmatch(self.paths.whole(path) or ""):
                    continue
            else:
                continue
            whole = self.paths.whole(path)
            if whole and not ABSOLUTE.match(whole):
                likely = re.search(
                    r"(?i)model|clf|classif|regr|pipe|estimator|net\b|best", self.tree.code(what) if what else ""
                )
                found.append((0 if likely else 1, whole.replace("\\", "/").removeprefix("./")))
        return min(found, key=lambda one: one[0])[1] if found else None

    def _nothing_saved(self) -> None:
        fits = [c for c in self.tree.all(cst.Call) if isinstance(c.func, cst.Attribute) and c.func.attr.value == "fit"]
        owner = fits[-1].func.value if fits else None
        name = self.tree.code(owner) if isinstance(owner, cst.Name) else "model"
        lines = f'os.makedirs("outputs", exist_ok=True) and joblib.dump({name}, "outputs/model.pkl")'
        where: cst.CSTNode = fits[-1] if fits else self.tree.module
        self.note("decide", where, f"{NOTHING_SAVED}: add {lines} after it, with import os and import joblib")

    # Data

    def _reads(self, written: set[cst.CSTNode]) -> Options | None:
        found: dict[cst.CSTNode, _Read] = {}
        shared: dict[str, Wanted] = {}
        seen: set[cst.CSTNode] = set()
        for call, root, is_folder in self._read_roots(written):
            if root.option:
                self._option_input(root.option, is_folder or root.joined)
                continue
            if root.node is None or root.node in seen or root.node in self.new:
                continue
            seen.add(root.node)
            if root.value is None and (root.pattern or isinstance(root.node, cst.FormattedString)):
                self._partial(root.node)
                continue
            text = str(literal(root.node) if root.value is None else root.value)
            if ADDRESS.match(text) or not text or (text in (".", "./") and not self.is_entry):
                continue
            base = re.split(r"[^\\/]*[*?\[]", text)[0] if re.search(r"[*?\[]", text) else text
            path = self._locate(base or ".")
            if root.value is not None and self.paths.values.holds_code(base or "."):
                self._beside(root.node)
                continue
            if path and self._travel(call, root, base, path):
                continue
            folder = path.is_dir() if path else is_folder or root.joined or base != text
            if text not in shared:
                default = quoted(self._relative(base), root.node)
                if root.value is None and base == text:
                    default = _default(root.node)  # type: ignore[assignment]
                name = self._name(root.node, base)
                shared[text] = Wanted(name, default, "data: a " + ("folder" if folder else "file"))
            found[root.node] = _Read(root, text, base, path, "uri_folder" if folder else "uri_file", shared[text])
        if not found:
            return None
        options = Options(self.tree, {node: read.wanted for node, read in found.items()}, self.is_entry)
        for node, name in options.uses.items():
            self._to_option(found[node], options.expression(node), name, options.flags[name])
        return options

    def _to_option(self, read: "_Read", new: cst.BaseExpression, name: str, flag: str) -> None:
        """Let what is read come from an option."""
        node = read.root.node
        assert node is not None
        rest, is_path = read.text[len(read.base) :], isinstance(read.root.value, Path)
        if rest and not is_path:
            new = expression(f"os.path.join(OPTION, {quoted(rest).value})", OPTION=new)
            self.imports.append("import os")
        elif read.text[-1] in "/\\" and not is_path and read.root.joined:
            new = expression('os.path.join(OPTION, "")', OPTION=new)  # with its last slash, for + to add to
            self.imports.append("import os")
        self._become(read.root, new, is_path)
        if name in {entry.name for entry in self.inputs}:
            return
        self.inputs.append(DataInput(name, read.type, read.path, flag))
        text = read.text if read.root.value is None else self._short(node)
        self.note("changed", node, f"{text} -> the option {flag}, an input of the job")
        if read.path is None:
            self.note("decide", node, f"{read.text} is not on this machine: give inputs.{name} a path")

    def _relative(self, text: str) -> str:
        """A path as it may stand in code: below the source where it is there."""
        path = Path(os.path.normpath(text))
        if path.is_absolute() and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return text.rstrip("/\\") or "."

    def _travel(self, call: cst.CSTNode, root: Root, text: str, path: Path) -> bool:
        """Whether a file goes with the code, and not as data: settings, and what lies in a module's own folder."""
        assert root.node is not None
        if self.root not in path.parents or path.is_dir() and self.is_entry or _size(path) > TRAVELS:
            return False
        settings = path.suffix.lower() in SETTINGS and _size(path) <= SETTINGS_LIMIT and not self._is_table(call)
        beside = isinstance(root.value, str | Path) and Path(root.value).is_absolute()
        if not settings and self.is_entry and DATA.fullmatch(path.name):
            return False
        if beside and path.is_relative_to(self.path.parent):
            inside = path.relative_to(self.path.parent).as_posix()
            place = (PurePosixPath(self.place).parent / inside).as_posix()
        elif not beside and not Path(text).is_absolute() and ".." not in re.split(r"[\\/]", text):
            place = inside = PurePosixPath(text.replace("\\", "/")).as_posix()
        elif settings:
            place = path.relative_to(self.root).as_posix()
            self._become(root, quoted(place, root.node), isinstance(root.value, Path))
            self.note("changed", root.node, f"{self._short(root.node)} -> {place}, which travels with the code")
        else:
            return False
        if settings and may_hold_secrets(path):
            self.note(
                "decide", root.node, f"{path.name} may hold secrets, so it is left out: let the job read them elsewhere"
            )
            return True
        if (path, place) not in self.travels:
            self.travels.append((path, place))
        if root.node not in self.new:
            self.note("taken", root.node, f"{inside} travels with the code")
        return True

    def _is_table(self, call: cst.CSTNode) -> bool:
        name = self.tree.qualified(call.func) if isinstance(call, cst.Call) else ""
        return name.split(".")[0] in ("pandas", "polars", "pyarrow", "geopandas", "xgboost")

    def _read_roots(self, written: set[cst.CSTNode]) -> Iterator[tuple[cst.CSTNode, Root, bool]]:
        """What is read: by a known call, or a literal that plainly names data."""
        for call, path, writes in self.paths.calls():
            name = self.tree.qualified(call.func)
            method = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
            folder = name in ("os.listdir", "os.walk", "os.scandir") or method in (
                "glob",
                "rglob",
                "iterdir",
                "flow_from_directory",
            )
            folder = (
                (folder and not name.startswith("glob.")) or "from_directory" in name or name.endswith("ImageFolder")
            )
            for root in self.paths.anchors(path) if not writes else ():
                if root.beside:
                    self._beside(path)
                elif root.node not in written:
                    yield call, root, folder
        handed = {option.default for option in self.paths.by_dest.values()}
        for node in self.tree.all(cst.SimpleString | cst.ConcatenatedString):
            text = literal(node)
            parent = self.tree.parents[node]
            plain = (
                isinstance(parent, cst.Assign | cst.AnnAssign | cst.Arg) and node not in handed and node not in written
            )
            if plain and text and DATA.fullmatch(text) and not ADDRESS.match(text) and self._names_data(node, text):
                yield node, Root(node, None, False), False
        for option in self.paths.by_dest.values():
            text = literal(option.default) if option.default else None
            place = self._locate(text) if text else None
            settings = place and place.suffix.lower() in SETTINGS  # which the code's folder has
            if (
                place
                and not settings
                and option.default not in self.new
                and self.is_entry
                and not self._outputs_like(option)
            ):
                yield option.call, Root(None, option, False), place.is_dir()

    def _names_data(self, node: cst.CSTNode, text: str) -> bool:
        call = self.tree.around(node, cst.Call, cst.SimpleStatementLine)
        joins = isinstance(call, cst.Call) and self.tree.qualified(call.func) in PATHS
        logs = isinstance(call, cst.Call) and (
            "mlflow" in self.tree.qualified(call.func) or self.tree.code(call.func).startswith(("log_", "print"))
        )
        if joins or logs:
            return False
        return bool(ABSOLUTE.match(text) and not TEMPORARY.match(text)) or bool(
            (path := self._locate(text)) and path.is_file()
        )

    def _outputs_like(self, option: Option) -> bool:
        return leads_out(option.dest)

    def _locate(self, text: str) -> Path | None:
        """The path that a literal names, seen from the script's folder or one above it up to the source."""
        if ABSOLUTE.match(text):
            path = Path(text).expanduser()
            return path if path.is_absolute() and path.exists() else None
        folder = self.folder
        while folder == self.root or self.root in folder.parents:
            try:
                path = (folder / text.replace("\\", "/")).resolve()
                if path.exists() and path != self.root and (path == folder or path not in self.folder.parents):
                    return path
            except (OSError, ValueError):
                return None
            folder = folder.parent
        return None

    def _name(self, node: cst.BaseExpression, text: str) -> str:
        """A name for an option: the constant's, else the file's or folder's."""
        parent = self.tree.parents[node]
        while isinstance(parent, cst.Arg | cst.Call) and not isinstance(parent, cst.Assign):
            call = parent if isinstance(parent, cst.Call) else self.tree.parents[parent]
            if self.tree.qualified(call.func) not in PATHS if isinstance(call, cst.Call) else True:
                break
            parent = self.tree.parents[call]
        target = parent.targets[0].target if isinstance(parent, cst.Assign) and len(parent.targets) == 1 else None
        if isinstance(target, cst.Name) and target.value.isupper():
            return target.value.lower()
        stem = re.split(r"[\\/]", text.rstrip("/\\"))[-1].split(".")[0]
        return stem if re.match(r"[A-Za-z]\w*$", stem) else "data"

    def _option_input(self, option: Option, folder: bool) -> None:
        """An option of the script that is read: it is the input, and the code stays."""
        if not self.is_entry or any(entry.name == option.dest for entry in self.inputs):
            return
        default = next(iter(self.paths.roots(option.default)), None)
        text = literal(default.node) if default and default.node else None
        if text and (ADDRESS.match(text) or re.match(r"(\./)?outputs\b", text)):
            return
        path = self._locate(text) if text else None
        folder = path.is_dir() if path else folder
        self.inputs.append(DataInput(option.dest, "uri_folder" if folder else "uri_file", path, option.flag))
        self.note("taken", option.call, f"the option {option.flag or option.dest} is an input of the job")
        if path is None:
            what = (
                f"{text} is not on this machine" if text else f"{option.flag or option.dest} names no data of its own"
            )
            self.note("decide", option.call, f"{what}: give inputs.{option.dest} a path")

    def _partial(self, node: cst.BaseExpression) -> None:
        """A path with gaps that are filled in while the code runs."""
        first = node.parts[0] if isinstance(node, cst.FormattedString) else None
        text = first.value if isinstance(first, cst.FormattedStringText) else literal(node) or ""
        if not (ADDRESS.match(text) or TEMPORARY.match(text) or re.match(r"(\./)?outputs\b", text)):
            mend = (
                'put its folder into an option, such as parser.add_argument("--data"), and join the rest to args.data'
            )
            self.note("decide", node, f"the path begins with {text} and differs from run to run: {mend}")

    def _beside(self, path: cst.CSTNode) -> None:
        """A path that begins at the module's own folder, and goes on as the code runs."""
        text = "a path from __file__ leads to what does not travel with the code: take it from an option"
        self.note("decide", path, text)

    # Nobody at the keyboard

    def _keyboard(self) -> None:
        shown = 0
        for call in self.tree.all(cst.Call):
            name = self.tree.qualified(call.func)
            statement = self.tree.parents[call] if isinstance(self.tree.parents[call], cst.Expr) else None
            if name == "builtins.input":
                self._input(call)
            elif name == "getpass.getpass":
                self.note(
                    "blocked",
                    call,
                    'getpass(): nobody is there to answer: write os.environ["PASSWORD"], and set it where the job runs',
                )
            elif name == "matplotlib.pyplot.show" and statement:
                shown += 1
                self._show(call, statement, shown)
            elif name in ("pdb.set_trace", "ipdb.set_trace", "builtins.breakpoint", "webbrowser.open") and statement:
                self.new[statement] = cst.Expr(GONE)
                self.note("changed", call, f"{name.removeprefix('builtins.')}() is taken out: nobody is there")
            elif name == "os.chdir":
                self.note("decide", call, "os.chdir: a job keeps outputs/ of the folder that it starts in: take it out")
            elif (
                name == "matplotlib.use"
                and shown
                and literal(call.args[0].value if call.args else None) not in ("Agg", "agg", None)
            ):
                self.new[call.args[0].value] = quoted("Agg", call.args[0].value)

    def _input(self, call: cst.Call) -> None:
        parent = self.tree.around(call, cst.Assign)
        target = parent.targets[0].target if parent else None
        name = target.value if isinstance(target, cst.Name) else "value"
        flag = "--" + name.lower().replace("_", "-")
        kind = self.tree.parents[self.tree.parents[call]] if isinstance(self.tree.parents[call], cst.Arg) else None
        cast = kind.func.value if isinstance(kind, cst.Call) and isinstance(kind.func, cst.Name) else ""
        kind_text = f", type={cast}" if cast in ("int", "float") else ""
        mend = f'add parser.add_argument("{flag}"{kind_text}, required=True) and use args.{name.lower()} instead'
        self.note("blocked", call, f"input(): nobody is there to answer: {mend}")

    def _show(self, call: cst.Call, statement: cst.CSTNode, number: int) -> None:
        base = self.tree.code(call.func.value) if isinstance(call.func, cst.Attribute) else ""
        stem = re.sub(r"[^A-Za-z0-9_]+", "-", Path(self.file).stem).strip("-") or "figure"
        path = f"outputs/{stem}-{number}.png"
        if not base:
            self.note("decide", call, f'show(): there is no screen: write plt.savefig("{path}")')
            return
        line = self.tree.parents[statement]
        save, close = (expression(code) for code in (f'{base}.savefig("{path}")', f"{base}.close()"))
        if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
            first = line.with_changes(body=[cst.Expr(save)])
            second = cst.SimpleStatementLine([cst.Expr(close)])
            self.new[line] = cst.FlattenSentinel([first, second])
        else:
            self.new[statement] = cst.Expr(save)
        self.folders.append("outputs")
        self.note("changed", call, f'{base}.show() -> {base}.savefig("{path}"): there is no screen')
        self._without_screen()

    def _without_screen(self) -> None:
        for line in self.tree.module.body:
            for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
                if (
                    isinstance(part, cst.Import | cst.ImportFrom)
                    and "matplotlib" in self.tree.code(part)
                    and "pyplot" in self.tree.code(part)
                ):
                    if not re.search(r"matplotlib\.use\(|mpl\.use\(", self.tree.module.code) and line not in self.new:
                        own = (
                            []
                            if has_import(self.tree.module, "import matplotlib") and self._imported_before(line)
                            else ["import matplotlib"]
                        )
                        lines = [cst.parse_statement(code) for code in (*own, 'matplotlib.use("Agg")')]
                        lines[0] = lines[0].with_changes(leading_lines=line.leading_lines)
                        self.new[line] = cst.FlattenSentinel([*lines, line.with_changes(leading_lines=[])])
                        return

    def _imported_before(self, line: cst.CSTNode) -> bool:
        return any(
            "import matplotlib" == self.tree.code(node).strip() and self.tree.line(node) < self.tree.line(line)
            for node in self.tree.all(cst.Import)
        )

    # Secrets

    def _secrets(self) -> None:
        for comment in self.tree.all(cst.Comment):
            if VALUES.search(comment.value):
                self.new[comment] = comment.with_changes(value="# (a secret was here)")
                self.note("changed", comment, "a secret in a comment is taken out: renew it, for it was readable")
        for node in self.tree.all(cst.SimpleString | cst.ConcatenatedString | cst.FormattedStringText):
            parent = self.tree.parents[node]
            if isinstance(parent, cst.ConcatenatedString):
                continue
            if isinstance(node, cst.FormattedStringText):
                if VALUES.search(node.value):
                    self.note(
                        "blocked", node, 'a secret inside an f-string: take it from os.environ["NAME"], and renew it'
                    )
                continue
            value = node.evaluated_value
            text = value if isinstance(value, str) else value.decode("latin-1") if isinstance(value, bytes) else None
            name = self._holder(node)
            if text is None or not is_secret(name, text):
                continue
            if isinstance(parent, cst.Expr):
                self.new[node] = quoted("(a secret was here)")
                self.note("changed", node, "a secret in a text is taken out: renew it, for it was readable")
                continue
            variable = re.sub(r"\W", "_", name).upper() or (
                "CONNECTION_STRING" if "=" in text and ";" in text else "SECRET"
            )
            self.new[node] = expression(f'os.environ["{variable}"]' + (".encode()" if isinstance(value, bytes) else ""))
            self.imports.append("import os")
            mend = f"set {variable} where the job runs, and renew the secret, for it was readable"
            self.note("decide", node, f'a secret in the code -> os.environ["{variable}"]: {mend}')

    def _holder(self, node: cst.CSTNode) -> str:
        """The name that a literal is given to: a variable, an attribute, a keyword, a key, an environment variable."""
        parent = self.tree.parents[node]
        if isinstance(parent, cst.Arg):
            if parent.keyword:
                return parent.keyword.value
            call = self.tree.parents[parent]
            first = literal(call.args[0].value) if isinstance(call, cst.Call) and call.args else None
            if (
                isinstance(call, cst.Call)
                and len(call.args) == 2
                and call.args[1] is parent
                and self.tree.qualified(call.func)
                in ("os.getenv", "os.environ.get", "os.environ.setdefault", "os.putenv")
            ):
                return first or ""
            return ""
        if isinstance(parent, cst.DictElement) and parent.value is node:
            return literal(parent.key) or ""
        target: cst.CSTNode | None = None
        if isinstance(parent, cst.Assign):
            target = parent.targets[0].target
        elif isinstance(parent, cst.AnnAssign):
            target = parent.target
        elif isinstance(parent, cst.Param) and parent.default is node:
            target = parent.name
        elif isinstance(parent, cst.Comparison):
            target = parent.left
        if isinstance(target, cst.Subscript) and isinstance(target.slice[0].slice, cst.Index):
            return literal(target.slice[0].slice.value) or ""
        if isinstance(target, cst.Attribute):
            return target.attr.value
        return target.value if isinstance(target, cst.Name) else ""


class _Replace(cst.CSTTransformer):
    def __init__(self, new: dict[cst.CSTNode, Any]) -> None:
        super().__init__()
        self.new = new

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        new = self.new.get(original_node)
        if new is None:
            return super().on_leave(original_node, updated_node)
        if isinstance(new, cst.FlattenSentinel):
            return cst.FlattenSentinel(
                [
                    updated_node.with_changes(leading_lines=n.leading_lines)
                    if n.deep_equals(original_node.with_changes(leading_lines=[]))
                    else n
                    for n in new
                ]
            )
        return new


def _default(node: cst.BaseExpression) -> cst.BaseExpression:
    return node.with_changes(lpar=[], rpar=[])


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
