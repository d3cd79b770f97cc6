"""Train a classifier that tells one column of a table of birds from their measures."""

import argparse
from pathlib import Path

import joblib
import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from birds.measures import bill_ratio


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-path", type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--c", type=float, default=1.0)
    parser.add_argument("--max-iter", type=int, default=1000)
    args = parser.parse_args()

    table = pd.concat(pd.read_csv(file) for file in args.data_path.glob("*.csv")).dropna()
    target = table.pop(args.target)
    measures = table.select_dtypes("number")
    measures["bill_ratio"] = bill_ratio(table["bill_length_mm"], table["bill_depth_mm"])

    model = make_pipeline(StandardScaler(), LogisticRegression(C=args.c, max_iter=args.max_iter))
    with mlflow.start_run():
        mlflow.log_params(vars(args))
        mlflow.log_metric("accuracy", cross_val_score(model, measures, target).mean())
    Path("outputs").mkdir(exist_ok=True)
    joblib.dump(model.fit(measures, target), "outputs/model.pkl")


if __name__ == "__main__":
    main()
