"""`aml check`: validate the configuration, offline: above all what azure-ai-ml 1.35 accepts in silence.

First the SHAPES of the files, then rules across their parts. A finding is `file:line: what is wrong: how to mend it`.
"""

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aml import Refusal, find_root, shown, snapshot, workspace
from aml.document import Document
from aml.environment import NAMES_A_FILE, entries
from aml.job import DATA_TYPES, FIELDS, Job, nearest
from aml.job import load as load_job
from aml.names import RULES

Shape = Callable[[Any], str | None] | dict[str, Any]  # says what a bad value should be; a mapping holds for its fields


def anything(value: Any) -> str | None:
    return None


def free(fields: str) -> dict[str, Shape]:
    return dict.fromkeys(fields.split(), anything)


def named(rule: str) -> Shape:
    return lambda name: None if RULES[rule].accepts(name) else f"{RULES[rule].says}, such as {RULES[rule].example}"


def matching(pattern: str, says: str) -> Shape:
    return lambda value: None if value is not None and re.fullmatch(pattern, str(value)) else says


def one_of(*choices: str) -> Shape:
    return lambda value: None if value in choices else f"one of {', '.join(choices)}"


def at_least(low: int) -> Shape:
    return lambda value: None if type(value) is int and value >= low else f"a whole number from {low}"


def texts(value: Any) -> str | None:
    entries = value.items() if isinstance(value, dict) else ()
    bad = [f"{key} ({entry!r})" for key, entry in entries if not isinstance(entry, str)]
    return f"texts: put {', '.join(bad)} in quotes" if bad else None


ASSET = r"azureml:([^:@/]+(:[^:@/]+|@[^:@/]+)|/.+)"
COMMON: dict[str, Shape] = free("$schema description") | {"tags": texts}
INPUT: dict[str, Shape] = free("path value datastore path_on_compute") | {
    "type": one_of(*DATA_TYPES),
    "mode": matching("(?i)(ro_mount|download|direct|eval_mount|eval_download)", "ro_mount, download or direct"),
}
OUTPUT: dict[str, Shape] = free("path version") | {
    "type": one_of(*DATA_TYPES),
    "mode": matching("(?i)(rw_mount|mount|upload|direct)", "rw_mount, upload or direct"),
    "name": named("asset"),
}
ENVIRONMENT = COMMON | free(
    "name version image conda_file build os_type inference_config id datastore auto_delete_setting"
)
DISTRIBUTIONS: dict[str, dict[str, Shape]] = {
    "mpi": {"process_count_per_instance": at_least(1)},
    "pytorch": {"process_count_per_instance": at_least(1)},
    "tensorflow": {"worker_count": at_least(1), "parameter_server_count": at_least(0)},
    "ray": {
        **free("address head_node_additional_args worker_node_additional_args"),
        **dict.fromkeys(("port", "dashboard_port"), at_least(1)),
        "include_dashboard": matching("True|False", "true or false"),
    },
}
JOB: dict[str, Shape] = {
    **dict.fromkeys(FIELDS, anything),
    "tags": texts,
    "name": named("asset"),
    "experiment_name": named("experiment"),
    "properties": texts,
    "environment_variables": texts,
    "compute": matching(
        "local|azureml:(/.+|" + RULES["compute"].pattern + ")", f"local, or azureml: and {RULES['compute'].says}"
    ),
    "limits": {"timeout": at_least(1)},
    "queue_settings": {"job_tier": anything, "priority": one_of("low", "medium", "high")},
    "resources": {
        **free("docker_args instance_type locations properties"),
        "instance_count": at_least(1),
        "max_instance_count": at_least(1),
        "shm_size": matching(r"\d+[bkmgBKMG]", "a number and b, k, m or g"),
    },
}
COMPUTE = COMMON | {
    **free("location identity enable_node_public_ip network_settings resource_id"),
    **free("ssh_public_access_enabled ssh_settings"),
    "type": one_of("amlcompute"),
    "name": named("compute"),
    "size": matching(r"\w+", "a VM size, such as Standard_DS3_v2"),
    "tier": one_of("dedicated", "low_priority"),
    "min_instances": at_least(0),
    "max_instances": at_least(0),
    "idle_time_before_scale_down": at_least(0),
}
DATA = COMMON | {
    **free("path version id datastore auto_delete_setting"),
    "name": named("asset"),
    "type": one_of(*DATA_TYPES[:3]),
}

RETIRED = {
    "azureml-core": "is SDK v1, out of support since 2026-06-30: take it out",
    "azureml-sdk": "is SDK v1, out of support since 2026-06-30: take it out",
    "azureml-defaults": "brings SDK v1 and a web server: azureml-mlflow is enough to train",
}
# What an image or a package is for, by its name: +cu124, jax[cuda12], cudatoolkit=11.8; or CPUs only.
CUDA = re.compile(
    r"(?<![a-z0-9])cu(?:da(?:[a-z-]*[\s=]+|[:-])?)?(1\d)|\+cpu\b|/whl/cpu\b|\bcpuonly\b|\b(?:pytorch|tensorflow)-cpu\b"
)
# Releases on PyPI and the CUDA that they, or tensorflow[and-cuda], require (as nvidia-cuda-runtime-cuNN, cuda-toolkit).
# tensorflow alone takes the image's. torch brings its own: what is older than the image's runs, so it is not listed.
PINS = ((r"torch==2\.1[1-5]\b", 13), (r"tensorflow==2\.14\b", 11), (r"tensorflow==2\.(1[5-9]|2[01])\b", 12))
BASE_IMAGE = re.compile(r"mcr\.microsoft\.com/azureml/(base:)?(open|intel)mpi")  # to be had with and without CUDA
NVIDIA = re.compile(r"standard_n[cdv](?!.*(as_v4|v710|mi300x))")  # the excepted ones have GPUs of AMD
TOO_LARGE = 100 * 2**20  # bytes; azure-ai-ml warns above it
SECRET_NAMES = re.compile(
    r"\.env(\..+)?|.+\.(pem|pfx|p12|key)|id_(rsa|dsa|ecdsa|ed25519)|\.(netrc|pypirc|git-credentials)"
)
SECRETS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|(Account|SharedAccess)Key=[A-Za-z0-9+/]{20}|[?&]sig=[A-Za-z0-9%]{20}"
    rb"|(?i:client_secret|password|api_key)[\"']?\s*[:=]\s*[\"'][^\"'\s{}$]{8,}[\"']"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--run-configuration-name", dest="name", metavar="NAME",
                        help="only this runconfig, a name in aml_config/ or a path, and what it refers to")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    root = find_root()
    findings = sorted(set(check(root, args.name)), key=_place)
    print("\n".join([*findings, f"{args.name or 'aml_config/'}: {len(findings) or 'nothing'} to mend"]))
    return 1 if findings else 0


def _place(finding: str) -> tuple[str, int, str]:
    file, line = re.match(r"(.*?)(?::(\d+))?: ", finding).groups()  # type: ignore[union-attr]
    return file, int(line or 0), finding


def check(root: Path, name: str | None = None) -> Iterator[str]:
    """All findings on one runconfig and what it refers to, or on everything in aml_config/."""
    if name:
        job = load_job(name, root)
        yield from of_job(job)
        yield from _hardware(job, root)
        return
    jobs = {}
    for path in sorted((root / "aml_config").glob("*.y*ml")):
        try:
            document = Document(path)
            data = document.data
            if "command" in data or data.get("type") == "command":
                job = jobs[path.stem] = Job(document)
                yield from of_job(job)
                yield from _hardware(job, root)
            elif "dependencies" in data:
                yield from _conda(document)
            elif "size" in data or "compute" in str(data.get("type")):
                yield from _compute(document)
            elif "path" in data or data.get("type") in DATA_TYPES:
                yield from _data(document)
            else:
                yield from _environment(document, data)
        except Refusal as refusal:
            yield str(refusal)
    if {"train-local", "train-amlcompute"} <= jobs.keys():
        yield from _differences(jobs["train-local"], jobs["train-amlcompute"])
    try:
        for setting, value, state, why in workspace.confirm(root)[1:]:
            if state == "not confirmed":
                file = shown(workspace.settings_file(root))
                yield f"{file}: {setting} {value!r} {why}: mend it with aml workspace attach"
    except Refusal as refusal:
        yield str(refusal)


def _shape(document: Document, data: dict[str, Any], shape: dict[str, Any], *keys: str) -> Iterator[str]:
    for field, value in data.items():
        where = document.where(*keys, field)
        if field not in shape:
            yield f"{where}: unknown field {field}{nearest(str(field), shape)}"
        elif value is None:
            yield f"{where}: {field} has no value: give it one, or take it out"
        elif not isinstance(shape[field], dict):
            if says := shape[field](value):
                what = f"{field} {value}".strip() if isinstance(value, str | int) else field
                yield f"{where}: {what}: should be {says}"
        elif isinstance(value, dict):
            yield from _shape(document, value, shape[field], *keys, field)


def of_job(job: Job) -> Iterator[str]:
    """The findings on one runconfig; aml submit asks for them before it sends anything."""
    document = job.document
    yield from _shape(document, job.data, JOB)
    yield from _references(job)
    if "compute" not in job.data and "instance_type" not in job.section("resources"):
        yield f"{job.where()}: no compute: write compute: local, or compute: azureml:NAME"
    if fields := DISTRIBUTIONS.get(str(job.at("distribution", "type")).lower()):
        yield from _shape(document, job.section("distribution"), fields | free("type"), "distribution")
    elif job.data.get("distribution") is not None:
        says = f"should be a mapping with a type: {', '.join(DISTRIBUTIONS)}"
        yield f"{job.where('distribution', 'type')}: distribution: {says}"
    where, nodes = job.where("resources", "instance_count"), job.at("resources", "instance_count")
    if type(nodes) is int and nodes > 1 and "distribution" not in job.data:
        mend = "add a distribution, such as {type: pytorch}"
        yield f"{where}: {nodes} nodes would each train on their own: {mend}"
    for kind, shape in (("inputs", INPUT), ("outputs", OUTPUT)):
        for name, value in job.section(kind).items():
            if isinstance(value, dict):
                yield from _shape(document, value, shape, kind, name)
            if kind == "inputs" and (value is None or isinstance(value, list)):
                yield f"{job.where(kind, name)}: input {name} has no value: give it one, or a type and a path"
            elif kind == "inputs" and job.data_input(name):
                yield from _path(document, value, kind, name)
            elif isinstance(value, dict) and "version" in value and "name" not in value:
                yield f"{job.where(kind, name, 'version')}: a version needs a name"
    for name, service in job.section("services").items():
        if not isinstance(service, dict):
            yield f"{job.where('services', name)}: service {name}: should be a mapping with a type"
        elif service.get("type") == "ssh" and not service.get("ssh_public_keys"):
            yield f"{job.where('services', name)}: an ssh service needs ssh_public_keys"
    environment = job.data.get("environment")
    if isinstance(environment, dict):
        yield from _environment(document, environment, "environment")
    elif not re.fullmatch(ASSET, str(environment)):
        says = "azureml:NAME:VERSION, azureml:NAME@latest, or a mapping with image and conda_file"
        yield f"{job.where('environment')}: environment {environment}: should be {says}"
    try:
        if job.code:
            yield from _snapshot(job.code)
    except Refusal as refusal:
        yield str(refusal)


def _references(job: Job) -> Iterator[str]:
    used = set()
    for keys, text in job.texts():
        if problem := job.undefined(text):
            yield f"{job.where(*keys)}: {problem}"
        for match in re.finditer(r"(?<![{$])\$?\{\s*((?:inputs|outputs)\.[\w.-]+)\s*\}(?!\})", text):
            yield f"{job.where(*keys)}: {match[0]} is not filled in: write {'$' + '{' * 2}{match[1]}{'}' * 2}"
        used |= {(match["kind"], match["name"]) for match in job.references(text)}
    code = job.local_path("code") if "code" in job.data else None
    for script in re.findall(r"\bpython3? ([\w./-]+\.py)\b", str(job.data["command"])):
        if code and code.is_dir() and not (code / script).is_file():
            yield f"{job.where('command')}: {script} is not in {shown(code)}: mend the command"
    for module in re.findall(r"\bpython3? -m ([\w.]+)", str(job.data["command"])):
        if code and not _is_module(code, module):
            package = code / module.split(".")[0] / "__init__.py"
            if package.is_file() or _is_module(code.parent, module):  # else it is of an installed package
                yield f"{job.where('command')}: module {module} is not in {shown(code)}: mend the command, or code"
    for kind in ("inputs", "outputs"):
        for name in job.section(kind):
            if (kind, name) not in used:
                yield f"{job.where(kind, name)}: {kind[:-1]} {name} is not used in the command: use it or take it out"


def _is_module(folder: Path, module: str) -> bool:
    path = folder.joinpath(*module.split("."))
    return path.with_name(f"{path.name}.py").is_file() or (path / "__main__.py").is_file()


def _path(document: Document, entry: dict[str, Any], *keys: str) -> Iterator[str]:
    """Whether the path of an input or of a data asset leads somewhere, as far as this machine can know."""
    path, kind, where = str(entry.get("path") or ""), entry.get("type", "uri_folder"), document.where(*keys, "path")
    local = (document.path.parent / path.removeprefix("file:")).resolve()
    if not path:
        yield f"{where}: no path"
    elif path.startswith("azureml:"):
        if not re.fullmatch(ASSET, path):
            yield f"{where}: {path} has no version: write {path}:1 or {path}@latest"
    elif re.match(r"(https?|wasbs?|abfss?):", path):
        return
    elif re.match(r"[a-z][a-z0-9]+://", path) and not path.startswith("file:"):
        yield f"{where}: {path}: Azure ML does not read such addresses: copy the data to a datastore"
    elif not local.exists():
        yield f"{where}: {path} does not exist: mend the path (it is relative to the file)"
    elif kind in ("uri_file", "uri_folder") and local.is_dir() != (kind == "uri_folder"):
        yield f"{where}: {path} is a {'folder' if local.is_dir() else 'file'}, but the type is {kind}: mend one of them"


def _environment(document: Document, data: dict[str, Any], *keys: str) -> Iterator[str]:
    yield from _shape(document, data, ENVIRONMENT, *keys)
    if ("image" in data) == ("build" in data):
        yield f"{document.where(*keys)}: an environment needs either an image or a build"
    if isinstance(data.get("conda_file"), str):
        path = document.path.parent / data["conda_file"]
        if path.is_file():
            yield from _conda(Document(path))
        else:
            where = document.where(*keys, "conda_file")
            yield f"{where}: conda_file {data['conda_file']} does not exist: mend the path"


def _conda(document: Document) -> Iterator[str]:
    packages: dict[str, tuple[str, str]] = {}  # name: the whole entry, and where it stands
    for keys, text in entries(document.data, document.name):
        where = document.where(*keys)
        packages[re.sub(r".*::|[^\w.-].*", "", text).lower()] = text, where
        if "pip" in keys and NAMES_A_FILE.match(text):
            yield f"{where}: '{text}' names a file, which Azure ML does not get to see: list the packages"
    for name, why in RETIRED.items():
        if name in packages:
            yield f"{packages[name][1]}: {name} {why}"
    if "python" not in packages:
        yield f"{document.where('dependencies')}: no python: add python=3.11, or the image's own decides"
    text, where = packages.get("mlflow") or packages.get("mlflow-skinny") or ("", "")
    if text and "azureml-mlflow" not in packages:
        yield f"{where}: MLflow alone does not reach the workspace: add azureml-mlflow"
    elif re.search(r"==?\s*(3\.(1[6-9]|[2-9]\d)|[4-9]\.)", text):  # azureml-mlflow 1.62.0.post6: mlflow-skinny<=3.15.0
        yield f"{where}: {text}: azureml-mlflow needs MLflow 3.15.0 or older"


def _hardware(job: Job, root: Path) -> Iterator[str]:
    """Whether cluster, image and packages go together. submit does not ask: the cluster may have changed since."""
    compute, nodes = str(job.data.get("compute")), job.at("resources", "instance_count")
    image, where = str(job.at("environment", "image")), job.where("environment", "image")
    found, base, short = CUDA.search(image.lower()), BASE_IMAGE.match(image), image.rpartition("/")[2]
    cuda = int(found[1] or 0) if found else 0 if base else None  # 0: none; None: not known
    files = sorted((root / "aml_config").glob("*.y*ml")) if compute.startswith("azureml:") else []
    for cluster in (Document(path) for path in files if b"\nsize:" in b"\n" + path.read_bytes()):
        if compute != f"azureml:{cluster.data.get('name')}":
            continue
        most, size = cluster.data.get("max_instances", 4), str(cluster.data.get("size"))
        if type(nodes) is int and type(most) is int and nodes > most:
            limit = f"{cluster.where('max_instances')} allows {most}"
            yield f"{job.where('resources', 'instance_count')}: {nodes} nodes, but {limit}: mend one of them"
        gpu = NVIDIA.match(size.lower())
        if base and not (size.lower().startswith("standard_n") if cuda else not gpu):
            node = f"{size} ({cluster.where('size')}) has {'a' if gpu else 'no'} GPU"
            yield f"{where}: image {short} has {'' if cuda else 'no '}CUDA, but {node}: take another image or size"
    conda = job.at("environment", "conda_file")
    if cuda is None or not isinstance(conda, str) or not (job.folder / conda).is_file():
        return
    document = Document(job.folder / conda)
    lines = list(entries(document.data, document.name))
    named = [(keys, text, int(match[1] or 0)) for keys, text in lines if (match := CUDA.search(text.lower()))]
    pip = [(keys, text) for keys, text in lines if cuda and "pip" in keys]
    pinned = [(*line, needs) for line in pip for pin, needs in PINS if re.match(pin, line[1].replace(" ", ""))]
    for keys, text, needs in named or pinned:
        if needs != cuda:
            what, has = (f"CUDA {version}" if version else "CPUs" for version in (needs, cuda))
            yield f"{document.where(*keys)}: {text} is for {what}, image {short} for {has}: take another build or image"


def _compute(document: Document) -> Iterator[str]:
    yield from _shape(document, {"name": "", "type": "", "size": "", **document.data}, COMPUTE)
    low, high = document.data.get("min_instances", 0), document.data.get("max_instances", 4)
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield f"{document.where('min_instances')}: min_instances {low} is more than max_instances {high}"


def _data(document: Document) -> Iterator[str]:
    yield from _shape(document, {"name": "", **document.data}, DATA)
    yield from _path(document, document.data)


def _snapshot(code: Path) -> Iterator[str]:
    """What should not travel: secrets, and more than TOO_LARGE bytes."""
    rules = shown(snapshot.ignore_file(code) or code / ".amlignore")
    sizes: Counter[str] = Counter()
    for file in snapshot.files(code):
        path = code / file
        size = path.stat().st_size
        sizes[file.parts[0]] += size
        if SECRET_NAMES.fullmatch(file.name):
            yield f"{shown(path)}: a secret would travel with the code: name it in {rules}"
        elif size < 2**20:
            content = path.read_bytes()
            if found := SECRETS.search(content):
                line = content.count(b"\n", 0, found.start()) + 1
                yield f"{shown(path)}:{line}: looks like a secret, and would travel with the code: take it out"
    if sizes.total() > TOO_LARGE:
        part, size = sizes.most_common(1)[0]
        travels = f"{sizes.total() / 2**20:.0f} MB would travel with the code, {size / 2**20:.0f} of them {part}"
        yield f"{shown(code)}: {travels}: name in {rules} what no job needs"


def _differences(here: Job, there: Job) -> Iterator[str]:
    """Where the runconfig of the cluster differs from that of this machine beyond inputs, compute and its nodes."""
    for key in sorted({*here.data, *there.data} - {"$schema", "compute", "inputs", "resources", "distribution"}):
        if here.data.get(key) != there.data.get(key):
            yield f"{there.where(key)}: {key} differs from {here.where(key)}: what trains here should train there"
    for has, lacks in ((here, there), (there, here)):
        for name in has.section("inputs").keys() - lacks.section("inputs").keys():
            yield f"{has.where('inputs', name)}: input {name} is not in {lacks.document.name}"
