"""The environment variables that the code reads, with the values that the source gives them."""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aml.adopt import Note
from aml.adopt.commands.documented import Command
from aml.adopt.commands.shell import UNKNOWN
from aml.adopt.private import hide, is_secret_variable
from aml.adopt.python.closure import UNREADABLE, parse
from aml.adopt.tree import folders, shown, text_of

FILES = (".env", ".env.local")
EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "env.example")
LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>\"[^\"]*\"|'[^']*'|.*?)\s*(?:\s#.*)?")
# Read by Python and by what trains, and not by the code: they change results, or how many processors are used.
LIBRARIES = re.compile(
    r"PYTHONHASHSEED|(OMP|MKL|OPENBLAS|NUMEXPR|LOKY|RAYON|POLARS)_\w+|(TF|KERAS|CUBLAS|XLA|TOKENIZERS|HYDRA|PYTORCH)_\w+"
)
# Of the machine or of the job, which say it themselves.
NEVER = re.compile(
    r"PATH|HOME|USER|TMPDIR|PYTHONPATH|VIRTUAL_ENV|CUDA_VISIBLE_DEVICES|(LOCAL_)?RANK|WORLD_SIZE|(AZUREML|MLFLOW|SLURM)_\w+"
)


@dataclass
class Variables:
    """What the code is given by its environment."""

    values: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def of_command(command: Command, code: Mapping[str, str]) -> dict[str, str]:
    """The variables among those that a command sets which count for the code."""
    strings, _ = _read(code)
    return {
        name: value
        for name, value in command.variables.items()
        if (name in strings or LIBRARIES.fullmatch(name)) and not NEVER.fullmatch(name)
    }


def find(home: Path, folder: Path, code: Mapping[str, str], command: Command | None) -> Variables:
    """What the code reads of its environment, as its files have it.

    `home` is the source, `folder` the one in it where the files called .env are looked for first, `code` the texts of
    the code by their paths in the source, and `command` how it is run.
    """
    found = Variables()
    strings, needed = _read(code)
    given: dict[str, tuple[str, str]] = {}  # name -> value, and where it stands
    files = [name for place in folders(home, folder) for name in _present(place, FILES) or _present(place, EXAMPLES)]
    files = [*(path for path in _named(home, folder, strings) if path not in files), *files]
    for path in files:
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if match := LINE.fullmatch(line):
                value = match["value"]
                value = value[1:-1] if value[:1] in ("'", '"') else value
                value = re.sub(r"\$\{(\w+)\}", lambda one: given.get(one[1], (one[0],))[0], value)
                given.setdefault(match["name"], (value, f"{shown(home, path)}:{number}"))
    own = {name: (value, command.where) for name, value in of_command(command, code).items()} if command else {}

    def note(kind: Literal["taken", "decide"], where: str, text: str) -> None:
        found.notes.append(Note(kind, where, text, "variable", name))

    for name, (value, where) in sorted({**given, **own}.items()):
        if NEVER.fullmatch(name) or (name not in strings and name not in own):
            continue
        other, there = given.get(name, (value, where))
        if is_secret_variable(name, value) or is_secret_variable(name, other):
            note("decide", where, f"{name} looks like a secret and was not copied: set it where the job runs, "
                 "in no file of git")  # fmt: skip
            continue
        if other != value:
            note("decide", where, f"{name} is {value} here, and another one in {there}: the job files have {value}")
        if name in own and UNKNOWN.search(value):
            note("decide", where, f"{name}={hide(value)} has a value that no file says: environment_variables in "
                 "both job files")  # fmt: skip
            continue
        found.values[name] = value
        note("taken", where, f"environment variable of both jobs: {name}={value}")
    for name, where in needed.items():
        if name not in {**given, **own} and not NEVER.fullmatch(name):
            note("decide", where, f"reads the environment variable {name}, which no file sets: environment_variables "
                 "in both job files")  # fmt: skip
    found.notes += [
        Note("taken", shown(home, path), "stays behind", "stays-behind", shown(home, path))
        for path in files
        if path.name not in EXAMPLES
    ]
    return found


def _present(folder: Path, names: Iterable[str]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]


def _named(home: Path, folder: Path, strings: set[str]) -> list[Path]:
    """The files of variables that the code names, such as config/prod.env."""
    names = sorted(name for name in strings if re.fullmatch(r"[\w./-]*\w\.env", name))
    places = (place / name for name in names for place in folders(home, folder))
    return [path for path in places if path.is_file() and path.resolve().is_relative_to(home)]


def _read(code: Mapping[str, str]) -> tuple[set[str], dict[str, str]]:
    """The texts in the code, any of which may be a variable's name, and the variables that it cannot do without."""
    strings: set[str] = set()
    needed: dict[str, str] = {}
    sets: set[str] = set()
    for name, text in code.items():
        try:
            tree = parse(text)
        except UNREADABLE:
            continue
        settings = "BaseSettings" in text  # pydantic: a field is a variable
        for node in ast.walk(tree):
            match node:
                case ast.Constant(value=str(value)):
                    strings.add(value)
                case ast.AnnAssign(target=ast.Name(id=field_name)) if settings:
                    strings |= {field_name, field_name.upper()}
                case ast.Subscript(
                    value=ast.Attribute(value=ast.Name("os"), attr="environ") | ast.Name("environ"),
                    slice=ast.Constant(value=str(variable)),
                ):
                    if isinstance(node.ctx, ast.Load):
                        needed.setdefault(variable, f"{name}:{node.lineno}")
                    else:
                        sets.add(variable)
                case ast.Compare(left=ast.Constant(value=str(variable)), ops=[ast.In() | ast.NotIn()]):
                    sets.add(variable)  # the code goes on without it
                case ast.Call(func=ast.Attribute(attr="setdefault"), args=[ast.Constant(value=str(variable)), *_]):
                    sets.add(variable)
    return strings, {name: where for name, where in needed.items() if name not in sets}
