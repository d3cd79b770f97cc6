"""A run, wherever it ran, and run.json, which names a run for later steps."""

import json
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aml.console import display_path
from aml.errors import UserError

MLMODEL = "MLmodel"  # the file that makes a folder a model of MLflow's


@dataclass(frozen=True)
class Run(ABC):
    """A run. Where it ran decides how its metrics, parameters, tags and files are read, which happens when asked for.

    Attributes:
        status: scheduled, running, finished, failed or cancelled.
        start: Seconds since the epoch.
        end: The same; None while it runs.

    """

    id: str
    experiment: str
    name: str
    status: str
    start: float
    end: float | None

    @property
    def duration(self) -> float:
        """Seconds from the start to the end, or to now."""
        return (self.end or time.time()) - self.start

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""

    @abstractmethod
    def params(self) -> dict[str, str]:
        """The parameters that were logged."""

    @abstractmethod
    def tags(self) -> dict[str, str]:
        """All tags, MLflow's own included."""

    @abstractmethod
    def files(self) -> Sequence[Path | str]:
        """What the run left: paths of this machine, or names in the workspace."""


# Names of files that frameworks write models to.
MODELS = re.compile(
    r"(?i).+\.(pkl|pickle|joblib|dill|sav|pt|pth|ckpt|bin|safetensors|h5|hdf5|keras|pb|tflite|onnx|cbm|ubj|model|skops"
    r"|mojo)"
)


def top_outputs(files: Iterable[str]) -> list[str]:
    """The only one of these files of outputs/, such as outputs/a/b, else what lies directly in that folder."""
    found = sorted(files)
    return found if len(found) == 1 else sorted({"/".join(file.split("/")[:2]) for file in found})


def new_id() -> str:
    """An id that sorts by time, here and on a cluster."""
    return time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)


def write_record(path: Path, run_id: str, experiment: str, compute: str) -> None:
    """Write what later steps need to know of a run, aml submit's -t FILE. `compute` is "local" for this machine."""
    record = {"run_id": run_id, "experiment_name": experiment, "compute": compute}
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


class Record(NamedTuple):
    """What such a file says of a run."""

    run_id: str
    experiment_name: str
    compute: str


def read_record(path: Path) -> Record:
    """The run that such a file names. Raises UserError when it is no such file."""
    return Record(*read_json(path, Record._fields, f"aml submit -t {display_path(path)}"))


def read_json(path: Path, keys: Iterable[str], writer: str) -> list[str]:
    """The values of a JSON object that an earlier step of a workflow wrote.

    Raises UserError, which names the command that writes it, when the file is missing or another one.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return [str(record[key]) for key in keys]
    except OSError as error:
        raise UserError(f"{display_path(path)}: {error.strerror}; {writer} writes it") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{display_path(path)}: not what {writer} writes") from None
