"""`aml VERB …`: finds the module of the verb and runs it."""

import argparse
import difflib
import importlib
import logging
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from aml.cli import scripts
from aml.console import redact, redirect_to_devnull, say
from aml.errors import UserError

VERBS = {
    "check": "validate the configuration, offline",
    "submit": "run a training job, here or on a cluster",
    "runs": "list runs, show one, or compare several",
    "register-model": "register the model of a run",
    "models": "list registered models and versions",
    "promote": "make a version of a model the champion, here, in the workspace or in another one",
    "deploy": "deploy a registered model to an endpoint, or go back to the one before",
    "endpoints": "list endpoints and their deployments, or show one",
    "invoke": "send a request to the endpoint",
    "ui": "open the MLflow UI on the runs of this repository",
    "serve": "answer requests with the registered model on this machine",
    "workspace": "show, confirm or change the workspace settings",
    "create-compute": "create or change the cluster",
    "register-data": "upload and register the data",
    "register-datastore": "let the workspace know a blob container",
    "data": "list registered data",
    "ci": "connect, check and compare what GitHub Actions or Azure Pipelines runs",
    "adopt": "make a model repository of code that exists",
}


class _Version(argparse.Action):
    """Prints the version of the installed package."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # takes 20 ms, which aml --help would notice

        print(f"aml {version('aml-template')}")
        parser.exit()


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def build_parser(verb: str | None) -> argparse.ArgumentParser:
    """The parser of all verbs; only the module of this `verb` is imported, so that --help stays instant."""
    parser = argparse.ArgumentParser(prog="aml", description="Train, track and register the model of this repository.")
    parser.add_argument("--version", nargs=0, action=_Version, help="show the version of this package")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for name, summary in VERBS.items():
        verb_parser = verbs.add_parser(name, help=summary, description=summary)
        if name == verb:
            module = importlib.import_module("aml.cli." + name.replace("-", "_"))
            module.add_arguments(verb_parser)
            verb_parser.add_argument("--debug", action="store_true", help="show requests and tracebacks")
            for action in _actions(verb_parser):
                action.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
            verb_parser.set_defaults(run=module.run)
    return parser


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of what a verb has below it, such as `show` of `aml runs`."""
    for entry in parser._actions:  # noqa: SLF001  # argparse has no other list of them
        if isinstance(entry, argparse._SubParsersAction):  # noqa: SLF001
            yield from entry.choices.values()


def _find_verb(argv: list[str]) -> str | None:
    """The verb that the arguments begin with, None when they name none. Raises UserError for one that is unknown."""
    verb = argv[0] if argv and not argv[0].startswith("-") else None
    if verb is None or verb in VERBS:
        return verb
    near = difflib.get_close_matches(verb, VERBS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the verbs are {', '.join(VERBS)}"
    raise UserError(f"there is no verb {verb}; {hint}")


def _run(argv: list[str], root: Path | None) -> int:
    """Parse the arguments and run the verb, or the script that the repository has for it."""
    verb = _find_verb(argv)
    if verb in scripts.VERBS and root is None and (script := scripts.load_main(verb)):
        return script(argv[1:])  # calls main() again, with a root
    parser = build_parser(verb)
    args = parser.parse_args(argv, argparse.Namespace(start=root))
    if not args.verb:
        parser.print_help()
        return 2
    if args.debug:
        handler = logging.StreamHandler()
        handler.setFormatter(_Formatter("%(name)s: %(message)s"))
        logging.basicConfig(handlers=[handler])
        for name in ("aml", "azure"):
            logging.getLogger(name).setLevel(logging.DEBUG)
    status: int = args.run(args)
    return status


def main(argv: list[str] | None = None, root: Path | None = None) -> int:
    """Run one verb; returns its exit status.

    0: done; 1: something was found; 2: not done; 3: refused by a gate of the repository; 130: cancelled; or the job's.
    `root` is a folder in the model repository; by default the working folder.
    """
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a legacy Windows console lacks some letters
    for name in ("SIGTERM", "SIGHUP"):  # a CI that cancels, a terminal that closes: like Ctrl-C
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), signal.default_int_handler)
    try:
        status = _run(argv, root)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has enough, as in `aml runs | head`
        redirect_to_devnull(sys.stdout)
        status = 0
    except ModuleNotFoundError as missing:
        say(f"aml: {missing.name} is not installed for {sys.executable}: activate .venv, or pip install -e .")
        status = 2
    except (UserError, OSError) as problem:  # the latter: a full disk, a folder that may not be written
        if "--debug" in argv:
            say(traceback.format_exc())
        say(f"aml: {problem}")
        status = 2
    except KeyboardInterrupt:
        say("aml: cancelled")
        status = 130
    except Exception:  # noqa: BLE001  # a fault of this program: Python's own traceback would show secrets
        say(traceback.format_exc())
        status = 1
    return status
