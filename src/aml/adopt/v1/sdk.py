"""Calls of the retired SDK (azureml-core, v1) in training code become MLflow calls and options of the script.

A job, on this machine or on the cluster, leads MLflow into its run by environment variables, so that MLflow's fluent
functions do what the methods of v1's Run did. Where MLflow has no single function, a short one with v1's own
signature is added to the code. names.py says of what kind an expression is; a handler of that kind rewrites it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import libcst as cst

from aml.adopt import DataInput, Note
from aml.adopt.python.edits import GONE, Sweep
from aml.adopt.python.syntax import Tree, expression, nodes_in
from aml.adopt.v1 import datasets, runs
from aml.adopt.v1.finish import RUN, finish
from aml.adopt.v1.names import RUNS, asks
from aml.adopt.v1.uploads import Upload
from aml.adopt.v1.work import NOTHING, THE_RUN, Call, Expression, Work

Handler = Callable[[Work, Call], Expression]


@dataclass
class Rewritten:
    """A module without v1, what was done to it, and the data that it now gets by options."""

    text: str
    notes: list[Note]
    inputs: list[DataInput]
    model: str | None = None  # the name that the code registered the model by, as v2 takes it


def rewrite(
    text: str,
    file: str,
    is_entry: bool,
    locate: Callable[[str], Path | None] | None = None,
    together: Upload | None = None,
) -> Rewritten:
    """The text of a module with its v1 calls turned into MLflow and options; what does not parse stays as it is.

    `locate` finds the file or folder that a path in the code means. `together`: the files that v1 registered as one
    dataset.
    """
    try:
        tree = Tree(text)
    except (SyntaxError, ValueError, cst.ParserSyntaxError):
        return Rewritten(text, [], [])
    work = Work(tree, file, is_entry, locate or (lambda _: None), together)
    datasets.declare(work)
    module = finish(work, tree.module.visit(_Rewrite(work)).visit(Sweep()))
    work.notes.sort(key=lambda note: int(note.where.rpartition(":")[2]))
    if module.code == tree.module.code:
        return Rewritten(text, work.notes, [])
    return Rewritten(tree.text_of(module), work.notes, work.inputs, work.model)


def _the_run(work: Work, call: Call) -> Expression:
    if call.name == "Run":
        return call.updated
    work.note("changed", call.original, f"{call.name}() -> MLflow, which finds the job's run by itself")
    return THE_RUN


def _secret(work: Work, call: Call) -> Expression:
    return work.secret(call) if call.name == "get_secret" else work.lost(call.original, call.updated)


def _from_inputs(work: Work, call: Call) -> Expression:
    if call.name == "get":
        return datasets.varies(work, call.original, call.updated)
    return work.lost(call.original, call.updated)


# By the kind of what is made: by anything; by a class or class method of v1; by a method of one of its objects.
ABSENT: dict[str, Handler] = dict.fromkeys(
    ("workspace", "experiment", "datastore", "keyvault", "sign-in"), lambda *_: NOTHING
)
CLASSES: dict[str, Handler] = {
    **ABSENT,
    "run": _the_run,
    "model": runs.registers,
    **dict.fromkeys(("dataset", "path"), datasets.made),
}
MADE: dict[str, Handler] = {**ABSENT, "model": runs.registers, "started": runs.starts}
# By the kind of the object whose method it is.
METHODS: dict[str, Handler] = {
    "dataset": datasets.method,
    "inputs": _from_inputs,
    "keyvault": _secret,
    "path": lambda _, call: call.updated,  # of a text, as it was
    **dict.fromkeys(RUNS, runs.method),
}


class _Rewrite(cst.CSTTransformer):
    """Finds what is of v1, and has it rewritten."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work, self.tree, self.v1 = work, work.tree, work.v1

    def leave_SimpleString(self, original_node: cst.SimpleString, updated_node: cst.SimpleString) -> Expression:
        options = self.work.options
        if original_node not in self.work.stand_ins:
            return updated_node
        text = f"{original_node.value}, read outside a job -> the same option"
        self.work.note("changed", original_node, f"{text} {options.flags[options.uses[original_node]]}")
        return options.expression(original_node)

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> Expression:
        """What was done only with a parent run is done: there is the job's own run for it."""
        tested, test = self.v1.of(original_node.test), updated_node.test
        if not tested or tested.kind != "parent" or not isinstance(test, cst.Name) or test.value != THE_RUN.value:
            return updated_node
        body = updated_node.body
        return body.with_changes(lpar=[*updated_node.lpar, *body.lpar], rpar=[*body.rpar, *updated_node.rpar])

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> Expression:
        if original_node in self.work.datasets:
            return self.work.options.expression(original_node)
        is_data = self.v1.of(original_node) is not None
        return datasets.varies(self.work, original_node, updated_node) if is_data else updated_node

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> Expression:
        return self._offline(original_node) or updated_node

    def _offline(self, node: cst.CSTNode) -> Expression | None:
        """What stands for a check for an offline run, such as "OfflineRun" in run.id."""
        if not (asked := asks(self.v1, node)):
            return None
        self.work.need("import os")
        text = "the check for an offline run asks for MLFLOW_EXPERIMENT_ID, which every job has"
        self.work.note("changed", node, text)
        return expression(f'("MLFLOW_EXPERIMENT_ID" {"not in" if asked == "offline" else "in"} os.environ)')

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> Expression:
        return self._class(original_node, updated_node)

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> Expression:
        parent, name = self.tree.parents[original_node], original_node.attr.value
        called = isinstance(parent, cst.Call) and parent.func is original_node
        if called or isinstance(parent, cst.AssignTarget) or self._is_import(original_node):
            return updated_node
        base, value = self.v1.of(original_node.value), self.v1.of(original_node)
        if base is None or (value and name in self.v1.attributes):
            return self._class(original_node, updated_node)
        if base.kind == "experiment" and name == "name":
            self.work.note("changed", original_node, "the experiment's name comes from MLflow")
            return expression(f"mlflow.get_experiment(({RUN}).info.experiment_id).name")
        if base.kind in RUNS:
            return runs.attribute(self.work, original_node, updated_node)
        if base.kind == "path":
            return updated_node  # of a text, as it was
        return NOTHING if value else self.work.lost(original_node, updated_node)

    def _is_import(self, node: cst.CSTNode) -> bool:
        return self.tree.around(node, cst.Import, cst.ImportFrom) is not None

    def _class(self, original: cst.Name | cst.Attribute, updated: Expression) -> Expression:
        """A class of v1 where only its existence or its being a type matters."""
        parent, name = self.tree.parents.get(original), self.v1.static(original)
        if not name or isinstance(parent, cst.Attribute) or self._is_import(original):
            return updated
        if name == "VERSION":
            return self.work.lost(original, updated)
        if not name.lstrip("_")[:1].isupper():
            return updated
        if self.tree.around(original, cst.Annotation):
            return expression("mlflow.ActiveRun" if name == "Run" else "object")
        handler = self.tree.around(original, cst.ExceptHandler)
        if handler and handler.type and original in {handler.type, *nodes_in(handler.type)}:
            self.work.note("changed", original, f"{name} -> mlflow.MlflowException")
            return expression("mlflow.MlflowException")
        none = isinstance(parent, cst.Comparison) and "None" in self.tree.code(parent)
        tested = isinstance(parent, cst.If | cst.BooleanOperation | cst.UnaryOperation) or none
        return cst.Name("mlflow") if tested else updated

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> Expression:
        if original_node in self.work.datasets:
            return self.work.options.expression(original_node)
        if checked := self._offline(original_node):
            return checked
        made, func = self.v1.of(original_node), original_node.func
        kind = made.kind if made else ""
        if name := self.v1.static(func):
            if name == "RunDetails" and (statement := self.tree.around(original_node, cst.Expr)):
                self.work.shown_only.add(statement)
            call = Call(original_node, updated_node, name)
            return CLASSES[kind](self.work, call) if kind in CLASSES else updated_node
        owner = self.v1.of(func.value) if isinstance(func, cst.Attribute) else None
        if not owner or not isinstance(func, cst.Attribute) or func.attr.value in self.v1.attributes:
            return updated_node
        call = Call(original_node, updated_node, func.attr.value, owner)
        handler = MADE.get(kind) or METHODS.get(owner.kind)
        return handler(self.work, call) if handler else self.work.lost(original_node, updated_node)

    def leave_Expr(self, original_node: cst.Expr, updated_node: cst.Expr) -> cst.Expr:
        value = updated_node.value
        alone = isinstance(value, cst.Name) and value.value in (THE_RUN.value, NOTHING.value)
        is_name = isinstance(original_node.value, cst.Name) and self.v1.of(original_node.value) is not None
        only = is_name or original_node in self.work.shown_only
        if only:
            self.work.note("changed", original_node, "a line that shows only what v1 had is taken out")
        return updated_node.with_changes(value=GONE) if alone or only else updated_node
