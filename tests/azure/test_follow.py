"""A job is followed to its end, against the stand-in."""

from __future__ import annotations

import os
import re
import signal

import pytest

from aml.azure import follow
from aml.azure.workspace_client import connect
from aml.errors import UserError
from standin.fixtures import Attached


def test_a_job_that_fails(attached: Attached) -> None:
    done = attached.submit("echo about to fail; echo for this reason >&2; exit 3", status=1)
    assert "about to fail\nfor this reason\n" in done.stdout
    name = attached.last_job.name
    assert re.search(rf"run {name} failed after \d+ s: .*User process exited with status code 3", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_job_that_is_cancelled(attached: Attached) -> None:
    attached.job("echo started; sleep 60")
    with attached.start("submit", "-c", "job.yml") as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"  # it comes while the job goes on
        name = attached.last_job.name
        assert name in attached.aml("runs", "--azure", "cancel", name).stdout
        assert process.wait(30) == 130
        assert f"run {name} cancelled" in process.stderr.read()  # type: ignore[union-attr]
    assert attached.last_job.status == "Canceled"
    again = attached.aml("runs", "--azure", "cancel", name).stdout  # that is no mistake
    assert again == f"run {name}: cancelled before; nothing was cancelled\n"


@pytest.mark.skipif(os.name == "nt", reason="no Ctrl-C can be sent to one process")
def test_ctrl_c_ends_the_watching_only(attached: Attached) -> None:
    attached.job("echo started; sleep 60")
    with attached.start("submit", "-c", "job.yml") as process:
        assert process.stdout and process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        said = process.stderr.read()  # type: ignore[union-attr]
    job = attached.last_job
    assert job.status == "Running" and "Traceback" not in said
    assert f"run {job.name} goes on: aml runs --azure follow {job.name}" in said
    assert f"aml runs --azure cancel {job.name}" in said


@pytest.mark.skipif(os.name == "nt", reason="no signal can be sent to one process")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_same_command_goes_on_with_a_job_whose_end_was_not_seen(attached: Attached, how: signal.Signals) -> None:
    attached.job("echo started; sleep 3; echo done")
    with attached.start("submit", "-c", "job.yml") as process:
        assert process.stdout and process.stdout.readline() == "started\n"
        process.send_signal(how)
        assert process.wait(20) == 130
    name = attached.last_job.name
    done = attached.aml("submit", "-c", "job.yml", "-t", "run.json")
    assert done.stdout == "started\ndone\n" and f"going on with run {name}" in done.stderr
    assert list(attached.workspace.jobs) == [name]
    attached.aml("submit", "-c", "job.yml", "--no-wait")  # the end of that one was seen, so this is another job
    assert len(attached.workspace.jobs) == 2


def test_run_history_may_know_a_job_later_than_the_service_does(attached: Attached) -> None:
    attached.service.history_lag = 3
    assert attached.submit("echo done").stdout == "done\n"


def test_a_run_that_never_comes_to_run_history(attached: Attached, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience ends, and the job is not lost sight of."""
    attached.service.history_lag = 10000
    monkeypatch.setattr(follow, "PATIENCE", 0)
    attached.submit("true", "--no-wait")
    name = attached.last_job.name
    for key, value in attached.environment().items():
        monkeypatch.setenv(key, value)
    with pytest.raises(UserError, match=rf"run {name} goes on: aml runs --azure follow {name}"):
        follow.watch(connect(attached.path), name)


def test_following_later_shows_all_that_a_job_printed(attached: Attached) -> None:
    attached.submit("echo first; sleep 2; echo last; exit 3", "--no-wait")
    name = attached.last_job.name
    done = attached.aml("runs", "--azure", "follow", name[-6:], status=1)
    assert done.stdout == "first\nlast\n" and f"run {name} failed after " in done.stderr
    again = attached.aml("runs", "--azure", "follow", name, status=1)
    assert again.stdout == done.stdout and "User process exited with status code 3" in again.stderr


def test_a_log_that_is_out_of_reach_is_not_passed_over(attached: Attached) -> None:
    attached.service.faults.add("reset", method="GET", path=r"blob\.core.*std_log", times=1000)
    done = attached.submit("echo one; echo two")
    name = attached.last_job.name
    assert done.stdout == "" and f"run {name} finished" in done.stderr
    unseen = done.stderr.splitlines()[-1]
    assert unseen.startswith("its log was not shown to the end: standinstorage.blob.core.windows.net cannot be reached")
    assert unseen.endswith(f"to try again: aml runs --azure follow {name}") and "sig=" not in done.stderr
    attached.service.faults.clear()
    assert attached.aml("runs", "--azure", "follow", name).stdout == "one\ntwo\n"


def test_the_log_of_the_first_of_several_processes() -> None:
    """Its names are those that azure-ai-ml streams (constants/_job/job.py); it shows them one after the other."""
    from azure.ai.ml.operations._job_ops_helper import _get_sorted_filtered_logs

    several = [f"user_logs/std_log_process_{number}.txt" for number in range(3)]
    cases = [
        ["user_logs/std_log.txt", "system_logs/cs.txt"],
        several,
        ["azureml-logs/70_driver_log.txt"],
        ["outputs/x"],
    ]
    for names in cases:
        found = next((found for pattern in follow.LOGS if (found := sorted(filter(pattern.fullmatch, names)))), [])
        assert found[:1] == _get_sorted_filtered_logs(names, "command")[:1]


def test_a_letter_that_comes_in_two_parts_is_shown_whole(attached: Attached) -> None:
    done = attached.submit(
        "printf 'Z\\xc3'; sleep 1.5; printf '\\xbcrich \\xf0\\x9f'; sleep 1.5; printf '\\x90\\xa7\\n'"
    )
    assert done.stdout == "Zürich 🐧\n"


def test_the_log_of_a_terminal_without_unicode(attached: Attached) -> None:
    """Nothing fails for a letter that the terminal lacks."""
    done = attached.submit("printf 'Z\\xc3\\xbcrich\\n'")
    assert done.stdout == "Zürich\n"
    variables = attached.environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    done = attached.aml("submit", "-c", "job.yml", env=variables)
    assert done.stdout == "Z?rich\n"
