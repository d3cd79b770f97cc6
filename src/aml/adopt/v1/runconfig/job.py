"""v1 run configurations into v2 command job files that mean the same.

What has no equivalent is named in a comment of the job file; what only the owner can decide is a note too.
"""

import re
from pathlib import Path
from typing import Any

from aml.adopt import DataInput, Note, UserError, input_name
from aml.adopt.private import is_secret_option
from aml.adopt.v1.runconfig.cluster import compute, distribution, is_low_priority, services
from aml.adopt.v1.runconfig.converted import Converted, Spare, Work, dump, take, write_to
from aml.adopt.v1.runconfig.data import Binding, Data
from aml.adopt.v1.runconfig.environment import CPU_IMAGE, GPU_IMAGE, bare_image, docker, environment
from aml.adopt.v1.runconfig.keys import Keys, Runconfig, load
from aml.adopt.v1.runconfig.text import escaped, quote

__all__ = ["CPU_IMAGE", "GPU_IMAGE", "Converted", "Runconfig", "Spare", "convert", "dump", "load", "take", "write_to"]

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
    work = Work(runconfig, experiment, script)
    work.note("taken", (), f"run configuration for {'this machine' if runconfig.local else runconfig.at('target')}")
    _framework(work)
    bindings = Data(runconfig, data_asset, local_data).bindings(docker(work))
    seconds = runconfig.at("maxRunDurationSeconds") or 0
    own_identity = runconfig.at("credentialPassthrough") and not runconfig.local
    parts = {
        "command": _command(work, bindings),
        "environment": environment(work, image),
        "environment_variables": _variables(work, bindings),
        "compute": (where := compute(work)),
        "resources": work.resources,
        "distribution": None if runconfig.local else distribution(work),
        "limits": {"timeout": seconds} if seconds > 0 else None,
        "queue_settings": {"job_tier": "spot"} if where is None and is_low_priority(work) else None,
        "identity": {"type": "user_identity"} if own_identity else None,
        "services": services(work),
        **_bind(work, bindings),
    }
    work.job |= {key: value for key, value in parts.items() if value}
    _nothing_like_it(work)
    return work.result


def _framework(work: Work) -> None:
    """Block what is not Python; PySpark is what early releases wrote into every new run configuration."""
    v1, framework = work.v1, work.v1.at("framework")
    spark = any(name.split(".")[0] == "pyspark" for name in work.code.modules)
    if framework.lower() == "pyspark" and not spark:
        script = work.script or "the script"
        text = f"framework PySpark: {script} does not import pyspark, so plain Python runs it"
        work.comment("command", text)
        work.note("changed", "framework", text)
    elif framework.lower() == "pyspark":
        text = f"framework PySpark: {work.script} needs Spark, and so another job: write a job of type spark for it"
        work.note("blocked", "framework", f"{text} by hand")
    elif framework.lower() not in ("python", "pytorch", "tensorflow"):
        fix = "write framework: Python if plain Python can run the script"
        work.note("blocked", "framework", f"framework {framework} has no equivalent in v2: {fix}")
    if v1.at("communicator").lower() == "paralleltask":
        text = "communicator ParallelTask: another kind of job: write a parallel job for it by hand"
        work.note("blocked", "communicator", text)
    if v1.at("environment", "r") or str(work.script).lower().endswith(".r"):
        of = "environment.r" if v1.at("environment", "r") else "script"
        work.note("blocked", of, "R has no equivalent here: only Python code is adopted")


def _command(work: Work, bindings: list[Binding]) -> str:
    given, inner = work.v1.at("command"), sorted(bindings, key=lambda one: -len(one.mount))
    if given and not work.v1.at("script"):
        return _references_in(" ".join(map(str, given)) if isinstance(given, list) else str(given), inner)
    if not work.script:
        raise UserError(f"{work.v1.name}:1: no script: add script:, or name the entry with --entry")
    python = work.v1.at("environment", "python", "interpreterPath") if bare_image(work) else "python"
    words, before = [quote(python or "python"), quote(work.script)], ""
    for argument in work.v1.at("arguments"):
        words.append(_argument(work, argument, before if re.match(r"--?[A-Za-z]", before) else "", inner))
        before = argument
    return " ".join(words)


def _argument(work: Work, text: str, option: str, bindings: list[Binding]) -> str:
    for binding in bindings:
        if parts := binding.split(text):
            head, tail = parts
            binding.take(head[:-1] if head.startswith("-") else option, bindings)
            return f'{head}"{binding.reference}{escaped(tail)}"'
    flag, equals, value = text.partition("=") if text.startswith("-") else (option, "", text)
    if is_secret_option(flag, value):
        variable = input_name(flag).upper()
        says = f"the value of {flag} looks like a secret and was not copied: let the code read it from a key vault"
        work.decide("command", "arguments", f"{says}, or set {variable} where the job runs")
        return (flag + equals if equals else "") + f'"${variable}"'
    if re.search(r"\$\{?AZUREML_|^Dataset\w+Config:", text):
        fix = "name the data below inputs and put its reference here"
        work.decide("command", "arguments", f"{text} names no data of this file: {fix}")
    return quote(text)


def _references_in(text: str, bindings: list[Binding]) -> str:
    """A v1 `command`, which a shell reads already, with the places of data filled in."""
    for binding in bindings:
        for token in binding.tokens():
            while found := re.search(rf"(?<![\w/.${{]){token}(?![\w.-])", text):
                before = text[: found.start()]
                word = re.search(r"(--?[A-Za-z][\w-]*)[ =\"']*$", before)
                binding.take(word[1] if word else "", bindings)
                inside = before.count('"') % 2 or before.count("'") % 2
                reference = binding.reference if inside else f'"{binding.reference}"'
                text = before + reference + text[found.end() :]
    return text


def _variables(work: Work, bindings: list[Binding]) -> dict[str, str]:
    """The environment variables; data has some that the code reads."""
    for keys in (("environment", "environmentVariables"), ("environmentVariables",)):
        for name, value in work.v1.at(*keys).items():
            work.variable(name, value, (*keys, name))
    for binding in bindings:
        for name in sorted(binding.variables & work.code.variables):
            binding.take("", bindings)
            work.variables[name] = binding.reference
    return work.variables


def _bind(work: Work, bindings: list[Binding]) -> dict[str, dict[str, Any]]:
    """The inputs and outputs: what the command or a variable takes; the rest is put aside."""
    found: dict[str, dict[str, Any]] = {"inputs": {}, "outputs": {}}
    for binding in bindings:
        decisions = tuple(Note("decide", binding.where, text, "bound", binding.name) for text in binding.decisions)
        if not binding.used:
            known = (binding.kind, binding.entry, binding.key, binding.mount, binding.source)
            text = f"{binding.kind[:-1]} {binding.key or binding.mount} is taken by no argument"
            left = Note("decide", binding.where, f"{text}: let the code take it as one, and name it here", "job")
            work.comment("command", left.text)
            work.result.notes.append(left)
            work.result.spare.append(Spare(binding.own_name, *known, (left,), decisions))
            continue
        found[binding.kind][binding.name] = binding.entry
        if binding.kind == "inputs":
            work.result.inputs.append(DataInput(binding.name, binding.entry["type"], binding.source))
        work.result.notes += [Note("changed", binding.where, one, "bound", binding.name) for one in binding.changes]
        work.result.notes += decisions
        for note in decisions:
            work.comment((binding.kind, binding.name, "type"), note.text)
    return found


def _nothing_like_it(work: Work) -> None:
    for keys, default in NO_EQUIVALENT.items():
        value = work.v1.at(*keys)
        if value is not None and value != default:
            shown = "(given)" if isinstance(value, dict | list) else str(value)
            shown = shown.lower() if isinstance(value, bool) else shown
            work.comment("$schema", f"{'.'.join(keys)} {shown}: v2 has nothing like it")
    if (priority := work.v1.at("priority")) is not None:
        text = f"priority {priority}: choose queue_settings.priority, low, medium or high, if it matters"
        work.decide("$schema", "priority", text)
