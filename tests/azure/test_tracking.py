"""A run of this machine, tracked in the stand-in's workspace."""

from __future__ import annotations

import json
import os
import re

import pytest

from standin.contents import TRAIN, run_here
from standin.fixtures import IMAGE, Attached


def test_a_run_of_this_machine_shows_in_the_workspace(attached: Attached) -> None:
    said = run_here(attached, TRAIN, "--track", "azure", "-e", "at-home", "-t", "run.json")
    assert "trained" in said and "finished" in said
    (run,) = attached.workspace.runs.values()
    assert f"https://ml.azure.com/runs/{run.identifier}?wsid={attached.workspace.scope}" in said
    assert (run.experiment.name, run.status) == ("at-home", "Completed")
    assert run.params == {"c": "2"} and run.metrics["accuracy"][-1]["value"] == 0.5
    assert not attached.workspace.jobs  # it is no job of a cluster
    local = json.loads((attached.path / "run.json").read_text())["run_id"]
    assert "accuracy=0.5" in attached.aml("runs").stdout  # and here, too
    assert "accuracy=0.5" in attached.aml("runs", "--azure", "-e", "at-home").stdout
    shown = attached.aml("runs", "--azure", "show", run.identifier).stdout
    assert re.search(rf"aml.run = {local}$", shown, re.MULTILINE) and "picture.txt" in shown


def test_a_tracked_run_that_fails_is_recorded_as_failed(attached: Attached) -> None:
    said = run_here(attached, "echo broken; exit 3", "--track", "azure", status=3)
    assert "failed with exit status 3" in said
    assert [run.status for run in attached.workspace.runs.values()] == ["Failed"]


@pytest.mark.skipif(os.name == "nt", reason="a kill is told from an end by the signal")
def test_a_killed_run_is_ended_in_the_workspace_by_the_next_one(attached: Attached) -> None:
    name = attached.job("echo begun; sleep 60", compute="local", environment={"image": IMAGE})
    with attached.start("submit", "-c", name, "--here", "--track", "azure") as process:
        assert process.stdout and process.stdout.readline() == "begun\n"
    assert [run.status for run in attached.workspace.runs.values()] == ["Running"]
    run_here(attached, "true", "--track", "azure")
    assert sorted(run.status for run in attached.workspace.runs.values()) == ["Completed", "Failed"]
    assert "azure.open" not in attached.aml("runs", "show").stdout


def test_tracking_refuses_before_anything_is_written(attached: Attached) -> None:
    settings = attached.path / "aml_config" / "config.json"
    settings.write_text(settings.read_text().replace('"workspace_name": "aml-demo"', '"workspace_name": "aml-dmo"'))
    name = attached.job("true", compute="local")
    said = attached.refused("submit", "-c", name, "--here", "--track", "azure")
    assert "aml-dmo" in said and not (attached.path / "runs").exists()
