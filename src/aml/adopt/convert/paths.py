"""Where a module reads and writes: the calls that take a path, and what that path begins with."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import libcst as cst

from aml.adopt.python.arguments import Parsers
from aml.adopt.python.flags import Option
from aml.adopt.python.static import ENVIRONMENT, OPENERS, PATH_TYPES, SAME, Values
from aml.adopt.python.syntax import Tree, literal, method_of

# Functions that read, and those that write: the position and the names of the argument that is the path.
_PANDAS = "csv table excel parquet json pickle feather hdf fwf sas stata orc xml spss"
_PANDAS_PATH = ("filepath_or_buffer", "io", "path", "path_or_buf", "path_or_buffer")
_OTHERS = "builtins.open io.open codecs.open gzip.open bz2.open zipfile.ZipFile tarfile.open joblib.load torch.load"
_OTHERS += " PIL.Image.open scipy.io.loadmat"
_POLARS = [f"polars.{how}_{kind}" for how in ("read", "scan") for kind in ("csv", "parquet", "json", "ipc")]
READERS: dict[str, tuple[int, tuple[str, ...]]] = {
    **dict.fromkeys((f"pandas.read_{kind}" for kind in _PANDAS.split()), (0, _PANDAS_PATH)),
    **dict.fromkeys(_POLARS, (0, ("source",))),
    **{f"numpy.{name}": (0, ("file", "fname")) for name in ("load", "loadtxt", "genfromtxt", "fromfile")},
    **dict.fromkeys(("os.listdir", "os.walk", "os.scandir"), (0, ("path", "top"))),
    **dict.fromkeys(("glob.glob", "glob.iglob"), (0, ("pathname",))),
    **dict.fromkeys(_OTHERS.split(), (0, ("file", "filename", "fp", "f", "file_name"))),
    **dict.fromkeys(
        ("cv2.imread", "imageio.imread", "matplotlib.pyplot.imread", "skimage.io.imread"),
        (0, ("filename", "uri", "fname")),
    ),
    "geopandas.read_file": (0, ("filename",)),
    "pyarrow.parquet.read_table": (0, ("source",)),
    "sqlite3.connect": (0, ("database",)),
    "torchvision.datasets.ImageFolder": (0, ("root",)),
    "tensorflow.keras.utils.image_dataset_from_directory": (0, ("directory",)),
    "tensorflow.keras.preprocessing.image_dataset_from_directory": (0, ("directory",)),
    "xgboost.DMatrix": (0, ("data",)),
}
READER_METHODS = {"flow_from_directory": (0, ("directory",))}
WRITERS: dict[str, tuple[int, tuple[str, ...]]] = {
    "logging.FileHandler": (0, ("filename",)),
    "logging.basicConfig": (99, ("filename",)),
    **{f"logging.handlers.{kind}FileHandler": (0, ("filename",)) for kind in ("Rotating", "TimedRotating", "Watched")},
    **dict.fromkeys(("joblib.dump", "torch.save", "dill.dump"), (1, ("filename", "f", "file"))),
    **{f"numpy.{name}": (0, ("file", "fname")) for name in ("save", "savez", "savez_compressed", "savetxt")},
    **{f"{keras}.models.save_model": (1, ("filepath",)) for keras in ("keras", "tensorflow.keras")},
    "matplotlib.pyplot.savefig": (0, ("fname",)),
    **dict.fromkeys(
        ("cv2.imwrite", "imageio.imwrite", "matplotlib.pyplot.imsave", "skimage.io.imsave"),
        (0, ("filename", "uri", "fname")),
    ),
    **dict.fromkeys(("os.makedirs", "os.mkdir"), (0, ("name", "path"))),
}
COPIES = ("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move")
ARCHIVES = ("zipfile.ZipFile", "tarfile.open")
_TABLES = [f"to_{kind}" for kind in "csv json parquet pickle excel feather html".split()]
_SAVES = "save save_weights save_model save_pretrained savefig"
WRITER_METHODS = {
    **dict.fromkeys(_TABLES, (0, ("path_or_buf", "path", "excel_writer", "buf"))),
    **dict.fromkeys(_SAVES.split(), (0, ("filepath", "path", "fname", "filename", "save_directory"))),
}
MODEL_WRITERS = ("joblib.dump", "torch.save", "keras.models.save_model", "tensorflow.keras.models.save_model")
ARRAY_WRITERS = ("numpy.save", "numpy.savez", "numpy.savez_compressed")  # which write models, too
MODEL_METHODS = ("save", "save_model", "save_weights", "save_pretrained")
JOINS = ("os.path.join", *PATH_TYPES)
PATHS = (*JOINS, *SAME)
PATH_METHODS = "read_text read_bytes write_text write_bytes mkdir open glob rglob iterdir".split()
CHECKS = ("os.path.exists", "os.path.isdir", "os.path.isfile")
DATA = re.compile(
    r"(?i).+\.(csv|tsv|txt|data|parquet|feather|xlsx?|jsonl?|npy|npz|h5|hdf5|pkl|zip|gz|db|sqlite|arff|mat)"
)
ABSOLUTE = re.compile(r"[A-Za-z]:[\\/]|[\\/]|~[\\/]|file:")
ADDRESS = re.compile(r"[a-z][a-z0-9]+://|azureml:")
TEMPORARY = re.compile(r"/tmp/|/dev/|/var/tmp/")  # noqa: S108  # recognised, not used


class Root(NamedTuple):
    """Where a path comes from."""

    node: cst.BaseExpression | None  # the literal, or what has a known value
    option: Option | None
    joined: bool  # whether more is appended to it
    beside: bool = False  # whether it begins with __file__
    pattern: bool = False  # whether its gaps are filled in, by .format or %
    value: str | Path | None = None  # of what is no literal
    parts: int = 0  # of a call's arguments, where the first ones only have that value


def _left(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """The part of a path that stands first, or None."""
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide | cst.Add):
        return node.left
    if isinstance(node, cst.FormattedString) and node.parts:
        return node.parts[0].expression if isinstance(node.parts[0], cst.FormattedStringExpression) else None
    if isinstance(node, cst.Attribute) and node.attr.value == "parent":
        return node.value
    if (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value in ("joinpath", "resolve", "absolute", "open", "as_posix", "expanduser")
    ):
        return node.func.value
    if isinstance(node, cst.Call) and node.args and not node.args[0].star and not node.args[0].keyword:
        name = node.func.attr.value if isinstance(node.func, cst.Attribute) else getattr(node.func, "value", "")
        if name in ("join", "Path", "PurePath", "dirname", "abspath", "realpath", "normpath", "fspath", "str", "open"):
            return node.args[0].value
    return None


class Paths:
    """The paths of a module."""

    def __init__(self, tree: Tree, values: Values, others: "dict[Path, Paths] | None" = None) -> None:
        """`others`: of the other modules, as far as they were asked for."""
        self.tree, self.values = tree, values
        self.parsers = Parsers(tree)
        self.by_dest = self.parsers.by_dest
        self._others = {values.file: self} if others is None else others
        self._opened: dict[str, dict[str, bool]] | None = None
        self.joining: set[tuple[str, str]] = set()  # functions, and their parameters that are folders
        self.folders: set[cst.CSTNode] = set()  # what is given to such a parameter
        self.given: dict[str, str] = {}  # options for results, and what the job's command gives
        self.becomes: dict[cst.CSTNode, str] = {}  # what was changed, and the path that it is then

    # Where paths come from

    def anchors(self, path: cst.BaseExpression) -> Iterator[Root]:
        """Where a path can be changed: literals and options; else the first part of it that has a known value."""
        roots = [*self.roots(path)]
        if roots and not any(root.beside or root.pattern for root in roots):
            yield from roots
        elif found := self._known(path):
            yield found
        else:
            yield from roots

    def _known(self, node: cst.BaseExpression | None, joined: bool = False, depth: int = 8) -> Root | None:
        """The first part of a path that has a value.

        Where the variable that it begins with gets it, if that says more than which folder holds the code.
        """
        if node is None or not depth:
            return None
        if isinstance(node, cst.IfExp):
            either = (self._known(part, joined, depth - 1) for part in (node.orelse, node.body))
            return next((found for found in either if found), None)
        first = self._first(node)
        values = self.values.defined(first)
        if isinstance(first, cst.Name) and not values and first.value != "__file__" and not self.tree.qualified(first):
            return None  # a parameter, which those who call it fill
        inner = self._known(values[0], joined or node is not first, depth - 1) if len(values) == 1 else None
        if inner and inner.value is not None and not self.values.holds_code(inner.value):
            return inner
        value = self.values.of(node)
        if isinstance(value, str | Path):
            return Root(node, None, joined, value=value)
        if isinstance(node, cst.Call) and len(node.args) > 2 and self.tree.qualified(node.func) in JOINS:
            for count in range(len(node.args) - 1, 1, -1):
                value = self.values.of(node.with_changes(args=node.args[:count]))
                if isinstance(value, str | Path):
                    return Root(node, None, True, value=value, parts=count)
        return self._known(_left(node), True, depth - 1)

    def _first(self, node: cst.BaseExpression) -> cst.BaseExpression:
        """What a path begins with."""
        while (left := _left(node)) is not None:
            node = left
        return node

    def roots(self, node: cst.BaseExpression | None, joined: bool = False, depth: int = 8) -> Iterator[Root]:
        """The literals and options that a path begins with."""
        if node is None or not depth:
            return
        if literal(node) is not None:
            yield Root(node, None, joined)
        elif isinstance(node, cst.FormattedString):
            first = node.parts[0] if node.parts else None
            if isinstance(first, cst.FormattedStringExpression):
                yield from self.roots(first.expression, True, depth - 1)
            elif isinstance(first, cst.FormattedStringText):
                yield Root(node, None, joined)
        elif isinstance(node, cst.Name):
            if node.value == "__file__":
                yield Root(None, None, joined, beside=True)
                return
            if option := self.parsers.option(node):
                yield Root(node, option, joined)
                return
            values = self.values.bound(self.tree.key(node))
            for value in values if len(values) <= 4 else ():
                yield from self.roots(value, joined, depth - 1)
        elif isinstance(node, cst.Attribute):
            if option := self.parsers.option(node):
                yield Root(node, option, joined)
            elif node.attr.value in ("parent", "absolute", "resolve"):
                yield from self.roots(node.value, True, depth - 1)
        elif isinstance(node, cst.IfExp):
            yield from (root for part in (node.body, node.orelse) for root in self.roots(part, joined, depth - 1))
        elif isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide | cst.Add):
            yield from self.roots(node.left, True, depth - 1)
        elif isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Modulo):
            yield from (root._replace(pattern=True) for root in self.roots(node.left, joined, depth - 1))
        elif isinstance(node, cst.Call):
            name, method = self.tree.qualified(node.func), method_of(node)
            if isinstance(node.func, cst.Attribute) and method == "format" and not name:
                yield from (root._replace(pattern=True) for root in self.roots(node.func.value, joined, depth - 1))
            elif name in PATHS and node.args:
                yield from self.roots(node.args[0].value, joined or len(node.args) > 1, depth - 1)
            elif name in ENVIRONMENT and len(node.args) == 2:
                yield from self.roots(node.args[1].value, joined, depth - 1)
            elif name == "os.path.dirname" and node.args:
                yield from self.roots(node.args[0].value, True, depth - 1)
            elif name in OPENERS and node.args:
                yield from self.roots(node.args[0].value, joined, depth - 1)
            elif isinstance(node.func, cst.Attribute) and method in ("joinpath", "resolve", "absolute", "open"):
                yield from self.roots(node.func.value, joined or method == "joinpath", depth - 1)

    def whole(self, node: cst.BaseExpression | None, depth: int = 8) -> str | None:
        """The whole path as it will be, when the code says it."""
        if node is None or not depth:
            return None
        if node in self.becomes:
            return self.becomes[node]
        if (text := literal(node)) is not None:
            return text
        if option := self.parsers.option(node):
            return self.given.get(option.dest) or self.whole(option.default, depth - 1)
        if len(values := self.values.defined(node)) == 1:
            return self.whole(values[0], depth - 1)
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Divide | cst.Add):
            parts = [self.whole(side, depth - 1) for side in (node.left, node.right)]
            return ("/" if isinstance(node.operator, cst.Divide) else "").join(parts) if None not in parts else None  # type: ignore[arg-type]
        if isinstance(node, cst.Call) and (self.tree.qualified(node.func) in (*PATHS, *OPENERS)):
            count = 1 if self.tree.qualified(node.func) in OPENERS else len(node.args)
            parts = [self.whole(arg.value, depth - 1) for arg in node.args[:count]]
            return "/".join(part.rstrip("/\\") for part in parts if part) if None not in parts else None
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "open":
            return self.whole(node.func.value, depth - 1)
        value = self.values.of(node) if isinstance(node, cst.Name) else None
        return value if isinstance(value, str) else None

    def folder(self, node: cst.BaseExpression | None, depth: int = 8) -> str | None:
        """The folder below outputs/ of a path whose name the code makes while it runs."""
        if node is None or not depth:
            return None
        if isinstance(node, cst.FormattedString) and node.parts and isinstance(node.parts[0], cst.FormattedStringText):
            found: str | None = self.becomes.get(node.parts[0], node.parts[0].value).rpartition("/")[0]
        elif len(values := self.values.defined(node)) == 1:
            return self.folder(values[0], depth - 1)
        else:
            found = self.whole(_left(node)) or self.folder(_left(node), depth - 1)
        return found.rstrip("/") if found and found.startswith("outputs/") else None

    def argument(self, call: cst.Call, place: tuple[int, tuple[str, ...]]) -> cst.BaseExpression | None:
        """What a call gives at a position, or by one of these names."""
        position, names = place
        for arg in call.args:
            if arg.keyword and arg.keyword.value in names:
                return arg.value
        plain = [arg.value for arg in call.args if not arg.keyword and not arg.star]
        return plain[position] if position < len(plain) else None

    def _opens_to_write(self, call: cst.Call) -> bool:
        method = isinstance(call.func, cst.Attribute) and not self.tree.qualified(call.func)
        mode = self.argument(call, (0 if method else 1, ("mode",)))
        return bool(re.search("[wax]", (mode is not None and self.tree.constant(mode)) or ""))

    def calls(self) -> Iterator[tuple[cst.Call, cst.BaseExpression, bool]]:
        """The calls that read or write a path: the call, the path, whether it writes."""
        for call in self.tree.all(cst.Call):
            name = self.tree.qualified(call.func)
            method = method_of(call)
            path, writes = None, False
            if name in COPIES and len(call.args) > 1:
                yield call, call.args[0].value, False
                path, writes = call.args[1].value, True
            elif name in (*OPENERS, *ARCHIVES):
                path, writes = self.argument(call, READERS[name]), self._opens_to_write(call)
            elif place := READERS.get(name):
                path = self.argument(call, place)
            elif place := WRITERS.get(name):
                path, writes = self.argument(call, place), True
            elif name.split(".")[0] == "mlflow":
                continue
            elif method in READER_METHODS:
                path = self.argument(call, READER_METHODS[method])
            elif method in WRITER_METHODS:
                path, writes = self.argument(call, WRITER_METHODS[method]), True
            elif method in PATH_METHODS:
                base = call.func.value if isinstance(call.func, cst.Attribute) else None
                if self.is_path(base):
                    path = base
                    writes = method.startswith(("write", "mkdir")) or (method == "open" and self._opens_to_write(call))
            elif own := self.own(call):
                yield from ((call, given, writes) for given, writes in own)
            if path is not None:
                yield call, path, writes

    def own(self, call: cst.Call) -> list[tuple[cst.BaseExpression, bool]]:
        """What a call gives to a function of another module that opens it, and whether that writes it."""
        other, name = self._called(call)
        if other is None:
            return []
        functions = other.tree.functions.get(name, [])
        params = [param.name.value for param in functions[0].params.params] if len(functions) == 1 else []
        given: list[tuple[cst.BaseExpression, bool]] = []
        for param, writes in other.opened().get(name, {}).items():
            place = params.index(param) if param in params else len(params)
            if (value := self.argument(call, (place, (param,)))) is not None:
                given.append((value, writes))
                if (name, param) in other.joining:
                    self.folders.add(value)
        return given

    def home(self, call: cst.Call) -> Path | None:
        """The file of the module whose function a call is of; None for one of this module, or of a package."""
        found = self.values.modules.values(self.values.qualified(call.func))
        return found[0].file if found else None

    def _called(self, call: cst.Call) -> "tuple[Paths | None, str]":
        """The module whose function a call is of, and the function's name."""
        found = self.values.modules.values(self.values.qualified(call.func))
        if found is None or "." in found[1]:
            return None, ""
        values, name = found
        if values.file not in self._others:
            self._others[values.file] = Paths(values.tree, values, self._others)
        return self._others[values.file], name

    def opened(self) -> dict[str, dict[str, bool]]:
        """The parameters of each function that are paths which it opens, and whether it writes there."""
        if self._opened is None:
            self._opened = {}  # modules that call one another in a circle find what is known so far
            for _, path, writes in self.calls():
                first = self._first(path)
                key = self.tree.key(first) if isinstance(first, cst.Name) else None
                for assignment in key[0][key[1]] if key else ():
                    node = getattr(assignment, "node", None)
                    if isinstance(node, cst.Param) and (function := self.tree.around(node, cst.FunctionDef)):
                        params = self._opened.setdefault(function.name.value, {})
                        params[node.name.value] = writes or params.get(node.name.value, False)
                        if path is not first and not self._takes_parent(path):
                            self.joining.add((function.name.value, node.name.value))
        return self._opened

    def _takes_parent(self, path: cst.BaseExpression) -> bool:
        """Whether a path is that of the folder around another one."""
        name = self.tree.qualified(path.func) if isinstance(path, cst.Call) else ""
        return name == "os.path.dirname" or (isinstance(path, cst.Attribute) and path.attr.value == "parent")

    def is_folder(self, path: cst.BaseExpression, root: Root) -> bool:
        """Whether what a path begins with is a folder, as far as its use tells."""
        return path in self.folders or (root.joined and not self._takes_parent(path))

    def is_path(self, node: cst.BaseExpression | None, depth: int = 5) -> bool:
        """Whether an expression is certainly a pathlib path."""
        if isinstance(node, cst.Call):
            return self.tree.qualified(node.func) in PATH_TYPES or isinstance(self.values.of(node), Path)
        if isinstance(node, cst.BinaryOperation):
            divides = isinstance(node.operator, cst.Divide) and self.is_path(node.left, depth)
            return divides or isinstance(self.values.of(node), Path)
        if option := self.parsers.option(node):
            return option.type == "Path"
        if isinstance(node, cst.Name) and depth and (key := self.tree.key(node)):
            values = self.tree.bindings.get(key, [])
            return bool(values) and all(value is not None and self.is_path(value, depth - 1) for value in values)
        return isinstance(self.values.of(node), Path)
