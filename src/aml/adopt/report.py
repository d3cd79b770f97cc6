"""What is told of an adoption: on the terminal, and in ADOPTED.md."""

import re
from collections.abc import Iterable, Sequence

from aml.adopt import Note

TITLES = {
    "blocked": "In the way",
    "decide": "Left to decide",
    "changed": "Changed",
    "taken": "Taken over",
}


OTHER = "others"
# What a change is of, by the codes of notes.
KINDS = {
    "v1": "calls of the SDK v1",
    "job": "settings of the job",
    "bound": "settings of the job",
    "data": "data as inputs",
    "result": "results below outputs/",
    "tracking": "calls of MLflow",
    "old-name": "names and calls that today's packages lack",
    "package": "packages",
    "not-python": "packages",
    "notebook": "parts of a notebook",
    "secret": "secrets",
    "screen": "calls that wait for somebody",
}
MOST = 16  # lines of what is left to decide that fit on a screen with the rest


def lines(notes: Iterable[Note], kinds: Sequence[str]) -> list[str]:
    """A section for each kind that has notes, a line for each text of a file."""
    notes = list(notes)
    found: list[str] = []
    for kind in kinds:
        places: dict[tuple[str, str], list[str]] = {}  # of the same text in one file
        for note in sorted({note for note in notes if note.kind == kind}, key=lambda note: (_order(note.where), note)):
            file, _, line = note.where.rpartition(":")
            places.setdefault((file if line.isdigit() else note.where, note.text), []).append(line)
        if places:
            found += ["", f"{TITLES[kind]}:"]
        for (file, text), numbers in places.items():
            where = f"{file}:{', '.join(numbers)}" if numbers[0].isdigit() else file
            found.append(f"  {where}: {text}" if where else f"  {text}")
    return found


def _order(where: str) -> tuple[str, int]:
    """By file, then by line, or by the cell of a notebook."""
    file, _, line = where.rpartition(":")
    if line.isdigit():
        return file, int(line)
    file, _, cell = where.rpartition(" ")
    return (file, int(cell)) if cell.isdigit() else (where, 0)


def asset_option(model: str | None) -> str:
    """What `aml register-model` has to be told of the model, where it is not what that verb takes by itself."""
    return f" --asset-path {model}" if model and model != "outputs/model.pkl" else ""


def summary(notes: Iterable[Note], model: str | None) -> list[str]:
    """What trains, what it reads and leaves, what changed by its kind, and what stays behind: a line each."""
    notes = list(notes)

    def about(code: str) -> list[str]:
        return [note.subject for note in notes if note.code == code]

    changed = {note for note in notes if note.kind == "changed" and note.code != "launcher"}
    counts = {
        title: sum(KINDS.get(note.code, OTHER) == title for note in changed)
        for title in [*dict.fromkeys(KINDS.values()), OTHER]
    }
    files = {re.split(r":\d|\.ipynb", note.where)[0] for note in changed if note.where}
    what = ", ".join(f"{title} ({count})" for title, count in counts.items() if count)
    what += f", in {len(files)} file{'s' if len(files) > 1 else ''}" if files else ""
    not_read = about("data-not-read")
    rows = {
        "trains": "; ".join(about("entry")),
        "reads": few(about("data-file"))
        or ("nothing that was seen" if not_read else "nothing that lies in the source"),
        "also brings": few(not_read),
        "leaves": model or "no model whose place is known: see what is left to decide",
        "changed": "; ".join(filter(None, [*about("launcher"), what])),
        "stays behind": few([_staying(note) for note in notes if note.code == "stays-behind"]),
    }
    return [f"{name:<13}{text}" for name, text in rows.items() if text]


def _staying(note: Note) -> str:
    """What stays behind, and where it is run."""
    return f"{note.subject} ({note.where})" if note.where != note.subject else note.subject


def few(names: Sequence[str], most: int = 6) -> str:
    """The first of these names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def screen(notes: Iterable[Note], model: str | None, everything: bool = False) -> list[str]:
    """What fits on a screen; with `everything` all of it, where no ADOPTED.md has the rest."""
    notes = list(notes)
    decide = lines(notes, ("decide",))
    if everything:
        return [*summary(notes, model), *lines(notes, ("taken", "changed")), *decide]
    if len(decide) > MOST:
        decide = [*decide[:MOST], f"  and {len(decide) - MOST} more: ADOPTED.md"]
    return [*summary(notes, model), *decide]


def document(source: str, notes: Iterable[Note], model: str | None, slug: str, first: str = "") -> str:
    """ADOPTED.md; `first`: what has to be known before anything else."""
    notes = list(notes)
    text = [f"**{first}**", ""] if first else []
    text += [f"# Adopted from {source}", "", *(f"    {line}" for line in summary(notes, model)), ""]
    text += ["Delete this file when nothing is left to decide."]
    if decide := lines(notes, ["decide"]):
        text += ["", f"## {TITLES['decide']}", "", *(f"- {line.strip()}" for line in decide[2:])]
    text += ["", "## Try it", "", "    aml check", "    aml submit -c train-local"]
    text += [f"    aml register-model -n {slug}{asset_option(model)}"] * bool(model) + [""]
    for kind in ("changed", "taken"):
        if section := lines(notes, [kind]):
            text += ["<details>", f"<summary>{TITLES[kind]}: {len(section) - 2}</summary>", ""]
            text += [*(f"- {line.strip()}" for line in section[2:]), "", "</details>", ""]
    return "\n".join(text)
