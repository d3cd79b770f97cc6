"""A job is submitted once: the command that was cut off finds its own job when it is run again."""

import contextlib
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import Timeout

from aml import locks

NOTE_LASTS = 86400  # seconds after which a submission whose end was not seen is forgotten


@contextlib.contextmanager
def once(root: Path, job: object, name: Callable[[], str]) -> Iterator[tuple[str, bool, Callable[[], object]]]:
    """The id for a job, whether it is that of the same job whose end was not seen, and what to call when it was.

    `job` is all that makes it the same one, as JSON; `name` gives the id of a new one.

    A note in runs/ holds the id from before the job is submitted until then. Its lock tells a submission that was cut
    off from one that goes on: of those, the same job may be submitted any number of times.
    """
    what = hashlib.sha256(json.dumps(job, sort_keys=True, default=str).encode()).hexdigest()[:16]
    (root / "runs").mkdir(exist_ok=True)
    for slot in itertools.count():
        note = root / "runs" / f".submitted-{what}-{slot}"
        with contextlib.suppress(Timeout), locks.held(Path(f"{note}.lock"), timeout=0):
            again = note.is_file() and note.stat().st_mtime > time.time() - NOTE_LASTS
            if not again:
                note.write_text(name(), encoding="utf-8")
            yield note.read_text(encoding="utf-8"), again, note.unlink
            if not note.is_file():
                with contextlib.suppress(OSError):  # Windows keeps it as long as it is held
                    Path(f"{note}.lock").unlink()
            return
