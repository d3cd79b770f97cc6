"""`aml register-data`: upload and register the data asset of data.yml."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aml import Refusal, assets, find_root, storage, workspace
from aml.document import Document
from aml.job import DATA_TYPES
from aml.local import ELSEWHERE
from aml.names import RULES
from aml.service import Service


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--file", type=Path, help="description of the data (default: aml_config/data.yml)")
    parser.add_argument("--path", type=Path, metavar="PATH", help="a file or folder in place of the description's path")
    parser.add_argument("--dry-run", action="store_true", help="print the requests that would be sent")


def run(args: argparse.Namespace) -> int:
    root = find_root()
    document = Document(args.file or root / "aml_config" / "data.yml")
    data = {"type": "uri_folder", **document.data}
    RULES["asset"].require(data.get("name"), f"{document.where('name')}: name")
    if data["type"] not in DATA_TYPES[:3]:
        raise Refusal(f"{document.where('type')}: type {data['type']}: should be one of {', '.join(DATA_TYPES[:3])}")
    address, upload = str(args.path or data.get("path") or ""), nothing
    service = workspace.service(root, args.dry_run)
    if args.path or not ELSEWHERE.match(address):
        path = (args.path or document.path.parent / address.removeprefix("file:")).resolve()
        where = f"--path {args.path}" if args.path else f"{document.where('path')}: {address}"
        if not path.exists():
            raise Refusal(f"{where} does not exist: mend it")
        if path.is_dir() == (data["type"] == "uri_file"):
            found = "folder" if path.is_dir() else "file"
            raise Refusal(f"{where} is a {found}, but the type is {data['type']} ({document.where('type')})")
        address, upload = storage.destination(service, path)
    elif not address:
        raise Refusal(f"{document.where('path')}: no path")
    version, state = register(service, document, data, address, upload)
    if not service.dry:
        print(f"data {data['name']}, version {version}: {address} ({state})")
    return 0


def nothing() -> int:
    """The upload of data that lies in Azure already."""
    return 0


def register(
    service: Service, document: Document, data: dict[str, Any], address: str, upload: Callable[[], int]
) -> tuple[str, str]:
    """Upload, and register the address as the next version unless the newest has it.

    Returns the version and what was done. Raises Refusal, before anything is uploaded, when the version that the
    description names is another path's.
    """
    name, fixed = data["name"], data.get("version")
    described: dict[str, Any] = {"description": data.get("description"), "tags": data.get("tags") or {}}

    def put(version: str) -> None:  # not with azure-ai-ml, whose import takes longer than all the rest
        body = {"dataType": data["type"], "dataUri": address, **described}
        service.send("PUT", f"/data/{name}/versions/{version}", {"properties": body})

    def is_here(found: Any) -> bool:
        return found is not None and assets.place(found["properties"]["dataUri"]) == assets.place(address)

    def make(found: Any, version: str) -> tuple[str, str]:
        if not is_here(found):
            put(version)
            return version, "registered"
        if all((found["properties"].get(key) or {}) == (value or {}) for key, value in described.items()):
            return found["name"], "unchanged"
        put(found["name"])
        return found["name"], "description changed"

    if not fixed:
        upload()  # also when it is registered: that sends what is not there any more
        return assets.create(service, "data", name, lambda version: make(assets.newest(service, "data", name), version))
    found = service.find(f"/data/{name}/versions/{fixed}")
    if found and not is_here(found) and not service.dry:
        where = document.where("version")
        raise Refusal(f"{where}: data {name}, version {fixed} has another path: write another version, or none")
    upload()
    return make(found, str(fixed))
