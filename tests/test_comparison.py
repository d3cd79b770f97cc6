"""Runs side by side: the rows of the table, the differences of their code, and the picture."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aml import comparison
from aml.run import Run

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Known(Run):
    """A run of which everything is known."""

    logged: dict[str, float] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    tagged: dict[str, str] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        return self.logged

    def params(self) -> dict[str, str]:
        return self.given

    def tags(self) -> dict[str, str]:
        return self.tagged

    def files(self) -> list[Path | str]:
        return []


def known(run_id: str, logged: dict[str, float] | None = None, **more: dict[str, str]) -> Known:
    return Known(run_id, "birds", run_id, "finished", 1000.0, 1002.5, logged or {}, **more)


def test_parameters_metrics_and_code_are_side_by_side() -> None:
    commit = {"mlflow.source.git.commit": "0123456789abcdef"}
    first = known("a", {"accuracy": 0.5, "loss": 2}, given={"c": "1"}, tagged=commit)
    second = known("b", {"accuracy": 0.75}, given={"d": "x"}, tagged={**commit, "azureml.git.dirty": "True"})
    rows = dict(comparison.rows([first, second]))
    assert rows["duration"] == ["2.5 s", "2.5 s"] and "name" not in rows
    assert rows["param c"] == ["1", ""] and rows["param d"] == ["", "x"]
    assert rows["metric accuracy"] == ["0.5", "0.75 (+0.25)"] and rows["metric loss"] == ["2", ""]
    assert rows["git commit"] == ["0123456789", "0123456789 (with changes)"]


def test_the_code_of_two_runs_is_compared_file_by_file(tmp_path: Path) -> None:
    for run_id, texts in (
        ("a", {"train.py": "one\ntwo\n", "same.py": "x\n", "mac.py": "x\n", "end.py": "x\n", "empty.py": ""}),
        ("b", {"train.py": "one\n2\n", "new/é.py": "y\n", "mac.py": "x\r\n", "end.py": "x"}),
    ):
        for name, text in {**texts, "__pycache__/train.pyc": run_id}.items():
            path = tmp_path / run_id / "code" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        (tmp_path / run_id / "code" / "weights.bin").write_bytes(b"\xff" + run_id.encode())
    assert list(comparison.code_differences(tmp_path / "a" / "code", tmp_path / "b" / "code")) == [
        "empty.py: empty, and not in b", "end.py: line endings differ", "mac.py: line endings differ",
        "--- a/new/é.py", "+++ b/new/é.py", "@@ -0,0 +1 @@", "+y",
        "--- a/same.py", "+++ b/same.py", "@@ -1 +0,0 @@", "-x",
        "--- a/train.py", "+++ b/train.py", "@@ -1,2 +1,2 @@", " one", "-two", "+2",
        "weights.bin: binary files differ",
    ]  # fmt: skip
    assert list(comparison.code_differences(tmp_path / "a" / "code", tmp_path / "a" / "code")) == []


def bars(runs: Sequence[Run]) -> list[tuple[float, float]]:
    """Where each bar of the picture begins, and how long it is."""
    picture = ET.fromstring(comparison.bar_chart(runs))  # noqa: S314  # made here
    return [
        (float(bar.get("x", "")), float(bar.get("width", ""))) for bar in picture.iter(f"{SVG}rect") if bar.get("x")
    ]


def test_bars_are_as_long_as_the_values() -> None:
    (one, two), (minus, plus) = (
        bars([known("a", {"m": 1.0}), known("b", {"m": 0.5})]),
        bars([known("a", {"m": -1.0}), known("b", {"m": 3.0})]),
    )
    assert one == (comparison.LABEL_WIDTH, comparison.BAR_WIDTH) and two == (
        comparison.LABEL_WIDTH,
        comparison.BAR_WIDTH / 2,
    )
    assert minus == (comparison.LABEL_WIDTH, comparison.BAR_WIDTH / 4)
    assert plus == (comparison.LABEL_WIDTH + comparison.BAR_WIDTH / 4, comparison.BAR_WIDTH * 3 / 4)


@given(
    st.lists(
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.floats()),
        min_size=2,
        max_size=7,
    )
)
def test_any_metrics_make_a_picture(metrics: list[dict[str, float]]) -> None:
    runs = [known(f"<{number}>", logged) for number, logged in enumerate(metrics)]
    edge = comparison.LABEL_WIDTH + comparison.BAR_WIDTH
    for left, length in bars(runs):
        assert left >= comparison.LABEL_WIDTH - 0.1 and length >= 1 and left + length <= edge + 1.1
    assert len(dict(comparison.rows(runs))) == 5 + len({key for logged in metrics for key in logged})
