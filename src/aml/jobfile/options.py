"""The options that a command gives to a script, compared with those that the script's argparse knows."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

OPTION = re.compile(r"(--[A-Za-z][\w-]*)(=.*)?", re.DOTALL)
ENDS = re.compile(r"[<>&|].*|\d?>.*|--")  # a word with which the arguments of the script end


def unknown_options(script: Path, words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The long options among the arguments `words` that the script does not know, each with those that it knows.

    Only a script is judged whose argparse can be read: all of its options are written out in its own file.
    """
    known = _known(script)
    if known is None or any("$(" in word or "`" in word for word in words):
        return
    for word in words:
        if ENDS.fullmatch(word):
            return
        # argparse takes the beginning of an option for the whole.
        if (found := OPTION.fullmatch(word)) and not any(name.startswith(found[1]) for name in known):
            yield found[1], sorted(known)


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
