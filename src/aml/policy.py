"""The owner's policy: the scripts of the repository that say what may be registered.

Each has one function that the owner edits, and the main() of its verb, so that it is a program of its own, too. It is
loaded by its path, under a private name, with src/ importable; `aml check` parses it and never runs it.
"""

import ast
import contextlib
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


@dataclass(frozen=True)
class Script:
    """A script of the repository, and its function, which returns the reasons against as a list of texts."""

    verb: str
    parameters: tuple[str, ...]
    function: str = "reasons_against"

    @property
    def path(self) -> str:
        """Where it is, seen from the repository."""
        return f"scripts/{self.verb.replace('-', '_')}.py"

    @property
    def lacking(self) -> str:
        """What is wrong with a script that has no such function."""
        return f"there is no function {self.function}({', '.join(self.parameters)}), which aml {self.verb} asks"


MODEL = Script("register-model", ("candidate", "champion"))
DATA = Script("register-data", ("path",))
SCRIPTS = {script.verb: script for script in (MODEL, DATA)}


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
    function = getattr(load(root, script), script.function, None)
    if function is None:
        raise UserError(f"{display_path(path)}:1: {script.lacking}")
    with _importable(root / "src"), errors_with_line(root, script):
        answer = function(*arguments)
    if not isinstance(answer, list | tuple) or not all(isinstance(reason, str) for reason in answer):
        raise UserError(
            f"{display_path(path)}:{find_function(root, script) or 1}: {script.function} returned {answer!r}: "
            "it should return a list of texts, an empty one when nothing speaks against it"
        )
    return list(answer)


def load(root: Path, script: Script) -> ModuleType:
    """The script as a module. Raises UserError, with the line, when it cannot be loaded."""
    path = root / script.path
    name = f"_aml_script_{path.stem}"  # private: no module of the repository is called so
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and pickle look their module up there
    with _importable(root / "src"), errors_with_line(root, script):
        SourceFileLoader(name, str(path)).exec_module(module)
    return module


@contextlib.contextmanager
def errors_with_line(
    root: Path, script: Script, passing: tuple[type[BaseException], ...] = (UserError,)
) -> Iterator[None]:
    """Turn what the owner's code raises into a UserError with `file:line` of that code, but for what is `passing`."""
    try:
        yield
    except passing:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{_place(error, root, script)}: {type(error).__name__}: {error}") from error


def find_function(root: Path, script: Script) -> int | None:
    """The line where the script defines, imports or assigns its function; None where it does not.

    The script is not run. Raises SyntaxError, or ValueError, when it is not Python.
    """
    path = root / script.path
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


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the scripts import the training code, and leave no byte code of what is edited all the time.

    Only while they run: a module of src/ may have the name of one that a verb imports later.
    """
    path, writes_none = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, writes_none


def _place(error: BaseException, root: Path, script: Script) -> str:
    """`file:line` of the repository's own code where the error was raised."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{display_path(Path(error.filename))}:{error.lineno or 1}"
    own = [(root / folder).resolve() for folder in ("scripts", "src")]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(map(Path(frame.filename).resolve().is_relative_to, own)):
            return f"{display_path(Path(frame.filename))}:{frame.lineno}"
    return f"{display_path(root / script.path)}:{find_function(root, script) or 1}"  # it takes other arguments


def _state(reasons: list[str], force: bool) -> State:
    if not reasons:
        return "passed"
    return "forced" if force else "refused"
