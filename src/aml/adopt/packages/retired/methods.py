"""Methods that objects have no more, or that do something else."""

import libcst as cst

from aml.adopt.packages.retired.tables import METHODS
from aml.adopt.packages.retired.work import Work, drop, equals
from aml.adopt.python.syntax import expression, keyword, literal, quoted

FILLED = {"ffill": "ffill", "pad": "ffill", "bfill": "bfill", "backfill": "bfill"}
# Methods of a column that give a column as long, for `table["a"].fillna(0, inplace=True)`.
IN_PLACE = ("bfill", "clip", "ffill", "fillna", "interpolate", "mask", "replace", "where")
VECTORIZERS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer", "DictVectorizer")


def method(work: Work, node: cst.Attribute) -> None:
    """Rename an attribute of an object, or say that it is gone."""
    parent, name = work.tree.parents[node], node.attr.value
    call = parent if isinstance(parent, cst.Call) and parent.func is node else None
    if work.tree.qualified(node):
        return
    if call and name in SPECIAL:
        SPECIAL[name](work, call)
    if call and name in IN_PLACE and "pandas" in work.roots:
        _in_place(work, call, node.value)
    for row in (*METHODS.get(f".{name}", ()), *METHODS.get(f"DataFrame.{name}", ())):
        frame = row.name.startswith("DataFrame")
        if (row.inside is not None and call is None) or (row.inside == "" and call and call.args):
            continue
        if frame and not ("pandas" in work.roots and work.frames.has(node.value)):
            continue
        if not frame and (name in work.tree.functions or not work.roots & {*row.roots}):
            continue
        if row.advice:
            work.decide(node, f".{name}", row)
        elif call and work.holds(row.needs):
            work.method(call, row.new, f"{row.gone} has the old name no more")
        return


def _feature_names(work: Work, call: cst.Call) -> None:
    """Get the names as a list, as they were."""
    func, gone = cst.ensure_type(call.func, cst.Attribute), "scikit-learn 1.2"
    made = work.made(func.value)
    if "sklearn" not in work.roots or "get_feature_names" in work.tree.functions:
        return
    if made.startswith("sklearn") and made.endswith(VECTORIZERS) and not call.args:
        work.edit(func, lambda old: old.with_changes(attr=cst.Name("get_feature_names_out")))
        work.edit(call, lambda new: expression("list(CALL)", CALL=new))
        work.renamed(call, ".get_feature_names()", "list(... .get_feature_names_out())", gone)
    elif work.holds("scikit-learn>=1.2"):
        work.note("decide", call, f"get_feature_names is gone since {gone}: write get_feature_names_out, "
                  "which gives an array")  # fmt: skip


def _fillna(work: Work, call: cst.Call) -> None:
    """`fillna(method="pad")` is `ffill()`."""
    arg = keyword(call, "method")
    how = (literal(arg.value) if arg else None) or ""
    plain = [one for one in call.args if not one.keyword]
    if (
        "pandas" not in work.roots
        or how not in FILLED
        or plain
        or keyword(call, "value")
        or "fillna" in work.tree.functions
    ):
        return
    work.edit(call, drop("method"))
    work.method(call, FILLED[how], f"pandas 3.0 has method={how} no more")


def _numeric(work: Work, call: cst.Call) -> None:
    """Of a table that pandas read, all its columns with it, take the numbers only."""
    func = cst.ensure_type(call.func, cst.Attribute)
    reads = (
        isinstance(one, cst.Call) and work.meant(one.func).startswith("pandas.read_") for one in work.values(func.value)
    )
    if call.args or not work.holds("pandas>=2") or not any(reads):
        return
    name = func.attr.value
    arg = cst.ensure_type(expression("f(numeric_only=True)"), cst.Call).args[0]
    work.edit(call, lambda new: new.with_changes(args=[arg]))
    work.note("changed", call, f".{name}() -> .{name}(numeric_only=True), as it was before pandas 2.0")


def _in_place(work: Work, call: cst.Call, column: cst.BaseExpression) -> None:
    """`table["a"].fillna(0, inplace=True)` changes a copy since pandas 3.0."""
    arg, statement = keyword(call, "inplace"), work.tree.parents[call]
    if not arg or not equals(arg.value, "True") or not isinstance(statement, cst.Expr) or not work.holds("pandas>=3"):
        return
    match column:
        case cst.Subscript(
            value=cst.Name() | cst.Attribute(), slice=[cst.SubscriptElement(slice=cst.Index(value=index))]
        ) if not isinstance(index, cst.List):
            target: cst.BaseExpression = column
        case cst.Attribute(value=table, attr=cst.Name(value=name)) if work.frames.has(column):
            target = expression(f"TABLE[{quoted(name).value}]", TABLE=table)
        case _:
            return
    work.edit(call, drop("inplace"))
    work.edit(statement, lambda old: cst.Assign([cst.AssignTarget(target)], old.value, semicolon=old.semicolon))  # type: ignore[arg-type]
    work.note("changed", call, f"{work.short(call)} -> {work.tree.code(target)} = ...: "
              "pandas 3.0 changes a copy there")  # fmt: skip


SPECIAL = {"get_feature_names": _feature_names, "fillna": _fillna, "corr": _numeric, "cov": _numeric}
