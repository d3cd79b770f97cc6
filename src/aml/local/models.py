"""Registered models of this machine, through MLflow's own client."""

from pathlib import Path

from aml import locks
from aml.console import display_path
from aml.errors import UserError
from aml.files import inside
from aml.gate import Gate, Registration, Verdict, Version, find_champion
from aml.local import mlflow_store
from aml.local.runs import AZURE_OPEN, LocalRun
from aml.run import Run


def register(
    root: Path, name: str, run: Run, asset: Path, tags: dict[str, str], gate: Gate, dry: bool = False
) -> Registration:
    """Register here what the run made at `asset`, if the gate lets it through. `dry` asks the gate and writes nothing.

    The same run and path give the same version, with its tags brought up to date. One registration at a time is judged
    and written, so that two are compared with each other. Raises UserError when a tag that stands for a property would
    change.
    """
    source = asset.relative_to(root.resolve()).as_posix()  # relative, so that the repository can be moved
    client = mlflow_store.client(root)
    with locks.held(root / "mlruns" / ".register.lock"):
        found = client.search_model_versions(f"name = '{name}'")
        versions = {str(version.version): version for version in sorted(found, key=lambda one: -int(one.version))}
        for number, version in versions.items():
            if version.run_id == run.id and version.source == source:
                fixed = [key for key in tags if key.startswith("property.") and version.tags.get(key) != tags[key]]
                if fixed:
                    names = ", ".join(key.removeprefix("property.") for key in fixed)
                    raise UserError(f"model {name} version {number} has other properties: {names}")
                for key, value in ({} if dry else tags).items():
                    client.set_model_version_tag(name, number, key, value)
                return Registration(number, False, Verdict.from_tags(version.tags))
        verdict = gate(find_champion(Version(number, one.tags, one.tags) for number, one in versions.items()))
        if dry or not verdict.may_register:
            return Registration(None, True, verdict)
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        made_now = client.create_model_version(name, source, run_id=run.id, tags=tags | verdict.to_tags())
    return Registration(str(made_now.version), True, verdict)


def find_file(run: LocalRun, path: str, _: Path) -> Path | None:
    """The file that the run left at that path, or None. Raises UserError for a path that leads out of the run."""
    file = inside(run.folder, path)
    return file if file.is_file() else None


def find_model(root: Path, name: str, number: str, _: Path) -> Path:
    """The file or folder of a registered version. Raises UserError when it is gone."""
    found = (one for one in mlflow_store.read_model_versions(root, name) if str(one.number) == number)
    path = root / next(found).source
    if not path.exists():
        raise UserError(f"its model, {display_path(path)}, is gone")
    return path


def read_metrics(run: LocalRun) -> dict[str, float]:
    """What the run logged, for the gate. Raises UserError when that is not here, or cannot be read."""
    if AZURE_OPEN in run.tags():
        raise UserError(f"run {run.id}: its metrics are in the workspace only; the next tracked run fetches them")
    if not run.stored.has_metrics():
        raise UserError(f"run {run.id}: its metrics are gone from {display_path(run.record)}")
    try:
        return run.stored.metrics()
    except (OSError, ValueError) as error:
        raise UserError(f"run {run.id}: its metrics in {display_path(run.record)} cannot be read: {error}") from None
