"""`aml create-compute`: create, change or delete the cluster of compute.yml."""

import argparse
from pathlib import Path

from aml.azure.compute import create, delete
from aml.azure.workspace_client import connect
from aml.checks.assets import check_compute
from aml.checks.finding import require_none
from aml.console import print_safely
from aml.jobfile.document import Document
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--file", type=Path, help="description of the cluster (default: aml_config/compute.yml)")
    parser.add_argument("--delete", action="store_true", help="delete it; its runs and models stay")
    parser.add_argument("--dry-run", action="store_true", help="print the requests that would be sent")


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    document = Document(args.file or root / "aml_config" / "compute.yml")
    if args.delete:
        RULES["compute"].require(document.data.get("name"), "name", document.where("name"))
    else:
        require_none(document.name, check_compute(document))
    client = connect(root, args.dry_run)
    done = delete(client, document.data["name"]) if args.delete else create(client, document)
    if not client.dry_run:
        print_safely(f"cluster {document.data['name']}: {done}")
    return 0
