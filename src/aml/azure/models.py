"""Registered models of the workspace."""

from collections.abc import Callable

from aml.azure import assets, runs, sdk
from aml.azure.workspace_client import WorkspaceClient
from aml.errors import UserError
from aml.gate import RESERVED, Gate, Registration, Verdict, find_champion


def register(
    client: WorkspaceClient,
    name: str,
    source: Callable[[], str],
    tags: dict[str, str],
    properties: dict[str, str],
    gate: Gate,
) -> Registration:
    """Register in the workspace what `source` leads to, if the gate lets it through.

    The run and path among the properties make one version, with its tags brought up to date. When somebody else
    registers a version meanwhile, the model is judged again: against that version, if it is the champion now.
    """

    def put(version: str, path: str, tags: dict[str, str], properties: dict[str, str]) -> None:
        ml = sdk.ml_client(client)
        from azure.ai.ml.entities import Model

        model = Model(name=name, version=version, path=path, type="custom_model", tags=tags, properties=properties)
        with sdk.translate_azure_errors(client):
            ml.models.create_or_update(model)

    def make(version: str) -> Registration:
        versions = assets.versions(client, "models", name)
        for found in versions:
            known_tags, known = found["properties"]["tags"] or {}, found["properties"]["properties"] or {}
            if all(known.get(key) == properties[key] for key in ("aml.run", "aml.path")):
                given = {key: value for key, value in properties.items() if not key.startswith(RESERVED)}
                if changed := [key for key in given if known.get(key) != given[key]]:
                    raise UserError(f"model {name} version {found['name']} has other properties: {', '.join(changed)}")
                if tags.items() - known_tags.items():
                    put(found["name"], found["properties"]["modelUri"], {**known_tags, **tags}, known)
                return Registration(str(found["name"]), False, Verdict.from_tags(known))
        verdict = gate(find_champion((one["name"], one["properties"]["properties"] or {}) for one in versions))
        if not verdict.may_register:
            return Registration(None, True, verdict)
        put(version, source(), tags, properties | verdict.to_tags())
        return Registration(version, True, verdict)

    return assets.create(client, "models", name, make)


def job_output(client: WorkspaceClient, run_id: str, asset_path: str) -> str:
    """The address of what a job made: of outputs/, or of a named output as named-outputs/NAME. Raises UserError."""
    found = runs.job(client, run_id)
    if found is None:
        raise UserError(f"run {run_id}: no such job in workspace {client.name}; aml runs --azure lists them")
    status = found["properties"].get("status")
    if status != "Completed":
        raise UserError(
            f"run {run_id} is {status}: only what finished can be registered; aml runs --azure show {run_id}"
        )
    output, path = "artifacts", asset_path
    if asset_path.startswith("named-outputs/"):
        output, _, path = asset_path.removeprefix("named-outputs/").partition("/")
    return f"azureml://jobs/{run_id}/outputs/{output}/paths/{path}"
