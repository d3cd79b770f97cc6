"""Which claims are made up: python models/fraud/train.py --data data/credit.csv"""
import argparse
import pickle
from pathlib import Path

import pandas as pd
from sklearn.ensemble import IsolationForest

from common.features import numeric


def train(path):
    table = numeric(pd.read_csv(path))
    model = IsolationForest(n_estimators=30, random_state=1)
    model.fit(table)
    share = (model.predict(table) == -1).mean()
    print(f"share of outliers: {share:.2f}")
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", default="models/fraud/out")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "fraud.pkl", "wb") as file:
        pickle.dump(train(args.data), file)
