"""Datasets and models of SDK v1 that the code reads: options of the script, whose values are paths."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata import ImportAssignment

from aml.adopt import DataInput
from aml.adopt.python.arguments import Options, Wanted
from aml.adopt.python.syntax import Tree, arguments, expression, free, nodes_in
from aml.adopt.v1.names import Meanings, asks
from aml.adopt.v1.work import Call, Expression, Work

MINE = ("download", "mount", "to_path")  # methods whose work the job has done
# https://learn.microsoft.com/azure/machine-learning/how-to-migrate-from-v1 has the types of v1's datasets in v2.
TABULAR = "a tabular dataset of v1 is an mltable: register its file by another name, and name that"
READERS = {"read_json": ", lines=True"}  # what a function of pandas needs to read as v1 did


def declare(work: Work) -> None:
    """Find the datasets, and let the module get each by an option."""
    work.datasets = _find(work)
    work.stand_ins = _stand_ins(work.v1, work.datasets)
    work.datasets |= {node: work.datasets[origin] for node, origin in work.stand_ins.items()}
    work.options = Options(work.tree, work.datasets, work.is_entry)
    tables = {
        origin
        for node in work.tree.all(cst.Attribute)
        if node.attr.value == "to_pandas_dataframe" and (value := work.v1.of(node.value))
        for origin in value.origins
    }
    if len(tables) != 1 or work.stand_ins:
        work.together = None  # which of them it is, nothing says
    for node, name in work.options.uses.items():
        if node not in work.stand_ins and name not in {known.name for known in work.inputs}:
            _input(work, node, name, node in tables)


def input_advice(entry: DataInput, here: str | None = None, there: str | None = None) -> str:
    """What the owner should see to; `here` and `there`: the paths in the job of this machine and of the cluster."""
    what = "one file, which pandas reads; for a folder, read its files" if entry.type == "uri_file" else "a folder"
    if here and there:
        places = f"{here} on this machine and {there} on the cluster"
        said = f"inputs.{entry.name} is {what}: see whether that holds for {places}"
        is_asset = entry.type == "uri_file" and there.startswith("azureml:") and not there.startswith("azureml://")
        return f"{said}, where {TABULAR}" if is_asset and entry.path == there else said
    if isinstance(entry.path, str):
        local = "see whether it holds that, and give train-local a path"
        return f"inputs.{entry.name} is {entry.path}, as {what}: {local}"
    return f"inputs.{entry.name} is {what}: give it a path in both job files"


def _find(work: Work) -> dict[cst.CSTNode, Wanted]:
    """The expressions that name a dataset or model, with the option that each becomes."""
    found: dict[cst.CSTNode, Wanted] = {}
    for node in work.tree.nodes:
        value = work.v1.of(node) if isinstance(node, cst.Call | cst.Subscript) else None
        if value and value.kind in ("dataset", "path") and value.origins == {node}:
            name = _name(work, node)
            if name is not None and (value.kind == "path" or _local_path(work.v1, node) is None):
                what = "model" if value.kind == "path" else "data"
                found[node] = Wanted(name, None, what if name == what else f"{what}: {name}")
    return found


def _name(work: Work, node: cst.CSTNode) -> str | None:
    """The name of a dataset or model; "data" when it is an expression, None when each call has another one."""
    given: cst.CSTNode | None = None
    if isinstance(node, cst.Subscript):
        given = getattr(node.slice[0].slice, "value", None)
    elif isinstance(node, cst.Call):
        given = work.argument(node, "name", "model_name", "key", "id")
    if not isinstance(given, cst.BaseExpression):
        return "data"
    if (text := _text(work.tree, given)) is not None:
        guid = re.fullmatch(r"[0-9a-fA-F-]{32,36}", text)
        return "data" if guid else re.split(r"[\\/]", text)[-1].split(".")[0] or "data"
    key = work.tree.key(given) if isinstance(given, cst.Name) else None
    varies = key is not None and None in work.tree.bindings.get(key, [])  # a parameter or the variable of a loop
    return None if varies else "data"


def _local_path(v1: Meanings, node: cst.CSTNode) -> cst.Arg | None:
    """What Dataset.Tabular.from_... reads when that is a path or an address that pandas reads as well."""
    if not isinstance(node, cst.Call) or ".from_" not in v1.static(node.func):
        return None
    arg = (arguments(node, ("path",)) or {}).get("path")
    if arg is None or isinstance(one := _of_one(arg.value), cst.Tuple | cst.List):
        return None
    return None if (value := v1.of(one)) and value.kind == "datastore" else arg


def _of_one(node: Expression) -> Expression:
    """The element of a list that has one."""
    return node.elements[0].value if isinstance(node, cst.List) and len(node.elements) == 1 else node


def _input(work: Work, node: cst.CSTNode, name: str, is_table: bool) -> None:
    """The input of the job that an option is for."""
    flag, code = work.options.flags[name], work.tree.short(node)
    if is_table and work.together:
        folder = Path(os.path.commonpath(work.together.files)).resolve()
        work.inputs.append(DataInput(name, "uri_folder", folder, flag, work.together.files))
        text = f"a folder with {', '.join(file.name for file in work.together.files[:5])}"
        said = f"{text}, which {work.together.where} uploads as one dataset"
        work.note("changed", node, f"{code} -> the option {flag}, {said}")
        return
    local = next((one for one, origin in work.stand_ins.items() if origin is node), None)
    path: Path | str | None = _address(work, node)
    if path is None and isinstance(local, cst.SimpleString):
        path = work.locate(str(local.evaluated_value))
    entry = DataInput(name, "uri_file" if is_table else "uri_folder", path, flag)
    work.inputs.append(entry)
    work.note("changed", node, f"{code} -> the option {flag}")
    work.note("decide", node, input_advice(entry), "see-input", name)


def _address(work: Work, node: cst.CSTNode) -> str | None:
    """The address of a dataset in v2, when the code says it."""
    if not isinstance(node, cst.Call):
        return None
    name = work.v1.static(node.func)
    if name == "Dataset.get_by_name":
        text = work.argument(node, "name")
        dataset = _text(work.tree, text) if text else None
        version = (arguments(node, ("workspace", "name", "version")) or {}).get("version")
        known = _version(work.tree, version.value) if version else "latest"
        if not dataset or not known:
            return None
        return f"azureml:{dataset}@latest" if known == "latest" else f"azureml:{dataset}:{known}"
    given = (arguments(node, ("path",)) or {}).get("path") if ".from_" in name else None
    path = _of_one(given.value) if given else None
    if isinstance(path, cst.Tuple) and len(path.elements) == 2:
        store, place = _datastore(work, path.elements[0].value), work.tree.constant(path.elements[1].value)
        return f"azureml://datastores/{store}/paths/{place.lstrip('/')}" if store and place else None
    return None


def _text(tree: Tree, node: Expression) -> str | None:
    """The text that an expression is; that of a parameter, where all calls of its function give it the same."""
    key = tree.key(node) if isinstance(node, cst.Name) else None
    pairs = (pair for call in tree.all(cst.Call) for pair in tree.parameters(call)) if key else ()
    given = {tree.constant(value) for param, value in pairs if tree.key(param.name) == key}
    return next(iter(given)) if len(given) == 1 else tree.constant(node)


def _only(tree: Tree, node: Expression) -> Expression:
    """What a variable certainly is; another expression, and another variable, is itself."""
    key = tree.key(node) if isinstance(node, cst.Name) else None
    values = tree.bindings.get(key, []) if key else []
    return values[0] if len(values) == 1 and values[0] is not None else node


def _version(tree: Tree, given: Expression) -> str | None:
    value = _only(tree, given)
    return value.value if isinstance(value, cst.Integer) else tree.constant(given)


def _datastore(work: Work, node: Expression) -> str | None:
    """The name of a datastore."""
    made = _only(work.tree, node)
    if not isinstance(made, cst.Call):
        return None
    if work.v1.static(made.func) in ("Datastore", "Datastore.get"):
        name = work.argument(made, "datastore_name", "name")
        return work.tree.constant(name) if name else None
    return "workspaceblobstore" if getattr(made.func, "attr", cst.Name("x")).value == "get_default_datastore" else None


def _stand_ins(v1: Meanings, datasets: dict[cst.CSTNode, Wanted]) -> dict[cst.CSTNode, cst.CSTNode]:
    """The literals that name a file which is read where there is no job, with the dataset that a job reads instead.

    That is certain where one branch of `if` is for an offline run and reads one file by pandas, and the other one
    reads one dataset.
    """
    tree = v1.tree
    found: dict[cst.CSTNode, cst.CSTNode] = {}
    for node in tree.all(cst.If):
        kind = asks(v1, node.test)
        other: Iterable[cst.CSTNode] = [node.orelse.body] if isinstance(node.orelse, cst.Else) else []
        if kind and node.orelse is None and _returns(node.body):
            block: Any = tree.parents[node]
            other = block.body[list(block.body).index(node) + 1 :]
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


def _returns(block: cst.BaseSuite) -> bool:
    last = block.body[-1] if block.body else None
    return isinstance(last.body[-1] if isinstance(last, cst.SimpleStatementLine) else last, cst.Return)


# What becomes of calls


def made(work: Work, call: Call) -> Expression:
    """A dataset that no option hands over: a path of this machine or the web, or one whose name varies."""
    path = _local_path(work.v1, call.original)
    if path is None:
        return varies(work, call.original, call.updated)
    if len(call.original.args) > 1:
        others = ", ".join(work.tree.code(arg).strip(" ,\n") for arg in call.original.args if arg is not path)
        work.note("decide", call.original, f"{call.name} had {others}: give pandas' reader what it needs of them")
    work.note("changed", call.original, f"{call.name}(...) -> the path itself")
    return _of_one(call.updated.args[list(call.original.args).index(path)].value)


def varies(work: Work, original: Expression, updated: Expression) -> Expression:
    """A dataset that no option can hand over."""
    where = re.split(r"[(\[]", work.tree.code(original))[0]
    work.note("blocked", original, f"{where}: its name differs from call to call: give the path as an option")
    return updated


def method(work: Work, call: Call) -> Expression:
    """A method of a dataset, which is a path now."""
    assert call.owner
    if call.name.startswith("as_") and work.v1.of(call.original):
        return call.receiver
    if call.name == "register":
        work.note("changed", call.original, "registering the data is left out: aml register-data does it")
        return work.gone(call.original, call.receiver)
    if call.name == "take" and _is_read(work.tree, call.original):
        return call.updated  # of which to_pandas_dataframe() makes head()
    if call.name != "to_pandas_dataframe":
        hint = "it is the folder already" if call.name in MINE else "pandas' own methods do it"
        work.note("blocked", call.original, f"{work.tree.short(call.original)}: the data is a path now: {hint}")
        return call.updated
    pandas = _pandas(work, call.original)
    reader, given = f"{pandas}.{call.owner.reader}", READERS.get(call.owner.reader, "")
    work.note("changed", call.original, f"to_pandas_dataframe() -> {reader}")
    read = data = call.receiver
    head = ""
    if isinstance(read, cst.Call) and isinstance(read.func, cst.Attribute) and read.func.attr.value == "take":
        data, head = read.func.value, f".head({work.tree.code(read.args[0].value)})"
    if not work.together:
        return expression(f"{reader}(DATA{given}){head}", DATA=data)
    work.needed.append("import os")
    table = f"{reader}(os.path.join(DATA, name){given}) for name in sorted(os.listdir(DATA))"
    return expression(f"{pandas}.concat([{table}], ignore_index=True){head}", DATA=data)


def _is_read(tree: Tree, call: cst.Call) -> bool:
    """Whether to_pandas_dataframe() is called on what a call gives."""
    parent = tree.parents[call]
    return isinstance(parent, cst.Attribute) and parent.attr.value == "to_pandas_dataframe"


def _pandas(work: Work, place: cst.CSTNode) -> str:
    """A name that stands for pandas at this place; the import goes to the top."""
    tree = work.tree
    used = [
        node.evaluated_alias or "pandas"
        for node in tree.all(cst.ImportAlias)
        if getattr(node.name, "value", "") == "pandas" and isinstance(tree.parents[node], cst.Import)
    ]
    names = [*dict.fromkeys([*used, "pd", "pandas"])]
    name = next((name for name in names if _is_pandas(tree, name, place)), free(tree.module, "pandas_frame"))
    work.need("import pandas" + ("" if name == "pandas" else f" as {name}"))
    return name


def _is_pandas(tree: Tree, name: str, place: cst.CSTNode) -> bool:
    """Whether a name is of the module's own level at this place, and only ever stands for pandas."""
    scope = next((found for node in (place, *tree.up(place)) if (found := tree.scopes.get(node))), None)
    return all(
        isinstance(one, ImportAssignment)
        and isinstance(one.scope, cst.metadata.GlobalScope)
        and {full.name for full in one.get_qualified_names_for(name)} == {"pandas"}
        for one in (scope[name] if scope else ())
    )
