"""Checks of the command of a job: its references, and the scripts that it runs."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from aml.checks.finding import Finding
from aml.console import display_path
from aml.jobfile.description import nearest
from aml.jobfile.job import Job
from aml.jobfile.options import unknown_options

# A reference with the wrong number of dollars or braces.
MISTYPED = re.compile(r"(?<![{$])(\$?)\{\s*((?:inputs|outputs)\.[\w.-]+)\s*\}(?!\})")
VARIABLE = re.compile(r"AZURE_?ML_(INPUT|OUTPUT)_(\w+)")  # set by the service for each input and output
# Commands after which the folder still holds what the code does: any other may make files.
MAKES_NO_FILES = {"cd", "echo", "env", "export", "ls", "nvidia-smi", "pip", "pip3", "printenv", "pwd", "set", "sleep"}
PYTHON = re.compile(r"python(3(\.\d+)?)?")


def check_references(job: Job) -> Iterator[Finding]:
    """Whether each reference has an input or output, and each input and output a reference."""
    used = set()
    for keys, text in job.texts():
        if problem := job.undefined(text):
            spaced_or_output = not re.search(r"\$\{\{inputs\.", problem.partition(":")[0])
            yield Finding.at(job.document, keys, problem, "", "reference" if spaced_or_output or keys[1:] else "")
        for match in MISTYPED.finditer(text):
            fix = f"write {'$' + '{' * 2}{match[2]}{'}' * 2}"
            if match[1]:
                yield Finding.at(job.document, keys, f"{match[0]} is not filled in", fix, "reference")
            else:
                yield Finding.at(job.document, keys, f"{match[0]} is filled in on a cluster only", fix, "deprecated")
        used |= {(match["kind"], match["name"]) for match in job.references(text)}
        used |= {(f"{kind.lower()}s", name) for kind, name in VARIABLE.findall(text)}
        used |= {tuple(match[2].split(".", 1)) for match in MISTYPED.finditer(text)}
    for kind in ("inputs", "outputs"):
        for name in job.section(kind):
            if (kind, name) not in used:
                problem = f"{kind[:-1]} {name} is not used in the command"
                fix = f"fine if the code reads AZURE_ML_{kind[:-1].upper()}_{name}"
                yield Finding.at(job.document, (kind, name), problem, fix, "unused")


def check_scripts(job: Job) -> Iterator[Finding]:
    """Whether the scripts and modules that the command runs are in the code.

    It is judged up to the first part that may make files or that is more than a simple command.
    """
    code = job.local_path("code")
    if not code.is_dir():
        return
    folder = PurePosixPath()
    for part in re.split(r"&&|;|\n", re.sub(r"\\\s*\n", " ", job.command)):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:
            return
        while words and re.match(r"\w+=", words[0]):
            del words[0]
        if not words:
            continue
        if words[0] == "cd":
            if len(words) != 2 or re.search(r"[$~*]|^/", words[1]):
                return
            folder /= words[1]
        elif PYTHON.fullmatch(words[0]):
            yield from _check_python(job, code, folder, words[1:])
        elif words[0] not in MAKES_NO_FILES:
            return


def _check_python(job: Job, code: Path, folder: PurePosixPath, words: list[str]) -> Iterator[Finding]:
    """The findings on `python` with these words after it, in a folder of the code."""
    while words and re.fullmatch(r"-[bBdEiIOPqsSuvx]+", words[0]):
        del words[0]
    here = code / folder
    if words[:1] == ["-m"] and words[1:]:
        package = here / words[1].split(".")[0] / "__init__.py"
        # Any other module is one of an installed package.
        if not _is_module(here, words[1]) and (package.is_file() or _is_module(here.parent, words[1])):
            problem = f"module {words[1]} is not in {display_path(here)}"
            yield Finding.at(job.document, ("command",), problem, "fix the command, or code", "script")
    elif words and re.fullmatch(r"[\w./-]+\.py", words[0]) and not words[0].startswith(("/", "-")):
        script = folder / words[0]
        if not (code / script).is_file():
            problem = f"{script} is not in {display_path(code)}"
            yield Finding.at(job.document, ("command",), problem, "fix the command", "script")
        for option, known in unknown_options(code / script, words[1:]):
            problem = f"{script} has no option {option}{nearest(option, known)}"
            yield Finding.at(job.document, ("command",), problem, "", "option")


def _is_module(folder: Path, module: str) -> bool:
    path = folder.joinpath(*module.split("."))
    return path.with_name(f"{path.name}.py").is_file() or (path / "__main__.py").is_file()
