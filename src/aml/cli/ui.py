"""`aml ui`: open the stock MLflow UI on the runs of this repository."""

import argparse
import webbrowser

from aml.console import print_safely
from aml.jobfile.repository import find_root
from aml.local import mlflow_ui


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.add_argument("-p", "--port", type=int, default=5000, help="port on this machine (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="only say the address")


def run(args: argparse.Namespace) -> int:
    """Serve the UI until Ctrl-C; returns the exit status."""
    try:
        with mlflow_ui.serve(find_root(args.start), args.port) as (address, server):
            print_safely(f"{address} (Ctrl-C ends it)")
            if not args.no_browser:
                webbrowser.open(address)
            return server.wait()
    except KeyboardInterrupt:
        return 0
