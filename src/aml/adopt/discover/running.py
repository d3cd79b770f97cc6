"""How the script that trains is run, and what the files of the source leave open about that."""

import ast
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from aml.adopt import Note, UserError
from aml.adopt.commands import documented, variables
from aml.adopt.commands.documented import Command
from aml.adopt.commands.entry_points import entry_points
from aml.adopt.commands.steps import Step
from aml.adopt.discover import needs, stays
from aml.adopt.discover.candidate import called_names, does_something
from aml.adopt.notebooks import notebook
from aml.adopt.private import hide
from aml.adopt.python.closure import UNREADABLE, parse, read_code
from aml.adopt.tree import shown


def command(commands: list[Command], name: str, texts: dict[str, str], notes: list[Note]) -> Command | None:
    """How the script of this name is run; notes on what its documentation leaves open."""
    mine = [one for one in commands if one.script == name]
    text = texts.get(name, "")
    chosen = documented.choose(mine, lambda one: not [*needs.missing(text, f"python x.py {shlex.join(one.words)}")])
    if chosen is None:
        return None
    rivals = [one for one in mine if not one.passing and (one.trains or not chosen.trains)]
    how = {one.where: documented.told(one, variables.of_command(one, texts)) for one in rivals}
    differ = [f"{where} with {said}" for where, said in how.items() if said != how.get(chosen.where, said)]
    if differ:
        first = f"{chosen.where} runs it with {how[chosen.where]}"
        text = f"{', '.join([first, *differ[:4]])}: the job files do as {chosen.where} says"
        notes.append(Note("decide", name, text, "several-commands", name))
    for argument in chosen.unclear:
        text = f"{hide(argument)} has a value that no file says: add it to `command` in both job files"
        notes.append(Note("decide", chosen.where, text, "unclear-argument", argument))
    return chosen


def first(found: list[Step]) -> list[Note]:
    """A note on what runs before the script that trains, which counts until a run shows that it need not."""
    before = [one for one in found if one.order == "before"]
    if not before:
        return []
    text = f"what trains runs after {'; '.join(one.said for one in before)}: where that makes "
    text += "data that the source lacks, run it in a copy of the source, and adopt the copy"
    return [Note("decide", "", text, "runs-before", before[0].script)]


def differs(told: Command, given: str) -> list[Note]:
    """A note where the documentation runs the script with other arguments than what submits it by v1."""

    def plain(words: Sequence[str]) -> list[str]:
        return [word for word in words if not re.search(r"[/\\$]", word)]  # where data lie differs always

    if not told.words or plain(told.words) == plain(shlex.split(given)):
        return []
    text = f"runs it with {shlex.join(told.words)}, and v1 with {given}: the job files do as v1 did"
    return [Note("decide", told.where, hide(text), "several-commands")]


def called_by_command(root: Path, path: Path, files: list[str]) -> str:
    """The function of a script that only a command which the package installs calls; "" where there is none."""
    names = {one.function for name in files for one in entry_points(root, name) if one.path == path}
    try:
        tree = parse(read_code(path)) if names and path.suffix == ".py" else None
    except UNREADABLE:
        return ""
    own = [one for one in tree.body if not isinstance(one, ast.FunctionDef | ast.ClassDef)] if tree else []
    calls = {called for one in own for called in called_names(one)}
    return next((name for name in sorted(names) if tree and name and name not in calls), "")


def runs_nothing(root: Path, path: Path) -> list[Note]:
    """A note when a script only defines functions, for somebody else to call: an entry point of a package may."""
    try:
        tree = parse(read_code(path)) if path.suffix == ".py" else None
    except UNREADABLE:
        return []
    if tree is None or does_something(tree):
        return []
    functions = [one.name for one in tree.body if isinstance(one, ast.FunctionDef)]
    call = next((name for name in functions if name in ("main", "train", "run", "cli")), "main")
    fix = f'add `if __name__ == "__main__": {call}()` at its end'
    return [Note("blocked", shown(root, path), f"does nothing when it is run: {fix}")]


def unnamed(root: Path, files: Iterable[str]) -> list[Step]:
    """What may make data that the code lacks: scripts and notebooks of `files`, which nothing runs."""
    found = []
    for name in files:
        if not name.endswith((".py", ".ipynb")) or stays.SERVES.search(name) or stays.TESTS.search(name):
            continue
        try:
            text = notebook.convert(root / name, name).text if name.endswith(".ipynb") else read_code(root / name)
            acts = does_something(parse(text))
        except (*UNREADABLE, UserError):
            continue
        folder = PurePosixPath(name).parent.as_posix() if name.endswith(".ipynb") else "."
        found.append(Step(Command(name, "", (), (), folder, {}, ""), "", True, text, acts))
    return found
