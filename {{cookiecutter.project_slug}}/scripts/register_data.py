"""The gate: which data may be registered. Edit reasons_against to what your training expects.

`aml register-data` asks it. So does this script, which does the same from any folder: python scripts/register_data.py
"""

import sys
from pathlib import Path

from aml.cli.register_data import main

TARGET = "species"
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "year"]
WORDS = ["species", "island", "sex"]
FEWEST_ROWS = 100


def reasons_against(path: Path) -> list[str]:
    """What is wrong with the data at `path`, a file or a folder; an empty list lets it through."""
    from pandas.api.types import is_numeric_dtype

    from train import read_table  # src/train.py: the table as training reads it

    table = read_table(path)
    reasons = [f"column {name} is not expected" for name in table if name not in NUMBERS + WORDS]
    for name in NUMBERS + WORDS:
        if name not in table:
            reasons.append(f"column {name} is missing")
        elif is_numeric_dtype(table[name]) != (name in NUMBERS):
            reasons.append(f"column {name} should hold {'numbers' if name in NUMBERS else 'words'}")
    if len(table) < FEWEST_ROWS:
        reasons.append(f"{len(table)} rows are fewer than {FEWEST_ROWS}")
    if TARGET in table and table[TARGET].isna().any():
        reasons.append(f"{TARGET} is missing in {table[TARGET].isna().sum()} rows")
    return reasons


if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).resolve().parents[1]))
