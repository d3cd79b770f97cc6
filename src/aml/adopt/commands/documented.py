"""How the scripts of a source are run, as its own files have it: README, Makefile, run.sh, dvc.yaml and their like."""

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from aml.adopt.commands.entry_points import entry_points
from aml.adopt.commands.recipes import Recipes
from aml.adopt.commands.shell import HERE, Call, Run, Shell, commands_in, joined, known
from aml.adopt.commands.structured import Scope, content_of, exec_form, filled, flat, walk
from aml.adopt.private import hide, is_secret_variable, without_secrets
from aml.adopt.python.cells import raw_cells
from aml.adopt.python.closure import CODE_LIMIT
from aml.adopt.tree import text_of

SHELLS = ("bash", "sh", "zsh", "source", ".")


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
    before: tuple["Command", ...] = ()  # what runs before it, each without its own

    @property
    def subcommand(self) -> str:
        """The first argument, where that may be one of several commands of the script."""
        word = next(iter(self.words), "")
        return word if re.fullmatch(r"[A-Za-z][\w-]*", word) else ""

    @property
    def trains(self) -> bool:
        """Whether it names a command of the script that trains."""
        return re.match(r"train|fit", self.subcommand, re.IGNORECASE) is not None


def commands(root: Path, home: Path, files: list[str]) -> list[Command]:
    """What runs scripts of the source, that of the README first.

    `files` are those of the source, at `root`; workflows, which are not among them, lie in `home`.
    """
    reader = _Reader(root, home, files)
    flows = home / ".github" / "workflows"
    hidden = [path.relative_to(home).as_posix() for path in sorted(flows.glob("*.y*ml"))] if flows.is_dir() else []
    kinds: dict[int, list[str]] = {}
    for name in [*files, *hidden]:
        for at, (pattern, _) in enumerate(_READERS):
            if re.fullmatch(rf"(.*/)?({pattern})", name.lower()):
                kinds.setdefault(at, []).append(name)
                break
    for at in sorted(kinds):
        # What lies nearer to the root is the documentation of the whole.
        for name in sorted(kinds[at], key=lambda name: (name.count("/"), name)):
            path = root / name if name in reader.known else home / name
            if text := _notebook(path) if path.suffix == ".ipynb" else text_of(path):
                _READERS[at][1](reader, name, text)
    return sorted(reader.found, key=lambda one: (one.passing, not one.named))


@dataclass
class _Reader:
    root: Path
    home: Path
    files: list[str]
    found: list[Command] = field(default_factory=list)
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)  # of other programs: where, and the words

    def __post_init__(self) -> None:
        self.known = {*self.files}
        self.entries = {
            one.command: one.path.relative_to(self.root).as_posix()
            for name in reversed(self.files)
            for one in entry_points(self.root, name)
            if one.path.is_relative_to(self.root)
        }
        self.folders = {folder.as_posix() for name in self.files for folder in PurePosixPath(name).parents}

    def shell(self, name: str, folder: str = ".", **values: Any) -> Shell:
        """A shell that begins in a folder of the source."""
        parent = PurePosixPath(name).parent.as_posix()

        def places(file: str) -> list[str]:
            return [self.place(file, parent), posixpath.normpath(posixpath.join(parent, file))]

        def text(file: str) -> str:
            inside = (place for place in places(file) if not place.startswith(("/", "..")))
            return next((text_of(self.home / place) for place in inside), "")

        def is_folder(place: str) -> bool:
            return bool({*places(place)} & self.folders)

        return Shell(folder=folder, is_folder=is_folder, text_of=text, **values)

    def place(self, text: str, parent: str) -> str:
        """A path in the source."""
        inside = text.removeprefix(HERE).lstrip("/") if text.startswith(HERE) else text
        return posixpath.normpath(posixpath.join(parent, inside) if text.startswith(HERE) else inside)

    def take(self, name: str, one: Run | Call, where: str = "", **more: Any) -> Command | None:
        """Keep what a line runs, when that is a script of the source."""
        where = where or f"{name}:{one.line}"
        if isinstance(one, Call) and one.words[0] in self.entries:
            script = self.entries[one.words[0]]
            words, unclear, usage = known(one.words[1:])
            module = script.removeprefix("src/").removesuffix(".py").replace("/", ".").removesuffix(".__main__")
            one = Run(one.line, "", module, words, unclear, one.folder, one.variables, usage)
        if isinstance(one, Call):
            self.calls.append((where, one.words))
            return None
        parent = PurePosixPath(name).parent.as_posix()
        here = self.place(one.folder, parent)
        for folder in dict.fromkeys((here, posixpath.normpath(posixpath.join(parent, here)), parent, ".")):
            script = self._script(one, folder, parent)
            if script:
                here_is = partial(re.sub, rf"{HERE}(?=/|$)", posixpath.relpath(parent, folder))
                words, variables = tuple(map(here_is, one.words)), {k: here_is(v) for k, v in one.variables.items()}
                found = Command(script, one.module, words, one.unclear, folder, variables, where, one.usage)
                self.found.append(replace(found, **more))
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
        before: list[Command] = []
        for number, line in joined(text):
            if re.match(r"\s*(```|~~~)", line):
                fenced, shell.folder = not fenced, "."
                continue
            for code, passing in [(line, False)] if fenced else commands_in(line):
                prose = not fenced and re.match(r"\S.*\.py +[a-z']+ +[a-z]+\b", line) is not None
                for one in shell.follow(code, number):
                    if isinstance(one, Run) and (prose or one.usage):  # "python train.py is what trains"
                        one = replace(one, words=(), unclear=(), usage=True)
                    said = passing or (isinstance(one, Run) and one.usage)
                    taken = self.take(name, one, passing=said, before=tuple(before))
                    before += [replace(taken, before=())] if taken and not said else []

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
            before: list[Command] = []
            for number, line in joined(text):
                for one in shell.follow(_bat(line) if bat else line, number):
                    taken = self.take(name, one, _both(where, name, number), named=named, before=tuple(before))
                    before += [replace(taken, before=())] if taken else []

    def make(self, name: str, text: str) -> None:
        """The recipes of a Makefile or a justfile: each line is a shell of its own."""
        recipes = Recipes.of(text, self.root / PurePosixPath(name).parent)
        asked: dict[str, tuple[str, dict[str, str]]] = {}  # where the documentation asks for a target, with variables
        order: list[str] = []
        for where, call in self.calls:
            if call[0] in ("make", "just") and _for_people(where):
                pairs = {key: value for key, equals, value in (word.partition("=") for word in call[1:]) if equals}
                targets = [word for word in call[1:] if word in recipes.lines] or recipes.first
                order = recipes.order(*targets, known=order)
                for one in recipes.order(*targets):
                    asked.setdefault(one, (where, pairs))
        order = recipes.order(*recipes.first, known=order)
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
            parts = order[: order.index(target)] if target in order else recipes.order(target)[:-1]
            first = [one for part in parts for one in made.get(part, ())]
            for at, command in enumerate(found):
                before = (*first, *found[:at])
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
                shell.folder = self._inside(rest) or "."
            elif word.upper() in ("RUN", "CMD", "ENTRYPOINT"):
                command = exec_form(rest)
                if word.upper() == "CMD":
                    command = f"{entry} {command}".strip()
                entry = command if word.upper() == "ENTRYPOINT" else entry
                as_here = re.sub(
                    r"(?<!\S)/(?:[\w.-]+/)*(?=[\w./-]+\.py(\s|$))",
                    lambda found: f"{self._inside(found[0])}/".removeprefix("/"), command,
                )  # fmt: skip
                for one in shell.follow(as_here, number):
                    self.take(name, one, named=False, passing=word.upper() == "ENTRYPOINT")

    def _inside(self, path: str) -> str:
        """A folder of an image, as it is in the source; "" where that has none."""
        parts = PurePosixPath(path).parts
        inside = ("/".join(parts[at:]) for at in range(len(parts)))
        return next((folder for folder in inside if folder in self.folders), "")

    def structured(self, name: str, text: str) -> None:
        """The commands in YAML, JSON, TOML and INI files, with the variables and folders that stand around them."""
        try:
            content = content_of(name, text)
        except (ValueError, RecursionError):
            return
        lines = text.splitlines()
        values = {}
        if PurePosixPath(name).name.lower().startswith("dvc."):
            params = PurePosixPath(name).with_name("params.yaml")
            try:
                values = flat(content_of(params.name, text_of(self.root / params)))
            except (ValueError, RecursionError):
                values = {}
        at = 0
        before: list[Command] = []
        for command, scope in walk(content, Scope(values=values)):
            shell = self.shell(name, scope.folder, values={**scope.values}, exported={**scope.exported})
            for _, line in joined(filled(command, scope.values, scope.tox)):
                for one in shell.follow(line):
                    if isinstance(one, Run):
                        said = one.script or one.module
                        after = (number for number in range(at, len(lines)) if said in lines[number])
                        at = next(after, next((n for n, each in enumerate(lines) if said in each), 0))
                        one = replace(one, line=at + 1)
                        at += 1
                    named = self.is_named(scope.label, _ALONE.get(PurePosixPath(name).name.lower(), scope.label))
                    taken = self.take(name, one, named=named, before=tuple(before))
                    before += [replace(taken, before=())] if taken else []


def choose(found: Sequence[Command], is_complete: Callable[[Command], bool]) -> Command | None:
    """The command of a script that is the documented one: the first with all that the script asks for.

    Of several commands of the script those that train come first, by their names.
    """
    serious = [one for one in found if not one.passing] or found
    serious = sorted(serious, key=lambda one: not one.trains)
    return next((one for one in serious if not one.unclear and is_complete(one)), next(iter(serious), None))


def told(one: Command, variables: Mapping[str, str]) -> str:
    """How a command runs its script, for people."""
    shown = {name: "(secret)" if is_secret_variable(name, value) else value for name, value in variables.items()}
    given = [f"{name}={value}" for name, value in sorted(shown.items())]
    words = without_secrets(one.words)[0]
    return hide(" ".join([*given, shlex.join(words), *one.unclear]).strip()) or "no arguments"


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
# What reads which files, by their paths in small letters; the documentation comes first.
_READERS: tuple[tuple[str, Callable[[_Reader, str, str], None]], ...] = (
    (r"readme[^/]*", _Reader.readme),
    (r"[^/]*\.ipynb", _Reader.readme),
    (r"(gnu)?makefile[^/]*|[^/]*\.mk|\.?justfile", _Reader.make),
    (
        r"tox\.ini|setup\.cfg|pyproject\.toml|package\.json|mlproject|\.github/.*"
        r"|(dvc\.y|taskfile|docker-compose|\.gitlab-ci)[^/]*",
        _Reader.structured,
    ),
    (r"snakefile|procfile", _Reader.lines),
    (r"dockerfile[^/]*|[^/]*\.dockerfile", _Reader.docker),
    (r"[^/]*\.(sh|bash|bat|cmd)", _Reader.shell_script),
)


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
