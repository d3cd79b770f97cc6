"""Writes down which files a Python process opens; runs inside of the environment whose code is observed.

A line `import _aml_recorder` in a `.pth` file of a throw-away environment starts it in every process of that
environment: `python -I` and a subprocess with an empty environment would miss sitecustomize. Its settings stand in a
JSON file beside it, and it needs only the standard library.
"""

import functools
import ipaddress
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

SETTINGS = "_aml_recorder.json"
EVENTS = {
    "open", "os.listdir", "os.remove", "os.rename", "os.rmdir", "os.scandir", "socket.connect", "socket.getaddrinfo",
    "sqlite3.connect",
}  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
# Readers written in C++ or Rust, which open files without Python's knowledge: module -> functions and classes.
READERS = {
    "pyarrow.parquet.core": "read_table read_pandas read_schema read_metadata ParquetFile ParquetDataset",
    "pyarrow.dataset": "dataset",
    "pyarrow.feather": "read_feather read_table",
    "pyarrow.csv": "read_csv open_csv",
    "pyarrow.json": "read_json",
    "polars": "read_csv read_parquet read_ipc read_ndjson read_json scan_csv scan_parquet scan_ipc scan_ndjson",
    "duckdb": "connect read_csv read_parquet read_json",
    "h5py": "File",
    "h5py._hl.files": "File",
    "xgboost.core": "DMatrix Booster.load_model",
    "xgboost.sklearn": "XGBModel.load_model",
    "lightgbm.basic": "Dataset Booster",
    "catboost.core": "Pool CatBoost.load_model",
}


class Recorder:
    """Appends a line of JSON for each file that is opened, once for each way, to the log of its settings."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.network: bool = settings["network"]
        self.writable: tuple[str, ...] = tuple(settings["writable"])
        self.source: str = settings["source"]
        self.log = os.open(settings["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.seen: set[tuple[str, str]] = set()
        self.busy = threading.local()

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Python's audit hook (https://docs.python.org/3/library/audit_events.html)."""
        if event not in EVENTS:
            return
        if getattr(self.busy, "now", False):
            return
        self.busy.now = True
        try:
            if event == "socket.connect":
                self.connects(args[1])
            elif event == "socket.getaddrinfo":
                self.connects((args[0].decode() if isinstance(args[0], bytes) else args[0],))
            elif event == "open":
                mode, flags = args[1] or "", args[2] or 0
                writes = any(letter in mode for letter in "wax+") or bool(flags & WRITES)
                if not any(letter in mode for letter in "wx") and not flags & os.O_TRUNC:
                    self.opened(args[0], False)  # also where it appends: what is there counts
                if writes:
                    self.opened(args[0], True)
            elif event in ("os.listdir", "os.scandir"):
                asks = sys._getframe(1).f_code.co_filename  # noqa: SLF001  # nothing else says who lists the folder
                if not any(word in asks for word in ("importlib", "pkgutil", "pkg_resources")):
                    self.opened(args[0] or ".", False)
            elif event == "sqlite3.connect":
                self.opened(database(args[0]), False)
            else:
                self.opened(args[0], True)
                if event == "os.rename":
                    self.opened(args[1], True)
        finally:
            self.busy.now = False

    def opened(self, path: Any, writes: bool) -> None:
        """Record a file. Raises PermissionError for one outside of what may be written."""
        if isinstance(path, int) or path is None:
            return
        try:
            name = os.path.realpath(os.path.abspath(os.fsdecode(path)))
        except (TypeError, ValueError):
            return
        if writes and (not name.startswith(self.writable) or name.startswith(self.source)):
            self.write("refused", name)
            raise PermissionError(13, "aml adopt lets the code write only below its own folder", name)
        self.write("write" if writes else "read", name)

    def connects(self, address: Any) -> None:
        """Refuse what leaves this machine. Raises ConnectionRefusedError."""
        host = address[0] if isinstance(address, tuple) else ""
        import platform  # here, for every process loads this module

        if self.network or not host or host in ("localhost", platform.node()):
            return
        try:
            if ipaddress.ip_address(host).is_loopback:
                return
        except ValueError:
            pass
        self.write("connection", str(host))
        raise ConnectionRefusedError(111, "aml adopt lets the code reach other machines with --network only", host)

    def write(self, kind: str, name: str) -> None:
        """Append a line, once for each kind and name."""
        if (kind, name) not in self.seen:
            self.seen.add((kind, name))
            os.write(self.log, (json.dumps([kind, name]) + "\n").encode())

    def watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with the files that its arguments name recorded as read."""

        @functools.wraps(function)
        def reads(*args: Any, **kwargs: Any) -> Any:
            for value in [*args, *kwargs.values()]:
                for one in value if isinstance(value, list | tuple) and len(value) < 10_000 else [value]:
                    if isinstance(one, str | os.PathLike) and os.path.exists(one):
                        self.below(os.fspath(one))
            return function(*args, **kwargs)

        return reads

    def below(self, path: str) -> None:
        """Record a file, or all files of a folder."""
        self.busy.now = True
        try:
            if not os.path.isdir(path):
                self.opened(path, False)
            for folder, _, names in os.walk(path):
                for name in names:
                    self.opened(os.path.join(folder, name), False)
        finally:
            self.busy.now = False


def database(name: Any) -> Any:
    """The file of a database, which may be named by an address: file:NAME?mode=ro."""
    if not isinstance(name, str) or not name.startswith("file:"):
        return name
    from urllib.parse import unquote

    return unquote(name.removeprefix("file:").removeprefix("//").partition("?")[0])


class Finder:
    """Finds modules as the finders after it do, and lets the readers of READERS be watched once they are loaded."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of READERS, else None."""
        if name not in READERS:
            return None
        for finder in sys.meta_path:
            found = finder.find_spec(name, path, target) if finder is not self else None
            if found is not None:
                if found.loader is not None and hasattr(found.loader, "exec_module"):
                    self._wrap(found.loader, name)
                return found
        return None

    def _wrap(self, loader: Any, name: str) -> None:
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            for reader in READERS[name].split():
                owner, _, method = reader.rpartition(".")
                place = getattr(module, owner, None) if owner else module
                found = getattr(place, method, None)
                try:
                    if isinstance(found, type):  # the class stays what it is, for isinstance
                        found.__init__ = self.recorder.watched(found.__init__)  # type: ignore[misc]
                    elif found is not None:
                        setattr(place, method, self.recorder.watched(found))
                except TypeError:  # a class of C, which cannot be changed
                    continue

        loader.exec_module = exec_module


def start() -> None:
    """Record this process, unless it is one that the settings leave out."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), SETTINGS), encoding="utf-8") as file:
        settings = json.load(file)
    if any(os.path.basename(word) in settings["unseen"] for word in sys.orig_argv[1:2]):
        return
    recorder = Recorder(settings)
    sys.meta_path.insert(0, Finder(recorder))
    sys.addaudithook(recorder.hook)


if __name__ == "_aml_recorder":
    start()
