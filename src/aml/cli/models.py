"""`aml models`: list registered models and versions."""

import argparse
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from aml.cli.tables import pairs, table
from aml.console import print_safely
from aml.errors import UserError
from aml.gate import Champion, Verdict, Version, find_champion, read_metrics, user_tags, with_differences
from aml.jobfile import settings
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root
from aml.local import mlflow_store
from aml.local.runs import all_runs
from aml.promotion import held
from aml.uris import shorten_datastore_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", help="only this model")
    parser.add_argument("--azure", action="store_true", help="those of the workspace")


class Listed(NamedTuple):
    """A version of a model as the list shows it. `stored` has what the gate kept with it, `tags` what can change."""

    model: str
    version: str
    run_id: str
    path: str
    metrics: Mapping[str, float]
    stored: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def seen_by_gate(self) -> Version:
        """The version as the gate finds a champion."""
        return Version(self.version, self.stored, self.tags)


def run(args: argparse.Namespace) -> int:
    """List the versions, each with the verdict of the gate, and how it differs from the champion of its model."""
    root = find_root(args.start)
    if args.name:
        RULES["asset"].require(args.name, "-n")
    versions = list(_versions_in_workspace(root, args.name) if args.azure else _versions_here(root, args.name))
    if not versions:
        where = f" in workspace {settings.read(root)['workspace_name']}" if args.azure else ""
        raise UserError(
            f"no model{' ' + args.name if args.name else ''} registered{where} yet: aml register-model -n NAME"
        )
    rows = []
    for _, group in itertools.groupby(versions, key=lambda listed: listed.model):
        model = list(group)
        champion = find_champion(listed.seen_by_gate for listed in model)
        for one in model:
            is_champion = champion is not None and champion.version == one.version
            verdict = Verdict.from_tags(one.stored).state
            others = champion.metrics or {} if champion and not is_champion else {}
            metrics = with_differences(one.metrics, others)
            rows.append((*one[:4], verdict, _reign(one, champion), metrics, pairs(user_tags(one.tags))))
    print_safely(table(("MODEL", "VERSION", "RUN", "PATH", "GATE", "CHAMPION", "METRICS", "TAGS"), rows))
    return 0


def _reign(one: Listed, champion: Champion | None) -> str:
    """Since when a version is the champion, or until when it was; empty when it never was promoted."""
    start, end = next(reversed(held(one.tags)), ("", ""))
    if champion is None or champion.version != one.version:
        return f"until {end}" if end else ""
    return f"since {start}" if champion.promoted else "by the gate"


def _versions_here(root: Path, name: str | None) -> Iterator[Listed]:
    runs = {one.id: one for one in all_runs(root)}
    found = mlflow_store.read_model_versions(root, name)
    for model, number, run_id, source, tags in sorted(found, key=lambda version: (version.model, -version.number)):
        path = source.partition(f"{run_id}/")[2] or source
        metrics = runs[run_id].metrics() if run_id in runs else read_metrics(tags)
        yield Listed(model, str(number), run_id, path, metrics, tags, tags)


def _versions_in_workspace(root: Path, name: str | None) -> Iterator[Listed]:
    from aml.azure import assets
    from aml.azure.workspace_client import connect

    for model, version in assets.all_versions(connect(root), "models", name):
        known = version["properties"]
        own = known["properties"] or {}
        run_id = own.get("aml.run") or known.get("jobName") or ""
        path = own.get("aml.path") or shorten_datastore_path(known["modelUri"])
        yield Listed(model, version["name"], run_id, path, read_metrics(own), own, known["tags"] or {})
