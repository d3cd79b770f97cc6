"""What a script needs of the code around it: its import closure, found by reading, never by importing."""

import ast
import sys
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from aml.adopt import Note

CODE_LIMIT = 1_000_000  # bytes; what is larger is no code that somebody wrote
# Packages of these names share the first part with others, so that alone does not say which is meant.
SHARED = ("azure", "azureml", "google", "mpl_toolkits", "ruamel")


@dataclass
class Closure:
    """What travels with an entry script."""

    code: dict[str, Path] = field(default_factory=dict)  # path in src/ -> source file
    imports: dict[str, str] = field(default_factory=dict)  # third-party name -> "file:line"
    notes: list[Note] = field(default_factory=list)
    texts: dict[str, set[str]] = field(default_factory=dict)  # path in src/ -> the strings in it


@dataclass
class Import:
    """An import as it stands in the code: `from ..a import b, *` has level 2, module "a" and names ["b", "*"]."""

    level: int
    module: str
    names: list[str]
    line: int
    optional: bool = False  # the code goes on without it
    everything: bool = False  # any module of the package, by a name made at run time


def read_code(path: Path) -> str:
    """A Python file in the encoding it declares. Raises OSError, SyntaxError or UnicodeDecodeError."""
    with tokenize.open(path) as file:
        return file.read()


def parse(text: str) -> ast.Module:
    """Raises SyntaxError, ValueError (a NUL), RecursionError or MemoryError (nested too deeply)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


UNREADABLE = (OSError, SyntaxError, ValueError, RecursionError, MemoryError)
TOO_DEEP = "nested too deeply to be read: make several statements of the longest one"


def imports_of(tree: ast.Module) -> list[Import]:
    """All imports of a module, in functions too, and importlib.import_module with a literal."""
    return list(_imports(tree, False))


def _imports(root: ast.AST, optional: bool) -> Iterator[Import]:
    waiting = [(root, optional)]  # not by recursion, which a long chain of operators exhausts
    while waiting:
        node, optional = waiting.pop()
        inner: list[tuple[ast.AST, bool]] = []
        match node:
            case ast.Import():
                yield from (Import(0, alias.name, [], node.lineno, optional) for alias in node.names)
            case ast.ImportFrom():
                yield Import(node.level, node.module or "", [alias.name for alias in node.names], node.lineno, optional)
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                inner = [(other, optional) for other in node.orelse]
            case ast.Try(handlers=[_, *_]):
                caught = [one for handler in node.handlers for one in _imports(handler, True)]
                # With a standard module to fall back on, the first choice need not be there.
                spare = any(one.module.split(".")[0] in sys.stdlib_module_names for one in caught)
                silent = not caught and _catches_import_error(node)
                inner = [(first, optional or spare or silent) for first in node.body]
                inner += [(handler, True) for handler in node.handlers]
                inner += [(later, optional) for later in [*node.orelse, *node.finalbody]]
            case _:
                if isinstance(node, ast.Call) and (found := _dynamic(node, optional)):
                    yield found
                inner = [(child, optional) for child in ast.iter_child_nodes(node)]
        waiting += reversed(inner)


def _catches_import_error(node: ast.Try) -> bool:
    caught = [inner for handler in node.handlers if handler.type for inner in ast.walk(handler.type)]
    names = {inner.id for inner in caught if isinstance(inner, ast.Name)}
    return bool({"ImportError", "ModuleNotFoundError"} & names)


def _dynamic(call: ast.Call, optional: bool) -> Import | None:
    """importlib.import_module("a.b"), __import__("a") and import_module(f"models.{name}")."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in ("import_module", "__import__") or not call.args:
        return None
    text, whole = _start(call.args[0])
    module = text if whole else text.rpartition(".")[0]
    level = len(module) - len(module.lstrip("."))
    module = module.lstrip(".")
    if not all(part.isidentifier() for part in module.split(".")):
        return None
    return Import(level, module, [], call.lineno, optional, everything=not whole)


def _start(node: ast.expr) -> tuple[str, bool]:
    """The text that a string begins with, as far as it is literal, and whether that is all."""
    match node:
        case ast.Constant(value=str(text)):
            return text, True
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]) | ast.BinOp(left=ast.Constant(value=str(text))):
            return text, False
        case _:
            return "", False


def added_paths(tree: ast.Module, folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders that sys.path.insert and sys.path.append add, as far as they are literal or hang on __file__."""
    first: list[Path] = []
    last: list[Path] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(value=ast.Name("sys"), attr="path"), attr=how), args=args
            ):
                if how in ("append", "insert") and args and (text := _path_text(args[-1])):
                    (first if how == "insert" else last).append((folder / text).resolve())
    return first, last


def _path_text(node: ast.expr) -> str:
    """The path, from the script's folder, of such as os.path.join(os.path.dirname(__file__), "..")."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name("__file__"):
            return "__file__"
        case ast.Subscript(value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(up))):
            return f"{text}{'/..' * (up + 1)}" if (text := _path_text(inner)) else ""
        case ast.Attribute(value=inner, attr="parent"):
            return f"{text}/.." if (text := _path_text(inner)) else ""
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            parts = [_path_text(left), _path_text(right)]
            return "/".join(parts) if all(parts) else ""
        case ast.Call(func=ast.Attribute(value=inner, attr="resolve" | "absolute"), args=[]):
            return _path_text(inner)
        case ast.Call(func=function, args=[*args]) if args:
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            parts = [_path_text(argument) for argument in args]
            if not all(parts):
                return ""
            if name == "dirname":
                return f"{parts[0]}/.."
            return "/".join(parts) if name in ("abspath", "join", "Path", "realpath", "str") else ""
        case _:
            return ""


class Tracer:
    """Follows imports among `files` (absolute paths), from `bases`: the folders of sys.path, the first one first.

    `spare` are folders of packages that may have been installed: what is there gives way to the standard library.
    """

    def __init__(self, root: Path, files: set[Path], bases: list[Path], spare: list[Path]) -> None:
        self.root = root
        self.files = files
        self.folders = {parent for file in files if file.suffix == ".py" for parent in file.parents}
        self.bases = bases
        self.home = bases[0]
        self.spare = [folder for folder in spare if folder not in bases]
        self.out = Closure()
        self._waiting: list[tuple[str, Path]] = []

    def name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name

    def trace(self, key: str, path: Path, text: str | None = None) -> Closure:
        """Follow the entry script, which is `key` in src/; `text` is its code if `path` is a notebook."""
        self.out.code[key] = path
        self._follow(key, path, text)
        while self._waiting:
            self._follow(*self._waiting.pop(0))
        return self.out

    def _follow(self, key: str, path: Path, text: str | None = None) -> None:
        where = self.name(path)
        try:
            if text is None and path.stat().st_size > CODE_LIMIT:
                self.out.notes.append(Note("blocked", where, "too large for code: move its data into a file"))
                return
            tree = parse(read_code(path) if text is None else text)
        except UNREADABLE as error:
            if isinstance(error, RecursionError | MemoryError):
                self.out.notes.append(Note("blocked", where, TOO_DEEP))
                return
            line = error.lineno if isinstance(error, SyntaxError) and error.lineno else 0
            reason = error.msg if isinstance(error, SyntaxError) else getattr(error, "strerror", None) or str(error)
            place = f"{where}:{line}" if line else where
            self.out.notes.append(Note("blocked", place, f"not Python 3 ({reason}): fix it, or do without it"))
            return
        strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        self.out.texts[key] = {value for value in strings if isinstance(value, str) and len(value) < 300}
        # Each added folder counts from the file's own folder and from that of the entry, where the job begins.
        for folder in dict.fromkeys([path.parent, self.home]):
            first, last = added_paths(tree, folder)
            inside = [one for one in [*first, *last] if one in self.folders and one not in self.bases]
            self.bases = [
                *(one for one in inside if one in first),
                *self.bases,
                *(one for one in inside if one not in first),
            ]
        for found in imports_of(tree):
            self._import(found, key, path)

    def _import(self, found: Import, key: str, path: Path) -> None:
        parts = [part for part in found.module.split(".") if part]
        if found.level:
            package = list(PurePosixPath(key).parts[:-1])
            up = found.level - 1
            if up > len(package) or (not package and found.level):
                self._missing(found, path, f"{'.' * found.level}{found.module}", "is above its package")
                return
            parts = package[: len(package) - up] + parts
        if found.everything:
            self._everything(parts)
            return
        kept = self._module(parts)
        if not kept:
            self._foreign(found, parts, path)
            return
        for name in found.names:
            if name == "*":
                for listed in self._all(parts):
                    self._module([*parts, listed])
            else:
                self._module([*parts, name])

    def _foreign(self, found: Import, parts: list[str], path: Path) -> None:
        """An import that no file of the source stands for."""
        if found.level:
            if any(self._module([*parts, name]) for name in found.names) or self._is_folder(parts):
                return  # from . import sibling, in a folder without __init__.py
            self._missing(found, path, f"{'.' * found.level}{found.module}", "is not in the source")
            return
        if self._is_folder(parts) and any(self._module([*parts, name]) for name in found.names):
            return
        top = parts[0] if parts else ""
        if not top or top in sys.stdlib_module_names or top == "__main__":
            return
        own = self._locate([top])
        if own and len(parts) > 1 and own[1].name == "__init__.py":
            self._missing(found, path, found.module, "is not in the source")
            return
        beside = (self.home / f"{top}.py", self.home / top / "__init__.py")
        ignored = next((one for one in beside if one.is_file()), None)
        if ignored and ignored not in self.files:
            self._missing(found, path, found.module, f"is left out ({self.name(ignored)} is ignored)")
            return
        if not found.optional:
            name = ".".join([*parts, *found.names][:3]) if top in SHARED and len(parts) < 3 else ".".join(parts[:3])
            name = name.replace(".*", "") if top in SHARED else top
            self.out.imports.setdefault(name, f"{self.name(path)}:{found.line}")

    def _missing(self, found: Import, path: Path, module: str, why: str) -> None:
        if not found.optional:
            where = f"{self.name(path)}:{found.line}"
            self.out.notes.append(Note("blocked", where, f"imports {module}, which {why}: add it, or do without it"))

    def _module(self, parts: list[str]) -> bool:
        """Let a module travel, with the packages above it; whether it is one of the source."""
        if not parts or not self._locate(parts):
            return False
        for count in range(1, len(parts) + 1):
            if located := self._locate(parts[:count]):
                self._travel(*located)
        return True

    def _travel(self, key: str, path: Path) -> None:
        if key not in self.out.code:
            self.out.code[key] = path
            self._waiting.append((key, path))

    def also_package(self, parts: tuple[str, ...]) -> None:
        """Let the __init__.py of a package travel that the entry lies in."""
        self._module(list(parts))

    def is_own(self, parts: list[str]) -> bool:
        """Whether a module is one of the source's."""
        return bool(parts[0]) and bool(self._locate(parts) or self._locate(parts[:1]) or self._is_folder(parts))

    def also(self, key: str, path: Path) -> None:
        """Let a script travel that the code names, and what it imports."""
        self._travel(key, path)
        while self._waiting:
            self._follow(*self._waiting.pop(0))

    def _locate(self, parts: list[str]) -> tuple[str, Path] | None:
        """Where a module goes in src/, and its file; None for a folder without __init__.py and for what is not here."""
        spare = [] if parts[0] in sys.stdlib_module_names else self.spare
        folders: list[Path] = []  # a package without __init__.py may lie in several
        for base in [*self.bases, *spare]:
            for ending in (f"{parts[0]}/__init__.py", f"{parts[0]}.py"):
                if (file := base / ending) in self.files:
                    if len(parts) == 1:
                        return ending, file
                    return self._inside(base, parts) if ending.endswith("__init__.py") else None
            if base / parts[0] in self.folders:
                folders.append(base)
        inner = (self._inside(base, parts) for base in folders if len(parts) > 1)
        return next((found for found in inner if found), None)

    def _inside(self, base: Path, parts: list[str]) -> tuple[str, Path] | None:
        stem = "/".join(parts)
        return next(
            ((key, base / key) for key in (f"{stem}/__init__.py", f"{stem}.py") if base / key in self.files), None
        )

    def _is_folder(self, parts: list[str]) -> bool:
        return any(base.joinpath(*parts) in self.folders for base in [*self.bases, *self.spare])

    def _everything(self, parts: list[str]) -> None:
        """Let a package travel whole."""
        self._module(parts)
        for base in [*self.bases, *self.spare]:
            folder = base.joinpath(*parts)
            if parts and folder in self.folders:
                for file in sorted(one for one in self.files if one.is_relative_to(folder) and one.suffix == ".py"):
                    self._travel(file.relative_to(base).as_posix(), file)
                return

    def _all(self, parts: list[str]) -> list[str]:
        """The names in __all__ of a package."""
        located = self._locate(parts)
        try:
            tree = parse(read_code(located[1])) if located else ast.Module([], [])
        except UNREADABLE:
            return []
        lists = (
            node.value.elts
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
            and isinstance(node.value, ast.List | ast.Tuple)
            and any(isinstance(name, ast.Name) and name.id == "__all__" for name in ast.walk(node))
        )
        return [
            one.value for some in lists for one in some if isinstance(one, ast.Constant) and isinstance(one.value, str)
        ]
