"""`aml models`: list registered models and versions."""

import argparse
from pathlib import Path

from aml.cli.tables import pairs, table
from aml.errors import UserError
from aml.jobfile import settings
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root
from aml.local import mlflow_store
from aml.local.runs import all_runs
from aml.uris import shorten_datastore_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", help="only this model")
    parser.add_argument("--azure", action="store_true", help="those of the workspace")


def run(args: argparse.Namespace) -> int:
    root = find_root(args.start)
    if args.name:
        RULES["asset"].require(args.name, "-n")
    rows = _rows_azure(root, args.name) if args.azure else _rows(root, args.name)
    if not rows:
        where = f" in workspace {settings.read(root)['workspace_name']}" if args.azure else ""
        raise UserError(
            f"no model{' ' + args.name if args.name else ''} registered{where} yet: aml register-model -n NAME"
        )
    print(table(("MODEL", "VERSION", "RUN", "PATH", "METRICS", "TAGS"), rows))
    return 0


def _rows(root: Path, name: str | None) -> list[tuple[str, ...]]:
    runs = {one.id: one for one in all_runs(root)}
    versions = mlflow_store.client(root).search_model_versions(f"name = '{name}'" if name else None)
    return [
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


def _rows_azure(root: Path, name: str | None) -> list[tuple[str, ...]]:
    from aml.azure import assets
    from aml.azure.workspace_client import connect

    rows: list[tuple[str, ...]] = []
    for model, version in assets.all_versions(connect(root), "models", name):
        known = version["properties"]
        own = known["properties"] or {}
        metrics = {key[7:]: value for key, value in own.items() if key.startswith("metric.")}
        run_id = own.get("aml.run") or known.get("jobName") or ""
        path = own.get("aml.path") or shorten_datastore_path(known["modelUri"])
        rows.append((model, version["name"], run_id, path, pairs(metrics), pairs(known["tags"] or {})))
    return rows
