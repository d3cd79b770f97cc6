"""The model repository: generated from the template, its example replaced by what was adopted, then put in place."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aml.adopt import Note, UserError, gates, origin
from aml.adopt import code as code_module
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
    """The template: within the package when that is installed, else at the root of the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "template"
    return installed if installed.is_dir() else package.parents[1]


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
    taken = [Note("taken", "", f"entry {source.why}", "entry", source.why)]
    taken += [Note("taken", "", f"data {place}", "data-file", place) for place in data.files]
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
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".aml-adopt-") as folder:
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
    command += [f"{key}={value}" for key, value in {**answers, "package": origin.package()}.items()]
    # Not in the working folder, which may be the source: python -m takes the modules there for its own.
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        reason = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
        raise UserError(f"the template refuses an answer: {reason[0] if reason else done.stderr.strip()[-300:]}")
    made = folder / answers["project_slug"]
    for cache in made.rglob("__pycache__"):  # pip compiles the modules of the template, too, where it installs it
        shutil.rmtree(cache)
    if commit := origin.commit():  # the template that was used lies in the package, where cruft does not find it
        record = json.loads((made / ".cruft.json").read_text(encoding="utf-8"))
        record["template"], record["commit"] = commit
        record["context"]["cookiecutter"]["_template"] = record["template"]
        _put(made / ".cruft.json", json.dumps(record, indent=2) + "\n")
    return made


def _fill(adoption: Adoption, made: Path, report: str) -> None:
    example = packages_module.read_template(made).training
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
        _edit(
            configuration / "compute.yml",
            lambda text: re.sub(r"^max_instances: \d+", f"max_instances: {most}", text, flags=re.MULTILINE),
        )
    _edit(made / "pyproject.toml", lambda text: _pyproject(text, example, adoption.packages))
    _edit(made / "README.md", lambda text: _readme(text, adoption))
    _put(made / "ADOPTED.md", report)


def _put(path: Path, content: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="\n")
    else:
        shutil.copyfile(content, path)


def _edit(path: Path, edit: Callable[[str], str]) -> None:
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


def _pyproject(text: str, example: Iterable[str], packages: Packages) -> str:
    """pyproject.toml with the training packages in an extra instead of the example's among the dependencies.

    Old ones may need another Python than is here, and the command line does not: uv builds the training environment.
    """
    lines = text.splitlines(keepends=True)
    own = tuple(f"  {json.dumps(line)}," for line in example)
    first = next(number for number, line in enumerate(lines) if line.startswith(own))
    beside = [line for line in packages.requirements if re.match(r"(azureml-mlflow|mlflow)\b", line)]
    lines[first:first] = ["  # tracking\n", *(f"  {json.dumps(line)},\n" for line in beside)]
    extra = [
        "[project.optional-dependencies]\n",
        f"# aml_config/train-conda.yml has them too: Python {packages.python}\n",
    ]
    extra += ["training = [\n", *(f"  {json.dumps(line)},\n" for line in packages.requirements), "]\n", "\n"]
    after = next(number for number, line in enumerate(lines) if line.startswith("[tool."))
    kept = [line for line in lines[first + 1 + len(beside) : after] if not line.startswith(own)]
    text = "".join([*lines[: first + 1 + len(beside)], *kept, *extra, *lines[after:]])
    text = re.sub(r"^  # training: .*\n", "", text, flags=re.MULTILINE)
    environment = (
        "# The command line: pip install -e . Tests of the training code need its packages: pip install -e .[training]"
    )
    return re.sub(r"^# One environment for .*", environment, text, flags=re.MULTILINE)


def _readme(text: str, adoption: Adoption) -> str:
    """README.md with the names of what was adopted, without the lines about the example."""
    gone = ["penguin", "max_iter"]
    gone += [] if adoption.data.files else ["^sample-data/ "]
    gone += [] if adoption.data.assets else [r"^( *aml register-data|aml_config/data\.yml)\b"]
    text = "".join(line for line in text.splitlines(keepends=True) if not re.search("|".join(gone), line))
    entry = f"src/{adoption.code.entry}"
    register = f"aml register-model -n {adoption.model}{asset_option(adoption.code.model)}"
    more = [f"    aml register-data -f aml_config/{name}\n" for name in [*adoption.data.descriptions()][1:]]
    report = "What was taken over from where, and what is left to decide: `ADOPTED.md`.\n\n"
    changes: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (r"^src/train\.py +", lambda _: f"{entry:<32} "),
        (r"`src/train\.py`", lambda _: f"`{entry}`"),
        (r"aml register-model -n [\w-]+", lambda _: register),
        (r"^    aml register-data\b.*\n", lambda found: found[0] + "".join(more)),
        (r"`pip install -e \.` installs them", lambda _: "`pip install -e .[training]` installs them for tests"),
        (r"\A# .*\n\n", lambda found: found[0] + report),
    ]
    for pattern, change in changes:
        text = re.sub(pattern, change, text, flags=re.MULTILINE)
    return text


def _check(made: Path) -> list[str]:
    """What `aml check` of the new repository finds."""
    # -P: modules of the repository are not taken for those of the package.
    command = [sys.executable, "-P", "-m", "aml", "check"]
    variables = {**os.environ, "PYTHONUTF8": "1"}
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
