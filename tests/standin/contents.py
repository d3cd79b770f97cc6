"""What tests find in a stand-in's workspace, and what they put into a repository or run there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import datastores
from .fixtures import IMAGE, Attached

DATA = "demo-model-data"
TRAINED = "train-amlcompute"
TRAIN = """
python -c "import mlflow; mlflow.log_param('c', 2); mlflow.log_metric('accuracy', 0.5)
mlflow.log_text('picture', 'picture.txt')"
echo trained; mkdir -p outputs; echo 1 > outputs/model.pkl
"""


def versions(repository: Attached, name: str = DATA, kind: str = "data") -> dict[str, Any]:
    found = repository.workspace.assets.get(kind, {}).get(name, {})
    return {version: resource["properties"] for version, resource in found.items()}


def stored(repository: Attached, uri: str) -> dict[str, bytes]:
    """What lies below an address of a datastore, by its path from there."""
    container, path = datastores.locate(repository.workspace, uri)
    storage = repository.service.storage
    names = storage.list(container, path)
    client = storage.client.get_container_client(container)
    return {name[len(path) :].lstrip("/"): client.download_blob(name).readall() for name in names}


def plant(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def run_here(repository: Attached, command: str = TRAIN, *arguments: str, status: int = 0) -> str:
    """Run a job on this machine, and return what it said."""
    environment = {"image": IMAGE}
    done = repository.submit(command, "--here", *arguments, compute="local", environment=environment, status=status)
    return done.stdout + done.stderr


def run_on_cluster(repository: Attached) -> str:
    """Run a job on the cluster, and return its id."""
    repository.submit("mkdir outputs; echo 1 > outputs/model.pkl; echo 2 > outputs/scaler.pkl", "-t", "run.json")
    return str(json.loads((repository.path / "run.json").read_text())["run_id"])
