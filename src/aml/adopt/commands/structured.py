"""Commands in YAML, JSON, TOML and INI files, with the variables and folders that stand around them."""

import configparser
import json
import posixpath
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

# Keys of YAML, JSON, TOML and INI files: variables of the environment, other variables, and the folder of a command.
ENVIRONMENT = ("env", "environment", "setenv", "set_env", "passenv")
VARIABLES = ("vars", "variables", "parameters")
COMMANDS = ("cmd", "cmds", "command", "commands", "run", "shell", "script")
GROUPS = ("steps", "jobs", "stages", "scripts")  # of commands, which have names themselves
WORDS = ("description", "help", "name")  # for people
FOLDER = ("wdir", "working-directory", "working_dir", "dir", "cwd", "changedir", "change_dir")
# {{name}} of just, {{.name}} of Task, ${{ env.name }} of GitHub, ${a.b} of DVC, {name} of MLflow, {posargs:x} of tox.
TEMPLATE = re.compile(
    r"\$?\{\{\s*(?:env\.|vars\.|inputs\.|\.)?([\w.]+)\s*\}\}|\$\{([\w.]+)\}|(?<![${])\{(\w+)(?::([^{}]*))?\}(?!\})"
)


@dataclass
class Scope:
    """What stands around a command in a structured file."""

    values: dict[str, str] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)
    folder: str = "."
    label: str = ""
    tox: bool = False


def walk(node: Any, scope: Scope) -> Iterator[tuple[str, Scope]]:
    """The texts in nested mappings and lists, any of which may be a command."""
    if isinstance(node, str):
        yield node, scope
    elif isinstance(node, list):
        texts = [word for word in node if isinstance(word, str | int | float)]
        if node and len(texts) == len(node) and re.fullmatch(r"(.*/)?python[\d.]*", str(node[0])):
            yield shlex.join(map(str, node)), scope
            return
        for inner in node:
            yield from walk(inner, scope)
    elif isinstance(node, dict):
        inner = replace(scope, values={**scope.values}, exported={**scope.exported})
        for key, value in node.items():
            name = str(key).lower()
            if name in ENVIRONMENT:
                pairs = {each: filled(text, inner.values) for each, text in _pairs(value).items()}
                inner.exported |= pairs
                inner.values |= pairs
            elif name in VARIABLES:
                inner.values |= flat(value)
            elif name in FOLDER and isinstance(value, str):
                folder = re.sub(r"\{toxinidir\}/?|\$\{\{\s*github\.workspace\s*\}\}/?", "", value)
                inner.folder = posixpath.normpath(posixpath.join(scope.folder, folder or "."))
        for key, value in node.items():
            name = str(key).lower()
            if name in (*ENVIRONMENT, *FOLDER, *WORDS):
                continue
            names = name not in GROUPS and (isinstance(value, dict) or name not in COMMANDS)
            label = str(key).removeprefix("testenv:") if names else inner.label
            yield from walk(value, replace(inner, label=label, tox=inner.tox or name.startswith("testenv")))


def filled(text: str, values: Mapping[str, str], tox: bool = False) -> str:
    """A text with the variables that stand in it as {{name}} and the like, where they are known."""

    def value(found: "re.Match[str]") -> str:
        name = next(filter(None, found.groups()[:3]))
        if tox and name in ("posargs", "envpython", "toxinidir"):
            return {"posargs": found[4] or "", "envpython": "python", "toxinidir": "."}[name]
        return values.get(name, found[0])

    return TEMPLATE.sub(value, text)


def _pairs(content: Any) -> dict[str, str]:
    """Variables as they stand in a mapping, in a list, or in lines."""
    if isinstance(content, dict):
        return {str(key): _said(value) for key, value in content.items() if isinstance(value, str | int | float)}
    lines = content.splitlines() if isinstance(content, str) else content if isinstance(content, list) else []
    split = (str(line).partition("=") for line in lines)
    return {name.strip(): value.strip() for name, equals, value in split if equals}


def flat(content: Any, above: str = "") -> dict[str, str]:
    """Values by their dotted names; MLflow's parameters by their defaults."""
    found: dict[str, str] = {}
    for key, value in content.items() if isinstance(content, dict) else ():
        name = f"{above}{key}"
        if isinstance(value, dict):
            found |= flat(value, f"{name}.")
            found |= {name: _said(value["default"])} if "default" in value else {}
        elif isinstance(value, str | int | float) and not (
            not above and value in ("float", "int", "string", "path", "uri")
        ):
            found[name] = _said(value)
    return found


def _said(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def content_of(name: str, text: str) -> Any:
    """What a structured file holds. Raises ValueError when it cannot be read."""
    import yaml

    path = PurePosixPath(name)
    if path.suffix == ".toml":
        return tomllib.loads(text)
    if path.suffix in (".ini", ".cfg"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(text)
        except configparser.Error as error:
            raise ValueError(str(error)) from error
        return {section: dict(parser.items(section)) for section in parser.sections()}
    try:
        return yaml.safe_load(text)  # JSON, too
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def exec_form(text: str) -> str:
    """["python", "train.py"] as a line; another line as it is."""
    try:
        words = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return text
    return shlex.join(map(str, words)) if isinstance(words, list) else text
