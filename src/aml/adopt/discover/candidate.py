"""Which file of a source trains, and what says so."""

import ast
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from aml.adopt.commands.documented import Command
from aml.adopt.commands.entry_points import entry_points
from aml.adopt.python.cells import cells
from aml.adopt.python.closure import CODE_LIMIT, UNREADABLE, imports_of, parse, read_code
from aml.adopt.tree import by_end, text_of
from aml.adopt.v1 import submits
from aml.adopt.v1.submits import SUBMITS

FITS = {
    "backward",
    "fit",
    "fit_generator",
    "fit_transform_predict",
    "minimize",
    "partial_fit",
    "train",
    "train_on_batch",
}
SAVES = {"dump", "log_model", "save", "save_model", "save_pretrained", "save_weights", "to_disk"}
OTHER_WORK = re.compile(
    r"(^|_)(test|tests|conftest|setup|score|scoring|inference|infer|predict|prediction|serve|submit|deploy|deployment"
    r"|register|evaluate|eval|preprocess|prepare|download|app|utils|util|helpers?|config|settings|noxfile|tasks|conf"
    r"|publish|init)(_|\d|$)"
)
PIPELINE = re.compile(r"(^|_)pipeline(_|\d|$)")
OTHER_FOLDERS = ("deploy", "deployment", "docs", "test", "testing", "tests")


@dataclass
class Candidate:
    """A file that may train."""

    name: str  # its path in the source
    score: int
    reasons: list[str]
    rank: int  # 3: a runconfig names it, 2: a submit script or entry point does, 1: its own name does, 0: its code
    runs: str = ""  # the line that runs it


@dataclass
class Named:
    """What a v1 runconfig says of the script it runs; v1.runconfig reads the rest."""

    path: Path
    project: Path
    script: str = ""  # as it stands there
    scripts: list[Path] = field(default_factory=list)
    fits: list[Path] = field(default_factory=list)  # files whose paths end so, where none is certain
    arguments: str = ""
    target: str = ""
    conda: Path | None = None


def find(root: Path, files: list[str], commands: Sequence[Command] = ()) -> list[Candidate]:
    """All files that may train, the likeliest first; `commands`: what the source says of how it is run."""
    trees = {name: tree for name in files if (tree := _tree(root / name)) is not None}
    named: dict[str, tuple[int, str]] = {}

    def name_it(path: Path, rank: int, why: str) -> None:
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
        if name in trees and named.get(name, (0, ""))[0] < rank:
            named[name] = (rank, why)

    for name in files:
        if runconfig := runconfig_script(root, name, files):
            for script in runconfig.scripts:
                name_it(script, 3, f"{name} runs it")
    for name in trees:
        for script in submits.scripts(root, root / name, files):
            name_it(script, 2, f"{name} submits it")
    behind: set[str] = set()  # modules that a command which the package installs calls
    for name in files:
        for one in entry_points(root, name):
            behind |= {one.path.relative_to(root).as_posix()} if one.function else set()
            if re.search(r"(^|[-_])train", one.command):
                name_it(one.path, 2, f"an entry point of {name}")
    runs: dict[str, str] = {}
    for command in commands:
        runs.setdefault(command.script, command.where)
    imported = _imported(trees)
    fitting = _fitting(trees)
    found = [
        _judge(
            name,
            tree,
            name in behind or does_something(tree),
            named.get(name),
            runs.get(name, ""),
            PurePosixPath(name).stem in imported,
            fitting,
        )
        for name, tree in trees.items()
    ]
    return sorted((one for one in found if one), key=lambda one: (-one.rank, -one.score, one.name))


def _fitting(trees: dict[str, ast.Module]) -> set[str]:
    """The stems of the modules that fit a model, themselves or by what they import."""
    found = {PurePosixPath(name).stem for name, tree in trees.items() if called_names(tree) & FITS} - {"__init__"}
    parts = {name: {part for one in imports_of(tree) for part in one.module.split(".")} for name, tree in trees.items()}
    while more := {PurePosixPath(name).stem for name in trees if parts[name] & found} - {"__init__"} - found:
        found |= more
    return found


def _judge(
    name: str, tree: ast.Module, does: bool, named: tuple[int, str] | None, runs: str, imported: bool, fitting: set[str]
) -> Candidate | None:
    path = PurePosixPath(name)
    calls = called_names(tree)
    through = does and bool({part for one in imports_of(tree) for part in one.module.split(".")} & fitting)
    stem = re.sub(r"\W+", "_", path.stem).lower().strip("_")
    guarded = any(isinstance(node, ast.If) and _is_main(node.test) for node in tree.body)
    says_train = re.search(r"(^|_|\d)(train|training|trainer)(?!_(test|val|dev|split))(_|\d|$)", stem) is not None
    trains_through = bool(runs) and (through or bool(calls & FITS))
    other = OTHER_WORK.search(stem) is not None or (PIPELINE.search(stem) is not None and not trains_through)
    other = other and not says_train
    if (
        {part.lower() for part in path.parts[:-1]} & {*OTHER_FOLDERS}
        or stem.startswith("test_")
        or stem.endswith("_test")
    ):
        other = True
    submits = bool(calls & SUBMITS) and any(
        one.module.startswith(("azureml", "azure.ai.ml")) and not one.optional for one in imports_of(tree)
    )
    if named is None and (other or submits or path.name == "__init__.py"):
        return None
    score, reasons = 0, [named[1]] if named else []
    signs = [
        (20, "its name", says_train),
        (10, "its name", not says_train and re.search(r"(^|_)(main|run|fit|experiment)(_|\d|$)", stem) is not None),
        (20, f"{runs} runs it", bool(runs)),
        (15, "it fits a model", bool(calls & FITS)),
        (15, "what it imports fits a model", through and not calls & FITS),
        (10, "it saves a model", bool(calls & SAVES)),
        (10, "it can be run", guarded),
        (5, "it takes options", bool(calls & {"ArgumentParser", "parse_args", "Fire", "Typer"})),
        (-5, "", path.suffix == ".ipynb"),  # a script beside it is likely the later one
        (-20, "", imported and not guarded),
        (-30, "", not does),
        (-30, "", other),
    ]
    for points, reason, holds in signs:
        if holds:
            score += points
            reasons += [reason] if reason else []
    trains = says_train or bool(calls & FITS) or through
    if named is None and not trains:
        return None
    rank = named[0] if named and not other else 1 if says_train and does and (guarded or not imported) else 0
    return Candidate(name, score, reasons, rank, runs)


def _tree(path: Path) -> ast.Module | None:
    """The syntax tree of a script, or of those cells of a notebook that are plain Python."""
    try:
        if path.stat().st_size > (20 if path.suffix == ".ipynb" else 1) * CODE_LIMIT:
            return None
        if path.suffix == ".py":
            return parse(read_code(path))
        if path.suffix == ".ipynb":
            return ast.Module([part for _, text in cells(path) for part in parse(text).body], [])
    except UNREADABLE:
        if path.suffix == ".py":
            return ast.Module([], [])  # what cannot be read can be named all the same
    return None


def does_something(tree: ast.Module) -> bool:
    """Whether a script does more when it is run than define functions."""
    if not any(isinstance(statement, ast.FunctionDef | ast.ClassDef) for statement in tree.body):
        return bool(tree.body)  # it imports modules, which may
    return any(map(_acts, tree.body))


def _acts(statement: ast.stmt) -> bool:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return False
        case ast.Try():
            return any(map(_acts, [*statement.body, *statement.orelse, *statement.finalbody]))
        case _:
            return any(isinstance(node, ast.Call) for node in ast.walk(statement))


def called_names(tree: ast.AST) -> set[str]:
    """The names of the functions and methods that are called below a node."""
    return {_last(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_main(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _imported(trees: dict[str, ast.Module]) -> set[str]:
    """Stems of the modules that other files than tests import."""
    found: set[str] = set()
    for name, tree in trees.items():
        if {*PurePosixPath(name).parts[:-1]} & {*OTHER_FOLDERS} or PurePosixPath(name).name.startswith("test_"):
            continue
        for one in imports_of(tree):
            found.add(one.module.rpartition(".")[2])
            found.update(one.names)
    return found


def runconfig_script(root: Path, name: str, files: list[str]) -> Named | None:
    """What a file says as a v1 runconfig; None when it is none.

    Its script and its conda file are relative to a source_directory that only the submit script named. It is the
    project's folder or the source's, or else told by the end of the path, when that fits one file of `files` only.
    """
    path = root / name
    inside = path.parent.name in ("aml_config", ".azureml")
    if path.suffix != ".runconfig" and not (inside and path.suffix in (".json", ".yaml", ".yml")):
        return None
    content = _mapping(path)
    target, script = content.get("target"), content.get("script")
    if path.suffix != ".runconfig" and not (script and "target" in content):
        return None
    project = path.parent.parent if inside else path.parent
    found = Named(path, project if project.is_relative_to(root) else root, target=str(target or ""))
    if isinstance(script, str) and script.strip():
        found.script = script.strip().replace("\\", "/")
        found.fits = _places(root, found.project, found.script, files)
        found.scripts = found.fits if len(found.fits) == 1 else []
    arguments = content.get("arguments")
    if isinstance(arguments, list):
        found.arguments = shlex.join(str(argument) for argument in arguments)
    elif isinstance(arguments, str):
        found.arguments = arguments.strip()
    python = _lower(_lower(content.get("environment")).get("python"))
    conda = python.get("condadependenciesfile") or content.get("condadependenciesfile")
    if isinstance(conda, str) and conda.strip():
        places = _places(root, found.project, conda.strip().replace("\\", "/"), files)
        found.conda = places[0] if len(places) == 1 else None
    return found


def _places(root: Path, project: Path, name: str, files: list[str]) -> list[Path]:
    """The file that a runconfig names, or those that it may mean."""
    certain = [place.resolve() for place in (project / name, root / name) if place.is_file()]
    return certain[:1] or by_end(root, project, name, files)


def _mapping(path: Path) -> dict[str, Any]:
    """A YAML or JSON file's mapping, its keys without capitals and underscores; empty when it has none."""
    import yaml

    try:
        return _lower(yaml.safe_load(text_of(path)))
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date that is none
        return {}


def _lower(value: Any) -> dict[str, Any]:
    return {str(key).lower().replace("_", ""): inner for key, inner in value.items()} if isinstance(value, dict) else {}
