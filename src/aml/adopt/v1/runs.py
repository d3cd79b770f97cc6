"""Runs of SDK v1: what each of their methods and attributes becomes with MLflow."""

import re
from collections.abc import Callable
from typing import NamedTuple

import libcst as cst

from aml.adopt import model_name
from aml.adopt.python.edits import GONE, TIGHT, without
from aml.adopt.python.syntax import Tree, arguments, expression, keyword, method_of, quoted
from aml.adopt.v1.names import asks
from aml.adopt.v1.work import NOTHING, THE_RUN, Call, Expression, Work

Handler = Callable[[Work, Call], Expression | None]  # None: * or ** hides what it needs
Kind = Callable[[Tree, Expression, int], bool]  # whether an expression is of a kind, its variables followed so often
# What attributes, and methods that get them, are in MLflow's terms; RUN stands for the run.
ATTRIBUTES = {
    "id": "RUN.info.run_id",
    "_run_id": "RUN.info.run_id",
    "name": "RUN.info.run_name",
    "display_name": "RUN.info.run_name",
    "status": "RUN.info.status",
    "tags": "mlflow.get_run(RUN.info.run_id).data.tags",
    "properties": "mlflow.get_run(RUN.info.run_id).data.tags",
    "metrics": "mlflow.get_run(RUN.info.run_id).data.metrics",
    "portal_url": "mlflow.get_tracking_uri()",
}
NUMERIC_CALLS = ("float", "int", "len", "round", "time.time", "time.perf_counter")
PYPLOT = ("matplotlib.pyplot", "pylab", "matplotlib.pylab")


def attribute(work: Work, original: cst.Attribute, updated: cst.Attribute) -> Expression:
    """An attribute of a run."""
    name, parent = original.attr.value, work.tree.parents[original]
    if name == "parent" and not work.tree.around(original, cst.While):
        return THE_RUN  # what is meant for the parent goes to the job's own run
    if name in ("parent", "experiment", "input_datasets"):
        named = (
            isinstance(parent, cst.Subscript | cst.Assign)
            or getattr(getattr(parent, "attr", None), "value", "") == "get"
        )
        if name == "input_datasets" and not named:
            text = "run.input_datasets as a whole: write run.input_datasets['NAME'] for each one"
            work.note("blocked", original, text)
        return NOTHING
    if (test := work.tree.around(original, cst.Comparison, cst.Call)) and asks(work.v1, test):
        return updated  # another test takes the place of all of it
    if name in ("log", "log_list", "log_table"):
        work.note("changed", original, f"run.{name} -> {work.helpers['log_value']}")
        return cst.Name(work.helpers["log_value"])
    if name not in ATTRIBUTES:
        return work.lost(original, updated)
    work.note("changed", original, f"run.{name} -> {ATTRIBUTES[name].replace('RUN', 'run')}")
    return _filled(name, updated.value)


def _filled(name: str, run: Expression) -> Expression:
    nothing = isinstance(run, cst.Name) and run.value == NOTHING.value
    return expression(ATTRIBUTES[name], RUN=THE_RUN if nothing else run)


def method(work: Work, call: Call) -> Expression:
    """A method of a run."""
    name = call.name
    assert call.owner
    if call.owner.kind == "parent":
        work.note("decide", call.original, f"run.parent.{name}: the job has no parent, so this goes to its own run")
    wanted = name.removeprefix("get_")
    if name != wanted and wanted in ATTRIBUTES:
        work.note("changed", call.original, f"run.{name}() -> {ATTRIBUTES[wanted].replace('RUN', 'run')}")
        return _filled(wanted, call.receiver)
    if name not in METHODS:
        return work.lost(call.original, call.updated)
    signature, handler = METHODS[name]
    new = handler(work, call._replace(bound=arguments(call.original, signature)))
    if new is None:
        work.note("blocked", call.original, f"run.{name} with * or **: write its arguments out")
        return call.updated
    if new is call.updated:
        return new  # the handler has said why
    shown = cst.Module([]).code_for_node(new.func if isinstance(new, cst.Call) else new)
    taken_out = shown in (GONE.value, "None")
    work.note("changed", call.original, f"run.{name} -> {'taken out: MLflow does it' if taken_out else shown}")
    return new


# Handlers of methods


def _renamed(function: str, **names: str) -> Handler:
    """The handler that calls another function with these arguments, by these names, in the layout that they had."""

    def handler(work: Work, call: Call) -> Expression | None:
        func = expression(work.helpers.get(function, function))
        if call.bound is None and all(old == new for old, new in names.items()):
            return call.updated.with_changes(func=func)
        if not call.has(*(name for name in names if name != "step")):
            return None
        return call.updated.with_changes(func=func, args=call.args(names))

    return handler


def _written(code: str, *names: str) -> Handler:
    """The handler that writes code in which these arguments stand in capitals, and FILE for the name of a JSON file."""

    def handler(work: Work, call: Call) -> Expression | None:
        if not call.has(*names):
            return None
        parts = {name.upper(): call.new(name) for name in names}
        return expression(code, **parts, **({"FILE": _file(work, call, ".json")} if "FILE" in code else {}))

    return handler


_log_value = _renamed("log_value", name="name", value="value", step="step")
_log_metric = _renamed("mlflow.log_metric", name="key", value="value", step="step")
_set_tag = _renamed("mlflow.set_tag", name="key", value="value")
_log_file = _renamed("log_file", name="name", path_or_stream="path_or_stream")


def _log(work: Work, call: Call) -> Expression | None:
    name = work.tree.constant(given) if (given := call.given("name")) else None
    if name is not None and re.fullmatch(r"[\w -][\w. -]*(/[\w -][\w. -]*)*", name):
        if _always(work.tree, call.given("value"), _is_number):
            return _log_metric(work, call)
        if _always(work.tree, call.given("value"), _is_text):
            return _set_tag(work, call)
    return _log_value(work, call)


def _log_row(work: Work, call: Call) -> Expression | None:
    """Columns become a mapping: dict(x=1), in the layout that the arguments had."""
    args = call.updated.args
    plain = [arg for arg in args if not arg.keyword and arg.star != "**"]
    first = keyword(call.updated, "name") or next(iter(plain), None)
    if any(arg.star for arg in plain) or first is None:
        return None
    named = [arg for arg in args if arg.keyword and arg.keyword.value in ("name", "description")]
    row = cst.Call(cst.Name("dict"), without(args, [*plain, *named]))
    return cst.Call(cst.Name(work.helpers["log_value"]), [cst.Arg(first.value), cst.Arg(row)])


def _file(work: Work, call: Call, ending: str) -> Expression:
    """The name of an artifact's file."""
    given = call.given("name")
    if given and (text := work.tree.constant(given)) is not None:
        return quoted(re.sub(r"[^\w./ -]", "_", text) + ending, given)
    plain = isinstance(given, cst.Name | cst.Attribute)  # within an f-string, others may end it
    return expression(f'f"{{NAME}}{ending}"' if plain else f'str(NAME) + "{ending}"', NAME=call.new("name"))


def _log_image(work: Work, call: Call) -> Expression | None:
    path, plot = call.given("path"), call.given("plot")
    if path and work.tree.code(path) != "None":
        return expression("mlflow.log_artifact(PATH)", PATH=call.new("path"))
    if plot is None or not call.has("name"):
        return None
    figure = "PLOT.gcf()" if work.tree.qualified(plot) in PYPLOT else "PLOT"
    return expression(f"mlflow.log_figure({figure}, FILE)", PLOT=call.new("plot"), FILE=_file(work, call, ".png"))


def _upload_file(work: Work, call: Call) -> Expression | None:
    if not call.has("name", "path_or_stream"):
        return None
    given = [call.given("name"), call.given("path_or_stream")]
    name, path = ((work.tree.constant(one) or "").replace("\\", "/") if one else "" for one in given)
    if not name or not path or name.rpartition("/")[2] != path.rpartition("/")[2]:
        return _log_file(work, call)
    folder = name.strip("/").rpartition("/")[0].removeprefix("./")
    place = f", {quoted(folder).value}" if folder and folder != "." else ""
    return expression(f"mlflow.log_artifact(PATH{place})", PATH=call.new("path_or_stream"))


def _tag(_: Work, call: Call) -> Expression:
    args = list(call.updated.args)
    if call.bound is not None and "value" not in call.bound:
        args.append(cst.Arg(quoted(""), keyword=cst.Name("value"), equal=TIGHT))
    return call.updated.with_changes(func=expression("mlflow.set_tag"), args=args)


def _fail(work: Work, call: Call) -> Expression:
    work.note("decide", call.original, "run.fail: a job fails when its script does: raise, or sys.exit(1), after it")
    return expression('mlflow.end_run("FAILED")')


def _child_run(work: Work, call: Call) -> Expression | None:
    if call.bound is None:
        return None
    work.keep_run = True
    if not isinstance(work.tree.parents[call.original], cst.WithItem):
        what = "until the child run's complete(), what the parent run logs goes to the child"
        fix = "put `with mlflow.start_run(nested=True):` around what is the child's"
        work.note("decide", call.original, f"{what}: {fix}")
    if not call.has("name"):
        return expression("mlflow.start_run(nested=True)")
    return expression("mlflow.start_run(run_name=NAME, nested=True)", NAME=call.new("name"))


def _taken_out(work: Work, call: Call) -> Expression:
    return work.gone(call.original, cst.Name("None"))


def _complete(work: Work, call: Call) -> Expression:
    own = call.owner and call.owner.kind in ("child", "started")
    return expression("mlflow.end_run()") if own else _taken_out(work, call)


def registers(work: Work, call: Call) -> Expression:
    """Registering a model, which the template does after the run."""
    place = 2 if work.v1.static(call.original.func) else 0
    plain = [arg for arg in call.original.args if not arg.keyword and not arg.star]
    given = keyword(call.original, "model_name") or next(iter(plain[place:]), None)
    name = model_name(work.tree.constant(given.value) or "") if given else ""
    work.model = work.model or name or None
    option = f" -n {name}" if name else ""
    work.note("changed", call.original, f"registering is taken out: aml register-model{option} does it after the run")
    return work.gone(call.original, NOTHING)


def starts(work: Work, call: Call) -> Expression:
    """Experiment.start_logging()."""
    if work.tree.around(call.original, cst.For, cst.While):
        what = "the first start_logging() is the job's run, the next ones are runs of their own"
        text = f"{what}: mlflow.start_run(nested=True) would put them below the job's"
        work.note("decide", call.original, text)
    work.note("changed", call.original, "start_logging() -> MLflow's run")
    return THE_RUN


class Method(NamedTuple):
    signature: tuple[str, ...]  # from azureml/core/run.py of azureml-core 1.61.0.post4
    handler: Handler


METHODS = {
    "log": Method(("name", "value", "description", "step"), _log),
    "log_row": Method(("name", "description"), _log_row),
    "log_image": Method(("name", "path", "plot", "description"), _log_image),
    "upload_file": Method(("name", "path_or_stream", "datastore_name"), _upload_file),
    "upload_files": Method(
        ("names", "paths", "return_artifacts", "timeout_seconds", "datastore_name"),
        _renamed("log_file", names="name", paths="path_or_stream"),
    ),
    "get_secret": Method(("name",), Work.secret),
    "upload_folder": Method(
        ("name", "path", "datastore_name"), _written("mlflow.log_artifacts(PATH, NAME)", "path", "name")
    ),
    "tag": Method(("key", "value"), _tag),
    "set_tags": Method(("tags",), _renamed("mlflow.set_tags", tags="tags")),
    "add_properties": Method(("properties",), _renamed("mlflow.set_tags", properties="tags")),
    "fail": Method(("error_details", "error_code"), _fail),
    "child_run": Method(("name", "run_id", "outputs"), _child_run),
    "complete": Method((), _complete),
    **dict.fromkeys(("flush", "start", "wait_for_completion"), Method((), _taken_out)),
    **dict.fromkeys(
        ("log_list", "log_table"),
        Method(("name", "value", "description"), _renamed("log_value", name="name", value="value")),
    ),
    **dict.fromkeys(  # what Azure Machine Learning's studio drew by itself
        ("log_accuracy_table", "log_confusion_matrix", "log_predictions", "log_residuals"),
        Method(("name", "value", "description"), _written("mlflow.log_dict(VALUE, FILE)", "name", "value")),
    ),
}


# What is logged


def _always(tree: Tree, node: Expression | None, is_kind: Kind, depth: int = 5) -> bool:
    """Whether an expression, or all that a variable may be, is certainly of a kind."""
    if isinstance(node, cst.Name) and depth and (key := tree.key(node)):
        values = tree.bindings.get(key, [])
        return bool(values) and all(_always(tree, value, is_kind, depth - 1) for value in values)
    return node is not None and is_kind(tree, node, depth)


def _is_number(tree: Tree, node: Expression, depth: int) -> bool:
    """Whether an expression is one number."""
    if isinstance(node, cst.UnaryOperation):
        return not isinstance(node.operator, cst.Not) and _always(tree, node.expression, _is_number, depth)
    if isinstance(node, cst.BinaryOperation):
        return all(_always(tree, side, _is_number, depth) for side in (node.left, node.right))
    if not isinstance(node, cst.Call):
        return isinstance(node, cst.Integer | cst.Float)
    name = tree.qualified(node.func).removeprefix("builtins.")
    one = not any(arg.star for arg in node.args) and keyword(node, "average", "multioutput") is None
    metric = name.startswith("sklearn.metrics.") and name.endswith(("_score", "_error", "_loss"))
    return name in NUMERIC_CALLS or (one and metric)


def _is_text(tree: Tree, node: Expression, depth: int) -> bool:
    """Whether an expression is a text."""
    if isinstance(node, cst.BinaryOperation):
        return isinstance(node.operator, cst.Modulo | cst.Add) and _always(tree, node.left, _is_text, depth)
    if isinstance(node, cst.Call) and method_of(node) in ("format", "join"):
        return isinstance(node.func, cst.Attribute) and _always(tree, node.func.value, _is_text, depth)
    if isinstance(node, cst.Call):
        return tree.qualified(node.func) == "builtins.str"
    return isinstance(node, cst.SimpleString | cst.FormattedString | cst.ConcatenatedString)
