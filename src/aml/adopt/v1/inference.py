"""v1's inference: its score.py, inferenceConfig and deployment configurations as a managed online endpoint.

What a field of v1 means stands in the reference of its command line, `az ml model deploy --ic --dc`
(learn.microsoft.com/azure/machine-learning/v1/reference-azure-machine-learning-cli), with the defaults of azureml-core
1.61 (azureml/core/webservice/aci.py, aks.py, local.py).
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import libcst as cst
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aml.adopt import Note
from aml.adopt.packages import retired
from aml.adopt.packages.package_files import read as read_packages
from aml.adopt.private import hide
from aml.adopt.python.closure import UNREADABLE, imports_of, parse, read_code
from aml.adopt.python.edits import add_import, imports_end, insert, space
from aml.adopt.python.syntax import UNPARSED, Tree
from aml.adopt.tree import by_end, shown, text_of
from aml.jobfile.imports import PACKAGE_OF

INFERENCE = re.compile(r"(?i)inference[-_]?config.*\.(ya?ml|json)$")
DEPLOYMENT = re.compile(r"(?i)deploy(ment)?[-_]?config.*\.(ya?ml|json)$")
CONDA = re.compile(r"(?i)(inference|scor)[^/]*(conda|env)[^/]*\.ya?ml$")
SERVER = "azureml-inference-server-http==1.5.1"
CONTRIB, SERVER_API = "azureml.contrib.services", "azureml_inference_server_http.api"
# Sizes of which each has twice the cores and the memory (GB) of the one before:
# learn.microsoft.com/azure/virtual-machines/dv2-dsv2-series
SIZES = {"Standard_DS2_v2": (2, 7), "Standard_DS3_v2": (4, 14), "Standard_DS4_v2": (8, 28), "Standard_DS5_v2": (16, 56)}
LONGEST = 180_000  # ms of a request, of a managed endpoint
MODEL_PATH = '''

def model_path():
    """The registered model: its file, or its folder where it has more than one."""
    path = os.environ["AZUREML_MODEL_DIR"]
    while os.path.isdir(path) and len(os.listdir(path)) == 1:
        path = os.path.join(path, os.listdir(path)[0])
    return path
'''
# What v1 has and v2 has no form of, each with what to do.
NO_FORM = {
    "sslEnabled": "a managed endpoint always has TLS",
    **dict.fromkeys(("sslCertPemFile", "sslKeyPemFile"), "a managed endpoint has its own certificate"),
    "cname": "a managed endpoint has its own address: put a gateway before it to keep the old one",
    "dnsNameLabel": "a managed endpoint has its own address: its callers need the new one",
    **dict.fromkeys(("primaryKey", "secondaryKey"), "a managed endpoint has new keys: its callers need them"),
    "namespace": "a managed endpoint has no Kubernetes namespace",
    "gpuCores": "choose an instance_type with a GPU",
    "location": "a managed endpoint is in the region of its workspace",
}
# What the environment of an inferenceConfig may have, which deployment.yml has no key for.
BY_HAND = {
    "extraDockerfileSteps": "build an image with them, and name it in deployment.yml",
    "enableGpu": "choose an instance_type and an image with CUDA",
}
PROBE = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold", "successThreshold")


@dataclass
class Inference:
    """What the repository gets for serving."""

    score: str  # the text of src/score.py
    conda: list[str]  # requirements of score-conda.yml
    endpoint: dict[str, Any] = field(default_factory=dict)  # what to set in endpoint.yml
    deployment: dict[str, Any] = field(default_factory=dict)  # and in deployment.yml
    notes: list[Note] = field(default_factory=list)


class _Project(NamedTuple):
    """Where v1's files are looked for."""

    root: Path
    folder: Path
    files: list[str]

    def matching(self, pattern: re.Pattern[str]) -> list[Path]:
        """The project's files whose names match."""
        near = [self.root / name for name in self.files if (self.root / name).is_relative_to(self.folder)]
        return [path for path in near if pattern.search(path.name)]

    def by_end(self, name: Any) -> list[Path]:
        return by_end(self.root, self.folder, str(name).replace("\\", "/"), self.files) if name else []

    def where(self, path: Path) -> str:
        return shown(self.root, path)


def convert(root: Path, project: Path, files: Sequence[str], pins: Iterable[str]) -> Inference | None:
    """v1's inference in the `files` of a project; None when it has none.

    `pins`: the requirements of training, whose versions serve what they pickled.
    """
    source = _Project(root, project, list(files))
    configs, deployments = source.matching(INFERENCE), source.matching(DEPLOYMENT)
    config = _mapping(configs[0]) if configs else {}
    script = _script(source, config)
    if script is None or not (configs or deployments or _is_scoring(script)):
        return None
    notes = [Note("taken", source.where(script), "the scoring code, in src/score.py")]
    versions = {str(canonicalize_name(Requirement(pin).name)): pin for pin in pins}
    score = _score(script, source.where(script), versions, notes)
    found = Inference(score, _packages(source, config, score, versions, notes), notes=notes)
    if configs:
        _take_config(config, source.where(configs[0]), found)
    chosen = sorted(deployments, key=lambda path: {"aks": 0, "aci": 1}.get(_kind(_mapping(path)), 2))
    for path in chosen[1:]:
        text = f"left out beside {source.where(chosen[0])}: a managed endpoint takes the place of both"
        notes.append(Note("decide", source.where(path), text))
    if chosen:
        _take_deployment(_mapping(chosen[0]), source.where(chosen[0]), found)
    return found


def write(found: Inference, made: Path, python: str) -> None:
    """Put it in the place of the template's example in a generated repository, whose model `python` trains."""
    from ruamel.yaml import YAML

    (made / "src" / "score.py").write_text(found.score, encoding="utf-8", newline="\n")
    for example in ("tests/test_score.py", "sample-data/request.json"):
        (made / example).unlink()
    loader = YAML()
    loader.width = 4096
    loader.indent(mapping=2, sequence=4, offset=2)
    for name, values in (("endpoint.yml", found.endpoint), ("deployment.yml", found.deployment)):
        path = made / "aml_config" / name
        content = loader.load(path.read_text(encoding="utf-8"))
        for key, value in values.items():
            if isinstance(value, dict) and isinstance(content.get(key), dict):
                content[key].update(value)
            else:
                content[key] = value
        with path.open("w", encoding="utf-8", newline="\n") as file:
            loader.dump(content, file)
    conda = made / "aml_config" / "score-conda.yml"
    head, _, _ = conda.read_text(encoding="utf-8").partition("  - pip:\n")
    head = re.sub(r"- python=.*", f"- python={python}", head)
    lines = "".join(f"      - {line}\n" for line in [SERVER, *found.conda])
    conda.write_text(f"{head}  - pip:\n{lines}", encoding="utf-8", newline="\n")


def _mapping(path: Path) -> dict[str, Any]:
    """A YAML or JSON file's mapping; empty when it has none."""
    try:
        content = yaml.safe_load(text_of(path))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _section(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _kind(config: dict[str, Any]) -> str:
    return str(config.get("computeType", "")).lower()


def _script(source: _Project, config: dict[str, Any]) -> Path | None:
    """The entry script that the configuration names, seen from its source directory; else score.py."""
    name = config.get("entryScript")
    if not isinstance(name, str):
        return next(iter(source.matching(re.compile(r"^score\.py$"))), None)
    folders = [source.folder / str(config.get("sourceDirectory") or "."), source.folder, source.root]
    places = [one.resolve() for folder in folders if (one := folder / name).is_file()]
    return next(iter([*places, *source.by_end(name)]), None)


def _is_scoring(path: Path) -> bool:
    """Whether a script has the functions that a server of models calls."""
    try:
        tree = parse(read_code(path))
    except UNREADABLE:
        return False
    return {"init", "run"} <= {getattr(statement, "name", "") for statement in tree.body}


def _score(script: Path, name: str, versions: dict[str, str], notes: list[Note]) -> str:
    """The text of the scoring code in v2's terms."""
    known = {package: pin.partition("==")[2] for package, pin in versions.items()}
    renewed = retired.rewrite(read_code(script), name, known)
    notes += renewed.notes
    try:
        tree = Tree(renewed.text)
    except UNPARSED:
        notes.append(Note("decide", name, "is not Python 3: bring it there, and adopt again"))
        return renewed.text
    rewrite = _Score(tree)
    module = tree.module.visit(rewrite)
    if rewrite.paths:
        module = insert(module, imports_end(module), MODEL_PATH)
        module = space(add_import(module, "import os"), imports_end(module) + 2)
        notes.append(Note("changed", name, "Model.get_model_path -> model_path(), which looks below AZUREML_MODEL_DIR"))
    if rewrite.server:
        notes.append(Note("changed", name, f"{CONTRIB} -> {SERVER_API}, of the inference server"))
    notes += [Note("decide", name, f"{used} is retired: take it out") for used in sorted(rewrite.left)]
    if rewrite.swallows:
        fix = "raise it, or return AMLResponse(text, 400) for a bad request"
        notes.append(Note("decide", name, f"run() answers an exception with status 200: {fix}"))
    return module.code


class _Score(cst.CSTTransformer):
    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self.tree = tree
        self.paths = self.server = self.swallows = False
        self.left: set[str] = set()

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        name = self.tree.qualified(original_node.func)
        if name.startswith("azureml.core.") and name.endswith("Model.get_model_path"):
            self.paths = True
            return cst.parse_expression("model_path()")
        if name.startswith("azureml.core."):
            self.left.add(name)
        return updated_node

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> Any:
        module = cst.helpers.get_full_name_for_node(original_node.module) if original_node.module else ""
        if module and module.startswith("azureml.core"):
            return cst.RemoveFromParent()
        if module and module.startswith(CONTRIB):
            self.server = True
            new = cst.parse_expression(module.replace(CONTRIB, SERVER_API))
            assert isinstance(new, cst.Attribute)
            return updated_node.with_changes(module=new)
        return updated_node

    def visit_ExceptHandler(self, node: cst.ExceptHandler) -> None:
        text = cst.Module([one for one in node.body.body if isinstance(one, cst.SimpleStatementLine)]).code
        self.swallows = self.swallows or ("return" in text and "AMLResponse" not in text)


def _packages(
    source: _Project, config: dict[str, Any], text: str, versions: dict[str, str], notes: list[Note]
) -> list[str]:
    """The requirements of serving: those of v1's conda file and of the imports, in the versions of training."""
    python = _section(_section(config, "environment"), "python")
    places = source.by_end(config.get("condaFile") or python.get("condaDependenciesFile"))
    places += [source.root / name for name in source.files if CONDA.search(name)]
    declared = read_packages(places[0], source.root) if places else None
    wanted: dict[str, str] = {}
    if declared:
        where = declared.where or source.where(places[0])
        notes.append(Note("taken", where, "packages of serving, in score-conda.yml"))
    for entry in declared.entries if declared else ():
        name = canonicalize_name(entry.requirement.name)
        if name.startswith("azureml-"):
            continue
        wanted[name] = versions.get(name, str(entry.requirement))
        if name not in versions:
            says = f"{entry.requirement}: training has no version of it to follow"
            notes.append(Note("decide", entry.where, says))
    try:
        tops = [one.module.split(".")[0] for one in imports_of(parse(text))]
    except UNREADABLE:
        tops = []  # _score says so
    names = [canonicalize_name((PACKAGE_OF.get(top) or top).split()[0]) for top in tops]
    pickled = ["scikit-learn", "joblib"] if "joblib" in text or "pickle" in text else []
    return [*(wanted | {name: versions[name] for name in [*names, *pickled] if name in versions}).values()]


def _take_config(config: dict[str, Any], where: str, found: Inference) -> None:
    """What the inferenceConfig says beside script and packages."""
    environment = _section(config, "environment")
    if variables := _section(environment, "environmentVariables"):
        found.deployment["environment_variables"] = {str(key): str(value) for key, value in variables.items()}
        found.notes.append(Note("taken", where, f"environment variables: {hide(', '.join(map(str, variables)))}"))
    if image := config.get("baseImage") or _section(environment, "docker").get("baseImage"):
        text = f"image {image}: deployment.yml has the template's; name yours there if the code needs what is in it"
        found.notes.append(Note("decide", where, text))
    found.notes += [Note("decide", where, f"{key}: {what}") for key, what in BY_HAND.items() if config.get(key)]


def _take_deployment(config: dict[str, Any], where: str, found: Inference) -> None:
    """What a deployment configuration of ACI, AKS or this machine says."""
    notes, deployment = found.notes, found.deployment
    needs, scaling = _section(config, "containerResourceRequirements"), _section(config, "autoScaler")
    cores, memory = _number(needs.get("cpu")), _number(needs.get("memoryInGB"))
    size = next((name for name, (cpu, ram) in SIZES.items() if cpu >= cores and ram >= memory), [*SIZES][-1])
    deployment["instance_type"] = size
    if needs:
        notes.append(Note("taken", where, f"{cores:g} cores and {memory:g} GB: instance_type {size}"))
    count = config.get("numReplicas")
    if scaling and scaling.get("autoscaleEnabled", True):
        count = count or scaling.get("minReplicas", 1)
        text = f"autoScaler: {count} to {scaling.get('maxReplicas', 10)} instances need a rule of Azure Monitor"
        notes.append(Note("decide", where, f"{text}: az monitor autoscale"))
    if count:
        deployment["instance_count"] = max(1, math.ceil(_number(count)))
    _take_authentication(config, where, found)
    if "appInsightsEnabled" in config:
        deployment["app_insights_enabled"] = bool(config["appInsightsEnabled"])
    waits = _number(config.get("scoringTimeoutMs") or 60_000) + _number(config.get("maxQueueWaitMs"))
    deployment["request_settings"] = {"request_timeout_ms": int(min(waits, LONGEST))}
    if waits > LONGEST:
        notes.append(Note("decide", where, f"a request may take {LONGEST} ms at most, not {waits:g}"))
    if parallel := int(_number(config.get("maxConcurrentRequestsPerContainer"))):
        deployment["request_settings"]["max_concurrent_requests_per_instance"] = parallel
        deployment.setdefault("environment_variables", {})["WORKER_COUNT"] = str(parallel)
    if probe := _section(config, "livenessProbeRequirements"):
        names = {key: re.sub(r"(?=[A-Z])", "_", key.removesuffix("Seconds")).lower() for key in PROBE if key in probe}
        deployment["liveness_probe"] = {name: int(_number(probe[key])) for key, name in names.items()}
        notes.append(Note("taken", where, "livenessProbeRequirements: liveness_probe"))
    if _section(config, "dataCollection").get("storageEnabled"):
        text = "dataCollection: needs azureml-ai-monitoring in score.py, and data_collector"
        notes.append(Note("decide", where, text))
    for key, what in NO_FORM.items():
        if config.get(key):
            notes.append(Note("decide", where, f"{key} has no form in v2: {what}"))


def _take_authentication(config: dict[str, Any], where: str, found: Inference) -> None:
    if config.get("tokenAuthEnabled"):
        found.endpoint["auth_mode"] = "aml_token"
    elif config.get("authEnabled", _kind(config) == "aks"):  # the defaults of aks.py and aci.py
        found.endpoint["auth_mode"] = "key"
    else:
        text = "v1 let everybody call it; an endpoint of v2 asks for a key (auth_mode: key): its callers need it"
        found.notes.append(Note("decide", where, text))


def _number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0
