"""MLflow's calls that a job has no use for, or that Azure Machine Learning does not take.

A job leads MLflow into its run by environment variables: with another address or experiment that run is not found.
Azure Machine Learning has no logged models of MLflow 3 (azureml-mlflow 1.62; azure-sdk-for-python issue 44896), so that
a model is saved below outputs/, from where it is registered.
"""

import re

import libcst as cst

from aml.adopt.convert.work import Work
from aml.adopt.python.edits import GONE, TIGHT, without
from aml.adopt.python.syntax import expression, keyword, literal, method_of, quoted

VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID")
LEADS = (
    "mlflow.set_tracking_uri",
    "mlflow.set_registry_uri",
    "mlflow.set_experiment",
    "mlflow.tracking.set_tracking_uri",
)
# Parameters of log_model that save_model has not (mlflow 3.15).
LOGS_ONLY = (
    "registered_model_name", "await_registration_for", "run_id", "params", "tags", "model_type", "step", "model_id",
    "name", "artifact_path",
)  # fmt: skip
LATER = "aml register-model does it after the run"
ELSEWHERE = {
    "mlflow.register_model": f"registering is not for the training code: take it out, {LATER}",
    "mlflow.create_experiment": "the job file says the experiment (experiment_name): take it out",
    "mlflow.projects.run": "a project of MLflow in a job: call its code directly",
}
REGISTRY = ("create_registered_model", "create_model_version", "transition_model_version_stage",
            "set_registered_model_alias", "create_experiment", "delete_experiment")  # fmt: skip


def leave_to_job(work: Work) -> None:
    """Take out what leads MLflow elsewhere, save models below outputs/, and name what is left to the owner."""
    work.part = "tracking"
    for target, _ in work.tree.assigned():
        statement = work.tree.around(target, cst.Assign)
        if _variable(work, target) in VARIABLES and statement and len(statement.targets) == 1:
            work.new[statement] = cst.Expr(GONE)
            work.note("changed", statement, f"{_variable(work, target)} is taken out: the job sets it", "tracking")
    for call in work.tree.all(cst.Call):
        name = work.tree.qualified(call.func)
        if not name.startswith("mlflow."):
            if method_of(call) in REGISTRY and "mlflow" in work.tree.module.code:
                work.note("decide", call, f"{method_of(call)}: {ELSEWHERE['mlflow.register_model']}", "tracking")
        elif name in LEADS:
            _leads(work, call, name)
        elif name == "mlflow.start_run":
            _start(work, call)
        elif name.endswith(".autolog"):
            _autolog(work, call)
        elif name.endswith(".log_model"):
            _log_model(work, call, name)
        elif name.endswith(".save_model") and (path := keyword(call, "path")) is not None:
            text = literal(path.value) or ""
            work.model = work.model or (text if text.startswith("outputs/") else None)
        elif name in ELSEWHERE:
            statement = work.tree.parents[call]
            if isinstance(statement, cst.Expr) and name == "mlflow.register_model":
                work.new[statement] = cst.Expr(GONE)
                work.note("changed", call, f"mlflow.register_model is taken out: {LATER}", "tracking")
            else:
                work.note("decide", call, f"{name}: {ELSEWHERE[name]}", "tracking")
        elif name.endswith(".load_model"):
            place = work.tree.short(call.args[0].value, 60) if call.args else "it"
            if any(word in place for word in ("runs:/", "models:/", "model_uri", "run_id")):
                text = f"{name}({place}) reads a store that the job may not have: load what it saved below outputs/"
                work.note("decide", call, text, "tracking")


def _variable(work: Work, node: cst.BaseExpression) -> str:
    """The environment variable that is assigned."""
    if not isinstance(node, cst.Subscript) or work.tree.qualified(node.value) != "os.environ":
        return ""
    index = node.slice[0].slice
    return (literal(index.value) or "") if isinstance(index, cst.Index) else ""


def _leads(work: Work, call: cst.Call, name: str) -> None:
    statement, short = work.tree.parents[call], name.rpartition(".")[2]
    said = literal(call.args[0].value) if call.args and short == "set_experiment" else None
    if said and re.fullmatch(r"[a-zA-Z0-9][\w-]{0,254}", said, re.ASCII):
        work.experiment = said
    if isinstance(statement, cst.Expr):
        work.new[statement] = cst.Expr(GONE)
        why = "experiment_name in the job files says it" if short == "set_experiment" else "MLflow finds the job's run"
        work.note("changed", call, f"{work.short(call)} is taken out: {why}", "tracking")
    elif short == "set_experiment" and isinstance(statement, cst.Assign):
        new = expression("mlflow.get_experiment(os.environ['MLFLOW_EXPERIMENT_ID'])")
        work.new[call] = new
        work.imports += ["import mlflow", "import os"]
        work.note("changed", call, f"{work.short(call)} -> the experiment of the job", "tracking")
    else:
        work.note("decide", call, f"{work.short(call)}: take it out, MLflow finds the job's run", "tracking")


def _start(work: Work, call: cst.Call) -> None:
    gone = [arg for arg in call.args if arg.keyword and arg.keyword.value in ("run_id", "experiment_id")]
    gone += [arg for arg in call.args[:1] if not arg.keyword and not arg.star]
    if gone:
        work.new[call] = call.with_changes(args=without(call.args, gone))
        said = ", ".join(work.short(arg).rstrip(", ") for arg in gone)
        work.note("changed", call, f"start_run({said}) -> start_run(): the job's run goes on", "tracking")


def _autolog(work: Work, call: cst.Call) -> None:
    if keyword(call, "log_models", "disable"):
        return
    arg = cst.Arg(cst.Name("False"), keyword=cst.Name("log_models"), equal=TIGHT)
    work.new[call] = call.with_changes(args=[*call.args, arg])
    work.note("changed", call, "autolog(log_models=False): Azure takes no models that MLflow 3 logs", "tracking")


def _log_model(work: Work, call: cst.Call, name: str) -> None:
    """Save a model below outputs/ in place of logging it."""
    statement = work.tree.parents[call]
    place = 0 if ".pyfunc." in name else 1
    plain = [arg for arg in call.args if not arg.keyword and not arg.star]
    given = keyword(call, "name") or keyword(call, "artifact_path") or (plain[place] if len(plain) > place else None)
    folder = literal(given.value) if given else "model"
    if not isinstance(statement, cst.Expr) or any(arg.star for arg in call.args) or len(plain) > place + 1:
        text = f"{name}: Azure takes no models that MLflow 3 logs: {name.removesuffix('log_model')}save_model(...,"
        work.note(
            "decide", call, f'{text} path="outputs/{folder or "model"}") saves it for aml register-model', "tracking"
        )
        return
    dropped = [arg for arg in call.args if arg is given or (arg.keyword and arg.keyword.value in LOGS_ONLY)]
    path: cst.BaseExpression = quoted(f"outputs/{folder}")
    if folder is None and given:
        path = expression('os.path.join("outputs", NAME)', NAME=given.value)
        work.imports.append("import os")
    kept = [arg.with_changes(comma=cst.MaybeSentinel.DEFAULT) for arg in without(call.args, dropped)]
    kept.append(cst.Arg(path, keyword=cst.Name("path"), equal=TIGHT))
    if name == "mlflow.sklearn.log_model" and not keyword(call, "serialization_format"):  # its default needs skops
        kept.append(cst.Arg(quoted("cloudpickle"), keyword=cst.Name("serialization_format"), equal=TIGHT))
    if isinstance(call.func, cst.Attribute):
        func: cst.BaseExpression = call.func.with_changes(attr=cst.Name("save_model"))
    else:  # from mlflow.sklearn import log_model
        func = expression(f"{name.removesuffix('log_model')}save_model")
        work.imports.append(f"import {name.rpartition('.')[0]}")
    work.new[call] = call.with_changes(args=kept, func=func)
    work.writes = True
    target = f"outputs/{folder}" if folder else "a folder below outputs/"
    if work.tree.around(statement, cst.For, cst.While, cst.FunctionDef):  # which may run twice; save_model would refuse
        line = work.tree.parents[statement]
        away = cst.parse_statement(f"shutil.rmtree({cst.Module([]).code_for_node(path)}, ignore_errors=True)\n")
        work.imports.append("import shutil")
        if isinstance(line, cst.SimpleStatementLine) and isinstance(away, cst.SimpleStatementLine):
            away = away.with_changes(leading_lines=line.leading_lines)
            work.new[line] = cst.FlattenSentinel([away, line.with_changes(leading_lines=[])])
    work.model = work.model or (f"outputs/{folder}" if folder else None)
    work.note(
        "changed", call, f"log_model -> save_model in {target}: Azure takes no models that MLflow 3 logs", "tracking"
    )
    if registered := keyword(call, "registered_model_name"):
        work.note("changed", call, f"registering as {work.short(registered.value)} is left out: {LATER}", "tracking")
