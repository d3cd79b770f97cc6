"""The register scripts of a repository: a verb whose script is there runs what the script says.

So what an owner changes in scripts/register_model.py counts for `aml register-model` as well.
"""

import sys
import traceback
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from aml.console import display_path
from aml.errors import UserError
from aml.jobfile.repository import find_root

VERBS = ("register-data", "register-model")


def load_main(verb: str) -> Callable[[list[str]], int] | None:
    """The main of the script that the repository around has for this verb; it takes the arguments behind the verb.

    None where there is no repository or no script. Raises UserError, with the line, when the script cannot be loaded.
    """
    try:
        root = find_root()
    except UserError:  # the verb says so, or shows its help
        return None
    path = root / "scripts" / f"{verb.replace('-', '_')}.py"
    if not path.is_file():
        return None
    if (source := str(root / "src")) not in sys.path:
        sys.path.insert(0, source)
    name = f"_aml_script_{path.stem}"  # private: no module of the repository is called so
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and pickle look their module up there
    call(path, lambda: SourceFileLoader(name, str(path)).exec_module(module))
    main = getattr(module, "main", None)
    if not callable(main):
        raise UserError(f"{display_path(path)}:1: no main(argv, root): import it from aml.cli.{path.stem}")
    return lambda argv: int(call(path, lambda: main(argv, root=root)) or 0)


def call(path: Path, function: Callable[[], Any]) -> Any:
    """What the function returns. Raises UserError, with the line of the script, when the owner's code fails."""
    try:
        return function()
    except (UserError, OSError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), 1)
        if isinstance(error, SyntaxError) and error.filename == str(path):
            line = error.lineno
        raise UserError(f"{display_path(path)}:{line}: {type(error).__name__}: {error}") from error
