"""Runs side by side: their parameters, metrics and code as the rows of a table, and their metrics as a picture."""

import difflib
import html
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from aml.run import Run

DIRTY = " (with changes)"  # of a git commit
COLOURS = ("#2f6fab", "#e08214", "#4d9221", "#8073ac", "#c51b7d", "#7f7f7f")
LABELS, BARS, VALUES, LINE = 210, 380, 170, 22  # of the picture, in pixels: widths, and the height of a bar's line


def rows(runs: Sequence[Run]) -> Iterator[tuple[str, list[str]]]:
    """The rows of the table: what it is, and a cell for each run. Of a metric, each has its difference to the first."""
    if any(run.name != run.id for run in runs):
        yield "name", [run.name for run in runs]
    yield "experiment", [run.experiment for run in runs]
    yield "status", [run.status for run in runs]
    yield "started", [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.start)) for run in runs]
    yield "duration", [f"{run.duration:.1f} s" for run in runs]
    params = [run.params() for run in runs]
    for key in _keys(params):
        yield f"param {key}", [own.get(key, "") for own in params]
    metrics = [run.metrics() for run in runs]
    for key in _keys(metrics):
        values = [own.get(key) for own in metrics]
        yield (
            f"metric {key}",
            [_with_difference(value, values[0] if index else None) for index, value in enumerate(values)],
        )
    yield "git commit", [_commit(run.tags()) for run in runs]


def code_differences(before: Path, after: Path) -> Iterator[str]:
    """The differences between two snapshots of code, as lines of a unified diff."""
    for name in sorted(_files(before) | _files(after)):
        old, new = before / name, after / name
        texts = [path.read_bytes() if path.is_file() else b"" for path in (old, new)]
        if texts[0] == texts[1]:
            continue
        try:
            lines = [text.decode("utf-8").splitlines() for text in texts]
        except UnicodeDecodeError:
            yield f"{name}: not text, and different"
            continue
        yield from difflib.unified_diff(
            lines[0], lines[1], f"{before.parent.name}/{name}", f"{after.parent.name}/{name}", lineterm=""
        )


def picture(runs: Sequence[Run]) -> str:
    """The metrics of the runs as bars, in SVG: a group for each metric, with a scale of its own that begins at zero."""
    metrics = [run.metrics() for run in runs]
    parts, top = [], 16
    for key in _keys(metrics):
        values = [own.get(key) for own in metrics]
        parts.append(_text(16, top + 14, key, "font-weight='600' font-size='14'"))
        top += 24
        parts += _bars(runs, values, top)
        top += LINE * len(runs) + 14
    if not parts:
        parts, top = [_text(16, top + 14, "No metrics were logged.")], top + 32
    width = LABELS + BARS + VALUES
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{top}' viewBox='0 0 {width} {top}' "
        "font-family='system-ui, Segoe UI, Helvetica, Arial, sans-serif' font-size='12' fill='#24292f'>\n"
        f"<rect width='{width}' height='{top}' fill='#ffffff'/>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _bars(runs: Sequence[Run], values: Sequence[float | None], top: int) -> Iterator[str]:
    finite = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    span = high - low or 1  # infinite for the largest numbers: then the bars have no length
    zero = LABELS + BARS * (-low / span)
    for index, (run, value) in enumerate(zip(runs, values, strict=True)):
        middle = top + index * LINE + 15
        yield _text(LABELS - 8, middle, run.id if len(run.id) <= 28 else f"{run.id[:27]}…", "text-anchor='end'")
        if value is not None and math.isfinite(value):
            length, colour = BARS * (abs(value) / span), COLOURS[index % len(COLOURS)]
            left = zero - length if value < 0 else zero
            size = f"width='{max(length, 1):.1f}' height='16' rx='2'"
            yield f"<rect x='{left:.1f}' y='{middle - 12}' {size} fill='{colour}'/>"
        label = "not logged" if value is None else _with_difference(value, values[0] if index else None)
        yield _text(LABELS + BARS + 8, middle, label)
    yield f"<path d='M{zero:.1f} {top - 2}v{LINE * len(runs) + 2}' stroke='#8c959f'/>"


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f"<text x='{x}' y='{y}' {attributes}>{html.escape(text)}</text>".replace(" >", ">")


def _keys(mappings: Sequence[dict[str, object]] | Sequence[dict[str, str]] | Sequence[dict[str, float]]) -> list[str]:
    """Every key, in the order in which they are met."""
    return list(dict.fromkeys(itertools.chain.from_iterable(mappings)))


def _with_difference(value: float | None, first: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" + (f" ({value - first:+.3g})" if first is not None else "")


def _commit(tags: dict[str, str]) -> str:
    commit = tags.get("mlflow.source.git.commit", "")[:10]
    return commit + (DIRTY if commit and tags.get("azureml.git.dirty") == "True" else "")


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
