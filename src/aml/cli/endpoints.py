"""`aml endpoints`: list the endpoints of the workspace, online and batch, show one, or what a deployment prints."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from aml.azure import endpoints
from aml.azure.endpoints import Deployment, Endpoint
from aml.azure.workspace_client import connect
from aml.cli.tables import table
from aml.console import one_line, print_safely
from aml.errors import UserError
from aml.jobfile.names import RULES
from aml.jobfile.repository import find_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for other programs")
    actions = parser.add_subparsers(dest="action", metavar="show|logs")
    show = actions.add_parser("show", help="show one endpoint")
    show.add_argument("name", help="its name")
    show.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="for other programs")
    logs = actions.add_parser("logs", help="show what a deployment prints")
    logs.add_argument("name", help="name of the endpoint")
    logs.add_argument("deployment", nargs="?", help="default: the one that gets most requests")


def run(args: argparse.Namespace) -> int:
    client = connect(find_root(args.start))
    if args.action is None:
        found = endpoints.all_endpoints(client)
        if args.json:
            print_safely(json.dumps([_facts(one) for one in found], indent=2, ensure_ascii=False))
        elif found:
            print_safely(_listing(found))
        else:
            raise UserError(f"workspace {client.name} has no endpoints yet: aml deploy makes one")
        return 0
    RULES["asset"].require(args.name, "endpoint")
    one = endpoints.require(client, args.name, *endpoints.KINDS)
    if args.action == "logs":
        print_safely(endpoints.read_log(client, f"{endpoints.path_of(one.name, _which(one, args.deployment))}/getLogs"))
    elif args.json:
        print_safely(json.dumps(_facts(one), indent=2, ensure_ascii=False))
    else:
        lines = [f"{one_line(one.name)}  {one.kind}, {one.state.lower()}", f"  address  {one_line(one.address)}"]
        lines += [f"  sign-in  {one_line(one.auth_mode)}", "", _listing([one])]
        print_safely("\n".join(lines))
    return 0


def _which(endpoint: Endpoint, name: str | None) -> str:
    """The deployment whose log is asked for. Raises UserError when there is none."""
    if endpoint.kind == "batch":
        raise UserError(f"batch endpoint {endpoint.name}: its jobs print, not it: aml runs --azure follow ID")
    name = name or max(endpoint.traffic, key=lambda known: endpoint.traffic[known], default="")
    if endpoint.deployment(name) is None:
        known = ", ".join(known.name for known in endpoint.deployments) or "none"
        raise UserError(f"endpoint {endpoint.name}: which deployment? It has {known}")
    return name


def _listing(found: Sequence[Endpoint]) -> str:
    """A line for each deployment, and for each endpoint that has none; below them what is billed."""
    rows: list[Sequence[str]] = []
    for endpoint in found:
        if not endpoint.deployments:
            rows.append((endpoint.name, endpoint.kind, "", "", "", endpoint.state.lower(), ""))
        for one in endpoint.deployments:
            machines = f"{one.instances} x {one.instance_type}" if one.instances else one.cluster
            share = f"{one.traffic} %" if endpoint.kind == "online" else ("default" if one.traffic else "")
            rows.append((endpoint.name, endpoint.kind, one.name, one.model, share, one.state.lower(), machines))
    header = ("ENDPOINT", "KIND", "DEPLOYMENT", "MODEL", "TRAFFIC", "STATE", "COMPUTE")
    return "\n".join([table(header, rows), *_billed(found)])


def _billed(found: Sequence[Endpoint]) -> list[str]:
    """What is billed now, a line for each kind of endpoint that is among these."""
    notes = []
    if any(one.kind == "online" for one in found):
        count = sum(one.instances for endpoint in found for one in endpoint.deployments)
        billed = "1 instance is" if count == 1 else f"{count or 'no'} instances are"
        notes.append(f"{billed} billed now, even without traffic")
    if any(one.kind == "batch" for one in found):
        notes.append("batch endpoints: nothing is billed until a job runs")
    return notes


def _facts(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "kind": endpoint.kind,
        "state": endpoint.state,
        "address": endpoint.address,
        "auth_mode": endpoint.auth_mode,
        "deployments": [_deployment_facts(endpoint, one) for one in endpoint.deployments],
    }


def _deployment_facts(endpoint: Endpoint, one: Deployment) -> dict[str, Any]:
    own: dict[str, Any] = {"default": bool(one.traffic), "compute": one.cluster}
    if endpoint.kind == "online":
        own = {"traffic": one.traffic, "instance_type": one.instance_type, "instances": one.instances}
    return {"name": one.name, "model": one.model, "state": one.state, **own}
