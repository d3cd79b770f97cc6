"""What the job's command still lacks: options that need a value, commands of a script that has several."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import libcst as cst

from aml.adopt import Note
from aml.adopt.python import arguments
from aml.adopt.python.static import read_settings, texts
from aml.adopt.python.syntax import UNPARSED, Tree, keyword, literal, method_of, quoted
from aml.adopt.tree import files_below

GROUPS = ("click.group", "click.Group", "typer.Typer", "fire.Fire")


def is_for_results(name: str) -> bool:
    """Whether an option of this name is for results."""
    return bool(re.search(r"(?i)(?<![a-z])(out|save|log(?!i|o)|export|result)", name))


def missing(text: str, command: str) -> Iterator[tuple[int, str, str, str]]:
    """What `command` of the entry script `text` lacks: the line, what it says, the note's code and its subject."""
    try:
        tree = Tree(text)
    except UNPARSED:
        return
    words = [word for word in re.findall(r'"[^"]*"|\S+', command.replace("\n", " ")) if word != "\\"]
    start = next((at for at, word in enumerate(words) if word.endswith(".py") or word == "-m"), len(words) - 1)
    words = words[start + (2 if words[start] == "-m" else 1) :]
    parsers = arguments.Parsers(tree)
    options = parsers.options()
    if commands := _commands(tree):
        if not set(words) & set(commands):
            said = (
                f"the script has the commands {', '.join(commands)}: put one of them into the command of the job files"
            )
            yield 1, said, "needs-command", commands[0]
        return
    if any(method_of(call) == "add_subparsers" for call in tree.all(cst.Call)):
        return  # which options need a value depends on the command
    given = {option.dest for option in arguments.values(options, words).values()}
    flags = {word.partition("=")[0] for word in words}
    for option in options:
        if option.required and option.dest not in given and not flags & {*option.names}:
            name = option.flag or option.dest
            said = (
                f"{name} needs a value: add {f'{name} VALUE' if option.flag else 'it'} to the command of the job files"
            )
            yield tree.line(option.call), said, "needs-value", name


def _commands(tree: Tree) -> list[str]:
    """The commands of a script that has several, of which the command line has to name one."""
    names = {tree.qualified(call.func) for call in tree.all(cst.Call)}
    found = []
    for function in tree.all(cst.FunctionDef):
        for one in function.decorators:
            call = one.decorator
            method = (
                method_of(call) if isinstance(call, cst.Call) else getattr(getattr(call, "attr", None), "value", "")
            )
            if method == "command" and not tree.qualified(getattr(call, "func", call)).startswith("click."):
                named = literal(call.args[0].value) if isinstance(call, cst.Call) and call.args else None
                found.append(named or function.name.value.replace("_", "-"))
    groups = names & {"click.group", "click.Group"} or any(
        tree.qualified(one.decorator) == "click.group" for f in tree.all(cst.FunctionDef) for one in f.decorators
    )
    if found and (groups or len(found) > 1):
        return found
    for call in tree.all(cst.Call):
        given = call.args[0].value if call.args and not call.args[0].keyword else None
        if tree.qualified(call.func) == "fire.Fire" and not isinstance(given, cst.Name):
            keys = [literal(one.key) for one in getattr(given, "elements", ()) if isinstance(one, cst.DictElement)]
            return [key for key in keys if key] or [*tree.functions]
        if tree.qualified(call.func) == "fire.Fire" and isinstance(given, cst.Name) and given.value in tree.classes:
            inside = [f for one in tree.functions.values() for f in one if tree.around(f, cst.ClassDef) is not None]
            return [f.name.value for f in inside if not f.name.value.startswith("_")]
    return []


def hydra(path: Path, place: str, files: dict[str, str | Path], where: str) -> tuple[list[Path], list[Note]]:
    """Let the settings of hydra travel, which the code names without their ending; those, and notes on them.

    `path` is the script in the source, and `place` its text in `files`. Settings that lie above the folder of the code
    come to lie in it, and the script names their new place. https://hydra.cc/docs/tutorials/structured_config/defaults/:
    ??? is a value that the command line gives.
    """
    text = str(files[place])
    try:
        tree = Tree(text) if "hydra" in text else None
    except UNPARSED:
        tree = None
    notes: list[Note] = []
    found: list[Path] = []
    for call in tree.all(cst.Call) if tree else ():
        if tree is None or tree.qualified(call.func) != "hydra.main":
            continue
        named, called = (keyword(call, name) for name in ("config_path", "config_name"))
        given, name = (literal(getattr(one, "value", None)) for one in (named, called))
        folder = (path.parent / (given or ".")).resolve()
        main = folder / f"{(name or 'config').removesuffix('.yaml')}.yaml"
        if not main.is_file():
            continue
        inside = [file for file in files_below(folder) if file.suffix in (".yaml", ".yml")] if given else [main]
        own = posixpath.dirname(place)
        meant = posixpath.normpath(posixpath.join(own, given or "."))
        target = re.sub(r"^(\.\./)+", "", meant)
        for file in inside:
            files.setdefault((PurePosixPath(target) / file.relative_to(folder).as_posix()).as_posix(), file)
        found += inside
        if target != meant and named is not None:
            new = posixpath.relpath(target, own or ".")
            change = named.value.with_changes(value=quoted(new).value)
            changed = tree.module.deep_replace(named.value, change)
            assert isinstance(changed, cst.Module)
            files[place] = changed.code
            said = f"config_path {given} -> {new}, for the settings travel with the code"
            notes.append(Note("changed", where, said))
        for key, value in texts(read_settings(main, "yaml")):
            if value == "???":
                name = key.removeprefix(".")
                said = f"{name} of {main.name} has no value: add {name}=VALUE to the command of the job files"
                notes.append(Note("decide", where, said, "needs-value", name))
    return found, notes
