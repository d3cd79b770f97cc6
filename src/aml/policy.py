"""The register scripts of a repository, with which its owner decides what may be registered.

Each has one function that the owner edits, and the main() of its command, so that it is a program of its own, too. It
is loaded by its path, under a private name, with src/ importable; `aml check` parses it and never runs it.
"""

import ast
import contextlib
import dataclasses
import hashlib
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from aml.console import display_path
from aml.errors import FileError, Place, ServiceError, UserError
from aml.gate import Champion, Comparison, State, Verdict


@dataclass(frozen=True)
class Script:
    """A script of the repository, and its function, which returns the reasons against as a list of strings."""

    verb: str
    parameters: tuple[str, ...]
    function: str = "reasons_against"

    @property
    def path(self) -> str:
        """Its path, relative to the repository."""
        return f"scripts/{self.verb.replace('-', '_')}.py"

    @property
    def missing_function(self) -> str:
        """The message for a script without the function."""
        return f"function {self.function}({', '.join(self.parameters)}) is missing; aml {self.verb} calls it"


MODEL = Script("register-model", ("candidate", "champion"))
SCORE = Script("register-model", ("model", "test_data"), "score")
DATA = Script("register-data", ("path",))
SCRIPTS = {script.verb: script for script in (MODEL, DATA)}


class _Compared(NamedTuple):
    """The champion with the metrics to compare with, how they came about, and why that is impossible.

    `test_data` is the hash of the candidate's.
    """

    champion: Champion | None
    how: Comparison = ""
    test_data: str | None = None
    why_not: str = ""


def _nothing(path: str, folder: Path) -> Path | None:  # noqa: ARG001  # stands for a function that takes them
    return None


def _no_model(version: str, folder: Path) -> Path:  # noqa: ARG001  # the same
    raise UserError("its model is not known here")


@dataclass(frozen=True)
class ModelGate:
    """The gate for one model: a `Gate` of aml.gate.

    Attributes:
        root: The model repository.
        read_metrics: Reads the metrics of the model's run. Called when the gate is asked, and not before: a model that
            is registered already is not judged. Raises UserError when they cannot be read.
        force: Register the model even if the script refuses it.
        find_test_data: The file at a path of the model's run, which may be fetched to a folder; None for no such file.
        find_model: The file or folder of a registered version, which may be fetched to a folder. Raises UserError when
            it is gone.

    """

    root: Path
    read_metrics: Callable[[], dict[str, float]]
    force: bool = False
    find_test_data: Callable[[str, Path], Path | None] = _nothing
    find_model: Callable[[str, Path], Path] = _no_model

    def __call__(self, champion: Champion | None) -> Verdict:
        """The verdict on the model, compared with the champion; None for the first version.

        Raises ServiceError when the workspace, which has the metrics, does not answer.
        """
        if not script_exists(self.root, MODEL):
            return Verdict()
        metrics, compared = None, _Compared(champion)
        try:
            metrics = self.read_metrics()
            with tempfile.TemporaryDirectory(prefix="aml-gate-", ignore_cleanup_errors=True) as folder:
                compared = self._compare(champion, metrics, Path(folder))
            others = compared.champion if compared.how != "impossible" else None
            # a copy: what the owner's code changes in it is not recorded
            reasons = call_script(self.root, MODEL, dict(metrics), others and others.copy_metrics())
            reasons += [compared.why_not] if compared.why_not else []
        except ServiceError:  # the workspace does not answer, so registering would fail too
            raise
        except UserError as error:
            state: State = "forced" if self.force else "not judged"
            reasons = [str(error)]
        else:
            state = _state(reasons, self.force)
        return Verdict(state, metrics, compared.champion, reasons, compared.how, compared.test_data)

    def _compare(self, champion: Champion | None, metrics: dict[str, float], folder: Path) -> _Compared:
        """The champion with metrics on the candidate's test data: those it has, or it is scored again."""
        path = find_test_data(self.root)
        data = self.find_test_data(path, folder) if path else None
        if data is None:
            return _Compared(champion, "data unknown" if champion else "")
        with data.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if champion is None or champion.test_data == digest:
            return _Compared(champion, "same data" if champion else "", digest)
        try:
            scored = _score(self.root, self.find_model(champion.version, folder / "champion"), data)
            if not scored.keys() & metrics.keys():
                raise UserError(f"{SCORE.path}: score returned none of the metrics that the run logged")  # noqa: TRY301
        except ServiceError:
            raise
        except UserError as error:
            measured = "which was measured on other test data" if champion.test_data else "whose test data are unknown"
            why = f"not comparable with the champion, version {champion.version}, {measured}: {error}"
            return _Compared(champion, "impossible", digest, why)
        return _Compared(dataclasses.replace(champion, metrics=scored), "scored again", digest)


def _score(root: Path, model: Path, test_data: Path) -> dict[str, float]:
    """The metrics of a model on test data, by the script's score(). Raises UserError when it has none, or fails."""
    answer = _call(root, SCORE, model, test_data)
    try:
        return {str(name): float(value) for name, value in answer.items()}  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        line = find_function(root, SCORE) or 1
        where = f"{display_path(root / SCORE.path)}:{line}"
        raise UserError(f"{where}: score returned {answer!r}: it should return a dict of numbers") from None


def judge_data(root: Path, path: Path, force: bool = False) -> Verdict:
    """The verdict of the repository's script on the data at `path`."""
    if not script_exists(root, DATA):
        return Verdict()
    try:
        reasons = call_script(root, DATA, path)
    except UserError as error:
        return Verdict("forced" if force else "not judged", reasons=[str(error)])
    return Verdict(_state(reasons, force), reasons=reasons)


def script_exists(root: Path, script: Script) -> bool:
    """Whether the repository has the script; without it nothing is judged."""
    return (root / script.path).is_file()


def call_script(root: Path, script: Script, *arguments: object) -> list[str]:
    """Call the script's function, and return its reasons.

    Raises UserError, with the line of the script, when it cannot be loaded, fails, or returns anything but a list of
    strings.
    """
    answer, path = _call(root, script, *arguments), root / script.path
    if not isinstance(answer, list | tuple) or not all(isinstance(reason, str) for reason in answer):
        raise UserError(
            f"{display_path(path)}:{find_function(root, script) or 1}: {script.function} returned {answer!r}: "
            "it should return a list of strings, an empty one to accept"
        )
    return list(answer)


def _call(root: Path, script: Script, *arguments: object) -> object:
    """What the script's function returns. Raises UserError, with the line, when that fails."""
    function = getattr(load(root, script), script.function, None)
    if function is None:
        raise UserError(f"{display_path(root / script.path)}:1: {script.missing_function}")
    with _importable(root / "src"), errors_with_line(root, script):
        return function(*arguments)


def load(root: Path, script: Script) -> ModuleType:
    """The script as a module. Raises UserError, with the line, when it cannot be loaded."""
    path = root / script.path
    name = f"_aml_script_{path.stem}"  # no module of the repository has this name
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and pickle look their module up there
    with _importable(root / "src"), errors_with_line(root, script):
        SourceFileLoader(name, str(path)).exec_module(module)
    return module


@contextlib.contextmanager
def errors_with_line(
    root: Path, script: Script, reraise: tuple[type[BaseException], ...] = (UserError,)
) -> Iterator[None]:
    """Convert exceptions of the owner's code to a UserError with its `file:line`, except those of `reraise`."""
    try:
        yield
    except reraise:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{_place(error, root, script)}: {type(error).__name__}: {error}") from error


def find_function(root: Path, script: Script) -> int | None:
    """The line where the script defines, imports or assigns its function; None where it does not.

    The script is not run. Raises SyntaxError, or ValueError, when it is not Python.
    """
    path = root / script.path
    for node in _module_level(ast.parse(path.read_bytes(), str(path))):
        match node:
            case ast.FunctionDef(name=name) | ast.alias(asname=str(name)) | ast.alias(name=name):
                pass
            case ast.Name(id=name, ctx=ast.Store()):
                pass
            case _:
                continue
        if name == script.function:
            return node.lineno
    return None


def find_test_data(root: Path) -> str | None:
    """Where a run keeps the rows that it was measured on: TEST_DATA of scripts/register_model.py, or None.

    The script is not run. Raises UserError, with the line, when that is no plain string.
    """
    path = root / MODEL.path
    if not path.is_file():
        return None
    with errors_with_line(root, MODEL):
        body = ast.parse(path.read_bytes(), str(path)).body
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id="TEST_DATA")], value=value):
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    return value.value
                place = Place(display_path(path), node.lineno)
                raise FileError(place, "TEST_DATA", 'write a plain string, such as "outputs/test.csv"')
    return None


def _module_level(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module, but none of those within its functions and classes."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _module_level(child)


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the scripts import the training code, and write no .pyc files for code that changes often.

    Only while they run: a module of src/ may have the name of one that a command imports later, so what was imported
    from `folder` is forgotten, too.
    """
    path, dont_write, known = list(sys.path), sys.dont_write_bytecode, set(sys.modules)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, dont_write
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                del sys.modules[name]


def _place(error: BaseException, root: Path, script: Script) -> str:
    """`file:line` of the repository's own code where the error was raised."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{display_path(Path(error.filename))}:{error.lineno or 1}"
    own = [(root / folder).resolve() for folder in ("scripts", "src")]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(map(Path(frame.filename).resolve().is_relative_to, own)):
            return f"{display_path(Path(frame.filename))}:{frame.lineno}"
    try:
        line = find_function(root, script) or 1  # raised by the call itself: it takes other arguments
    except (SyntaxError, ValueError):
        line = 1
    return f"{display_path(root / script.path)}:{line}"


def _state(reasons: list[str], force: bool) -> State:
    if not reasons:
        return "passed"
    return "forced" if force else "refused"
