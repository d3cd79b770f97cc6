"""How the scripts of a source are run, as its own files have it: README, Makefile, run.sh, dvc.yaml and their like."""

import configparser
import json
import posixpath
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from aml.adopt.cells import raw_cells
from aml.adopt.closure import CODE_LIMIT
from aml.adopt.commands import HERE, Call, Run, Shell, commands_in, joined
from aml.adopt.private import hide
from aml.adopt.tree import text_of

SHELLS = ("bash", "sh", "zsh", "source", ".")
# Keys of YAML, JSON, TOML and INI files: variables of the environment, other variables, and the folder of a command.
ENVIRONMENT = ("env", "environment", "setenv", "set_env", "passenv")
VARIABLES = ("vars", "variables", "parameters")
FOLDER = ("wdir", "working-directory", "working_dir", "dir", "cwd", "changedir", "change_dir")
# {{name}} of just, {{.name}} of Task, ${{ env.name }} of GitHub, ${a.b} of DVC, {name} of MLflow, {posargs:x} of tox.
TEMPLATE = re.compile(
    r"\$?\{\{\s*(?:env\.|vars\.|inputs\.|\.)?([\w.]+)\s*\}\}|\$\{([\w.]+)\}|(?<![${])\{(\w+)(?::([^{}]*))?\}(?!\})"
)
ASSIGNMENT = re.compile(r"(?P<export>export\s+)?(?P<name>\w+)\s*(?P<how>\?|:{0,3}|\+)=\s*(?P<value>.*)")
RULE = re.compile(
    r"@?(?P<names>[\w./%$() -]+?)(?P<given>(?:\s+[+*]?\w+\s*=\s*(?:'[^']*'|\"[^\"]*\"|\S+))*)\s*::?(?!=)(?P<rest>.*)"
)
MAKE = re.compile(r"\$\((\w+)\)|\$\{(\w+)\}|\$([@<^])|\$(\w)|\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class Command:
    """A line that runs a script of the source."""

    script: str  # its path in the source
    module: str  # "pkg.train" with python -m
    words: tuple[str, ...]
    unclear: tuple[str, ...]  # arguments whose values are not known, which are not among the words
    folder: str  # in the source, where it runs
    variables: Mapping[str, str]  # that the environment has for it
    where: str  # "Makefile:7"
    passing: bool = False  # a mention in a sentence, or how the script is used
    named: bool = True  # by what is written for people: README itself, or what it says to run
    before: tuple[str, ...] = ()  # the scripts that run before it


def commands(root: Path, home: Path, files: list[str]) -> list[Command]:
    """What runs scripts of the source, that of the README first.

    `files` are those of the source, at `root`; workflows, which are not among them, lie in `home`.
    """
    reader = _Reader(root, home, files)
    flows = home / ".github" / "workflows"
    hidden = [path.relative_to(home).as_posix() for path in sorted(flows.glob("*.y*ml"))] if flows.is_dir() else []
    kinds: dict[str, list[str]] = {}
    for name in [*files, *hidden]:
        kinds.setdefault(_kind(PurePosixPath(name)), []).append(name)
    for kind in _READERS:
        # What lies nearer to the root is the documentation of the whole.
        for name in sorted(kinds.get(kind, []), key=lambda name: (name.count("/"), name)):
            reader.read(name, kind)
    return sorted(reader.found, key=lambda one: (one.passing, not one.named))


def _kind(path: PurePosixPath) -> str:
    name = path.name.lower()
    if name.startswith("readme"):
        return "readme"
    if path.suffix == ".ipynb":
        return "notebook"
    if name.startswith(("makefile", "gnumakefile")) or path.suffix == ".mk" or name in ("justfile", ".justfile"):
        return "make"
    if name.startswith("dockerfile") or path.suffix == ".dockerfile":
        return "docker"
    if name in ("tox.ini", "setup.cfg", "pyproject.toml", "package.json", "mlproject"):
        return "structured"
    if name.startswith(("dvc.y", "taskfile", "docker-compose", ".gitlab-ci")) or path.parts[:1] == (".github",):
        return "structured"
    if path.suffix in (".sh", ".bash", ".bat", ".cmd"):
        return "shell"
    return "lines" if name in ("snakefile", "procfile") else ""


@dataclass
class _Reader:
    root: Path
    home: Path
    files: list[str]
    found: list[Command] = field(default_factory=list)
    calls: list[tuple[str, tuple[str, ...]]] = field(
        default_factory=list
    )  # what documentation says to run: where, and words

    def __post_init__(self) -> None:
        self.known = {*self.files}
        self.folders = {folder.as_posix() for name in self.files for folder in PurePosixPath(name).parents}

    def read(self, name: str, kind: str) -> None:
        """Read one file."""
        path = self.root / name if name in self.known else self.home / name
        text = _notebook(path) if kind == "notebook" else text_of(path)
        if text:
            _READERS[kind](self, name, text)

    def shell(self, name: str, folder: str = ".", **values: Any) -> Shell:
        """A shell that begins in a folder of the source."""
        parent = PurePosixPath(name).parent.as_posix()
        return Shell(folder=folder, is_folder=lambda text: self.place(text, parent) in self.folders, **values)

    def place(self, text: str, parent: str) -> str:
        """A path in the source."""
        inside = text.removeprefix(HERE).lstrip("/") if text.startswith(HERE) else text
        return posixpath.normpath(posixpath.join(parent, inside) if text.startswith(HERE) else inside)

    def take(self, name: str, one: Run | Call, where: str = "", **more: Any) -> Command | None:
        """Keep what a line runs, when that is a script of the source."""
        where = where or f"{name}:{one.line}"
        if isinstance(one, Call):
            self.calls.append((where, one.words))
            return None
        parent = PurePosixPath(name).parent.as_posix()
        here = self.place(one.folder, parent)
        for folder in dict.fromkeys((here, posixpath.normpath(posixpath.join(parent, here)), parent, ".")):
            script = self._script(one, folder, parent)
            if script:
                up = posixpath.relpath(parent, folder)
                words = tuple(re.sub(rf"{HERE}(?=/|$)", up, word) for word in one.words)
                variables = {key: re.sub(rf"{HERE}(?=/|$)", up, value) for key, value in one.variables.items()}
                self.found.append(
                    Command(
                        script,
                        one.module,
                        words,
                        one.unclear,
                        folder,
                        variables,
                        where,
                        **{"passing": one.usage, **more},
                    )
                )
                return self.found[-1]
        return None

    def _script(self, one: Run, folder: str, parent: str) -> str:
        if not one.module:
            texts = [one.script if one.script.startswith(HERE) else posixpath.join(folder, one.script)]
        else:
            stem = one.module.replace(".", "/")
            texts = [
                posixpath.join(folder, base, stem + end) for base in (".", "src") for end in (".py", "/__main__.py")
            ]
        return next((place for text in texts if (place := self.place(text, parent)) in self.known), "")

    def is_named(self, *names: str) -> bool:
        """Whether the documentation says to run what has one of these names."""
        words = {word.removeprefix("./") for where, call in self.calls if _for_people(where) for word in call}
        return bool(words & {*names})

    def readme(self, name: str, text: str) -> None:
        shell = self.shell(name)
        fenced = False
        for number, line in joined(text):
            if re.match(r"\s*(```|~~~)", line):
                fenced, shell.folder = not fenced, "."
                continue
            for code, passing in [(line, False)] if fenced else commands_in(line):
                for one in shell.follow(code, number):
                    self.take(name, one, passing=passing or (isinstance(one, Run) and one.usage))

    def lines(self, name: str, text: str) -> None:
        for number, line in joined(text):
            plain = re.sub(r"^\s*[\w-]+\s*:\s*", "", line).strip().strip("\"'")
            for one in self.shell(name).follow(plain, number):
                self.take(name, one, named=False)

    def shell_script(self, name: str, text: str) -> None:
        script = PurePosixPath(name)
        bat = script.suffix in (".bat", ".cmd")
        calls = [
            (where, call[at + 1 :])
            for where, call in self.calls
            for at, word in enumerate(call[:2])
            if posixpath.normpath(word.replace("\\", "/")) in (name, script.name) and (at == 0 or call[0] in SHELLS)
        ]
        named = any(_for_people(where) for where, _ in calls)
        for where, words in dict.fromkeys(calls or [("", ())]):
            values = {str(at): word for at, word in enumerate(words, 1)}
            values |= dict.fromkeys("@*", " ".join(words)) if words else {}
            shell = self.shell(name, values=values)
            before: list[str] = []
            for number, line in joined(text):
                for one in shell.follow(_bat(line) if bat else line, number):
                    taken = self.take(name, one, _both(where, name, number), named=named, before=tuple(before))
                    before += [taken.script] if taken else []

    def make(self, name: str, text: str) -> None:
        """The recipes of a Makefile or a justfile: each line is a shell of its own."""
        recipes = _Recipes.of(text, self.root / PurePosixPath(name).parent)
        asked: dict[str, tuple[str, dict[str, str]]] = {}  # where the documentation asks for a target, with variables
        for where, call in self.calls:
            if call[0] in ("make", "just") and _for_people(where):
                pairs = {key: value for key, equals, value in (word.partition("=") for word in call[1:]) if equals}
                for target in [word for word in call[1:] if word in recipes.lines] or recipes.first:
                    for one in recipes.closure(target):
                        asked.setdefault(one, (where, pairs))
        made: dict[str, list[Command]] = {}
        for target, lines in recipes.lines.items():
            where, given = asked.get(target, ("", {}))
            values, exported = recipes.variables(target, given)
            values |= {"@": target, "<": " ".join(recipes.needs[target][:1]), "^": " ".join(recipes.needs[target])}
            for number, line in lines:
                shell = self.shell(name, exported={**exported})
                for run in shell.follow(recipes.expand(line, values), number):
                    taken = self.take(name, run, _both(where, name, number), named=target in asked)
                    made.setdefault(target, []).extend([taken] if taken else [])
        for target, found in made.items():
            first = [
                one.script for part in reversed(recipes.closure(target)) if part != target for one in made.get(part, ())
            ]
            for at, command in enumerate(found):
                before = (*first, *(one.script for one in found[:at]))
                self.found[self.found.index(command)] = replace(command, before=before)

    def docker(self, name: str, text: str) -> None:
        """ENV, WORKDIR, RUN, ENTRYPOINT and CMD of a Dockerfile."""
        shell, entry = self.shell(name), ""
        for number, line in joined(text):
            word, _, rest = line.strip().partition(" ")
            rest = rest.strip()
            if word.upper() in ("ENV", "ARG"):
                pair = rest if re.match(r"\w+=", rest) else rest.replace(" ", "=", 1)
                [*shell.follow(f"export {pair}" if word.upper() == "ENV" else pair)]
            elif word.upper() == "WORKDIR":
                parts = PurePosixPath(rest).parts
                inside = ("/".join(parts[at:]) for at in range(len(parts)))
                shell.folder = next((folder for folder in inside if folder in self.folders), ".")
            elif word.upper() in ("RUN", "CMD", "ENTRYPOINT"):
                command = _exec_form(rest)
                if word.upper() == "CMD":
                    command = f"{entry} {command}".strip()
                entry = command if word.upper() == "ENTRYPOINT" else entry
                known = partial(re.sub, r"(?<!\S)/(?:[\w.-]+/)*(?=[\w./-]+\.py(\s|$))", self._inside)
                for one in shell.follow(known(command), number):
                    self.take(name, one, named=False, passing=word.upper() == "ENTRYPOINT")

    def _inside(self, found: "re.Match[str]") -> str:
        """A folder of an image, as it is in the source."""
        parts = PurePosixPath(found[0]).parts
        inside = ("/".join(parts[at:]) for at in range(len(parts)))
        return next((f"{folder}/" for folder in inside if folder in self.folders), "")

    def structured(self, name: str, text: str) -> None:
        """The commands in YAML, JSON, TOML and INI files, with the variables and folders that stand around them."""
        try:
            content = _content(name, text)
        except (ValueError, RecursionError):
            return
        lines = text.splitlines()
        values = {}
        if PurePosixPath(name).name.lower().startswith("dvc."):
            params = PurePosixPath(name).with_name("params.yaml")
            try:
                values = _flat(_content(params.name, text_of(self.root / params)))
            except (ValueError, RecursionError):
                values = {}
        at = 0
        before: list[str] = []
        for command, scope in _walk(content, _Scope(values=values)):
            shell = self.shell(name, scope.folder, values={**scope.values}, exported={**scope.exported})
            for _, line in joined(_filled(command, scope.values, scope.tox)):
                for one in shell.follow(line):
                    if isinstance(one, Run):
                        said = one.script or one.module
                        after = (number for number in range(at, len(lines)) if said in lines[number])
                        at = next(after, next((n for n, each in enumerate(lines) if said in each), 0))
                        one = replace(one, line=at + 1)
                        at += 1
                    named = self.is_named(scope.label, _ALONE.get(PurePosixPath(name).name.lower(), scope.label))
                    taken = self.take(name, one, named=named, before=tuple(before))
                    before += [taken.script] if taken else []


def choose(found: Sequence[Command], is_complete: Callable[[Command], bool]) -> Command | None:
    """The command of a script that is the documented one: the first with all that the script asks for."""
    serious = [one for one in found if not one.passing] or found
    return next((one for one in serious if not one.unclear and is_complete(one)), next(iter(serious), None))


def told(one: Command, variables: Mapping[str, str]) -> str:
    """How a command runs its script, for people."""
    given = [f"{name}={value}" for name, value in sorted(variables.items())]
    return hide(" ".join([*given, shlex.join(one.words), *one.unclear]).strip()) or "no arguments"


def _bat(line: str) -> str:
    """A line for Windows' shell as others have it."""
    line = line.strip().removeprefix("@").replace("\\", "/")
    found = re.fullmatch(r"(?i)set\s+(\"?)(\w+)=(.*)\1", line)
    return f"export {found[2]}={shlex.quote(found[3])}" if found else line


def _both(where: str, name: str, number: int) -> str:
    """Where a line stands, after the place from where it is run."""
    return f"{where}, {name}:{number}" if where else f"{name}:{number}"


def _for_people(where: str) -> bool:
    return PurePosixPath(where).name.lower().startswith("readme")


_ALONE = {"dvc.yaml": "dvc", "mlproject": "mlflow"}  # files that their programs run without a name
_READERS: dict[str, Callable[[_Reader, str, str], None]] = {
    "readme": _Reader.readme,
    "notebook": _Reader.readme,
    "make": _Reader.make,
    "structured": _Reader.structured,
    "lines": _Reader.lines,
    "docker": _Reader.docker,
    "shell": _Reader.shell_script,
}


def _notebook(path: Path) -> str:
    """What a notebook's cells give to a shell, the scripts that they %run, and the variables that they set."""
    try:
        cells = raw_cells(path) if path.stat().st_size <= 20 * CODE_LIMIT else []
    except (OSError, ValueError, RecursionError):
        return ""
    found = []
    for _, text in cells:
        text = re.sub(r"(?m)^\s*%run\s+(-\w\s+)*", "!python ", text.replace("\\\n", " "))
        text = re.sub(r"(?m)^\s*%(?:set_)?env\s+(\w+)[= ]\s*", r"!export \1=", re.sub(r"(?m)^\s*%cd\s", "!cd ", text))
        found += [line.strip()[1:] for line in text.split("\n") if line.strip().startswith("!")]
    return "\n".join(found)


@dataclass
class _Recipes:
    """A Makefile or a justfile."""

    lines: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # of each target
    needs: dict[str, list[str]] = field(default_factory=dict)  # prerequisites
    own: dict[str, dict[str, str]] = field(default_factory=dict)  # variables of one target
    values: dict[str, str] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    first: list[str] = field(default_factory=list)  # the target of make alone

    @classmethod
    def of(cls, text: str, folder: Path, depth: int = 0) -> "_Recipes":
        """Read the text; `folder` is where the files lie that it includes."""
        found = cls()
        targets: list[str] = []
        for number, line in joined(text):
            if line[:1] in ("\t", " ") and targets and line.strip():
                for target in targets:
                    found.lines[target].append((number, re.sub(r"^[@+-]+", "", line.strip())))
                continue
            plain = re.sub(r"(^|\s)#.*", "", line).strip()
            if included := re.fullmatch(r"(?:-|s)?include\s+(\S+)", plain):
                inner = cls.of(text_of(folder / included[1]), folder, depth + 1) if depth < 5 else cls()
                found.values |= inner.values
                found.exported |= inner.exported
            elif re.fullmatch(r"export|set export(\s*:=\s*true)?", plain):
                found.exported.add("*")
            elif match := ASSIGNMENT.fullmatch(plain):
                found._assign(match, found.values)
            elif match := re.fullmatch(r"export\s+([\w ]+)", plain):
                found.exported.update(match[1].split())
            elif plain and (match := RULE.fullmatch(plain)):
                rest, _, inline = match["rest"].partition(";")
                targets = match["names"].split()
                assignment = ASSIGNMENT.fullmatch(rest.strip())
                for target in targets:
                    found.lines.setdefault(target, [])
                    found.needs.setdefault(target, [])
                    own = found.own.setdefault(target, {})
                    own |= {
                        name: value.strip("\"'")
                        for name, value in re.findall(r"(\w+)\s*=\s*('[^']*'|\"[^\"]*\"|\S+)", match["given"])
                    }
                    if assignment:
                        found._assign(assignment, own)
                    else:
                        found.needs[target] += rest.replace("|", " ").split()
                        found.lines[target] += [(number, inline.strip())] if inline.strip() else []
                if not found.first and targets and not targets[0].startswith("."):
                    found.first = targets[:1]
        return found

    def _assign(self, match: "re.Match[str]", into: dict[str, str]) -> None:
        name, value = match["name"], match["value"].strip()
        value = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
        if match["how"] == "+":
            value = f"{into.get(name, self.values.get(name, ''))} {value}".strip()
        if match["how"] != "?" or name not in self.values:
            into[name] = value
        if match["export"]:
            self.exported.add(name)

    def closure(self, target: str) -> list[str]:
        """A target and what make makes before it."""
        found: list[str] = []
        waiting = [target]
        while waiting:
            one = waiting.pop()
            if one in self.lines and one not in found:
                found.append(one)
                waiting += self.needs[one]
        return found

    def variables(self, target: str, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """The variables of a target, and those among them that the environment of its recipe has."""
        values = {**self.values, **self.own.get(target, {}), **given}
        names = values if "*" in self.exported else {*self.exported, *given} & values.keys()
        exported = {name: self.expand(values[name], values) for name in names}
        return values, {name: value for name, value in exported.items() if not re.search(r"\$[({]|\{\{", value)}

    def expand(self, text: str, values: Mapping[str, str], depth: int = 0) -> str:
        """The text with the variables that are known; the others stay as they are."""

        def value(found: "re.Match[str]") -> str:
            name = next(filter(None, found.groups()))
            if name not in values or depth > 9:
                return found[0]
            return self.expand(values[name], values, depth + 1)

        parts = re.split(r"\$\$", text)
        return "$".join(MAKE.sub(value, part) for part in parts)


@dataclass
class _Scope:
    """What stands around a command in a structured file."""

    values: dict[str, str] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)
    folder: str = "."
    label: str = ""
    tox: bool = False


def _walk(node: Any, scope: _Scope) -> Iterator[tuple[str, _Scope]]:
    """The texts in nested mappings and lists, any of which may be a command."""
    if isinstance(node, str):
        yield node, scope
    elif isinstance(node, list):
        texts = [word for word in node if isinstance(word, str | int | float)]
        if node and len(texts) == len(node) and re.fullmatch(r"(.*/)?python[\d.]*", str(node[0])):
            yield shlex.join(map(str, node)), scope
            return
        for inner in node:
            yield from _walk(inner, scope)
    elif isinstance(node, dict):
        inner = replace(scope, values={**scope.values}, exported={**scope.exported})
        for key, value in node.items():
            name = str(key).lower()
            if name in ENVIRONMENT:
                pairs = {each: _filled(text, inner.values) for each, text in _pairs(value).items()}
                inner.exported |= pairs
                inner.values |= pairs
            elif name in VARIABLES:
                inner.values |= _flat(value)
            elif name in FOLDER and isinstance(value, str):
                folder = re.sub(r"\{toxinidir\}/?|\$\{\{\s*github\.workspace\s*\}\}/?", "", value)
                inner.folder = posixpath.normpath(posixpath.join(scope.folder, folder or "."))
        for key, value in node.items():
            name = str(key).lower()
            if name in (*ENVIRONMENT, *FOLDER, "description", "help", "name"):
                continue
            inside = isinstance(value, dict) or name not in (
                "cmd",
                "cmds",
                "command",
                "commands",
                "run",
                "shell",
                "script",
            )
            label = (
                str(key).removeprefix("testenv:")
                if inside and name not in ("steps", "jobs", "stages", "scripts")
                else inner.label
            )
            yield from _walk(value, replace(inner, label=label, tox=inner.tox or name.startswith("testenv")))


def _filled(text: str, values: Mapping[str, str], tox: bool = False) -> str:
    """A text with the variables that stand in it as {{name}} and the like, where they are known."""

    def value(found: "re.Match[str]") -> str:
        name = next(filter(None, found.groups()[:3]))
        if tox and name in ("posargs", "envpython", "toxinidir"):
            return {"posargs": found[4] or "", "envpython": "python", "toxinidir": "."}[name]
        return values.get(name, found[0])

    return TEMPLATE.sub(value, text)


def _pairs(content: Any) -> dict[str, str]:
    """Variables as they stand in a mapping, in a list, or in lines."""
    if isinstance(content, dict):
        return {str(key): _said(value) for key, value in content.items() if isinstance(value, str | int | float)}
    lines = content.splitlines() if isinstance(content, str) else content if isinstance(content, list) else []
    split = (str(line).partition("=") for line in lines)
    return {name.strip(): value.strip() for name, equals, value in split if equals}


def _flat(content: Any, above: str = "") -> dict[str, str]:
    """Values by their dotted names; MLflow's parameters by their defaults."""
    found: dict[str, str] = {}
    for key, value in content.items() if isinstance(content, dict) else ():
        name = f"{above}{key}"
        if isinstance(value, dict):
            found |= _flat(value, f"{name}.")
            found |= {name: _said(value["default"])} if "default" in value else {}
        elif isinstance(value, str | int | float) and not (
            not above and value in ("float", "int", "string", "path", "uri")
        ):
            found[name] = _said(value)
    return found


def _said(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _content(name: str, text: str) -> Any:
    """What a structured file holds. Raises ValueError when it cannot be read."""
    import yaml

    path = PurePosixPath(name)
    if path.suffix == ".toml":
        return tomllib.loads(text)
    if path.suffix in (".ini", ".cfg"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(text)
        except configparser.Error as error:
            raise ValueError(str(error)) from error
        return {section: dict(parser.items(section)) for section in parser.sections()}
    try:
        return yaml.safe_load(text)  # JSON, too
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _exec_form(text: str) -> str:
    """["python", "train.py"] as a line; another line as it is."""
    try:
        words = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return text
    return shlex.join(map(str, words)) if isinstance(words, list) else text
