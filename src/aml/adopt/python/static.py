"""What expressions are worth before anything runs: paths and settings, as far as the code and its files say them."""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata.scope_provider import ImportAssignment

from aml.adopt.python.closure import read_code
from aml.adopt.python.syntax import UNPARSED, Key, Tree, literal
from aml.adopt.tree import locate

DEPTH = 40  # of names that stand for other names
SETTINGS = (".cfg", ".ini", ".json", ".toml", ".yaml", ".yml")
SETTINGS_LIMIT = 100_000  # bytes; what is larger is data
SETTLED = ("os.path.abspath", "os.path.realpath")
SAME = (*SETTLED, "os.path.normpath", "os.path.expanduser", "os.fspath", "builtins.str")
PATH_TYPES = ("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.WindowsPath")
OPENERS = ("builtins.open", "io.open", "codecs.open", "gzip.open", "bz2.open")
ENVIRONMENT = ("os.environ.get", "os.getenv")
KINDS = {".json": "json", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}  # of settings files that can be read
LOADERS = {
    **dict.fromkeys(("json.load", "json.loads"), "json"),
    **dict.fromkeys(("yaml.safe_load", "yaml.load", "yaml.full_load"), "yaml"),
    **dict.fromkeys(("toml.load", "toml.loads", "tomllib.load", "tomllib.loads", "tomli.load", "tomli.loads"), "toml"),
}


class Modules:
    """The modules of a project by their names, each parsed when it is asked for."""

    def __init__(self, files: Mapping[str, Path], root: Path, folder: Path) -> None:
        """`files`: path below the code's folder -> file; `root`: the source; `folder`: where the script runs from."""
        self.root, self.folder = root, folder
        self.files = {
            place.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for place, path in files.items()
        }
        self.places = {path: place for place, path in files.items()}
        self._values: dict[Path, Values | None] = {}

    @cached_property
    def given(self) -> dict[tuple[Path, str, str], set[str | None]]:
        """What all calls from other modules give to the parameters of a module's functions; None: no literal."""
        given: dict[tuple[Path, str, str], set[str | None]] = {}
        for path in self.files.values():
            caller = self.of(path) if path.suffix == ".py" else None
            for call in caller.tree.all(cst.Call) if caller else ():
                found = self.values(caller.qualified(call.func)) if caller else None
                functions = found[0].tree.functions.get(found[1], []) if found else []
                params = [param.name.value for param in functions[0].params.params] if len(functions) == 1 else []
                for position, arg in enumerate(call.args if found else ()):
                    name = arg.keyword.value if arg.keyword else params[position] if position < len(params) else ""
                    given.setdefault((found[0].file, found[1], name), set()).add(literal(arg.value))  # type: ignore[index]
        return given

    def values(self, name: str) -> "tuple[Values, str] | None":
        """The module that a dotted name begins with, and the rest of the name."""
        parts = name.split(".")
        for length in range(len(parts) - 1, 0, -1):
            if path := self.files.get(".".join(parts[:length])):
                found = self.of(path)
                return (found, ".".join(parts[length:])) if found else None
        return None

    def of(self, path: Path) -> "Values | None":
        if path not in self._values:
            try:
                self._values[path] = Values(Tree(read_code(path)), path, self)
            except UNPARSED:
                self._values[path] = None
        return self._values[path]


class Values:
    """The values of a module's expressions: texts, paths, and what settings files hold; None where they are unknown."""

    def __init__(self, tree: Tree, file: Path, modules: Modules) -> None:
        self.tree, self.file, self.modules = tree, file, modules

    @cached_property
    def given(self) -> dict[Any, list[cst.BaseExpression]]:
        """What calls in the module give to each parameter of its functions."""
        given: dict[Any, list[cst.BaseExpression]] = {}
        for call in self.tree.all(cst.Call):
            for param, value in self.tree.parameters(call):
                given.setdefault(self.tree.key(param.name), []).append(value)
        return given

    def bound(self, key: Key | None) -> list[cst.BaseExpression]:
        """All that a variable may be; nothing when something unknown may give it a value."""
        values = self.tree.bindings.get(key, []) if key else []
        if values in ([], [None]):
            values = [*self.given.get(key, [])] or [*self._default(key)]
        return [] if None in values else values  # type: ignore[return-value]

    def defined(self, node: cst.BaseExpression) -> list[cst.BaseExpression]:
        """All that a variable or an attribute of this module may be; nothing when that is not known."""
        if isinstance(node, cst.Name):
            return self.bound(self.tree.key(node))
        home = self._class(node.value) if isinstance(node, cst.Attribute) else None
        return self._attributes(home, node.attr.value) if home and isinstance(node, cst.Attribute) else []

    def _class(self, node: cst.BaseExpression) -> cst.ClassDef | None:
        """The class of this module that an expression is, or is an instance of."""
        if isinstance(node, cst.Name) and node.value in ("self", "cls"):
            around: cst.ClassDef | None = self.tree.around(node, cst.ClassDef)
            return around
        made = self.defined(node)
        func = made[0].func if len(made) == 1 and isinstance(made[0], cst.Call) else node
        name = func.value if isinstance(func, cst.Name) else ""
        classes = [one for one in self.tree.all(cst.ClassDef) if one.name.value == name]
        return classes[0] if len(classes) == 1 else None

    def _attributes(self, home: cst.CSTNode, name: str) -> list[cst.BaseExpression]:
        """What a class, or a method of it by `self`, gives to an attribute."""
        found = []
        for target, value in self.tree.assigned():
            if isinstance(target, cst.Attribute) and getattr(target.value, "value", "") == "self":
                if target.attr.value == name and self.tree.around(target, cst.ClassDef) is home:
                    found.append(value)
            elif (
                isinstance(target, cst.Name)
                and target.value == name
                and self.tree.around(target, cst.FunctionDef, cst.ClassDef) is home
            ):
                found.append(value)
        return found

    def _default(self, key: Key | None) -> list[cst.BaseExpression]:
        """What a parameter is when nobody gives it: also as an option of click, or of typer."""
        assignments = key[0][key[1]] if key else ()
        found: list[cst.BaseExpression] = []
        for param in (getattr(one, "node", None) for one in assignments):
            if not isinstance(param, cst.Param):
                continue
            made = param.default
            if isinstance(made, cst.Call) and self.tree.qualified(made.func) in ("typer.Option", "typer.Argument"):
                made = made.args[0].value if made.args and not made.args[0].keyword else None
            function = self.tree.around(param, cst.FunctionDef)
            for decorator in function.decorators if function and made is None else ():
                made = made or self._click(decorator.decorator, param.name.value)
            found += [made] if made else []
        return found

    def _click(self, call: cst.BaseExpression, name: str) -> cst.BaseExpression | None:
        """The default of a click option or argument that fills this parameter."""
        if not isinstance(call, cst.Call) or self.tree.qualified(call.func) not in ("click.option", "click.argument"):
            return None
        names = [text.lstrip("-").replace("-", "_").lower() for arg in call.args if (text := literal(arg.value))]
        defaults = [arg.value for arg in call.args if arg.keyword and arg.keyword.value == "default"]
        return defaults[0] if name in names and defaults else None

    def qualified(self, node: cst.CSTNode) -> str:
        """The dotted name that a name or attribute was imported as; of relative imports, too."""
        return self._absolute(self.tree.qualified(node))

    def _absolute(self, name: str) -> str:
        up = len(name) - len(name.lstrip("."))
        if not up:
            return name
        package = self.modules.places.get(self.file, "").split("/")[:-1]
        return ".".join([*package[: len(package) - up + 1], name[up:]]) if up <= len(package) else ""

    def of(self, node: cst.BaseExpression | None, depth: int = DEPTH) -> Any:
        """The value of an expression: str, Path, what a settings file holds, or None."""
        if node is None or not depth:
            return None
        if (text := literal(node)) is not None:
            return text
        try:
            return self._value(node, depth - 1)
        except (TypeError, ValueError, KeyError, IndexError):
            return None

    def _value(self, node: cst.BaseExpression, depth: int) -> Any:
        match node:
            case cst.Integer():
                return int(node.value)
            case cst.Name("__file__"):
                return str(self.file)
            case cst.Name():
                values = self.defined(node)
                if len(values) == 1:
                    return self.of(values[0], depth)
                return self._imported(node, depth) or (None if values else self._from_elsewhere(node))
            case cst.FormattedString():
                parts = [self._part(part, depth) for part in node.parts]
                return None if None in parts else "".join(parts)  # type: ignore[arg-type]
            case cst.BinaryOperation(operator=cst.Divide() | cst.Add()):
                left, right = self.of(node.left, depth), self.of(node.right, depth)
                if isinstance(node.operator, cst.Divide):
                    return Path(left) / right if Path in (type(left), type(right)) or isinstance(left, Path) else None
                return left + right if isinstance(left, str) and isinstance(right, str) else None
            case cst.Subscript(slice=[cst.SubscriptElement(slice=cst.Index(value=index))]):
                return self._item(node.value, index, depth)
            case cst.Attribute():
                return self._attribute(node, depth)
            case cst.Call():
                return self._call(node, depth)
        return None

    def _part(self, part: cst.BaseFormattedStringContent, depth: int) -> str | None:
        if isinstance(part, cst.FormattedStringText):
            return part.value if "\\" not in part.value and "{" not in part.value else None
        if isinstance(part, cst.FormattedStringExpression) and not part.format_spec and not part.conversion:
            value = self.of(part.expression, depth)
            return str(value) if isinstance(value, str | Path) else None
        return None

    def _imported(self, node: cst.BaseExpression, depth: int) -> Any:
        """A variable of another module."""
        found = self.modules.values(self.qualified(node))
        return found[0].named(found[1], depth) if found else None

    def _from_elsewhere(self, node: cst.Name) -> str | None:
        """What a parameter is, when all calls of other modules give it the same text."""
        key = self.tree.key(node)
        for param in (getattr(one, "node", None) for one in (key[0][key[1]] if key else ())):
            function = self.tree.around(param, cst.FunctionDef) if isinstance(param, cst.Param) else None
            if function and not self.given.get(key):
                texts = self.modules.given.get((self.file, function.name.value, node.value), set())
                return next(iter(texts)) if len(texts) == 1 else None
        return None

    def named(self, name: str, depth: int = DEPTH) -> Any:
        """The value of a variable of the module's own level, or of Class.attribute."""
        first, _, attribute = name.partition(".")
        scope = self.tree.scopes.get(self.tree.module) or next(iter(self.tree.scopes.values()), None)
        scope = getattr(scope, "globals", None)
        assignments = list(scope[first]) if scope else []
        if len(assignments) != 1 or "." in attribute:
            return None
        values = self.bound((assignments[0].scope, first))
        if attribute:
            made = getattr(assignments[0], "node", None)
            values = self._attributes(made, attribute) if isinstance(made, cst.ClassDef) else []
        if len(values) == 1:
            return self.of(values[0], depth)
        if not isinstance(assignments[0], ImportAssignment):
            return None
        full = min(one.name for one in assignments[0].get_qualified_names_for(first))
        found = self.modules.values(self._absolute(full)) if depth else None
        return found[0].named(found[1], depth - 1) if found else None

    def _item(self, of: cst.BaseExpression, index: cst.BaseExpression, depth: int) -> Any:
        key = self.of(index, depth)
        if isinstance(of, cst.Attribute) and of.attr.value == "parents":
            base = self.of(of.value, depth)
            return base.parents[key] if isinstance(base, Path) else None
        if isinstance(of, cst.Attribute) and self.tree.qualified(of) == "os.environ":
            return None
        value = self.of(of, depth)
        return value[key] if isinstance(value, dict | list) else None

    def _attribute(self, node: cst.Attribute, depth: int) -> Any:
        if self.tree.qualified(node):
            return self._imported(node, depth)
        if len(values := self.defined(node)) == 1:
            return self.of(values[0], depth)
        made = self.defined(node.value)
        if len(made) == 1 and isinstance(made[0], cst.Call):  # settings = Settings(), whose class another module has
            found = self.modules.values(self.qualified(made[0].func))
            if found and found[1] in found[0].tree.classes:
                return found[0].named(f"{found[1]}.{node.attr.value}", depth)
        value = self.of(node.value, depth)
        return value.parent if isinstance(value, Path) and node.attr.value == "parent" else None

    def _call(self, node: cst.Call, depth: int) -> Any:
        name = self.qualified(node.func)
        args = [arg.value for arg in node.args if not arg.star]
        if name in ("os.getcwd", "pathlib.Path.cwd"):
            return Path() if name.startswith("pathlib") else "."
        if name in ENVIRONMENT:
            return self.of(args[1], depth) if len(args) == 2 else None
        if name in PATH_TYPES or name == "os.path.join":
            parts = [self.of(arg, depth) for arg in args]
            if not parts or not all(isinstance(part, str | Path) for part in parts):
                return None
            return Path(*parts) if name in PATH_TYPES else os.path.join(*parts)  # noqa: PTH118  # what the code does
        if name in SAME and args:
            value = self.of(args[0], depth)
            if not isinstance(value, str | Path):
                return None
            return str(_settled(Path(value))) if name in SETTLED else str(value)
        if name == "os.path.dirname" and args:
            return os.path.dirname(self.of(args[0], depth))  # noqa: PTH120  # what the code does
        if (kind := LOADERS.get(name)) and args:
            return self._settings(args[0], kind, depth)
        if name in OPENERS and args:
            return self.of(args[0], depth)
        if isinstance(node.func, cst.Attribute) and not name:
            return self._method(node.func, args, depth)
        return self._result(node, name, depth) if not node.args else None

    def _method(self, func: cst.Attribute, args: list[cst.BaseExpression], depth: int) -> Any:
        value, how = self.of(func.value, depth), func.attr.value
        if isinstance(value, Path):
            if how in ("resolve", "absolute"):
                return _settled(value)
            if how in ("expanduser", "open", "read_text"):
                return value
            if how == "joinpath":
                return value.joinpath(*[self.of(arg, depth) for arg in args])
            if how == "as_posix":
                return value.as_posix()
        if isinstance(value, str | Path) and how == "read":
            return value
        if isinstance(value, dict) and how == "get" and args:
            return value.get(self.of(args[0], depth))
        return None

    def _result(self, node: cst.Call, name: str, depth: int) -> Any:
        """What a function without arguments returns."""
        home, own = self, getattr(node.func, "value", "")
        if name and (found := self.modules.values(name)):
            home, own = found
        functions = home.tree.functions.get(str(own), [])
        if len(functions) != 1:
            return None
        returns = [one for one in home.tree.all(cst.Return) if home.tree.around(one, cst.FunctionDef) is functions[0]]
        return home.of(returns[0].value, depth) if len(returns) == 1 else None

    def _settings(self, node: cst.BaseExpression, kind: str, depth: int) -> Any:
        value = self.of(node, depth)
        path = self.locate(value) if isinstance(value, str | Path) else None
        return read_settings(path, kind) if path else None

    def locate(self, value: str | Path) -> Path | None:
        """The file or folder that a path means: seen from its script's folder, or a folder above it."""
        return locate(self.modules.root, self.modules.folder, value)


def _settled(path: Path) -> Path:
    """A path without `..`; one from the working folder stays as it is, for that is not known here."""
    return Path(os.path.normpath(path)) if path.is_absolute() else path


def read_settings(path: Path, kind: str) -> Any:
    """What a settings file holds; None when it cannot be read."""
    import yaml

    try:
        if path.stat().st_size > SETTINGS_LIMIT:
            return None
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text) if kind == "json" else tomllib.loads(text) if kind == "toml" else yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None


def texts(content: Any) -> Iterator[tuple[str, str]]:
    """The texts in what a settings file holds, each with its keys, such as (".model.path", "model.pkl")."""
    waiting: list[tuple[str, Any]] = [("", content)]
    seen: set[int] = set()  # YAML's aliases may lead back, and to the same again and again
    while waiting:
        above, value = waiting.pop()
        if isinstance(value, str):
            yield above, value
        elif isinstance(value, dict | list) and id(value) not in seen:
            seen.add(id(value))
            pairs = [(f"{above}.{key}", inner) for key, inner in value.items()] if isinstance(value, dict) else []
            waiting += reversed(pairs or [(above, inner) for inner in value])
