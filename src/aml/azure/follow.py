"""A job on a cluster is followed to its end: what it prints, and how it ended."""

import codecs
import datetime
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from aml.azure import runs
from aml.azure.workspace_client import WorkspaceClient, is_absent
from aml.console import printable, say
from aml.errors import ServiceError, UserError

EXIT = {"finished": 0, "failed": 1, "cancelled": 130}
POLL = (1, 5)  # seconds between two looks: while something happens, and while nothing does
RETRIES = 8  # two minutes in all, for a request to the service while a job goes on there
PATIENCE = 120  # seconds in which the run history comes to know a job that was submitted
LOOKS = 5  # at a log that is out of reach, when the job has ended
# The log of a job's first process, then older forms: what azure-ai-ml streams (constants/_job/job.py, JobLogPattern).
LOGS = (
    re.compile(r"user_logs/std_log\D*0*(_ps)?\.txt"),
    re.compile(r"azureml-logs/.+\.txt|logs/azureml/executionlogs\.txt"),
)


@dataclass(frozen=True)
class End:
    """How a job ended.

    Attributes:
        status: finished, failed or cancelled.
        seconds: From its start to its end; None where the service does not say.
        reason: The service's words for why it failed.
        unseen: Why its log was not shown, or not to its end; empty when all of it was.

    """

    status: str
    seconds: float | None
    reason: str
    unseen: str


def watch(client: WorkspaceClient, run_id: str, ended: Callable[[End], object] = lambda _: None) -> int:
    """Show what a job prints until it ends; returns its exit status. Ctrl-C ends the watching, not the job.

    `ended` is called when the end was seen and said.
    """
    client.retries = RETRIES
    again = f"aml runs --azure follow {run_id}"

    def write(text: str) -> None:
        print(printable(text, colours=True), end="", flush=True)

    try:
        end = follow(client, run_id, write)
    except KeyboardInterrupt:
        say(f"\nrun {run_id} goes on: {again}, or: aml runs --azure cancel {run_id}")
        return 130
    except UserError as error:
        raise UserError(f"{error}\n     run {run_id} goes on: {again}") from None
    after = "" if end.seconds is None else f" after {end.seconds:.0f} s"
    say(f"run {run_id} {end.status}{after}{': ' if end.reason else ''}{end.reason}")
    if end.unseen:
        say(f"its log was not shown to the end: {end.unseen}; to try again: {again}")
    ended(end)
    return EXIT[end.status]


def follow(client: WorkspaceClient, run_id: str, write: Callable[[str], object]) -> End:
    """Give what a job prints to `write` until it ends. Of a job that has ended, give all that it printed.

    The log is read by addresses that the run history hands out: azure-ai-ml's jobs.stream fails without an account key.
    """
    log = _Log(client, write)
    before, pause, looks, patient = "", float(POLL[0]), LOOKS, time.monotonic() + PATIENCE
    while True:
        found = {}
        try:
            found = runs.details(client, run_id)
        except ServiceError as error:
            if not is_absent(error) or time.monotonic() > patient:
                raise
        status = found.get("status") or before
        ended = runs.STATUSES.get(status) in EXIT
        if status != before and not ended and status != "Running":
            say(f"{status.lower()} …")
        new = log.show(found.get("logFiles") or {})
        looks -= ended
        # What was cancelled before it began has no log.
        unseen = log.unseen if log.unseen or log.found or status == "Canceled" else "the workspace has none of it"
        if ended and not (unseen and looks):
            reason = runs.reason(found) if status == "Failed" else ""
            return End(runs.STATUSES[status], _seconds(found), reason, unseen)
        pause = POLL[0] if new or status != before else min(pause * 1.5, POLL[1])
        before = status
        time.sleep(pause)


class _Log:
    """The log of a job, as far as it was shown."""

    def __init__(self, client: WorkspaceClient, write: Callable[[str], object]) -> None:
        self._client = client
        self._write = write
        self._shown = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.found = False
        #: Why what there is was not shown; empty when it was.
        self.unseen = ""

    def show(self, files: dict[str, str]) -> int:
        """Show what is new; `files` are the addresses of logs by their names. Returns how many bytes that was."""
        names = next((found for pattern in LOGS if (found := sorted(filter(pattern.fullmatch, files)))), [])
        if not names:
            return 0
        self.found, self.unseen = True, ""
        try:
            new = self._client.fetch(files[names[0]], self._shown)
        except ServiceError as error:
            self.unseen = str(error)
            return 0
        self._shown += len(new)
        self._write(self._decoder.decode(new))
        return len(new)


def _seconds(found: dict[str, str]) -> float | None:
    """How long the run of these details took."""
    try:
        start, end = (datetime.datetime.fromisoformat(found[key]) for key in ("startTimeUtc", "endTimeUtc"))
    except (KeyError, TypeError, ValueError):  # it never started
        return None
    return (end - start).total_seconds()
