"""Calls of the retired SDK (azureml-core, v1) in training code become MLflow calls and options of the script.

A job, on this machine or on the cluster, leads MLflow into its run by environment variables, so that MLflow's fluent
functions do what the methods of v1's Run did. Where MLflow has no single function, a short one with v1's own
signature is added to the code.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import libcst as cst
from libcst.metadata import ImportAssignment

from aml.adopt import DataInput, Note, model_name
from aml.adopt.private import hide
from aml.adopt.python.arguments import Options, Wanted
from aml.adopt.python.syntax import (
    GONE,
    TIGHT,
    Sweep,
    Tree,
    add_import,
    arguments,
    expression,
    free,
    has_import,
    imports_end,
    insert,
    keyword,
    lines_of,
    literal,
    names_in,
    nodes_in,
    quoted,
    space,
    without,
)
from aml.adopt.v1.names import LIVING, RUNS, Meanings, Value, is_number, is_text
from aml.adopt.v1.stand_ins import stand_ins
from aml.adopt.v1.uploads import Upload

THE_RUN = cst.Name("__run__")  # the run itself, as a value
NOTHING = cst.Name("__none__")  # what v1 had and v2 has not, as a value
IN_A_JOB = '"MLFLOW_EXPERIMENT_ID" in os.environ'
OUTSIDE = '"MLFLOW_EXPERIMENT_ID" not in os.environ'

# Of v1's logging, what Azure Machine Learning's studio drew by itself.
DICTIONARIES = ("log_confusion_matrix", "log_accuracy_table", "log_residuals", "log_predictions")
# v1's signatures, from azureml/core/run.py of azureml-core 1.61.0.post4.
SIGNATURES = {
    "log": ("name", "value", "description", "step"),
    "log_list": ("name", "value", "description"),
    "log_row": ("name", "description"),
    "log_table": ("name", "value", "description"),
    "log_image": ("name", "path", "plot", "description"),
    **dict.fromkeys(DICTIONARIES, ("name", "value", "description")),
    "upload_file": ("name", "path_or_stream", "datastore_name"),
    "upload_files": ("names", "paths", "return_artifacts", "timeout_seconds", "datastore_name"),
    "upload_folder": ("name", "path", "datastore_name"),
    "tag": ("key", "value"),
    "set_tags": ("tags",),
    "add_properties": ("properties",),
    "fail": ("error_details", "error_code"),
    "child_run": ("name", "run_id", "outputs"),
    "get_secret": ("name",),
}
# What takes no more than another function with other names for its parameters.
RENAMED = {
    **dict.fromkeys(("log_list", "log_table"), ("log_value", {"name": "name", "value": "value"})),
    "upload_files": ("log_file", {"names": "name", "paths": "path_or_stream"}),
    "set_tags": ("mlflow.set_tags", {"tags": "tags"}),
    "add_properties": ("mlflow.set_tags", {"properties": "tags"}),
}
# Attributes of a run, in MLflow's terms; RUN stands for the run.
ATTRIBUTES = {
    "id": "RUN.info.run_id",
    "_run_id": "RUN.info.run_id",
    "name": "RUN.info.run_name",
    "display_name": "RUN.info.run_name",
    "status": "RUN.info.status",
    "tags": "mlflow.get_run(RUN.info.run_id).data.tags",
    "properties": "mlflow.get_run(RUN.info.run_id).data.tags",
}
METHODS = {
    "get_tags": ATTRIBUTES["tags"],
    "get_properties": ATTRIBUTES["tags"],
    "get_metrics": "mlflow.get_run(RUN.info.run_id).data.metrics",
    "get_status": ATTRIBUTES["status"],
    "get_portal_url": "mlflow.get_tracking_uri()",
}
LOG_VALUE = '''

def log_value(name, value, description="", step=None):
    """Log a number as a metric, a list as one with steps, a mapping as one for each key; anything else as a tag."""
    name = re.sub(r"[^\\w./ -]", "_", str(name))
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        for key, item in value.items():
            log_value(f"{name}.{key}", item, step=step)
        return
    try:
        if isinstance(value, (list, tuple, range)):
            for position, item in enumerate([float(item) for item in value]):
                mlflow.log_metric(name, item, step=position)
        else:
            mlflow.log_metric(name, float(value), step=step)
    except (TypeError, ValueError):
        mlflow.set_tag(name, value)
'''
LOG_FILE = '''

def log_file(name, path_or_stream):
    """Log files, or open ones, as artifacts of these names, such as outputs/model.pkl."""
    if isinstance(name, (list, tuple)):
        for one, path in zip(name, path_or_stream):
            log_file(one, path)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, os.path.basename(name))
        if hasattr(path_or_stream, "read"):
            content = path_or_stream.read()
            with open(path, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
        else:
            shutil.copy(path_or_stream, path)
        mlflow.log_artifact(path, os.path.dirname(name) or None)
'''
OUTSIDE_A_JOB = """
# Outside a job, let MLflow keep plain files in ./mlruns: its own default needs a database driver.
os.environ.setdefault("MLFLOW_TRACKING_URI", "mlruns")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
"""


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
    work = _Rewrite(tree, file, is_entry, locate or (lambda _: None), together)
    module = work.run()
    if module.code == tree.module.code:
        return Rewritten(text, work.notes, [])
    return Rewritten(tree.text_of(module), work.notes, work.inputs, work.model)


class _Call(NamedTuple):
    """A call of a method of v1's run."""

    original: cst.Call
    updated: cst.Call  # with what has changed within it
    bound: dict[str, cst.Arg] | None  # the original's arguments by v1's names; None when * or ** hides them

    def has(self, *names: str) -> bool:
        return self.bound is not None and {*names} <= self.bound.keys()

    def new(self, name: str) -> cst.BaseExpression:
        """What an argument is now."""
        assert self.bound is not None
        return self.updated.args[next(at for at, old in enumerate(self.original.args) if old is self.bound[name])].value

    def args(self, keep: dict[str, str]) -> list[cst.Arg]:
        """The arguments in their own layout: those not in `keep` dropped, keywords renamed, gaps filled by keywords."""
        assert self.bound is not None
        names = {id(arg): name for name, arg in self.bound.items()}
        args: list[cst.Arg] = []
        dropped: list[cst.Arg] = []
        for old, arg in zip(self.original.args, self.updated.args, strict=True):
            name = keep.get(names[id(old)])
            if name is None:
                dropped.append(arg)
            elif arg.keyword or dropped:
                arg = arg.with_changes(keyword=cst.Name(name), equal=arg.equal if arg.keyword else TIGHT)
            args.append(arg)
        return without(args, dropped)


class _Rewrite(cst.CSTTransformer):
    def __init__(
        self, tree: Tree, file: str, is_entry: bool, locate: Callable[[str], Path | None], together: Upload | None
    ) -> None:
        super().__init__()
        self.together = together
        self.locate = locate
        self.model: str | None = None
        self.needed: list[str] = []  # imports that the new code needs at the top
        self.tree, self.file, self.is_entry = tree, file, is_entry
        self.v1 = Meanings(tree)
        self.notes: list[Note] = []
        self.inputs: list[DataInput] = []
        self.shown_only: set[cst.CSTNode] = set()  # statements that only show what v2 has not
        self.log_value = free(tree.module, "log_value", "log_v1_value")
        self.log_file = free(tree.module, "log_file", "log_v1_file")
        self.keep_run = False  # what begins a child run needs its parent begun
        self.datasets = self._datasets()
        self.stand_ins = stand_ins(tree, self.datasets, self._offline_test)
        self.datasets |= {node: self.datasets[origin] for node, origin in self.stand_ins.items()}
        self.options = Options(tree, self.datasets, is_entry)
        self._declare_inputs()

    # The whole

    def run(self) -> cst.Module:
        module = self.tree.module.visit(self).visit(Sweep())
        if "azureml" not in module.code and module.code == self.tree.module.code:
            return self.tree.module  # as most modules are; what follows is slow
        while (smaller := _without_unused(module, self.keep_run)).code != module.code:
            module = smaller
        module = module.visit(_Settle())
        changed = module.code != self.tree.module.code
        if changed:
            module = self._complete(module)
        module = _without_imports(module)
        self._leftovers(module)
        self.notes.sort(key=lambda note: int(note.where.rpartition(":")[2]))
        return module

    def _complete(self, module: cst.Module) -> cst.Module:
        """The module with the functions, options and imports that its new code needs."""
        used = names_in(module)
        helpers = [
            (name, code) for name, code in ((self.log_value, LOG_VALUE), (self.log_file, LOG_FILE)) if name in used
        ]
        needed = {"log_value": ["import re"], "log_file": ["import os", "import shutil", "import tempfile"]}
        for name, code in reversed(helpers):
            plain = "log_value" if code is LOG_VALUE else "log_file"
            module = insert(module, imports_end(module), re.sub(rf"\b{plain}\b", name, code))
            module = space(module, imports_end(module) + 1)
            for wanted in needed[plain]:
                module = add_import(module, wanted)
        module = self.options.apply(module)
        uses_mlflow = "mlflow" in names_in(module)
        before = {node.value for node in self.tree.all(cst.Name)}
        if uses_mlflow and self.is_entry and "mlflow" not in before:
            module = insert(module, imports_end(module), OUTSIDE_A_JOB)
            module = space(module, imports_end(module) + 2)
        used = names_in(module)
        if "os" in used and ("os" not in before or uses_mlflow):
            module = add_import(module, "import os")
        for wanted in self.needed:
            module = add_import(module, wanted)
        if uses_mlflow and any(text.startswith("mlflow") for text in used):
            module = add_import(module, "import mlflow")
        return module

    def _leftovers(self, module: cst.Module) -> None:
        """Notes on what still needs azureml."""
        tree = Tree(module.code)
        line = lines_of(self.tree.module.code, module.code)
        for node in tree.nodes:
            if isinstance(node, cst.Name | cst.Attribute) and not tree.around(node, cst.Import, cst.ImportFrom):
                name = tree.qualified(node)
                parent = tree.parents.get(node)
                inner = isinstance(parent, cst.Attribute) and tree.qualified(parent)
                if name.startswith("azureml.") and not name.startswith(LIVING) and not inner:
                    self._note_at("blocked", line(tree.line(node)), _advice(name))
        for node in tree.all(cst.ImportFrom):
            star = isinstance(node.names, cst.ImportStar) and node.module and tree.code(node.module)
            if star and star.startswith("azureml.") and not star.startswith(LIVING):
                self._note_at("blocked", line(tree.line(node)), f"from {star} import *: name what it imports")

    def _note(self, kind: str, node: cst.CSTNode, text: str, code: str = "", subject: str = "") -> None:
        self._note_at(kind, self.tree.line(node), text, code, subject)

    def _note_at(self, kind: str, line: int, text: str, code: str = "", subject: str = "") -> None:
        note = Note(kind, f"{self.file}:{line}", hide(text), code or "v1", subject)  # type: ignore[arg-type]
        if note not in self.notes:
            self.notes.append(note)

    # Datasets

    def _datasets(self) -> dict[cst.CSTNode, Wanted]:
        """The expressions that name a dataset, with the option that each becomes."""
        found: dict[cst.CSTNode, Wanted] = {}
        for node in self.tree.nodes:
            value = self.v1.of(node) if isinstance(node, cst.Call | cst.Subscript) else None
            if value and value.kind in ("dataset", "path") and value.origins == {node}:
                name = self._dataset_name(node)
                if name is not None and (value.kind == "path" or self._local_path(node) is None):
                    what = "model" if value.kind == "path" else "data"
                    found[node] = Wanted(name, None, what if name == what else f"{what}: {name}")
        return found

    def _dataset_name(self, node: cst.CSTNode) -> str | None:
        """The name of a dataset or model; "data" when it is an expression, None when each call has another one."""
        if isinstance(node, cst.Subscript):
            index = node.slice[0].slice
            given = index.value if isinstance(index, cst.Index) else None
        else:
            assert isinstance(node, cst.Call)
            given = self._argument(node, "name", "model_name", "key", "id")
        if given is None:
            return "data"
        if (text := self.tree.constant(given)) is not None:
            guid = re.fullmatch(r"[0-9a-fA-F-]{32,36}", text)
            return "data" if guid else re.split(r"[\\/]", text)[-1].split(".")[0] or "data"
        key = self.tree.key(given) if isinstance(given, cst.Name) else None
        values = self.tree.bindings.get(key, []) if key else []
        if isinstance(given, cst.Name) and None in values:  # a parameter or the variable of a loop
            return None
        return "data"

    def _argument(self, call: cst.Call, *names: str) -> cst.BaseExpression | None:
        """The argument that names what is wanted: by keyword, else the first text or last plain one."""
        for arg in call.args:
            if arg.keyword and arg.keyword.value in names:
                return arg.value
        plain = [arg.value for arg in call.args if not arg.keyword and not arg.star]
        plain = [value for value in plain if not (found := self.v1.of(value)) or found.kind != "workspace"]
        return plain[0] if plain else None

    def _local_path(self, node: cst.CSTNode) -> cst.Arg | None:
        """What Dataset.Tabular.from_... reads when that is a path or an address that pandas reads as well."""
        if not isinstance(node, cst.Call) or ".from_" not in self.v1.static(node.func):
            return None
        found = arguments(node, ("path",)) or {}
        arg = found.get("path")
        if arg is None or isinstance(arg.value, cst.Tuple | cst.List):
            return None
        return None if (value := self.v1.of(arg.value)) and value.kind == "datastore" else arg

    def _declare_inputs(self) -> None:
        tables = {
            origin
            for node in self.tree.all(cst.Attribute)
            if node.attr.value == "to_pandas_dataframe" and (value := self.v1.of(node.value))
            for origin in value.origins
        }
        if len(tables) != 1 or self.stand_ins:
            self.together = None  # which of them it is, nothing says
        for node, name in self.options.uses.items():
            if node in self.stand_ins:
                continue
            if self.together and node in tables:
                folder = Path(os.path.commonpath(self.together.files)).resolve()
                flag = self.options.flags[name]
                self.inputs.append(DataInput(name, "uri_folder", folder, flag, self.together.files))
                files = ", ".join(file.name for file in self.together.files[:5])
                text = f"{self.tree.short(node)} -> the option {flag}, a folder with {files}"
                self._note("changed", node, f"{text}, which {self.together.where} uploads as one dataset")
                continue
            kind = "uri_file" if node in tables else "uri_folder"
            path: Path | str | None = self._asset(node)
            local = next((one for one, origin in self.stand_ins.items() if origin is node), None)
            path = path or self.locate(self.tree.constant(local) or "") if local else path  # type: ignore[arg-type]
            flag = self.options.flags[name]
            entry = DataInput(name, kind, path, flag)  # type: ignore[arg-type]
            if name not in {known.name for known in self.inputs}:
                self.inputs.append(entry)
                self._note("changed", node, f"{self.tree.short(node)} -> the option {flag}")
                self._note("decide", node, input_advice(entry), "see-input", entry.name)

    def _asset(self, node: cst.CSTNode) -> str | None:
        """The address of a dataset in v2, when the code says it."""
        if not isinstance(node, cst.Call):
            return None
        name = self.v1.static(node.func)
        if name == "Dataset.get_by_name":
            text = self._argument(node, "name")
            dataset = self.tree.constant(text) if text else None
            version = self._version((arguments(node, ("workspace", "name", "version")) or {}).get("version"))
            if not dataset or not version:
                return None
            return f"azureml:{dataset}@latest" if version == "latest" else f"azureml:{dataset}:{version}"
        found = arguments(node, ("path",)) if ".from_" in name else None
        path = found["path"].value if found and "path" in found else None
        if isinstance(path, cst.List) and len(path.elements) == 1:
            path = path.elements[0].value
        if isinstance(path, cst.Tuple) and len(path.elements) == 2:
            store, place = path.elements[0].value, self.tree.constant(path.elements[1].value)
            if place and (datastore := self._datastore(store)):
                return f"azureml://datastores/{datastore}/paths/{place.lstrip('/')}"
        return None

    def _version(self, given: cst.Arg | None) -> str | None:
        """The version of a dataset that a call asks for, where the code says it."""
        if given is None:
            return "latest"
        value, key = given.value, self.tree.key(given.value) if isinstance(given.value, cst.Name) else None
        [only] = self.tree.bindings.get(key, []) if key and len(self.tree.bindings.get(key, [])) == 1 else [value]
        return only.value if isinstance(only, cst.Integer) else self.tree.constant(value)

    def _datastore(self, node: cst.BaseExpression) -> str | None:
        if isinstance(node, cst.Name) and (key := self.tree.key(node)):
            values = self.tree.bindings.get(key, [])
            return self._datastore(values[0]) if len(values) == 1 and values[0] is not None else None
        if isinstance(node, cst.Call) and self.v1.static(node.func) in ("Datastore", "Datastore.get"):
            name = self._argument(node, "datastore_name", "name")
            return self.tree.constant(name) if name else None
        default = isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)
        return "workspaceblobstore" if default and node.func.attr.value == "get_default_datastore" else None  # type: ignore[attr-defined]

    def _offline_test(self, node: cst.BaseExpression) -> str:
        """Whether a test asks for an "offline" run, for a "job", or for neither: ""."""
        if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
            return {"offline": "job", "job": "offline"}.get(self._offline_test(node.expression), "")
        if isinstance(node, cst.Comparison):
            return self._compares_offline(node)
        return self._check(node) if isinstance(node, cst.Call) else ""

    # Expressions

    def leave_SimpleString(self, original_node: cst.SimpleString, updated_node: cst.SimpleString) -> cst.BaseExpression:
        if original_node not in self.stand_ins:
            return updated_node
        flag = self.options.flags[self.options.uses[original_node]]
        self._note("changed", original_node, f"{original_node.value}, read outside a job -> the same option {flag}")
        return self.options.expression(original_node)

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        """What was done only with a parent run is done: there is the job's own run for it."""
        tested, test = self.v1.of(original_node.test), updated_node.test
        if not tested or tested.kind != "parent" or not isinstance(test, cst.Name) or test.value != THE_RUN.value:
            return updated_node
        body = updated_node.body
        return body.with_changes(lpar=[*updated_node.lpar, *body.lpar], rpar=[*body.rpar, *updated_node.rpar])

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> cst.BaseExpression:
        return self.options.expression(original_node) if original_node in self.datasets else updated_node

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        """Checks whether the run is an offline one, such as "OfflineRun" in run.id."""
        found = self._compares_offline(original_node)
        return self._offline(original_node, found == "offline") if found else updated_node

    def _compares_offline(self, node: cst.Comparison) -> str:
        offline = "OfflineRun" in self.tree.code(node) and any(
            (value := self.v1.of(inner)) and value.kind in RUNS for inner in nodes_in(node)
        )
        if not offline or len(node.comparisons) != 1:
            return ""
        negative = isinstance(node.comparisons[0].operator, cst.NotIn | cst.NotEqual | cst.IsNot)
        return "job" if negative else "offline"

    def _offline(self, node: cst.CSTNode, is_offline: bool) -> cst.BaseExpression:
        self._need("import os")
        self._note("changed", node, "the check for an offline run asks for MLFLOW_EXPERIMENT_ID, which every job has")
        return expression(f"({OUTSIDE if is_offline else IN_A_JOB})")

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        return self._class(original_node, updated_node)

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        parent = self.tree.parents[original_node]
        if isinstance(parent, cst.Call) and parent.func is original_node:
            return updated_node
        if isinstance(parent, cst.AssignTarget) or self.tree.around(original_node, cst.Import, cst.ImportFrom):
            return updated_node
        base = self.v1.of(original_node.value)
        if base is None or (self.v1.attributes.get(original_node.attr.value) and self.v1.of(original_node)):
            return self._class(original_node, updated_node)
        name = original_node.attr.value
        if base.kind == "experiment" and name == "name":
            self._note("changed", original_node, "the experiment's name comes from MLflow")
            return expression(
                "mlflow.get_experiment((mlflow.active_run() or mlflow.start_run()).info.experiment_id).name"
            )
        if base.kind in RUNS:
            return self._run_attribute(original_node, updated_node, name)
        if base.kind in ("dataset", "path", "inputs") and not self.v1.of(original_node):
            self._note("blocked", original_node, f"{self.tree.code(original_node)}: the data is a path now: use that")
            return updated_node
        return NOTHING if self.v1.of(original_node) else self._lost(original_node, updated_node)

    def _run_attribute(self, original: cst.Attribute, updated: cst.Attribute, name: str) -> cst.BaseExpression:
        if name == "parent" and not self.tree.around(original, cst.While):
            return THE_RUN  # what is meant for the parent goes to the job's own run
        if name in ("parent", "experiment", "input_datasets"):
            if name == "input_datasets" and not isinstance(self.tree.parents[original], cst.Subscript):
                self._blocked_inputs(original)
            return NOTHING
        test = self.tree.around(original, cst.Comparison, cst.Call)
        if test and self._offline_test(test):
            return updated  # another test takes the place of all of it
        if name in ATTRIBUTES:
            code = ATTRIBUTES[name]
            self._note("changed", original, f"run.{name} -> {code.replace('RUN', 'run')}")
            return expression(code, RUN=_base(updated.value))
        if name in ("log", "log_list", "log_table"):
            self._note("changed", original, f"run.{name} -> {self.log_value}")
            return cst.Name(self.log_value)
        return self._lost(original, updated)

    def _blocked_inputs(self, node: cst.CSTNode) -> None:
        used = self.tree.parents[node]
        bound = isinstance(used, cst.Assign) or (isinstance(used, cst.Attribute) and used.attr.value == "get")
        if not bound:
            self._note("blocked", node, "run.input_datasets as a whole: write run.input_datasets['NAME'] for each one")

    def _lost(self, original: cst.CSTNode, updated: cst.BaseExpression) -> cst.BaseExpression:
        """Something of v1 without a counterpart: gone when it is only shown, else blocked."""
        statement = self.tree.around(original, cst.Expr)
        call = statement.value if statement else None
        shows = isinstance(call, cst.Call) and getattr(call.func, "value", "") in ("print", "display")
        if statement and (shows or call is original):
            self.shown_only.add(statement)
            return updated
        code = self.tree.short(original)
        self._note(
            "blocked",
            original,
            f"{code} has no counterpart in MLflow: take it out, or hand its value over as an option",
        )
        return updated

    def _class(self, original: cst.Name | cst.Attribute, updated: cst.BaseExpression) -> cst.BaseExpression:
        """A class of v1 where only its existence or its being a type matters."""
        parent = self.tree.parents.get(original)
        if isinstance(parent, cst.Attribute) and parent.attr is original:
            return updated
        name = self.v1.static(original)
        if not name or self.tree.around(original, cst.Import, cst.ImportFrom):
            return updated
        if name == "VERSION":
            return self._lost(original, updated)
        if not name.lstrip("_")[:1].isupper() or (isinstance(parent, cst.Attribute) and parent.value is original):
            return updated
        if self.tree.around(original, cst.Annotation):
            return expression("mlflow.ActiveRun" if name == "Run" else "object")
        handler = self.tree.around(original, cst.ExceptHandler)
        if handler and handler.type and original in {handler.type, *nodes_in(handler.type)}:
            self._note("changed", original, f"{name} -> mlflow.MlflowException")
            return expression("mlflow.MlflowException")
        none = isinstance(parent, cst.Comparison) and "None" in self.tree.code(parent)
        tested = isinstance(parent, cst.If | cst.BooleanOperation | cst.UnaryOperation) or none
        return cst.Name("mlflow") if tested else updated

    # Calls

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        if original_node in self.datasets:
            return self.options.expression(original_node)
        name = self.v1.static(original_node.func)
        if name:
            return self._static_call(name, original_node, updated_node)
        if checked := self._check(original_node):
            return self._offline(original_node, checked == "offline")
        if isinstance(original_node.func, cst.Attribute) and (base := self.v1.of(original_node.func.value)):
            own = self.v1.attributes.get(original_node.func.attr.value)
            return updated_node if own else self._method(base, original_node, updated_node)
        return updated_node

    def _check(self, call: cst.Call) -> str:
        """Whether a call such as isinstance(run, _OfflineRun) asks for "offline", for a "job", or for neither: ""."""
        function = getattr(call.func, "value", "")
        values = [arg.value for arg in call.args]
        run = values and (value := self.v1.of(values[0])) and value.kind in RUNS
        if run and function == "isinstance" and len(values) == 2:
            return {"_OfflineRun": "offline", "_SubmittedRun": "job", "Run": "job"}.get(self.v1.static(values[1]), "")
        if run and function == "hasattr" and len(values) == 2:
            return "job" if literal(values[1]) in ("experiment", "input_datasets", "parent") else ""
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == "startswith" and values:
            return "offline" if "OfflineRun" in (literal(values[0]) or "") else ""
        return ""

    def _static_call(self, name: str, original: cst.Call, updated: cst.Call) -> cst.BaseExpression:
        value = self.v1.of(original)
        kind = value.kind if value else ""
        if name in ("Run.get_context", "Run.get_submitted_run"):
            self._note("changed", original, f"{name}() -> MLflow, which finds the job's run by itself")
            return THE_RUN
        if kind in ("workspace", "experiment", "datastore", "keyvault", "sign-in"):
            return NOTHING
        if kind == "model":
            return self._registers(original)
        if kind in ("dataset", "path"):
            path = self._local_path(original)
            if path is None:
                where = self.tree.code(original).split("(")[0]
                self._note(
                    "blocked", original, f"{where}: its name differs from call to call: give the path as an option"
                )
                return updated
            if len(original.args) > 1:
                others = ", ".join(self.tree.code(arg).strip(" ,\n") for arg in original.args[1:])
                self._note("decide", original, f"{name} had {others}: give pandas' reader what it needs of them")
            self._note("changed", original, f"{name}(...) -> the path itself")
            return updated.args[original.args.index(path)].value
        shown = self.tree.around(original, cst.Expr)
        if name == "RunDetails" and shown:
            self.shown_only.add(shown)
        return updated

    def _registers(self, node: cst.Call) -> cst.BaseExpression:
        static = self.v1.static(node.func)
        plain = [arg for arg in node.args if not arg.keyword and not arg.star]
        place = 2 if static else 0
        given = keyword(node, "model_name") or (plain[place] if len(plain) > place else None)
        name = model_name(self.tree.constant(given.value) or "") if given else ""
        self.model = self.model or name or None
        option = f" -n {name}" if name else ""
        self._note("changed", node, f"registering is taken out: aml register-model{option} does it after the run")
        return GONE if isinstance(self.tree.parents[node], cst.Expr) else NOTHING

    def _method(self, base: Value, original: cst.Call, updated: cst.Call) -> cst.BaseExpression:
        assert isinstance(original.func, cst.Attribute)
        name = original.func.attr.value
        if base.kind in RUNS:
            return self._run_method(base, name, original, updated)
        if base.kind == "dataset":
            return self._dataset_method(base, name, original, updated)
        if base.kind == "keyvault" and name == "get_secret":
            return self._secret(original)
        value = self.v1.of(original)
        if value and value.kind == "started":
            if self.tree.around(original, cst.For, cst.While):
                what = "the first start_logging() is the job's run, the next ones are runs of their own"
                self._note("decide", original, f"{what}: mlflow.start_run(nested=True) would put them below the job's")
            self._note("changed", original, "start_logging() -> MLflow's run")
            return THE_RUN
        if value and value.kind in ("workspace", "experiment", "datastore", "keyvault"):
            return NOTHING
        if value and value.kind in ("dataset", "model"):
            return updated
        return self._lost(original, updated)

    def _dataset_method(self, base: Value, name: str, original: cst.Call, updated: cst.Call) -> cst.BaseExpression:
        assert isinstance(updated.func, cst.Attribute)
        assert isinstance(original.func, cst.Attribute)
        if name.startswith("as_") and self.v1.of(original):
            return updated.func.value
        if name == "to_pandas_dataframe":
            reader = self._pandas(base.reader, original)
            lines = ", lines=True" if base.reader == "read_json" else ""
            self._note("changed", original, f"to_pandas_dataframe() -> {reader}")
            if self.together:
                self.needed.append("import os")
                table = f"{reader}(os.path.join(DATA, name){lines}) for name in sorted(os.listdir(DATA))"
                concat = f"{reader.rpartition('.')[0]}.concat([{table}], ignore_index=True)"
                return expression(concat, DATA=updated.func.value)
            return expression(f"{reader}(DATA{lines})", DATA=updated.func.value)
        code = self.tree.short(original)
        hint = (
            "pandas' own methods do it" if name not in ("download", "mount", "to_path") else "it is the folder already"
        )
        self._note("blocked", original, f"{code}: the data is a path now: {hint}")
        return updated

    def _pandas(self, reader: str, place: cst.CSTNode) -> str:
        """A function of pandas by a name that stands for pandas at this place; the import goes to the top."""
        used = [
            node.evaluated_alias or "pandas"
            for node in self.tree.all(cst.ImportAlias)
            if getattr(node.name, "value", "") == "pandas" and isinstance(self.tree.parents[node], cst.Import)
        ]
        names = [*dict.fromkeys([*used, "pd", "pandas"])]
        name = next((name for name in names if self._is_pandas(name, place)), free(self.tree.module, "pandas_frame"))
        wanted = "import pandas" + ("" if name == "pandas" else f" as {name}")
        self._need(wanted)
        return f"{name}.{reader}"

    def _need(self, wanted: str) -> None:
        """Let the module's own level have an import; one within a function or a branch binds nothing elsewhere."""
        if not has_import(self.tree.module, wanted) and wanted not in self.needed:
            self.needed.append(wanted)

    def _is_pandas(self, name: str, place: cst.CSTNode) -> bool:
        """Whether a name is of the module's own level at this place, and only ever stands for pandas."""
        scope = next((found for node in (place, *self.tree.up(place)) if (found := self.tree.scopes.get(node))), None)
        assignments = list(scope[name]) if scope else []
        return all(
            isinstance(one, ImportAssignment)
            and isinstance(one.scope, cst.metadata.GlobalScope)
            and {full.name for full in one.get_qualified_names_for(name)} == {"pandas"}
            for one in assignments
        )

    def _secret(self, node: cst.Call) -> cst.BaseExpression:
        given = self._argument(node, "name")
        text = self.tree.constant(given) if given else None
        if text is None:
            self._note("blocked", node, 'a secret by a name that only the run knows: write os.environ["NAME"]')
            return node
        self._need("import os")
        variable = re.sub(r"\W", "_", text).upper()
        self._note(
            "decide", node, f"a secret of the key vault -> os.environ[{variable!r}]: set {variable} where the job runs"
        )
        return expression(f"os.environ[{quoted(variable).value}]")

    def _run_method(self, base: Value, name: str, original: cst.Call, updated: cst.Call) -> cst.BaseExpression:
        assert isinstance(updated.func, cst.Attribute)
        if base.kind == "parent":
            self._note("decide", original, f"run.parent.{name}: the job has no parent, so this goes to its own run")
        if name in ("complete", "flush", "wait_for_completion", "start"):
            ends = name == "complete" and base.kind in ("child", "started")
            self._note(
                "changed", original, f"run.{name}() -> " + ("mlflow.end_run()" if ends else "taken out: MLflow does it")
            )
            return expression("mlflow.end_run()") if ends else self._gone(original)
        if name in METHODS:
            self._note("changed", original, f"run.{name}() -> {METHODS[name].replace('RUN', 'run')}")
            return expression(METHODS[name], RUN=_base(updated.func.value))
        if name == "register_model":
            return self._registers(original)
        if name == "get_secret":
            return self._secret(original)
        if name not in SIGNATURES:
            return self._lost(original, updated)
        call = _Call(original, updated, arguments(original, SIGNATURES[name]))
        if name in RENAMED:
            new = self._renamed(call, *RENAMED[name])
        elif name in DICTIONARIES:
            new = self._log_dict(call)
        else:
            handler: Callable[[_Call], cst.BaseExpression | None] = getattr(self, f"_{name}")
            new = handler(call)
        if new is None:
            self._note("blocked", original, f"run.{name} with * or **: write its arguments out")
            return updated
        function = new.func if isinstance(new, cst.Call) else new
        shown = cst.Module([]).code_for_node(function)
        self._note("changed", original, f"run.{name} -> {shown}")
        return new

    def _gone(self, node: cst.CSTNode) -> cst.BaseExpression:
        return GONE if isinstance(self.tree.parents[node], cst.Expr) else cst.Name("None")

    def _renamed(self, call: "_Call", function: str, names: dict[str, str]) -> cst.BaseExpression | None:
        """A call of another function that takes these arguments, by these names; None where they are hidden."""
        function = {"log_value": self.log_value, "log_file": self.log_file}.get(function, function)
        if call.bound is None and all(old == new for old, new in names.items()):
            return call.updated.with_changes(func=expression(function))
        if not call.has(*(name for name in names if name != "step")):
            return None
        return call.updated.with_changes(func=expression(function), args=call.args(names))

    def _log(self, call: "_Call") -> cst.BaseExpression | None:
        if call.bound and call.has("name", "value"):
            name, value = self.tree.constant(call.bound["name"].value), call.bound["value"].value
            usual = name is not None and re.fullmatch(r"[\w -][\w. -]*(/[\w -][\w. -]*)*", name)
            if usual and is_number(self.tree, value):
                return self._renamed(call, "mlflow.log_metric", {"name": "key", "value": "value", "step": "step"})
            if usual and is_text(self.tree, value):
                return self._renamed(call, "mlflow.set_tag", {"name": "key", "value": "value"})
        return self._renamed(call, "log_value", {"name": "name", "value": "value", "step": "step"})

    def _log_row(self, call: "_Call") -> cst.BaseExpression | None:
        """Columns become a mapping: dict(x=1), in the layout that the arguments had."""
        args = [
            arg
            for old, arg in zip(call.original.args, call.updated.args, strict=True)
            if getattr(old.keyword, "value", "") not in ("name", "description")
        ]
        plain = [arg for arg in args if not arg.keyword and arg.star != "**"]
        first = keyword(call.updated, "name") or next(iter(plain), None)
        if any(arg.star for arg in plain) or first is None:
            return None
        dropped = [arg for arg in call.updated.args if not any(arg is kept for kept in args) or arg in plain]
        row = cst.Call(cst.Name("dict"), without(call.updated.args, dropped))
        return call.updated.with_changes(
            func=cst.Name(self.log_value),
            args=[cst.Arg(first.value), cst.Arg(row)],
            whitespace_before_args=cst.SimpleWhitespace(""),
        )

    def _log_dict(self, call: "_Call") -> cst.BaseExpression | None:
        if not call.has("name", "value"):
            return None
        return expression("mlflow.log_dict(VALUE, FILE)", VALUE=call.new("value"), FILE=self._file(call, ".json"))

    def _file(self, call: "_Call", ending: str) -> cst.BaseExpression:
        """The name of an artifact's file."""
        assert call.bound is not None
        given = call.bound["name"].value
        text = self.tree.constant(given)
        if text is not None:
            return quoted(re.sub(r"[^\w./ -]", "_", text) + ending, given)
        plain = isinstance(given, cst.Name | cst.Attribute)  # within an f-string, others may end it
        return expression(f'f"{{NAME}}{ending}"' if plain else f'str(NAME) + "{ending}"', NAME=call.new("name"))

    def _log_image(self, call: "_Call") -> cst.BaseExpression | None:
        if not call.bound or not call.has("name"):
            return None
        path, plot = (call.bound.get(name) for name in ("path", "plot"))
        if path and self.tree.code(path.value) != "None":
            return expression("mlflow.log_artifact(PATH)", PATH=call.new("path"))
        if plot is None:
            return None
        is_module = self.tree.qualified(plot.value) in ("matplotlib.pyplot", "pylab", "matplotlib.pylab")
        figure = "PLOT.gcf()" if is_module else "PLOT"
        return expression(f"mlflow.log_figure({figure}, FILE)", PLOT=call.new("plot"), FILE=self._file(call, ".png"))

    def _upload_file(self, call: "_Call") -> cst.BaseExpression | None:
        if not call.bound or not call.has("name", "path_or_stream"):
            return None
        name, path = (self.tree.constant(call.bound[part].value) for part in ("name", "path_or_stream"))
        if name is not None and path is not None and re.split(r"[\\/]", name)[-1] == re.split(r"[\\/]", path)[-1]:
            folder = name.replace("\\", "/").strip("/").rpartition("/")[0].removeprefix("./")
            place = f", {quoted(folder).value}" if folder and folder != "." else ""
            return expression(f"mlflow.log_artifact(PATH{place})", PATH=call.new("path_or_stream"))
        return self._renamed(call, "log_file", {"name": "name", "path_or_stream": "path_or_stream"})

    def _upload_folder(self, call: "_Call") -> cst.BaseExpression | None:
        if not call.has("name", "path"):
            return None
        return expression("mlflow.log_artifacts(PATH, NAME)", PATH=call.new("path"), NAME=call.new("name"))

    def _tag(self, call: "_Call") -> cst.BaseExpression:
        args = list(call.updated.args)
        if call.bound is not None and "value" not in call.bound:
            args.append(cst.Arg(quoted(""), keyword=cst.Name("value"), equal=TIGHT))
        return call.updated.with_changes(func=expression("mlflow.set_tag"), args=args)

    def _fail(self, call: "_Call") -> cst.BaseExpression:
        text = "run.fail: a job fails when its script does: raise, or sys.exit(1), after it"
        self._note("decide", call.original, text)
        return expression('mlflow.end_run("FAILED")')

    def _child_run(self, call: "_Call") -> cst.BaseExpression | None:
        if call.bound is None:
            return None
        self.keep_run = True
        if not isinstance(self.tree.parents[call.original], cst.WithItem):
            what = "until the child run's complete(), what the parent run logs goes to the child"
            fix = "put `with mlflow.start_run(nested=True):` around what is the child's"
            self._note("decide", call.original, f"{what}: {fix}")
        if not call.has("name"):
            return expression("mlflow.start_run(nested=True)")
        return expression("mlflow.start_run(run_name=NAME, nested=True)", NAME=call.new("name"))

    # Statements

    def leave_Expr(self, original_node: cst.Expr, updated_node: cst.Expr) -> cst.Expr:
        value = updated_node.value
        alone = isinstance(value, cst.Name) and value.value in (THE_RUN.value, NOTHING.value)
        shown = self.v1.of(original_node.value) if isinstance(original_node.value, cst.Name) else None
        only = original_node in self.shown_only or shown is not None
        if only:
            self._note("changed", original_node, "a line that shows only what v1 had is taken out")
        return updated_node.with_changes(value=GONE) if alone or only else updated_node


def _base(node: cst.BaseExpression) -> cst.BaseExpression:
    return THE_RUN if isinstance(node, cst.Name) and node.value == NOTHING.value else node


def _advice(name: str) -> str:
    submits = ("ScriptRunConfig", "RunConfiguration", "Environment", "ComputeTarget", "AmlCompute", "Estimator")
    if name.endswith(submits) or ".train." in name or ".pipeline." in name:
        return f"{name} submits jobs, which aml submit does now: take it out of the training code"
    if name.endswith(".Model") or ".Model." in name:
        return f"{name}: a model that the code reads is an input now: take its path from an option"
    return f"{name} is of SDK v1, which is retired, and has no counterpart here: take it out"


def input_advice(entry: DataInput, here: str | None = None, there: str | None = None) -> str:
    """What the owner should see to; `here` and `there`: the paths in the job of this machine and of the cluster."""
    what = "one file, which pandas reads; for a folder, read its files" if entry.type == "uri_file" else "a folder"
    if here and there:
        places = f"{here} on this machine and {there} on the cluster"
        return f"inputs.{entry.name} is {what}: see whether that holds for {places}"
    if isinstance(entry.path, str):
        local = "see whether it holds that, and give train-local a path"
        return f"inputs.{entry.name} is {entry.path}, as {what}: {local}"
    return f"inputs.{entry.name} is {what}: give it a path in both job files"


def _without_unused(module: cst.Module, keep_run: bool) -> cst.Module:
    """The module without assignments of a run, or of nothing, to a variable that nobody reads."""
    tree = Tree(module.code)
    marks = (NOTHING.value,) if keep_run else (THE_RUN.value, NOTHING.value)
    read = {node.attr.value for node in tree.all(cst.Attribute) if not isinstance(tree.parents[node], cst.AssignTarget)}
    gone: set[cst.CSTNode] = set()
    for node in tree.all(cst.Assign):
        if isinstance(node.value, cst.Name) and node.value.value in marks and len(node.targets) == 1:
            target = node.targets[0].target
            scope = tree.scopes.get(target)
            if isinstance(target, cst.Name) and scope:
                unread = not list(scope.accesses[target.value]) and not any(a.references for a in scope[target.value])
                if unread and not (isinstance(scope, cst.metadata.ClassScope) and target.value in read):
                    gone.add(node)
            elif isinstance(target, cst.Attribute) and target.attr.value not in read:
                gone.add(node)
    for node in tree.all(cst.Expr):  # what only shows a mark
        shows = isinstance(node.value, cst.Call) and getattr(node.value.func, "value", "") == "print"
        if shows and any(isinstance(part, cst.Name) and part.value == NOTHING.value for part in nodes_in(node)):
            gone.add(node)

    class Drop(cst.CSTTransformer):
        def on_leave(self, original: cst.CSTNode, updated: cst.CSTNode) -> cst.CSTNode:  # type: ignore[override]
            return cst.Expr(GONE) if original in gone else super().on_leave(original, updated)  # type: ignore[return-value]

    return tree.module.visit(Drop()).visit(Sweep()) if gone else module


class _Settle(cst.CSTTransformer):
    """Gives the marks their final text."""

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        if original_node.value == NOTHING.value:
            return cst.Name("None")
        if original_node.value == THE_RUN.value:
            return expression("(mlflow.active_run() or mlflow.start_run())")
        return updated_node

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        value = original_node.value
        if isinstance(value, cst.Name) and value.value == THE_RUN.value:
            return updated_node.with_changes(value=updated_node.value.with_changes(lpar=[], rpar=[]))
        return updated_node


def _without_imports(module: cst.Module) -> cst.Module:
    """The module without the imports of azureml that nobody uses."""
    tree = Tree(module.code)
    unused: set[cst.CSTNode] = set()
    for scope in {scope for scope in tree.scopes.values() if scope}:
        for assignment in scope.assignments:
            node: Any = assignment.node if isinstance(assignment, ImportAssignment) else None
            if node is not None and not assignment.references:
                for alias in () if isinstance(node.names, cst.ImportStar) else node.names:
                    name = tree.code(node.module) + "." if isinstance(node, cst.ImportFrom) and node.module else ""
                    name += tree.code(alias.name)
                    local = alias.evaluated_alias or tree.code(alias.name)
                    relative = isinstance(node, cst.ImportFrom) and node.relative
                    old = name.startswith("azureml.") and not (name + ".").startswith(
                        tuple(f"{one}." for one in LIVING)
                    )
                    if old and not relative and local in (assignment.name, assignment.name.split(".")[0]):
                        unused.add(alias)

    class Drop(cst.CSTTransformer):
        def _kept(self, original: cst.Import | cst.ImportFrom, updated: cst.Import | cst.ImportFrom) -> cst.CSTNode:
            if isinstance(original.names, cst.ImportStar):
                return updated
            pairs = zip(original.names, updated.names, strict=True)  # type: ignore[arg-type]
            kept = [new for old, new in pairs if old not in unused]
            if not kept:
                return cst.Expr(GONE)
            if len(kept) == len(original.names):
                return updated
            kept[-1] = kept[-1].with_changes(comma=list(updated.names)[-1].comma)  # type: ignore[arg-type]
            return updated.with_changes(names=kept)

        def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.CSTNode:  # type: ignore[override]
            return self._kept(original_node, updated_node)

        def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> cst.CSTNode:  # type: ignore[override]
            return self._kept(original_node, updated_node)

    return tree.module.visit(Drop()).visit(Sweep()) if unused else module
