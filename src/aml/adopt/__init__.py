"""`aml adopt`: from code that somebody has to a model repository that trains."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from aml.errors import UserError as UserError


class Note(NamedTuple):
    """A line of the report and of ADOPTED.md."""

    kind: Literal["taken", "changed", "decide", "blocked"]
    where: str  # "train.py:12", relative to the source; "" for the whole
    text: str  # what; for "decide" (by the owner) and "blocked" (nothing is written) also the exact change
    code: str = ""  # what it is, for what looks for it: a short word that stays, such as "no-model-saved"
    subject: str = ""  # what it is about: an option, an input, a file or a package


@dataclass(frozen=True)
class DataInput:
    """Data that the code reads, as an input of both jobs."""

    name: str  # the key below inputs:, such as "data"
    type: Literal["uri_file", "uri_folder"]
    path: Path | str | None  # in the source or elsewhere on this machine, an address, or None: the owner knows
    flag: str = ""  # the option that hands it over, such as "--data-path"; "" when the job's command has it already
    files: tuple[Path, ...] = ()  # of a folder in the source, those that come along in its layout; none: all


def input_name(text: str) -> str:
    """A key for inputs: letters, digits and _, not beginning with a digit (azure-ai-ml, _input_output_helpers.py)."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    return name if re.match(r"[a-z_]", name) else f"data_{name}".rstrip("_")


def model_name(name: str) -> str:
    """A model's name as Azure Machine Learning takes it."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", name).strip("-_")[:255]
