"""`aml register-data`: upload and register the data asset of data.yml."""

import argparse
import sys
from pathlib import Path

from aml import policy
from aml.azure import blobs
from aml.azure.data import register, upload_nothing
from aml.azure.submit import require_datastore
from aml.azure.workspace_client import connect
from aml.checks.assets import check_data
from aml.checks.finding import require_none
from aml.cli import main as cli
from aml.cli import verdicts
from aml.console import say
from aml.gate import Verdict
from aml.jobfile.document import Document
from aml.jobfile.repository import find_root
from aml.uris import REMOTE_URI, datastore_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--file", type=Path, help="description of the data (default: aml_config/data.yml)")
    parser.add_argument("--path", type=Path, metavar="PATH", help="a file or folder in place of the description's path")
    parser.add_argument("--dry-run", action="store_true", help="print the requests that would be sent")
    verdicts.add_arguments(parser, policy.DATA)


def main(argv: list[str] | None = None, root: Path | None = None) -> int:
    """The verb as a program of its own, for the script of the repository `root`; returns the exit status."""
    return cli.main(["register-data", *(sys.argv[1:] if argv is None else argv)], root)


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    document = Document(args.file or root / "aml_config" / "data.yml")
    data = {"type": "uri_folder", **document.data}
    require_none(document.name, check_data(document, args.path))
    verdicts.check_report(args)
    address, upload, verdict = str(args.path or data.get("path") or ""), upload_nothing, Verdict()
    client = connect(root, args.dry_run)
    if args.path or not REMOTE_URI.match(address):
        path = (args.path or document.path.parent / address.removeprefix("file:")).resolve()
        verdict = policy.judge_data(root, path, args.force)
        if verdict.may_register:
            address, upload = blobs.destination(client, path)
    else:
        if datastore := datastore_of(address):
            require_datastore(client, datastore, document.where("path"))
        if policy.script_exists(root, policy.DATA):
            say(f"{address} is not on this machine: {policy.DATA.path} does not check it")
    version = None
    if verdict.may_register:
        version, state = register(client, document, data, address, upload, verdict.to_tags())
        if not client.dry_run:
            print(f"data {data['name']}, version {version}: {address} ({state})")
    subject = {"data": data["name"], "version": None if client.dry_run else version, "path": address}
    return verdicts.show(args, f"data {data['name']}, {address}", policy.DATA, verdict, **subject)
