"""Which deployment of an endpoint answers requests: shares of the traffic, and the way back."""

from typing import Any

from aml.azure import endpoints
from aml.azure.endpoints import BEFORE, Endpoint
from aml.azure.sdk import ml_client, translate_azure_errors
from aml.azure.workspace_client import WorkspaceClient
from aml.errors import ServiceError, UserError

NOT_OURS = ("createdBy", "createdAt", "lastModifiedAt")  # azure-ai-ml 1.35 adds these to the properties that it reads
TRIES = 5  # at a change, while others change the same endpoint


def share(traffic: dict[str, int], name: str, percent: int) -> dict[str, int]:
    """The traffic in which `name` gets `percent`, and those that get some already the rest, in the same proportion.

    Raises UserError when there is a rest, and nobody to give it to.
    """
    others = {one: part for one, part in traffic.items() if one != name and part}
    rest, whole = 100 - percent, sum(others.values())
    if rest and not others:
        raise UserError(f"--traffic {percent}: no other deployment answers the remaining {rest} %: take --traffic 100")
    shares = {one: rest * part // whole for one, part in others.items()}
    for one in sorted(others, key=lambda one: (-(rest * others[one] % whole), one))[: rest - sum(shares.values())]:
        shares[one] += 1
    return {one: part for one, part in {name: percent, **shares}.items() if part}


def text(traffic: dict[str, int]) -> str:
    """The traffic in words, the largest part first."""
    parts = sorted(traffic.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {part} %" for name, part in parts) or "nobody"


def change(client: WorkspaceClient, endpoint: str, traffic: dict[str, int], *, back: bool = False) -> None:
    """Let these deployments answer, unless they do; the endpoint keeps in a tag what was before, unless it goes `back`.

    Raises UserError.
    """
    for left in reversed(range(TRIES)):
        found = endpoints.settled(client, endpoints.path_of(endpoint))
        before = {name: int(part) for name, part in ((found or {}).get("properties", {}).get("traffic") or {}).items()}
        before = {name: part for name, part in before.items() if part}
        if before == traffic and not client.dry_run:
            return
        try:
            _put(client, endpoint, traffic, {} if back else {BEFORE: _tag(before)})
        except ServiceError as error:
            if error.status != 409 or not left:  # somebody else, or this request itself, whose answer was lost
                raise
        else:
            return


def _put(client: WorkspaceClient, endpoint: str, traffic: dict[str, int], tags: dict[str, str]) -> None:
    ml = ml_client(client)
    with translate_azure_errors(client):
        entity: Any = ml.online_endpoints.get(endpoint)
        entity.traffic = dict(traffic)
        entity.properties = {key: value for key, value in entity.properties.items() if key not in NOT_OURS}
        entity.tags = {**(entity.tags or {}), **tags}
        ml.online_endpoints.begin_create_or_update(entity).result()


def rollback(client: WorkspaceClient, name: str) -> dict[str, int]:
    """Give the traffic back to those that had it before the last deployment got some; returns it. Again, it stays so.

    Raises UserError when that is not known, or when one of them does not answer any more.
    """
    endpoints.pretend(client, name)
    endpoint = endpoints.require(client, name)
    before = dict(_parsed(endpoint.tags.get(BEFORE, "")))
    if not before:
        raise UserError(
            f"endpoint {name}: no deployment answered before {text(endpoint.traffic)}: nothing to go back to"
        )
    for one in before:
        _require_ready(client, endpoint, one)
    change(client, name, before, back=True)
    return before


def _require_ready(client: WorkspaceClient, endpoint: Endpoint, name: str) -> None:
    found = endpoint.deployment(name)
    state = found.state if found else "deleted"
    if state != "Succeeded" and not client.dry_run:
        raise UserError(
            f"endpoint {endpoint.name}: deployment {name}, which answered before, is {state.lower()}: "
            "aml deploy --model NAME:VERSION makes it anew"
        )


def _tag(traffic: dict[str, int]) -> str:
    return " ".join(f"{name}={part}" for name, part in traffic.items())


def _parsed(tag: str) -> list[tuple[str, int]]:
    """What a tag says, as far as it is in the form of `_tag`."""
    pairs = [pair.partition("=") for pair in tag.split()]
    return [(name, int(part)) for name, _, part in pairs if part.isdecimal()]
