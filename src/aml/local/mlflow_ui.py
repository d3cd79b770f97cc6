"""MLflow's user interface on the runs of this repository, served on this machine alone."""

import contextlib
import importlib.metadata
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from aml.console import say
from aml.errors import UserError
from aml.local import mlflow_store, processes
from aml.local.environments import uv
from aml.local.runs import all_runs, find, make_paths_relative


@contextlib.contextmanager
def serve(root: Path, port: int) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Serve the UI for a with block; gives the address of the last run's experiment, and the server.

    The last run with metrics decides, for the page shows the metrics that it has.

    Raises UserError when there are no runs, the port is taken, or the UI cannot be installed or does not start.
    """
    last = find(root, None)
    shown = next((run for run in all_runs(root) if run.folder.is_dir() and run.metrics()), last)
    make_paths_relative(root)
    processes.require_free_port(port, "-p PORT")
    # MLflow writes the runs without a user interface (mlflow-skinny); uv fetches the one of the same version once.
    version = importlib.metadata.version("mlflow-skinny")
    mlflow = [uv(), "tool", "run", "--python", sys.executable, "--from", f"mlflow=={version}", "mlflow"]
    say(f"starting the UI of MLflow {version} (the first time, that is a download of 100 MB)")
    if subprocess.run([*mlflow, "--version"], stdout=subprocess.DEVNULL).returncode:
        raise UserError("the UI of MLflow cannot be installed (uv's reason is above)")
    options = f"--host 127.0.0.1 --port {port} --workers 1 --backend-store-uri mlruns".split()
    log = root / "mlruns" / "ui.log"
    with log.open("wb") as output:
        # Artifacts have paths relative to the repository. A session of its own, for Ctrl-C ends this process first.
        server = subprocess.Popen(
            [*mlflow, "ui", *options], cwd=root, env={**os.environ, **mlflow_store.VARIABLES},
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_until_it_answers(server, port, log)
            yield f"http://127.0.0.1:{port}/{mlflow_store.page_of_runs(shown.stored)}", server
        finally:
            processes.end(None, [server.pid])


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    while True:
        if server.poll() is not None:
            raise UserError(f"the UI of MLflow ended with status {server.returncode}: {log} says why")
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
