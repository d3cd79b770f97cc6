"""Runs what a source runs before the script that trains: a copy of the source then has the data that this makes."""

import re
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from aml.adopt import Note
from aml.adopt.commands import steps, variables
from aml.adopt.commands.steps import Step
from aml.adopt.notebooks.written import Laid
from aml.adopt.observe import trial
from aml.adopt.observe.environment import Recording
from aml.adopt.observe.observation import Surroundings, surrounded
from aml.adopt.packages.provided import known
from aml.adopt.tree import text_of
from aml.local import environments

TRIED = 3  # of the steps that may make a missing file


@dataclass
class Earlier:
    """What the earlier steps of a source did in a copy of it."""

    laid: Laid | None = None  # the source with what they made; None where they made nothing
    failed: list[str] = field(default_factory=list)  # the steps that did not end well, and why


def run(
    recording: Recording,
    source: Laid,
    found: Sequence[Step],
    missing: str,
    texts: Mapping[Path, str],
    limit: float,
    given: Surroundings,
) -> Earlier:
    """Run the steps that come before the script that trains: those that are known to, else what makes a missing file.

    `missing`: what the script said when it did not run. `texts`: the code of the source as it is run. The copy of the
    source lasts as long as what is returned.
    """
    work = _Work(recording, found, texts, limit, given)
    first = [one for one in found if one.order == "before"]
    if not (first or steps.makers(found, missing)) or not trial.copy(recording.source, texts, work.tree):
        return Earlier()
    for step in first:
        work.do(step)
    if not work.has_made(missing):
        work.make(missing)
    if not work.made or (work.failed and not work.has_made(missing)):
        return Earlier(failed=work.failed)
    folder = Path(tempfile.mkdtemp(prefix="aml-adopt-"))
    copy = (folder / source.root.name).resolve()
    trial.copy(source.root, {}, copy)
    made = list(dict.fromkeys(name for _, names in work.made for name in names))
    for name in made:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work.tree / name, copy / name)
    files = f"{', '.join(made[-3:])}{' and more' * (len(made) > 3)}"
    again = "run it again when its data change" if len(work.made) == 1 else "run them again when their data change"
    text = f"{', '.join(step.said for step, _ in work.made)} made {files} here: {again}"
    note = (made[0], Note("decide", "", text, "made-first", made[0]))
    laid = Laid(copy, sorted({*source.files, *made}), [*source.notes, note])
    weakref.finalize(laid, shutil.rmtree, folder, ignore_errors=True)
    return Earlier(laid, work.failed)


@dataclass
class _Work:
    recording: Recording
    steps: Sequence[Step]
    texts: Mapping[Path, str]
    limit: float
    given: Surroundings
    made: list[tuple[Step, list[str]]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    tried: set[tuple[str, str]] = field(default_factory=set)

    @property
    def tree(self) -> Path:
        return self.recording.cache.parent / "earlier" / self.recording.source.name

    def do(self, step: Step) -> None:
        """Run a step, after what makes a file that it lacks, and with the packages that it lacks."""
        done = self._run(step)
        while not done.ended_well and (step.command, done.reason) not in self.tried:
            self.tried.add((step.command, done.reason))
            lacking = re.search(r"No module named '(\w+)", done.reason)
            if not (self._install(lacking[1]) if lacking else self.make(done.reason, step)):
                break
            done = self._run(step)
        if done.ended_well:
            left = [name for name in sorted(done.left) if not name.endswith((".pyc", ".py"))]
            self.made += [(step, left)] if left else []
        else:
            self.failed.append(f"{step.said}, which runs before it, fails: {done.reason}")

    def make(self, missing: str, asking: Step | None = None) -> bool:
        """Run steps until one makes a file that a text names; returns whether one did.

        `asking`: the step that lacks it.
        """
        others = [one for one in self.steps if one.acts and one != asking]
        for step in steps.makers(others, missing)[:TRIED]:
            self.do(step)
            if self.has_made(missing):
                return True
        return False

    def has_made(self, missing: str) -> bool:
        """Whether a step has made a file that a text names."""
        names = {PurePosixPath(name).name for _, left in self.made for name in left}
        return bool(names & steps.names_in(missing))

    def _run(self, step: Step) -> trial.Trial:
        one = step.run
        environment = {
            **self.given.variables,
            **variables.of_command(one, {one.script: text_of(self.tree / one.script)}),
        }
        script = self.tree / one.script
        if script.suffix == ".ipynb":
            script = script.with_suffix(".py")
            script.write_text(step.text, encoding="utf-8", newline="\n")
        words = ["-m", one.module] if one.module else [str(script)]
        command = [str(self.recording.python), *words, *one.words]
        surroundings = surrounded(self.recording, self.tree, Surroundings((*self.given.paths, "."), environment))
        return trial.run(self.recording, command, self.tree, self.tree / one.folder, self.limit, **surroundings)

    def _install(self, module: str) -> bool:
        """Install the package of a module, where it is known, into the throw-away environment: the job needs it not."""
        for package in known(module)[:1]:
            command = [environments.uv(), "pip", "install", "--quiet", "--no-config", "--only-binary", ":all:", package]
            done = subprocess.run([*command, "--python", str(self.recording.python)], capture_output=True)
            return done.returncode == 0
        return False
