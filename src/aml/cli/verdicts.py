"""What the verbs that register have in common: the flags of the gate, and how its verdict is shown."""

import argparse
import json
from pathlib import Path

from aml.console import display_path, say
from aml.errors import UserError
from aml.gate import EXIT_STATUS, NOTES, Verdict
from aml.policy import Script
from aml.run import read_json


def add_arguments(parser: argparse.ArgumentParser, script: Script) -> None:
    parser.add_argument("--force", action="store_true", help=f"register whatever {script.path} says, and record that")
    parser.add_argument("--report", type=Path, metavar="FILE", help=f"write what {script.path} says as JSON")


def check_report(args: argparse.Namespace) -> None:
    """Refuse a --report that cannot be written, before anything is registered."""
    if args.report and (args.report.is_dir() or not args.report.absolute().parent.is_dir()):
        raise UserError(f"--report {args.report}: should be a file in a folder that exists")


def read_model(report: Path) -> str:
    """The model that was registered, NAME:VERSION, by the report of that. Raises UserError when none was."""
    name, version, verdict = read_json(report, ("model", "version", "verdict"), "aml register-model --report")
    if version == "None":
        raise UserError(f"{display_path(report)}: no version of model {name} was registered: the gate said {verdict}")
    return f"{name}:{version}"


def show(
    args: argparse.Namespace, what: str, script: Script, verdict: Verdict, new: bool = True, **subject: object
) -> int:
    """Print the verdict on `what` to stderr, if it is a `new` one, and write the report; returns the exit status.

    `subject` is what the report says of `what`.
    """
    if args.report:
        text = json.dumps(verdict.report(**subject), indent=2, ensure_ascii=False, allow_nan=False)
        args.report.write_text(text + "\n", encoding="utf-8", newline="\n")
    reasons = "".join(f"\n  {reason}" for reason in verdict.reasons)
    if verdict.state == "refused":
        note = NOTES.get(verdict.comparison)
        compared = f"the champion is version {verdict.champion.version}" if verdict.champion else ""
        compared = f" ({compared}{'; ' if note else ''}{note or ''})" if compared else ""
        say(f"aml: {script.path} refuses {what}{compared}:{reasons}\n  --force registers it all the same")
    elif verdict.state == "not judged":
        say(f"aml: {script.path} could not judge {what}:{reasons}\n  fix it, or register it all the same with --force")
    elif verdict.state in ("passed", "forced") and new:
        say(f"gate: {verdict}{reasons}")
    return EXIT_STATUS.get(verdict.state, 0)
