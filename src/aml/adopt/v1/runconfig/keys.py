"""A v1 run configuration as azureml-core 1.61 reads it: YAML or JSON, in any of its spellings, with its defaults."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from aml.adopt import Note, UserError

Keys = tuple[str, ...]


class Each(NamedTuple):
    """A mapping from the user's names to sections."""

    of: dict[str, Any]


WHOLE, ANYTHING = object(), object()  # a whole number or nothing; whatever stands there

# Defaults, whose types say what a field takes; None is a text or nothing. Source: azureml-core 1.61.0.post4,
# azureml/core/runconfig.py and environment.py, _field_to_info_dict and __init__ of each class.
DOCKER: dict[str, Any] = {"arguments": [], "shmSize": None, "sharedVolumes": True}
LOCATION = {
    "dataset": {"id": None, "name": None, "version": None},
    "dataPath": {"datastoreName": None, "relativePath": None},
    "uri": {"path": None, "isFile": False},
}
ENVIRONMENT: dict[str, Any] = {
    "name": None,
    "version": None,
    "environmentVariables": {},
    "python": {
        "userManagedDependencies": False,
        "interpreterPath": "python",
        "condaDependenciesFile": None,
        "baseCondaEnvironment": None,
        "condaDependencies": ANYTHING,
    },
    "docker": {
        **DOCKER,
        "enabled": False,
        "baseImage": None,
        "baseDockerfile": None,
        "buildContext": {"locationType": None, "location": None, "dockerfilePath": "Dockerfile"},
        "baseImageRegistry": {"address": None, "username": None, "password": None},
        "gpuSupport": False,  # of older releases
    },
    "databricks": dict.fromkeys(
        ("mavenLibraries", "pypiLibraries", "rcranLibraries", "jarLibraries", "eggLibraries"), ANYTHING
    ),
    "r": ANYTHING,
}
SHAPE: dict[str, Any] = {
    "script": None,
    "command": ANYTHING,
    "arguments": [],
    "target": "local",
    "framework": "Python",
    "communicator": "None",
    "maxRunDurationSeconds": WHOLE,
    "nodeCount": 1,
    "priority": WHOLE,
    "environment": ENVIRONMENT,
    "environmentVariables": {},
    "history": {"outputCollection": True, "snapshotProject": True, "directoriesToWatch": ["logs"]},
    "docker": {**DOCKER, "shmSize": "2g", "useDocker": False},
    "tensorflow": {"workerCount": 1, "parameterServerCount": 1},
    "mpi": {"processCountPerNode": 1, "nodeCount": 1},
    "pytorch": {"communicationBackend": "nccl", "processCount": WHOLE, "nodeCount": 1},
    "data": Each(
        {"dataLocation": LOCATION, "mechanism": "direct", "pathOnCompute": None, "environmentVariableName": None}
    ),
    "dataReferences": Each({"dataStoreName": None, "pathOnDataStore": None, "mode": "mount", "pathOnCompute": None}),
    "outputData": Each(
        {
            "outputLocation": LOCATION,
            "mechanism": "mount",
            "additionalOptions": {"pathOnCompute": None, "registrationOptions": {"name": None}},
        }
    ),
    "datacaches": ANYTHING,
    "sourceDirectoryDataStore": None,
    "amlcompute": {
        "vmSize": None,
        "vmPriority": None,
        "retainCluster": False,
        "name": None,
        "clusterMaxNodeCount": WHOLE,
    },
    "kubernetescompute": {"instanceType": None},
    "autoClusterComputeSpecification": ANYTHING,
    "credentialPassthrough": False,
    "applicationEndpoints": Each({"type": None, "port": WHOLE, "properties": {}}),
}
# The Workbench of 2017. A runconfig has an environment, or it is one of these (RunConfiguration._check_old_config).
WORKBENCH: dict[str, Any] = {"argumentVector": [], "target": "local", "framework": "Python", "trackedRun": True}
WORKBENCH |= {"condaDependenciesFile": None, "environmentVariables": {}}
COMPUTE: dict[str, Any] = {"type": None, "baseDockerImage": None, "pythonLocation": None, "nodeCount": 1}
COMPUTE |= {"userManagedEnvironment": False, "sharedVolumes": True, "nvidiaDocker": False}  # of its file beside it
MOVED: dict[str, Keys] = {  # where its keys are now, other than at the same place
    "trackedRun": ("history", "outputCollection"),
    "environmentVariables": ("environment", "environmentVariables"),
    "condaDependenciesFile": ("environment", "python", "condaDependenciesFile"),
    "userManagedEnvironment": ("environment", "python", "userManagedDependencies"),
    "pythonLocation": ("environment", "python", "interpreterPath"),
    "baseDockerImage": ("environment", "docker", "baseImage"),
    "nvidiaDocker": ("environment", "docker", "gpuSupport"),
    "sharedVolumes": ("environment", "docker", "sharedVolumes"),
}


@dataclass
class Runconfig:
    """One v1 run configuration: `data` is canonical, camelCase with every default filled in."""

    project: Path  # what condaDependenciesFile and script are relative to
    name: str  # the file, in messages
    data: dict[str, Any]
    places: dict[Keys, str] = field(default_factory=dict)  # file:line of what was given
    registered: bool = False  # the environment is given by its name alone
    compute_type: str = ""  # of the Workbench's .compute file
    notes: list[Note] = field(default_factory=list)

    def at(self, *keys: str) -> Any:
        value: Any = self.data
        for key in keys:
            value = value[key]
        return value

    def where(self, *keys: str) -> str:
        """`file:line` of what stands at `keys`, or of the deepest part of it that was given."""
        while keys and keys not in self.places:
            keys = keys[:-1]
        return self.places.get(keys, f"{self.name}:1")

    @property
    def local(self) -> bool:
        return self.at("target") in ("", "local") or self.compute_type in ("local", "localdocker")


def load(path: Path, project: Path, root: Path | None = None) -> Runconfig:
    """Read one v1 run configuration. Messages name files relative to `root`, which is `project` unless given.

    Raises UserError when it is none, or when azureml-core would not read it.
    """
    root = root or project
    reader = _Reader(path, root)
    found = Runconfig(project, reader.name, {}, reader.places, notes=reader.notes)
    given = {camel(key.value): value for key, value in reader.pairs(reader.node)}
    if "parallelRunConfig" in given:
        raise UserError(f"{reader.name}:1: configures a ParallelRunStep, not a run: write a parallel job for it")
    known = {"script", "target", "framework", "arguments", "argumentVector", "history", "communicator"}
    if "$schema" in given or not given.keys() & known:
        raise UserError(f"{reader.name}:1: no v1 run configuration: it has neither script, arguments nor target")
    if "environment" not in given and given.keys() & {"argumentVector", "condaDependenciesFile", "prepareEnvironment"}:
        _workbench(found, reader, root)
        return found
    environment = given.get("environment")
    if isinstance(environment, ScalarNode) and not _null(environment):
        apart = _Reader(project / environment.value, root, reader.where(environment))
        section = apart.read(apart.node, ENVIRONMENT, ("environment",))
        environment = apart.node
        reader.node.value = [pair for pair in reader.node.value if camel(pair[0].value) != "environment"]
        found.data = {**reader.read(reader.node, SHAPE, ()), "environment": section}
        found.places.update(apart.places)
        found.notes.extend(apart.notes)
    else:
        found.data = reader.read(reader.node, SHAPE, ())
    if isinstance(environment, MappingNode):
        keys = {camel(key.value) for key, _ in environment.value}
        found.registered = bool(found.at("environment", "name")) and keys <= {"name", "version"}
    for reference in found.at("dataReferences").values():
        reference["mode"] = reference["mode"].lower()
    return found


def _workbench(found: Runconfig, reader: "_Reader", root: Path) -> None:
    """Fill in what a Workbench runconfig and the .compute file of its target say."""
    found.data = _default(SHAPE)
    given = reader.read(reader.node, WORKBENCH, ())
    if not given["argumentVector"]:
        raise UserError(f"{found.where('argumentVector')}: ArgumentVector is empty: name a script")
    script, *given["arguments"] = given.pop("argumentVector")
    given["script"] = None if script == "$file" else script  # the one open in the editor
    found.places[("script",)] = found.places[("arguments",)] = found.where("argumentVector")
    _move(found, given, reader)
    folder = next((one for one in ("aml_config", ".azureml") if (found.project / one).is_dir()), "aml_config")
    path = found.project / folder / f"{given['target']}.compute"
    if not path.is_file():
        found.compute_type = "localdocker" if given["target"] == "docker" else ""
        return
    companion = _Reader(path, root)
    compute = companion.read(companion.node, COMPUTE, ())
    found.compute_type = (compute.pop("type") or "").lower()
    _move(found, compute, companion)
    docker = ("remotedocker", "localdocker", "amlcompute", "containerinstance")
    found.at("environment", "docker")["enabled"] = found.compute_type in docker


def _move(found: Runconfig, given: dict[str, Any], reader: "_Reader") -> None:
    """Put what the Workbench said where a run configuration has it."""
    for name, value in given.items():
        *above, key = MOVED.get(name, (name,))
        if value is not None:
            found.at(*above)[key] = value
    for (name, *below), where in list(reader.places.items()):
        found.places[(*MOVED.get(name, (name,)), *below)] = where


def camel(key: str) -> str:
    """A key as azureml-core compares it (azureml/_base_sdk_common/common.py)."""
    first, *rest = key.split("_")
    return first[:1].lower() + first[1:] + "".join(part.title() for part in rest)


def _default(shape: Any) -> Any:
    if isinstance(shape, Each):
        return {}
    if shape is WHOLE or shape is ANYTHING:
        return None
    return {key: _default(value) for key, value in shape.items()} if isinstance(shape, dict) else copy.copy(shape)


def _null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and str(node.tag).endswith(":null")


class _Reader:
    """A file's nodes, read into a shape; texts stay as they were written (1e-3 is no 0.001)."""

    def __init__(self, path: Path, root: Path, referrer: str = "") -> None:
        path, root = path.resolve(), root.resolve()
        self.name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        self.places: dict[Keys, str] = {}
        self.notes: list[Note] = []
        try:
            text = path.read_text(encoding="utf-8-sig")
            if text.lstrip().startswith("{"):
                text = text.replace("\t", " ")  # JSON may be indented with tabs, YAML may not; JSON's texts have none
            self.node = YAML(typ="safe", pure=True).compose(text)
        except OSError as error:
            raise UserError(f"{referrer or self.name}: {self.name}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise UserError(f"{self.name}:1: not UTF-8 ({error.reason}): save it as UTF-8") from None
        except (YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
            raise UserError(f"{self.name}:{mark.line + 1 if mark else 1}: neither YAML nor JSON: {problem}") from None
        if not isinstance(self.node, MappingNode):
            raise UserError(f"{self.name}:1: no v1 run configuration: it should be a mapping of keys and values")

    def where(self, node: Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"

    def pairs(self, node: Node) -> Iterator[tuple[ScalarNode, Node]]:
        seen = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise UserError(f"{self.where(key)}: a key should be a text")
            if key.value in seen:
                raise UserError(f"{self.where(key)}: {key.value} is there twice: take one out")
            seen.add(key.value)
            yield key, value

    def read(self, node: Node, shape: Any, keys: Keys) -> Any:
        if _null(node):
            return _default(shape)
        if shape is ANYTHING:
            return self._anything(node)
        if isinstance(shape, dict | Each):
            if not isinstance(node, MappingNode):
                raise UserError(f"{self.where(node)}: {keys[-1]} should be a mapping")
            return self._mapping(node, shape, keys)
        if isinstance(shape, list):
            if not isinstance(node, SequenceNode):
                raise UserError(f"{self.where(node)}: {keys[-1]} should be a list")
            return [self._text(item, keys[-1]) for item in node.value]
        text = self._text(node, keys[-1])
        kind = str(node.tag).rpartition(":")[2]
        if isinstance(shape, bool):
            if kind in ("int", "float"):
                return float(text.replace("_", "")) != 0
            return text.lower() == "true" if kind == "bool" else text != ""  # as Python's bool(): "false" is true
        if shape is WHOLE or isinstance(shape, int):
            try:
                return int(float(text)) if kind == "float" else int(text.replace("_", ""))
            except (ValueError, OverflowError):
                raise UserError(f"{self.where(node)}: {keys[-1]} {text!r} should be a whole number") from None
        return text

    def _mapping(self, node: MappingNode, shape: dict[str, Any] | Each, keys: Keys) -> dict[str, Any]:
        texts = isinstance(shape, dict) and not shape
        values: dict[str, Any] = _default(shape)
        loosely = {name.lower(): name for name in shape} if isinstance(shape, dict) else {}
        for key, value in self.pairs(node):
            name = str(key.value) if texts or isinstance(shape, Each) else camel(key.value)
            inner = "" if texts else shape.of if isinstance(shape, Each) else shape.get(name, node)
            if inner is node:
                if right := loosely.get(name.replace("_", "").lower()):
                    says = f"v1 does not know {key.value}, so it had no effect: did you mean {right}?"
                    self.notes.append(Note("decide", self.where(key), says))
                continue
            self.places[(*keys, name)] = self.where(key)
            values[name] = self.read(value, inner, (*keys, name))
        return values

    def _text(self, node: Node, name: str) -> str:
        if not isinstance(node, ScalarNode):
            raise UserError(f"{self.where(node)}: {name} should hold texts")
        return "" if _null(node) else str(node.value)

    def _anything(self, node: Node, depth: int = 0) -> Any:
        if depth > 50:
            raise UserError(f"{self.where(node)}: holds itself")
        if isinstance(node, MappingNode):
            return {str(key.value): self._anything(value, depth + 1) for key, value in node.value}
        if isinstance(node, SequenceNode):
            return [self._anything(item, depth + 1) for item in node.value]
        return None if _null(node) else str(node.value)
