"""The environment of a v1 run configuration: its image, its packages and what it hands to docker."""

import re
from typing import Any

from aml.adopt.v1.runconfig.converted import Work
from aml.adopt.v1.runconfig.data import Volume

CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04"
GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi5.0-cuda12.8-ubuntu24.04"
SUPPORTED = re.compile(  # Azure/AzureML-Containers, README of 2026-03-16
    r"mcr\.microsoft\.com/azureml/(openmpi4\.1\.0-ubuntu22\.04|openmpi5\.0-(cuda12\.[45]-ubuntu22\.04|ubuntu24\.04"
    r"|cuda(12\.[68]|13\.1)-ubuntu24\.04)|curated/.+)(:.+)?"
)
MICROSOFT = re.compile(
    r"(mcr\.microsoft\.com/(azureml|mmlspark)/|microsoft/(mmlspark|cntk|azureml)|azureml/(base|openmpi|intelmpi))"
)
MOUNT = re.compile(r"(?P<host>[A-Za-z]:[\\/][^:]*|[^:]+):(?P<container>/[^:]*)(:(?P<options>[\w,]+))?")

SECTIONS = (("environment", "docker"), ("docker",))
VALUED = ("-v", "--volume", "-e", "--env", "--mount", "--shm-size")


def bare_image(work: Work) -> bool:
    """Whether the image's own Python runs the code: the owner keeps its packages, and it is the owner's image."""
    docker = work.v1.at("environment", "docker")
    own = (docker["baseImage"] and not MICROSOFT.match(docker["baseImage"])) or docker["baseDockerfile"]
    return bool(work.v1.at("environment", "python", "userManagedDependencies") and own and not work.v1.local)


def environment(work: Work, default: str) -> dict[str, Any] | str:
    """The job's environment; `default`: the image where v1 names none."""
    v1 = work.v1
    _packages(work)
    name, version, docker = (v1.at("environment", key) for key in ("name", "version", "docker"))
    if v1.registered and not v1.local and not name.lower().startswith("azureml-"):
        text = f"environment {name} needs mlflow-skinny and azureml-mlflow: add a version with them"
        work.note("decide", "environment.name", text)
        return f"azureml:{name}" + (f":{version}" if version else "@latest")
    if v1.registered:
        text = f"environment {name} is known to a workspace only: image and train-conda.yml take its place"
        work.decide("environment", "environment.name", f"{text}, so compare their packages with it")
    image = _image(work, default)
    if not bare_image(work):
        return {"image": image, "conda_file": "train-conda.yml"}
    kind = "build" if docker["baseDockerfile"] else "image"
    text = "the image has the packages (userManagedDependencies): add mlflow-skinny and azureml-mlflow to it"
    work.decide(f"environment.{kind}", "environment.python.userManagedDependencies", text)
    if kind == "image":
        return {"image": image}
    work.result.files["docker/Dockerfile"] = _dockerfile(work, docker["baseDockerfile"])
    return {"build": {"path": "docker"}}


def _packages(work: Work) -> None:
    python = work.v1.at("environment", "python")
    if file := python["condaDependenciesFile"]:
        path = (work.v1.project / file.replace("\\", "/")).resolve()
        work.result.conda = path if path.is_file() else None
        if not path.is_file():
            text = f"{file} does not exist: compare train-conda.yml with what it had"
            work.note("decide", "environment.python.condaDependenciesFile", text)
    elif isinstance(python["condaDependencies"], dict):
        work.result.conda = python["condaDependencies"]


def _dockerfile(work: Work, given: str) -> str:
    """The text of a Dockerfile, which v1 takes as a path, too."""
    path = work.v1.project / given
    try:
        return path.read_text(encoding="utf-8") if "\n" not in given and path.is_file() else given
    except (OSError, ValueError):
        return given


def _image(work: Work, default: str) -> str:
    docker = work.v1.at("environment", "docker")
    given, registry = docker["baseImage"] or "", docker["baseImageRegistry"]
    address = (registry["address"] or "").removeprefix("https://").rstrip("/")
    image = f"{address}/{given}" if address and given and not given.startswith(f"{address}/") else given
    # An image says more than gpuSupport, which early releases wrote into runconfigs of CPU images as well.
    gpu = bool(re.search(r"cuda|gpu", image.lower())) if image else bool(docker["gpuSupport"])
    kind = GPU_IMAGE if gpu else CPU_IMAGE
    replacement = default if ("cuda" in default) == gpu or not (given or gpu) else kind
    if docker["baseDockerfile"] and not bare_image(work):
        text = "v1 built on a Dockerfile, but v2 puts a conda file on an image only: push what it builds and name it"
        work.decide("environment.image", "environment.docker.baseDockerfile", text)
    if docker["buildContext"]["location"]:
        text = "v1 built the image from a context: push what it builds and name it here"
        work.decide("environment.image", "environment.docker.buildContext", text)
    if MICROSOFT.match(image) and not SUPPORTED.fullmatch(image):
        text = f"image {given} is out of support, replaced by {replacement}"
        work.note("changed", "environment.docker.baseImage", text)
        return replacement
    if given and (registry["username"] or registry["password"]):
        text = f"{address or image} asks for a login, which was not copied: give the workspace a connection to it"
        work.decide("environment.image", "environment.docker.baseImageRegistry", text)
    return image or replacement


def docker(work: Work) -> list[Volume]:
    """Sort docker's arguments: variables, shared memory, and the rest; returns the data that they bind."""
    volumes: list[Volume] = []
    words: list[str] = []
    others: list[str] = []
    for argument in (one for keys in SECTIONS for one in work.v1.at(*keys, "arguments")):
        flag = re.match(r"(-[ve]|--(?:volume|env|mount|shm-size))[\s=]+(?=\S)", argument)  # both in one text
        words += [flag[1], argument[flag.end() :]] if flag else [argument]
    sizes = [work.v1.at(*keys, "shmSize") for keys in reversed(SECTIONS)]
    of = (*next((keys for keys in SECTIONS if work.v1.at(*keys, "arguments")), ()), "arguments")
    where = work.v1.where(*of)
    rest = iter(words)
    for word in rest:
        value = next(rest, "") if word in VALUED else ""
        if volume := _volume(word, value, where):
            volumes.append(volume)
        elif word in ("-e", "--env") and "=" in value:
            name, _, text = value.partition("=")
            work.variable(name, text, of)
        elif word == "--shm-size":
            sizes.insert(0, value)
        elif word:
            others += [word, value] if value else [word]
    size = next((size for size in sizes if size and size.lower() != "2g"), None)  # v2's default is 2g too
    if size and re.fullmatch(r"\d+[bkmgBKMG]", size):
        work.resources["shm_size"] = size
    if others:
        work.resources["docker_args"] = others
    return volumes


def _volume(word: str, value: str, where: str) -> Volume | None:
    """What `-v HOST:/data:ro` or `--mount source=HOST,target=/data,readonly` binds."""
    if word in ("-v", "--volume") and (found := MOUNT.fullmatch(value)):
        return Volume(found["host"], found["container"], found["options"] or "", where)
    parts = dict(re.findall(r"(\w+)=([^,]*)", value)) if word == "--mount" else {}
    if not (place := parts.get("target") or parts.get("dst")):
        return None
    options = "ro" if re.search(r"(^|,)(ro|readonly)\b", value) else ""
    return Volume(parts.get("source") or parts.get("src") or "", place, options, where)
