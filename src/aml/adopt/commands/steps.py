"""The scripts that a source runs before or after the one that trains, and the files that they speak of."""

import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aml.adopt import Note
from aml.adopt.commands.documented import Command
from aml.adopt.private import hide, without_secrets
from aml.adopt.tree import text_of

FILE = re.compile(r"[\w./\\-]*?([\w-]+\.[A-Za-z]\w{1,8})")  # in a quotation, or an argument
RESULTS = (".json", ".csv", ".png", ".svg", ".pdf", ".html", ".txt", ".md", ".pkl", ".joblib", ".parquet")


@dataclass(frozen=True)
class Step:
    """A script that stays behind."""

    script: str
    where: str  # the line that runs it, such as "Makefile:4"
    order: str  # "before", "after", or "" where nothing says it
    command: str  # as it may be typed
    names: frozenset[str]  # of the files that it and its arguments name, without their folders


def find(root: Path, commands: Iterable[Command], chosen: Command | None, staying: Collection[str]) -> list[Step]:
    """The scripts `staying` that commands run; `chosen`: the command that trains."""
    found: dict[str, Step] = {}
    for one in commands:
        if one.script in staying and one.script not in found:
            before = chosen is not None and one.script in chosen.before
            after = chosen is not None and chosen.script in one.before
            text = text_of(root / one.script)
            said = [*one.words, *(text for pair in re.findall(r"\"([^\"\n]+)\"|'([^'\n]+)'", text) for text in pair)]
            names = frozenset(match[1] for each in said if (match := FILE.fullmatch(each)) and match[1][-3:] != ".py")
            command = hide(f"python {shlex.join([one.script, *without_secrets(one.words)[0]])}")
            order = "before" if before else "after" if after else ""
            found[one.script] = Step(one.script, one.where, order, command, names)
    return list(found.values())


def notes(steps: Sequence[Step], entry: str, own: str) -> list[Note]:
    """What is told of these steps; `entry` is the script that trains, `own` its text."""
    found = []
    for step in steps:
        when = f" {step.order} {entry}" if step.order else ""
        text = f"runs {step.script}{when}, which stays behind"
        found.append(Note("taken", step.where, text, "stays-behind", step.script))
        makes = sorted(name for name in step.names if name.lower().endswith(RESULTS) and name not in own)
        if step.order == "after" and makes:
            text += f": no run makes what only that script writes (it names {', '.join(makes[:5])})"
            found.append(Note("decide", step.where, text, "runs-after", step.script))
    return found


def maker(steps: Iterable[Step], text: str) -> str:
    """What to do about a missing file, which `text` names: run the step that makes it; "" where none is known."""
    names = {PurePosixPath(path.replace("\\", "/")).name for path in re.findall(r"[\w./\\-]+", text)}
    step = next((one for one in reversed([*steps]) if one.order != "after" and one.names & names), None)
    if step is None:
        return ""
    made = ", ".join(sorted(step.names & names))
    return (
        f"{step.script} makes {made} ({step.where}): run `{step.command}` in a copy of the source, and adopt the copy"
    )


def explained(note: Note, steps: Iterable[Step]) -> Note:
    """A note on data that are missing with the step that makes them, where that is known."""
    said = maker(steps, note.subject) if note.code == "data-missing" else ""
    return note._replace(text=said) if said else note
