"""`aml data`: list the data assets of the workspace."""

import argparse

from aml import Refusal, assets, find_root, workspace
from aml.names import RULES
from aml.table import pairs, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", help="only this asset, with all its versions")


def run(args: argparse.Namespace) -> int:
    if args.name:
        RULES["asset"].require(args.name, "-n")
    service = workspace.service(find_root())
    rows = []
    for name, version in assets.everything(service, "data", args.name):
        properties = version["properties"]
        path, tags = assets.place(properties["dataUri"]), pairs(properties["tags"] or {})
        rows.append((name, version["name"], properties["dataType"], path, tags))
    if not rows:
        raise Refusal(f"no data{' ' + args.name if args.name else ''} in workspace {service.name}: aml register-data")
    print(table(("DATA", "VERSION", "TYPE", "PATH", "TAGS"), rows))
    return 0
