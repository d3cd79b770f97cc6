"""The gate for data: which table may be registered. Edit reasons_against() for your data.

`aml register-data` runs this file. You can also run it yourself, from any folder: python scripts/register_data.py
"""

import sys
from pathlib import Path

from aml.cli.register_data import main

TARGET = "species"
NUMERIC_COLUMNS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "year"]
CATEGORIES = ["species", "island", "sex"]
MIN_ROWS = 100


def reasons_against(path: Path) -> list[str]:
    """What is wrong with the data at `path`, a file or a folder; an empty list accepts it."""
    from pandas.api.types import is_numeric_dtype

    from train import read_table  # src/train.py: the table as training reads it

    table = read_table(path)
    reasons = [f"column {name} is not expected" for name in table if name not in NUMERIC_COLUMNS + CATEGORIES]
    for name in NUMERIC_COLUMNS + CATEGORIES:
        if name not in table:
            reasons.append(f"column {name} is missing")
        elif is_numeric_dtype(table[name]) != (name in NUMERIC_COLUMNS):
            reasons.append(f"column {name} should hold {'numbers' if name in NUMERIC_COLUMNS else 'categories'}")
    if len(table) < MIN_ROWS:
        reasons.append(f"{len(table)} rows; at least {MIN_ROWS} are required")
    if TARGET in table and table[TARGET].isna().any():
        reasons.append(f"{TARGET} is missing in {table[TARGET].isna().sum()} rows")
    return reasons


if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).resolve().parents[1]))
