"""The last steps on a rewritten module: what its new code needs is added, and what its old code needed is taken out."""

import re

import libcst as cst
from libcst.codemod import CodemodContext
from libcst.codemod.visitors import RemoveImportsVisitor

from aml.adopt.python.edits import GONE, Sweep, add_import, imports_end, insert, space
from aml.adopt.python.syntax import Tree, expression, lines_of, names_in, nodes_in
from aml.adopt.v1.names import is_v1
from aml.adopt.v1.work import NOTHING, THE_RUN, Work

RUN = "mlflow.active_run() or mlflow.start_run()"


# Functions with v1's own signatures, where MLflow has no single one.
HELPERS = {
    "log_file": '''

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
''',
    "log_value": '''

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
''',
}
OUTSIDE_A_JOB = """
# Outside a job, let MLflow keep plain files in ./mlruns: its own default needs a database driver.
os.environ.setdefault("MLFLOW_TRACKING_URI", "mlruns")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
"""


def finish(work: Work, module: cst.Module) -> cst.Module:
    """The module of a rewritten tree in its final form; notes on what still needs azureml."""
    before = work.tree.module.code
    if "azureml" not in module.code and module.code == before:
        return work.tree.module  # as most modules are; what follows is slow
    while (smaller := _without_unread(module, work.keep_run)).code != module.code:
        module = smaller
    module = module.visit(_Settle())
    module = _without_imports(_complete(work, module) if module.code != before else module)
    _leftovers(work, module)
    return module


def _complete(work: Work, module: cst.Module) -> cst.Module:
    """The module with the functions, options and imports that its new code needs."""
    before, used = names_in(work.tree.module), names_in(module)
    for plain, code in HELPERS.items():
        if (name := work.helpers[plain]) in used:
            module = insert(module, imports_end(module), re.sub(rf"\b{plain}\b", name, code))
            module = space(module, imports_end(module) + 1)
            for wanted in ("os", "re", "shutil", "tempfile"):
                module = add_import(module, f"import {wanted}") if f"{wanted}." in code else module
    module = work.options.apply(module)
    uses_mlflow = "mlflow" in names_in(module)
    if uses_mlflow and work.is_entry and "mlflow" not in before:
        module = insert(module, imports_end(module), OUTSIDE_A_JOB)
        module = space(module, imports_end(module) + 2)
    needed = ["import os"] if "os" in names_in(module) and ("os" not in before or uses_mlflow) else []
    for wanted in [*needed, *work.needed, *(["import mlflow"] if uses_mlflow else [])]:
        module = add_import(module, wanted)
    return module


def _without_unread(module: cst.Module, keep_run: bool) -> cst.Module:
    """The module without assignments of a run, or of nothing, to a variable that nobody reads."""
    tree = Tree(module.code)
    marks = (NOTHING.value,) if keep_run else (THE_RUN.value, NOTHING.value)
    attributes = {
        node.attr.value for node in tree.all(cst.Attribute) if not isinstance(tree.parents[node], cst.AssignTarget)
    }

    def is_read(target: cst.BaseExpression) -> bool:
        scope = tree.scopes.get(target)
        if not isinstance(target, cst.Name) or not scope:
            return not isinstance(target, cst.Attribute) or target.attr.value in attributes
        if isinstance(scope, cst.metadata.ClassScope) and target.value in attributes:
            return True
        return bool(list(scope.accesses[target.value])) or any(one.references for one in scope[target.value])

    unread: set[cst.CSTNode] = {
        node
        for node in tree.all(cst.Assign)
        if isinstance(node.value, cst.Name) and node.value.value in marks
        if len(node.targets) == 1 and not is_read(node.targets[0].target)
    }
    for node in tree.all(cst.Expr):  # what only shows a mark
        shows = isinstance(node.value, cst.Call) and getattr(node.value.func, "value", "") == "print"
        if shows and any(isinstance(part, cst.Name) and part.value == NOTHING.value for part in nodes_in(node)):
            unread.add(node)

    class Drop(cst.CSTTransformer):
        def on_leave(self, original: cst.CSTNode, updated: cst.CSTNode) -> cst.CSTNode:  # type: ignore[override]
            return cst.Expr(GONE) if original in unread else super().on_leave(original, updated)  # type: ignore[return-value]

    return tree.module.visit(Drop()).visit(Sweep()) if unread else module


class _Settle(cst.CSTTransformer):
    """Gives the marks their final text."""

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        if original_node.value == NOTHING.value:
            return cst.Name("None")
        return expression(f"({RUN})") if original_node.value == THE_RUN.value else updated_node

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        value = original_node.value
        plain = isinstance(value, cst.Name) and value.value == THE_RUN.value
        return updated_node.with_changes(value=expression(RUN)) if plain else updated_node


def _without_imports(module: cst.Module) -> cst.Module:
    """The module without the imports of azureml that nobody uses."""
    context = CodemodContext()
    for node in nodes_in(module):
        if isinstance(node, cst.ImportFrom) and (node.relative or not node.module):
            continue
        if isinstance(node, cst.Import | cst.ImportFrom) and "azureml" in module.code_for_node(node):
            RemoveImportsVisitor.remove_unused_import_by_node(context, node)
    imports = context.scratch.get(RemoveImportsVisitor.CONTEXT_KEY, [])
    old = [one for one in imports if is_v1(f"{one[0]}.{one[1] or ''}")]
    return RemoveImportsVisitor(CodemodContext(), old).transform_module(module) if old else module


def _leftovers(work: Work, module: cst.Module) -> None:
    """Notes on what still needs azureml."""
    tree = Tree(module.code)
    line = lines_of(work.tree.module.code, module.code)
    told = {note.where for note in work.notes if note.kind == "blocked"}
    for node in tree.all(cst.Name | cst.Attribute):
        parent = tree.parents.get(node)
        inner = isinstance(parent, cst.Attribute) and tree.qualified(parent)
        name = tree.qualified(node)
        place = line(tree.line(node))
        if is_v1(name) and not (inner or tree.around(node, cst.Import, cst.ImportFrom) or work.where(place) in told):
            work.note("blocked", place, _advice(name))
    for node in tree.all(cst.ImportFrom):
        star = tree.code(node.module) if isinstance(node.names, cst.ImportStar) and node.module else ""
        if is_v1(star):
            work.note("blocked", line(tree.line(node)), f"from {star} import *: name what it imports")


def _advice(name: str) -> str:
    submits = ("ScriptRunConfig", "RunConfiguration", "Environment", "ComputeTarget", "AmlCompute", "Estimator")
    if name.endswith(submits) or ".train." in name or ".pipeline." in name:
        return f"{name} submits jobs, which aml submit does now: take it out of the training code"
    if name.endswith(".Model") or ".Model." in name:
        return f"{name}: a model that the code reads is an input now: take its path from an option"
    return f"{name} is of SDK v1, which is retired, and has no counterpart here: take it out"
