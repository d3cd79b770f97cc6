"""A job on a cluster is followed to its end: what it prints, and how it ended."""

import codecs
import posixpath
import time
from collections.abc import Callable

from aml.azure import runs
from aml.azure.workspace_client import WorkspaceClient
from aml.console import say
from aml.errors import ServiceError, UserError

EXIT = {"finished": 0, "failed": 1, "cancelled": 130}
LOGS = "user_logs/"
POLL = (1, 5)  # seconds between two looks: while something happens, and while nothing does
RETRIES = 8  # two minutes in all, for a request to the service while a job goes on there


def watch(client: WorkspaceClient, run_id: str) -> int:
    """Show what a job prints until it ends; returns its exit status. Ctrl-C ends the watching, not the job."""
    began = time.time()
    client.retries = RETRIES

    def write(text: str) -> None:
        print(text, end="", flush=True)

    try:
        status, reason = follow(client, run_id, write)
    except KeyboardInterrupt:
        say(f"\nrun {run_id} goes on: aml runs --azure show {run_id}, or: aml runs --azure cancel {run_id}")
        return 130
    except ServiceError as error:
        raise UserError(f"{error}\n     run {run_id} goes on: aml runs --azure show {run_id}") from None
    say(f"run {run_id} {status} after {time.time() - began:.0f} s{': ' if reason else ''}{reason}")
    return EXIT[status]


def follow(client: WorkspaceClient, run_id: str, write: Callable[[str], object]) -> tuple[str, str]:
    """Give what a job prints to `write` until it ends; returns its status, and the service's reason where it failed.

    The log is read by addresses that the run history hands out: azure-ai-ml's jobs.stream fails without an account key.
    """
    shown: dict[str, int] = {}
    decoders: dict[str, codecs.IncrementalDecoder] = {}
    before, pause, looks = "", float(POLL[0]), 5  # the last of them when the job has ended
    while True:
        found = runs.job(client, run_id)
        if found is None:
            raise UserError(f"run {run_id}: no such job in workspace {client.name} any more")
        status = found["properties"]["status"]
        ended = runs.STATUSES.get(status) in EXIT
        if status != before and not ended and status != "Running":
            say(f"{status.lower()} …")
        new, missed = 0, False
        for path in _logs(runs.artifacts(client, run_id, LOGS)):
            address = runs.history(client, run_id, "/artifacts/contentinfo", path=path)["contentUri"]
            part = client.fetch(address, shown.get(path, 0))
            missed = part is None
            if part:
                shown[path] = shown.get(path, 0) + len(part)
                decoder = decoders.setdefault(path, codecs.getincrementaldecoder("utf-8")("replace"))
                write(decoder.decode(part))
                new += len(part)
        looks -= ended
        if ended and not (missed and looks):
            return runs.STATUSES[status], _reason(client, run_id) if status == "Failed" else ""
        pause = POLL[0] if new or status != before else min(pause * 1.5, POLL[1])
        before = status
        time.sleep(pause)


def _logs(paths: list[str]) -> list[str]:
    """Of a job's logs, the one that tells all: that of its first process."""
    texts = [path for path in paths if path.endswith(".txt")]
    return sorted(texts, key=lambda path: (posixpath.basename(path) != "std_log.txt", path))[:1]


def _reason(client: WorkspaceClient, run_id: str) -> str:
    error = (runs.history(client, run_id, "/details").get("error") or {}).get("error") or {}
    return str(error.get("message") or "")
