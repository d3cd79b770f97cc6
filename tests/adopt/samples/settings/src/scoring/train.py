"""Train the scoring model."""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .config import Config


def train(cfg: Config) -> float:
    table = pd.read_csv(cfg.data["train_path"]).dropna()
    y = table.pop(cfg.data["target"])
    x = table.select_dtypes("number")
    model = make_pipeline(StandardScaler(), LogisticRegression(**cfg.model["params"])).fit(x, y)
    out = Path(cfg.output["model_path"])
    out.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, out)
    with open(cfg.output["metrics_path"], "w") as file:
        json.dump({"accuracy": model.score(x, y)}, file)
    return model.score(x, y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", "--config", default="config/config.yaml")
    args = parser.parse_args()
    print(f"accuracy {train(Config.load(args.config)):.3f}")


if __name__ == "__main__":
    main()
