"""Locks between processes of this machine, which the system frees however a process ends."""

import contextlib
import errno
import warnings
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # on some network shares


def acquire(path: Path, timeout: float = -1) -> BaseFileLock:
    """Take the lock, or raise Timeout. Where a file system has none, the file's mere existence is the lock."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _taken(FileLock(path, timeout=timeout))
    except Timeout:
        raise
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return _taken(SoftFileLock(f"{path}.soft", timeout=timeout))


def _taken(lock: BaseFileLock) -> BaseFileLock:
    lock.acquire()
    return lock


@contextlib.contextmanager
def held(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock for a with block."""
    lock = acquire(path, timeout)
    try:
        yield
    finally:
        lock.release()
