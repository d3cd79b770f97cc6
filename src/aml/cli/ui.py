"""`aml ui`: open the stock MLflow UI on the runs of this repository."""

import argparse
import importlib.metadata
import os
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

from aml.console import say
from aml.errors import UserError
from aml.jobfile.repository import find_root
from aml.local import processes
from aml.local.environments import uv
from aml.local.runs import find, make_paths_relative


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-p", "--port", type=int, default=5000, help="port on this machine (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="only say the address")


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    find(root, None)  # there is something to see
    make_paths_relative(root)
    try:
        socket.create_server(("127.0.0.1", args.port)).close()
    except OSError:
        raise UserError(f"port {args.port} is taken: name another one with -p PORT") from None
    # MLflow writes the runs without a user interface (mlflow-skinny); uv fetches the one of the same version once.
    version = importlib.metadata.version("mlflow-skinny")
    mlflow = [uv(), "tool", "run", "--python", sys.executable, "--from", f"mlflow=={version}", "mlflow"]
    say(f"starting the UI of MLflow {version} (the first time, that is a download of 100 MB)")
    if subprocess.run([*mlflow, "--version"], stdout=subprocess.DEVNULL).returncode:
        raise UserError("the UI of MLflow cannot be installed (uv's reason is above)")
    options = f"--host 127.0.0.1 --port {args.port} --workers 1 --backend-store-uri mlruns".split()
    log = root / "mlruns" / "ui.log"
    with log.open("wb") as output:
        # Artifacts have paths relative to the repository. A session of its own, for Ctrl-C ends this process first.
        server = subprocess.Popen(
            [*mlflow, "ui", *options], cwd=root, env={**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true"},
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_until_it_answers(server, args.port, log)
            address = f"http://127.0.0.1:{args.port}"
            print(f"{address} (Ctrl-C ends it)", flush=True)
            if not args.no_browser:
                webbrowser.open(address)
            return server.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            processes.end(None, server.pid)


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    while True:
        if server.poll() is not None:
            raise UserError(f"the UI of MLflow ended with status {server.returncode}: {log} says why")
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
