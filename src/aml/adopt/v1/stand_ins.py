"""Data that a script of v1 reads where there is no job: a file in the place of the dataset that a job reads."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import libcst as cst

from aml.adopt.python.syntax import Tree, nodes_in


def stand_ins(
    tree: Tree, datasets: Mapping[cst.CSTNode, Any], test: Callable[[cst.BaseExpression], str]
) -> dict[cst.CSTNode, cst.CSTNode]:
    """The literals that name such a file, each with its dataset, where it is certain that both are the same data.

    That is where one branch of `if` is for an offline run and reads one file by pandas, and the other one reads one
    dataset. `test` says of a condition whether it is "offline" or "job".
    """
    found: dict[cst.CSTNode, cst.CSTNode] = {}
    for node in tree.all(cst.If):
        kind = test(node.test)
        other: Iterable[cst.CSTNode] = [node.orelse.body] if isinstance(node.orelse, cst.Else) else []
        if kind and node.orelse is None and _leaves(node.body):
            other = _after(tree, node)
        inside, outside = (other, [node.body]) if kind == "job" else ([node.body], other)
        if kind:
            files = [place for part in inside for place in _files(tree, part)]
            read = [part for one in outside for part in (one, *nodes_in(one)) if part in datasets]
            if len(files) == 1 and len({datasets[origin] for origin in read}) == 1:
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
