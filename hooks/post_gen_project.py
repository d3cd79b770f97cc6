"""Confirms the workspace settings of the new repository, and says how to go on."""

import json
import os
import sys
from pathlib import Path

NEXT = """
Next, in {folder}:
  python -m venv .venv
  {activate}
  pip install -e .
  aml check
  aml submit -c train-local
  aml register-model -n {model}"""


def main(folder, model):
    """Print the confirmation that `aml workspace` gives at any later time, and the next commands.

    Returns the exit status: 1 fails the generation, where AML_CONFIRM=strict asks for that.
    """
    sys.dont_write_bytecode = True  # leave no __pycache__ behind
    sys.path.insert(0, str(folder))
    from aml import workspace

    lines, state = workspace.report(folder, seconds=5)
    activate = r".venv\Scripts\activate" if sys.platform == "win32" else ". .venv/bin/activate"
    print("\n".join(lines))
    if os.environ.get("AML_CONFIRM") == "strict" and state != "confirmed":
        print("AML_CONFIRM=strict: the workspace is not confirmed, so nothing is generated", file=sys.stderr)
        return 1
    print(NEXT.format(folder=folder, activate=activate, model=model))
    return 0


if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a legacy Windows console lacks some letters
    sys.exit(main(Path.cwd(), json.loads(r""" {{ cookiecutter.__model | jsonify }} """)))
