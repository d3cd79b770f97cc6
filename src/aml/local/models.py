"""Registered models of this machine, through MLflow's own client."""

from pathlib import Path

from aml import locks
from aml.errors import UserError
from aml.local import mlflow_store
from aml.run import Run


def register(root: Path, name: str, run: Run, asset: Path, tags: dict[str, str]) -> tuple[str, bool]:
    """Register here what the run made at `asset`; returns the version, and whether it is new.

    The same run and path give the same version, with its tags brought up to date. Raises UserError when a tag that
    stands for a property would change.
    """
    source = asset.relative_to(root.resolve()).as_posix()  # relative, so that the repository can be moved
    client = mlflow_store.client(root)
    with locks.held(root / "mlruns" / ".register.lock"):
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        for version in client.search_model_versions(f"name = '{name}'"):
            if version.run_id == run.id and version.source == source:
                fixed = [key for key in tags if key.startswith("property.") and version.tags.get(key) != tags[key]]
                if fixed:
                    names = ", ".join(key.removeprefix("property.") for key in fixed)
                    raise UserError(f"model {name} version {version.version} has other properties: {names}")
                for key, value in tags.items():
                    client.set_model_version_tag(name, str(version.version), key, value)
                return str(version.version), False
        made_now = client.create_model_version(name, source, run_id=run.id, tags=tags)
    return str(made_now.version), True
