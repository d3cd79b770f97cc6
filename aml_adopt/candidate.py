"""Which file of a source trains, and what says so."""

import ast
import configparser
import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from aml_adopt.closure import CODE_LIMIT, UNREADABLE, imports_of, parse, read_code
from aml_adopt.tree import text_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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
SUBMITS = {
    "Estimator",
    "HyperDriveConfig",
    "MMLBaseEstimator",
    "PyTorch",
    "PythonScriptStep",
    "SKLearn",
    "ScriptRunConfig",
}
SUBMITS |= {"TensorFlow", "command"}
OTHER_WORK = re.compile(
    r"(^|_)(test|tests|conftest|setup|score|scoring|inference|infer|predict|prediction|serve|submit|deploy|deployment"
    r"|register|evaluate|eval|preprocess|prepare|download|app|utils|util|helpers?|config|settings|noxfile|tasks|conf"
    r"|pipeline|publish|init)(_|\d|$)"
)
OTHER_FOLDERS = ("deploy", "deployment", "docs", "test", "testing", "tests")


@dataclass
class Candidate:
    """A file that may train."""

    name: str  # its path in the source
    score: int
    reasons: list[str]
    rank: int  # 3: a runconfig names it, 2: a submit script or entry point does, 1: its own name does, 0: its code


@dataclass
class Named:
    """What a v1 runconfig says of the script it runs; aml_adopt.runconfig reads the rest."""

    path: Path
    project: Path
    scripts: list[Path] = field(default_factory=list)
    arguments: str = ""
    target: str = ""
    conda: Path | None = None


def find(root: Path, files: list[str]) -> list[Candidate]:
    """All files that may train, the likeliest first."""
    trees = {name: tree for name in files if (tree := _tree(root / name)) is not None}
    named: dict[str, tuple[int, str]] = {}

    def name_it(path: Path, rank: int, why: str) -> None:
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
        if name in trees and named.get(name, (0, ""))[0] < rank:
            named[name] = (rank, why)

    for name in files:
        if runconfig := runconfig_script(root, name):
            for script in runconfig.scripts:
                name_it(script, 3, f"{name} runs it")
    for name, tree in trees.items():
        for script in _submitted(root, (root / name).parent, tree):
            name_it(script, 2, f"{name} submits it")
    for name in files:
        for script in _entry_points(root, name):
            name_it(script, 2, f"an entry point of {name}")
    commands = named_by_commands(root, files)
    imported = _imported(trees)
    fitting = {PurePosixPath(name).stem for name, tree in trees.items() if _called(tree) & FITS} - {"__init__"}
    found = [
        _judge(name, tree, named.get(name), name in commands, PurePosixPath(name).stem in imported, fitting)
        for name, tree in trees.items()
    ]
    return sorted((one for one in found if one), key=lambda one: (-one.rank, -one.score, one.name))


def _judge(
    name: str, tree: ast.Module, named: tuple[int, str] | None, commanded: bool, imported: bool, fitting: set[str]
) -> Candidate | None:
    path = PurePosixPath(name)
    calls = _called(tree)
    does = does_something(tree)
    through = does and bool({part for one in imports_of(tree) for part in one.module.split(".")} & fitting)
    stem = re.sub(r"\W+", "_", path.stem).lower().strip("_")
    guarded = any(isinstance(node, ast.If) and _is_main(node.test) for node in tree.body)
    says_train = re.search(r"(^|_|\d)(train|training|trainer)(_|\d|$)", stem) is not None
    other = not says_train and OTHER_WORK.search(stem) is not None
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
        (20, "the documentation runs it", commanded),
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
    return Candidate(name, score, reasons, rank)


def _tree(path: Path) -> ast.Module | None:
    """The syntax tree of a script, or of those cells of a notebook that are plain Python."""
    try:
        if path.stat().st_size > (20 if path.suffix == ".ipynb" else 1) * CODE_LIMIT:
            return None
        if path.suffix == ".py":
            return parse(read_code(path))
        if path.suffix == ".ipynb":
            return _cells(json.loads(path.read_text(encoding="utf-8-sig")))
    except UNREADABLE:
        if path.suffix == ".py":
            return ast.Module([], [])  # what cannot be read can be named all the same
    return None


def _cells(notebook: Any) -> ast.Module | None:
    if not isinstance(notebook, dict):
        return None
    sheets = _list(notebook.get("worksheets")) or [notebook]  # the format's third version has them
    cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))]
    body: list[ast.stmt] = []
    for cell in (one for one in cells if isinstance(one, dict) and one.get("cell_type") == "code"):
        source = cell.get("source", cell.get("input", "")) or ""
        text = source if isinstance(source, str) else "".join(map(str, source))
        lines = text.split("\n")
        plain = "\n".join("" if line.startswith(("%", "!")) else line for line in lines)
        try:
            body += parse(plain).body
        except UNREADABLE:
            continue
    return ast.Module(body, [])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def does_something(tree: ast.Module) -> bool:
    """Whether a script does more when it is run than define functions."""
    if not any(isinstance(statement, ast.FunctionDef | ast.ClassDef) for statement in tree.body):
        return True  # it imports modules, which may
    return any(map(_acts, tree.body))


def _acts(statement: ast.stmt) -> bool:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return False
        case ast.Try():
            return any(map(_acts, [*statement.body, *statement.orelse, *statement.finalbody]))
        case _:
            return any(isinstance(node, ast.Call) for node in ast.walk(statement))


def _called(tree: ast.Module) -> set[str]:
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


def runconfig_script(root: Path, name: str) -> Named | None:
    """What a file says as a v1 runconfig; None when it is none."""
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
        places = [found.project / script.replace("\\", "/"), root / script.replace("\\", "/")]
        found.scripts = [place.resolve() for place in places if place.is_file()][:1]
    arguments = content.get("arguments")
    if isinstance(arguments, list):
        found.arguments = shlex.join(str(argument) for argument in arguments)
    elif isinstance(arguments, str):
        found.arguments = arguments.strip()
    python = _lower(_lower(content.get("environment")).get("python"))
    conda = python.get("condadependenciesfile") or content.get("condadependenciesfile")
    if isinstance(conda, str) and (found.project / conda).is_file():
        found.conda = (found.project / conda).resolve()
    return found


def _mapping(path: Path) -> dict[str, Any]:
    """A YAML or JSON file's mapping, its keys without capitals and underscores; empty when it has none."""
    import yaml

    try:
        return _lower(yaml.safe_load(text_of(path)))
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date that is none
        return {}


def _lower(value: Any) -> dict[str, Any]:
    return {str(key).lower().replace("_", ""): inner for key, inner in value.items()} if isinstance(value, dict) else {}


def _submitted(root: Path, folder: Path, tree: ast.Module) -> Iterator[Path]:
    """The scripts that ScriptRunConfig(source_directory=..., script=...) and the like in a submit script name."""
    constants: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=ast.Constant(value=str(text))):
                constants[name] = text
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _last(node.func) not in SUBMITS:
            continue
        given: dict[str, str] = {}
        for keyword in node.keywords:
            match keyword.value:
                case ast.Constant(value=str(text)):
                    given[keyword.arg or ""] = text
                case ast.Name(name) if name in constants:
                    given[keyword.arg or ""] = constants[name]
        script = given.get("script") or given.get("entry_script") or given.get("script_name") or ""
        if not script and "command" in given:
            script = next((found for found, _ in _python_commands(given["command"])), "")
        source = given.get("source_directory") or given.get("code") or "."
        for base in (folder, root) if script else ():
            if (place := base / source / script).is_file():
                yield place.resolve()
                break


def _entry_points(root: Path, name: str) -> Iterator[Path]:
    """The modules behind commands named train-something in pyproject.toml, setup.cfg and setup.py."""
    path = root / name
    lines: list[str] = []
    if path.name == "pyproject.toml":
        try:
            content = tomllib.loads(text_of(path))
        except tomllib.TOMLDecodeError:
            return
        tool = content.get("tool", {})
        for table in (content.get("project", {}), tool.get("poetry", {}) if isinstance(tool, dict) else {}):
            scripts = table.get("scripts", {}) if isinstance(table, dict) else {}
            lines += [f"{key} = {value}" for key, value in scripts.items()] if isinstance(scripts, dict) else []
    elif path.name == "setup.cfg":
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(text_of(path))
        except configparser.Error:
            return
        lines = parser.get("options.entry_points", "console_scripts", fallback="").splitlines()
    elif path.name == "setup.py" and (tree := _tree(path)):
        constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        lines = [line for value in constants if isinstance(value, str) for line in value.splitlines() if "=" in line]
    for line in lines:
        command, _, target = (part.strip() for part in line.partition("="))
        module = target.partition(":")[0].strip()
        if re.search(r"(^|[-_])train", command) and all(part.isidentifier() for part in module.split(".")):
            for base in (path.parent, path.parent / "src"):
                for ending in (".py", "/__main__.py"):
                    if (place := base / (module.replace(".", "/") + ending)).is_file():
                        yield place


def named_by_commands(root: Path, files: list[str]) -> dict[str, str]:
    """Scripts that README, Makefile and shell scripts run with Python, and with which arguments."""
    found: dict[str, str] = {}
    for name in files:
        path = PurePosixPath(name)
        if not (path.name.lower().startswith("readme") or path.name == "Makefile" or path.suffix == ".sh"):
            continue
        for script, arguments in _python_commands(text_of(root / name).replace("\\\n", " ")):
            for place in (PurePosixPath(path.parent, script).as_posix(), script):
                if place in files and not found.get(place):
                    found[place] = arguments
    return found


def _python_commands(text: str) -> Iterator[tuple[str, str]]:
    """The scripts that lines such as "python train.py --epochs 3" run, with their arguments where those are literal."""
    for line in text.splitlines():
        try:
            words = shlex.split(line.strip().strip("`"), comments=True)
        except ValueError:  # a quotation mark without its second: a sentence
            continue
        for command in _commands(words):
            # What stands before a program, which a sentence does not.
            while command and re.fullmatch(r"[$>!%]+|\w+=\S*|nohup|time", command[0]):
                command = command[1:]
            if not command or not re.fullmatch(r"(.*/)?(python|py)(\d(\.\d+)?)?(\.exe)?", command[0]):
                continue
            rest = command[1:]
            while rest and re.fullmatch(r"-[uBOIEs]+", rest[0]):
                rest = rest[1:]
            if rest[:1] == ["-m"] and len(rest) > 1:
                rest = [rest[1].replace(".", "/") + ".py", *rest[2:]]
            if rest and rest[0].endswith(".py"):
                vague = ("...", "\\", "-h", "--help")
                literal = not any(set("<>[]{}$|`") & set(word) or word in vague for word in rest[1:])
                yield PurePosixPath(rest[0].replace("\\", "/")).as_posix(), shlex.join(rest[1:]) if literal else ""


def _commands(words: list[str]) -> Iterator[list[str]]:
    """The single commands of a line."""
    command: list[str] = []
    for word in words:
        if word in ("&&", "||", "|", ";", ">", ">>", "&") or word.endswith(";"):
            yield [*command, *filter(None, [word.rstrip("&|;>")])]
            command = []
        else:
            command.append(word)
    yield command
