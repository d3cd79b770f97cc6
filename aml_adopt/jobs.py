"""The job files of the repository: from v1 run configurations where there are some, else from the entry itself."""

import copy
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aml_adopt import DataInput, Note, Refusal, input_name
from aml_adopt.code import Code
from aml_adopt.data import Asset, Data
from aml_adopt.runconfig import CPU_IMAGE, GPU_IMAGE, Converted, Runconfig, convert, dump, load, take
from aml_adopt.runconfig_text import quote
from aml_adopt.source import Source
from aml_adopt.tree import shown

CLUSTER, SIZE = "cpu-cluster", "Standard_DS3_v2"  # the template's own answers
GPU_SIZE = "Standard_NC4as_T4_v3"  # the smallest current one
LOCAL, REMOTE = "train-local.yml", "train-amlcompute.yml"


@dataclass
class Jobs:
    """What goes into aml_config/."""

    files: dict[str, str] = field(default_factory=dict)  # job files, and what they need
    conda: list[Path | tuple[str, dict[str, Any]]] = field(default_factory=list)  # of v1, in order of trust
    compute: dict[str, Any] = field(default_factory=dict)  # name, size, max_instances, tier, as far as v1 names them
    notes: list[Note] = field(default_factory=list)


def make(source: Source, code: Code, experiment: str, data: Data) -> Jobs:
    """A job for this machine, the same on a cluster, and one for each further run configuration of the entry."""
    jobs = Jobs()
    configurations = _configurations(source, jobs)
    jobs.compute = _compute(configurations)
    image = GPU_IMAGE if str(jobs.compute.get("size", "")).lower().startswith("standard_n") else CPU_IMAGE
    known = {"experiment": experiment, "data_asset": data.asset, "image": image, "script": code.entry}
    found: dict[str, Converted] = {}
    for path, v1 in configurations:
        name = LOCAL if v1.local and LOCAL not in found else REMOTE
        name = f"{path.stem}.yml" if name in found or not v1.local and name == LOCAL else name
        try:
            found[name] = convert(v1, **known, local_data=data.sample())
        except Refusal as refusal:
            jobs.notes.append(Note("blocked", shown(source.root, path), str(refusal)))
            continue
        if found[name].conda:
            conda = found[name].conda
            jobs.conda.append(conda if isinstance(conda, Path) else (shown(source.root, path), conda or {}))
    if not found:
        found[LOCAL] = _plain(source, code, experiment, image)
    for one in found.values():
        _hand_over(one, code.inputs, data, is_local=one.job.get("compute") == "local")
        if source.module:
            one.job["command"] = re.sub(
                rf"\bpython[\d.]* {re.escape(code.entry)}(?= |$)", f"python -m {source.module}", one.job["command"]
            )
        jobs.files |= one.files
    if LOCAL not in found:
        found[LOCAL] = _here(found[REMOTE], data, code.inputs)
    if REMOTE not in found:
        found[REMOTE] = _there(found[LOCAL], data, jobs.compute.get("name") or CLUSTER)
    _describe(found, data)
    _fit(jobs, found)
    for name, one in found.items():
        jobs.files[name] = dump(one)
        jobs.notes += one.notes
    return jobs


def _fit(jobs: Jobs, found: dict[str, Converted]) -> None:
    """Let the cluster have the nodes and the kind of size that the jobs need."""
    nodes = max(int(one.job.get("resources", {}).get("instance_count") or 1) for one in found.values())
    if nodes > int(jobs.compute.get("max_instances") or 1):
        jobs.compute["max_instances"] = nodes
    environments = [one.job.get("environment") for one in found.values()]
    if "size" not in jobs.compute and {GPU_IMAGE} & {one.get("image") for one in environments if isinstance(one, dict)}:
        jobs.compute["size"] = GPU_SIZE
        text = f"no runconfig says the cluster's size; its image has CUDA, so compute.yml says {GPU_SIZE}: see to it"
        jobs.notes.append(Note("decide", "", text))


def _describe(found: dict[str, Converted], data: Data) -> None:
    """Let there be a description of the data asset that the cluster's job reads, where this machine has its data."""
    here = found[LOCAL].job.get("inputs", {})
    for name, entry in found[REMOTE].job.get("inputs", {}).items():
        local = here.get(name)
        if isinstance(entry, dict) and isinstance(local, dict) and entry.get("path") == f"azureml:{data.asset}@latest":
            data.describe(Asset(data.asset, local["type"], local["path"]))


def _configurations(source: Source, jobs: Jobs) -> list[tuple[Path, Runconfig]]:
    """The v1 run configurations of the entry, read."""
    found = []
    for path in source.runconfigs:
        file = shown(source.root, path)
        try:
            v1 = load(path, source.project, source.root)
        except Refusal as refusal:
            jobs.notes.append(Note("decide", file, f"not converted: {refusal}"))
            continue
        script = str(v1.at("script") or "").replace("\\", "/")
        if script and (source.project / script).resolve() != source.entry and source.entry.suffix == ".py":
            jobs.notes.append(Note("decide", file, f"runs {script}, which is another model: adopt it with --entry"))
            continue
        found.append((path, v1))
    return found


def _compute(configurations: list[tuple[Path, Runconfig]]) -> dict[str, Any]:
    """What the first run configuration of a cluster says of it."""
    for _, v1 in configurations:
        if not v1.local:
            section = v1.at("amlcompute")
            known = {
                "name": v1.at("target"),
                "size": section["vmSize"],
                "max_instances": section["clusterMaxNodeCount"],
            }
            if known["name"] == "amlcompute":
                known["name"] = section["name"]
            return {key: value for key, value in known.items() if value}
    return {}


def _plain(source: Source, code: Code, experiment: str, image: str) -> Converted:
    """A job of this machine for an entry that no run configuration names."""
    words = ["python", *(["-m", source.module] if source.module else [code.entry])]
    try:
        given = shlex.split(source.arguments)
    except ValueError:  # a quote without an end, in somebody's README
        given = []
    flags = {data.flag for data in code.inputs}
    for index, word in enumerate(given):
        if word.partition("=")[0] not in flags and (not index or given[index - 1] not in flags):
            words.append(quote(word))
    job = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json",
        "type": "command",
        "experiment_name": experiment,
        "code": "../src",
        "command": " ".join(words),
        "environment": {"image": image, "conda_file": "train-conda.yml"},
        "compute": "local",
    }
    notes = [Note("taken", "", f"arguments that it is run with: {' '.join(given)}")] if given else []
    return Converted(job, notes=notes)


def _hand_over(one: Converted, inputs: list[DataInput], data: Data, is_local: bool) -> None:
    """Let the job hand the code's data over, by the options that the code has for it."""
    for wanted in inputs:
        reference = "${{inputs." + wanted.name + "}}"
        given = re.search(rf'(?<!\S){re.escape(wanted.flag)}[ =]("[^"]*"|\S+)', one.job["command"])
        spare = next((one_spare for one_spare in one.spare if _same(one_spare.key, one_spare.mount, wanted)), None)
        if given and "${{" in given[1]:
            continue
        if spare:
            take(one, spare, wanted.flag, wanted.name)
            if not is_local or not isinstance(one.job["inputs"][wanted.name].get("path"), str):
                continue
        elif given:
            one.job["command"] = one.job["command"].replace(given[0], f'{wanted.flag} "{reference}"')
        else:
            one.job["command"] += f' {wanted.flag} "{reference}"'
        here = data.here(wanted)
        path = here if is_local else data.there(wanted, here)
        one.job.setdefault("inputs", {})[wanted.name] = {"type": wanted.type, "path": path}
    for name, entry in one.job.get("inputs", {}).items():
        bound = entry.get("path") if isinstance(entry, dict) else None
        if is_local and bound and Path(bound).is_absolute():  # docker bound it
            entry["path"] = data.here(DataInput(name, entry["type"], Path(bound)))


def _same(key: str, mount: str, wanted: DataInput) -> bool:
    names = {input_name(text) for text in (key, mount) if text}
    return bool(names & {wanted.name, input_name(str(wanted.path).removeprefix("azureml:").partition("@")[0])})


def _here(cluster: Converted, data: Data, inputs: list[DataInput]) -> Converted:
    """The cluster's job on this machine."""
    job = copy.deepcopy(cluster.job)
    kept = ("$schema", "type", "experiment_name", "code", "command", "environment", "environment_variables", "limits")
    here: dict[str, Any] = {key: job[key] for key in kept if key in job} | {"compute": "local"}
    if not isinstance(here["environment"], dict) or "conda_file" not in here["environment"]:
        here["environment"] = {"image": CPU_IMAGE, "conda_file": "train-conda.yml"}
    known = {wanted.name: wanted for wanted in inputs}
    for name, entry in job.get("inputs", {}).items():
        if isinstance(entry, dict) and "path" in entry:
            wanted = known.get(name) or DataInput(name, entry["type"], None)
            path = data.here(DataInput(name, wanted.type, wanted.path if isinstance(wanted.path, Path) else None))
            entry = {"type": _type(path, wanted.type), "path": path}
        here.setdefault("inputs", {})[name] = entry
    if "outputs" in job:
        here["outputs"] = job["outputs"]
    return Converted(here)


def _type(path: str, otherwise: str) -> str:
    return "uri_folder" if path.endswith("/sample-data") else otherwise


def _there(local: Converted, data: Data, compute: str) -> Converted:
    """This machine's job on a cluster."""
    job = copy.deepcopy(local.job)
    job["compute"] = f"azureml:{compute}"
    for name, entry in job.get("inputs", {}).items():
        path = entry.get("path") if isinstance(entry, dict) else None
        if path and not re.match(r"azureml:|[a-z]+://", path):
            entry["path"] = data.there(DataInput(name, entry["type"], None), path)
    return Converted(job, comments={key: text for key, text in local.comments.items() if key[0] != "inputs"})
