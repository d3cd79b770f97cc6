"""`aml endpoints`: list the endpoints of the workspace, show one, or what a deployment of it prints."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from aml.azure import endpoints
from aml.azure.endpoints import Endpoint
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
    one = endpoints.require(client, args.name)
    if args.action == "logs":
        name = args.deployment or max(one.traffic, key=lambda known: one.traffic[known], default="")
        if (one.deployment(name) if name else None) is None:
            known = ", ".join(known.name for known in one.deployments) or "none"
            raise UserError(f"endpoint {one.name}: which deployment? It has {known}")
        print_safely(endpoints.read_log(client, f"{endpoints.path_of(one.name, name)}/getLogs"))
    elif args.json:
        print_safely(json.dumps(_facts(one), indent=2, ensure_ascii=False))
    else:
        lines = [f"{one_line(one.name)}  {one.state.lower()}", f"  address  {one_line(one.address)}"]
        lines += [f"  sign-in  {one_line(one.auth_mode)}", "", _listing([one])]
        print_safely("\n".join(lines))
    return 0


def _listing(found: Sequence[Endpoint]) -> str:
    """A line for each deployment, and for each endpoint that has none; below them what is billed."""
    rows: list[Sequence[str]] = []
    for endpoint in found:
        if not endpoint.deployments:
            rows.append((endpoint.name, "", "", "", endpoint.state.lower(), ""))
        for one in endpoint.deployments:
            machines = f"{one.instances} x {one.instance_type}" if one.instances else ""
            rows.append((endpoint.name, one.name, one.model, f"{one.traffic} %", one.state.lower(), machines))
    billed = sum(one.instances for endpoint in found for one in endpoint.deployments)
    header = ("ENDPOINT", "DEPLOYMENT", "MODEL", "TRAFFIC", "STATE", "INSTANCES")
    note = "1 instance is" if billed == 1 else f"{billed or 'no'} instances are"
    return f"{table(header, rows)}\n{note} billed now, whatever the traffic"


def _facts(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "state": endpoint.state,
        "address": endpoint.address,
        "auth_mode": endpoint.auth_mode,
        "deployments": [
            {
                "name": one.name,
                "model": one.model,
                "state": one.state,
                "traffic": one.traffic,
                "instance_type": one.instance_type,
                "instances": one.instances,
            }
            for one in endpoint.deployments
        ],
    }
