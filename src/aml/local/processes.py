"""A job's process: run it with its output shown and kept, and end it with everything that it started."""

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from aml.console import redirect_to_devnull

GRACE = 5.0  # seconds between asking a job to end and ending it
MARK = "AML_RUN_ID"  # in the environment of a job, and so of every process that it starts


def shell(command: str) -> list[str] | str:
    """What Popen runs for a job's `command`: bash, as the service does, else sh; on Windows cmd, always there."""
    return cmd(command) if os.name == "nt" else [shutil.which("bash") or "/bin/sh", "-c", command]


def cmd(command: str) -> str:
    """The command line of Windows' cmd, which takes one line: lines of bash go one after the other there too."""
    lines = re.sub(r"\s*\\\n\s*", " ", command).splitlines()
    wanted = " & ".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return f'{os.environ.get("COMSPEC", "cmd.exe")} /d /s /c "{wanted}"'


def run(
    command: list[str] | str,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    timeout: float | None,
) -> int:
    """Run to the end and return the command's exit status, 128 and more when a signal ended it, as a shell says it.

    Output goes to the terminal as it comes and into `log`. Raises subprocess.TimeoutExpired after `timeout` seconds.
    Nothing of the job is left running, however it ends.
    """
    # A group of its own: Ctrl-C reaches this process alone, which then ends the group in order.
    group: Any = {"start_new_session": True}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    deadline = time.monotonic() + (timeout or math.inf)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as kept:
        streams: Any = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "bufsize": 0,
        }
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), **streams, **group)
        idle = threading.Event()
        output = threading.Thread(target=_show_and_keep, args=(process.stdout, kept, idle), daemon=True)
        try:
            output.start()
            while process.poll() is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise subprocess.TimeoutExpired(command, timeout or 0)
                with contextlib.suppress(subprocess.TimeoutExpired):  # Windows delivers Ctrl-C only between waits
                    process.wait(min(left, 0.5) if os.name == "nt" or timeout else None)
        finally:
            end(environment[MARK], process.pid)
            output.join(GRACE)
            while output.is_alive() and not idle.is_set():  # a slow reader of our output gets all of it
                output.join(0.1)
    return 128 - process.returncode if process.returncode < 0 else process.returncode


def _show_and_keep(output: BinaryIO, kept: BinaryIO, idle: threading.Event) -> None:
    """Copy until the end of `output`; `idle` is set while there is nothing to copy."""
    idle.set()
    while chunk := output.read(65536):
        idle.clear()
        kept.write(chunk)
        kept.flush()
        try:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        except OSError:  # the reader of our output went away: the log goes on
            redirect_to_devnull(sys.stdout)
        idle.set()


def end(run_id: str | None, pid: int | None) -> None:
    """End all processes of a run, and `pid` with its children: ask first, end by force after GRACE seconds."""
    family = _family(run_id)
    with contextlib.suppress(psutil.NoSuchProcess):  # those that hide what they carry, as macOS' own do
        family |= {psutil.Process(pid), *psutil.Process(pid).children(recursive=True)} if pid else set()
    try:
        _each(family, psutil.Process.terminate)
        psutil.wait_procs(family, timeout=GRACE)
    finally:  # also when Ctrl-C comes again
        _each(family | _family(run_id), psutil.Process.kill)
        if pid and os.name != "nt":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _family(run_id: str | None) -> set[psutil.Process]:
    """The processes that carry the run's id, whatever became of their parents, groups and sessions."""
    found = set()
    for process in psutil.process_iter() if run_id else ():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == run_id:
                found.add(process)
    return found


def _each(family: set[psutil.Process], signal: Callable[[psutil.Process], None]) -> None:
    for member in sorted(family, key=lambda one: one.pid):  # a shell before its command, lest it begins the next
        with contextlib.suppress(psutil.Error):
            signal(member)
