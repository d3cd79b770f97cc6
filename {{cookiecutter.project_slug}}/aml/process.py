"""A job's process: run it with its output shown and kept, and end it with everything that it started."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

GRACE = 5.0  # seconds between asking a job to end and ending it
TIMED_OUT = 124  # exit status, as of timeout(1)
CANCELLED = 130


def shell(command: str) -> list[str] | str:
    """What Popen runs for a job's `command`: bash, as the service does, else sh; on Windows cmd, always there."""
    if os.name == "nt":
        return f'{os.environ.get("COMSPEC", "cmd.exe")} /d /s /c "{command}"'
    return [shutil.which("bash") or "/bin/sh", "-c", command]


def run(
    command: list[str] | str,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    timeout: float | None,
    started: Callable[[int], None],
) -> int:
    """Run to the end and return the exit status: the command's own, TIMED_OUT after `timeout` seconds, or CANCELLED.

    Output goes to the terminal as it comes and into `log`. `started` is given the process id. Nothing of the job
    is left running, however it ends.
    """
    # A group of its own: Ctrl-C reaches this process alone, which then ends the group in order.
    group: Any = {"start_new_session": True}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as kept:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, bufsize=0, **group,
        )  # fmt: skip
        started(process.pid)
        output = threading.Thread(target=_show_and_keep, args=(process, kept), daemon=True)
        output.start()
        deadline = time.monotonic() + timeout if timeout else None
        status = None
        try:
            while status is None:
                left = deadline - time.monotonic() if deadline else None
                if left is not None and left <= 0:
                    status = TIMED_OUT
                    break
                # Windows delivers Ctrl-C only between waits.
                patience = min(left or 0.5, 0.5) if os.name == "nt" else left
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = process.wait(patience)
        except KeyboardInterrupt:
            status = CANCELLED
        finally:
            end(process.pid)
            output.join(GRACE)
    return 128 - status if status < 0 else status  # ended by a signal: as a shell says it


def _show_and_keep(process: "subprocess.Popen[bytes]", kept: "contextlib.AbstractContextManager[object]") -> None:
    assert process.stdout
    screen = getattr(sys.stdout, "buffer", None)
    while chunk := process.stdout.read(65536):
        kept.write(chunk)  # type: ignore[attr-defined]
        kept.flush()  # type: ignore[attr-defined]
        with contextlib.suppress(OSError, ValueError):  # the reader of our output went away: the log goes on
            if screen:
                screen.write(chunk)
                screen.flush()
            else:
                sys.stdout.write(chunk.decode(errors="replace"))


def end(pid: int) -> None:
    """End the process with all that it started: ask first, end by force after GRACE seconds."""
    try:
        leader = psutil.Process(pid)
        family = [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    _signal(pid, family, force=False)
    _, left = psutil.wait_procs(family, timeout=GRACE)
    _signal(pid, left, force=True)


def _signal(group: int, family: list[psutil.Process], force: bool) -> None:
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill() if force else member.terminate()
    if os.name != "nt":  # those whose parent has ended are in the group still
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL if force else signal.SIGTERM)


def identity(pid: int) -> str:
    """Names a process beyond the reuse of its number, for alive()."""
    return f"{pid} {psutil.Process(pid).create_time()} {socket.gethostname()}"


def alive(identity: str) -> bool:
    """Whether that process still runs. One of another machine counts as running: this one cannot know."""
    pid, created, host = identity.split(" ", 2)
    if host != socket.gethostname():
        return True
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(created)) < 1
    except psutil.NoSuchProcess:
        return False
