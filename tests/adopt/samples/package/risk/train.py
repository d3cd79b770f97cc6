"""Train the model: python -m risk.train --data data/credit.csv"""
import argparse
import os

import joblib
import mlflow
from sklearn.ensemble import GradientBoostingClassifier

from .features import load


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data/credit.csv")
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--model-dir", default="models")
    args = parser.parse_args()
    table = load(args.data)
    y = table.pop("risk")
    with mlflow.start_run():
        model = GradientBoostingClassifier(n_estimators=args.trees).fit(table, y)
        mlflow.log_metric("accuracy", model.score(table, y))
        os.makedirs(args.model_dir, exist_ok=True)
        joblib.dump(model, os.path.join(args.model_dir, "risk.pkl"))


if __name__ == "__main__":
    main()
