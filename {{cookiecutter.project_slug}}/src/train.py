"""Train a classifier on a table and leave the model in outputs/model.pkl, the test data in outputs/test.csv.

    python src/train.py --data-path sample-data                  # plain Python, from the repository's folder
    aml submit -c train-local                                    # the same as a tracked job on this machine
    aml submit -c train-local --set inputs.max_iter=200          # with another hyper-parameter

Parameters, metrics and the confusion matrix go to MLflow. Nothing here depends on Azure: a job, on this machine or on
the cluster, sets the environment variables that say where MLflow writes.
"""

import argparse
import os
from pathlib import Path

import joblib
import matplotlib
import mlflow
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

matplotlib.use("Agg")  # a cluster has no screen

# Outside a job, let MLflow keep plain files in ./mlruns: its own default needs a database driver.
os.environ.setdefault("MLFLOW_TRACKING_URI", "mlruns")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")


def read_table(data_path: Path) -> pd.DataFrame:
    """Read a CSV file, or all CSV files of a folder as one table."""
    files = sorted(data_path.glob("*.csv")) if data_path.is_dir() else [data_path]
    if not files:
        raise SystemExit(f"{data_path} has no .csv file")
    return pd.concat([pd.read_csv(file) for file in files], ignore_index=True)


def build_model(c: float, max_iter: int) -> Pipeline:
    """An untrained pipeline for numeric and categorical columns with missing values."""
    columns = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    return make_pipeline(columns, LogisticRegression(C=c, max_iter=max_iter))


def evaluate(model: Pipeline, table: pd.DataFrame, target: pd.Series) -> dict[str, float]:
    """Score a trained model on rows it has not seen."""
    predicted = model.predict(table)
    return {
        "test_accuracy": float(accuracy_score(target, predicted)),
        "test_f1_macro": float(f1_score(target, predicted, average="macro")),
    }


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a classifier on a table.")
    parser.add_argument("--data-path", type=Path, required=True, help="CSV file, or folder of CSV files")
    parser.add_argument("--target", default="species", help="column to predict (default: %(default)s)")
    parser.add_argument("--output-dir", type=Path, default=Path("outputs"), help="where model.pkl goes")
    parser.add_argument("--test-size", type=float, default=0.25, help="share of rows held out (default: %(default)s)")
    parser.add_argument("--c", type=float, default=1.0, help="inverse of the regularisation (default: %(default)s)")
    parser.add_argument("--max-iter", type=int, default=1000, help="most steps of the solver (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the split (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    table = read_table(args.data_path).dropna(subset=[args.target])
    target = table.pop(args.target)
    train_x, test_x, train_y, test_y = train_test_split(
        table, target, test_size=args.test_size, random_state=args.seed, stratify=target
    )

    with mlflow.start_run():
        mlflow.log_params(vars(args))
        model = build_model(args.c, args.max_iter).fit(train_x, train_y)
        metrics = {"train_accuracy": float(model.score(train_x, train_y)), **evaluate(model, test_x, test_y)}
        mlflow.log_metrics(metrics)
        figure = ConfusionMatrixDisplay.from_estimator(model, test_x, test_y, cmap="Blues").figure_
        mlflow.log_figure(figure, "confusion_matrix.png")

        args.output_dir.mkdir(parents=True, exist_ok=True)
        joblib.dump(model, args.output_dir / "model.pkl")
        test_x.assign(**{args.target: test_y}).to_csv(args.output_dir / "test.csv", index=False, lineterminator="\n")

    print(f"{len(train_x)} rows to train, {len(test_x)} to test")
    for name, value in metrics.items():
        print(f"{name:<15} {value:.3f}")


if __name__ == "__main__":
    main()
