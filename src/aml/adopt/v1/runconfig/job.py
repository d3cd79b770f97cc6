"""v1 run configurations into v2 command job files that mean the same.

What has no equivalent is named in a comment of the job file; what only the owner can decide is a note too.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from aml.adopt import DataInput, Note, UserError, input_name
from aml.adopt.private import is_secret_option
from aml.adopt.v1.runconfig.data import Binding, Data, Volume
from aml.adopt.v1.runconfig.keys import Keys, Runconfig, load
from aml.adopt.v1.runconfig.script import imports, reachable, variables
from aml.adopt.v1.runconfig.text import escaped, quote, write
from aml.jobfile.names import RULES

__all__ = ["Converted", "Runconfig", "Spare", "convert", "dump", "load", "take"]

CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04"
GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi5.0-cuda12.8-ubuntu24.04"
SUPPORTED = re.compile(  # Azure/AzureML-Containers, README of 2026-03-16
    r"mcr\.microsoft\.com/azureml/(openmpi4\.1\.0-ubuntu22\.04|openmpi5\.0-(cuda12\.[45]-ubuntu22\.04|ubuntu24\.04"
    r"|cuda(12\.[68]|13\.1)-ubuntu24\.04)|curated/.+)(:.+)?"
)
MICROSOFT = re.compile(
    r"(mcr\.microsoft\.com/(azureml|mmlspark)/|microsoft/(mmlspark|cntk|azureml)|azureml/(base|openmpi|intelmpi))"
)
RETIRED_SIZE = re.compile(r"standard_(n[cvd]\d+r?s?(_promo)?|nc\d+r?s_v2)", re.IGNORECASE)  # NC, NV, ND, NCv2: 2023
ABSENT_COMPUTE, ABSENT_SIZE = "cpu-cluster", "Standard_DS3_v2"  # the template's own
MPI, PYTORCH, TENSORFLOW = ("openmpi", "intelmpi", "mpi"), ("nccl", "gloo"), ("parameterserver",)
NO_EQUIVALENT: dict[Keys, Any] = {  # what changes nothing as long as it has this value, and cannot be said in v2
    ("history", "outputCollection"): True,
    ("history", "snapshotProject"): True,
    ("history", "directoriesToWatch"): ["logs"],
    ("sourceDirectoryDataStore",): None,
    ("datacaches",): [],
    ("autoClusterComputeSpecification",): None,
    ("environment", "python", "baseCondaEnvironment"): None,
    ("environment", "docker", "sharedVolumes"): True,
    ("docker", "sharedVolumes"): True,
    **{("environment", "databricks", kind + "Libraries"): [] for kind in ("maven", "pypi", "rcran", "jar", "egg")},
}
SERVICES = {"ssh": "ssh", "tensorboard": "tensor_board", "vscode": "vs_code", "jupyterlab": "jupyter_lab"}
SERVICES["jupyter"] = "jupyter_lab"
DATA_WORDS = re.compile(r"(_(path|dir|directory|folder|file|root|location|mount|uri|url|name))+$")
OUTPUT_WORDS = {"out", "output", "outputs", "log", "logs", "checkpoint", "checkpoints", "save"}
MOUNT = re.compile(r"(?P<host>[A-Za-z]:[\\/][^:]*|[^:]+):(?P<container>/[^:]*)(:(?P<options>[\w,]+))?")


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


def convert(
    runconfig: Runconfig,
    *,
    experiment: str,
    data_asset: str,
    image: str,
    local_data: Path | None,
    script: str | None = None,
) -> Converted:
    """The v2 command job that means the same.

    `image` is the one for a job without its own; `local_data` is what a local job reads where v1 names data that is
    not on this machine, as the job file is to name it; `script` is the entry below src/ when it is not v1's own.
    Raises UserError when there is nothing to run.
    """
    return _Conversion(runconfig, experiment, data_asset, image, local_data, script).run()


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


class _Conversion:
    def __init__(
        self, v1: Runconfig, experiment: str, data_asset: str, image: str, local_data: Path | None, script: str | None
    ) -> None:
        self.v1, self.data_asset, self.image, self.local_data = v1, data_asset, image, local_data
        self.job: dict[str, Any] = {
            "$schema": "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json",
            "type": "command",
            "experiment_name": experiment,
            "code": "../src",
        }
        self.result = Converted(self.job, v1.name, notes=list(v1.notes))
        given = v1.at("script")
        self.result.script = given.replace("\\", "/") if given else None
        self.script = script or self.result.script
        name = self.result.script or script
        self.code = reachable(v1.project / name if name else None, v1.project)
        self.resources: dict[str, Any] = {}
        self.variables: dict[str, str] = {}
        self.docker_arguments: list[str] = []
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self.names: list[tuple[str, str]] = []

    def comment(self, keys: Keys, text: str) -> None:
        present = self.result.comments.get(keys)
        self.result.comments[keys] = f"{present}\n{text}" if present else text

    def note(self, kind: Any, where: str, text: str) -> None:
        self.result.notes.append(Note(kind, where, text, "job"))

    def decide(self, keys: Keys, where: str, text: str) -> None:
        self.comment(keys, text)
        self.note("decide", where, text)

    def run(self) -> Converted:
        v1 = self.v1
        self.note("taken", v1.name, f"run configuration for {'this machine' if v1.local else v1.at('target')}")
        self.framework()
        bindings = Data(self.v1, self.data_asset, self.local_data).bindings(self.docker())
        command = self.command(bindings)
        environment = self.environment()
        self.environment_variables(bindings)
        compute = self.compute()
        self.job["command"] = command
        self.job["environment"] = environment
        if self.variables:
            self.job["environment_variables"] = self.variables
        if compute:
            self.job["compute"] = compute
        distribution = None if v1.local else self.distribution()
        if self.resources:
            self.job["resources"] = self.resources
        if distribution:
            self.job["distribution"] = distribution
        if (v1.at("maxRunDurationSeconds") or 0) > 0:
            self.job["limits"] = {"timeout": v1.at("maxRunDurationSeconds")}
        if compute is None and (v1.at("amlcompute", "vmPriority") or "").lower() == "lowpriority":
            self.job["queue_settings"] = {"job_tier": "spot"}
        if v1.at("credentialPassthrough") and not v1.local:
            self.job["identity"] = {"type": "user_identity"}
        self.services()
        self.bind(bindings)
        for kind, entries in (("inputs", self.inputs), ("outputs", self.outputs)):
            if entries:
                self.job[kind] = entries
        self.nothing_like_it()
        return self.result

    # What runs

    def framework(self) -> None:
        v1, framework = self.v1, self.v1.at("framework").lower()
        where = v1.where("framework")
        if framework == "pyspark":  # also what early releases wrote into every new runconfig
            if any(name.split(".")[0] == "pyspark" for tree in self.code for name in imports(tree)):
                fix = "write a job of type spark for it by hand"
                self.note("blocked", where, f"framework PySpark: {self.script} needs Spark, and so another job: {fix}")
            else:
                text = (
                    f"framework PySpark: {self.script or 'the script'} does not import pyspark, so plain Python runs it"
                )
                self.comment(("command",), text)
                self.note("changed", where, text)
        elif framework not in ("python", "pytorch", "tensorflow"):
            fix = "write framework: Python if plain Python can run the script"
            self.note("blocked", where, f"framework {v1.at('framework')} has no equivalent in v2: {fix}")
        if v1.at("communicator").lower() == "paralleltask":
            fix = "write a parallel job for it by hand"
            self.note("blocked", v1.where("communicator"), f"communicator ParallelTask: another kind of job: {fix}")
        if v1.at("environment", "r") or str(self.script).lower().endswith(".r"):
            where = v1.where("environment", "r") if v1.at("environment", "r") else v1.where("script")
            self.note("blocked", where, "R has no equivalent here: only Python code is adopted")

    def command(self, bindings: list[Binding]) -> str:
        given = self.v1.at("command")
        if given and not self.v1.at("script"):
            text = " ".join(map(str, given)) if isinstance(given, list) else str(given)
            return self.references_in(text, bindings)
        if not self.script:
            fix = "add script:, or name the entry with --entry"
            raise UserError(f"{self.v1.name}:1: no script: {fix}")
        python = self.v1.at("environment", "python", "interpreterPath") if self.bare_image() else "python"
        words = [quote(python or "python"), quote(self.script)]
        arguments = self.v1.at("arguments")
        for index, argument in enumerate(arguments):
            before = arguments[index - 1] if index else ""
            words.append(self.argument(argument, before if re.match(r"--?[A-Za-z]", before) else "", bindings))
        return " ".join(words)

    def argument(self, text: str, option: str, bindings: list[Binding]) -> str:
        for binding in sorted(bindings, key=lambda one: -len(one.mount)):
            if parts := binding.split(text):
                head, tail = parts
                self.name(binding, head[:-1] if head.startswith("-") else option)
                return f'{head}"{binding.reference}{escaped(tail)}"'
        flag, equals, value = text.partition("=") if text.startswith("-") else (option, "", text)
        if is_secret_option(flag, value):
            variable = input_name(flag).upper()
            self.decide(
                ("command",),
                self.v1.where("arguments"),
                f"the value of {flag} looks like a secret and was not copied: let the code read it from a key vault, "
                f"or set {variable} where the job runs",
            )
            return (flag + equals if equals else "") + f'"${variable}"'
        if re.search(r"\$\{?AZUREML_|^Dataset\w+Config:", text):
            fix = "name the data below inputs and put its reference here"
            self.decide(("command",), self.v1.where("arguments"), f"{text} names no data of this file: {fix}")
        return quote(text)

    def references_in(self, text: str, bindings: list[Binding]) -> str:
        """A v1 `command`, which a shell reads already, with the places of data filled in."""
        for binding in sorted(bindings, key=lambda one: -len(one.mount)):
            for token in binding.tokens():
                while found := re.search(rf"(?<![\w/.${{]){token}(?![\w.-])", text):
                    before = text[: found.start()]
                    word = re.search(r"(--?[A-Za-z][\w-]*)[ =\"']*$", before)
                    self.name(binding, word[1] if word else "")
                    inside = before.count('"') % 2 or before.count("'") % 2
                    reference = binding.reference if inside else f'"{binding.reference}"'
                    text = before + reference + text[found.end() :]
        return text

    def name(self, binding: Binding, option: str) -> None:
        """Let the first option that takes the data name it, so that every runconfig of a project names it alike."""
        binding.used = True
        if binding.name:
            return
        words = input_name(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", option)) if option.strip("-") else ""
        if not binding.read_only and set(words.split("_")) & OUTPUT_WORDS:
            binding.kind, binding.entry, binding.decisions = "outputs", {"type": "uri_folder"}, []
            binding.changes = [f"{binding.mount} was bound to be written to: it is an output of the job now"]
        if words:
            name = DATA_WORDS.sub("", f"_{words}").strip("_") or "data"
        else:
            name = input_name(PurePosixPath(binding.mount).name or binding.key)
        taken = {other for kind, other in self.names if kind == binding.kind}
        binding.name = next(one for one in [name, *(f"{name}_{n}" for n in range(2, 99))] if one not in taken)
        self.names.append((binding.kind, binding.name))

    # Data

    def docker(self) -> list[Volume]:
        """Sort docker's arguments: variables, shared memory, and the rest; returns the data that they bind."""
        volumes: list[Volume] = []
        sections = (("environment", "docker"), ("docker",))
        words: list[str] = []
        for keys in sections:
            for argument in self.v1.at(*keys, "arguments"):
                flag = re.match(r"(-[ve]|--(?:volume|env|mount|shm-size))[\s=]+(?=\S)", argument)  # both in one text
                words += [flag[1], argument[flag.end() :]] if flag else [argument]
        sizes = [self.v1.at(*keys, "shmSize") for keys in reversed(sections)]
        given = next((keys for keys in sections if self.v1.at(*keys, "arguments")), ())
        where = self.v1.where(*given, "arguments")
        rest = iter(words)
        for word in rest:
            value = next(rest, "") if word in ("-v", "--volume", "-e", "--env", "--mount", "--shm-size") else ""
            volume = MOUNT.fullmatch(value)
            if word in ("-v", "--volume") and volume:
                volumes.append(Volume(volume["host"], volume["container"], volume["options"] or "", where))
            elif word == "--mount" and (parts := dict(re.findall(r"(\w+)=([^,]*)", value))).keys() & {"target", "dst"}:
                options = "ro" if re.search(r"(^|,)(ro|readonly)\b", value) else ""
                host = parts.get("source") or parts.get("src") or ""
                volumes.append(Volume(host, parts.get("target") or parts["dst"], options, where))
            elif word in ("-e", "--env") and "=" in value:
                name, _, text = value.partition("=")
                self.variable(name, text, where)
            elif word == "--shm-size":
                sizes.insert(0, value)
            elif word:
                self.docker_arguments += [word, value] if value else [word]
        size = next((size for size in sizes if size and size.lower() != "2g"), None)  # v2's default is 2g too
        if size and re.fullmatch(r"\d+[bkmgBKMG]", size):
            self.resources["shm_size"] = size
        if self.docker_arguments:
            self.resources["docker_args"] = self.docker_arguments
        return volumes

    def bind(self, bindings: list[Binding]) -> None:
        """Put what the command or a variable takes below inputs and outputs, and the rest aside."""
        for binding in bindings:
            decisions = tuple(Note("decide", binding.where, text, "bound", binding.name) for text in binding.decisions)
            if not binding.used:
                name = input_name(PurePosixPath(binding.mount).name or binding.key)
                known = (binding.kind, binding.entry, binding.key, binding.mount, binding.source)
                what = f"{binding.kind[:-1]} {binding.key or binding.mount}"
                text = f"{what} is taken by no argument: let the code take it as one, and name it here"
                self.decide(("command",), binding.where, text)
                self.result.spare.append(Spare(name, *known, (self.result.notes[-1],), decisions))
                continue
            if binding.kind == "outputs":
                self.outputs[binding.name] = binding.entry
            else:
                self.inputs[binding.name] = binding.entry
                self.result.inputs.append(DataInput(binding.name, binding.entry["type"], binding.source))
            changes = [Note("changed", binding.where, text, "bound", binding.name) for text in binding.changes]
            self.result.notes += changes
            for note in decisions:
                self.comment((binding.kind, binding.name, "type"), note.text)
                self.result.notes.append(note)

    # Where and how it runs

    def bare_image(self) -> bool:
        """Whether the image's own Python runs the code: the owner keeps its packages, and it is the owner's image."""
        docker = self.v1.at("environment", "docker")
        own = (docker["baseImage"] and not MICROSOFT.match(docker["baseImage"])) or docker["baseDockerfile"]
        return bool(self.v1.at("environment", "python", "userManagedDependencies") and own and not self.v1.local)

    def environment(self) -> dict[str, Any] | str:
        v1 = self.v1
        python, docker = v1.at("environment", "python"), v1.at("environment", "docker")
        keys = ("environment", "python", "condaDependenciesFile")
        if file := python["condaDependenciesFile"]:
            path = (v1.project / file.replace("\\", "/")).resolve()
            self.result.conda = path if path.is_file() else None
            if not path.is_file():
                self.note("decide", v1.where(*keys), f"{file} does not exist: compare train-conda.yml with what it had")
        elif isinstance(python["condaDependencies"], dict):
            self.result.conda = python["condaDependencies"]
        name, version = v1.at("environment", "name"), v1.at("environment", "version")
        where = v1.where("environment", "name")
        if v1.registered and not v1.local and not name.lower().startswith("azureml-"):
            self.note(
                "decide", where, f"environment {name} needs mlflow-skinny and azureml-mlflow: add a version with them"
            )
            return f"azureml:{name}" + (f":{version}" if version else "@latest")
        if v1.registered:
            text = f"environment {name} is known to a workspace only: image and train-conda.yml take its place"
            self.decide(("environment",), where, f"{text}, so compare their packages with it")
        image = self.base_image()
        if self.bare_image():
            where = v1.where("environment", "python", "userManagedDependencies")
            text = "the image has the packages (userManagedDependencies): add mlflow-skinny and azureml-mlflow to it"
            if docker["baseDockerfile"]:
                self.result.files["docker/Dockerfile"] = self.dockerfile(docker["baseDockerfile"])
                self.decide(("environment", "build"), where, text)
                return {"build": {"path": "docker"}}
            self.decide(("environment", "image"), where, text)
            return {"image": image}
        return {"image": image, "conda_file": "train-conda.yml"}

    def dockerfile(self, given: str) -> str:
        path = self.v1.project / given
        try:
            return path.read_text(encoding="utf-8") if "\n" not in given and path.is_file() else given
        except (OSError, ValueError):
            return given

    def base_image(self) -> str:
        docker = self.v1.at("environment", "docker")
        keys = ("environment", "docker")
        given, registry = docker["baseImage"] or "", docker["baseImageRegistry"]
        address = (registry["address"] or "").removeprefix("https://").rstrip("/")
        image = f"{address}/{given}" if address and given and not given.startswith(f"{address}/") else given
        # An image says more than gpuSupport, which early releases wrote into runconfigs of CPU images as well.
        gpu = bool(re.search(r"cuda|gpu", image.lower())) if image else bool(docker["gpuSupport"])
        kind = GPU_IMAGE if gpu else CPU_IMAGE
        replacement = self.image if ("cuda" in self.image) == gpu or not (given or gpu) else kind
        if docker["baseDockerfile"] and not self.bare_image():
            self.decide(
                ("environment", "image"),
                self.v1.where(*keys, "baseDockerfile"),
                "v1 built on a Dockerfile, but v2 puts a conda file on an image only: push what it builds and name it",
            )
        if docker["buildContext"]["location"]:
            self.decide(
                ("environment", "image"),
                self.v1.where(*keys, "buildContext"),
                "v1 built the image from a context: push what it builds and name it here",
            )
        if not given:
            return replacement
        if MICROSOFT.match(image) and not SUPPORTED.fullmatch(image):
            text = f"image {given} is out of support, replaced by {replacement}"
            self.note("changed", self.v1.where(*keys, "baseImage"), text)
            return replacement
        if registry["username"] or registry["password"]:
            text = f"{address or image} asks for a login, which was not copied: give the workspace a connection to it"
            self.decide(("environment", "image"), self.v1.where(*keys, "baseImageRegistry"), text)
        return image

    def variable(self, name: str, value: str, where: str) -> None:
        if name == "EXAMPLE_ENV_VAR":
            return
        if is_secret_option(name, value):
            text = f"the value of {name} looks like a secret and was not copied: let the code read it from a key vault"
            self.decide(("command",), where, text)
            return
        self.variables[name] = value

    def environment_variables(self, bindings: list[Binding]) -> None:
        for keys in (("environment", "environmentVariables"), ("environmentVariables",)):
            for name, value in self.v1.at(*keys).items():
                self.variable(name, value, self.v1.where(*keys, name))
        read = {name for tree in self.code for name in variables(tree)}
        for binding in bindings:
            for name in sorted(binding.variables & read):
                self.name(binding, "")
                self.variables[name] = binding.reference

    def compute(self) -> str | None:
        v1, section = self.v1, self.v1.at("amlcompute")
        target = v1.at("target")
        one_shot = target == "amlcompute"
        if section["vmSize"]:
            name = section["name"] or (None if one_shot or v1.local else target)
            self.result.compute = {
                "name": name if RULES["compute"].accepts(name) else None,
                "size": section["vmSize"],
                "max_instances": section["clusterMaxNodeCount"],
                "tier": "low_priority" if (section["vmPriority"] or "").lower() == "lowpriority" else "dedicated",
            }
        if v1.local:
            return "local"
        if one_shot:
            self.resources["instance_type"] = section["vmSize"] or ABSENT_SIZE
            if RETIRED_SIZE.fullmatch(section["vmSize"] or ""):
                text = f"Azure retired {section['vmSize']} in 2023: name a size of today"
                self.decide(("resources", "instance_type"), v1.where("amlcompute", "vmSize"), text)
            if not section["vmSize"]:
                text = f"v1 names no vmSize: {ABSENT_SIZE} unless you choose another"
                self.decide(("resources", "instance_type"), v1.where("amlcompute"), text)
            return None
        if v1.at("kubernetescompute", "instanceType"):
            self.resources["instance_type"] = v1.at("kubernetescompute", "instanceType")
        if v1.compute_type and v1.compute_type != "amlcompute":
            text = f"target {target} is a {v1.compute_type}, where v2 runs no job: name a cluster"
        elif target == "containerinstance":
            text = "container instances run no v2 job: name a cluster"
        elif not RULES["compute"].accepts(target):
            text = f"{target} is no name that v2 accepts for a cluster: name one"
        else:
            return f"azureml:{target}"
        self.decide(("compute",), v1.where("target"), text)
        return f"azureml:{ABSENT_COMPUTE}"

    def distribution(self) -> dict[str, Any] | None:
        v1 = self.v1
        communicator, nodes = v1.at("communicator").lower(), max(1, v1.at("nodeCount"))
        where = v1.where("communicator")
        distribution: dict[str, Any] | None = None
        if communicator in MPI:
            distribution = {"type": "mpi", "process_count_per_instance": v1.at("mpi", "processCountPerNode")}
        elif communicator in PYTORCH:
            total = v1.at("pytorch", "processCount") or nodes
            distribution = {"type": "pytorch", "process_count_per_instance": -(-total // nodes)}
            if total % nodes:
                where = v1.where("pytorch", "processCount")
                text = f"v1 started {total} processes on {nodes} nodes, v2 starts the same number on each: choose it"
                self.decide(("distribution", "process_count_per_instance"), where, text)
            if communicator == "gloo":
                self.comment(("distribution",), "backend gloo: the code's init_process_group chooses it")
        elif communicator in TENSORFLOW:
            section = v1.at("tensorflow")
            distribution = {"type": "tensorflow", "worker_count": section["workerCount"]}
            distribution["parameter_server_count"] = section["parameterServerCount"]
        elif communicator not in ("none", "", "paralleltask"):
            self.decide(("command",), where, f"communicator {v1.at('communicator')} has no equivalent in v2: mpi?")
        if nodes > 1 and distribution:
            self.resources["instance_count"] = nodes
        elif nodes > 1:
            text = f"v1 asked for {nodes} nodes without a communicator, which would each train on their own: "
            text += "one node, unless you add resources.instance_count and a distribution"
            self.decide(
                ("compute",) if self.v1.at("target") != "amlcompute" else ("resources",), v1.where("nodeCount"), text
            )
        return distribution

    def services(self) -> None:
        found: dict[str, Any] = {}
        for name, endpoint in self.v1.at("applicationEndpoints").items():
            kind = SERVICES.get((endpoint["type"] or "").lower())
            where = self.v1.where("applicationEndpoints", name)
            if self.v1.local or not kind:
                self.comment(("command",), f"v1 service {name} ({endpoint['type']}) has no equivalent")
                continue
            properties = {camel.lower(): value for camel, value in endpoint["properties"].items()}
            service: dict[str, Any] = {"type": kind}
            if kind == "ssh":
                if not properties.get("sshpublickeys"):
                    self.decide(
                        ("command",), where, f"service {name} has no sshPublicKeys, so it was left out: add them"
                    )
                    continue
                service["ssh_public_keys"] = properties["sshpublickeys"]
            if kind == "tensor_board" and properties.get("logdir"):
                service["log_dir"] = properties["logdir"]
            if endpoint["port"]:
                service["port"] = endpoint["port"]
            found[input_name(name)] = service
        if found:
            self.job["services"] = found

    def nothing_like_it(self) -> None:
        for keys, default in NO_EQUIVALENT.items():
            value = self.v1.at(*keys)
            if value is not None and value != default:
                self.comment(("$schema",), f"{'.'.join(keys)} {_shown(value)}: v2 has nothing like it")
        if self.v1.at("priority") is not None:
            text = (
                f"priority {self.v1.at('priority')}: choose queue_settings.priority, low, medium or high, if it matters"
            )
            self.decide(("$schema",), self.v1.where("priority"), text)


def _shown(value: Any) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else "(given)" if isinstance(value, dict | list) else str(value)
    )
