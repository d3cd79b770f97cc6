"""Registers the data of aml_config/data.yml in the workspace, as `aml register-data` does.

Run it from any folder: python scripts/register_data.py --help
"""

import sys
from pathlib import Path

from aml.cli.register_data import main

if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).resolve().parents[1]))
