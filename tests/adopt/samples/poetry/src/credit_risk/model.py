from pathlib import Path

import yaml
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def settings():
    return yaml.safe_load((Path(__file__).parent / "settings.yaml").read_text())


def build(c):
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), settings()["numbers"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), settings()["words"]),
        ]
    )
    return Pipeline([("columns", columns), ("logistic", LogisticRegression(C=c))])
