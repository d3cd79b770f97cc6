"""Imports of what is called otherwise today, and the uses of it."""

import builtins
from typing import NamedTuple

import libcst as cst
from libcst.metadata import BuiltinAssignment, ImportAssignment

from aml.adopt.packages.retired.tables import DECIDE, PRIVATE_MODULES, PUBLIC, RENAMED, beginnings, today
from aml.adopt.packages.retired.work import Work, become
from aml.adopt.python.syntax import expression


class _Place(NamedTuple):
    """Where a name is imported from: "import" for a module by itself, "" for nowhere."""

    module: str
    alias: cst.ImportAlias | None
    use: str = ""  # what to write for it where it is used, when that changes


def imported_from(work: Work, node: cst.ImportFrom) -> None:
    """Import each name from where it is today."""
    module = work.tree.code(node.module) if node.module and not node.relative else ""
    if not module:
        return
    if isinstance(node.names, cst.ImportStar):
        _star(work, node, module)
        return
    places: dict[str, dict[tuple[str, str | None], cst.ImportAlias]] = {}
    told: dict[str, tuple[str, str]] = {}  # what it is now -> what it was, and the release
    for alias in node.names:
        old = f"{module}.{alias.evaluated_name}"
        new, gone = today(old)
        _decide(work, alias, old, module)
        place = _Place(module, alias) if new == old else _place(work, new, alias)
        if place is None:
            work.note("decide", alias, f"{old} is gone since {gone}: write {new}")
            place = _Place(module, alias)
        elif new != old:
            told[new] = old, gone
            if place.use:
                work.uses[old, alias.evaluated_alias or alias.evaluated_name] = place.use
        if made := place.alias:
            places.setdefault(place.module, {}).setdefault((made.evaluated_name, made.evaluated_alias), made)
    if not told:
        return
    moved = {new.rpartition(".")[0] for new in told}
    if len(told) > 1 and len(moved) == 1 and moved != {""} and module not in places:
        told = {moved.pop(): (module, next(iter(told.values()))[1])}
    for new, (old, gone) in told.items():
        work.renamed(node, old, new, gone)
    _split(work, node, {target: [*aliases.values()] for target, aliases in places.items()})


def _star(work: Work, node: cst.ImportFrom, module: str) -> None:
    row = RENAMED.get(module)
    if row and node.module:
        work.edit(node.module, become(expression(row.new)))
        work.renamed(node, module, row.new, row.gone)
    else:
        _decide(work, node, module, "")


def _place(work: Work, new: str, alias: cst.ImportAlias) -> _Place | None:
    """Where a name is imported from today; None when the name that it needs is taken."""
    local = alias.evaluated_alias or alias.evaluated_name
    if hasattr(builtins, new):
        return _Place("", None, "" if local == new else new) if _is_builtin(work, new) else None
    module, rest = _parts(new)
    first = rest.split(".")[0]
    free = _is_free(work, first) and _is_bound_once(work, local)
    plain = alias.with_changes(name=cst.Name(first), asname=None)
    if rest != first:  # a method of a class
        return _Place(module, plain, rest) if free else None
    use = first if module and free and not alias.asname and local != first else ""
    named = plain if use or local == first else plain.with_changes(asname=cst.AsName(cst.Name(local)))
    return _Place(module or "import", named, use)


def _is_free(work: Work, name: str) -> bool:
    """Whether the module has nothing else of this name."""
    tree = work.tree
    return name not in work.used or all(
        tree.qualified(node).endswith(f".{name}") for node in tree.all(cst.Name)
        if node.value == name and not isinstance(tree.parents[node], cst.Attribute | cst.Arg)
        and not tree.around(node, cst.Import, cst.ImportFrom)
    )  # fmt: skip


def _is_builtin(work: Work, name: str) -> bool:
    """Whether a built-in name has no other meaning anywhere in the module, but as what is called so today."""
    return all(
        isinstance(one, BuiltinAssignment)
        or (
            isinstance(one, ImportAssignment)
            and {today(full.name)[0] for full in one.get_qualified_names_for(name)} == {name}
        )
        for one in _assignments(work, name)
    )


def _is_bound_once(work: Work, name: str) -> bool:
    return len(_assignments(work, name)) == 1


def _assignments(work: Work, name: str) -> list[object]:
    scopes = {scope for scope in work.tree.scopes.values() if scope}
    return [one for scope in scopes for one in scope.assignments if one.name == name]


def _split(work: Work, node: cst.ImportFrom, places: dict[str, list[cst.ImportAlias]]) -> None:
    """Let an import become one for each module that its names come from now."""
    kept = {module: aliases for module, aliases in places.items() if module}
    if len(kept) == 1 and "import" not in kept and sum(map(len, kept.values())) == len([*node.names]):  # type: ignore[misc]
        [(target, aliases)] = kept.items()
        work.edit(node, lambda new: new.with_changes(module=expression(target), names=aliases))
        return
    statements: list[cst.BaseSmallStatement] = []
    for target, aliases in kept.items():
        apart = [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in aliases]
        if target == "import":
            statements += [cst.Import([alias]) for alias in apart]
        else:
            module = cst.ensure_type(expression(target), cst.Attribute | cst.Name)  # type: ignore[arg-type]
            statements.append(cst.ImportFrom(module, apart))
    line = work.tree.parents[node]
    if not statements:
        work.edit(node, lambda new: cst.Pass(semicolon=new.semicolon))
    elif isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
        work.edit(line, lambda new: _lines(new, statements))
    else:
        work.edit(
            node,
            lambda new: cst.FlattenSentinel([*statements[:-1], statements[-1].with_changes(semicolon=new.semicolon)]),
        )


def _lines(
    old: cst.SimpleStatementLine, statements: list[cst.BaseSmallStatement]
) -> cst.FlattenSentinel[cst.SimpleStatementLine]:
    """Each statement on a line, with what stood around the old one."""
    made = [cst.SimpleStatementLine([statement]) for statement in statements]
    made[0] = made[0].with_changes(leading_lines=old.leading_lines)
    made[-1] = made[-1].with_changes(trailing_whitespace=old.trailing_whitespace)
    return cst.FlattenSentinel(made)


def imported(work: Work, node: cst.Import) -> None:
    """Import each module by today's name."""
    for alias in node.names:
        name = alias.evaluated_name
        new, gone = today(name)
        if new != name:
            work.edit(alias.name, become(expression(new)))
            work.renamed(node, name, new, gone)
        elif name in PRIVATE_MODULES and not alias.asname and _uses_public_names(work, name):
            work.edit(alias.name, become(expression(name.rpartition(".")[0])))
        else:
            _decide(work, alias, name, "")


def _uses_public_names(work: Work, module: str) -> bool:
    uses = {work.tree.qualified(one) for one in work.tree.all(cst.Attribute)}
    return all(one in PUBLIC for one in uses if one.startswith(f"{module}."))


def _decide(work: Work, node: cst.CSTNode, name: str, module: str) -> None:
    """Note a name of the table, and what lies in a module of it."""
    if found := next((old for old in beginnings(name) if old in DECIDE), None):
        work.decide(node, found, DECIDE[found])
    elif module in PRIVATE_MODULES and name not in PUBLIC and name not in RENAMED:
        package, _, last = module.rpartition(".")
        inner = f"{package}._{last.strip('_')}"
        work.note("decide", node, f"{name} is gone: it may be in {inner}, which is private and changes")
    elif name in PRIVATE_MODULES:
        package = name.rpartition(".")[0]
        work.note("decide", node, f"{name} is gone: import what is used from {package} itself")


def used(work: Work, node: cst.Attribute | cst.Name) -> None:
    """Rename a use: an attribute of an imported module, or a name that its import calls otherwise now."""
    tree, parent = work.tree, work.tree.parents.get(node)
    if isinstance(parent, cst.Attribute | cst.Arg) and node is not parent.value:
        return
    if tree.around(node, cst.Import, cst.ImportFrom) or not (full := tree.qualified(node)):
        return
    if isinstance(node, cst.Name):
        if use := work.uses.get((full, node.value)):
            work.edit(node, become(expression(use)))
        return
    new, gone = today(full)
    if full in DECIDE:
        work.decide(node, full, DECIDE[full])
    if new == full or f"{work.meant(node.value)}.{node.attr.value}" == new:
        return  # it stays, or what it is an attribute of is renamed
    if hasattr(builtins, new) and not _is_builtin(work, new):
        work.note("decide", node, f"{full} is gone since {gone}: write {new}")
        return
    made = _path(work, node, new)
    work.edit(node, become(made))
    work.renamed(node, work.short(node), tree.code(made), gone)


def _path(work: Work, node: cst.Attribute, new: str) -> cst.BaseExpression:
    """An expression for a full name, from what the module has imported."""
    if hasattr(builtins, new):
        return cst.Name(new)
    module = _parts(new)[0]
    base = node.value
    while True:
        known = work.tree.qualified(base)
        if known and new.startswith(f"{known}."):
            if module != known and module.split(".")[0] != "pandas" and not known.startswith("matplotlib"):
                work.imports.add(f"import {module}")
            return expression(f"BASE{new.removeprefix(known)}", BASE=base)
        if not isinstance(base, cst.Attribute):
            break
        base = base.value
    module = module or new
    for alias in (alias for one in work.tree.all(cst.Import) for alias in one.names):
        if alias.evaluated_name == module:
            return expression((alias.evaluated_alias or module) + new.removeprefix(module))
    work.imports.add(f"import {module}")
    return expression(new)


def _parts(full: str) -> tuple[str, str]:
    """The module of a full name, and the rest: a class and its method count as the rest."""
    words = full.split(".")
    at = next((at for at, word in enumerate(words) if word[:1].isupper()), len(words) - 1)
    return ".".join(words[:at]), ".".join(words[at:])
