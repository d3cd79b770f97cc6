"""The scripts that lines of shells run with Python."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from aml.adopt.cells import raw_cells
from aml.adopt.closure import CODE_LIMIT
from aml.adopt.tree import text_of

# Files whose lines are commands, some after a key: Make, just, dvc.org, mlflow.org/docs (projects), Snakemake, tox.
FILES = ("makefile", "justfile", "dvc.yaml", "mlproject", "snakefile", "tox.ini")
KEY = re.compile(r"(cmd|command|commands|run|shell|train)\s*[:=]\s*[|>]?")


def named_by_commands(root: Path, files: list[str]) -> dict[str, str]:
    """Scripts that README, files of commands, shell scripts and notebooks run with Python, and with which arguments."""
    found: dict[str, str] = {}
    for name in files:
        path = PurePosixPath(name)
        if path.suffix == ".ipynb":
            text = _shell_lines(root / name)
        elif path.name.lower().startswith(("readme", *FILES)) or path.suffix in (".sh", ".bat"):
            text = text_of(root / name)
        else:
            continue
        for script, arguments in python_commands(text.replace("\\\n", " ")):
            for place in (PurePosixPath(path.parent, script).as_posix(), script):
                if place in files and not found.get(place):
                    found[place] = arguments
    return found


def _shell_lines(path: Path) -> str:
    """What a notebook's cells give to a shell, and the scripts that they %run."""
    try:
        cells = raw_cells(path) if path.stat().st_size <= 20 * CODE_LIMIT else []
    except (OSError, ValueError, RecursionError):
        return ""
    texts = (re.sub(r"^\s*%run\s+(-\w\s+)*", "!python ", text, flags=re.MULTILINE) for _, text in cells)
    lines = [line.strip() for text in texts for line in text.replace("\\\n", " ").split("\n")]
    return "\n".join(line[1:] for line in lines if line.startswith("!"))


def python_commands(text: str) -> Iterator[tuple[str, str]]:
    """The scripts that lines such as "python train.py --epochs 3" run, with their arguments where those are literal."""
    for line in _lines(text):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a quotation mark without its second: a sentence
            continue
        folder = PurePosixPath()
        for command in _commands(words):
            # What stands before a program, which a sentence does not.
            while command and re.fullmatch(r"[$>!%@]+|\w+=\S*|nohup|time", command[0]):
                command = command[1:]
            if command[:1] == ["cd"] and len(command) == 2:
                folder /= command[1].replace("\\", "/")
            if not command or not re.fullmatch(r"(.*/)?(python|py)(\d(\.\d+)?)?(\.exe)?", command[0]):
                continue
            rest = command[1:]
            while rest and re.fullmatch(r"-[uBOIEs]+", rest[0]):
                rest = rest[1:]
            if rest[:1] == ["-m"] and len(rest) > 1:
                rest = [rest[1].replace(".", "/") + ".py", *rest[2:]]
            if rest and rest[0].endswith(".py"):
                vague = ("...", "\\", "-h", "--help")
                literal = not any(set("<>[]{}$|`") & set(word) or word in vague for word in rest[1:])
                yield (folder / rest[0].replace("\\", "/")).as_posix(), shlex.join(rest[1:]) if literal else ""


def _lines(text: str) -> Iterator[str]:
    """The lines of a text that may be commands: without the marks of lists and keys, and the code within sentences."""
    for line in text.splitlines():
        plain = re.sub(r"^\s*(?:\d+[.)]|[-*+])\s+", "", line).strip()
        plain = KEY.sub("", plain, count=1).strip() if KEY.match(plain) else plain
        quoted = len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "\"'"
        yield (plain[1:-1] if quoted else plain).strip("`")
        if "`" in plain.strip("`"):
            yield from re.findall(r"`([^`]+)`", plain)


def _commands(words: list[str]) -> Iterator[list[str]]:
    """The single commands of a line."""
    command: list[str] = []
    for word in words:
        if word in ("&&", "||", "|", ";", ">", ">>", "&") or word.endswith(";"):
            yield [*command, *filter(None, [word.rstrip("&|;>")])]
            command = []
        else:
            command.append(word)
    yield command
