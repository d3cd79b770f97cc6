"""A throw-away environment that records which files the code in it opens."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aml.adopt.convert.launcher import LAUNCHER
from aml.adopt.observe import recorder
from aml.errors import UserError
from aml.jobfile.job import Job
from aml.local import environments


class Opened(NamedTuple):
    """What the processes of a run opened, by their absolute paths."""

    read: frozenset[Path]  # before they were written, if they were; folders too, whose names were read
    written: frozenset[Path]
    refused: frozenset[str]  # files outside of the run's own folder that it wanted to write
    hosts: frozenset[str]  # that it wanted to reach


@dataclass(frozen=True)
class Recording:
    """The environment of a job with the recorder in it, in a cache of environments where `aml submit` finds it."""

    cache: Path
    environment: Path
    log: Path
    source: Path  # of which copies run
    home: Path  # where its owner has it, which nothing may change
    network: bool  # whether the code may reach other machines

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return environments.scripts(self.environment) / ("python.exe" if os.name == "nt" else "python")

    def begin(self, writable: Path) -> None:
        """Say what the next run may write beside temporary files and caches; forget what the last one opened."""
        homes = [writable, Path(tempfile.gettempdir()), self.environment, Path("/dev"), Path("/proc")]
        homes += [Path.home() / name for name in (".cache", ".config", ".matplotlib", ".keras", ".local", "AppData")]
        homes += [Path(value) for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME") if (value := os.environ.get(name))]
        allowed = sorted({str(home.resolve()) for home in homes})
        self.log.unlink(missing_ok=True)
        content = {
            "log": str(self.log),
            "writable": allowed,
            "source": f"{self.home}{os.sep}",
            "network": self.network,
            "unseen": [LAUNCHER],
        }
        (_site_packages(self.environment) / recorder.SETTINGS).write_text(json.dumps(content), encoding="utf-8")

    def opened(self) -> Opened:
        """What was opened since the settings were written."""
        found: dict[str, set[str]] = {"read": set(), "write": set(), "refused": set(), "connection": set()}
        for line in self.log.read_text(encoding="utf-8").splitlines() if self.log.is_file() else ():
            kind, name = json.loads(line)
            if kind != "read" or name not in found["write"]:
                found[kind].add(name)
        read, written = (frozenset(map(Path, found[kind])) for kind in ("read", "write"))
        return Opened(read, written, frozenset(found["refused"]), frozenset(found["connection"]))


@contextmanager
def recording(job: Job, source: Path, home: Path, network: bool) -> Iterator[Recording]:
    """The environment of a job, with the recorder, for as long as it is needed.

    Raises UserError when it cannot be built.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        cache = Path(folder).resolve() / "environments"
        environment = environments.build(job, cache)
        site = _site_packages(environment)
        shutil.copyfile(recorder.__file__, site / "_aml_recorder.py")
        found = Recording(cache, environment, Path(folder).resolve() / "opened.jsonl", source, home, network)
        found.begin(environment)
        (site / "_aml_recorder.pth").write_text("import _aml_recorder\n", encoding="utf-8")
        yield found


def _site_packages(environment: Path) -> Path:
    place = environment / "Lib" if os.name == "nt" else next((environment / "lib").glob("python*"), None)
    if place is None or not (place / "site-packages").is_dir():
        raise UserError(f"{environment} is no virtual environment of {sys.platform}")
    return place / "site-packages"
