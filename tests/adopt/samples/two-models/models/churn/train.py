"""Who leaves: python models/churn/train.py"""
import os
import sys

import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

sys.path.append(os.path.join(os.path.dirname(__file__), "..", ".."))
from common.features import numeric  # noqa: E402

DATA = os.path.join(os.path.dirname(__file__), "..", "..", "data", "credit.csv")

if __name__ == "__main__":
    table = pd.read_csv(DATA)
    x, y = numeric(table), table["risk"] == "bad"
    scores = cross_val_score(LogisticRegression(max_iter=1000), x, y, cv=3)
    print("accuracy: %.3f" % scores.mean())
    model = LogisticRegression(max_iter=1000).fit(x, y)
    joblib.dump(model, "churn.joblib")
