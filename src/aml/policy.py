"""The owner's policy: the scripts of the repository that say what may be registered.

Each has one function that the owner edits. It is loaded by its path, under a private name, with src/ importable; `aml
check` parses the script and never runs it.
"""

import ast
import contextlib
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from aml.console import display_path
from aml.errors import ServiceError, UserError
from aml.gate import Champion, State, Verdict

log = logging.getLogger("aml")


@dataclass(frozen=True)
class Script:
    """A script of the repository, and the function in it that returns the reasons against, a list of texts."""

    path: str
    function: str
    parameters: tuple[str, ...]


MODEL = Script("scripts/register_model.py", "reasons_against", ("candidate", "champion"))
DATA = Script("scripts/register_data.py", "reasons_against", ("path",))


@dataclass(frozen=True)
class ModelGate:
    """The gate for one model: a `Gate` of aml.gate.

    Attributes:
        root: The model repository.
        read_metrics: Reads the metrics of the model's run. Called when the gate is asked, and not before: a model that
            is registered already is not judged. Raises UserError when they cannot be read.
        force: Let the model through all the same.

    """

    root: Path
    read_metrics: Callable[[], dict[str, float]]
    force: bool = False

    def __call__(self, champion: Champion | None) -> Verdict:
        """The verdict on the model, compared with the champion; None for the first version.

        Raises ServiceError when the workspace, which has the metrics, does not answer.
        """
        if not has(self.root, MODEL):
            return Verdict()
        metrics = None
        try:
            metrics = self.read_metrics()
            # a copy: what the owner's code changes in it is not recorded
            reasons = ask(self.root, MODEL, dict(metrics), champion and champion.copy_metrics())
        except ServiceError:  # nothing can be registered there either
            raise
        except UserError as error:
            return Verdict("forced" if self.force else "not judged", metrics, champion, [str(error)])
        return Verdict(_state(reasons, self.force), metrics, champion, reasons)


def judge_data(root: Path, path: Path, force: bool = False) -> Verdict:
    """What the owner's policy says of the data at `path`."""
    if not has(root, DATA):
        return Verdict()
    try:
        reasons = ask(root, DATA, path)
    except UserError as error:
        return Verdict("forced" if force else "not judged", reasons=[str(error)])
    return Verdict(_state(reasons, force), reasons=reasons)


def has(root: Path, script: Script) -> bool:
    """Whether the repository has the script; without it there is no policy."""
    return (root / script.path).is_file()


def ask(root: Path, script: Script, *arguments: object) -> list[str]:
    """What the function of the script returns.

    Raises UserError, with the line of the script, when it cannot be loaded, fails, or returns anything else than a list
    of texts.
    """
    path = root / script.path
    with _importable(root / "src"):
        try:
            function = getattr(_load(path), script.function, None)
            answer = function(*arguments) if function else None
        except (Exception, SystemExit) as error:  # the owner's code may raise anything
            log.debug("%s", path, exc_info=error)  # aml register-model --debug shows it
            raise UserError(f"{_place(error, root, path, script)}: {type(error).__name__}: {error}") from None
    if function is None:
        raise UserError(f"{display_path(path)}:1: {_lacks(script)}")
    if not isinstance(answer, list | tuple) or not all(isinstance(reason, str) for reason in answer):
        raise UserError(
            f"{display_path(path)}:{_line(path, script)}: {script.function} returned {answer!r}: "
            "it should return a list of texts, an empty one when nothing speaks against it"
        )
    return list(answer)


def check(root: Path) -> Iterator[str]:
    """Findings on the scripts: one that Python does not parse, or that lacks its function. None of them is run."""
    for script in (MODEL, DATA):
        path = root / script.path
        if not path.is_file():
            continue
        try:
            if not _line(path, script):
                yield f"{display_path(path)}:1: {_lacks(script)}"
        except SyntaxError as error:
            yield f"{display_path(path)}:{error.lineno or 1}: {error.msg}: fix it: aml {_verb(script)} asks this script"
        except (ValueError, OSError) as error:  # the former: a null byte, before Python 3.12
            yield f"{display_path(path)}:1: {error}: fix it: aml {_verb(script)} asks this script"


def _line(path: Path, script: Script) -> int | None:
    """The line where the script defines, imports or assigns its function; None where it does not."""
    for node in ast.parse(path.read_bytes(), str(path)).body:
        names: list[str | None] = []
        if isinstance(node, ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Assign):
            names = [getattr(target, "id", None) for target in node.targets]
        if script.function in names:
            return node.lineno
    return None


def _lacks(script: Script) -> str:
    parameters = ", ".join(script.parameters)
    return f"there is no function {script.function}({parameters}): write it: aml {_verb(script)} asks it"


def _verb(script: Script) -> str:
    return Path(script.path).stem.replace("_", "-")


def _load(path: Path) -> ModuleType:
    name = f"_aml_{path.stem}"  # private: no module of the repository's is called so
    loader = SourceFileLoader(name, str(path))
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the scripts import the training code, and leave no byte code of what is edited all the time."""
    path, writes_none = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, writes_none


def _place(error: BaseException, root: Path, path: Path, script: Script) -> str:
    """`file:line` of the repository's own code where the error was raised."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{display_path(Path(error.filename))}:{error.lineno or 1}"
    own = (path.parent.resolve(), (root / "src").resolve())
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(map(Path(frame.filename).resolve().is_relative_to, own)):
            return f"{display_path(Path(frame.filename))}:{frame.lineno}"
    return f"{display_path(path)}:{_line(path, script) or 1}"  # such as a function that takes other arguments


def _state(reasons: list[str], force: bool) -> State:
    if not reasons:
        return "passed"
    return "forced" if force else "refused"
