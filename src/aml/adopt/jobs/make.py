"""The job files of the repository: from v1 run configurations where there are some, else from the entry itself."""

import copy
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aml.adopt import DataInput, Note, UserError, input_name
from aml.adopt.convert.code import Code, place_of
from aml.adopt.discover import needs
from aml.adopt.discover.candidate import Named
from aml.adopt.discover.source import Source
from aml.adopt.jobs.data import Asset, Data
from aml.adopt.private import hide, without_secrets
from aml.adopt.python import arguments
from aml.adopt.python.flags import Option
from aml.adopt.tree import shown
from aml.adopt.v1.datasets import input_advice
from aml.adopt.v1.runconfig.cluster import RETIRED_SIZE
from aml.adopt.v1.runconfig.job import (
    CPU_IMAGE,
    GPU_IMAGE,
    Converted,
    Runconfig,
    convert,
    dump,
    load,
    take,
    write_to,
)
from aml.adopt.v1.runconfig.text import quote
from aml.adopt.v1.submits import Submit, handed_over
from aml.jobfile.names import RULES

CLUSTER, SIZE = "cpu-cluster", "Standard_DS3_v2"  # the template's own answers
GPU_SIZE = "Standard_NC4as_T4_v3"  # the smallest current one
LOCAL, REMOTE = "train-local.yml", "train-amlcompute.yml"


@dataclass
class Jobs:
    """What goes into aml_config/."""

    files: dict[str, str] = field(default_factory=dict)  # job files, and what they need
    conda: list[Path | tuple[str, dict[str, Any]]] = field(default_factory=list)  # of v1, in order of trust
    compute: dict[str, Any] = field(default_factory=dict)  # name, size, max_instances, tier, as far as v1 names them
    inputs: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)  # paths: here, and on the cluster
    notes: list[Note] = field(default_factory=list)


def make(source: Source, code: Code, experiment: str, data: Data) -> Jobs:
    """A job for this machine, the same on a cluster, and one for each further run configuration of the entry."""
    jobs = Jobs()
    configurations = _configurations(source, jobs)
    submit = next(iter(source.submits), None) or Submit(source.entry)
    experiment = submit.experiment or code.experiment or experiment
    jobs.compute = {**_submitted_compute(submit, jobs), **_compute(configurations)}
    image = GPU_IMAGE if str(jobs.compute.get("size", "")).lower().startswith("standard_n") else CPU_IMAGE
    known = {"experiment": experiment, "data_asset": data.asset, "image": image, "script": code.entry}
    found: dict[str, Converted] = {}
    for path, v1 in configurations:
        name = LOCAL if v1.local and LOCAL not in found else REMOTE
        name = f"{path.stem}.yml" if name in found or (not v1.local and name == LOCAL) else name
        try:
            found[name] = convert(v1, **known, local_data=data.sample())
        except UserError as refusal:
            jobs.notes.append(Note("blocked", shown(source.root, path), str(refusal)))
            continue
        if found[name].conda:
            conda = found[name].conda
            jobs.conda.append(conda if isinstance(conda, Path) else (shown(source.root, path), conda or {}))
        if submit.words and not v1.at("arguments") and v1.at("script"):
            found[name].job["command"] += "".join(f" {word}" for word in _words(submit.words, code))
            jobs.notes.append(Note("taken", submit.where, f"arguments of {name}: {hide(shlex.join(submit.words))}"))
    jobs.conda += submit.packages
    jobs.notes += [*submit.notes, *handed_over(submit, code.inputs, code.results)]
    if submit.experiment:
        jobs.notes.append(Note("taken", submit.where, f"experiment {submit.experiment}"))
    if not found:
        found[LOCAL] = _plain(source, code, experiment, image)
    entry = code.files[code.entry]
    options = arguments.options_of(entry if isinstance(entry, str) else "")
    for one in found.values():
        _hand_over(one, code.inputs, data, options, is_local=one.job.get("compute") == "local")
        _lead_out(one, code)
        _give(one, code.given)
        _move(one, code.moved)
        if source.variables:
            one.job["environment_variables"] = {**source.variables, **one.job.get("environment_variables", {})}
        if source.module:
            one.job["command"] = re.sub(
                rf"\bpython[\d.]* {re.escape(code.entry)}(?= |$)", f"python -m {source.module}", one.job["command"]
            )
        jobs.files |= one.files
    if LOCAL not in found:
        found[LOCAL] = _here(found[REMOTE], data, code.inputs)
    if REMOTE not in found:
        found[REMOTE] = _there(found[LOCAL], data, jobs.compute.get("name") or CLUSTER, code.inputs)
        found[REMOTE].job |= submit.cluster
    _describe(found, data)
    _fit(jobs, found)
    for wanted in code.inputs:
        here, there = (_input(found[name].job, wanted) for name in (LOCAL, REMOTE))
        if isinstance(here, dict) and isinstance(there, dict):
            jobs.inputs[wanted.name] = here.get("path"), there.get("path")
    tell(source, code, jobs)
    for line, text, about, subject in needs.missing(str(entry), found[LOCAL].job["command"]):
        jobs.notes.append(Note("decide", place_of(code, code.entry, line), text, about, subject))
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
        except UserError as refusal:
            jobs.notes.append(Note("decide", file, f"not converted: {refusal}"))
            continue
        named = source.named[path]
        if named.script and source.entry.suffix == ".py" and v1.at("script"):
            if source.entry not in named.fits:
                jobs.notes.append(Note("decide", v1.where("script"), _not_this(named, source)))
                continue
            v1.data["script"] = Path(os.path.relpath(source.entry, source.project)).as_posix()
        if named.conda:
            python = v1.at("environment", "python")
            python["condaDependenciesFile"] = Path(os.path.relpath(named.conda, source.project)).as_posix()
        found.append((path, v1))
    return found


def _not_this(named: Named, source: Source) -> str:
    """Why a run configuration is not one of the entry."""
    if named.fits:
        return f"runs {named.script}, which is another model: adopt it with --entry"
    entry = shown(source.root, source.entry)
    return f"runs {named.script}, which is not in the source: if that was {entry}, name this there and adopt again"


def _submitted_compute(submit: Submit, jobs: Jobs) -> dict[str, Any]:
    """What the file that submits the entry says of its cluster, as far as it can be kept."""
    compute = dict(submit.compute)
    name, size = compute.get("name"), compute.get("size")
    if name and not RULES["compute"].accepts(name):
        compute.pop("name")
        text = f"{name} is no name that v2 accepts for a cluster: {CLUSTER} takes its place"
        jobs.notes.append(Note("decide", submit.where, text))
    if size and RETIRED_SIZE.fullmatch(size):
        compute["size"] = GPU_SIZE
        text = f"Azure retired {size} in 2023: compute.yml says {GPU_SIZE}, see to it"
        jobs.notes.append(Note("decide", submit.where, text))
    elif size and not re.fullmatch(r"(?i:standard)_[a-zA-Z][\w-]*", size):
        compute.pop("size")
        text = f"{size} is no size of Azure's machines: {SIZE} takes its place"
        jobs.notes.append(Note("decide", submit.where, text))
    if compute:
        said = ", ".join(str(value) for value in (compute.get("name"), compute.get("size")) if value)
        most = f", up to {compute['max_instances']} nodes" if compute.get("max_instances") else ""
        jobs.notes.append(Note("taken", submit.where, f"cluster {said}{most}"))
    return compute


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
    given = source.words
    told = source.command.where if source.command else ""
    where = next((one.where for one in source.submits if one.words == given), told)
    given, secret = without_secrets(given)
    words += _words(given, code)
    job = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json",
        "type": "command",
        "experiment_name": experiment,
        "code": "../src",
        "command": " ".join(words),
        "environment": {"image": image, "conda_file": "train-conda.yml"},
        "compute": "local",
    }
    notes = [Note("taken", where, f"arguments that it is run with: {hide(shlex.join(given))}")] if given else []
    for name in secret:
        text = f"the value of {name} looks like a secret and was not copied: let the code read it itself"
        notes.append(Note("decide", where, text))
    return Converted(job, notes=notes)


def _words(given: list[str], code: Code) -> list[str]:
    """Arguments for a job's command: without the data, which is handed over apart."""
    flags = {data.flag for data in code.inputs if data.flag}
    positional = {data.name for data in code.inputs if not data.flag}
    text = code.files.get(code.entry)
    known = arguments.values(arguments.options_of(text) if isinstance(text, str) else [], given)
    words = []
    for index, word in enumerate(given):
        if word.partition("=")[0] in flags or (index and given[index - 1] in flags):
            continue
        option = known.get(index)
        name = input_name(option.dest) if option and not option.flag else ""
        words.append('"${{inputs.' + name + '}}"' if name in positional else quote(word))
    return words


def _input(job: dict[str, Any], wanted: DataInput) -> Any:
    """The job's input that an option hands over, which a runconfig may call otherwise; None without one."""
    pattern = rf'(?<!\S){re.escape(wanted.flag)}[ =]"?\$\{{\{{inputs\.(\w+)'
    given = re.search(pattern, job["command"]) if wanted.flag else None
    return job.get("inputs", {}).get(given[1] if given else wanted.name)


def tell(source: Source, code: Code, jobs: Jobs) -> None:
    """Let the code's notes on inputs say what the job files say of them."""
    for wanted in code.inputs:
        if wanted.name in jobs.inputs:
            new, about = input_advice(wanted, *jobs.inputs[wanted.name]), ("see-input", wanted.name)
            code.notes = [
                note._replace(text=new) if (note.code, note.subject) == about else note for note in code.notes
            ]
            if source.data or isinstance(wanted.path, Path):
                about = ("no-data-named", wanted.flag or wanted.name)
                code.notes = [note for note in code.notes if (note.code, note.subject) != about]


def _hand_over(one: Converted, inputs: list[DataInput], data: Data, options: Sequence[Option], is_local: bool) -> None:
    """Let the job hand the code's data over, by the options that the code has for it."""
    for wanted in inputs:
        reference = "${{inputs." + wanted.name + "}}"
        if not wanted.flag:
            given = _positional(one.job["command"], wanted.name, options)
        else:
            given = re.search(rf'(?<!\S){re.escape(wanted.flag)}[ =]("[^"]*"|\S+)', one.job["command"])
        spare = next((one_spare for one_spare in one.spare if _same(one_spare.key, one_spare.mount, wanted)), None)
        if given and "${{" in given[1] and reference not in given[1]:
            continue
        if spare:
            take(one, spare, wanted.flag, wanted.name)
            if not is_local or not isinstance(one.job["inputs"][wanted.name].get("path"), str):
                continue
        else:
            command, new = one.job["command"], " ".join(filter(None, [wanted.flag, f'"{reference}"']))
            start, end = given.span() if given else (len(command), len(command))
            one.job["command"] = command[:start] + ("" if given else " ") + new + command[end:]
        here = data.here(wanted)
        path = here if is_local else data.there(wanted, here)
        one.job.setdefault("inputs", {})[wanted.name] = {"type": wanted.type, "path": path}
    for name, entry in one.job.get("inputs", {}).items():
        bound = entry.get("path") if isinstance(entry, dict) else None
        if is_local and bound and Path(bound).is_absolute():  # docker bound it
            entry["path"] = data.here(DataInput(name, entry["type"], Path(bound)))


def _positional(command: str, name: str, options: Sequence[Option]) -> "re.Match[str] | None":
    """The word of a command that is the positional argument of this name."""
    script = re.match(r".*?\.py(?= |$)", command)
    words = [*re.finditer(r'((?:"(?:\\.|[^"\\])*"|\S)+)', command)]
    words = [word for word in words if script and word.start() > script.end()]
    places = arguments.values(options, [word[0] for word in words])
    return next((words[at] for at, option in places.items() if not option.flag and option.dest == name), None)


def _lead_out(one: Converted, code: Code) -> None:
    """Let what v1 handed over as data, and the code only writes to, be a result: its use decides, then its name."""
    read = {wanted.flag for wanted in code.inputs}
    handed = re.findall(r'(?<!\S)(--?[\w-]+)[ =]"\$\{\{(inputs|outputs)\.(\w+)\}\}"', one.job["command"])
    for flag, kind, name in handed:
        path = code.results.get(flag)
        model = bool(path and code.model and f"{code.model}/".startswith(f"{path}/"))
        if flag in read or not (path or needs.is_for_results(flag)) or (kind == "outputs" and not model):
            continue
        place = one.job[kind][name].get("path", "")
        write_to(one, kind, name, path if model else None)
        text = f"{flag} is written to: {path if model else f'the output {name} of the job'}"
        text += ", where aml register-model finds the model" if model else ""
        text += f"; in v1 it was {place}" if str(place).startswith("azureml:") else ""
        one.notes.append(Note("changed", one.where, text, "job", flag))


def _give(one: Converted, given: dict[str, str]) -> None:
    """Let the job's command say where results go."""
    for flag, path in given.items():
        said = re.search(rf'(?<!\S){re.escape(flag)}[ =]("[^"]*"|\S+)', one.job["command"])
        if said is None:
            one.job["command"] += f" {flag} {quote(path)}"
        elif not re.match(r"\"?(\./)?(outputs\b|\$\{\{)", said[1]):
            one.job["command"] = one.job["command"].replace(said[0], f"{flag} {quote(path)}")


def _move(one: Converted, moved: dict[str, str]) -> None:
    """Let arguments of the command that name results name the places where a job keeps them."""
    for old, new in moved.items():
        word = rf"(?<=[\s=]){re.escape(quote(old))}(?=\s|$)"
        one.job["command"] = re.sub(word, quote(new).replace("\\", r"\\"), one.job["command"])


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


def _there(local: Converted, data: Data, compute: str, inputs: list[DataInput]) -> Converted:
    """The job of this machine, on a cluster."""
    job = copy.deepcopy(local.job)
    job["compute"] = f"azureml:{compute}"
    known = {wanted.name: wanted for wanted in inputs if isinstance(wanted.path, str)}
    for name, entry in job.get("inputs", {}).items():
        path = entry.get("path") if isinstance(entry, dict) else None
        if path and not re.match(r"azureml:|[a-z]+://", path):
            entry["path"] = data.there(known.get(name) or DataInput(name, entry["type"], None), path)
    return Converted(job, comments={key: text for key, text in local.comments.items() if key[0] != "inputs"})
