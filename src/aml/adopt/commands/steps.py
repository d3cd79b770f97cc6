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
WRITES = re.compile(r"(?i)\.to_|dump|save|write|out|[\"']w")  # in code that makes a file


@dataclass(frozen=True)
class Step:
    """A line that runs a script beside the one that trains."""

    run: Command
    order: str  # "before", "after", or "" where nothing says it
    stays: bool  # the script is not of the code that trains, and stays behind
    text: str  # of the script, or of what a notebook becomes
    acts: bool = True  # whether it does something when it is run

    @property
    def names(self) -> frozenset[str]:
        """The names of the files that it and its arguments name, without their folders."""
        quoted = re.findall(r"\"([^\"\n]+)\"|'([^'\n]+)'", self.text)
        said = [*self.run.words, *(text for pair in quoted for text in pair)]
        found = (match[1] for each in said if (match := FILE.fullmatch(each)))
        return frozenset(name for name in found if not name.endswith(".py"))

    @property
    def script(self) -> str:
        return self.run.script

    @property
    def where(self) -> str:
        """The line that runs it, such as "Makefile:4"; "" where none does."""
        return self.run.where

    @property
    def said(self) -> str:
        """Its command, and where that stands."""
        return f"`{self.command}`{f' ({self.where})' if self.where else ''}"

    @property
    def command(self) -> str:
        """As it may be typed in the folder of the source."""
        if self.script.endswith(".ipynb"):
            return shlex.join(["jupyter", "execute", self.script])
        script = ["-m", self.run.module] if self.run.module else [self.script]
        return hide(f"python {shlex.join([*script, *without_secrets(self.run.words)[0]])}")


def find(root: Path, commands: Iterable[Command], chosen: Command | None, travelling: Collection[str]) -> list[Step]:
    """What runs before `chosen`, the command that trains, in its order; then what runs others that stay behind."""
    found: dict[tuple[str, str], Step] = {}
    before = [one for one in chosen.before if _is_other(one, chosen)] if chosen else []
    for one in [*before, *commands]:
        first, stays = one in before, one.script not in travelling
        if not first and (not stays or any(one.script == known for known, _ in found)):
            continue
        after = chosen is not None and any(one.script == chosen.script for one in one.before)
        order = "before" if first else "after" if after else ""
        step = Step(one, order, stays, text_of(root / one.script))
        found.setdefault((one.script, one.subcommand), step)
    return [*found.values()]


def _is_other(one: Command, chosen: Command) -> bool:
    """Whether a line is another step than the chosen one, and not the same with other options."""
    return one.script != chosen.script or one.subcommand != chosen.subcommand


def notes(steps: Sequence[Step], entry: str, own: str) -> list[Note]:
    """What is told of these steps; `entry` is the script that trains, `own` its text."""
    found = []
    for step in steps:
        if not (step.stays and step.where):
            continue
        when = f" {step.order} {entry}" if step.order else ""
        text = f"runs {step.script}{when}, which stays behind"
        found.append(Note("taken", step.where, text, "stays-behind", step.script))
        makes = sorted(name for name in step.names if name.lower().endswith(RESULTS) and name not in own)
        if step.order == "after" and makes:
            text += f": no run makes what only that script writes (it names {', '.join(makes[:5])})"
            found.append(Note("decide", step.where, text, "runs-after", step.script))
    return found


def makers(steps: Iterable[Step], text: str) -> list[Step]:
    """The steps that may make a missing file, which `text` names: the likeliest first, those that lines run."""
    names = names_in(text)
    found = [one for one in reversed([*steps]) if one.order != "after" and one.names & names]
    found = [one for one in found if one.where or WRITES.search(one.text)]

    def naming(one: Step) -> str:
        return "\n".join(line for line in one.text.splitlines() if any(name in line for name in names))

    return sorted(found, key=lambda one: (not one.acts, not one.where, not (one.where or WRITES.search(naming(one)))))


def names_in(text: str) -> set[str]:
    """The names of files in a text, without their folders."""
    return {PurePosixPath(path.replace("\\", "/")).name for path in re.findall(r"[\w./\\-]+", text)}


def advice(step: Step, text: str) -> str:
    """What to do about a missing file, which `text` names, and which this step makes."""
    made = ", ".join(sorted(step.names & names_in(text)))
    where = f" ({step.where})" if step.where else ""
    if not step.acts:
        return f"{step.script} names {made} in functions that nothing calls: make that file, and adopt again"
    return f"{step.script} names {made}{where}: run `{step.command}` in a copy of the source, and adopt the copy"


def explained(note: Note, steps: Iterable[Step]) -> Note:
    """A note on data that are missing with the step that makes them, where that is known."""
    found = makers(steps, note.subject) if note.code == "data-missing" else []
    return note._replace(text=advice(found[0], note.subject)) if found else note
