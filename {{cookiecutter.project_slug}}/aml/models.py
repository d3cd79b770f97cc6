"""`aml models`: list registered models and versions."""

import argparse

from aml import Refusal, find_root, tracking
from aml.names import RULES
from aml.register_model import registry
from aml.table import pairs, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", help="only this model")


def run(args: argparse.Namespace) -> int:
    root = find_root()
    if args.name:
        RULES["asset"].require(args.name, "-n")
    versions = registry(root).search_model_versions(f"name = '{args.name}'" if args.name else None)
    if not versions:
        raise Refusal(f"no model{' ' + args.name if args.name else ''} registered yet: aml register-model -n NAME")
    runs = {one.id: one for one in tracking.runs(root)}
    rows = [
        (
            version.name,
            str(version.version),
            version.run_id or "",
            str(version.source).partition(f"{version.run_id}/")[2] or str(version.source),
            pairs(runs[version.run_id].metrics()) if version.run_id in runs else "",
            pairs(version.tags),
        )
        for version in sorted(versions, key=lambda version: (version.name, -int(version.version)))
    ]
    print(table(("MODEL", "VERSION", "RUN", "PATH", "METRICS", "TAGS"), rows))
    return 0
