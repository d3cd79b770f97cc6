"""All that becomes of a source, worked out before anything is written."""

import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aml.adopt import Note
from aml.adopt.commands.steps import explained
from aml.adopt.convert.code import Code, convert, place_of
from aml.adopt.discover.source import Source
from aml.adopt.jobs import make
from aml.adopt.jobs.data import Data
from aml.adopt.jobs.make import CLUSTER, SIZE, Jobs
from aml.adopt.packages import conda
from aml.adopt.packages.conda import Packages
from aml.adopt.packages.proof import imports, prove
from aml.adopt.packages.retired import versions_of
from aml.adopt.tree import listing, shown
from aml.adopt.v1 import inference as v1_inference
from aml.adopt.v1.inference import Inference

SLUG = "{{cookiecutter.project_slug}}"
NAME = r"[a-z][a-z0-9-]{1,30}[a-z0-9]"  # of a repository, as in hooks/pre_gen_project.py
MANY = 5  # files of a folder that are named one by one
# Generic names of folders, which say nothing of a model.
GENERIC = (
    "app",
    "batch",
    "code",
    "jobs",
    "ml",
    "model",
    "model1",
    "models",
    "notebooks",
    "pipeline",
    "pipelines",
    "project",
    "scripts",
    "src",
    "train",
    "training",
)


@dataclass
class Adoption:
    """All that becomes of a source, before anything is written."""

    source: Source
    answers: dict[str, str]  # to the template's questions
    code: Code
    jobs: Jobs
    data: Data
    packages: Packages
    inference: Inference | None  # v1's
    notes: list[Note] = field(default_factory=list)

    @property
    def blocked(self) -> bool:
        """Whether something is in the way."""
        return any(note.kind == "blocked" for note in self.notes)

    @property
    def of_v1(self) -> bool:
        """Whether the code was written for a job of v1, which keeps what is below outputs/, too."""
        texts = [origin.text for origin in self.code.origins.values()]
        return bool(self.source.runconfigs or self.source.submits) or any("azureml.core" in text for text in texts)

    @property
    def slug(self) -> str:
        return self.answers["project_slug"]

    @property
    def model(self) -> str:
        """The name to register the model by: the one that the code had for it."""
        return self.code.registered or self.slug


def template() -> Path:
    """The template: within the package when that is installed, else at the root of the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "template"
    return installed if installed.is_dir() else package.parents[1]


def plan(source: Source, slug: str, packages: Packages | None = None, day: str = "") -> Adoption:
    """Work out what becomes of a source; `slug` is the name of the repository, the model and the experiment.

    `packages`: the environment, where it is known already. `day`: of which packages without a version are to be.
    Raises UserError when the package index cannot be asked. What cannot be converted is a note of kind "blocked".
    """
    code = convert(source)
    jobs = make.make(source, code, slug, Data(source, f"{slug}-data", code.inputs))
    tried = packages is not None
    packages = packages or conda.build(
        [*jobs.conda, *(path for path in source.packages if path not in jobs.conda)],
        code.imports,
        source.root,
        name=f"{slug}-env",
        template=template() / SLUG,
        extra=code.requirements,
        day=day,
    )
    known = convert(source, versions_of(packages.requirements, packages.python))
    code.files, code.notes = known.files, known.notes
    if not tried and not any(
        note.kind == "blocked" for note in [*source.notes, *code.notes, *jobs.notes, *packages.notes]
    ):
        packages = prove(packages, imports(code.files, partial(place_of, code)))
    return assemble(source, slug, code, packages)


def assemble(source: Source, slug: str, code: Code, packages: Packages) -> Adoption:
    """The adoption with this code: the jobs that run it, the data that it reads, and the notes on all of it."""
    data = Data(source, f"{slug}-data", code.inputs)
    jobs = make.make(source, code, slug, data)
    inference = v1_inference.convert(source.root, source.project, listing(source.root)[0], packages.requirements)
    if inference and code.registered:
        inference.deployment["model"] = f"azureml:{code.registered}@latest"
    answers = {
        "project_name": slug.replace("-", " ").capitalize(),
        "project_slug": slug,
        "description": "Trains, tracks and registers a model, on this machine and on Azure Machine Learning.",
        "compute_name": str(jobs.compute.get("name") or CLUSTER),
        "compute_size": str(jobs.compute.get("size") or SIZE),
        "serving": "online" if inference else "none",  # the template's own scoring code is that of its example
        "ci": "none",  # adopted code has not been written for its linter and its tests
        **source.settings,
    }
    taken = [Note("taken", "", f"entry {source.why}", "entry", source.why)]
    taken += _data_notes(data.files, code.read)
    carried = {*source.data} & {path for path in code.files.values() if isinstance(path, Path)}
    if source.data and not carried and not data.files and not any(one.path for one in code.inputs):
        names = ", ".join(shown(source.root, path) for path in source.data[:5])
        taken.append(
            Note("decide", "", f"no code that was understood reads the data of the source ({names}): see to it")
        )
    if source.tests:
        taken.append(
            Note("taken", "", f"tests: {len(source.tests)}; `pip install -e .[training]` brings what they need")
        )
    notes = [*taken, *source.notes, *code.notes, *jobs.notes, *data.notes, *packages.notes]
    if inference:
        taken_along = {note.where for note in inference.notes if note.kind == "taken"}
        notes = [note for note in notes if note.code != "stays-behind" or note.subject not in taken_along]
        notes += inference.notes
    return Adoption(
        source,
        answers,
        code,
        jobs,
        data,
        packages,
        inference,
        list(dict.fromkeys(explained(note, source.steps) for note in notes)),
    )


def _data_notes(files: dict[str, Path], read: set[Path] | None) -> list[Note]:
    """What comes along of the data, and what of that a run read; many files of a folder are one line."""
    found: dict[tuple[str, bool], list[str]] = {}
    for place, path in files.items():
        found.setdefault((place.rpartition("/")[0], read is None or path in read), []).append(place)
    notes = []
    for (folder, is_read), places in found.items():
        many = len(places) > MANY and bool(folder)
        code, more = ("data-file", "") if is_read else ("data-not-read", ", which the run here did not read")
        shown_as = [f"{folder}/ ({len(places)} files)"] if many else places
        notes += [Note("taken", "", f"data {place}{more}", code, place) for place in shown_as]
    return notes


def slug(source: Source) -> str:
    """A name for the model: of the nearest folder that says something, else of the script or notebook."""
    above = [source.entry.parent, *source.entry.parents]
    folders = above[: above.index(source.root) + 1]
    names = [*dict.fromkeys(folder.name for folder in folders), source.entry.stem]
    slugs = [re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "-", name.lower())).strip("-") for name in names]
    fits = [slug for slug in slugs if re.fullmatch(NAME, slug)]
    return next((slug for slug in fits if slug not in GENERIC), f"{fits[0]}-model" if fits else "adopted-model")
