"""Registered models of this machine, through MLflow's own client."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from aml import locks, promotion
from aml.console import display_path
from aml.errors import UserError
from aml.files import inside
from aml.gate import Gate, Registration, Verdict, Version, find_champion
from aml.local import mlflow_store
from aml.local.runs import AZURE_OPEN, LocalRun
from aml.promotion import Promoted
from aml.run import Run

LOCK = "mlruns/.register.lock"  # held while versions are made, judged or promoted
ALIAS = "champion"  # of MLflow: models:/NAME@champion


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
    with locks.held(root / LOCK):
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


class LocalVersions:
    """The versions of a model of this machine, to promote one. `dry` writes nothing, and reads what it would write."""

    def __init__(self, root: Path, name: str, dry: bool) -> None:
        self._client = mlflow_store.client(root)
        self._name = name
        self._dry = dry
        found = self._client.search_model_versions(f"name = '{name}'")
        newest_first = sorted(found, key=lambda one: -int(one.version))
        self._versions = [Version(str(one.version), one.tags, one.tags) for one in newest_first]

    def read(self) -> list[Version]:
        """All of them, the newest first. Nobody else writes meanwhile: a lock is held."""
        return list(self._versions)

    def set_tags(self, version: Version, tags: Mapping[str, str]) -> None:
        """Give a version these tags in addition to its own: promoting takes none away here."""
        for key in [] if self._dry else [key for key in tags if version.tags.get(key) != tags[key]]:
            self._client.set_model_version_tag(self._name, version.name, key, tags[key])
        changed = dataclasses.replace(version, tags=dict(tags))
        self._versions = [changed if one.name == version.name else one for one in self._versions]

    def set_alias(self, version: str) -> None:
        """Let MLflow's alias mean a version, unless it does."""
        aliases = self._client.get_registered_model(self._name).aliases
        if not self._dry and str(aliases.get(ALIAS)) != version:
            self._client.set_registered_model_alias(self._name, ALIAS, version)


def promote(root: Path, name: str, version: str | None, now: str, force: bool = False, dry: bool = False) -> Promoted:
    """Make a version of this machine the champion, also by MLflow's alias. See aml.promotion.promote for errors."""
    if not any(mlflow_store.read_model_versions(root, name)):  # else MLflow would begin a store
        promotion.find_version([], name, version)
    with locks.held(root / LOCK):
        model = LocalVersions(root, name, dry)
        done = promotion.promote(model, name, version, now, force)
        model.set_alias(done.version)
    return done


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
