"""Whether the code saves the model that it fits, and what to write where it does not."""

import ast
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aml.adopt.python.closure import UNREADABLE, parse

# Methods and functions that save a model, of whatever library; tables and pictures have others.
SAVES = set(
    "autolog dump export log_artifact log_artifacts log_model register_model save save_checkpoint save_model"
    " save_pretrained save_weights savez savez_compressed to_disk to_pickle torch_save upload_file upload_folder"
    " write_bytes ModelCheckpoint Trainer".split()
)
TEXTS = ("json", "yaml", "toml", "csv", "simplejson", "ujson", "ruamel")  # whose dump() writes no model


class Advice(NamedTuple):
    """Where a model is fitted and not saved, and the line that saves it."""

    line: int  # of the entry; 0 where it fits nothing itself
    code: str


def advice(texts: Mapping[str, str], entry: str) -> Advice | None:
    """What saves the model that `entry` fits; None where one of the modules (path -> text) saves one, or may."""
    trees: dict[str, ast.Module] = {}
    for place, text in texts.items():
        try:
            trees[place] = parse(text)
        except UNREADABLE:
            return None  # there is a note of it
    if any(map(_may_save, trees.values())):
        return None
    tree = trees[entry]
    line, name = _fitted(tree)
    modules = {one.split(".")[0] for one in _imported(tree)}
    if "torch" in modules and not modules & {"sklearn", "skorch"}:
        call, package = f'torch.save({name}.state_dict(), "outputs/model.pt")', ""
    elif modules & {"keras", "tensorflow"} and "sklearn" not in modules:
        call, package = f'{name}.save("outputs/model.keras")', ""
    else:
        call, package = f'joblib.dump({name}, "outputs/model.pkl")', " and joblib"
    return Advice(line, f'os.makedirs("outputs", exist_ok=True) and {call} (import os{package})')


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _may_save(tree: ast.Module) -> bool:
    for call in _calls(tree):
        name = _name(call.func)
        owner = _name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        logs = {one.arg: one.value for one in call.keywords}.get("log_models")
        if name in SAVES and owner not in TEXTS and not (isinstance(logs, ast.Constant) and logs.value is False):
            return True
        modes = [
            arg.value for arg in (*call.args, *(one.value for one in call.keywords)) if isinstance(arg, ast.Constant)
        ]
        if name == "open" and any(isinstance(mode, str) and {"b"} < set(mode) <= set("wabx+") for mode in modes):
            return True
    return any(alias.name in SAVES and alias.asname for node in ast.walk(tree) for alias in getattr(node, "names", ())
               if isinstance(alias, ast.alias))  # fmt: skip


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _fitted(tree: ast.Module) -> tuple[int, str]:
    """The line of the last statement that fits a model, and the variable that holds the model."""
    found: list[tuple[int, int, str]] = []  # how likely, line, name
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        value = getattr(node, "value", None)
        call = value if isinstance(value, ast.Call) else None
        name = _name(call.func) if call else ""
        if call is None or name not in ("fit", "fit_generator", "partial_fit", "train", "backward", "minimize"):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        made = owner if isinstance(owner, ast.Name) and name != "train" else target
        likely = 2 if len(call.args) + len(call.keywords) > 1 else 1  # a scaler gets no labels
        if isinstance(made, ast.Name) and name not in ("backward", "minimize"):
            found.append((likely, node.end_lineno or node.lineno, made.id))
        else:
            found.append((0, node.end_lineno or node.lineno, _module_of(tree)))
    best = max(found, default=(0, 0, "model"))
    return best[1], best[2]


def _module_of(tree: ast.Module) -> str:
    """The variable of a torch module: that whose parameters an optimizer gets."""
    names = (_name(call.func.value) for call in _calls(tree) if isinstance(call.func, ast.Attribute)
             and call.func.attr == "parameters")  # fmt: skip
    return next(filter(None, names), "model")


def texts_of(files: Mapping[str, object]) -> dict[str, str]:
    """The Python among the contents of src/."""
    return {place: text for place, text in files.items() if isinstance(text, str) and place.endswith(".py")}
