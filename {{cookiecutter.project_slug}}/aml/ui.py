"""`aml ui`: open the stock MLflow UI on the runs of this repository."""

import argparse
import importlib.metadata
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser

from aml import Refusal, find_root, tracking
from aml.environment import uv


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-p", "--port", type=int, help="port on this machine (default: 5000, or a free one)")
    parser.add_argument("--no-browser", action="store_true", help="only say the address")


def run(args: argparse.Namespace) -> int:
    root = find_root()
    if not tracking.runs(root):
        raise Refusal("no runs yet: aml submit -c train-local")
    tracking.make_paths_relative(root)
    port = args.port or _free_port(5000)
    address = f"http://127.0.0.1:{port}"
    # MLflow writes the runs without a user interface (mlflow-skinny); uv fetches the one of the same version once.
    version = importlib.metadata.version("mlflow-skinny")
    mlflow = [uv(), "tool", "run", "--python", sys.executable, "--from", f"mlflow=={version}", "mlflow"]
    options = f"--host 127.0.0.1 --port {port} --workers 1 --backend-store-uri mlruns"
    environment = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true"}
    print(f"MLflow {version} UI of {root}: {address} (Ctrl-C ends it)", flush=True)
    if not args.no_browser:
        threading.Thread(target=_open_when_ready, args=(address,), daemon=True).start()
    # Artifacts have paths relative to the repository.
    server = subprocess.Popen([*mlflow, "ui", *options.split()], cwd=root, env=environment)
    try:
        return server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
        return 0


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
                return int(candidate.getsockname()[1])
            except OSError:
                continue
    raise Refusal("no free port on this machine")


def _open_when_ready(address: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{address}/health", timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            webbrowser.open(address)
            return
