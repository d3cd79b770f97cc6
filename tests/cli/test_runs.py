"""aml runs: sorted, and side by side."""

import math
import signal
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aml.cli import main as cli
from aml.local import mlflow_store

ONE, TWO, THREE = (f"20261126-12000{number}-00000{number}" for number in (1, 2, 3))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with three runs, the first of which began first."""
    (tmp_path / "aml_config").mkdir()
    monkeypatch.chdir(tmp_path)
    commit = {"mlflow.source.git.commit": "0123456789abcdef", "azureml.git.dirty": "False"}
    for run_id, metrics, code in (
        (ONE, {"accuracy": 0.5, "loss": 2.0}, "c = 1\n"),
        (TWO, {"accuracy": 0.75, "loss": math.nan}, "c = 2\n"),
        (THREE, {"accuracy": 0.625, "loss": 0.5}, "c = 1\n"),
    ):
        (tmp_path / "runs" / run_id / "code").mkdir(parents=True)
        (tmp_path / "runs" / run_id / "code" / "train.py").write_text(code, encoding="utf-8")
        uri = (tmp_path / "runs" / run_id).as_uri()
        run = mlflow_store.create_run(tmp_path, "birds", run_id, run_id, uri, commit)
        mlflow_store.update_run(run, "finished", metrics=metrics, params={"c": code[4]})
    return tmp_path


@pytest.fixture
def aml(root: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """Run a verb in this process; returns what it prints, or says of an error."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def _aml(*arguments: str, status: int = 0) -> str:
        assert cli.main(["runs", *arguments]) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    yield _aml
    for number, handler in before.items():
        signal.signal(number, handler)


def order(listing: str) -> list[str]:
    return [line.split()[0] for line in listing.splitlines()[1:]]


def test_runs_are_sorted_by_a_metric(aml: Callable[..., str]) -> None:
    assert order(aml("--sort", "accuracy")) == [TWO, THREE, ONE]
    assert order(aml("--sort", "accuracy", "--ascending")) == [ONE, THREE, TWO]


def test_a_run_without_a_number_stays_behind_the_others(aml: Callable[..., str]) -> None:
    assert order(aml("--sort", "loss")) == [ONE, THREE, TWO]
    assert order(aml("--sort", "loss", "--ascending")) == [THREE, ONE, TWO]


def test_a_metric_that_no_run_has_is_refused_with_those_that_are_there(aml: Callable[..., str]) -> None:
    said = aml("--sort", "recall", status=2)
    assert said == "aml: --sort recall: no run has this metric; there are accuracy, loss\n"


def test_runs_are_shown_side_by_side(root: Path, aml: Callable[..., str]) -> None:
    table, *codes, drawn = aml("compare", ONE, TWO[-6:], THREE).split("\n\n")
    rows = {" ".join(line.split()[:2]): line.split()[2:] for line in table.splitlines()[1:]}
    assert table.splitlines()[0].split() == [ONE, TWO, THREE]
    assert rows["param c"] == ["1", "2", "1", "differs"]
    assert rows["metric accuracy"] == ["0.5", "0.75", "(+0.25)", "0.625", "(+0.125)"]
    assert rows["git commit"] == ["0123456789", "0123456789", "0123456789"]
    assert codes == [
        f"code of {TWO}, compared with {ONE}:\n--- {ONE}/train.py\n+++ {TWO}/train.py\n@@ -1 +1 @@\n-c = 1\n+c = 2",
        f"code of {THREE}, compared with {ONE}:\nthe same",
    ]
    assert drawn == f"metrics, drawn: {Path('runs') / 'compare.svg'}\n"
    texts = [text.text for text in ET.parse(root / "runs" / "compare.svg").iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314  # made here
    assert texts[:3] == ["accuracy", ONE, "0.5"] and "0.75 (+0.25)" in texts


def test_code_that_is_not_here_is_said_and_long_differences_are_cut(root: Path, aml: Callable[..., str]) -> None:
    (root / "runs" / TWO / "code" / "train.py").write_text("x\n" * 300, encoding="utf-8")
    (root / "runs" / THREE / "code" / "train.py").unlink()
    (root / "runs" / THREE / "code").rmdir()
    shown = aml("compare", ONE, TWO, THREE, "-o", "own.svg")
    first, other = (Path("runs") / run_id / "code" for run_id in (ONE, TWO))
    assert f"… and 104 lines more: git diff --no-index {first} {other}\n" in shown
    assert f"the code of {THREE} is not on this machine\n" in shown
    assert (root / "own.svg").is_file() and not (root / "runs" / "compare.svg").exists()


@pytest.mark.parametrize("ids", [[ONE], [ONE, ONE[-6:]]])
def test_one_run_is_nothing_to_compare(ids: list[str], aml: Callable[..., str]) -> None:
    assert aml("compare", *ids, status=2) == "aml: compare what? name two runs or more: aml runs lists them\n"
