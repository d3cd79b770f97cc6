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


def reasons_against(candidate: dict[str, float], champion: dict[str, float] | None) -> list[str]:
    """Why a model with the metrics `candidate` should not be registered; an empty list accepts it.

    `champion` has the metrics of the last version that this gate accepted; None when there is none yet.
    """
    return [reason for metric in METRICS for reason in metric.reasons_against(candidate, champion)]


if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).resolve().parents[1]))
