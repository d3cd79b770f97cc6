"""`aml data`: list the data assets of the workspace."""

import argparse

from aml.azure import assets
from aml.azure.workspace_client import connect
from aml.cli.tables import pairs, table
from aml.console import print_safely
from aml.errors import UserError
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root
from aml.uris import shorten_datastore_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", help="only this asset, with all its versions")


def run(args: argparse.Namespace) -> int:
    if args.name:
        RULES["asset"].require(args.name, "-n")
    client = connect(find_root(args.start))
    rows = []
    for name, version in assets.all_versions(client, "data", args.name):
        properties = version["properties"]
        path, tags = shorten_datastore_path(properties["dataUri"]), pairs(properties["tags"] or {})
        rows.append((name, version["name"], properties["dataType"], path, tags))
    if not rows:
        raise UserError(f"no data{' ' + args.name if args.name else ''} in workspace {client.name}: aml register-data")
    print_safely(table(("DATA", "VERSION", "TYPE", "PATH", "TAGS"), rows))
    return 0
