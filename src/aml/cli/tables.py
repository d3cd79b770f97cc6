"""Plain tables for the terminal."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from aml.console import one_line


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`rows` under `header` in columns as wide as they need to be; the last column has no padding."""
    lines = [list(header), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(header))]
    padded = ([cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _width(text: str) -> int:
    """Columns that a terminal gives to the text: two for a wide letter."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def pairs(values: Mapping[str, object]) -> str:
    """A mapping in one line; numbers with four significant digits."""
    shown = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in values.items()}
    return " ".join(f"{key}={value}" for key, value in shown.items())
