"""A process that has imported azure-ai-ml, which takes two seconds, and forks a child for each run of a verb.

Its input has a line of JSON for each round: a list of runs {arguments, folder, variables, output, errors, timeout} that
go on at once. It answers with their process ids, and when they have ended with their exit statuses, as subprocess
has them. The children wait less than users do: a pause is PAUSE seconds at most.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

PAUSE = 0.2
sys.dont_write_bytecode = True


def preload() -> None:
    """Import what the verbs import."""
    import importlib
    import logging
    import warnings

    import aml

    logging.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (
            *("azure.ai.ml", "azure.ai.ml.entities", "azure.identity", "azure.storage.blob"),
            *("isodate", "tqdm"),
            *(f"aml.{layer}.{file.stem}" for layer in ("azure", "cli", "local") for file in modules(aml, layer)),
        ):
            importlib.import_module(name)
    logging.disable(logging.NOTSET)


def modules(package: ModuleType, layer: str) -> list[Path]:
    """The modules of a folder of the package, but for the verb that needs an extra."""
    files = (Path(str(package.__file__)).parent / layer).glob("[a-z]*.py")
    return sorted(file for file in files if file.stem != "adopt")


def hurry(timeout: float | None) -> None:
    """Shorten pauses, and with `timeout` how long an answer is waited for, below the code under test."""
    import requests

    sleep, send = time.sleep, requests.adapters.HTTPAdapter.send

    def quick_send(*arguments: Any, **options: Any) -> Any:
        return send(*arguments, **{**options, "timeout": timeout})

    time.sleep = lambda seconds: sleep(min(float(seconds), PAUSE))
    if timeout:
        requests.adapters.HTTPAdapter.send = quick_send  # type: ignore[method-assign]


def child(run: dict[str, Any]) -> int:
    """Be the verb's own process; returns its exit status."""
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, run["output"], os.O_WRONLY | os.O_CREAT),
        (2, run["errors"], os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags, 0o666), number)
    os.environ.clear()
    os.environ.update(run["variables"])
    os.chdir(run["folder"])
    hurry(run["timeout"])
    try:
        from aml.cli.main import main

        return main(run["arguments"])
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1


def main() -> None:
    preload()
    print("[]", flush=True)
    for line in sys.stdin:
        children = []
        for run in json.loads(line):
            pid = os.fork()
            if not pid:
                status = child(run)
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
            children.append(pid)
        print(json.dumps(children), flush=True)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        print(json.dumps(statuses), flush=True)


if __name__ == "__main__":
    main()
