"""`aml runs --azure`, and lists of a workspace where nothing is yet."""

from __future__ import annotations

import pytest

from standin.contents import run_here
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


def test_lists_are_read_to_their_last_page(attached: Attached) -> None:
    """Of artifacts, of runs and of experiments."""
    for experiment in ("one", "two", "three"):
        attached.submit("mkdir outputs; touch outputs/a outputs/b outputs/c", experiment_name=experiment)
    attached.service.page_size = 2
    assert len(attached.aml("runs", "--azure").stdout.splitlines()) == 4
    shown = attached.aml("runs", "--azure", "show", attached.last_job.name).stdout
    assert all(name in shown for name in ("outputs/a", "outputs/b", "outputs/c", "user_logs/std_log.txt"))
    assert [call.query.get("continuationtoken") for call in attached.calls(path="/artifacts$")] == [None, "2"]


def test_a_run_is_shown_with_why_it_failed_and_where_studio_has_it(attached: Attached) -> None:
    attached.submit("exit 3", status=1)
    name = attached.last_job.name
    shown = attached.aml("runs", "--azure", "show").stdout
    assert "  reason   Execution failed. User process exited with status code 3." in shown
    assert f"  studio   https://ml.azure.com/runs/{name}?wsid={attached.workspace.scope}\n" in shown


def test_a_part_of_an_id_is_enough(attached: Attached) -> None:
    for _ in range(2):
        attached.submit("mkdir outputs; touch outputs/a", tags={"a": str(len(attached.workspace.jobs))})
    one, other = attached.workspace.jobs
    assert attached.aml("runs", "--azure", "show", one[-6:]).stdout.startswith(f"{one}  finished")
    assert f"run {one}: " in attached.aml("runs", "--azure", "download", one[-6:]).stdout
    assert (attached.path / "runs" / one / "outputs" / "a").is_file()
    assert attached.aml("runs", "--azure", "cancel", other[-6:]).stdout.startswith(f"run {other}: finished before")
    said = attached.refused("runs", "--azure", "show", "20")
    assert f"run 20: fits {other}, {one} in workspace" in said
    assert attached.aml("runs", "--azure", "compare", one[-6:], other[-6:]).stdout.split()[:2] == [one, other]


def test_a_run_of_this_machine_is_found_by_its_id_here(attached: Attached) -> None:
    run_here(attached, "true", "--track", "azure")
    here = attached.aml("runs", "show").stdout.split()[0]
    (there,) = attached.workspace.runs
    assert here != there and attached.aml("runs", "--azure", "show", here).stdout.startswith(f"{there}  finished")


@pytest.mark.parametrize("action", ["show", "follow", "cancel", "download"])
def test_a_workspace_that_is_not_there_is_not_taken_for_a_run(attached: Attached, action: str) -> None:
    attached.service.cloud.workspaces.clear()
    attached.service.cloud.add_workspace("birds")
    said = attached.refused("runs", "--azure", action, "20261126-120000-abcdef")
    assert "workspace aml-demo: not found, or not yours" in said and "aml workspace" in said


@pytest.mark.parametrize("action", ["show", "follow", "cancel", "download"])
def test_a_run_that_is_not_there(attached: Attached, action: str) -> None:
    assert "nobody" in attached.refused("runs", "--azure", action, "nobody")
    assert not (attached.path / "runs" / "nobody").exists()


def test_an_experiment_without_runs(attached: Attached) -> None:
    attached.submit("true")
    said = attached.refused("runs", "--azure", "-e", "nope", lines=1)
    assert said == "experiment nope: it has no runs; aml runs --azure lists those of all experiments\n"


def test_options_may_stand_behind_the_action(attached: Attached) -> None:
    attached.submit("true")
    shown = attached.aml("runs", "--azure", "show").stdout
    assert attached.aml("runs", "show", "--azure").stdout == shown
    assert "Request URL" in attached.aml("runs", "--azure", "show", "--debug").stderr


@pytest.mark.parametrize("verb", [["runs", "--azure"], ["models", "--azure"], ["data"]])
def test_nothing_there_yet(attached: Attached, verb: list[str]) -> None:
    assert "workspace aml-demo" in attached.refused(*verb, lines=1)
