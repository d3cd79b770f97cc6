"""The conda file of a model repository, from what a project has: package files, imports and notebooks' installs."""

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from aml.adopt import Note
from aml.adopt.origin import NAME, own_dependencies
from aml.adopt.packages.package_files import Declared, Entry, environment, read, read_inline
from aml.adopt.packages.resolver import Conflict, Resolver, exact
from aml.jobfile.imports import PACKAGE_OF

SUPPORTED = ("3.11", "3.12", "3.13", "3.14", "3.15")  # in 2026-11; 3.10 ended in 2026-10
# Packages that are what their import says; another import's package is guessed by name, which the owner should see.
SAME_NAME = set(
    "adlfs altair arch bokeh boto3 catboost click cvxpy dask datasets diffusers evaluate fastai fastparquet "
    "featuretools fire flask fsspec gensim gym gymnasium h5py hdbscan holidays hyperopt imageio jax joblib keras "
    "librosa lifelines lightgbm lightning lime loguru lxml matplotlib mltable networkx nltk numba numpy onnx "
    "onnxruntime openpyxl optuna pandas patsy peft plotly pmdarima polars prophet psutil pyarrow pydantic pymongo "
    "pyodbc pyspark pytest ray regex requests rich s3fs scipy seaborn sentencepiece shap simpletransformers six sktime "
    "spacy sqlalchemy statsmodels sympy tabulate tensorboard tensorflow tensorflow-hub tokenizers torch torchaudio "
    "torchmetrics torchtext torchvision tqdm transformers tsfresh typer wandb xgboost xlrd xlsxwriter".split()
)
# pandas and others load these by name, so no import shows the need for them.
LOADED_BY_NAME = set(
    "openpyxl xlrd xlsxwriter pyarrow fastparquet tables h5py lxml html5lib tabulate s3fs adlfs gcsfs psycopg2 "
    "numpy psycopg2-binary pymysql pyodbc sentencepiece accelerate protobuf python-snappy".split()
)
# Names on PyPI that stand for another package now.
RENAMED = {
    "sklearn": "scikit-learn",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "fbprophet": "prophet",
    "opencv": "opencv-python",
    "pytorch": "torch",
}
PKG_RESOURCES = "setuptools<82"  # 82 has pkg_resources no more
NOTEBOOK = re.compile(
    r"ipykernel|ipython|ipywidgets|jupyter(-.*)?|jupyterlab(-.*)?|notebook|nb-conda(-.*)?|nbconvert|nbformat|nbclient"
    r"|widgetsnbextension|qtconsole|voila|ipython-genutils|azureml-widgets"
)
V2 = {"azureml-mlflow", "azureml-fsspec", "azureml-inference-server-http", "azureml-metrics", "azureml-evaluate-mlflow"}
ADVICE = {
    "tensorflow": "code for TensorFlow 1 needs `import tensorflow.compat.v1 as tf` and `tf.disable_v2_behavior()`",
    "keras": "Keras 3 needs `tf.keras` code to import keras instead",
    "pyyaml": "`yaml.load(file)` needs a Loader there: use `yaml.safe_load(file)`",
    "azure-storage-blob": "BlockBlobService is BlobServiceClient there",
}


@dataclass
class Packages:
    """What the repository's environment has."""

    python: str  # "3.11"
    requirements: list[str]  # for train-conda.yml and pyproject.toml
    text: str  # of train-conda.yml
    notes: list[Note]


@dataclass(frozen=True)
class Template:
    """What a generated repository has already."""

    training: list[str]  # of its conda file
    azure: list[Requirement]  # among these
    beside: list[str]  # of its pyproject.toml, which all training packages share an environment with
    head: str  # the first comment of its conda file


def build(
    files: Sequence[Path | tuple[str, Mapping[str, Any]]],
    imports: Mapping[str, str],
    root: Path,
    *,
    name: str,
    template: Path,
    extra: Sequence[str | tuple[str, str]] = (),
) -> Packages:
    """Work out the environment; with a "blocked" note when there is none.

    `files`: package files in order of trust, or conda dependencies that stood elsewhere, as (where, mapping). The first
    that names packages counts; the others only help out. `imports`: where each import stands. `extra`: requirements
    from elsewhere, such as notebooks, or (requirement, where). `template`: the template's repository, generated or not.
    Raises UserError when the package index cannot be asked.
    """
    given = read_template(template)
    declared = [read_inline(file[1], file[0]) if isinstance(file, tuple) else read(file, root) for file in files]
    notes: list[Note] = []
    base = next((each for each in declared if each.entries), Declared(""))
    python = _python([base, *declared], notes)
    imported = {key: where for key, where in imports.items() if not _own(key, where, root)}
    entries = _entries(base, python, notes)
    if base.frozen:
        entries = _asked_for(base, entries, imported, notes)
    elif base.where:
        notes.append(Note("taken", base.where, f"packages asked for: {len(entries)}"))
    for file in declared:
        counts = file is base or not base.where
        notes += [note for note in file.notes if counts or note.code == "unreadable"]
        included = any(entry.where.startswith(f"{file.where}:") for entry in base.entries)  # with -r
        if file.entries and not counts and not included:
            notes.append(Note("taken", file.where, f"read, but {base.where} counts"))
    elsewhere = Declared("")
    for item in extra:
        line, where = item if isinstance(item, tuple) else (item, "")
        elsewhere.add(line, where)
    notes += elsewhere.notes
    _add(entries, _entries(elsewhere, python, notes))
    rest = [file for file in declared if file is not base]
    others = [entry for file in rest for entry in _entries(file, python, [])]
    options = [*dict.fromkeys(option for file in [base, *rest] for option in file.options)]
    if options:
        notes.append(Note("decide", "", f"packages come from {', '.join(options)}, which train-conda.yml says and "
                          "pyproject.toml cannot: give pip install the same options"))  # fmt: skip
    resolver = Resolver(python, given.beside, options)
    _add(entries, _missing(imported, entries, others, bool(base.where), resolver, notes))
    entries = _azure(entries, imported, given, notes)
    fixed = _resolve(entries, resolver, notes)
    # without packaging's own blanks, which differ between its versions
    lines = [str(each).replace(" @ ", "@ ").replace("@ ", " @ ") for each in fixed]
    notes = [note if note.code else note._replace(code="package") for note in notes]
    return Packages(python, lines, _text(name, given.head, python, options, lines), notes)


def read_template(folder: Path) -> Template:
    """What the template's repository has, generated or not. Raises OSError when it is no such folder."""
    from ruamel.yaml import YAML

    def filled(path: str) -> str:
        return re.sub(r'"?\{\{.*?\}\}"?', '"x"', (folder / path).read_text(encoding="utf-8"))

    text = filled("aml_config/train-conda.yml")
    conda = read_inline(YAML(typ="safe").load(text), "template")
    training = [str(entry.requirement) for entry in conda.entries]
    azure = [
        entry.requirement for entry in conda.entries if entry.requirement.name in ("azureml-mlflow", "mlflow-skinny")
    ]
    lines = [
        line for line in tomllib.loads(filled("pyproject.toml"))["project"]["dependencies"] if line not in training
    ]
    beside = [line for line in lines if Requirement(line).name != NAME] + own_dependencies()
    head = next((line for line in text.splitlines() if line.startswith("#")), "")
    return Template(training, azure, beside, head)


def _python(declared: list[Declared], notes: list[Note]) -> str:
    default = SUPPORTED[0]  # has wheels of the oldest packages
    file = next((each for each in declared if each.python), None)
    if file is None:
        return default
    try:
        wanted = SpecifierSet(file.python)
    except ValueError:
        wanted = SpecifierSet()
    if {each.operator for each in wanted} <= {"==", "==="} and wanted:  # one version: its last number does not matter
        wanted = SpecifierSet(f"=={'.'.join(next(iter(wanted)).version.split('.')[:2]).removesuffix('.*')}.*")
    fitting = [each for each in SUPPORTED if f"{each}.99" in wanted or each in wanted]
    if not fitting:
        asked = file.python.removeprefix("==").removesuffix(".*")
        notes.append(Note("changed", file.where, f"Python {default} instead of {asked}, which is supported no more"))
        return default
    return default if default in fitting else fitting[0]


def _entries(file: Declared, python: str, notes: list[Note]) -> list[Entry]:
    """What the file asks for on the cluster, one entry a package, under the names of today."""
    # A file for other versions of Python says of none of its packages that this one should have it.
    told = environment(file.pythons[-1] if file.pythons and python not in file.pythons else python)
    left: list[Entry] = []
    entries: dict[str, Entry] = {}
    for entry in file.entries:
        new = Requirement(str(entry.requirement))
        old_name = canonicalize_name(new.name)
        if new.marker and not Marker(str(new.marker)).evaluate(told):
            left.append(entry)
            continue
        new.marker = None
        if any("+" in each.version for each in new.specifier):
            new.specifier = SpecifierSet(re.sub(r"\+[\w.]+", "", str(new.specifier)))
            notes.append(Note("changed", entry.where, f"{entry.requirement} taken from PyPI, as {new}"))
        if old_name in RENAMED:
            new.name = RENAMED[old_name]
            if old_name == "sklearn":  # its versions are not those of scikit-learn
                new.specifier = SpecifierSet()
            notes.append(Note("changed", entry.where, f"{entry.requirement.name} is called {new.name} today"))
        key = canonicalize_name(new.name)
        if key in entries and not (new.url or entries[key].requirement.url):
            new.specifier &= entries[key].requirement.specifier
        entries[key] = Entry(new, entries[key].where if key in entries else entry.where)
    for entry in left if not file.frozen else ():
        text = f"{entry.requirement.name} left out: not meant for Linux and Python {told['python_version']}"
        notes.append(Note("changed", entry.where, text))
    for entry in file.constraints:
        key = canonicalize_name(entry.requirement.name)
        if key in entries and not entries[key].requirement.url:
            entries[key].requirement.specifier &= entry.requirement.specifier
    return list(entries.values())


def _add(entries: list[Entry], more: Iterable[Entry]) -> None:
    names = {str(canonicalize_name(entry.requirement.name)) for entry in entries}
    for entry in more:
        if (key := canonicalize_name(entry.requirement.name)) not in names:
            names.add(key)
            entries.append(entry)


def _own(name: str, where: str, root: Path) -> bool:
    """Whether an import is Python's own, the project's, or of the retired SDK."""
    top = name.split(".", maxsplit=1)[0]
    if top in sys.stdlib_module_names or (top == "azureml" and not _candidates(name, known=True)) or not name:
        return True
    folders = {root, root / "src", (root / where.split(":", maxsplit=1)[0]).parent}
    return any((folder / f"{top}.py").is_file() or (folder / top).is_dir() for folder in folders)


def _candidates(name: str, known: bool = False) -> list[str]:
    """The packages that may provide an import, the likeliest first; with `known`, none that is guessed."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if found := PACKAGE_OF.get(".".join(parts[:length])):
            return found.split()
    key = canonicalize_name(parts[0])
    if key in SAME_NAME or not known:
        return [key]
    return []


def _asked_for(base: Declared, entries: list[Entry], imports: Mapping[str, str], notes: list[Note]) -> list[Entry]:
    """Of all that was once installed, what the code needs."""
    needed = {package for name in imports for package in _candidates(name)} | LOADED_BY_NAME
    kept = [entry for entry in entries if canonicalize_name(entry.requirement.name) in needed]
    text = (
        f"it lists all {len(entries)} packages that were once installed: kept are the {len(kept)} that the code imports"
        " or that are loaded by their names"
    )
    notes.append(Note("taken", base.where, f"{text}; others come with them"))
    left = {entry.where for entry in entries} - {entry.where for entry in kept}
    base.notes = [note for note in base.notes if note.where not in left]
    return kept


def _missing(
    imports: Mapping[str, str],
    entries: list[Entry],
    others: list[Entry],
    files: bool,
    resolver: Resolver,
    notes: list[Note],
) -> list[Entry]:
    """What is imported and not listed: from another file, else by what is known of its name."""
    listed = {str(canonicalize_name(entry.requirement.name)) for entry in entries}
    elsewhere = {str(canonicalize_name(entry.requirement.name)): entry for entry in others}
    added = []
    for name, where in imports.items():
        candidates, known = _candidates(name), bool(_candidates(name, known=True))
        if listed.intersection(candidates) or name.split(".")[0] in ("mlflow", "azureml"):
            continue
        listed.add(candidates[0])
        if found := next((elsewhere[each] for each in candidates if each in elsewhere), None):
            notes.append(Note("taken", found.where, f"{found.requirement}, which {where} imports"))
            added.append(found)
            continue
        package = candidates[0]
        if not known and files:
            notes.append(Note("decide", where, f"imports {name}, which no file lists: unless a listed package "
                              "brings it, add its package to train-conda.yml and pyproject.toml"))  # fmt: skip
            continue
        version = _installed(package)
        requirement = Requirement(f"{package}=={version}" if version else package)
        if name.split(".")[0] == "pkg_resources":
            requirement = Requirement(PKG_RESOURCES)
        if not known and not resolver.has_wheel(package):
            notes.append(Note("decide", where, f"imports {name}, but {package} has no wheel in the index: add what "
                              "it is from, or copy its code into src/"))  # fmt: skip
            continue
        if known:
            notes.append(Note("changed", where, f"imports {name}: {package} added"))
        else:
            notes.append(Note("decide", where, f"imports {name}: {package} added, for it has that name; "
                              "see that it is the one that is meant"))  # fmt: skip
        added.append(Entry(requirement, where))
    return added


def _installed(package: str) -> str:
    try:
        return str(Version(importlib.metadata.version(package)).public)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""


def _azure(entries: list[Entry], imports: Mapping[str, str], given: Template, notes: list[Note]) -> list[Entry]:
    """The entries without the retired SDK and notebooks' own packages, after what every job needs."""
    fixed = {requirement.name: requirement for requirement in given.azure}
    imported = {package for name in imports for package in _candidates(name)}
    kept = [Entry(requirement, "") for requirement in given.azure]
    for entry in entries:
        name, where = canonicalize_name(entry.requirement.name), entry.where
        if name in fixed:
            if (entry.requirement.specifier and not exact(entry.requirement)) or entry.requirement == fixed[name]:
                continue
            if entry.requirement.specifier:
                notes.append(
                    Note("changed", where, f"{entry.requirement} is {fixed[name]}, as the repository's own code needs")
                )
        elif name == "mlflow":  # and mlflow-skinny have the same files
            new = Requirement(str(entry.requirement))
            new.specifier = fixed["mlflow-skinny"].specifier
            if entry.requirement.specifier != new.specifier:
                notes.append(
                    Note("changed", where, f"{entry.requirement} is {new}, the latest that azureml-mlflow takes")
                )
            kept.append(Entry(new, where))
        elif name.startswith("azureml-") and name not in V2:
            notes.append(
                Note("changed", where, f"{name} left out: the SDK v1 is retired, and azureml-mlflow tracks runs")
            )
        elif NOTEBOOK.fullmatch(name) and name not in imported:
            notes.append(Note("changed", where, f"{name} left out: it serves notebooks, and a job runs a script"))
        else:
            kept.append(entry)
    return kept


def _resolve(entries: list[Entry], resolver: Resolver, notes: list[Note]) -> list[Requirement]:
    """Exact requirements that install together; with "blocked" notes when there are none."""
    requirements = [entry.requirement for entry in entries if not entry.requirement.url]
    try:
        lifted = resolver.lifted(requirements)
    except Conflict as conflict:
        notes += _blocked(entries, str(conflict))
        return [entry.requirement for entry in entries]
    own = {canonicalize_name(entry.requirement.name) for entry in entries if entry.where}
    until = resolver.stay_near([each for each in lifted if canonicalize_name(each.name) in own])
    numpy, because = None, ""
    try:
        if found := resolver.numpy_1(lifted):
            numpy, because = Requirement(f"numpy=={found[0]}"), found[1]
    except Conflict as conflict:
        notes.append(
            Note(
                "decide", "", f"NumPy 2 is asked for beside a package built for NumPy 1, which may not load: {conflict}"
            )
        )
    if numpy and all(canonicalize_name(each.name) != "numpy" for each in lifted):
        lifted.append(numpy)
        notes.append(
            Note("changed", "", f"{numpy} added: {because} was built for NumPy 1 and may not load with NumPy 2")
        )
    lifted = [numpy if numpy and canonicalize_name(each.name) == "numpy" else each for each in lifted]
    versions = resolver.newest(lifted)
    result = {canonicalize_name(each.name): _exactly(each, versions) for each in lifted}
    for name in sorted(resolver.sources & result.keys()):
        notes.append(Note("taken", "", f"{name} has no wheel and is built from source"))
    places = {canonicalize_name(entry.requirement.name): entry for entry in entries}
    free = [
        str(result[name])
        for name, entry in places.items()
        if not (entry.requirement.specifier or entry.requirement.url)
    ]
    if free:
        which = f"those of the time of the others, until {until}" if until else "today's newest that fit"
        notes.append(Note("taken", "", f"no versions were asked for, so {which}: {', '.join(free)}"))
    for name, new in result.items():
        entry = places.get(name)
        version = versions[name].version
        if entry is None or (entry.requirement.specifier.contains(version, prereleases=True)):
            continue
        notes.append(_lifted(entry, new, resolver.python, because if name == "numpy" else ""))
    ordered = [entry.requirement if entry.requirement.url else result[name] for name, entry in places.items()]
    return ordered + [new for name, new in result.items() if name not in places]


def _exactly(requirement: Requirement, versions: Mapping[str, Any]) -> Requirement:
    new = Requirement(str(requirement))
    new.specifier = SpecifierSet(f"=={versions[canonicalize_name(new.name)].version}")
    return new


def _lifted(entry: Entry, new: Requirement, python: str, because: str) -> Note:
    old = entry.requirement
    if because:
        return Note("changed", entry.where, f"{old} is {new}, for {because} was built for NumPy 1")
    before = max((Version(each.version.removesuffix(".*")) for each in old.specifier), default=Version("0"))
    after = Version(next(iter(new.specifier)).version)
    text = f"{old} does not install on Python {python} with the others: {new}, the oldest later one that does"
    if 1 <= before.major < after.major:
        advice = ADVICE.get(
            canonicalize_name(new.name), "its interface may have changed: try the code, or read its changes"
        )
        return Note("decide", entry.where, f"{text}; {advice}")
    return Note("changed", entry.where, text)


def _blocked(entries: list[Entry], reason: str) -> list[Note]:
    """Why nothing can be installed, at the lines of the packages that uv names."""
    words = {canonicalize_name(word) for word in re.findall(r"[\w][\w.-]*", reason)}
    places = [entry.where for entry in entries if canonicalize_name(entry.requirement.name) in words and entry.where]
    text = f"no versions install together: {reason[:400].rstrip('.')}; fix the line or take it out"
    return [Note("blocked", where, text) for where in places[:1] or [""]]


def _text(name: str, head: str, python: str, options: list[str], lines: list[str]) -> str:
    from io import StringIO

    from ruamel.yaml import YAML

    data = {
        "name": name,
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": [*options, *lines]}],
    }
    yaml, stream = YAML(), StringIO()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(data, stream)
    return (f"{head}\n" if head else "") + stream.getvalue()
