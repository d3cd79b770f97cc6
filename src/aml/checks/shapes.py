"""Shapes: what a value of a file may be, and the findings on a value that is something else.

The simplest shape is a function that says what a bad value should be, and None of a good one. These functions take what
the fields of marshmallow 3.26 take, with which azure-ai-ml 1.35 loads files: 60 is no text, but "60" is a whole number.
"""

import math
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aml.checks.finding import Finding
from aml.jobfile.description import nearest
from aml.jobfile.document import Document
from aml.jobfile.names import RULES as NAMES
from aml.uris import WEB

Judge = Callable[[Any], str | None]

UNKNOWN = "unknown field"


@dataclass(frozen=True)
class Fields:
    """A mapping with certain fields; `required` are those that it cannot do without."""

    shapes: Mapping[str, "Shape"]
    required: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entries:
    """A mapping of texts to values of one shape; `rule` is the one that other keys break, if the loader takes them."""

    value: "Shape"
    rule: str = ""


@dataclass(frozen=True)
class Items:
    """A list of values of one shape."""

    value: "Shape"


@dataclass(frozen=True)
class Kinds:
    """A mapping whose field `type`, as `spelled`, decides what else it holds; `default` is for one that has no type."""

    kinds: Mapping[str, Fields]
    default: Fields | None = None
    spelled: Callable[[str], str] = str.lower


@dataclass(frozen=True)
class Ruled:
    """What `loaded` takes, and of that only what a rule beyond the loaders takes, which `judge` knows."""

    loaded: "Shape"
    rule: str
    judge: Judge


@dataclass(frozen=True)
class Nullable:
    """A value of this shape, or none."""

    value: "Shape" = field(default=lambda _: None)


@dataclass(frozen=True)
class TextOr:
    """A text, or a value of this shape."""

    value: "Shape"


Shape = Judge | Fields | Entries | Items | Kinds | Ruled | Nullable | TextOr

BOOLEANS = {word for name in ("t", "f", "y", "n", "true", "false", "on", "off", "yes", "no")
            for word in (name, name.capitalize(), name.upper())} | {"1", "0", 1, 0}  # fmt: skip


def anything(_: Any) -> str | None:
    """Any value."""
    return None


def text(value: Any) -> str | None:
    """A text, and no number, date or truth value."""
    if isinstance(value, str | bytes):
        return None
    return "a text" if isinstance(value, dict | list) else "a text: put it in quotes"


def whole(value: Any) -> str | None:
    """A whole number, which may be written as a text."""
    try:
        int(value)
    except (TypeError, ValueError, OverflowError):
        return "a whole number"
    return "a whole number" if isinstance(value, bool) else None


def boolean(value: Any) -> str | None:
    """True or false, in one of the words of YAML 1.1."""
    return None if isinstance(value, Hashable) and value in BOOLEANS else "true or false"


def scalar(value: Any) -> str | None:
    """No list and no mapping."""
    return "a text" if isinstance(value, dict | list) else None


def literal(value: Any) -> str | None:
    """What an input without a path may be: a text, a truth value or a finite number."""
    if isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return None
    return "a text or a number" if isinstance(value, dict | list) else "a text: put it in quotes"


def mapping(value: Any) -> str | None:
    """A mapping of anything to anything."""
    return None if isinstance(value, dict) else "a mapping"


def path_or_url(value: Any) -> str | None:
    """A path, or an address on the web as marshmallow takes it: its host has a dot, or is localhost."""
    is_whole = re.fullmatch(r"\w+://([^/?#@]*@)?(localhost|[^/?#:@]+\.[^/?#:@]+)(:\d+)?([/?#]\S*)?", str(value))
    return text(value) or (None if is_whole or not WEB.match(value) else "a path, or the whole address of a host")


def number_or_text(value: Any) -> str | None:
    """What a version may be."""
    return None if isinstance(value, str | int | float) else "a text or a number"


def one_of(*choices: str, spelled: Callable[[str], str] = str.lower) -> Judge:
    """One of these texts, as `spelled`."""
    return lambda value: (
        None if isinstance(value, str) and spelled(value) in choices else f"one of {', '.join(choices)}"
    )


def named(name: str) -> Judge:
    """A name that this rule of names.RULES accepts."""
    rule = NAMES[name]
    return lambda value: None if rule.accepts(value) else f"{rule.says}, such as {rule.example}"


def matching(pattern: str, says: str) -> Judge:
    """A value that, as text, matches the whole pattern."""
    return lambda value: None if re.fullmatch(pattern, str(value), re.DOTALL) else says


def at_least(low: int) -> Ruled:
    """A whole number that is not below `low`."""
    return Ruled(whole, "count", lambda value: None if int(value) >= low else f"a whole number from {low}")


def snake_case(camel: str) -> str:
    """`SystemAssigned` as `system_assigned`, as azure-ai-ml's camel_to_snake does."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", camel))
    return re.sub(r"\s*,\s*_*", ",", split.lower())


def check_shape(document: Document, value: Any, shape: Shape, *keys: str | int) -> Iterator[Finding]:
    """The findings on a value that stands at `keys`."""
    while isinstance(shape, Nullable | TextOr):
        if (value is None) if isinstance(shape, Nullable) else isinstance(value, str):
            return
        shape = shape.value
    if value is None:
        yield Finding.at(document, keys, f"{keys[-1]} has no value", "give it one, or take it out")
    elif isinstance(shape, Ruled):
        broken = list(check_shape(document, value, shape.loaded, *keys))
        yield from broken or _say(document, value, shape.judge(value), keys, shape.rule)
    elif isinstance(shape, Items):
        if not isinstance(value, list):
            yield from _say(document, value, "a list", keys)
            return
        for index, item in enumerate(value):
            yield from check_shape(document, item, shape.value, *keys, index)
    elif callable(shape):
        yield from _say(document, value, shape(value), keys)
    elif not isinstance(value, dict):
        yield from _say(document, value, "a mapping" + " with a type" * isinstance(shape, Kinds), keys)
    elif isinstance(shape, Entries):
        for key, entry in value.items():
            if not isinstance(key, str):
                yield Finding.at(
                    document, (*keys, str(key)), f"key {key}", "should be a text: put it in quotes", shape.rule
                )
            yield from check_shape(document, entry, shape.value, *keys, key)
    else:
        yield from _check_fields(document, value, shape, *keys)


def _check_fields(
    document: Document, value: dict[Any, Any], shape: Fields | Kinds, *keys: str | int
) -> Iterator[Finding]:
    if isinstance(shape, Kinds):
        kind = value.get("type")
        found = shape.kinds.get(shape.spelled(kind)) if isinstance(kind, str) else None
        fields = found or (shape.default if "type" not in value else None)
        if fields is None:
            what = f"type {kind}" if kind else f"{keys[-1]} has no type" if keys else "no type"
            yield Finding.at(document, (*keys, "type"), what, f"should be one of {', '.join(shape.kinds)}")
            return
        shape = Fields({**fields.shapes, "type": anything}, fields.required)
    for name in shape.required:
        if name not in value:
            where = f"{keys[-1]} has no {name}" if keys else f"no {name}"
            yield Finding.at(document, keys, where, "add it")
    for name, entry in value.items():
        if name in shape.shapes:
            yield from check_shape(document, entry, shape.shapes[name], *keys, name)
        else:
            problem = f"{UNKNOWN} {name}{nearest(str(name), shape.shapes)}"
            yield Finding.at(document, (*keys, str(name)), problem)


def unknown_fields(document: Document, value: Any, shape: Shape, *keys: str | int) -> Iterator[Finding]:
    """Of the findings on a value that stands at `keys`, those on fields that its shape does not have."""
    found = check_shape(document, value, shape, *keys)
    return (finding for finding in found if finding.problem.startswith(UNKNOWN))


def _say(
    document: Document, value: Any, says: str | None, keys: tuple[str | int, ...], rule: str = ""
) -> Iterator[Finding]:
    if says:
        name = keys[-1] if isinstance(keys[-1], str) else f"{keys[-2]}[{keys[-1]}]"
        shown = not isinstance(value, dict | list) and "password" not in name
        yield Finding.at(document, keys, f"{name} {value}".strip() if shown else name, f"should be {says}", rule)
