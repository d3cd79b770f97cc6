from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
RAW = ROOT / "data" / "raw"


def load():
    table = pd.read_csv(RAW / "credit.csv")
    return table.dropna()
