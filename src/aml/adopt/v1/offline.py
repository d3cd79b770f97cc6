"""Tests of v1 code for a run that is no job, and the files that it reads then in the place of a dataset."""

from collections.abc import Iterable, Mapping
from typing import Any

import libcst as cst

from aml.adopt.python.syntax import Tree, literal, method_of, nodes_in
from aml.adopt.v1.names import RUNS, Meanings

CLASSES = {"_OfflineRun": "offline", "_SubmittedRun": "job", "Run": "job"}
OPPOSITE = {"offline": "job", "job": "offline", "": ""}


def asks(v1: Meanings, node: cst.CSTNode) -> str:
    """Whether a test asks for an "offline" run, for a "job", or for neither: ""."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        return OPPOSITE[asks(v1, node.expression)]
    if isinstance(node, cst.Comparison):
        return _compares(v1, node)
    return _calls(v1, node) if isinstance(node, cst.Call) else ""


def _is_run(v1: Meanings, node: cst.CSTNode) -> bool:
    return (value := v1.of(node)) is not None and value.kind in RUNS


def _compares(v1: Meanings, node: cst.Comparison) -> str:
    """Of a comparison, such as "OfflineRun" in run.id."""
    about = "OfflineRun" in v1.tree.code(node) and any(_is_run(v1, inner) for inner in nodes_in(node))
    if not about or len(node.comparisons) != 1:
        return ""
    negative = isinstance(node.comparisons[0].operator, cst.NotIn | cst.NotEqual | cst.IsNot)
    return "job" if negative else "offline"


def _calls(v1: Meanings, call: cst.Call) -> str:
    """Of a call, such as isinstance(run, _OfflineRun)."""
    function, values = getattr(call.func, "value", ""), [arg.value for arg in call.args]
    if method_of(call) == "startswith" and values:
        return "offline" if "OfflineRun" in (literal(values[0]) or "") else ""
    if len(values) != 2 or not _is_run(v1, values[0]):
        return ""
    if function == "isinstance":
        return CLASSES.get(v1.static(values[1]), "")
    return "job" if function == "hasattr" and literal(values[1]) in ("experiment", "input_datasets", "parent") else ""


def stand_ins(v1: Meanings, datasets: Mapping[cst.CSTNode, Any]) -> dict[cst.CSTNode, cst.CSTNode]:
    """The literals that name such a file, each with its dataset, where it is certain that both are the same data.

    That is where one branch of `if` is for an offline run and reads one file by pandas, and the other one reads one
    dataset.
    """
    tree = v1.tree
    found: dict[cst.CSTNode, cst.CSTNode] = {}
    for node in tree.all(cst.If):
        kind = asks(v1, node.test)
        other: Iterable[cst.CSTNode] = [node.orelse.body] if isinstance(node.orelse, cst.Else) else []
        if kind and node.orelse is None and _leaves(node.body):
            other = _after(tree, node)
        inside, outside = (other, [node.body]) if kind == "job" else ([node.body], other)
        files = [place for part in inside for place in _files(tree, part)] if kind else []
        read = [part for one in outside for part in (one, *nodes_in(one)) if part in datasets]
        if len(files) == 1 and len({datasets[one] for one in read}) == 1:
            found[files[0]] = read[0]
    return found


def _files(tree: Tree, node: cst.CSTNode) -> list[cst.CSTNode]:
    """The literals that are read by pandas as they stand."""
    return [
        call.args[0].value
        for call in (node, *nodes_in(node))
        if isinstance(call, cst.Call) and call.args and tree.qualified(call.func).startswith("pandas.read_")
        if isinstance(call.args[0].value, cst.SimpleString)
    ]


def _leaves(block: cst.BaseSuite) -> bool:
    last = block.body[-1] if block.body else None
    part = last.body[-1] if isinstance(last, cst.SimpleStatementLine) else last
    return isinstance(part, cst.Return)


def _after(tree: Tree, node: cst.CSTNode) -> list[cst.CSTNode]:
    """The statements that follow in the same block."""
    block: Any = tree.parents[node]
    return list(block.body[list(block.body).index(node) + 1 :])
