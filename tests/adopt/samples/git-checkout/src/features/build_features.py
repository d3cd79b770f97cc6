import pandas as pd


def build_features(table: pd.DataFrame) -> pd.DataFrame:
    out = table[["age", "amount", "duration"]].fillna(0).copy()
    out["rate"] = out["amount"] / out["duration"].clip(lower=1)
    return out
