"""What joins this machine and the workspace: a run of this machine that the workspace shows, and its model there.

This is the only module below the command line that knows both aml.local and aml.azure.
"""

from pathlib import Path

from aml.azure import blobs, models, runs, tracking
from aml.azure.workspace_client import WorkspaceClient
from aml.console import say
from aml.errors import UserError
from aml.gate import Gate, Registration, store_metrics
from aml.local import mlflow_store
from aml.local.runs import AZURE_OPEN, LocalRun, all_runs

AZURE_RUN = "azure.run"  # tag of a run that was tracked in the workspace: its id there


class AzureTracker:
    """Shows the runs of this machine in a workspace: what the local runner calls when a run begins and ends."""

    def __init__(self, client: WorkspaceClient, root: Path) -> None:
        self._client = client
        self._root = root

    def start(self, run: LocalRun) -> dict[str, str]:
        """Begin a run in the workspace for this one, and end those there whose runner was killed.

        Returns the variables that lead the job's MLflow there.
        """
        for earlier in all_runs(self._root):
            if AZURE_OPEN in earlier.tags() and earlier.id != run.id and earlier.status != "running":
                self.finish(earlier)
        tags = run.tags()
        mlflow_store.update_run(run.stored, tags={AZURE_OPEN: "true"})
        variables = tracking.start(self._client, run.experiment, run.id, tags)
        mlflow_store.update_run(run.stored, tags={AZURE_RUN: variables["MLFLOW_RUN_ID"]})
        say(self._client.studio(variables["MLFLOW_RUN_ID"]))
        return variables

    def finish(self, run: LocalRun) -> None:
        """Record in the workspace how the run ended, and here what it logged there."""
        try:
            run_id = run.tags().get(AZURE_RUN) or tracking.find(self._client, run.experiment, run.id)
            if run_id:
                tracking.end(self._client, run_id, run.status)
                found = runs.find(self._client, run_id)
                mlflow_store.update_run(run.stored, metrics=found.metrics(), params=found.params())
            mlflow_store.update_run(run.stored, tags={AZURE_OPEN: None})
        except UserError as error:
            say(f"aml: {error}\n     run {run.id} ended all the same; the next tracked run tells the workspace")


def register_model(
    client: WorkspaceClient,
    name: str,
    run: LocalRun,
    asset: Path,
    kind: str,
    tags: dict[str, str],
    properties: dict[str, str],
    gate: Gate,
) -> Registration:
    """Upload what a run of this machine made at `asset`, and register it as `kind`, if the gate lets it through."""
    commit = {key: run.tags().get(key) for key in ("mlflow.source.git.commit", "azureml.git.dirty", AZURE_RUN)}
    origin = {"aml.trained_on": "this machine"} | store_metrics(run.metrics())
    origin |= {key: value for key, value in commit.items() if value}
    return models.register(client, name, lambda: (blobs.upload(client, asset), kind), tags, properties | origin, gate)
