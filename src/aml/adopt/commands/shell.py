"""What a shell is told to run: the scripts in its lines, with their arguments, variables and folder. Runs nothing."""

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

HERE = "__here__"  # stands for the folder of a shell script
LONGEST = 4000  # letters of a line that somebody wrote
JOINT = "\u00a0"  # within what one shell gives to another, which is one word
REFERENCE = re.compile(r"\$\{(?P<name>\w+|[@*])(?::?-(?P<default>[^{}]*))?\}|\$(?P<plain>\w+|[@*])")
OWN_FOLDER = r"\$\(\s*dirname\s+(?:--\s+)?\"?\$(?:0|\{?BASH_SOURCE(?:\[0\])?\}?)\"?\s*\)"
OWN_FOLDER += r"|\$\{(?:0|BASH_SOURCE(?:\[0\])?)%/\*\}|%~dp0"
REDIRECTED = re.compile(r"(?<!\S)(?:[012&]?>>?|<)\s*(?:&\d|[^\s;&|<>()'\"]+)(?=\s|$|;)")
PART = re.compile(r"""((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^;|&'"\\])+)""")  # one command of a line
PLACEHOLDER = re.compile(r"<(?=\S)([^<>|&\n]*)(?<=\S)>")  # such as <folder>
VAGUE = re.compile(r"[{\[].*[}\]]|.*(\$|`|\{\{).*|.*\{\w+\}.*", re.DOTALL)  # what only its reader can fill in
UNKNOWN = re.compile(r"\$[\w({]|`|\{\{")
ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
KEYWORDS = ("then", "do", "else", "exec", "time", "nohup", "sudo", "env", "call", "command")
RUNNERS = re.compile(
    r"(?:accelerate launch|(?:uv|poetry|pipenv|pdm|rye|hatch) run|(?:conda|mamba|micromamba) run(?: -[np] \S+)?)(?= )"
)
PYTHON = re.compile(r"(.*/)?(python|py)(\d(\.\d+)?)?(\.exe)?")


@dataclass(frozen=True)
class Run:
    """A line that runs a script with Python."""

    line: int
    script: str  # a path as it stands there; "" with a module
    module: str  # of python -m
    words: tuple[str, ...]  # its arguments
    unclear: tuple[str, ...]  # the arguments among them whose values are not known, which are left out of `words`
    folder: str  # where it runs, from where the lines begin
    variables: Mapping[str, str]  # that the environment has for it
    usage: bool = False  # it shows how to run the script, and is no run


@dataclass(frozen=True)
class Call:
    """A line that runs another program, such as make."""

    line: int
    words: tuple[str, ...]
    folder: str
    variables: Mapping[str, str]


@dataclass
class Shell:
    """Follows the lines of a shell."""

    values: dict[str, str] = field(default_factory=dict)  # of its variables
    exported: dict[str, str] = field(default_factory=dict)
    folder: str = "."
    is_folder: Callable[[str], bool] = lambda folder: True
    text_of: Callable[[str], str] = lambda name: ""  # of a file that it reads as if its lines stood here
    exports: bool = False  # every variable that is set
    branches: int = 0  # of conditions, around a line

    def expand(self, text: str) -> str:
        """The text with the variables that are known; the others stay as they are."""

        def value(found: "re.Match[str]") -> str:
            name = found["name"] or found["plain"]
            text = self.values.get(name, found["default"] or ("." if name == "PWD" else found["default"]))
            return found[0] if text is None else text

        return re.sub(r"%(\w+)%", lambda found: self.values.get(found[1], found[0]), REFERENCE.sub(value, text))

    def follow(self, line: str, number: int = 0) -> Iterator[Run | Call]:
        """What a line runs; it may change the folder and the variables for the lines after it."""
        line = re.sub(r"^\s*\$env:(\w+)\s*=\s*", r"export \1=", line, flags=re.IGNORECASE)  # PowerShell
        line = re.sub(r"[\w.\\-]+\.py\b", lambda found: found[0].replace("\\", "/"), line)
        line = re.sub(OWN_FOLDER, HERE, line)
        line = re.sub(rf'\$\(\s*cd\s+"?({HERE}[^()"]*)"?\s*&&\s*pwd(?:\s+-\w)?\s*\)', r"\1", line)
        line = re.sub(r"^\s*\([\w.-]+\)\s*(?=[$#>]\s)", "", substituted(line))  # (venv) $ python train.py
        # Commands are told apart first: what one of them sets counts for the next.
        for part in PART.findall(REDIRECTED.sub(" ", PLACEHOLDER.sub(r"{\1}", line))):
            part = part.strip().lstrip("(")
            part = part.removesuffix(")") if part.count(")") > part.count("(") else part
            try:
                words = shlex.split(self.expand(part), comments=True)
            except ValueError:  # a quotation mark without its second: a sentence
                continue
            if any(re.fullmatch(r"[012&]?>>?|<", word) for word in words):  # to or from a file
                words = words[: next(at for at, word in enumerate(words) if re.fullmatch(r"[012&]?>>?|<", word))]
            yield from self._command(words, number)

    def _command(self, words: list[str], number: int) -> Iterator[Run | Call]:
        self.branches += sum(word in ("if", "case") for word in words[:2])
        self.branches -= sum(word in ("fi", "esac") for word in words[:1])
        mine: dict[str, str] = {}
        while words and (re.fullmatch(r"[$>!%@]+", words[0]) or words[0] in KEYWORDS or ASSIGNED.fullmatch(words[0])):
            if found := ASSIGNED.fullmatch(words[0]):
                mine[found[1]] = found[2]
            words = words[1:]
        if not words:
            self._set(mine, self.exports)
        elif words[0] in ("export", "set", "declare", "setenv"):
            self._export(words)
        elif words[0] in ("cd", "pushd") and len(words) > 1:
            self._enter(words[-1].replace("\\", "/"))
        elif words[0] in ("source", ".") and len(words) > 1:
            for text in self.text_of(words[1]).splitlines():
                yield from replace(self, text_of=lambda name: "").follow(text, number)  # the same variables
        else:
            yield self._run(words, number, {**self.exported, **mine})

    def _export(self, words: list[str]) -> None:
        self.exports = self.exports or words[1:] in (["-a"], ["-o", "allexport"])
        pairs = {found[1]: found[2] for word in words[1:] if (found := ASSIGNED.fullmatch(word))}
        pairs |= {word: self.values[word] for word in words[1:] if word in self.values}
        pairs |= {words[1]: words[2]} if words[0] == "setenv" and len(words) == 3 else {}
        self._set(pairs, True)

    def _enter(self, target: str) -> None:
        place = posixpath.normpath(target if target.startswith(HERE) else posixpath.join(self.folder, target))
        self.folder = place if self.is_folder(place) else self.folder

    def _run(self, words: list[str], number: int, variables: Mapping[str, str]) -> Run | Call:
        """A program, which may run a script with Python."""
        line = RUNNERS.sub("", shlex.join(words), count=1)
        runs = line != shlex.join(words)
        words = shlex.split(line)
        python = PYTHON.fullmatch(words[0]) is not None
        if VAGUE.fullmatch(words[0]) and len(words) > 1:  # such as $(PYTHON)
            python = words[1] == "-m" or words[1].endswith(".py")
        rest = words[1:] if python else words
        while python and rest and re.fullmatch(r"-[uBOIEsW]+", rest[0]):
            rest = rest[1:]
        module = rest[1] if python and rest[:1] == ["-m"] and len(rest) > 1 else ""
        direct = bool(rest) and rest[0].endswith(".py") and (python or runs or rest[0].startswith("./"))
        if not module and not direct:
            return Call(number, tuple(words), self.folder, variables)
        script = "" if module else rest[0].replace("\\", "/")
        given, unclear, usage = known(rest[2 if module else 1 :])
        return Run(number, script, module, given, unclear, self.folder, variables, usage)

    def _set(self, pairs: Mapping[str, str], exported: bool) -> None:
        # A variable that names an unknown one, or is another in each branch, is set, and its value is not known.
        if self.branches:
            other = {name for name, value in pairs.items() if self.values.get(name, value) != value}
            pairs = {name: f"${name}" if name in other else value for name, value in pairs.items()}
            for name in other:
                del self.values[name]
        self.values |= {name: value for name, value in pairs.items() if not UNKNOWN.search(value)}
        self.exported |= {name: value for name, value in pairs.items() if exported or name in self.exported}


def substituted(line: str) -> str:
    """A line in which what one command gives to another, $(...) or `...`, is one word; the working folder is "."."""
    line = re.sub(r"`[^`]*`", lambda found: re.sub(r"[\s;&|]", JOINT, found[0]), line)
    text, depth, start = "", 0, 0
    for letter in line:
        if letter == "(" and (depth or text.endswith("$")):
            start = start if depth else len(text) - 1
            depth += 1
        text += JOINT if depth and letter in " \t;&|" else letter
        if letter == ")" and depth:
            depth -= 1
            inner = text[start:]
            if not depth and ("MAKEFILE_LIST" in inner or re.fullmatch(rf"\$\((shell{JOINT})?pwd\)", inner)):
                text = f"{text[:start]}."
    return text


def known(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Arguments whose values are known, those that are not, and whether they only show how the script is used."""
    if {"-h", "--help", "...", "\\"} & {*words}:
        return (), (), True
    kept: list[str] = []
    unclear: list[str] = []
    for word in words:
        if not VAGUE.fullmatch(word) or re.fullmatch(r"[\w.+~]+=[^${}`]*", word):
            kept.append(word)
        elif word not in ("$@", "$*"):  # what a caller adds, who here adds nothing
            option = [kept.pop()] if kept and re.fullmatch(r"--?[A-Za-z][\w-]*", kept[-1]) else []
            unclear.append(" ".join([*option, word.replace(JOINT, " ")]))
    return tuple(kept), tuple(unclear), False


def joined(text: str) -> list[tuple[int, str]]:
    """The lines of a text with their numbers; those that a backslash (^ on Windows) lets go on are one."""
    found: list[tuple[int, str]] = []
    goes_on = False
    for number, line in enumerate(text.splitlines(), 1):
        line = line if len(line) <= LONGEST else ""
        bare = re.sub(r"(^|\s)[\\^]$", "", line.rstrip()) if line.rstrip().endswith((" \\", " ^")) else line
        if goes_on:
            found[-1] = found[-1][0], f"{found[-1][1]} {bare.strip()}"
        else:
            found.append((number, bare))
        goes_on = bare is not line
    return found


def commands_in(line: str) -> list[tuple[str, bool]]:
    """What may be commands in a line of a text: without the marks of lists, or the code within a sentence (True)."""
    plain = re.sub(r"^\s*(?:\d+[.)]|[-*+])\s+", "", line).strip()
    if "`" in plain.strip("`"):
        return [(code, True) for code in re.findall(r"`([^`]+)`", plain)]
    return [(plain.strip("`"), False)]


def scripts_in(text: str) -> list[str]:
    """The scripts that the lines of a text run, as paths from where they begin."""
    shell = Shell()
    runs = (run for number, line in joined(text) for one, _ in commands_in(line) for run in shell.follow(one, number))
    named = (
        PurePosixPath(run.folder, run.script or run.module.replace(".", "/") + ".py")
        for run in runs
        if isinstance(run, Run)
    )
    return [path.as_posix() for path in named]
