"""Arguments that calls take no more, or otherwise, and calls that need more than another name."""

import re
from collections.abc import Callable, Iterator, Mapping

import libcst as cst

from aml.adopt.packages.retired.tables import ARGUMENTS, POSITIONAL, Row
from aml.adopt.packages.retired.work import Work, become, drop, equals
from aml.adopt.python import syntax
from aml.adopt.python.edits import TIGHT
from aml.adopt.python.frames import NO_COLUMNS
from aml.adopt.python.syntax import expression, keyword, literal, method_of, quoted

# Where a search has the values that it tries.
SEARCHES = {
    "sklearn.model_selection.GridSearchCV": "param_grid",
    "sklearn.model_selection.RandomizedSearchCV": "param_distributions",
}
SCREENS = re.compile(r"(?i)(tk|qt[456]?|gtk[34]?|wx|macosx|webagg|nbagg|ipympl)(agg|cairo)?")


def _rows(work: Work, call: cst.Call, name: str, table: Mapping[str, list[Row]]) -> Iterator[Row]:
    """The rows for a function, or for a method of an object of a class that is known, of a frame, or of anything."""
    method = method_of(call)
    yield from table.get(name, ())
    if not isinstance(call.func, cst.Attribute):
        return
    if made := work.made(call.func.value):
        yield from table.get(f"{made}.{method}", ())
    if name or method in work.tree.functions:
        return
    yield from (row for row in table.get(f".{method}", ()) if work.roots & {*row.roots})
    if f"DataFrame.{method}" in table and "pandas" in work.roots and work.frames.has(call.func.value):
        yield from table[f"DataFrame.{method}"]


def arguments(work: Work, call: cst.Call) -> None:
    """Write arguments as they are called today, or take them out."""
    done: set[str] = set()
    for row in _rows(work, call, work.meant(call.func), ARGUMENTS):
        arg = keyword(call, row.keyword)
        if arg is None or row.keyword in done or (row.old and not equals(arg.value, row.old)):
            continue
        done.add(row.keyword)
        if work.holds(row.needs):
            _argument(work, call, arg, row)


def _argument(work: Work, call: cst.Call, arg: cst.Arg, row: Row) -> None:
    said = f"{row.keyword}={work.short(arg.value)}"
    if row.advice:
        work.decide(arg, said, row)
        return
    if not row.new:
        work.edit(call, drop(row.keyword))
        work.note("changed", arg, f"{said} is taken out, which {row.gone} has no more: it does the same without")
        return
    named, _, value = row.new.partition("=") if re.match(r"[a-z_]+=", row.new) else ("", "", row.new)
    if named and keyword(call, named):
        return  # both: an error, which is not ours
    if named:
        work.edit(arg, lambda old: old.with_changes(keyword=cst.Name(named)))
    if value:
        work.edit(arg, lambda old: old.with_changes(value=_like(value, old.value)))
    now = f"{named or row.keyword}={value or work.short(arg.value)}"
    work.note("changed", arg, f"{said} -> {now}: {row.gone} has the old one no more")


def _like(code: str, old: cst.BaseExpression) -> cst.BaseExpression:
    """An expression; a text has the quotation marks of the old one."""
    text = literal(expression(code))
    return expression(code) if text is None or code.startswith("r") else quoted(text, old)


def searched(work: Work, call: cst.Call) -> None:
    """Write the values that a search tries as they are called today."""
    name = work.meant(call.func)
    where = SEARCHES.get(name, "")
    given = syntax.arguments(call, ("estimator", where, *map(str, range(20)))) or {}
    if not where or not {"estimator", where} <= given.keys():
        return
    kind = work.made(given["estimator"].value)
    grid = given[where].value
    if len(values := work.values(grid)) == 1 and values[0]:
        grid = values[0]
    for one in [element.value for element in grid.elements] if isinstance(grid, cst.List) else [grid]:
        for element in one.elements if isinstance(one, cst.Dict) else ():
            if isinstance(element, cst.DictElement) and isinstance(element.value, cst.List | cst.Tuple):
                for value in element.value.elements:
                    _value(work, kind, literal(element.key) or "", value.value)


def _value(work: Work, kind: str, name: str, value: cst.BaseExpression) -> None:
    rows = (row for row in ARGUMENTS.get(kind, ()) if row.keyword == name and row.old and equals(value, row.old))
    row = next((row for row in rows if row.new and work.holds(row.needs)), None)
    if row:
        work.edit(value, lambda old: _like(row.new, old))
        work.note("changed", value, f"{name} {row.old} -> {row.new}: {row.gone} has the old one no more")
    elif name == "max_features" and equals(value, '"auto"') and work.holds("scikit-learn>=1.3"):
        advice = 'write "sqrt" for classifiers, 1.0 for regressors'
        work.note("decide", value, f'max_features "auto" is gone since scikit-learn 1.3: {advice}')


def positional(work: Work, call: cst.Call) -> None:
    """Name the arguments that have to be named."""
    name = work.meant(call.func)
    before = work.tree.qualified(call.func)
    moved = before.startswith("sklearn.cross_validation.")  # where the order was another one
    plain = [arg for arg in call.args if not arg.keyword]
    given = {arg.keyword.value for arg in call.args if arg.keyword}
    for row in _rows(work, call, before if moved else name, POSITIONAL):
        named = [*zip(row.order, plain, strict=False)][row.allowed :]
        if any(arg.star for arg in call.args) or len(plain) > len(row.order) or not named:
            continue
        if (
            name.startswith("seaborn.")
            and len(plain) == 1
            and "data" not in given
            and not _is_column(work, name, plain[0])
        ):
            continue  # the table, which comes first today
        if given & {word for word, _ in named} or not work.holds(row.needs):
            continue
        for word, arg in named:
            work.edit(arg, _with_name(word))
        words = ", ".join(f"{word}={work.short(arg.value)}" for word, arg in named)
        shown = work.short(call.func) if name else f".{method_of(call)}"
        work.note("changed", call, f"{shown}(...): {words}, which has to be named since {row.gone}")


def _with_name(word: str) -> Callable[[cst.Arg], cst.Arg]:
    return lambda arg: arg.with_changes(keyword=cst.Name(word), equal=TIGHT)


def _is_column(work: Work, name: str, arg: cst.Arg) -> bool:
    """Whether what seaborn counts is one column."""
    if name != "seaborn.countplot":
        return False
    match arg.value:
        case cst.Subscript(slice=[cst.SubscriptElement(slice=cst.Index(value=index))]):
            return literal(index) is not None
        case cst.Attribute(value=table, attr=cst.Name(value=column)):
            return column not in NO_COLUMNS and work.frames.has(table)
    return False


def special(work: Work, call: cst.Call) -> None:
    """Call the handler of a function."""
    if handler := SPECIAL.get(work.meant(call.func)):
        handler(work, call)


def _load_yaml(work: Work, call: cst.Call) -> None:
    """`yaml.load(file)` needs a Loader."""
    if len(call.args) != 1 or call.args[0].star:
        return
    new, why = work.meant(call.func).replace("load", "safe_load"), "PyYAML 6.0 needs a Loader"
    if isinstance(call.func, cst.Attribute):
        work.method(call, new.removeprefix("yaml."), why)
        return
    work.edit(call.func, lambda _: expression(new))
    work.imports.add("import yaml")
    work.note("changed", call, f"{work.short(call.func)} -> {new}: {why}")


def _use_screen(work: Work, call: cst.Call) -> None:
    """A job has no screen to draw on."""
    if call.args and SCREENS.fullmatch(literal(call.args[0].value) or ""):
        value = call.args[0].value
        work.edit(value, lambda old: quoted("Agg", old))
        work.note("changed", call, f"matplotlib.use({work.short(value)}) -> Agg: there is no screen")


def _use_style(work: Work, call: cst.Call) -> None:
    """Matplotlib 3.6 renamed the styles of seaborn."""
    first = call.args[0].value if call.args else None
    for node in [one.value for one in first.elements] if isinstance(first, cst.List | cst.Tuple) else [first]:
        text = literal(node) or ""
        if node and re.fullmatch(r"seaborn(-(?!v0)[a-z-]+)?", text):
            new = text.replace("seaborn", "seaborn-v0_8", 1)
            work.edit(node, become(quoted(new, node)))
            work.renamed(call, f"the style {text}", new, "matplotlib 3.8")


SPECIAL = {
    "yaml.load": _load_yaml,
    "yaml.load_all": _load_yaml,
    "matplotlib.use": _use_screen,
    "matplotlib.style.use": _use_style,
    "matplotlib.pyplot.style.use": _use_style,
    "matplotlib.pyplot.style.context": _use_style,
}
