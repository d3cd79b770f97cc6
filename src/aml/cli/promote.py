"""`aml promote`: make a version of a model the champion, here or in the workspace, and share or copy it."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aml.cli import verdicts
from aml.console import one_line, print_safely, say
from aml.errors import UserError
from aml.gate import EXIT_STATUS
from aml.jobfile import settings
from aml.jobfile.deployment import ModelReference
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root
from aml.local import models as local_models
from aml.promotion import NotPassed, Promoted

if TYPE_CHECKING:
    from aml.azure.workspace_client import WorkspaceClient


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("model", nargs="?", metavar="NAME[:VERSION]",
                       help="without VERSION: the newest one that passed the gate")  # fmt: skip
    which.add_argument("-f", "--model-file", type=Path, metavar="FILE",
                       help="the model of which aml register-model --report wrote to this file")  # fmt: skip
    parser.add_argument("--azure", action="store_true", help="in the workspace")
    parser.add_argument("--registry", metavar="NAME", help="share it in this registry, too; means --azure")
    parser.add_argument("--to-workspace", metavar="SUBSCRIPTION/GROUP/WORKSPACE",
                        help="copy it into this workspace, and promote it there, too; means --azure")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="promote a version that the gate did not let pass")
    parser.add_argument("--dry-run", action="store_true",
                        help="change nothing: say what would be promoted, and print the requests")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Promote; returns the exit status."""
    root = find_root(args.start)
    given = verdicts.read_model(args.model_file) if args.model_file else args.model
    model = ModelReference.parse(given, "model")
    if args.registry:
        RULES["registry"].require(args.registry, "--registry")
    there = _place(args.to_workspace) if args.to_workspace else None
    now = "<time>" if args.dry_run else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        if args.azure or args.registry or there:
            _promote_in_workspace(root, model, there, now, args)
        else:
            done = local_models.promote(root, model.name, model.version, now, args.force, args.dry_run)
            _tell(model.name, done, "on this machine", dry=args.dry_run)
    except NotPassed as refusal:
        say(f"aml: {refusal}\n  --force promotes it all the same")
        return EXIT_STATUS["refused"]
    return 0


def _promote_in_workspace(
    root: Path, model: ModelReference, there: dict[str, str] | None, now: str, args: argparse.Namespace
) -> None:
    from aml.azure import models
    from aml.azure.workspace_client import WorkspaceClient, connect

    client = connect(root, args.dry_run)
    target = WorkspaceClient(there, dry_run=args.dry_run) if there else None
    if target and target.scope.lower() == client.scope.lower():
        raise UserError(f"--to-workspace {args.to_workspace} is the workspace of this repository")
    if target:
        target.get("")  # before anything is changed: is it there?
    registry = models.Registry(client, args.registry) if args.registry else None
    if args.dry_run:
        say("a dry run does not read who is the champion: its tags change, too, when another one is promoted")
    version = _promote(client, model.name, model.version, now, args.force)
    if registry:
        how = "now" if registry.share(model.name, version) else "already, and it was not shared again"
        _print(client, f"registry {args.registry}: has {model.name}:{version} {how}")
    if target:
        number = models.copy(client, model.name, version, target)
        _print(target, f"workspace {target.name}: {model.name}:{version} is version {number} there")
        _promote(target, model.name, number, now, force=True)  # it may be: it is the champion where it comes from


def _promote(client: "WorkspaceClient", name: str, version: str | None, now: str, force: bool) -> str:
    """Promote in a workspace, and say what answers requests with it there; returns the version."""
    from aml import promotion
    from aml.azure import endpoints, models

    versions = models.WorkspaceVersions(client, name)
    if client.dry_run:
        versions.pretend(version)
    done = promotion.promote(versions, name, version, now, force)
    _tell(name, done, f"in workspace {client.name}", dry=client.dry_run)
    reference = f"{name}:{done.version}"
    serving = [
        f"endpoint {endpoint.name}: deployment {one.name} answers {one.traffic} % of the requests with it"
        for endpoint in endpoints.all_endpoints(client)
        for one in endpoint.deployments
        if one.model == reference
    ]
    for line in serving or [f"no endpoint has it: aml deploy --model {reference} deploys it"]:
        _print(client, one_line(line))
    return done.version


def _tell(name: str, done: Promoted, where: str, *, dry: bool) -> None:
    what = f"model {name}: version {done.version}"
    if done.state == "not gated" and done.new and not dry:
        say(f"{what} was not judged by a gate when it was registered")
    before = f" (before: version {done.before.version})" if done.before else ""
    if not done.new:
        print_safely(f"{what} is the champion {where} already: nothing was changed")
    elif dry:
        say(f"{what} would be the champion {where}{before}")
    else:
        print_safely(f"{what} is the champion {where}{before}")


def _print(client: "WorkspaceClient", line: str) -> None:
    if not client.dry_run:
        print_safely(line)


def _place(text: str) -> dict[str, str]:
    """The settings of the workspace that --to-workspace names. Raises UserError."""
    parts = text.split("/")
    if len(parts) != len(settings.SETTINGS):
        raise UserError(f"--to-workspace {text}: should be SUBSCRIPTION/GROUP/WORKSPACE")
    for name, value in zip(settings.SETTINGS, parts, strict=True):
        RULES[name].require(value, "--to-workspace")
    return dict(zip(settings.SETTINGS, parts, strict=True))
