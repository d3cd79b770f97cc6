"""A v2 command job that a v1 run configuration became, and what is known while it does."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aml.adopt import DataInput, Note
from aml.adopt.private import is_secret_option
from aml.adopt.v1.runconfig.keys import Keys, Runconfig
from aml.adopt.v1.runconfig.script import Code
from aml.adopt.v1.runconfig.text import quote, write


class Spare(NamedTuple):
    """Data or an output that no argument takes: it is read by run.input_datasets, a variable or a fixed path."""

    name: str  # for inputs or outputs
    kind: str  # "inputs" or "outputs"
    entry: dict[str, Any]  # the v2 entry
    key: str  # what v1 calls it; "" for a docker argument
    mount: str  # where v1 puts it, such as /data; "" when it decides itself
    source: Path | str | None  # as in DataInput
    left: tuple[Note, ...]  # what is left to the owner as long as nothing takes it
    decisions: tuple[Note, ...]  # and afterwards


@dataclass
class Converted:
    job: dict[str, Any]  # a v2 command job; its paths are relative to aml_config/
    where: str = ""  # the run configuration, for messages
    comments: dict[Keys, str] = field(default_factory=dict)  # lines above the key at that path
    notes: list[Note] = field(default_factory=list)
    conda: Path | dict[str, Any] | None = None  # the v1 conda file, or inline dependencies
    script: str | None = None  # as v1 names it
    inputs: list[DataInput] = field(default_factory=list)  # of the job
    spare: list[Spare] = field(default_factory=list)  # not in the job: its command does not take them
    compute: dict[str, Any] | None = None  # name, size, max_instances, tier of an amlcompute section
    files: dict[str, str] = field(default_factory=dict)  # further files of aml_config/, such as a Dockerfile


def take(converted: Converted, spare: Spare, option: str, name: str = "") -> None:
    """Let the job hand spare data over by an option that the code has got, as the input or output `name`."""
    name = name or spare.name
    converted.spare.remove(spare)
    converted.notes = [note for note in converted.notes if note not in spare.left] + list(spare.decisions)
    said = "\n".join(note.text for note in spare.left).splitlines()
    lines = converted.comments.pop(("command",), "").splitlines()
    if lines := [line for line in lines if line not in said]:
        converted.comments[("command",)] = "\n".join(lines)
    converted.job["command"] += f' {option} "${{{{{spare.kind}.{name}}}}}"'
    converted.job.setdefault(spare.kind, {})[name] = spare.entry
    if spare.decisions:
        converted.comments[(spare.kind, name, "type")] = "\n".join(note.text for note in spare.decisions)
    if spare.kind == "inputs":
        converted.inputs.append(DataInput(name, spare.entry["type"], spare.source))


def write_to(converted: Converted, kind: str, name: str, path: str | None) -> None:
    """Let what v1 handed over as data (`kind`: inputs or outputs) be what the code makes of it: a result.

    `path`: where it goes below the run's own outputs/; None: an output of the job, at the same place.
    """
    entry = converted.job[kind].pop(name)
    if not converted.job[kind]:
        del converted.job[kind]
    reference = f"${{{{{kind}.{name}}}}}"
    converted.inputs = [one for one in converted.inputs if one.name != name]
    converted.notes = [note for note in converted.notes if (note.code, note.subject) != ("bound", name)]
    converted.comments.pop((kind, name, "type"), None)
    if path is not None:
        converted.job["command"] = converted.job["command"].replace(f'"{reference}"', quote(path))
        return
    converted.job["command"] = converted.job["command"].replace(reference, "${{outputs." + name + "}}")
    place = {"path": entry["path"]} if str(entry.get("path")).startswith("azureml://") else {}
    converted.job.setdefault("outputs", {})[name] = {"type": "uri_folder", **place, "mode": "rw_mount"}


def dump(converted: Converted) -> str:
    """The job file, in the template's form: comments in place, one flag of the command a line."""
    return write(converted.job, converted.comments)


class Work:
    """A run configuration that is converted: its job, as far as it is known, and what the job is made from."""

    def __init__(self, v1: Runconfig, experiment: str, script: str | None) -> None:
        self.v1 = v1
        self.job: dict[str, Any] = {
            "$schema": "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json",
            "type": "command",
            "experiment_name": experiment,
            "code": "../src",
        }
        given = v1.at("script")
        self.result = Converted(
            self.job, v1.name, notes=list(v1.notes), script=(given or "").replace("\\", "/") or None
        )
        self.script, name = script or given, given or script
        self.code = Code(v1.project / name if name else None, v1.project)
        self.resources: dict[str, Any] = {}
        self.variables: dict[str, str] = {}

    def note(self, kind: Any, of: str | Keys, text: str) -> None:
        """A note on what stands at keys of the run configuration, such as "environment.docker"."""
        where = self.v1.where(*(of.split(".") if isinstance(of, str) else of))
        self.result.notes.append(Note(kind, where, text, "job"))

    def comment(self, at: str | Keys, text: str) -> None:
        """A comment above a key of the job file, such as "environment.image"."""
        keys = tuple(at.split(".")) if isinstance(at, str) else at
        present = self.result.comments.get(keys)
        self.result.comments[keys] = f"{present}\n{text}" if present else text

    def decide(self, at: str, of: str | Keys, text: str) -> None:
        """A comment that is also a note: the owner should see to it."""
        self.comment(at, text)
        self.note("decide", of, text)

    def variable(self, name: str, value: str, of: Keys) -> None:
        """Let the job have an environment variable, unless it is a secret."""
        if is_secret_option(name, value):
            text = f"the value of {name} looks like a secret and was not copied: let the code read it from a key vault"
            self.decide("command", of, text)
        elif name != "EXAMPLE_ENV_VAR":  # which v1 wrote into every new file
            self.variables[name] = value
