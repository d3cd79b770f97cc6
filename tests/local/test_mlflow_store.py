"""MLflow's file store, as MLflow's own client reads it."""

import json
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aml.local import mlflow_store

MADE_BEFORE = {"experiment_id": "7", "lifecycle_stage": "active", "name": "ours", "artifact_location": "file:///gone"}


def create(root: Path, run_id: str = "one") -> mlflow_store.StoredRun:
    return mlflow_store.create_run(root, "ours", run_id, "A run", (root / "runs" / run_id).as_uri(), {"by": "me"})


@pytest.mark.parametrize("made_before", [False, True])
def test_an_experiment_has_its_times(tmp_path: Path, made_before: bool) -> None:
    if made_before:  # by a version that did not keep them
        (tmp_path / "mlruns" / "7").mkdir(parents=True)
        (tmp_path / "mlruns" / "7" / "meta.yaml").write_text(yaml.safe_dump(MADE_BEFORE), encoding="utf-8")
    before = int(time.time() * 1000)
    create(tmp_path)
    after = int(time.time() * 1000)
    client = mlflow_store.client(tmp_path)
    for name in ("ours", "Default"):
        experiment = client.get_experiment_by_name(name)
        assert experiment is not None
        assert experiment.creation_time is not None and before <= experiment.creation_time <= after
        assert experiment.last_update_time == experiment.creation_time
    ours = client.get_experiment_by_name("ours")
    assert ours is not None and (ours.experiment_id == "7") == made_before
    create(tmp_path, "two")
    again = client.get_experiment_by_name("ours")
    assert again is not None and again.creation_time == ours.creation_time


def test_an_update_is_what_the_client_reads(tmp_path: Path) -> None:
    run = create(tmp_path)
    assert (run.status, run.end, run.tags()) == ("running", None, {"by": "me"})
    ended = mlflow_store.update_run(
        run, "finished", {"by": None, "for": "you"}, metrics={"part/loss": 0.1}, params={"c": "1"}
    )
    assert list(mlflow_store.read_runs(tmp_path)) == [ended]
    theirs = mlflow_store.client(tmp_path).get_run("one")
    assert (theirs.info.status, theirs.info.end_time) == ("FINISHED", round((ended.end or 0) * 1000))
    assert theirs.data.metrics == ended.metrics() == {"part/loss": 0.1}
    assert theirs.data.params == ended.params() == {"c": "1"}
    assert theirs.data.tags == ended.tags() == {"for": "you"}
    assert (ended.tag("for"), ended.tag("by")) == ("you", "")


def test_an_update_with_nothing_changes_nothing(tmp_path: Path) -> None:
    run = create(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert mlflow_store.update_run(run) == run
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_the_page_of_runs_shows_the_metrics_as_columns(tmp_path: Path) -> None:
    run = mlflow_store.update_run(create(tmp_path), metrics={"loss": 1.0, "test/f1": 0.5})
    page = mlflow_store.page_of_runs(run)
    experiment = mlflow_store.client(tmp_path).get_experiment_by_name("ours")
    assert experiment is not None
    view = f"#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning&viewStateShareKey=aml"
    assert page == view
    columns = json.loads(experiment.tags["mlflow.sharedViewState.aml"])["selectedColumns"]
    assert columns == ["metrics.`loss`", "metrics.`test/f1`"]


@given(metrics=st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?_", fullmatch=True), st.floats(allow_nan=False)))
def test_metrics_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, metrics: dict[str, float]) -> None:
    run = create(tmp_path_factory.mktemp("store"))
    assert mlflow_store.update_run(run, metrics=metrics).metrics() == metrics
