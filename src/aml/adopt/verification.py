"""Runs the original and the repository that was made of it, and keeps the conversion that does the same.

Paths are written for a job first, as far as the script names what its run read and left. Where the result differs from
what the original does, the code stays as it is, and a launcher gives it its files.
"""

import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from aml.adopt import Note, UserError
from aml.adopt.adoption import Adoption, plan
from aml.adopt.commands import steps
from aml.adopt.commands.steps import Step
from aml.adopt.conversion import declared, launched, written
from aml.adopt.convert import models
from aml.adopt.convert.code import script_of
from aml.adopt.discover.running import unnamed
from aml.adopt.discover.source import Source, read
from aml.adopt.observe import earlier, trial
from aml.adopt.observe.earlier import Earlier
from aml.adopt.observe.environment import Recording, recording
from aml.adopt.observe.observation import Observation, Surroundings, differences, lost, observe
from aml.adopt.python.syntax import lines_of
from aml.adopt.report import few
from aml.adopt.tree import last_commit, shown
from aml.jobfile import job as job_module
from aml.jobfile.job import Job
from aml.local import runs

COMMAND_OF_JOB = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)\s*\}\}")


class Limits(NamedTuple):
    """What a run of the code may take."""

    seconds: float
    network: bool


@dataclass(frozen=True)
class Verdict:
    """What is known of the repository."""

    adoption: Adoption
    problem: str = ""  # why it does not train yet
    trained: str = ""  # what the run here read, logged and left
    uncompared: str = ""  # why that was not compared with what the original does
    notes: tuple[Note, ...] = ()
    made: Source | None = None  # the source with what its earlier steps made, which is to be adopted in its place

    @property
    def headline(self) -> str:
        """What has to be known first; "" where the repository does what the original does."""
        if self.problem:
            return f"This repository is not ready: {'; '.join(line.strip() for line in self.problem.splitlines())}"
        if self.uncompared:
            return f"It trains, but its results were not compared with those of the original: {self.uncompared}"
        return ""


ARGUMENTS = "if it needs arguments: write them into `command` in train-local.yml and train-amlcompute.yml"
# What argparse, click and typer, absl, fire and code that reads sys.argv say when it lacks arguments.
ASKS = re.compile(
    r"(?im)^usage:|error: the following arguments are required|^Missing (argument|option|parameter)"
    r"|^.*(=\s*sys\.argv\b|\bsys\.argv\[).*\n(\s*[\^~]+\s*\n)?\s*(IndexError|ValueError)"
    r"|must have a value other than None|The function received no value for the required argument"
)
NOTHING = "it runs, but reads no data, leaves no file, logs and prints no result: name what trains with --entry"
NOT_RUN = Note(
    "decide", "", "the code was not run, so what it reads and leaves was not seen: aml submit -c train-local"
)


# What code says that calls what later packages have changed.
CHANGED = re.compile(r"\b(Attribute|Import|Index|InvalidIndex|InvalidParameter|Key|NotImplemented|Type|Value)Error\b")


def settle(
    adoption: Adoption, make: Callable[[Adoption, Path], Path], limits: Limits, tell: Callable[[str], None]
) -> Verdict:
    """Verify; where the original does not run, once more with what its earlier steps make and packages of its time.

    `make` and errors: as of verify(). `tell` gets a line for each time.
    """
    verdict = verify(adoption, make, limits)
    if verdict.made:
        tell("once more with what the steps before it have made ...")
        adoption = plan(verdict.made, adoption.slug, adoption.packages)
        verdict = verify(adoption, make, limits)
    day = last_commit(adoption.source.home)
    old = "" < day < (datetime.now(UTC).date() - timedelta(366)).isoformat()
    if not (old and verdict.problem and CHANGED.search(verdict.problem)) or "environ" in verdict.problem:
        return verdict
    older = plan(adoption.source, adoption.slug, day=day)
    if older.blocked or older.packages.requirements == adoption.packages.requirements:
        return verdict
    tell(f"once more with packages of {day}, the day of the last commit ...")
    again = verify(older, make, limits)
    if again.problem:
        return verdict
    text = f"it has packages of {day}, the day of its last commit, for it does not run with those of today"
    reason = verdict.problem.splitlines()[0].removeprefix("it does not train: ")
    return replace(again, notes=(*again.notes, _undecided(f"{text}: {reason}")))


def verify(adoption: Adoption, make: Callable[[Adoption, Path], Path], limits: Limits) -> Verdict:
    """Run the original and what was made of it; returns the adoption that does the same, or the reason why none does.

    `make` writes the repository of an adoption into a folder, and returns its path. Raises UserError when the
    environment cannot be built, or when the source is not what it was before.
    """
    source = adoption.source
    before = trial.marks(source.home)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        made = make(adoption, folder / "certain")
        job = job_module.load("train-local", made)
        with recording(job, source.root, source.home, limits.network) as environment:
            given = Surroundings(tuple(source.paths), source.variables)
            texts = adoption.code.texts(source)
            original = observe(environment, texts, _commands(adoption, job), limits.seconds, given)
            first, beside = Earlier(), source.steps
            if original and original.first.status and not any(note.code == "made-first" for note in source.notes):
                reason, beside = original.first.reason, [*unnamed(source.root, source.others), *source.steps]
                first = earlier.run(environment, source.laid, beside, reason, texts, limits.seconds, given)
            if first.laid:
                found = Verdict(adoption, made=read(source.home, shown(source.root, source.entry), first.laid))
            elif original is None or original.first.status is None:
                text = "the source is too large to be copied, so it was not run"
                if original:
                    text = f"the code was ended after {limits.seconds:.0f} s, so it is not proven: --run-limit SECONDS"
                found = Verdict(unseen(adoption, original, text), notes=(_undecided(text),))
            else:
                found = Verdict(adoption)
                for number, way in enumerate(_ways(adoption, original)):
                    one = way(found.problem)
                    if isinstance(one, str):
                        found = replace(found, problem="\n     ".join(filter(None, [found.problem, one])))
                    else:
                        found = _try(environment, one, make(one, folder / str(number)), original, limits)
                    if not found.problem:
                        break
                if found.problem and not original.first.ended_well:
                    reasons = [found.problem, *_not_here(adoption, original, beside), *first.failed[:1]]
                    found = replace(found, problem="\n     ".join(reasons))
            if original and original.first.ended_well:  # without what the documentation runs before it
                notes = found.adoption.notes
                found.adoption.notes = [note for note in notes if note.code != "runs-before"]
    if trial.marks(source.home) != before:
        raise UserError(f"the code changed {source.home} while it was tried: compare it with a backup")
    return found


def unseen(adoption: Adoption, original: Observation | None, why: str) -> Adoption:
    """The adoption of code of which no run was seen to its end: v1's keeps what a job keeps, other code is launched."""
    made = adoption if adoption.of_v1 else launched(adoption, original, f"It was not converted, for {why}")
    return adoption if isinstance(made, str) else made


def _ways(adoption: Adoption, original: Observation) -> list[Callable[[str], Adoption | str]]:
    """What may become of the code, the best first; each gets what the one before it does otherwise."""

    def launch(problem: str, *, everywhere: bool = False) -> Adoption | str:
        why = f"Its paths stay as they are: {problem}" if problem else "The original does not run here"
        return launched(adoption, original, why, everywhere)

    if original.outside and not _is_named(adoption, original):
        return [lambda _: f"it reads {original.outside[0]}, which lies outside of the source: let an option name it"]
    if original.first.ended_well:
        return [lambda _: written(adoption, original), launch, partial(launch, everywhere=True)]
    return [*([lambda _: adoption] if adoption.of_v1 else []), launch]


def _is_named(adoption: Adoption, original: Observation) -> bool:
    """Whether the script itself names the files that it reads outside of the source."""
    text = str(adoption.code.files[adoption.code.entry])
    return all(str(path) in text for path in original.outside)


def _not_here(adoption: Adoption, original: Observation, beside: Sequence[Step]) -> list[str]:
    """Why the original does not run here, and what may help."""
    source = adoption.source
    reasons = [f"the original does not run here either: {_reason(adoption, original)}"]
    made_by = steps.makers(beside, original.first.reason)
    asks = source.command is None and ASKS.search(original.first.output)
    known = [one for one in made_by if one.where or not one.acts]  # what nothing runs was tried
    first = [steps.advice(known[0], original.first.reason)] if known else [ARGUMENTS] if asks else []
    return [*reasons, *first]


def _undecided(text: str) -> Note:
    return Note("decide", "", text)


def _commands(adoption: Adoption, job: Job) -> list[tuple[list[str], str]]:
    """How the original may be run: with what its job gives it."""
    words = _arguments(adoption, job)
    main = script_of(adoption.source.entry, adoption.code.entry)
    return [([*script, *words], folder) for script, folder in adoption.source.ways(main)]


def _arguments(adoption: Adoption, job: Job) -> list[str]:
    """The words that the original is run with: those that its owner wrote down, else what the job gives it.

    They come from the source itself as far as they can: a wrong input of the job would otherwise be wrong in both runs.
    """
    given = adoption.source.words
    if given and not any(re.search(r"[$%{]|azureml:", word) for word in given):
        missing = [one for one in adoption.code.inputs if one.flag and one.flag not in given]
        return [*given, *(word for one in missing for word in (one.flag, _value(adoption, job, "inputs", one.name)))]
    known = declared(adoption)
    words = [word for word in shlex.split(job.command) if word != "python"]
    start = next((at for at, word in enumerate(words) if word.endswith(".py") or word == adoption.source.module), -1)
    found: list[str] = []
    for word in words[start + 1 :]:
        flag = word.partition("=")[0]
        if found and found[-1] == "" and not flag.startswith("--"):
            found.pop()  # the value of an option that the original lacks
        elif re.match(r"--?[A-Za-z]", flag) and flag not in known:
            found += [""] * ("=" not in word)
        else:
            found.append(COMMAND_OF_JOB.sub(lambda name: _value(adoption, job, name[1], name[2]), word))
    return [word for word in found if word]


def _value(adoption: Adoption, job: Job, kind: str, name: str) -> str:
    """What an input or output of the job is in a copy of the source."""
    entry = job.section(kind).get(name)
    if not isinstance(entry, dict):
        return str(entry)
    path = str(entry.get("path") or "")
    if kind == "outputs" or not path:
        return f"outputs/{name}"
    place = path.removeprefix("../sample-data").strip("/")
    files = adoption.data.files
    if place in files:
        return "{tree}/" + shown(adoption.source.root, files[place])
    inside = ((PurePosixPath(one), file) for one, file in files.items())
    inside = ((one.relative_to(place or "."), file) for one, file in inside if one.is_relative_to(place or "."))
    if found := next(inside, None):  # its folder is that of the copy, as many steps above
        return "{tree}/" + shown(adoption.source.root, found[1].parents[len(found[0].parts) - 1])
    return path


def _try(environment: Recording, adoption: Adoption, made: Path, original: Observation, limits: Limits) -> Verdict:
    """Train in the repository, and compare what that does with what the original did."""
    command = [sys.executable, "-P", "-m", "aml", "submit", "-c", "train-local"]
    done = trial.run(environment, command, made, made, limits.seconds)
    run = next((path for path in sorted((made / "runs").glob("*/")) if (path / "code").is_dir()), None)
    kept = {
        path: mark
        for path, mark in done.after.items()
        if run and path.startswith(tuple(f"runs/{run.name}/{name}/" for name in ("outputs", "named-outputs")))
    }
    outputs = {path.partition("/outputs/")[2]: mark for path, mark in kept.items() if "/outputs/" in path}
    if not done.ended_well:
        log = run / "logs" / "std_log.txt" if run else None
        said = log.read_text(encoding="utf-8", errors="replace") if log and log.is_file() else ""
        said = said.replace(f"{run}/code/", "")
        return Verdict(adoption, f"it does not train: {replace(done, output=said or done.output).reason}")
    _find_model(adoption, [f"outputs/{path}" for path in outputs])
    _settle(adoption, original)
    trained = _trained(adoption, made, outputs)
    if original.first.ended_well:
        did = original.data or original.first.left or original.lines or kept or runs.all_runs(made)[0].metrics()
        if not did:
            return Verdict(adoption, NOTHING)
        rewritten = [place for place, content in adoption.code.files.items() if isinstance(content, str)]
        found = differences(original, done, made, kept, rewritten)
        return Verdict(adoption, f"it does something else than the original: {found[0]}" if found else "", trained)
    why = f"the original does not run here ({_reason(adoption, original)})"
    if run and (elsewhere := lost(done, f"runs/{run.name}", kept)):
        problem = f"it leaves {elsewhere[0]} where a job does not keep it"
        return Verdict(adoption, problem, trained, uncompared=why)
    return Verdict(adoption, "", trained, uncompared=why)


def _find_model(adoption: Adoption, left: Sequence[str]) -> None:
    """Let the model be what the run left of it, and the notes say what that leaves open."""
    code, before = adoption.code, adoption.code.model
    code.model = models.choose(left, before)
    others = [path for path in left if models.may_be(path) and path != code.model]
    text = about = ""
    if not code.model and (before or others):
        what, about = few(others or [*left], 3) or "nothing in outputs/", "model-not-known"
        text = f"nothing that the run left is called a model ({what}): name what is one with --asset-path"
    elif code.model in left and others:
        whole, about = models.common([str(code.model), *others]), "beside-the-model"
        text = f"{few(others, 3)} may belong to the model: aml register-model --asset-path {whole} takes all of it"
    elif code.model not in left and code.model != before:
        found, about = [path for path in others if path.startswith(f"{code.model}/")], "which-model"
        text = f"several files may be the model ({few(found, 3)}): register-model takes {code.model}/, or name one"
    if code.model or text:
        notes = [note for note in adoption.notes if note.code not in ("model-not-known", "no-model-saved")]
        adoption.notes = [*notes, Note("decide", "", text, about)] if text else notes


def _settle(adoption: Adoption, original: Observation) -> None:
    """Let a model whose name differs from run to run be the folder that holds it each time."""
    again = original.second.left if original.second and original.second.ended_well else None
    if again is None or not adoption.code.model:
        return
    place = PurePosixPath(adoption.code.model)
    found = next(one for one in (place, *place.parents) if _is_in(again, one.as_posix().removeprefix("outputs/")))
    if found != place:
        adoption.code.model = found.as_posix() if found.parts else "outputs"
        text = f"{place} is called otherwise in each run: register-model takes {adoption.code.model}/, or name one"
        adoption.notes = [*adoption.notes, Note("decide", "", text, "which-model")]


def _is_in(left: Iterable[str], place: str) -> bool:
    """Whether one of the files that a run left is this place, or below it; a conversion may have moved it."""
    found = any(f"/{path}".endswith(f"/{place}") or f"/{place}/" in f"/{path}" for path in left)
    return found or place in ("outputs", ".")


def _reason(adoption: Adoption, original: Observation) -> str:
    """Why the original does not run here, by the lines of the source."""
    reason = original.first.reason
    for place, origin in adoption.code.origins.items():
        path = script_of(adoption.source.root / origin.file, place)
        if line := re.match(rf"{re.escape(path.name)}:(\d+): ", reason):
            text_of_run = adoption.code.texts(adoption.source)[path]
            return f"{origin.where(lines_of(origin.text, text_of_run)(int(line[1])))}: {reason[line.end() :]}"
    return reason


def _is_left(model: str | None, outputs: Iterable[str]) -> bool:
    """Whether a run left this model, a file or a folder."""
    place = (model or "").removeprefix("outputs/")
    return bool(place) and any(path == place or path.startswith(f"{place}/") for path in outputs)


def _trained(adoption: Adoption, made: Path, outputs: Mapping[str, str]) -> str:
    """What a run in the repository read, logged and left, in one line."""
    read = adoption.code.read
    data = [f"sample-data/{place}" for place, path in adoption.data.files.items() if read is None or path in read]
    metrics = [f"{name} {value:.4g}" for name, value in runs.all_runs(made)[0].metrics().items()]
    model = adoption.code.model
    left = [f"model {model}"] if _is_left(model, outputs) else []
    return "; ".join(
        [f"trained here on {few(data, 3) or 'no data of its own'}", *filter(None, [few(metrics, 3)]), *left]
    )
