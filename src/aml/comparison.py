"""Runs side by side: their parameters, metrics and code as the rows of a table, and their metrics as a bar chart."""

import difflib
import html
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from aml.run import Run

DIRTY = " (with changes)"  # appended to a commit when there were uncommitted changes
COLOURS = ("#2f6fab", "#e08214", "#4d9221", "#8073ac", "#c51b7d", "#7f7f7f")
LABEL_WIDTH, BAR_WIDTH, VALUE_WIDTH, ROW_HEIGHT = 210, 380, 170, 22  # pixels


def rows(runs: Sequence[Run]) -> Iterator[tuple[str, list[str]]]:
    """Table rows: a label, and a cell for each run. Metrics show the difference to the first run."""
    if any(run.name != run.id for run in runs):
        yield "name", [run.name for run in runs]
    yield "experiment", [run.experiment for run in runs]
    yield "status", [run.status for run in runs]
    yield "started", [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.start)) for run in runs]
    yield "duration", [f"{run.duration:.1f} s" for run in runs]
    params = [run.params() for run in runs]
    for key in _keys(params):
        yield f"param {key}", [run_params.get(key, "") for run_params in params]
    metrics = [run.metrics() for run in runs]
    for key in _keys(metrics):
        values = [run_metrics.get(key) for run_metrics in metrics]
        yield (
            f"metric {key}",
            [_with_difference(value, values[0] if index else None) for index, value in enumerate(values)],
        )
    yield "git commit", [_commit(run.tags()) for run in runs]


def code_differences(before: Path, after: Path) -> Iterator[str]:
    """The differences between two snapshots of code, as lines of a unified diff; nothing when they are the same."""
    run_ids = [folder.parent.name for folder in (before, after)]
    for name in sorted(_files(before) | _files(after)):
        paths = [before / name, after / name]
        old, new = (path.read_bytes() if path.is_file() else b"" for path in paths)
        if old == new:
            if missing := [run for run, path in zip(run_ids, paths, strict=True) if not path.is_file()]:
                yield f"{name}: empty, and not in {missing[0]}"
            continue
        try:
            lines = [text.decode("utf-8").splitlines() for text in (old, new)]
        except UnicodeDecodeError:
            yield f"{name}: binary files differ"
            continue
        labels = [f"{run}/{name}" for run in run_ids]
        difference = list(difflib.unified_diff(lines[0], lines[1], labels[0], labels[1], lineterm=""))
        yield from difference or [f"{name}: line endings differ"]


def bar_chart(runs: Sequence[Run]) -> str:
    """The metrics of the runs as bars, in SVG: a group for each metric, with a scale of its own that begins at zero."""
    metrics = [run.metrics() for run in runs]
    parts, top = [], 16
    for key in _keys(metrics):
        values = [run_metrics.get(key) for run_metrics in metrics]
        parts.append(_text(16, top + 14, key, "font-weight='600' font-size='14'"))
        top += 24
        parts += _bars(runs, values, top)
        top += ROW_HEIGHT * len(runs) + 14
    if not parts:
        parts, top = [_text(16, top + 14, "No metrics were logged.")], top + 32
    width = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{top}' viewBox='0 0 {width} {top}' "
        "font-family='system-ui, Segoe UI, Helvetica, Arial, sans-serif' font-size='12' fill='#24292f'>\n"
        f"<rect width='{width}' height='{top}' fill='#ffffff'/>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _bars(runs: Sequence[Run], values: Sequence[float | None], top: int) -> Iterator[str]:
    finite = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    span = high - low or 1  # overflows to inf for huge values: bars then have no length
    zero = LABEL_WIDTH + BAR_WIDTH * (-low / span)
    for index, (run, value) in enumerate(zip(runs, values, strict=True)):
        middle = top + index * ROW_HEIGHT + 15
        yield _text(LABEL_WIDTH - 8, middle, run.id if len(run.id) <= 28 else f"{run.id[:27]}…", "text-anchor='end'")
        if value is not None and math.isfinite(value):
            length, colour = BAR_WIDTH * (abs(value) / span), COLOURS[index % len(COLOURS)]
            left = zero - length if value < 0 else zero
            size = f"width='{max(length, 1):.1f}' height='16' rx='2'"
            yield f"<rect x='{left:.1f}' y='{middle - 12}' {size} fill='{colour}'/>"
        label = "not logged" if value is None else _with_difference(value, values[0] if index else None)
        yield _text(LABEL_WIDTH + BAR_WIDTH + 8, middle, label)
    yield f"<path d='M{zero:.1f} {top - 2}v{ROW_HEIGHT * len(runs) + 2}' stroke='#8c959f'/>"


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
