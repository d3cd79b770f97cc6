"""The gate for models: which model may be registered. Edit METRICS, or reasons_against() for rules of your own.

`aml register-model` runs this file. You can also run it yourself, from any folder:

    python scripts/register_model.py -n NAME -f run.json --tag KEY=VALUE
"""

import sys
from pathlib import Path

from aml.cli.register_model import main
from aml.gate import Metric

# limit: the worst value that is accepted; tolerance: by how much it may be worse than the champion's
METRICS = [
    Metric("test_accuracy", better="higher", limit=0.9, tolerance=0.01),
    Metric("test_f1_macro", better="higher", limit=0.85, tolerance=0.02),
]
TEST_DATA = "outputs/test.csv"  # what a run keeps of the data that it was tested on, its target last


def reasons_against(candidate: dict[str, float], champion: dict[str, float] | None) -> list[str]:
    """The reasons against a model with these metrics, none to accept it; `champion` is None for the first model."""
    return [reason for metric in METRICS for reason in metric.reasons_against(candidate, champion)]


def score(model: Path, test_data: Path) -> dict[str, float]:
    """The metrics of the champion, in the file `model`, on the test data of a candidate, if its own were others."""
    import joblib
    import pandas as pd

    from train import evaluate  # src/train.py

    table = pd.read_csv(test_data)
    return evaluate(joblib.load(model), table.iloc[:, :-1], table.iloc[:, -1])


if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).resolve().parents[1]))
