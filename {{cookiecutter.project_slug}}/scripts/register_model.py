"""Registers the model of a run, on this machine or in the workspace, as `aml register-model` does.

Run it from any folder: python scripts/register_model.py -n NAME -f run.json --tag KEY=VALUE
"""

import sys
from pathlib import Path

from aml.cli.register_model import main

if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).resolve().parents[1]))
