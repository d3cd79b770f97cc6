"""The model repository: generated from the template, its example replaced by what was adopted, then put in place."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aml.adopt import Note, UserError
from aml.adopt import code as code_module
from aml.adopt import gates
from aml.adopt import packages as packages_module
from aml.adopt.code import Code
from aml.adopt.data import Data
from aml.adopt.jobs import CLUSTER, SIZE, Jobs, tell
from aml.adopt.jobs import make as make_jobs
from aml.adopt.packages import Packages
from aml.adopt.proof import imports, prove
from aml.adopt.report import asset_option
from aml.adopt.retired import versions_of
from aml.adopt.source import Source
from aml.adopt.tree import shown

SLUG = "{{cookiecutter.project_slug}}"
NAME = r"[a-z][a-z0-9-]{1,30}[a-z0-9]"  # of a repository, as in hooks/pre_gen_project.py
EXAMPLE = ("src/train.py", "sample-data/penguins.csv", "tests/test_train.py")  # of the template, which goes
# Generic names of folders, which say nothing of a model.
GENERIC = (
    "batch",
    "code",
    "jobs",
    "ml",
    "model",
    "model1",
    "models",
    "notebooks",
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
    notes: list[Note] = field(default_factory=list)

    @property
    def blocked(self) -> bool:
        return any(note.kind == "blocked" for note in self.notes)

    @property
    def slug(self) -> str:
        return self.answers["project_slug"]

    @property
    def model(self) -> str:
        """The name to register the model by: the one that the code had for it."""
        return self.code.registered or self.slug


def template() -> Path:
    """The template: beside this package in a checkout, within it when it is installed."""
    here = Path(__file__).parent
    return next(folder for folder in (here / "template", here.parent) if (folder / "cookiecutter.json").is_file())


def plan(source: Source, slug: str) -> Adoption:
    """Work out what becomes of a source; `slug` is the name of the repository, the model and the experiment.

    Raises UserError when the package index cannot be asked. What cannot be converted is a note of kind "blocked".
    """
    code = code_module.convert(source)
    data = Data(source, f"{slug}-data", code.inputs)
    jobs = make_jobs(source, code, slug, data)
    packages = packages_module.build(
        [*jobs.conda, *(path for path in source.packages if path not in jobs.conda)],
        code.imports,
        source.root,
        name=f"{slug}-env",
        template=template() / SLUG,
        extra=code.requirements,
    )
    known = code_module.convert(source, versions_of(packages.requirements, packages.python))
    code.files, code.notes = known.files, known.notes
    tell(source, code, jobs)
    if not any(note.kind == "blocked" for note in [*source.notes, *code.notes, *jobs.notes, *packages.notes]):
        packages = prove(packages, imports(code.files, partial(code_module.place_of, code)))
    answers = {
        "project_name": slug.replace("-", " ").capitalize(),
        "project_slug": slug,
        "description": "Trains, tracks and registers a model, on this machine and on Azure Machine Learning.",
        "compute_name": str(jobs.compute.get("name") or CLUSTER),
        "compute_size": str(jobs.compute.get("size") or SIZE),
        **source.settings,
    }
    taken = [Note("taken", "", f"entry {source.why}"), *(Note("taken", "", f"data {place}") for place in data.files)]
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
    return Adoption(source, answers, code, jobs, data, packages, list(dict.fromkeys(notes)))


def write(adoption: Adoption, out: Path, report: str) -> list[str]:
    """Make the repository at `out`, whole or not at all; returns what its own `aml check` finds.

    Raises UserError when `out` is there already with other content, or when the template refuses an answer.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".aml adopt-") as folder:
        made = _generate(adoption.answers, Path(folder))
        _fill(adoption, made, report)
        findings = _check(made)
        if out.exists() and any(out.iterdir()):
            if _contents(made) != _contents(out):
                raise UserError(f"{out} is there already, and differs: name another folder with -o, or delete it")
            return findings
        if out.exists():
            out.rmdir()
        made.rename(out)
    return findings


def slug(source: Source) -> str:
    """A name for the model: of the nearest folder that says something, else of the script or notebook."""
    above = [source.entry.parent, *source.entry.parents]
    folders = above[: above.index(source.root) + 1]
    names = [*dict.fromkeys(folder.name for folder in folders), source.entry.stem]
    slugs = [re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in names]
    fits = [slug for slug in slugs if re.fullmatch(NAME, slug)]
    return next((slug for slug in fits if slug not in GENERIC), f"{fits[0]}-model" if fits else "adopted-model")


def _generate(answers: dict[str, str], folder: Path) -> Path:
    """The template's output with these answers, in `folder`."""
    command = [sys.executable, "-m", "cookiecutter", str(template()), "--no-input", "-o", str(folder)]
    command += [f"{key}={value}" for key, value in answers.items()]
    # Not in the working folder, which may be the source: python -m takes the modules there for its own.
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        reason = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
        raise UserError(f"the template refuses an answer: {reason[0] if reason else done.stderr.strip()[-300:]}")
    return folder / answers["project_slug"]


def _fill(adoption: Adoption, made: Path, report: str) -> None:
    for name in EXAMPLE:
        (made / name).unlink()
    gates.loosen(made / "scripts")
    for place, content in adoption.code.files.items():
        _put(made / "src" / place, content)
    for place, path in adoption.data.files.items():
        _put(made / "sample-data" / place, path)
    if not adoption.data.files:
        (made / "sample-data").rmdir()
    prefix = "own/" if "conftest.py" in adoption.source.tests else ""
    for place, path in adoption.source.tests.items():
        _put(made / "tests" / f"{prefix}{place}", path)
    configuration = made / "aml_config"
    for name, text in {**adoption.jobs.files, "train-conda.yml": adoption.packages.text}.items():
        _put(configuration / name, text)
    (configuration / "data.yml").unlink()
    for name, asset in adoption.data.descriptions().items():
        lines = ["$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json", f"name: {asset.name}"]
        _put(configuration / name, "\n".join([*lines, f"type: {asset.type}", f"path: {json.dumps(asset.path)}", ""]))
    if most := adoption.jobs.compute.get("max_instances"):
        _replace(configuration / "compute.yml", "max_instances: 1", f"max_instances: {most}")
    _packages(made / "pyproject.toml", adoption.packages)
    _readme(made / "README.md", adoption)
    _put(made / "ADOPTED.md", report)


def _put(path: Path, content: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="\n")
    else:
        shutil.copyfile(content, path)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise RuntimeError(f"the template's {path.name} has {old!r} {text.count(old)} times")
    path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")


def _packages(pyproject: Path, packages: Packages) -> None:
    """Let pyproject.toml have the training packages, apart from those of the command line.

    Old pins may need another Python than the command line has: uv builds the training environment in any case.
    """
    text = pyproject.read_text(encoding="utf-8")
    begin = text.index("  # training: ")
    end = text.index("  # tests\n")
    tracking = [line for line in packages.requirements if re.match(r"(azureml-mlflow|mlflow)\b", line)]
    lines = [f"  {json.dumps(line)},\n" for line in packages.requirements]
    own = [f"  {json.dumps(line)},\n" for line in tracking]
    text = text[:begin] + "".join(["  # tracking\n", *own]) + text[end:]
    training = "".join(
        ["[project.optional-dependencies]\n# aml_config/train-conda.yml repeats them\ntraining = [\n", *lines]
    )
    text = text.replace("[project.scripts]", f"{training}]\n\n[project.scripts]")
    old = "# One environment for the command line, for training and for tests: pip install -e ."
    if old not in text:
        raise RuntimeError("the template's pyproject.toml says something else of its environment")
    text = text.replace(
        old, "# For the command line: pip install -e . (for tests of the training code: pip install -e .[training])"
    )
    pyproject.write_text(text, encoding="utf-8", newline="\n")


def _readme(readme: Path, adoption: Adoption) -> None:
    """Let README.md tell of what is there, and not of the example."""
    text = readme.read_text(encoding="utf-8")
    text = text[: text.index("\nThe data in `sample-data/` are the Palmer penguins")]
    entry = f"src/{adoption.code.entry}"
    text = re.sub(r"(?m)^    src/train\.py +", f"    {entry:<32} ", text)
    text = text.replace("`src/train.py`", f"`{entry}`")
    text = re.sub(r"\n  `tests/test_train.py` goes with it: .*", "", text)
    text = re.sub(r"\n- \*\*Another value\*\* .*", "", text)
    again = "  together); then run `pip install -e .` again."
    if again not in text:
        raise RuntimeError("the template's README.md says something else of packages")
    text = text.replace(again, "  together). `pip install -e .[training]` has them in this environment, too.")
    if not adoption.data.files:
        text = re.sub(r"(?m)^    sample-data/ .*\n", "", text)
    if not adoption.data.assets:
        text = re.sub(r"(?m)^    (aml register-data|aml_config/data\.yml) .*\n", "", text)
        text = text.replace("`type` and `path` in `train-local.yml` and `data.yml`", "an input of both job files")
    text = text.replace(
        "## Where things are\n",
        "What was taken over from where, and what is left to decide: `ADOPTED.md`.\n\n## Where things are\n",
    )
    more = "".join(f"    aml register-data -f aml_config/{name}\n" for name in [*adoption.data.descriptions()][1:])
    text = re.sub(r"(?m)^    aml register-data  .*\n", lambda first: first[0] + more, text)
    option = asset_option(adoption.code.model)
    text = re.sub(r"aml register-model -n \S+", f"aml register-model -n {adoption.model}{option}", text)
    readme.write_text(text, encoding="utf-8", newline="\n")


def _check(made: Path) -> list[str]:
    """What `aml check` of the new repository finds."""
    command = [sys.executable, "-m", "aml", "check"]
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=made, capture_output=True, encoding="utf-8", errors="replace", env=variables)
    if done.returncode not in (0, 1):
        return [done.stderr.strip()]
    return done.stdout.splitlines()[:-1]


def _contents(folder: Path) -> dict[str, bytes]:
    own = (".venv", "runs", "mlruns", "__pycache__", ".git", ".pytest_cache")
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if not set(own) & set(path.relative_to(folder).parts)
    }
