"""What the checks of score.py cost: run() beside the same predictions without them, in one process.

    python benchmarks/scoring.py CODE MODEL_DIR REQUEST ROUNDS    # prints the medians of both in seconds, as JSON

With `start` in the place of REQUEST it only starts the server, as a yardstick for `aml serve --test`.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = 20  # in each round


def seconds(function: Callable[[str], Any], body: str) -> float:
    """The processor time of a call."""
    start = time.process_time()
    for _ in range(CALLS):
        json.dumps(function(body))
    return (time.process_time() - start) / CALLS


def main(code: Path, model: Path, request: str, rounds: int) -> None:
    """Measure both in turn, so that whatever else the machine does falls on both."""
    os.environ |= {"AZUREML_MODEL_DIR": str(model), "AML_APP_ROOT": str(code)}
    os.environ["AZUREML_ENTRY_SCRIPT"] = str(code / "score.py")
    if request == "start":
        from azureml_inference_server_http.server import create_app

        create_app.create().test_client().get("/")
        return
    sys.path.insert(0, str(code))
    import pandas as pd
    import score

    score.init()

    def plain(body: str) -> dict[str, Any]:
        table = pd.DataFrame(json.loads(body)["data"], columns=list(score.columns))
        return {"predictions": score.model.predict(table).tolist()}

    body = Path(request).read_text(encoding="utf-8")
    assert score.run(body) == plain(body)  # noqa: S101  # else there is nothing to compare
    pairs = [(seconds(score.run, body), seconds(plain, body)) for _ in range(rounds)]
    print(json.dumps([statistics.median(column) for column in zip(*pairs, strict=True)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3], int(sys.argv[4]))
