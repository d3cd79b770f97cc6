"""A job is followed to its end, against the stand-in."""

from __future__ import annotations

import os
import re
import signal

import pytest

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
    attached.aml("runs", "--azure", "cancel", name)  # again: that is no mistake


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
    assert f"run {job.name} goes on: aml runs --azure show {job.name}" in said
    assert f"aml runs --azure cancel {job.name}" in said
    attached.submit("echo started; sleep 60", "--no-wait")  # on purpose, so it is another job
    assert len(attached.workspace.jobs) == 2


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
