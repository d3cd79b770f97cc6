"""The program that runs in a batch deployment's environment: hands files to its script, as the service's own does.

    python batch_program.py SETTINGS RESULT    # two JSON files

Rows are written as the service writes them: those of a table with blanks between their values and without a header, and
the items of a list each as Python shows it. So learn.microsoft.com/azure/machine-learning reads predictions.csv back in
how-to-image-processing-batch, and in how-to-use-batch-endpoint.
"""

import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def load(script: Path) -> Any:
    """The user's script as a module; what lies beside it can be imported."""
    sys.path.insert(0, str(script.parent))
    spec = importlib.util.spec_from_file_location("entry_module", script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script} is no script of Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(result: Any) -> Iterable[str]:
    """The lines for what run() returned: a table, or a list of anything."""
    if hasattr(result, "to_csv") and hasattr(result, "columns"):
        yield result.to_csv(header=False, index=False, sep=" ", lineterminator="\n")
    else:
        yield from (f"{item}\n" for item in result)


def main(settings: dict[str, Any]) -> dict[str, int]:
    """Run the script over all files. Returns how many files were handed over, failed, and how many rows there are."""
    script = load(Path(os.environ["AZUREML_ENTRY_SCRIPT"]))
    script.init()
    files, size, done = settings["files"], settings["mini_batch_size"], {"files": 0, "failed": 0, "rows": 0}
    output = Path(os.environ["AZUREML_BI_OUTPUT_PATH"]) / settings["output_file_name"]
    with output.open("w", encoding="utf-8", newline="") as kept:
        for start in range(0, len(files), size):
            batch = files[start : start + size]
            done["files"] += len(batch)
            try:
                result = script.run(list(batch))
                lines = "".join(rows(result))
            except Exception:  # noqa: BLE001  # whatever the script raises: the next files have their turn
                traceback.print_exc()
                done["failed"] += len(batch)
                if 0 <= settings["error_threshold"] < done["failed"]:
                    break
                continue
            if settings["output_action"] == "append_row":
                kept.write(lines)
                done["rows"] += len(result)
    if settings["output_action"] != "append_row":
        output.unlink()
    return done


if __name__ == "__main__":
    found = main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
