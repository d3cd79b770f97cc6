"""The commands that a package installs."""

import ast
import configparser
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aml.adopt.python.closure import UNREADABLE, parse, read_code
from aml.adopt.tree import text_of


class EntryPoint(NamedTuple):
    """A command that a package installs."""

    command: str
    path: Path  # of the module behind it
    function: str  # in that module, which it calls; "" where that is an attribute of something else


def entry_points(root: Path, name: str) -> Iterator[EntryPoint]:
    """The commands in pyproject.toml, setup.cfg and setup.py, and what is behind them."""
    path = root / name
    lines: list[str] = []
    if path.name == "pyproject.toml":
        try:
            content = tomllib.loads(text_of(path))
        except tomllib.TOMLDecodeError:
            return
        tool = content.get("tool", {})
        for table in (content.get("project", {}), tool.get("poetry", {}) if isinstance(tool, dict) else {}):
            scripts = table.get("scripts", {}) if isinstance(table, dict) else {}
            lines += [f"{key} = {value}" for key, value in scripts.items()] if isinstance(scripts, dict) else []
    elif path.name == "setup.cfg":
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(text_of(path))
        except configparser.Error:
            return
        lines = parser.get("options.entry_points", "console_scripts", fallback="").splitlines()
    elif path.name == "setup.py":
        try:
            tree = parse(read_code(path))
        except UNREADABLE:
            return
        constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        lines = [line for value in constants if isinstance(value, str) for line in value.splitlines() if "=" in line]
    for line in lines:
        command, _, target = (part.strip() for part in line.partition("="))
        module, _, function = (part.strip() for part in target.partition("[")[0].partition(":"))
        if command and all(part.isidentifier() for part in module.split(".")):
            for base in (path.parent, path.parent / "src"):
                for ending in (".py", "/__main__.py"):
                    if (place := base / (module.replace(".", "/") + ending)).is_file():
                        yield EntryPoint(command, place, function if function.isidentifier() else "")
