"""What tests find in a stand-in's workspace, and what they put into a repository or run there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from . import assets, datastores
from .cloud import Workspace
from .fixtures import CLUSTER, IMAGE, Attached

DATA = "demo-model-data"
TRAINED = "train-amlcompute"
TRAIN = """
python -c "import mlflow; mlflow.log_param('c', 2); mlflow.log_metric('accuracy', 0.5)
mlflow.log_text('picture', 'picture.txt')"
echo trained; mkdir -p outputs; echo 1 > outputs/model.pkl
"""

ENDPOINT = "demo-model"
BATCH_ENDPOINT = "demo-batch"
REQUEST = {"data": ["a", "b"]}
SCORE = """
import json, os
from pathlib import Path

def init():
    global word
    word = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.pkl")).read_text()
    print("the model is", word, flush=True)
    if word == "broken":
        raise ValueError("no such bird")

def rows_of(body):
    return json.loads(body)["data"]

def predict(rows):
    return [f"{row} {word}" for row in rows]

def run(body):
    try:
        return {"predictions": predict(rows_of(body))}
    except KeyError as missing:
        from azureml_inference_server_http.api.aml_response import AMLResponse
        return AMLResponse({"error": {"message": f"{missing} is missing"}}, 400, json_str=True)
"""
CONDA = {"dependencies": ["python=3.12", "pip", {"pip": ["azureml-inference-server-http==1.5.1"]}]}


SCORE_BATCH = """
import os
from pathlib import Path

def init():
    global word
    word = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.pkl")).read_text()

def run(mini_batch):
    print("mini batch", [Path(file).name for file in mini_batch], flush=True)
    return [f"{line} {word}" for file in mini_batch for line in Path(file).read_text().split()]
"""
BATCH_DEPLOYMENT = f"""$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
name: batch
endpoint_name: {BATCH_ENDPOINT}
type: model
model: azureml:demo-model@latest
code_configuration:
  code: ../src
  scoring_script: score_batch.py
environment:
  image: mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04
  conda_file: score-conda.yml
compute: azureml:{CLUSTER}
resources:
  instance_count: 1
settings:
  mini_batch_size: 2
  max_concurrency_per_instance: 1
  output_action: append_row
  output_file_name: predictions.csv
  error_threshold: 0
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


def add_model(workspace: Workspace, version: str, word: str, name: str = "demo-model") -> None:
    """A registered model whose file is this word."""
    container, _ = datastores.locate(workspace, "azureml://datastores/workspaceblobstore/paths/")
    workspace.service.storage.upload(container, f"models/{name}/{version}/model.pkl", word.encode())
    uri = f"azureml://datastores/workspaceblobstore/paths/models/{name}/{version}/model.pkl"
    assets.store(workspace, "models", name, version, {"modelUri": uri, "modelType": "custom_model"})


def serve_quickly(repository: Attached) -> None:
    """Scoring code that starts quickly, in the real inference server, and version 1 of its model in the workspace."""
    (repository.path / "src" / "score.py").write_text(SCORE)
    (repository.path / "aml_config" / "score-conda.yml").write_text(yaml.safe_dump(CONDA))
    (repository.path / "sample-data" / "request.json").write_text(json.dumps(REQUEST))
    add_model(repository.workspace, "1", "owl")


def batch_quickly(repository: Attached) -> None:
    """A batch deployment whose script starts quickly, and version 1 of its model in the workspace."""
    (repository.path / "src" / "score_batch.py").write_text(SCORE_BATCH)
    (repository.path / "aml_config" / "score-conda.yml").write_text(yaml.safe_dump(CONDA))
    (repository.path / "aml_config" / "batch-deployment.yml").write_text(BATCH_DEPLOYMENT)
    add_model(repository.workspace, "1", "owl")
