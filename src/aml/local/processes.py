"""A job's process: run it with its output shown and kept, and end it with everything that it started."""

import contextlib
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from aml.console import display_path, redirect_to_devnull, say
from aml.errors import UserError

GRACE = 5.0  # seconds between asking a job to end and ending it
MARK = "AML_RUN_ID"  # in the environment of a job, and so of every process that it starts


def require_free_port(port: int, option: str) -> None:
    """Raise UserError, which names the option for another one, when a port of this machine cannot be listened on."""
    if not 0 < port < 2**16:
        raise UserError(f"port {port}: name one from 1 to 65535 with {option}")
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        what = f"cannot be used ({error.strerror})" if isinstance(error, PermissionError) else "is taken"
        raise UserError(f"port {port} {what}: name another one with {option}") from None


def shell(command: str, launcher: Sequence[str] = ()) -> list[str] | str:
    """What Popen runs for a job's `command`: bash, as the service does, else sh; on Windows cmd, always there.

    `launcher` is what starts it, such as mpirun with its options.
    """
    if os.name == "nt":
        return " ".join([*launcher, cmd(command)])
    return [*launcher, shutil.which("bash") or "/bin/sh", "-c", command]


def cmd(command: str) -> str:
    """The command line of Windows' cmd, which takes one line: lines of bash go one after the other there too."""
    lines = re.sub(r"\s*\\\n\s*", " ", command).splitlines()
    wanted = " & ".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return f'{os.environ.get("COMSPEC", "cmd.exe")} /d /s /c "{wanted}"'


def run(
    command: list[str] | str,
    folder: Path,
    environments: Sequence[Mapping[str, str]],
    log: Path,
    timeout: float | None,
    servers: int = 0,
) -> int:
    """Run the command to the end, in a process for each of the environments, and return its exit status.

    The status is 128 and more when a signal ended it, as a shell says it; of several processes, that of the first one
    that failed, which ends the others. The last `servers` of them end with the others. Output goes to the terminal as
    it comes and into `log`. Raises subprocess.TimeoutExpired after `timeout` seconds. Nothing of the job is left
    running, however it ends.
    """
    # A group of its own: Ctrl-C reaches this process alone, which then ends the group in order.
    group: Any = {"start_new_session": True}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    deadline = time.monotonic() + (timeout or math.inf)
    log.parent.mkdir(parents=True, exist_ok=True)
    started: list[subprocess.Popen[bytes]] = []
    reading, writing = os.pipe()  # one for all: what they write stands in the order in which it came
    with log.open("wb", buffering=0) as kept, os.fdopen(reading, "rb", buffering=0) as pipe:
        idle = threading.Event()
        output = threading.Thread(target=_show_and_keep, args=(pipe, kept, idle), daemon=True)
        try:
            try:
                for environment in environments:
                    streams: Any = {"stdin": subprocess.DEVNULL, "stdout": writing, "stderr": subprocess.STDOUT}
                    started.append(subprocess.Popen(command, cwd=folder, env=dict(environment), **streams, **group))
            finally:
                os.close(writing)
                output.start()
            status = _wait(started, len(started) - servers, deadline)
            if status is None:
                raise subprocess.TimeoutExpired(command, timeout or 0)
        finally:
            end(environments[0][MARK], [process.pid for process in started])
            output.join(GRACE)
            while output.is_alive() and not idle.is_set():  # a slow reader of our output gets all of it
                output.join(0.1)
    return 128 - status if status < 0 else status


def _wait(started: "Sequence[subprocess.Popen[bytes]]", awaited: int, deadline: float) -> int | None:
    """Wait for the first `awaited` processes, or one that fails; returns the status. None when the deadline passed."""
    # Windows delivers Ctrl-C only between waits.
    pause = 0.1 if len(started) > 1 else 0.5 if os.name == "nt" or deadline < math.inf else None
    while True:
        statuses = [process.poll() for process in started]
        if failed := [status for status in statuses if status]:
            return failed[0]
        running = [process for process in started[:awaited] if process.returncode is None]
        if not running:
            return 0
        if (left := deadline - time.monotonic()) <= 0:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            running[0].wait(min(left, pause) if pause else None)


def _show_and_keep(output: BinaryIO, kept: BinaryIO, idle: threading.Event) -> None:
    """Copy until the end of `output`; `idle` is set while there is nothing to copy."""
    full = False
    idle.set()
    while chunk := output.read(65536):
        idle.clear()
        try:
            if not full:
                kept.write(chunk)
        except OSError as error:  # a full disk: the job goes on, for nobody else reads what it writes
            full = True
            say(f"{display_path(Path(kept.name))}: {error.strerror}: the rest of the output is not kept")
        try:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        except OSError:  # the reader of our output went away: the log goes on
            redirect_to_devnull(sys.stdout)
        idle.set()


def end(run_id: str | None, pids: Sequence[int] = ()) -> None:
    """End all processes of a run, and `pids` with their children: ask first, end by force after GRACE seconds."""
    family = _family(run_id)
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):  # those that hide what they carry, as macOS' own do
            family |= {psutil.Process(pid), *psutil.Process(pid).children(recursive=True)}
    try:
        _each(family, psutil.Process.terminate)
        psutil.wait_procs(family, timeout=GRACE)
    finally:  # also when Ctrl-C comes again
        _each(family | _family(run_id), psutil.Process.kill)
        for pid in pids if os.name != "nt" else ():
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
