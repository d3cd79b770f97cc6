"""`aml adopt SOURCE`: make a model repository of code that somebody has.

The exit status is 0 when the repository is there, and trains where it was tried; 1 when the source cannot be converted,
and nothing is written, or when the repository does not do what the original does, and is left to look at; 2 when a
choice is missing or a place is taken, and nothing is written.
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
    from aml.adopt.discover.source import Source


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
    parser.add_argument("--dry-run", action="store_true", help="report only: run and write nothing")
    parser.add_argument(
        "--no-run", action="store_true", help="do not run the code to see whether it still does the same"
    )
    parser.add_argument("--run-limit", type=float, default=300, metavar="SECONDS", help="of a run (default: 300)")
    parser.add_argument("--network", action="store_true", help="let the code reach other machines while it is tried")


def run(args: argparse.Namespace) -> int:
    """Run the verb; returns the exit status. Raises UserError when the extra `adopt` is not installed."""
    if missing := origin.missing("adopt"):
        install = f'pip install "{origin.requirement("adopt")}"'
        raise UserError(f"aml adopt needs {', '.join(missing)}, which are not installed: {install}")
    try:
        limits = None if args.no_run or args.dry_run else (args.run_limit, args.network)
        return adopt(args.source, args.output, args.entry, args.dry_run, limits)
    except EOFError:
        raise KeyboardInterrupt from None


def adopt(root: Path, out: Path | None, entry: str | None, dry: bool, limits: tuple[float, bool] | None) -> int:
    """Adopt `root` into `out`; returns the exit status.

    `limits`: the seconds that a run of the code may take, and whether it may reach other machines; None: it is not run.
    """
    from aml.adopt import adoption as planning
    from aml.adopt import repository, verification

    source = _read(root, entry)
    slug = planning.slug(source)
    if out is not None:
        out = out.resolve()
        slug = out.name if re.fullmatch(planning.NAME, out.name) else slug
    else:
        out = default_output(source, slug)
    if out.is_relative_to(source.home):
        raise UserError(f"{out} is in the source, which is never changed: name a folder elsewhere with -o")
    if out.is_dir() and any(out.iterdir()) and not (out / "ADOPTED.md").is_file():
        raise UserError(f"{out} is there already, and not empty: name another folder with -o")
    say(f"{source.why}\nresolving and trying the packages, which takes a minute (longer where they are downloaded) ...")
    adoption = planning.plan(source, slug)
    if adoption.blocked:
        print_safely("\n".join(lines(adoption.notes, ("blocked", "decide"))[1:]))
        count = sum(note.kind == "blocked" for note in adoption.notes)
        say(f"\naml: nothing was written: fix {count} in a copy of the source, and run it again")
        return 1
    if limits:
        say("running the code, the original and the converted one, in copies: --no-run leaves that out ...")
        verdict = verification.settle(adoption, repository.make, verification.Limits(*limits), say)
    else:
        made = verification.unseen(adoption, None, "the code was not run")
        verdict = verification.Verdict(made, notes=(verification.NOT_RUN,))
    adoption = verdict.adoption
    notes = [*adoption.notes, *verdict.notes]
    if not dry:

        def report(findings: list[str]) -> str:
            notes.extend(Note("decide", "", f"aml check: {finding}") for finding in findings)
            return document(source.root.name, notes, adoption.code.model, adoption.model, verdict.headline)

        repository.write(adoption, out, report)
    if verdict.uncompared and not verdict.problem:
        print_safely(verdict.headline)
    print_safely("\n".join(screen(notes, adoption.code.model, everything=dry)))
    if verdict.problem:
        print_safely(f"\n{out}: written, to look at")
        say(f"\naml: the repository is not ready: {verdict.problem}")
        return 1
    if verdict.trained:
        print_safely(f"\n{verdict.trained}")
    if dry:
        print_safely(f"\n{out}: would be written")
        return 0
    activate = r".venv\Scripts\activate" if sys.platform == "win32" else ". .venv/bin/activate"
    steps = [
        f'cd "{out}"' if " " in str(out) else f"cd {out}",
        "python -m venv .venv",
        activate,
        "pip install -e .",
        "aml submit -c train-local",
    ]
    if adoption.code.model:
        steps.append(f"aml register-model -n {adoption.model}{asset_option(adoption.code.model)}")
    print_safely("\n".join([f"\n{out}: written; ADOPTED.md has all of this. Next:", *(f"  {step}" for step in steps)]))
    return 0


def default_output(source: "Source", slug: str) -> Path:
    """A new folder in the working folder; beside the source, where that is in the source."""
    here = Path.cwd().resolve()
    folder = source.home.parent if here.is_relative_to(source.home) else here
    return folder / (f"{slug}-model" if folder / slug == source.home else slug)


def _read(root: Path, entry: str | None) -> "Source":
    """The source; where several files may train, the one that is chosen at the terminal."""
    from aml.adopt.discover import source

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
