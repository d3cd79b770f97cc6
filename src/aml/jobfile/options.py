"""The options that a command gives to a script, compared with those that the script's argparse knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SCRIPT = re.compile(r"\bpython3? ([\w./-]+\.py)\b([^;&|\n]*)")
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
OPTION = re.compile(r"(?<!\S)--[A-Za-z][\w-]*")


class UnknownOption(NamedTuple):
    """An option that the command gives to the script, and the options that the script knows."""

    script: str
    option: str
    known: list[str]


def unknown_options(code: Path, command: str) -> Iterator[UnknownOption]:
    """The long options of the command that its scripts in `code` do not know.

    Only a script is judged whose argparse can be read: all of its options are written out in its own file.
    """
    for script, rest in SCRIPT.findall(re.sub(r"\\\s*\n", " ", command)):
        known = _known(code / script)
        if known is None or "$(" in rest or "`" in rest:
            continue
        for option in OPTION.findall(QUOTED.sub("''", rest)):
            if not any(name.startswith(option) for name in known):  # argparse takes the beginning of an option
                yield UnknownOption(script, option, sorted(known))


def _known(script: Path) -> set[str] | None:
    """The long options of the script's argparse, None when they cannot be read."""
    try:
        tree = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [call for call in calls if _name(call.func) == "ArgumentParser"]
    parsers = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.value in made
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    if len(made) != 1 or any(keyword.arg in (None, "parents", "prefix_chars") for keyword in made[0].keywords):
        return None
    known = {"--help"}
    for call in calls:
        name = _name(call.func)
        others = [*call.args, *(keyword.value for keyword in call.keywords)]
        handed_on = any(isinstance(value, ast.Name) and value.id in parsers for value in others)
        if name in ("parse_known_args", "add_subparsers") or (handed_on and name not in own):
            return None
        if name == "add_argument":
            texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            if len(texts) < len(call.args) or any(keyword.arg is None for keyword in call.keywords):
                return None
            known |= {text for text in texts if text.startswith("--")}
            if any("BooleanOptionalAction" in ast.unparse(keyword.value) for keyword in call.keywords):
                known |= {f"--no-{text[2:]}" for text in texts if text.startswith("--")}
    return known


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
