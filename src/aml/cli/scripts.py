"""The register scripts of a repository: a verb whose script is there runs what the script says.

So what an owner changes in scripts/register_model.py counts for `aml register-model` as well.
"""

from collections.abc import Callable

from aml.console import display_path
from aml.errors import UserError
from aml.jobfile.repository import find_root

VERBS = ("register-data", "register-model")


def load_main(verb: str) -> Callable[[list[str]], int] | None:
    """The main of the script that the repository around has for this verb; it takes the arguments behind the verb.

    None where there is no repository or no script. Raises UserError, with the line, when the script cannot be loaded.
    """
    from aml import policy

    script = policy.SCRIPTS[verb]
    try:
        root = find_root()
    except UserError:  # the verb says so, or shows its help
        return None
    if not policy.script_exists(root, script):
        return None
    path = root / script.path
    main = getattr(policy.load(root, script), "main", None)
    if not callable(main):
        raise UserError(f"{display_path(path)}:1: no main(argv, root): import it from aml.cli.{path.stem}")

    def run(argv: list[str]) -> int:
        with policy.errors_with_line(root, script, reraise=(UserError, OSError, SystemExit)):
            return int(main(argv, root=root) or 0)

    return run
