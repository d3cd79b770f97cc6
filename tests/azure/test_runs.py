"""`aml runs --azure`, and lists of a workspace where nothing is yet."""

from __future__ import annotations

import pytest

from standin.fixtures import Attached


def test_runs_are_listed_newest_first_and_by_experiment(attached: Attached) -> None:
    ids = []
    for experiment in ("one", "two", "one"):
        attached.submit("true", experiment_name=experiment)
        ids.append(attached.last_job.name)
    listed = [line.split()[0] for line in attached.aml("runs", "--azure").stdout.splitlines()]
    assert listed == ["RUN", *reversed(ids)]
    listed = [line.split()[0] for line in attached.aml("runs", "--azure", "-e", "one").stdout.splitlines()]
    assert listed == ["RUN", ids[2], ids[0]]
    assert attached.aml("runs", "--azure", "show").stdout.startswith(f"{ids[2]}  finished\n")


@pytest.mark.parametrize("action", ["show", "cancel", "download"])
def test_a_run_that_is_not_there(attached: Attached, action: str) -> None:
    assert "nobody" in attached.refused("runs", "--azure", action, "nobody")
    assert not (attached.path / "runs" / "nobody").exists()


@pytest.mark.parametrize("verb", [["runs", "--azure"], ["models", "--azure"], ["data"]])
def test_nothing_there_yet(attached: Attached, verb: list[str]) -> None:
    assert "workspace aml-demo" in attached.refused(*verb, lines=1)
