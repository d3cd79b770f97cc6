"""Requests against the service's published contract.

contract.json holds the shapes of the bodies: fields, types, enumerations, patterns, what is required and what only
the service writes. make_contract.py extracted it from the client that Microsoft generated from the published
specification (Azure/azure-rest-api-specs, api-version 2025-01-01-preview) and shipped in azure-ai-ml 1.29.0; since
1.35 the SDK's client has no rules. The patterns of names come from the same client's operations.
"""

import json
import re
from pathlib import Path
from typing import Any

_CLASSES: dict[str, Any] = json.loads((Path(__file__).parent / "contract.json").read_text(encoding="utf-8"))

_ASSET = r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}"
#: Names in paths, by the collection they stand in.
NAMES = {
    "workspaces": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    "computes": r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9\-]{2,23}",
    "codes": _ASSET,
    "data": _ASSET,
    "datastores": _ASSET,
    "environments": _ASSET,
    "jobs": _ASSET,
    "onlineEndpoints": _ASSET,
    "batchEndpoints": _ASSET,
    "deployments": _ASSET,
    "models": _ASSET,
}
#: Every operation of the control plane asks for one of this form.
API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
_DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")
#: Fields that the SDK reads from an answer and sends back, although only the service writes them: Azure ignores them.
_ECHOED = {"provisioningState", "systemData", "id", "name", "type"}
#: A property of code versions that azure-ai-ml 1.35.2 itself sends as a number (`entities/_assets/_artifacts/code.py`).
_TOLERATED = {"hash_version"}


def check_name(collection: str, name: str) -> list[str]:
    """What is wrong with a name in a path."""
    pattern = NAMES.get(collection)
    if pattern and not re.fullmatch(pattern, name):
        return [f"{collection}/{name}: the name does not match ^{pattern}$"]
    return []


def check_body(body: Any, shape: str) -> list[str]:
    """What is wrong with a body, in words that name the field."""
    return list(_check_object(body, shape, "body"))


def _check_object(value: Any, shape: str, where: str) -> Any:
    if not isinstance(value, dict):
        yield f"{where}: an object is wanted, not {_kind(value)}"
        return
    specification = _CLASSES[shape]
    discriminator, subtypes = specification.get("by", (None, {}))
    if discriminator:
        chosen = value.get(discriminator)
        if chosen is None:
            yield f"{where}.{discriminator}: required"
        elif chosen in subtypes:
            yield from _check_object(value, subtypes[chosen], where)
            return
        else:
            yield f"{where}.{discriminator}: {chosen!r} is none of {', '.join(sorted(subtypes))}"
        return
    fields = specification["fields"]
    for name in value.keys() - fields.keys():
        if name not in _ECHOED:
            yield f"{where}.{name}: no such field in {shape}"
    for name, field in fields.items():
        given = value.get(name)
        if given is None:
            if field.get("required") and not field.get("readonly"):
                yield f"{where}.{name}: required"
        elif field.get("readonly"):
            if name not in _ECHOED:
                yield f"{where}.{name}: only the service writes this"
        else:
            yield from _check_value(given, field, f"{where}.{name}")


def _check_value(value: Any, field: dict[str, Any], where: str) -> Any:
    kind = field["type"]
    if kind[0] == "[":
        if not isinstance(value, list):
            yield f"{where}: a list is wanted, not {_kind(value)}"
            return
        for index, item in enumerate(value):
            yield from _check_value(item, {"type": kind[1:-1]}, f"{where}[{index}]")
    elif kind[0] == "{":
        if not isinstance(value, dict):
            yield f"{where}: an object is wanted, not {_kind(value)}"
            return
        for key, item in value.items():
            if item is not None and key not in _TOLERATED:
                yield from _check_value(item, {"type": kind[1:-1]}, f"{where}.{key}")
    elif kind in _CLASSES:
        yield from _check_object(value, kind, where)
    elif kind in ("str", "iso-8601", "duration"):
        if not isinstance(value, str):
            yield f"{where}: a string is wanted, not {_kind(value)}"
        elif kind == "duration" and not _DURATION.fullmatch(value):
            yield f"{where}: {value!r} is no ISO 8601 duration"
        elif len(value) < field.get("min_length", 0):
            yield f"{where}: too short"
        elif "pattern" in field and not re.search(field["pattern"], value):
            yield f"{where}: {value!r} does not match {field['pattern']}"
        # In any case: azure-ai-ml 1.35.2 itself sends aadToken and info (entities/_endpoint/batch_endpoint.py).
        elif "values" in field and value.lower() not in map(str.lower, field["values"]):
            yield f"{where}: {value!r} is none of {', '.join(dict.fromkeys(field['values']))}"
    elif kind == "bool":
        if not isinstance(value, bool):
            yield f"{where}: true or false is wanted, not {_kind(value)}"
    elif kind in ("int", "float") and (
        isinstance(value, bool) or not isinstance(value, int if kind == "int" else (int, float))
    ):
        yield f"{where}: a number is wanted, not {_kind(value)}"


def _kind(value: Any) -> str:
    return {str: "a string", bool: "true or false", int: "a number", float: "a number", list: "a list"}.get(
        type(value), type(value).__name__
    )
