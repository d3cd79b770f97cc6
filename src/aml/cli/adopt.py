"""`aml adopt SOURCE`: make a model repository of code that somebody has.

The exit status is 0 when the repository is there, 1 when the source cannot be converted, 2 when a choice is missing or
a place is taken; then nothing is written.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aml.adopt import Note, origin
from aml.adopt.report import asset_option, document, lines, screen
from aml.console import print_safely, say
from aml.errors import UserError

if TYPE_CHECKING:
    from aml.adopt.source import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of the verb."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder or git checkout, which is never changed")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="folder to make, whose name is the repository's (default: that of the entry's folder)",
    )
    parser.add_argument("--entry", metavar="FILE", help="script or notebook that trains (default: found, or asked for)")
    parser.add_argument("--dry-run", action="store_true", help="report only, write nothing")


def run(args: argparse.Namespace) -> int:
    """Run the verb; returns the exit status. Raises UserError when the extra `adopt` is not installed."""
    if missing := origin.missing("adopt"):
        install = f'pip install "{origin.requirement("adopt")}"'
        raise UserError(f"aml adopt needs {', '.join(missing)}, which are not installed: {install}")
    try:
        return adopt(args.source, args.output, args.entry, args.dry_run)
    except EOFError:
        raise KeyboardInterrupt from None


def adopt(root: Path, out: Path | None, entry: str | None, dry: bool) -> int:
    """Adopt `root` into `out`; returns the exit status."""
    from aml.adopt import repository

    source = _read(root, entry)
    slug = repository.slug(source)
    if out is not None:
        out = out.resolve()
        slug = out.name if re.fullmatch(repository.NAME, out.name) else slug
    else:
        out = default_output(source, slug)
    if out.is_relative_to(source.home):
        raise UserError(f"{out} is in the source, which is never changed: name a folder elsewhere with -o")
    if out.is_dir() and any(out.iterdir()) and not (out / "ADOPTED.md").is_file():
        raise UserError(f"{out} is there already, and not empty: name another folder with -o")
    say(f"{source.why}\nresolving and trying the packages, which takes a minute (longer where they are downloaded) ...")
    adoption = repository.plan(source, slug)
    if adoption.blocked:
        print_safely("\n".join(lines(adoption.notes, ("blocked", "decide"))[1:]))
        count = sum(note.kind == "blocked" for note in adoption.notes)
        say(f"\naml: nothing was written: fix {count} in a copy of the source, and run it again")
        return 1
    notes = adoption.notes
    if not dry:
        report = document(source.root.name, notes, adoption.code.model, adoption.model)
        findings = repository.write(adoption, out, report)
        notes = [*notes, *(Note("decide", "", f"aml check: {finding}") for finding in findings)]
    print_safely("\n".join(screen(notes, adoption.code.model, everything=dry)))
    register = f"aml register-model -n {adoption.model}{asset_option(adoption.code.model)}"
    print_safely(f"\n{out}: {'would be written' if dry else 'written; ADOPTED.md has all of this. Next:'}")
    if not dry:
        activate = r".venv\Scripts\activate" if sys.platform == "win32" else ". .venv/bin/activate"
        steps = [
            f'cd "{out}"' if " " in str(out) else f"cd {out}",
            "python -m venv .venv",
            activate,
            "pip install -e .",
            "aml submit -c train-local",
        ]
        print_safely("\n".join(f"  {step}" for step in [*steps, register]))
    return 0


def default_output(source: "Source", slug: str) -> Path:
    """A new folder in the working folder; beside the source, where that is in the source."""
    here = Path.cwd().resolve()
    folder = source.home.parent if here.is_relative_to(source.home) else here
    return folder / (f"{slug}-model" if folder / slug == source.home else slug)


def _read(root: Path, entry: str | None) -> "Source":
    """The source; where several files may train, the one that is chosen at the terminal."""
    from aml.adopt import source

    try:
        return source.read(root, entry)
    except source.Undecided as undecided:
        if not sys.stdin.isatty() or not sys.stdout.isatty():
            raise
        print_safely("Several files may be the one that trains:")
        for number, candidate in enumerate(undecided.candidates, 1):
            print_safely(f"  {number}  {candidate.name}: {', '.join(candidate.reasons)}")
        answer = input("Which one? ")
        if not answer.isdecimal() or not 1 <= int(answer) <= len(undecided.candidates):
            raise UserError(f"{answer!r} is none of them") from None
        return source.read(root, undecided.candidates[int(answer) - 1].name)
