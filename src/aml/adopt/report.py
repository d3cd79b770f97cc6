"""What is told of an adoption: on the terminal, and in ADOPTED.md."""

from collections.abc import Iterable, Sequence

from aml.adopt import Note

TITLES = {
    "blocked": "In the way",
    "decide": "Left to decide",
    "changed": "Changed",
    "taken": "Taken over",
}


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


def document(source: str, notes: Iterable[Note], model: str | None, slug: str, problem: str = "") -> str:
    """ADOPTED.md; `problem`: why the repository does not do yet what the original does."""
    notes = list(notes)
    text = [f"**This repository does not do yet what the original does: {problem}**", ""] if problem else []
    text += [f"# Adopted from {source}", ""]
    text += [
        "What aml adopt took over, what it changed, and what is left to decide. Delete this file when that is done."
    ]
    for kind in ("decide", "changed", "taken"):
        section = lines(notes, [kind])
        if section:
            text += ["", f"## {TITLES[kind]}", "", *(f"- {line.strip()}" for line in section[2:])]
    text += ["", "## Try it", "", "    aml check", "    aml submit -c train-local"]
    text += [f"    aml register-model -n {slug}{asset_option(model)}", ""]
    return "\n".join(text)
