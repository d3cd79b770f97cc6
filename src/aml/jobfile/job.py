"""A v2 command job file: reading it, changing it with --set, and filling in its command."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml

from aml.errors import FileError, UserError
from aml.jobfile.description import Description, find_file, nearest
from aml.jobfile.document import Document
from aml.jobfile.names import RULES
from aml.jobfile.references import REFERENCE, resolve_optional

# The fields of a command job that azure-ai-ml 1.35 loads (azure/ai/ml/_schema); it refuses others.
FIELDS = tuple(
    "$schema type name display_name description experiment_name tags properties command code environment compute "
    "environment_variables inputs outputs resources distribution limits identity services queue_settings "
    "parent_job_name".split()
)
DATA_TYPES = ("uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model")


class Job(Description):
    """A command job: `data` is the file's content after --set."""

    instead = "run it in the job's image with --docker, or in the present environment with --here"

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._require_shape()

    def _require_shape(self) -> None:
        """Refuse what is no command job, and give what is written in several ways one spelling, as azure-ai-ml does."""
        kind = self.data.get("type", "command")
        if kind != "command":
            raise FileError(self.where("type"), f"type {kind}: only command jobs run here (type: command)")
        self.require_sections("inputs", "outputs", "environment_variables", "tags", "limits", "resources", "services")
        for kind in ("inputs", "outputs"):
            for name, entry in self.section(kind).items():
                RULES["input"].require(name, "name", self.where(kind, name))  # it becomes a folder's
                for field in ("type", "mode"):
                    if isinstance(entry, dict) and isinstance(entry.get(field), str):
                        entry[field] = entry[field].lower()
        if not isinstance(self.data.get("command"), str):
            raise FileError(self.where("command"), "a command job needs a command")
        if (timeout := self.section("limits").get("timeout")) is not None:
            try:
                self.data["limits"]["timeout"] = timeout if isinstance(timeout, bool) else int(timeout)
            except (TypeError, ValueError, OverflowError):
                raise FileError(self.where("limits", "timeout"), "timeout should be a number of seconds") from None
        if str(self.data.get("compute")).lower() == "local":
            self.data["compute"] = "local"
        self.read_environment()

    @property
    def code(self) -> Path | None:
        """The folder that travels, or None. Raises UserError when it is not a folder of this machine."""
        return self.code_folder("code")

    @property
    def has_remote_code(self) -> bool:
        """Whether the code is in the workspace, in a git repository or on the web, and not on this machine."""
        return self.is_remote_code("code")

    @property
    def cluster(self) -> str | None:
        """The name of the workspace's cluster that the job asks for; None where it asks for none of them.

        Without a compute, and with `serverless`, the service finds one; virtual clusters are not the workspace's.
        """
        compute = str(self.data.get("compute") or "local").removeprefix("azureml:")
        if compute in ("local", "serverless") or compute.lower().startswith("virtualclusters/"):
            return None
        name = compute.rpartition("/")[2]
        return name if name == compute or re.search(r"/computes/[^/]+$", compute, re.IGNORECASE) else None

    def set(self, assignment: str) -> None:
        """Apply one --set, such as inputs.max_iter=200. Raises UserError when it does not fit the file."""
        keys, equals, text = assignment.partition("=")
        if not equals or not keys:
            raise UserError(f"--set {assignment}: write --set KEY=VALUE, such as --set inputs.max_iter=200")
        *parents, last = keys.split(".")
        inputs = self.section("inputs")
        if keys.split(".")[0] not in FIELDS:
            known = {*FIELDS, *(f"inputs.{name}" for name in inputs)}
            raise UserError(f"--set {keys}: a job has no such field{nearest(keys, known)}")
        if parents[:1] == ["inputs"] and (name := [*parents, last][1]) not in inputs:
            raise UserError(f"--set {keys}: {self.document.name} has no input {name}{nearest(name, inputs)}")
        target = self.data
        for key in parents:
            if target.get(key) is None:
                target[key] = {}
            target = target[key]
            if not isinstance(target, dict):
                raise UserError(f"--set {keys}: {key} holds a value, not a mapping")
        is_text = parents == ["inputs"] or parents[:1] in (["tags"], ["environment_variables"])
        try:
            target[last] = text if is_text or not text else yaml.safe_load(text)  # 0123 stays what was typed
        except (yaml.YAMLError, ValueError):
            target[last] = text
        self._require_shape()

    def data_input(self, name: str) -> bool:
        """Whether the input is data, not a literal (which may be written as `value: 3`)."""
        entry = self.section("inputs")[name]
        return isinstance(entry, dict) and "value" not in entry

    def data_inputs(self) -> list[str]:
        """The names of the inputs that are data."""
        return [name for name in self.section("inputs") if self.data_input(name)]

    def choose_data(self, replacements: list[str]) -> dict[str, str]:
        """What each --data gives to which input: PATH for a job with one data input, or NAME=PATH. Raises UserError."""
        wanted, given = self.data_inputs(), {}
        for replacement in replacements:
            name, equals, path = replacement.partition("=")
            if name in wanted and equals:
                given[name] = path
            elif len(wanted) == 1:
                given[wanted[0]] = replacement
            else:
                which = f"which of {' or '.join(wanted)}? Write NAME=PATH" if wanted else "no data input"
                raise UserError(f"--data {replacement}: {which}")
        return given

    def literals(self) -> dict[str, str]:
        """The literal inputs as text, as azure-ai-ml sends them."""
        entries = {name: value for name, value in self.section("inputs").items() if not self.data_input(name)}
        return {name: str(value["value"] if isinstance(value, dict) else value) for name, value in entries.items()}

    @property
    def command(self) -> str:
        """The command with its optional parts resolved, as the service runs it."""
        return resolve_optional(self.data["command"], self.section("inputs"))

    def texts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The texts that may hold references, each with its keys."""
        yield ("command",), self.command
        for name, value in self.section("environment_variables").items():
            yield ("environment_variables", name), str(value)

    def references(self, text: str) -> list[re.Match[str]]:
        """The references in a text, each with its kind and name."""
        return list(REFERENCE.finditer(text))

    def undefined(self, text: str) -> str | None:
        """What is wrong with the first reference in `text` to what is not there, or None."""
        for match in self.references(text):
            kind, name = match["kind"], match["name"]
            if kind not in ("inputs", "outputs"):
                return f"{match[0]}: a command job knows inputs and outputs only"
            if name not in self.section(kind):
                return f"{match[0]}: {kind} has no {name}{nearest(name, self.section(kind))}"
        return None

    def fill_in(self, text: str, values: Mapping[str, str], quote: Callable[[str, str], str] | None = None) -> str:
        """`text` with each ${{inputs.x}} and ${{outputs.x}} replaced by values["inputs.x"].

        `quote(value, before)` protects a path, given the command up to it; literals go in as they are, as the
        service does it. Raises KeyError on an undefined reference: ask undefined() first.
        """
        done, end = "", 0
        for match in self.references(text):
            key = f"{match['kind']}.{match['name']}"
            value = values[key]
            done += text[end : match.start()]
            is_path = match["kind"] == "outputs" or self.data_input(match["name"])
            done += quote(value, done) if quote and is_path else value
            end = match.end()
        return done + text[end:]


def load(name: str, root: Path, settings: list[str] | None = None) -> Job:
    """The job that -c names, a file of aml_config/ without its ending or any path, with each --set applied."""
    job = Job(Document(find_file(name, root, "runconfig", "job", "command")))
    for setting in settings or []:
        job.set(setting)
    return job
