"""What the files of aml_config/ have in common that name code and an environment: jobs and deployments."""

import copy
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aml.errors import FileError, Place, UserError
from aml.jobfile.document import Document
from aml.uris import REMOTE_CODE, WEB


class Description:
    """`data` is the file's content, and `document` says where each part of it stands.

    Attributes:
        instead: What else can be done where its environment cannot be built on this machine.

    """

    instead = ""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data = document.data
        self.folder = document.path.parent
        self.environment_file: Document | None = None  # the file that the environment stands in, if it is another one

    def section(self, name: str) -> dict[str, Any]:
        """A part that is a mapping, such as inputs; empty where it is missing."""
        return self.data.get(name) or {}

    def require_sections(self, *names: str) -> None:
        """Raise UserError when one of these parts is there, and no mapping."""
        for name in names:
            if not isinstance(self.data.get(name), dict | None):
                raise FileError(self.where(name), f"{name} should be a mapping")

    def where(self, *keys: str | int) -> Place:
        """The place of what stands at `keys`."""
        return self.document.where(*keys)

    def at(self, *keys: str) -> Any:
        """What stands at `keys`, or None."""
        value: Any = self.data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def local_path(self, *keys: str) -> Path:
        """The path written at `keys`, which the file gives relative to itself."""
        return (self.folder / str(self.at(*keys)).removeprefix("file:")).resolve()

    def read_environment(self) -> None:
        """Put the environment of another file, `environment: file:env.yml`, where this one names it."""
        environment = self.data.get("environment")
        if not (isinstance(environment, str) and environment.startswith("file:")):
            return
        self.environment_file = Document(self.folder / environment.removeprefix("file:"))
        self.data["environment"] = found = copy.deepcopy(self.environment_file.data)
        for holder, key in ((found, "conda_file"), (found.get("build"), "path")):  # which are relative to that file
            if isinstance(holder, dict) and isinstance(holder.get(key), str) and not WEB.match(holder[key]):
                holder[key] = str(self.environment_file.path.parent / holder[key])

    def is_remote_code(self, *keys: str) -> bool:
        """Whether the code at `keys` is in the workspace, in git or on the web, and not on this machine."""
        value = self.at(*keys)
        return REMOTE_CODE.fullmatch("" if value is None else str(value)) is not None

    def code_folder(self, *keys: str) -> Path | None:
        """The folder of code named at `keys`, or None. Raises UserError when it is not a folder of this machine."""
        value = self.at(*keys)
        if value is None:
            return None
        if self.is_remote_code(*keys):
            raise FileError(self.where(*keys), f"code {value} is not on this machine", "name a folder")
        folder = self.local_path(*keys)
        if not folder.is_dir():
            problem = "is a file" if folder.is_file() else "does not exist"
            raise FileError(self.where(*keys), f"code {value} {problem}", "name a folder")
        return folder


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name."""
    names = [str(known) for known in names]
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else f" (known: {', '.join(sorted(names)) or 'none'})"


def find_file(name: str, root: Path, what: str, kind: str, key: str) -> Path:
    """The file that -c names: one of aml_config/ without its ending, or any path.

    Raises UserError when there is none, with the files of aml_config/ that are of its `kind`: they have this `key`.
    """
    folder = root / "aml_config"
    candidates = [Path(name)] + [folder / f"{name}{ending}" for ending in ("", ".yml", ".yaml")]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        mark = f"\n{key}:".encode()
        found = [file.stem for file in folder.glob("*.y*ml") if mark in b"\n" + file.read_bytes()]
        known = ", ".join(sorted(found)) or "none"
        raise UserError(f"-c {name}: no such {what}; aml_config/ has {known}; the path of a {kind} file will do too")
    return path
