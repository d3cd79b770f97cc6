"""Versions of data assets and models in the workspace."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aml.azure.workspace_client import WorkspaceClient, is_absent
from aml.errors import ServiceError, UserError

Made = TypeVar("Made")


def latest(client: WorkspaceClient, kind: str, name: str) -> str | None:
    """The latest version of `kind` ("data", "models", "environments"), or None where there is none."""
    found = client.find(f"/{kind}/{name}")
    return str(found["properties"]["latestVersion"]) if found else None


def newest(client: WorkspaceClient, kind: str, name: str) -> Any:
    """The version of `kind` that was made last, or None where there is none."""
    return next(iter(versions(client, kind, name, **{"$orderBy": "createdtime desc", "$top": 1})), None)


def versions(client: WorkspaceClient, kind: str, name: str, **query: Any) -> list[Any]:
    """All versions, the newest first; none where there is no such asset."""
    try:
        return list(client.all(f"/{kind}/{name}/versions", **query))
    except ServiceError as error:
        if is_absent(error):
            return []
        raise


def all_versions(client: WorkspaceClient, kind: str, name: str | None) -> Iterator[tuple[str, Any]]:
    """The name and each version, newest first, of one asset or of all."""
    names = [name] if name else sorted(asset["name"] for asset in client.all(f"/{kind}"))
    with ThreadPoolExecutor(8) as pool:
        for asset, found in zip(names, pool.map(functools.partial(versions, client, kind), names), strict=True):
            for version in found:
                yield asset, version


def create(client: WorkspaceClient, kind: str, name: str, make: Callable[[str], Made]) -> Made:
    """What `make` gives for the next version, which it makes unless there is one already that will do.

    It has to look for that itself, after the next version is known: then two who make the same at once make one. The
    service refuses a version that somebody else has just made: then the one after it is tried.
    """
    for _ in range(5):
        found = client.find(f"/{kind}/{name}")
        try:
            return make(str(found["properties"]["nextVersion"]) if found else "1")
        except ServiceError as error:
            if error.status != 409:
                raise
    raise UserError(f"{name}: others register versions at the same moment: run it again")
