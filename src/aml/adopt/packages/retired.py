"""Code for old releases of packages: what they removed is written in today's words, or named for the owner.

retired_names.py has the table. What is equal in every version that installs today is always rewritten; the rest waits
for the versions that the repository gets.
"""

import builtins
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import libcst as cst
from libcst.metadata import BuiltinAssignment, ImportAssignment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aml.adopt import Note
from aml.adopt.packages.retired_names import (
    ARGUMENTS,
    FEATURE_NAMES,
    METHODS,
    METHODS_TO_DECIDE,
    MODULES,
    NAMES,
    NAMES_TO_DECIDE,
    POSITIONAL,
    PRIVATE,
    SEABORN,
    STYLES,
    Argument,
    Decide,
    Positional,
)
from aml.adopt.private import hide
from aml.adopt.python.frames import NO_COLUMNS, Frames
from aml.adopt.python.syntax import (
    TIGHT,
    Tree,
    add_import,
    expression,
    keyword,
    lines_of,
    literal,
    method_of,
    names_in,
    quoted,
    without,
)

Versions = Mapping[str, str]  # "scikit-learn" -> "1.1.3"; "python" -> "3.11"
# A package's module, where a row counts only with it.
ROOTS = {".to_csv": ("pandas",), ".hist": ("matplotlib", "pandas"), ".grid": ("matplotlib",), ".gca": ("matplotlib",)}
CHANGED_CLASSES = ("KFold", "StratifiedKFold", "ShuffleSplit", "StratifiedShuffleSplit", "LeaveOneOut", "LabelKFold")
SEARCHES = ("sklearn.model_selection.GridSearchCV", "sklearn.model_selection.RandomizedSearchCV")
# Methods of a column that give a column as long, for `table["a"].fillna(0, inplace=True)`.
IN_PLACE = ("bfill", "clip", "ffill", "fillna", "interpolate", "mask", "replace", "where")
SCREENS = re.compile(r"(?i)(tk|qt[456]?|gtk[34]?|wx|macosx|webagg|nbagg|ipympl)(agg|cairo)?")


def versions_of(requirements: Sequence[str], python: str) -> dict[str, str]:
    """The exact versions of what an environment has, such as ["scikit-learn==1.1.3"]."""
    found = {"python": python}
    for line in requirements:
        requirement = Requirement(line)
        if [each.operator for each in requirement.specifier] == ["=="]:
            found[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
    return found


class _Place(NamedTuple):
    """Where a name is imported from: "import" for a module by itself, "" for nowhere."""

    module: str
    alias: cst.ImportAlias | None
    use: str = ""  # what to write for it where it is used, when that changes


@dataclass
class Rewritten:
    """A module without what is retired, and what was done to it."""

    text: str
    notes: list[Note] = field(default_factory=list)


def rewrite(text: str, file: str, versions: Versions | None = None, original: str | None = None) -> Rewritten:
    """The text of a module in today's words; what does not parse stays as it is.

    `versions`: of the packages that it will run with; without, only what holds for all of them is done. `original`: the
    text whose lines the notes are to name, when it was rewritten before.
    """
    try:
        tree = Tree(text)
    except (SyntaxError, ValueError, cst.ParserSyntaxError):
        return Rewritten(text)
    work = _Rewrite(tree, file, versions or {}, original)
    return Rewritten(tree.text_of(work.run()), work.notes)


def _private() -> dict[str, str]:
    """All full names in modules that became private, with the public ones."""
    found = {}
    for package, (modules, names) in PRIVATE.items():
        for prefix in ("", "tensorflow.") if package.startswith("keras") else ("",):
            for module in modules.split():
                for name in names.split():
                    found[f"{prefix}{package}.{module}.{name}"] = f"{prefix}{package}.{name}"
    return found


PUBLIC = _private()
PRIVATE_MODULES = {name.rpartition(".")[0] for name in PUBLIC}
Edit = Callable[[Any], Any]


class _Rewrite:
    def __init__(self, tree: Tree, file: str, versions: Versions, original: str | None) -> None:
        self.tree, self.file, self.versions = tree, file, versions
        self.source_line = lines_of(original, tree.module.code) if original is not None else lambda line: line
        self.notes: list[Note] = []
        self.edits: dict[cst.CSTNode, list[Edit]] = {}
        self.imports: list[str] = []
        self.uses: dict[tuple[str, str], str] = {}  # (full name, name in the module) -> what to write for it
        self.used = names_in(tree.module)
        self.frames = Frames(tree, self.meant)
        self.roots = {
            name.split(".")[0] for node in tree.all(cst.Import | cst.ImportFrom) for name in _imported(tree, node)
        }

    def run(self) -> cst.Module:
        if not self.roots:
            return self.tree.module
        for node in self.tree.all(cst.ImportFrom):
            self._from(node)
        for node in self.tree.all(cst.Import):
            self._import(node)
        for node in self.tree.all(cst.Attribute | cst.Name):
            self._name(node)
        for call in self.tree.all(cst.Call):
            name = self.meant(call.func)
            self._arguments(call, name)
            self._positional(call, name)
            self._special(call, name)
        if "pandas" in self.roots:
            self._frames()
        module = self.tree.module
        if self.edits:
            module = module.visit(_Apply(self.edits))
            for wanted in sorted(set(self.imports)):
                module = add_import(module, wanted)
        self.notes.sort(key=lambda note: int(note.where.rpartition(":")[2] or 0))
        return module

    # Words

    def note(self, kind: Any, node: cst.CSTNode, text: str) -> None:
        note = Note(kind, f"{self.file}:{self.source_line(self.tree.line(node))}", hide(text), "old-name")
        if note not in self.notes:
            self.notes.append(note)

    def edit(self, node: cst.CSTNode, new: Edit) -> None:
        self.edits.setdefault(node, []).append(new)

    def holds(self, needs: str) -> bool:
        """Whether the repository has what a row needs."""
        if not needs:
            return True
        requirement = Requirement(needs)
        names = [requirement.name, "xgboost-cpu"] if requirement.name == "xgboost" else [requirement.name]
        found = [self.versions[name] for name in names if name in self.versions]
        return bool(found) and requirement.specifier.contains(found[0], prereleases=True)

    def decide(self, node: cst.CSTNode, what: str, row: Decide) -> None:
        if self.holds(row.needs):
            self.note("decide", node, f"{what} is gone since {row.gone}: {row.advice}")

    def short(self, node: cst.CSTNode) -> str:
        return self.tree.short(node, 50)

    def meant(self, node: cst.CSTNode) -> str:
        """What a name is called today, such as sklearn.ensemble.RandomForestClassifier; "" for what is not imported."""
        name = self.tree.qualified(node)
        return _today(name)[0] if name else ""

    # Names

    def _from(self, node: cst.ImportFrom) -> None:
        module = self.tree.code(node.module) if node.module and not node.relative else ""
        if not module:
            return
        if isinstance(node.names, cst.ImportStar):
            self._star(node, module)
            return
        places: dict[str, list[cst.ImportAlias]] = {}
        told: dict[str, str] = {}  # what it is now -> the note
        for alias in node.names:
            name = self.tree.code(alias.name)
            old = f"{module}.{name}"
            new, gone = _today(old)
            self._decide_name(alias, old, module)
            place = self._place(new, alias) if new != old else _Place(module, alias)
            if place is None:
                self.note("decide", alias, f"{old} is gone since {gone}: write {new}")
                place = _Place(module, alias)
            elif new != old:
                told[new] = f"{old} -> {new}: {gone} has the old name no more"
                if place.use:
                    self.uses[old, alias.evaluated_alias or name] = place.use
            if place.alias is not None and not self._is_there(node, alias, place):
                places.setdefault(place.module, []).append(place.alias)
        if not told:
            return
        moved = {new.rpartition(".")[0] for new in told}
        if len(told) > 1 and len(moved) == 1 and moved != {""} and module not in places:
            gone = next(iter(told.values())).rpartition(": ")[2]
            told = {"": f"{module} -> {moved.pop()}: {gone}"}
        for text in told.values():
            self.note("changed", node, text)
        self._split(node, places)

    def _place(self, new: str, alias: cst.ImportAlias) -> "_Place | None":
        """Where a name is imported from today; None when the name that it needs is taken."""
        name, local = self.tree.code(alias.name), alias.evaluated_alias or alias.evaluated_name
        if hasattr(builtins, new):
            return _Place("", None, "" if local == new else new) if self._is_builtin(new) else None
        module, rest = _parts(new)
        first = rest.split(".")[0]
        plain = alias.with_changes(name=cst.Name(first), asname=None)
        free = self._is_free(first) and self._is_bound_once(local)
        if rest != first:  # a method of a class
            return _Place(module, plain, rest) if free else None
        if alias.asname or first == name or not module:
            return _Place(module or "import", plain.with_changes(asname=_as(local) if local != first else None))
        if free:
            return _Place(module, plain, first)
        return _Place(module, plain.with_changes(asname=_as(local)))

    def _is_there(self, node: cst.ImportFrom, alias: cst.ImportAlias, place: "_Place") -> bool:
        """Whether another name of the same import is what this one becomes."""
        assert place.alias is not None
        return any(
            other is not alias and not other.asname and not place.alias.asname
            and f"{self.tree.code(node.module)}.{other.evaluated_name}"  # type: ignore[arg-type]
            == f"{place.module}.{place.alias.evaluated_name}"
            for other in _aliases(node)
        )  # fmt: skip

    def _is_free(self, name: str) -> bool:
        """Whether the module has nothing else of this name."""
        return name not in self.used or all(
            self.tree.qualified(node).endswith(f".{name}") for node in self.tree.all(cst.Name)
            if node.value == name and not isinstance(self.tree.parents[node], cst.Attribute | cst.Arg)
            and not self.tree.around(node, cst.Import, cst.ImportFrom)
        )  # fmt: skip

    def _is_builtin(self, name: str) -> bool:
        """Whether a built-in name has no other meaning anywhere in the module."""
        bound = (one for scope in {*self.tree.scopes.values()} if scope for one in scope.assignments)
        return all(
            isinstance(one, BuiltinAssignment) or (isinstance(one, ImportAssignment) and self._is_old(one, name))
            for one in bound if one.name == name
        )  # fmt: skip

    def _is_old(self, assignment: ImportAssignment, name: str) -> bool:
        """Whether an import is of what is called so today."""
        return {_today(full.name)[0] for full in assignment.get_qualified_names_for(name)} == {name}

    def _is_bound_once(self, name: str) -> bool:
        scopes = {scope for scope in self.tree.scopes.values() if scope}
        return sum(one.name == name for scope in scopes for one in scope.assignments) == 1

    def _split(self, node: cst.ImportFrom, places: dict[str, list[cst.ImportAlias]]) -> None:
        """Let an import become one for each module that its names come from now."""
        kept = {module: aliases for module, aliases in places.items() if module and aliases}
        module = self.tree.code(node.module) if node.module else ""
        if len(kept) == 1 and "import" not in kept and len(next(iter(kept.values()))) == len(list(node.names)):  # type: ignore[arg-type]
            [(target, aliases)] = kept.items()
            self.edit(node, lambda new: new.with_changes(module=expression(target), names=aliases))
            return
        statements: list[cst.BaseSmallStatement] = []
        for target, aliases in kept.items():
            last = aliases[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            plain = [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in aliases[:-1]]
            if target == "import":
                statements += [cst.Import([alias]) for alias in [*plain, last]]
            elif target == module and len(aliases) == len(list(node.names)):  # type: ignore[arg-type]
                statements.append(node)
            else:
                statements.append(cst.ImportFrom(expression(target), [*plain, last]))  # type: ignore[arg-type]
        line = self.tree.parents[node]
        if not statements:
            self.edit(node, lambda new: cst.Pass(semicolon=new.semicolon))
        elif isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:

            def lines(new: cst.SimpleStatementLine) -> Any:
                made = [cst.SimpleStatementLine([statement]) for statement in statements]
                made[0] = made[0].with_changes(leading_lines=new.leading_lines)
                made[-1] = made[-1].with_changes(trailing_whitespace=new.trailing_whitespace)
                return cst.FlattenSentinel(made)

            self.edit(line, lines)
        else:
            self.edit(
                node,
                lambda new: cst.FlattenSentinel(
                    [*statements[:-1], statements[-1].with_changes(semicolon=new.semicolon)]
                ),
            )

    def _star(self, node: cst.ImportFrom, module: str) -> None:
        if module in MODULES and node.module and "." in MODULES[module][0]:
            new, gone = MODULES[module]
            self.edit(node.module, lambda _: expression(new))
            self.note("changed", node, f"{module} -> {new}: {gone} has the old name no more")
        elif module in PRIVATE_MODULES:
            self.note(
                "decide", node, f"{module} is gone: import the names that are used from {module.rpartition('.')[0]}"
            )

    def _import(self, node: cst.Import) -> None:
        for alias in node.names:
            name = self.tree.code(alias.name)
            new, gone = _today(name)
            if new != name:
                self._import_from(alias, new)
                self.note("changed", node, f"{name} -> {new}: {gone} has the old name no more")
            elif name in PRIVATE_MODULES:
                package = name.rpartition(".")[0]
                uses = {self.tree.qualified(one) for one in self.tree.all(cst.Attribute)}
                if all(one in PUBLIC for one in uses if one.startswith(f"{name}.")) and not alias.asname:
                    self._import_from(alias, package)
                else:
                    self.note("decide", node, f"{name} is gone: write `from {package} import` and the names")
            else:
                self._decide_name(alias, name, "")

    def _import_from(self, alias: cst.ImportAlias, new: str) -> None:
        self.edit(alias.name, lambda _: expression(new))

    def _decide_name(self, node: cst.CSTNode, name: str, module: str) -> None:
        """Note a name of the table, and what lies in a module of it."""
        found = next((old for old in _prefixes(name) if old in NAMES_TO_DECIDE), None)
        if found:
            self.decide(node, found, NAMES_TO_DECIDE[found])
        elif module in PRIVATE_MODULES and name not in PUBLIC and name not in NAMES:
            package, _, last = module.rpartition(".")
            inner = f"{package}._{last.strip('_')}"
            self.note("decide", node, f"{name} is gone: it may be in {inner}, which is private and changes")
        elif name in PRIVATE_MODULES:
            self.note("decide", node, f"{name} is gone: import what is used from {name.rpartition('.')[0]} itself")
        elif module == "sklearn.cross_validation" and name.rpartition(".")[2] in CHANGED_CLASSES:
            what = "takes n_splits, and its split(X) gives the rows, where it was itself a list of them"
            self.note("decide", node, f"{name.rpartition('.')[2]} {what}")

    def _name(self, node: cst.Attribute | cst.Name) -> None:
        """Rename a use: an attribute of an imported module, or a name that its import calls otherwise now."""
        parent = self.tree.parents.get(node)
        if isinstance(parent, cst.Attribute | cst.Arg) and node is not parent.value:
            return
        if self.tree.around(node, cst.Import, cst.ImportFrom) or not (full := self.tree.qualified(node)):
            return
        if isinstance(node, cst.Name):
            if use := self.uses.get((full, node.value)):
                self.edit(node, lambda old: expression(use).with_changes(lpar=old.lpar, rpar=old.rpar))
            return
        new, gone = _today(full)
        if full in NAMES_TO_DECIDE:
            self.decide(node, full, NAMES_TO_DECIDE[full])
        if new == full or _today(self.tree.qualified(node.value))[0] + f".{node.attr.value}" == new:
            return  # it stays, or what it is an attribute of is renamed
        if hasattr(builtins, new) and not self._is_builtin(new):
            self.note("decide", node, f"{full} is gone since {gone}: write {new}")
            return
        made = self._path(node, new)
        self.edit(node, lambda old: made.with_changes(lpar=old.lpar, rpar=old.rpar))
        now = self.tree.module.code_for_node(made)
        self.note("changed", node, f"{self.short(node)} -> {now}: {gone} has the old name no more")

    def _path(self, node: cst.Attribute, new: str) -> cst.BaseExpression:
        """An expression for a full name, from what the module has imported."""
        if hasattr(builtins, new):
            return cst.Name(new)
        base: cst.BaseExpression = node.value
        while True:
            known = self.tree.qualified(base)
            if known and new.startswith(f"{known}."):
                rest = new[len(known) + 1 :]
                module = _parts(new)[0]
                if module != known and module.split(".")[0] != "pandas" and not known.startswith("matplotlib"):
                    self.imports.append(f"import {module}")
                return expression(f"BASE.{rest}", BASE=base)
            if not isinstance(base, cst.Attribute):
                break
            base = base.value
        module, rest = _parts(new)
        module = module or new
        for alias in (alias for one in self.tree.all(cst.Import) for alias in one.names):
            if self.tree.code(alias.name) == module:
                shown = alias.evaluated_alias or module
                return expression(f"{shown}.{rest}" if module != new else shown)
        self.imports.append(f"import {module}")
        return expression(new)

    # Arguments

    def _rows(self, call: cst.Call, name: str, rows: Sequence[Any]) -> Iterator[Any]:
        method = f".{call.func.attr.value}" if isinstance(call.func, cst.Attribute) else ""
        bound = self._method(call)
        for row in rows:
            functions = row.functions.split()
            if (name and name in functions) or (bound and bound in functions):
                yield row
            elif method in functions and not name and method[1:] not in self.tree.functions:
                roots = ROOTS.get(method, ("matplotlib",) if isinstance(row, Argument) else ("pandas",))
                if (isinstance(row, Argument) and self.roots & {*roots}) or (
                    isinstance(row, Positional)
                    and isinstance(call.func, cst.Attribute)
                    and self.frames.has(call.func.value)
                ):
                    yield row

    def _method(self, call: cst.Call) -> str:
        """The full name of a method of an object that a known class made, such as xgboost.XGBClassifier.fit."""
        if not isinstance(call.func, cst.Attribute):
            return ""
        made = self.made(call.func.value)
        return f"{made}.{call.func.attr.value}" if made else ""

    def made(self, node: cst.BaseExpression, depth: int = 3) -> str:
        """The class of an object, such as sklearn.svm.SVC, or ""."""
        if isinstance(node, cst.Call):
            return self.meant(node.func)
        if isinstance(node, cst.Name) and depth and (key := self.tree.key(node)):
            values = self.tree.bindings.get(key, [])
            classes = {
                self.made(value, depth - 1) if value is not None and value is not node else "" for value in values
            }
            return classes.pop() if len(classes) == 1 else ""
        return ""

    def _arguments(self, call: cst.Call, name: str) -> None:
        done: set[str] = set()
        for row in self._rows(call, name, ARGUMENTS):
            arg = keyword(call, row.keyword)
            if arg is None or row.keyword in done or (row.old and not _is(arg.value, row.old)):
                continue
            done.add(row.keyword)
            if not self.holds(row.needs):
                continue
            if row.keyword == "error_bad_lines" and (quiet := keyword(call, "warn_bad_lines")):
                row = row._replace(new=row.new.replace("warn", "skip") if _is(quiet.value, "False") else row.new)
            self._argument(call, arg, row)
        grid = self._grid(call, name)
        for key, values in grid:
            self._grid_values(call, key, values)

    def _argument(self, call: cst.Call, arg: cst.Arg, row: Argument) -> None:
        said = f"{row.keyword}={self.short(arg.value)}"
        if row.advice:
            self.note("decide", arg, f"{said} is gone since {row.gone}: {row.advice}")
            return
        if not row.new:
            self.edit(call, lambda new: _without(new, row.keyword))
            self.note("changed", arg, f"{said} is taken out, which {row.gone} has no more: it does the same without")
            return
        named, _, value = row.new.partition("=") if re.match(r"[a-z_]+=", row.new) else ("", "", row.new)
        if named and keyword(call, named):
            return  # both: an error, which is not ours

        def changed(new: cst.Arg) -> cst.Arg:
            made = new if not named else new.with_changes(keyword=cst.Name(named))
            if not value:
                return made
            text = literal(expression(value))
            fits = quoted(text, new.value) if text is not None and not value.startswith("r") else expression(value)
            return made.with_changes(value=fits)

        self.edit(arg, changed)
        now = f"{named or row.keyword}={value or self.short(arg.value)}"
        self.note("changed", arg, f"{said} -> {now}: {row.gone} has the old one no more")

    def _positional(self, call: cst.Call, name: str) -> None:
        before = self.tree.qualified(call.func)
        moved = before.startswith("sklearn.cross_validation.")  # where the order was another one
        for row in self._rows(call, before if moved else name, POSITIONAL):
            plain = [arg for arg in call.args if not arg.keyword]
            names = row.names.split()
            if any(arg.star for arg in call.args) or len(plain) > len(names):
                continue
            given = {arg.keyword.value for arg in call.args if arg.keyword}
            if row in SEABORN:
                if len(plain) == 1 and "data" not in given and not self._is_column(call, name, plain[0].value):
                    continue
            elif len(plain) <= row.allowed:
                continue
            if given & set(names[row.allowed : len(plain)]) or not self.holds(row.needs):
                continue
            named = dict(zip(map(id, plain), names, strict=False))
            late = plain[row.allowed :]
            if not late:
                continue
            for arg in late:
                self.edit(arg, _named(named[id(arg)]))
            words = ", ".join(f"{named[id(arg)]}={self.short(arg.value)}" for arg in late)
            shown = (
                f".{call.func.attr.value}"
                if isinstance(call.func, cst.Attribute) and not name
                else self.short(call.func)
            )
            self.note("changed", call, f"{shown}(...): {words}, which has to be named since {row.gone}")

    def _is_column(self, call: cst.Call, name: str, value: cst.BaseExpression) -> bool:
        """Whether what seaborn counts is one column, which today is taken for a table."""
        if name != "seaborn.countplot":
            return False
        if isinstance(value, cst.Subscript) and len(value.slice) == 1 and isinstance(value.slice[0].slice, cst.Index):
            return literal(value.slice[0].slice.value) is not None
        return isinstance(value, cst.Attribute) and value.attr.value not in NO_COLUMNS and self.frames.has(value.value)

    def _grid(self, call: cst.Call, name: str) -> Iterator[tuple[str, cst.BaseExpression]]:
        """The lists of a search for the best max_features, and the class that they are for."""
        if name not in SEARCHES or len(call.args) < 2 or any(arg.star for arg in call.args):
            return
        names = ("estimator", "param_grid" if name.endswith("GridSearchCV") else "param_distributions")
        given = {
            arg.keyword.value if arg.keyword else (*names, *"-" * 20)[at]: arg.value for at, arg in enumerate(call.args)
        }
        if not all(one in given for one in names):
            return
        kind = self.made(given[names[0]])
        grid: cst.BaseExpression | None = given[names[1]]
        if isinstance(grid, cst.Name) and (key := self.tree.key(grid)):
            values = self.tree.bindings.get(key, [])
            grid = values[0] if len(values) == 1 else None
        grids = [element.value for element in grid.elements] if isinstance(grid, cst.List) else [grid]
        for one in grids:
            for element in one.elements if isinstance(one, cst.Dict) else ():
                if isinstance(element, cst.DictElement) and literal(element.key) == "max_features":
                    yield kind, element.value

    def _grid_values(self, call: cst.Call, kind: str, values: cst.BaseExpression) -> None:
        for element in values.elements if isinstance(values, cst.List | cst.Tuple) else ():
            if not _is(element.value, '"auto"') or element.value in self.edits:
                continue
            row = next(
                (row for row in ARGUMENTS if row.keyword == "max_features" and kind in row.functions.split()), None
            )
            if row:
                new = expression(row.new)
                fits = quoted(str(literal(new)), element.value) if literal(new) else new
                self.edit(element.value, _become(fits))
                self.note("changed", element, f'max_features "auto" -> {row.new}: {row.gone} has the old one no more')
            elif self.holds("scikit-learn>=1.3"):
                advice = 'write "sqrt" for classifiers, 1.0 for regressors'
                self.note("decide", element, f'max_features "auto" is gone since scikit-learn 1.3: {advice}')

    # Calls of one kind

    def _special(self, call: cst.Call, name: str) -> None:
        method = method_of(call)
        if name in ("yaml.load", "yaml.load_all") and len(call.args) == 1 and not call.args[0].star:
            self._rename(call, name.replace("load", "safe_load").partition(".")[2], "PyYAML 6.0 needs a Loader")
        elif name == "matplotlib.use" and call.args and SCREENS.fullmatch(literal(call.args[0].value) or ""):
            value = call.args[0].value
            self.edit(value, lambda old: quoted("Agg", old))
            self.note("changed", call, f"matplotlib.use({self.short(value)}) -> Agg: there is no screen")
        elif name in ("matplotlib.pyplot.style.use", "matplotlib.style.use", "matplotlib.pyplot.style.context"):
            first = call.args[0].value if call.args else None
            parts = [one.value for one in first.elements] if isinstance(first, cst.List | cst.Tuple) else [first]
            for node in filter(None, parts):
                text = literal(node) or ""
                if re.fullmatch(r"seaborn(-(?!v0)[a-z-]+)?", text):
                    new = text.replace("seaborn", "seaborn-v0_8", 1)
                    self.edit(node, _text(new))
                    self.note("changed", call, f"the style {text} -> {new}: {STYLES} has the old name no more")
        elif name:
            return
        elif method == "fit_sample" and "imblearn" in self.roots and method not in self.tree.functions:
            self._attribute(call, "fit_resample", "imbalanced-learn 0.8 has the old name no more")
        elif method == "get_feature_names" and "sklearn" in self.roots and method not in self.tree.functions:
            self._feature_names(call)
        elif method in ("fit_generator", "evaluate_generator", "predict_generator") and self.roots & {
            "keras",
            "tensorflow",
        }:
            if method not in self.tree.functions:
                new = method.partition("_")[0]
                self._attribute(call, new, "TensorFlow 2.16 has the old name no more")
                for gone in ("max_queue_size", "workers", "use_multiprocessing", "pickle_safe", "nb_worker"):
                    if keyword(call, gone) and self.holds("keras>=3"):
                        self.note("decide", call, f"{gone}= of {new} is gone since Keras 3: take it out")
        elif method == "predict_classes" and self.roots & {"keras", "tensorflow"} and method not in self.tree.functions:
            advice = "write model.predict(x).argmax(axis=-1), or (model.predict(x) > 0.5) for one output"
            self.note("decide", call, f"predict_classes is gone since TensorFlow 2.6: {advice}")

    def _rename(self, call: cst.Call, new: str, why: str) -> None:
        """Call another function of the same module."""
        if isinstance(call.func, cst.Attribute):
            self._attribute(call, new, why)
            return
        local = call.func
        self.edit(local, lambda _: expression(f"yaml.{new}"))
        self.imports.append("import yaml")
        self.note("changed", call, f"{self.short(local)} -> yaml.{new}: {why}")

    def _attribute(self, call: cst.Call, new: str, why: str) -> None:
        func = call.func
        assert isinstance(func, cst.Attribute)
        self.edit(func, lambda old: old.with_changes(attr=cst.Name(new)))
        self.note("changed", call, f".{func.attr.value}() -> .{new}(): {why}")

    def _feature_names(self, call: cst.Call) -> None:
        assert isinstance(call.func, cst.Attribute)
        made = self.made(call.func.value)
        gone = "scikit-learn 1.2"
        if made.rpartition(".")[2] in FEATURE_NAMES and made.startswith("sklearn") and not call.args:
            self.edit(
                call,
                lambda new: expression(
                    "list(CALL)",
                    CALL=new.with_changes(func=new.func.with_changes(attr=cst.Name("get_feature_names_out"))),
                ),
            )
            self.note("changed", call, f".get_feature_names() -> list(... .get_feature_names_out()): {gone} "
                      "has the old name no more")  # fmt: skip
        elif self.holds("scikit-learn>=1.2"):
            self.note("decide", call, f"get_feature_names is gone since {gone}: write get_feature_names_out, "
                      "which gives an array")  # fmt: skip

    # Data frames

    def _frames(self) -> None:
        for node in self.tree.all(cst.Attribute):
            name = node.attr.value
            parent = self.tree.parents[node]
            call = parent if isinstance(parent, cst.Call) and parent.func is node else None
            if call and name == "fillna":
                self._fillna(call)
            if call and name in IN_PLACE:
                self._in_place(call)
            if call and name == "applymap" and self.holds("pandas>=3") and self.frames.has(node.value):
                self._attribute(call, "map", "pandas 3.0 has the old name no more")
            if call and name in ("corr", "cov") and self.holds("pandas>=2") and self._is_table(node.value):
                self._numeric(call, name)
            known = f"{name}()" in METHODS or name in METHODS_TO_DECIDE
            if not known or not self.frames.has(node.value) or self.tree.qualified(node):
                continue
            if call and f"{name}()" in METHODS and not call.args:
                code, gone = METHODS[f"{name}()"]
                new = code.partition(".")[2].removesuffix("()")
                self._attribute(call, new, f"{gone} has the old name no more")
            elif name in METHODS_TO_DECIDE and (call or name in ("ix", "is_monotonic")):
                self.decide(node, f".{name}", METHODS_TO_DECIDE[name])

    def _is_table(self, node: cst.BaseExpression) -> bool:
        """Whether something is what pandas read, all its columns with it."""
        if isinstance(node, cst.Name) and (key := self.tree.key(node)):
            values = self.tree.bindings.get(key, [])
            return bool(values) and any(
                isinstance(value, cst.Call) and self.meant(value.func).startswith("pandas.read_") for value in values
            )
        return False

    def _numeric(self, call: cst.Call, name: str) -> None:
        if call.args:
            return
        self.edit(call, lambda new: new.with_changes(args=[expression("f(numeric_only=True)").args[0]]))  # type: ignore[attr-defined]
        self.note("changed", call, f".{name}() -> .{name}(numeric_only=True), as it was before pandas 2.0")

    def _fillna(self, call: cst.Call) -> None:
        arg = keyword(call, "method")
        method = literal(arg.value) if arg else None
        new = {"ffill": "ffill", "pad": "ffill", "bfill": "bfill", "backfill": "bfill"}.get(method or "")
        plain = [one for one in call.args if not one.keyword]
        if not new or plain or keyword(call, "value") or "fillna" in self.tree.functions:
            return
        self.edit(call, lambda old: _without(old, "method"))
        self._attribute(call, new, f"pandas 3.0 has method={method} no more")

    def _in_place(self, call: cst.Call) -> None:
        """`table["a"].fillna(0, inplace=True)` changes a copy since pandas 3.0."""
        func = call.func
        arg = keyword(call, "inplace")
        statement = self.tree.parents[call]
        if (
            not arg
            or not _is(arg.value, "True")
            or not self.holds("pandas>=3")
            or not isinstance(statement, cst.Expr)
            or not isinstance(func, cst.Attribute)
        ):
            return
        column = func.value
        if isinstance(column, cst.Subscript) and isinstance(column.value, cst.Name | cst.Attribute):
            index = column.slice[0].slice
            if len(column.slice) != 1 or not isinstance(index, cst.Index) or isinstance(index.value, cst.List):
                return
        elif not (isinstance(column, cst.Attribute) and self.frames.has(column)):
            return
        target = column
        if isinstance(column, cst.Attribute):
            target = expression(f"TABLE[{quoted(column.attr.value).value}]", TABLE=column.value)  # type: ignore[assignment]
        self.edit(call, lambda old: _without(old, "inplace"))
        self.edit(
            statement,
            lambda old: cst.Assign([cst.AssignTarget(target)], old.value, semicolon=old.semicolon),
        )
        self.note("changed", call, f"{self.short(call)} -> {self.tree.module.code_for_node(target)} = ...: "
                  "pandas 3.0 changes a copy there")  # fmt: skip


def _named(word: str) -> Edit:
    return lambda arg: arg.with_changes(keyword=cst.Name(word), equal=TIGHT)


def _become(new: cst.BaseExpression) -> Edit:
    return lambda old: new


def _text(new: str) -> Edit:
    return lambda old: quoted(new, old)


class _Apply(cst.CSTTransformer):
    def __init__(self, edits: dict[cst.CSTNode, list[Edit]]) -> None:
        super().__init__()
        self.edits = edits

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        new = updated_node
        for edit in self.edits.get(original_node, ()):
            new = edit(new)
        return new if new is not updated_node else super().on_leave(original_node, updated_node)


def _today(full: str) -> tuple[str, str]:
    """What a full name is called today, and the release that has it no more; the name itself when it stays."""
    new, gone = full, ""
    while (found := _next(new)) is not None:
        new, gone = found[0], gone or found[1]
    return new, gone


def _next(full: str) -> tuple[str, str] | None:
    if full in PUBLIC:
        return PUBLIC[full], "scikit-learn 0.24" if full.startswith("sklearn") else "Keras 2.13"
    for old in _prefixes(full):
        if found := NAMES.get(old) or MODULES.get(old):
            return found[0] + full[len(old) :], found[1]
    return None


def _prefixes(full: str) -> Iterator[str]:
    """A dotted name and those that it begins with, the longest first."""
    while full:
        yield full
        full = full.rpartition(".")[0]


def _parts(full: str) -> tuple[str, str]:
    """The module of a full name, and the rest: a class and its method count as the rest."""
    words = full.split(".")
    at = next((at for at, word in enumerate(words) if word[:1].isupper()), len(words) - 1)
    return ".".join(words[:at]), ".".join(words[at:])


def _as(name: str) -> cst.AsName:
    return cst.AsName(cst.Name(name), whitespace_before_as=cst.SimpleWhitespace(" "))


def _imported(tree: Tree, node: cst.Import | cst.ImportFrom) -> list[str]:
    if isinstance(node, cst.Import):
        return [tree.code(alias.name) for alias in node.names]
    return [tree.code(node.module)] if node.module and not node.relative else []


def _aliases(node: cst.ImportFrom) -> Sequence[cst.ImportAlias]:
    return [] if isinstance(node.names, cst.ImportStar) else node.names


def _without(call: cst.Call, name: str) -> cst.Call:
    return call.with_changes(args=without(call.args, filter(None, [keyword(call, name)])))


def _is(node: cst.BaseExpression, code: str) -> bool:
    """Whether an expression is this literal."""
    wanted = expression(code)
    if (text := literal(wanted)) is not None:
        return literal(node) == text
    return node.deep_equals(wanted)
