"""What the names of a module mean in the retired SDK, azureml-core 1.61: runs, workspaces, datasets and so on."""

import re
from typing import NamedTuple

import libcst as cst

from aml.adopt.python.syntax import Key, Tree, literal, method_of, nodes_in

# Packages below azureml that v2 has as well.
LIVING = ("azureml.mlflow.", "azureml.fsspec.", "azureml.ai.")
# What the classes of v1 and their class methods give, by the name after the modules.
KINDS = {
    "run": ("Run", "Run.get_context", "Run.get_submitted_run"),
    "workspace": ("Workspace", "Workspace.from_config", "Workspace.get", "Workspace.setup"),
    "experiment": ("Experiment",),
    "datastore": ("Datastore", "Datastore.get", "Datastore.get_default"),
    "keyvault": ("Keyvault",),
    "dataset": (
        *("Dataset.get_by_name", "Dataset.get_by_id", "Dataset.File.from_files"),
        *(f"Dataset.Tabular.from_{form}_files" for form in ("delimited", "parquet", "json_lines")),
    ),
    "model": ("Model.register",),
    "path": ("Model.get_model_path",),
    "sign-in": tuple(f"{way}Authentication" for way in ("InteractiveLogin", "ServicePrincipal", "Msi", "AzureCli")),
}
STATIC = {name: kind for kind, names in KINDS.items() for name in names}
# What the attributes and methods of those give.
MEMBERS = {
    "run": {"parent": "parent", "experiment": "experiment", "input_datasets": "inputs", "register_model": "model"}
    | {"child_run": "child", "start_logging": "child"},
    "experiment": {"workspace": "workspace", "start_logging": "started"},
    "workspace": {"get_default_datastore": "datastore", "get_default_keyvault": "keyvault", "datasets": "inputs"},
    "inputs": {"get": "dataset"},
    "dataset": dict.fromkeys(
        ("as_mount", "as_download", "as_direct", "as_named_input", "as_hdfs", "register", "take"), "dataset"
    ),
}
READERS = {"from_parquet_files": "read_parquet", "from_json_lines_files": "read_json"}
RUNS = ("run", "parent", "child", "started")
# A parameter with such a name is a run when it is used as one; its module need not import azureml.
RUN_PARAMETERS = ("run", "aml_run", "azureml_run", "azure_run", "run_context", "run_logger")
OWN_METHODS = ("log_list", "log_row", "log_table", "upload_file", "upload_files", "upload_folder", "input_datasets")

# Classes that a run is tested for, with what the test asks for.
OFFLINE = {"_OfflineRun": "offline", "_SubmittedRun": "job", "Run": "job"}
OPPOSITE = {"offline": "job", "job": "offline", "": ""}


def is_v1(name: str) -> bool:
    """Whether a dotted name is of what v2 has no more."""
    return name.startswith("azureml.") and not f"{name}.".startswith(LIVING)


class Value(NamedTuple):
    kind: str
    origins: frozenset[cst.CSTNode] = frozenset()  # of a dataset: the expressions that name it
    reader: str = "read_csv"  # of a dataset: the function of pandas


class Meanings:
    """The kind of each expression, from assignments, parameters and returns until nothing new is found."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.star = any(
            isinstance(node.names, cst.ImportStar) and self._module(node).startswith("azureml.")
            for node in tree.all(cst.ImportFrom)
        )
        self.variables: dict[Key, Value] = {}
        self.attributes: dict[str, Value] = {}  # of self and of classes
        self.functions: dict[str, Value] = {}  # what they return
        self._parameters()
        before = None
        while before != (now := (dict(self.variables), dict(self.attributes), dict(self.functions))):
            before = now
            self._pass()

    def _module(self, node: cst.ImportFrom) -> str:
        return self.tree.code(node.module) if node.module else ""

    def static(self, node: cst.CSTNode) -> str:
        """The name in v1, such as Run.get_context, whatever it was imported as; "" when it is not of v1."""
        name = self.tree.qualified(node)
        if not name and self.star and isinstance(node, cst.Name | cst.Attribute):
            code = self.tree.code(node)
            name = f"azureml.core.{code}" if code in STATIC else ""
        if not is_v1(name):
            return ""
        parts = name.split(".")
        start = next((at for at, part in enumerate(parts) if part.lstrip("_")[:1].isupper()), 1)
        return re.sub(r"^(Tabular|File)DatasetFactory\b", r"Dataset.\1", ".".join(parts[start:]))

    def of(self, node: cst.CSTNode | None) -> Value | None:
        match node:
            case cst.Name():
                key = self.tree.key(node)
                return self.variables.get(key) if key else None
            case cst.Attribute():
                owner = getattr(node.value, "value", "")
                own = owner in ("self", "cls") or owner in self.tree.classes
                return (self.attributes.get(node.attr.value) if own else None) or self._member(node)
            case cst.Subscript():
                base = self.of(node.value)
                return Value("dataset", frozenset([node])) if base and base.kind == "inputs" else None
            case cst.Call():
                return self._call(node)
            case cst.IfExp():
                return self.of(node.body) or self.of(node.orelse)
            case cst.BooleanOperation():
                return self.of(node.left) or self.of(node.right)
            case cst.NamedExpr():
                return self.of(node.value)
        return None

    def _member(self, node: cst.Attribute) -> Value | None:
        if (base := self.of(node.value)) is None:
            return None
        found = MEMBERS.get("run" if base.kind in RUNS else base.kind, {}).get(node.attr.value)
        return base if found == "dataset" == base.kind else Value(found) if found else None

    def _call(self, node: cst.Call) -> Value | None:
        name = self.static(node.func)
        if found := STATIC.get(name):
            return Value(found, frozenset([node]), READERS.get(name.rpartition(".")[2], "read_csv"))
        member = self._member(node.func) if isinstance(node.func, cst.Attribute) else None
        if member is None:
            name = method_of(node) or getattr(node.func, "value", "")
            return self.functions.get(name) if isinstance(name, str) and name in self.tree.functions else None
        if member.kind == "dataset" and not member.origins:
            return Value("dataset", frozenset([node]))
        return None if member.kind in ("parent", "experiment", "inputs") else member

    def _parameters(self) -> None:
        foreign = ("wandb", "neptune", "comet_ml")
        imports = [self.tree.code(node) for node in self.tree.nodes if isinstance(node, cst.Import | cst.ImportFrom)]
        for param in self.tree.all(cst.Param):
            if (param.annotation and self.static(param.annotation.annotation) == "Run") or (
                param.name.value in RUN_PARAMETERS
                and not any(name in line for line in imports for name in foreign)
                and self._used_as_run(param.name)
            ):
                self._bind(param.name, Value("run"))

    def _used_as_run(self, name: cst.Name) -> bool:
        key = self.tree.key(name)
        uses = [node for node in self.tree.all(cst.Attribute) if getattr(node.value, "value", "") == name.value]
        own = [node for node in uses if self.tree.key(node.value) == key]
        calls = [call for node in own if isinstance(call := self.tree.parents[node], cst.Call) and call.func is node]
        logs = any(method_of(call) == "log" and len(call.args) >= 2 for call in calls)
        return logs or any(node.attr.value in OWN_METHODS for node in own)

    def _pass(self) -> None:
        for target, value in self.tree.assigned():
            if found := self.of(value):
                self._bind(target, found)
        for call in self.tree.all(cst.Call):
            for param, value in self.tree.parameters(call):
                if found := self.of(value):
                    self._bind(param.name, found)
        for node in self.tree.all(cst.Return):
            function = self.tree.around(node, cst.FunctionDef)
            if function and (found := self.of(node.value)):
                self.functions.setdefault(function.name.value, found)

    def _bind(self, target: cst.BaseExpression, value: Value) -> None:
        if isinstance(target, cst.Name) and (key := self.tree.key(target)):
            old = self.variables.get(key, value)
            if old.kind == value.kind or old.kind not in RUNS:
                self.variables[key] = Value(value.kind, old.origins | value.origins, value.reader)
            if isinstance(self.tree.scopes.get(target), cst.metadata.ClassScope):
                self.attributes.setdefault(target.value, value)
        elif isinstance(target, cst.Attribute) and getattr(target.value, "value", "") in ("self", "cls"):
            self.attributes.setdefault(target.attr.value, value)


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
        return OFFLINE.get(v1.static(values[1]), "")
    return "job" if function == "hasattr" and literal(values[1]) in ("experiment", "input_datasets", "parent") else ""
