"""Where the data inputs of a job are on this machine."""

import re
import sys
import urllib.request
from http.client import HTTPException
from pathlib import Path

from aml.console import printable, say
from aml.errors import FileError, Place, UserError
from aml.jobfile.document import Document
from aml.jobfile.job import DATA_TYPES, Job
from aml.uris import REMOTE_URI, WASBS, WEB


def locate_inputs(root: Path, job: Job, replacements: list[str]) -> dict[str, str]:
    """Where each data input is: a path of this machine or a web address.

    `replacements` are those of --data. Raises UserError for what is not there, or not on this machine.
    """
    given = job.choose_data(replacements)
    return {name: _locate(root, job, name, given.get(name)) for name in job.data_inputs()}


def _locate(root: Path, job: Job, name: str, replacement: str | None) -> str:
    where = Place(f"--data {replacement}") if replacement else job.where("inputs", name, "path")
    entry = job.section("inputs")[name]
    kind = entry.get("type", "uri_folder")
    if kind not in DATA_TYPES:
        raise FileError(job.where("inputs", name, "type"), f"type {kind}; use one of {', '.join(DATA_TYPES)}")
    if replacement:
        path = Path(replacement).resolve()
    elif not entry.get("path"):
        raise FileError(job.where("inputs", name), f"input {name} has no path")
    else:
        address = str(entry["path"])
        if wasbs := WASBS.fullmatch(address):  # the same blob, if its container is public
            address = "https://{account}/{container}/{path}".format(**wasbs.groupdict())
        if WEB.match(address):
            if kind != "uri_file":
                fix = f"download it and use --data {name}=PATH"
                raise FileError(where, "a folder on the web cannot be listed", fix)
            return address
        asset = re.fullmatch(r"azureml:([^:@/]+)([:@].+)?", address)
        if asset:
            path = _data_asset(root, asset[1], where, name)
        elif REMOTE_URI.match(address):
            raise FileError(where, f"{address} is not on this machine", f"use --data {name}=PATH")
        else:
            path = job.local_path("inputs", name, "path")
    if not path.exists():
        raise FileError(where, f"{path} does not exist", f"fix the path, or use --data {name}=PATH")
    if kind in ("uri_file", "uri_folder") and path.is_dir() != (kind == "uri_folder"):
        found = "uri_folder" if path.is_dir() else "uri_file"
        raise FileError(where, f"{path} is a {found[4:]}, but the type is {kind}", f"--set inputs.{name}.type={found}")
    return str(path)


def _data_asset(root: Path, asset: str, where: Place, name: str) -> Path:
    """The local path of a data asset, from the file of aml_config/ that registers it."""
    for file in sorted((root / "aml_config").glob("*.y*ml")):
        data = Document(file)
        address = str(data.data.get("path", ""))
        if data.data.get("name") == asset and "dependencies" not in data.data and address:
            if not REMOTE_URI.match(address):
                return (file.parent / address.removeprefix("file:")).resolve()
            raise FileError(data.where("path"), f"{asset} is not on this machine", f"use --data {name}=PATH")
    raise FileError(where, f"no file of aml_config/ says where {asset} is on this machine", f"use --data {name}=PATH")


def download(address: str, folder: Path) -> Path:
    """Fetch a web address into the folder, under the address's own file name."""
    folder.mkdir(parents=True)
    path = folder / (
        re.sub(r"[^\w.-]", "_", address.split("?", maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1]) or "data"
    )

    def progress(blocks: int, size: int, _total: int) -> None:
        if sys.stderr.isatty() or not blocks:
            print(f"\rdownloading {printable(address)}: {blocks * size / 2**20:.0f} MB", end="", file=sys.stderr)

    try:
        urllib.request.urlretrieve(address, path, progress)  # noqa: S310  # WEB.match lets http and https through alone
        say("")
    except (OSError, ValueError, HTTPException) as error:
        raise UserError(f"{address}: {getattr(error, 'reason', error)}: download it and use --data PATH") from None
    return path
