"""Register the model of a run, on this machine or in the workspace: what `aml register-model` does.

    python scripts/register_model.py -n NAME -f run.json --tag KEY=VALUE
"""

import sys
from pathlib import Path

from aml.cli.register_model import main

if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).resolve().parents[1]))
