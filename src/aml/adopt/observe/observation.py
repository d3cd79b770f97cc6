"""What the original code does when it runs, and whether a conversion does the same."""

import os
import re
import shutil
import sys
import sysconfig
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from aml.adopt.observe import trial
from aml.adopt.observe.environment import Recording
from aml.adopt.observe.trial import Trial

CODE = (".py", ".pyc", ".pyi", ".ipynb")
NUMBER = re.compile(r"\d+\.\d+")
TOOLS = {".cache", ".mypy_cache", ".ruff_cache", "catboost_info", "joblib_cache", "wandb"}  # folders of caches and logs


@dataclass(frozen=True)
class Command:
    """How the code is run."""

    words: tuple[str, ...]  # after python, with paths of this trial's tree
    folder: str  # below the source, with slashes; "." for its own


@dataclass(frozen=True)
class Observation:
    """Runs of the original: twice where the first one ended well, to know what differs from run to run."""

    tree: Path  # in which the first one ran
    command: Command
    first: Trial
    second: Trial | None
    made: frozenset[str] = (
        frozenset()
    )  # folders that it writes to and that the source lacks, such as those of git clones

    @property
    def lacking(self) -> set[str]:
        """The folders in which it wanted to write a file, and that were not there."""
        folders = {path.parent for path in self.first.opened.written if path.is_relative_to(self.tree)}
        return {folder.relative_to(self.tree).as_posix() for folder in folders if not folder.exists()}

    @property
    def opened(self) -> set[str]:
        """The files and folders that Python opened to read before it wrote them, by their paths in the source."""
        tree = self.tree
        return {path.relative_to(tree).as_posix() for path in self.first.opened.read if path.is_relative_to(tree)}

    @property
    def data(self) -> dict[str, str]:
        """The files that it read as the source has them, other than code: by their paths in the source, with hashes.

        Those count too that lie in a folder whose names it read.
        """
        listed = {path for path in self.first.before if str(PurePosixPath(path).parent) in self.opened}
        read = self.opened | listed | (self.first.touched - self.first.left.keys())
        return {path: mark for path, mark in sorted(self.first.before.items()) if path in read and _is_data(path)}

    @property
    def results(self) -> list[str]:
        """The files that it leaves, but for caches and logs of tools."""
        return sorted(filter(_is_result, self.first.left))

    @property
    def modules(self) -> list[str]:
        """The modules of the source that it loaded."""
        return sorted(path for path in self.opened if path.endswith(".py") and path in self.first.before)

    @property
    def outside(self) -> list[Path]:
        """Files that it read and that belong neither to the source nor to Python or the system."""
        return sorted(path for path in self.first.opened.read if _is_foreign(path, self.tree))

    @property
    def stable(self) -> dict[str, str]:
        """What it leaves that is the same, byte for byte, in both runs."""
        again = self.second.left if self.second and self.second.ended_well else {}
        return {path: mark for path, mark in self.first.left.items() if again.get(path) == mark}

    @property
    def lines(self) -> list[str]:
        """The lines with results that both runs print."""
        again = _results(self.second.output) if self.second and self.second.ended_well else Counter()
        return [*(_results(self.first.output) & again).elements()]


@dataclass(frozen=True)
class Surroundings:
    """What the code finds when it is run."""

    paths: tuple[str, ...] = ()  # folders in the source whose modules can be imported from anywhere
    variables: Mapping[str, str] = field(default_factory=dict)


def observe(
    recording: Recording,
    texts: Mapping[Path, str],
    commands: Iterable[tuple[Sequence[str], str]],
    limit: float,
    surroundings: Surroundings = Surroundings(),
) -> Observation | None:
    """Run the code of a source in copies of it: by the first of the commands with which it ends well.

    Each command has its words after python, where {tree} stands for the copy, and the folder in the source where it
    runs. Folders for results that the source lacks are made. Returns the first command's run when none ends well, and
    None when the source is too large to be copied.
    """
    base = recording.cache.parent
    found: Observation | None = None
    for words, folder in dict.fromkeys((tuple(words), folder) for words, folder in commands):
        made: frozenset[str] = frozenset()
        while once := _run(recording, texts, words, folder, base / "first", limit, surroundings, made):
            if once.first.status is None:
                return once
            if once.first.ended_well:
                again = _run(recording, texts, words, folder, base / "second", limit, surroundings, made)
                return replace(once, second=again.first if again else None)
            found = found or once
            if not once.lacking - made:
                break
            made |= once.lacking
        if once is None:
            return None
    return found


def _run(
    recording: Recording,
    texts: Mapping[Path, str],
    words: Sequence[str],
    folder: str,
    base: Path,
    limit: float,
    surroundings: Surroundings,
    made: frozenset[str],
) -> Observation | None:
    tree = base / recording.source.name
    shutil.rmtree(base, ignore_errors=True)
    if not trial.copy(recording.source, texts, tree):
        return None
    for path in made:
        (tree / path).mkdir(parents=True, exist_ok=True)
    given = tuple(word.replace("{tree}", str(tree)) for word in words)
    command = [str(recording.python), *given]
    found = surrounded(recording, tree, surroundings)
    done = trial.run(recording, command, tree, tree / folder, limit, **found)
    return Observation(tree, Command(given, folder), done, None, made)


def surrounded(recording: Recording, tree: Path, given: Surroundings) -> dict[str, str]:
    """The variables with which code runs in a copy of the source; what it tracks goes beside that copy."""
    paths = os.pathsep.join(str(tree / path) for path in given.paths)
    tracking = {"MLFLOW_TRACKING_URI": (tree.parent / "mlruns").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    own = {"PYTHONPATH": paths} if paths else {}
    return {**given.variables, **own, **tracking, **trial.interpreter(recording)}


def differences(
    original: Observation, converted: Trial, tree: Path, kept: Mapping[str, str], rewritten: Iterable[str] = ()
) -> list[str]:
    """What the converted repository, which ran in `tree`, does otherwise; `kept` are the files of its run, hashed.

    Files are compared by content, for a conversion moves them, and `rewritten` settings by where they lie in the code.
    Names with digits count as the same pattern.
    """
    found = []
    patterns = Counter(_pattern(path) for path in kept)
    marks = set(kept.values())
    for path in original.results:
        patterns[_pattern(path)] -= 1
        if patterns[_pattern(path)] < 0:
            found.append(f"{path}, which the original writes, is not kept")
        elif path in original.stable and original.stable[path] not in marks:
            found.append(f"{path} has another content than the original writes")
    printed = _results(converted.output)
    found += [f"it does not print {line!r}" for line in original.lines if not printed[line]]
    now = converted.after
    inside = [path.relative_to(tree).as_posix() for path in converted.opened.read if path.is_relative_to(tree)]
    read = {name: now[name] for name in inside if name in now and name not in kept and _is_data(name)}
    data = original.data
    settings = [place for place in rewritten if any(name.endswith(f"/{place}") for name in read)]
    missing = [path for path in sorted(original.opened & data.keys()) if data[path] not in read.values()]
    missing = [path for path in missing if not f"/{path}".endswith(tuple(f"/{place}" for place in settings))]
    found += [f"it does not read {path}" for path in missing if path not in original.first.left]
    others = {*original.first.before.values()} - {*data.values()}
    found += [
        f"it reads {name} as the source has it, which the original does not" for name in read if read[name] in others
    ]
    return found


def lost(converted: Trial, run: str, kept: Container[str]) -> list[str]:
    """The results that a run in a converted repository left in its folder `run`, and that are not kept.

    By their paths below the code, or below that folder. A run's copy of the code and its logs are no results.
    """
    sources = {*converted.before.values()}
    new = (path for path, mark in converted.left.items() if path not in kept and mark not in sources)
    places = (path.removeprefix(f"{run}/") for path in new if path.startswith(f"{run}/") and _is_result(path))
    return sorted(path.removeprefix("code/") for path in places if not path.startswith("logs/"))


def _is_result(path: str) -> bool:
    """Whether a file that was left is no cache or log of a tool."""
    return not TOOLS & {*PurePosixPath(path).parts} and not path.endswith(".pyc")


def _is_data(path: str) -> bool:
    return not path.endswith(CODE) and not PurePosixPath(path).name.startswith(".")


def _pattern(path: str) -> str:
    return re.sub(r"\d+", "0", PurePosixPath(path).name)


def _results(output: str) -> Counter[str]:
    """The lines that print numbers, and no paths or times."""
    lines = (" ".join(line.split()) for line in output.splitlines())
    return Counter(
        line
        for line in lines
        if NUMBER.search(line)
        and not re.search(r"[/\\]|\d:\d\d|warn|\d *(s|ms|sec|seconds|min)\b", line, re.IGNORECASE)
    )


def _is_foreign(path: Path, tree: Path) -> bool:
    """Whether a file is of this machine's own kind of data: not of the trial, its Python, a cache or the system."""
    homes = [tree.parent, Path(sys.base_prefix), *map(Path, sysconfig.get_paths().values())]
    homes += [Path(os.environ[name]) for name in ("SYSTEMROOT", "PROGRAMDATA") if name in os.environ]  # Windows
    homes += [Path(name) for name in ("/usr", "/etc", "/proc", "/sys", "/dev", "/lib", "/opt", "/var", "/run")]
    hidden = any(part.startswith(".") for part in path.parts) or "site-packages" in path.parts
    return not hidden and path.is_file() and _is_data(path.name) and not any(map(path.is_relative_to, homes))
