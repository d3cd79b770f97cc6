"""The data of a v1 run configuration, as inputs and outputs of a v2 job."""

import re
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from aml.adopt import UserError, input_name
from aml.adopt.private import VALUES
from aml.adopt.v1.runconfig.keys import Keys, Runconfig

DATA_WORDS = re.compile(r"(_(path|dir|directory|folder|file|root|location|mount|uri|url|name))+$")
OUTPUT_WORDS = {"out", "output", "outputs", "log", "logs", "checkpoint", "checkpoints", "save"}
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Volume(NamedTuple):
    """What a docker argument binds."""

    host: str
    container: str
    options: str  # such as "ro"
    where: str


class Binding:
    """Data that v1 puts somewhere, and what the code and the arguments know it by."""

    def __init__(self, kind: str, key: str, mount: str | None, variables: set[str], where: str) -> None:
        self.kind, self.key, self.variables, self.where = kind, key, variables, where
        self.mount = (mount or "").rstrip("/")
        self.entry: dict[str, Any] = {"type": "uri_folder"}
        self.source: Path | str | None = None
        self.name, self.used, self.read_only = "", False, bool(key)
        self.decisions: list[str] = []  # for the owner
        self.changes: list[str] = []

    def split(self, text: str) -> tuple[str, str] | None:
        """What stands before and behind the place of this data in an argument, or None when it is not in there."""
        for token in self.tokens():
            if found := re.fullmatch(rf"(?P<head>[^\s=/]+=)?{token}(?P<tail>/.*)?", text, re.DOTALL):
                return found["head"] or "", found["tail"] or ""
        return None

    def tokens(self) -> list[str]:
        tokens = [re.escape(self.mount)] if self.mount else []
        if self.key:
            key = "_?".join(re.escape(part) for part in self.key.split("_"))  # v1 may have joined the parts: myData
            reference = rf"\$(?:\{{AZUREML_DATAREFERENCE_(?i:{key})\}}|AZUREML_DATAREFERENCE_(?i:{key})(?!\w))"
            tokens += [reference, rf"Dataset(?:ConsumptionConfig|OutputConfig|OutputFileConfig):(?i:{key})"]
        return tokens

    @property
    def own_name(self) -> str:
        return input_name(PurePosixPath(self.mount).name or self.key)

    def take(self, option: str, others: "list[Binding]") -> None:
        """Let the first option that takes the data name it, so that every runconfig of a project names it alike."""
        self.used = True
        if self.name:
            return
        words = input_name(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", option)) if option.strip("-") else ""
        if not self.read_only and set(words.split("_")) & OUTPUT_WORDS:
            self.kind, self.entry, self.decisions = "outputs", {"type": "uri_folder"}, []
            self.changes = [f"{self.mount} was bound to be written to: it is an output of the job now"]
        name = (DATA_WORDS.sub("", f"_{words}").strip("_") or "data") if words else self.own_name
        taken = {other.name for other in others if other.kind == self.kind}
        self.name = next(one for one in [name, *(f"{name}_{n}" for n in range(2, 99))] if one not in taken)

    @property
    def reference(self) -> str:
        return "${{" + f"{self.kind}.{self.name}" + "}}"


class Data:
    """Finds the data. `asset` stands for what v1 does not name, `local_data` for what this machine does not have."""

    def __init__(self, v1: Runconfig, asset: str, local_data: Path | None) -> None:
        self.v1, self.asset, self.local_data = v1, asset, local_data

    def bindings(self, volumes: list[Volume]) -> list[Binding]:
        sections = {"data": self.data, "dataReferences": self.data_reference, "outputData": self.output_data}
        found = [
            make(key, given, self.v1.where(section, key))
            for section, make in sections.items()
            for key, given in self.v1.at(section).items()
        ]
        for binding in found:  # a job of this machine reads the local data
            if self.v1.local and self.local_data and binding.kind == "inputs" and not binding.source:
                said = f"{binding.key} is in Azure: the job of this machine reads"
                self.stand_in(binding, said)
                binding.decisions = []
        return [*found, *map(self.mount, volumes)]

    def data(self, key: str, data: dict[str, Any], where: str) -> Binding:
        mechanism, variable = data["mechanism"].lower(), data["environmentVariableName"]
        kind = "outputs" if mechanism == "upload" else "inputs"
        binding = Binding(kind, key, data["pathOnCompute"], {variable} if variable else set(), where)
        self.locate(binding, data["dataLocation"], ("data", key, "dataLocation"))
        if mechanism == "download":
            binding.entry["mode"] = "download"
        elif mechanism == "direct":
            text = f"v1 gave the dataset {key} itself to the code, v2 gives a path: let the code read files from it"
            binding.decisions.append(text)
        return binding

    def data_reference(self, key: str, reference: dict[str, Any], where: str) -> Binding:
        mode = reference["mode"]
        if not reference["dataStoreName"]:
            raise UserError(f"{where}: {key} has no dataStoreName")
        kind = "outputs" if mode == "upload" else "inputs"
        binding = Binding(kind, key, reference["pathOnCompute"], {f"AZUREML_DATAREFERENCE_{key}"}, where)
        self.datastore(binding, reference["dataStoreName"], reference["pathOnDataStore"])
        if mode in ("download", "upload"):
            binding.entry["mode"] = mode
        return binding

    def output_data(self, key: str, output: dict[str, Any], where: str) -> Binding:
        options, place = output["additionalOptions"], output["outputLocation"]["dataPath"]
        binding = Binding("outputs", key, options["pathOnCompute"], set(), where)
        if place["datastoreName"]:
            self.datastore(binding, place["datastoreName"], place["relativePath"])
        binding.entry["mode"] = "upload" if output["mechanism"].lower() == "upload" else "rw_mount"
        if name := options["registrationOptions"]["name"]:
            binding.entry["name"] = re.sub(r"[^\w-]+", "-", name, flags=re.ASCII).strip("-_") or "output"
        return binding

    def locate(self, binding: Binding, location: dict[str, Any], keys: Keys) -> None:
        """Fill in the entry's path: a data asset, a place in a datastore, or an address."""
        dataset, place, uri = location["dataset"], location["dataPath"], location["uri"]
        where = self.v1.where(*keys, "dataset", "id")
        if dataset["name"]:
            version = f":{dataset['version']}" if dataset["version"] not in (None, "", "latest") else "@latest"
            binding.entry["path"] = f"azureml:{dataset['name']}{version}"
        elif place["datastoreName"]:
            self.datastore(binding, place["datastoreName"], place["relativePath"])
        elif uri["path"]:
            binding.entry.update(type="uri_file" if uri["isFile"] else "uri_folder", path=uri["path"])
            binding.source = uri["path"]
        else:
            binding.entry["path"] = f"azureml:{self.asset}@latest"
            known = dataset["id"] if GUID.fullmatch(dataset["id"] or "") else None
            what = f"v1 dataset {known}: v2 has no such ids" if known else f"{binding.key}: v1 names no dataset"
            binding.where = where
            binding.decisions.append(
                f"{what}: find its name with `az ml data list` and write azureml:NAME:VERSION, "
                f"or register the data as {self.asset}"
            )
        if VALUES.search(str(binding.entry["path"])):
            address = binding.entry["path"] = str(binding.entry["path"]).partition("?")[0]
            binding.source = address
            binding.decisions.append("the address held a credential, which was not copied: let a datastore hold it")

    def datastore(self, binding: Binding, name: str, path: str | None) -> None:
        path = re.sub(r"(^|/)\*\*?(/\*+)*$", "", path or "").strip("/")
        if PurePosixPath(path).suffix and "*" not in path and binding.kind == "inputs":
            binding.entry["type"] = "uri_file"
        binding.entry["path"] = f"azureml://datastores/{name}/paths/{path}"

    def mount(self, volume: Volume) -> Binding:
        """The data that `-v HOST:/data` binds."""
        host, container, options, where = volume
        binding = Binding("inputs", "", container, set(), where)
        binding.read_only = "ro" in options.split(",")
        here = (self.v1.project / Path(host).expanduser()).resolve()
        if not self.v1.local:
            binding.entry["path"] = f"azureml:{self.asset}@latest"
            text = f"docker bound a folder of the node, {host}: register that data as {self.asset}"
            binding.decisions.append(text)
        elif host and here.exists():
            binding.source = here
            binding.entry.update(type="uri_folder" if here.is_dir() else "uri_file", path=here.as_posix())
        elif self.local_data:
            self.stand_in(binding, f"{host} is not on this machine: the job reads")
        else:
            binding.entry["path"] = "../sample-data"
            text = f"{host} is not on this machine: put a sample of the data into sample-data, or fix the path"
            binding.decisions.append(text)
        return binding

    def stand_in(self, binding: Binding, said: str) -> None:
        """Let the local data stand in for data that this machine does not have."""
        assert self.local_data
        binding.source = self.local_data
        binding.entry = {"type": "uri_file" if self.local_data.suffix else "uri_folder"}
        binding.entry["path"] = self.local_data.as_posix()
        binding.changes.append(f"{said} {binding.entry['path']}")
