import json
import logging
import os
from datetime import datetime

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
log = logging.getLogger(__name__)

with open("config.json") as f:
    cfg = json.load(f)


def main():
    df = pd.read_csv(cfg["data"]["path"])
    log.info("read %d rows", len(df))
    X, y = df.drop(columns=[cfg["target"], "risk"]), df[cfg["target"]]
    Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=cfg["test_size"], random_state=cfg["seed"])
    enc = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["housing", "purpose"]), remainder="passthrough")
    model = make_pipeline(enc, RandomForestRegressor(**cfg["forest"], random_state=cfg["seed"]))
    model.fit(Xtr.fillna(0), ytr)
    pred = model.predict(Xte.fillna(0))
    log.info("mae=%.1f r2=%.3f", mean_absolute_error(yte, pred), r2_score(yte, pred))

    os.makedirs("artifacts", exist_ok=True)
    plt.scatter(yte, pred, s=4)
    plt.savefig("artifacts/fit.png")
    plt.show()
    joblib.dump(model, "artifacts/model.joblib")
    with open("artifacts/report.json", "w") as f:
        json.dump({"mae": float(np.mean(np.abs(yte - pred))), "at": datetime.now().isoformat()}, f)


if __name__ == "__main__":
    main()
