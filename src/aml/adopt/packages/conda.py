"""The conda file of a model repository, from what a project has: package files, imports and notebooks' installs."""

import importlib.metadata
import io
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from aml.adopt import Note
from aml.adopt.origin import NAME, own_dependencies
from aml.adopt.packages.declared import Declared, Entry, key_of
from aml.adopt.packages.package_files import environment, read, read_inline
from aml.adopt.packages.provided import LOADED_BY_NAME, PKG_RESOURCES, candidates, is_own, known
from aml.adopt.packages.resolver import Conflict, Resolver, exact, with_specifier

SUPPORTED = ("3.11", "3.12", "3.13", "3.14", "3.15")  # in 2026-11; 3.10 ended in 2026-10
# Names on PyPI that stand for another package now.
RENAMED = {
    "sklearn": "scikit-learn",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "fbprophet": "prophet",
    "opencv": "opencv-python",
    "pytorch": "torch",
}
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
    day: str = "",
) -> Packages:
    """Work out the environment; with a "blocked" note when there is none.

    `files`: package files in order of trust, or conda dependencies that stood elsewhere, as (where, mapping). The first
    that names packages counts; the others only help out. `imports`: where each import stands. `extra`: requirements
    from elsewhere, such as notebooks, or (requirement, where). `template`: the template's repository, generated or not.
    `day`: of which packages without a version are to be, such as 2023-01-31; "" for the newest.
    Raises UserError when the package index cannot be asked.
    """
    given = read_template(template)
    declared = [read_inline(file[1], file[0]) if isinstance(file, tuple) else read(file, root) for file in files]
    base = next((each for each in declared if each.entries), Declared(""))
    rest = [file for file in declared if file is not base]
    work = _Work({key: where for key, where in imports.items() if not is_own(key, where, root)})
    work.choose_python([base, *declared])
    work.add(work.taken(base))
    if base.frozen:
        work.keep_what_is_needed(base)
    elif base.where:
        work.note("taken", base.where, f"packages asked for: {len(work.entries)}")
    for file in declared:
        work.tell(file, base)
    elsewhere = Declared("")
    for item in extra:
        elsewhere.add(*(item if isinstance(item, tuple) else (item, "")))
    work.notes += elsewhere.notes
    work.add(work.taken(elsewhere))
    options = [*dict.fromkeys(option for file in [base, *rest] for option in file.options)]
    if options:
        work.note("decide", "", f"packages come from {', '.join(options)}, which train-conda.yml says and "
                  "pyproject.toml cannot: give pip install the same options")  # fmt: skip
    resolver = Resolver(work.python, given.beside, options)
    silent = _Work({}, work.python)
    work.add_imported([entry for file in rest for entry in silent.taken(file)], bool(base.where), resolver)
    work.fit_azure(given.azure)
    fixed = work.resolve(resolver, day)
    # without packaging's own blanks, which differ between its versions
    lines = [str(each).replace(" @ ", "@ ").replace("@ ", " @ ") for each in fixed]
    notes = [note if note.code else note._replace(code="package") for note in work.notes]
    return Packages(work.python, lines, conda_text(name, given.head, work.python, options, lines), notes)


def read_template(folder: Path) -> Template:
    """What the template's repository has, generated or not. Raises OSError when it is no such folder."""
    from ruamel.yaml import YAML

    def filled(path: str) -> str:
        return re.sub(r'"?\{\{.*?\}\}"?', '"x"', (folder / path).read_text(encoding="utf-8"))

    text = filled("aml_config/train-conda.yml")
    training = [entry.requirement for entry in read_inline(YAML(typ="safe").load(text), "template").entries]
    azure = [requirement for requirement in training if requirement.name in ("azureml-mlflow", "mlflow-skinny")]
    listed = [str(requirement) for requirement in training]
    lines = tomllib.loads(filled("pyproject.toml"))["project"]["dependencies"]
    beside = [line for line in lines if line not in listed and Requirement(line).name != NAME]
    head = next((line for line in text.splitlines() if line.startswith("#")), "")
    return Template(listed, azure, beside + own_dependencies(), head)


@dataclass
class _Work:
    """The environment as far as it is worked out."""

    imports: Mapping[str, str]  # of other packages: where each stands
    python: str = ""
    entries: list[Entry] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def note(self, kind: Literal["taken", "changed", "decide", "blocked"], where: str, text: str) -> None:
        self.notes.append(Note(kind, where, text))

    def tell(self, file: Declared, base: Declared) -> None:
        """Say what is read of a file, and whether it counts."""
        counts = file is base or not base.where
        self.notes += [note for note in file.notes if counts or note.code == "unreadable"]
        included = any(entry.where.startswith(f"{file.where}:") for entry in base.entries)  # with -r
        if file.entries and not counts and not included:
            self.note("taken", file.where, f"read, but {base.where} counts")

    def choose_python(self, declared: list[Declared]) -> None:
        """A version that the first file with one allows, else the first that has wheels of the oldest packages."""
        self.python = SUPPORTED[0]
        file = next((each for each in declared if each.python), None)
        try:
            wanted = SpecifierSet(file.python if file else "")
        except ValueError:
            wanted = SpecifierSet()
        if {each.operator for each in wanted} <= {"==", "==="} and wanted:  # the last number of one does not matter
            wanted = SpecifierSet(f"=={'.'.join(next(iter(wanted)).version.split('.')[:2]).removesuffix('.*')}.*")
        fitting = [each for each in SUPPORTED if f"{each}.99" in wanted or each in wanted]
        if file and not fitting:
            asked = file.python.removeprefix("==").removesuffix(".*")
            text = f"Python {self.python} instead of {asked}, which is supported no more"
            self.note("changed", file.where, text)
        self.python = next(iter(fitting), self.python)

    def taken(self, file: Declared) -> list[Entry]:
        """What the file asks for on the cluster, one entry a package, under the names of today."""
        # A file for other versions of Python says of none of its packages that this one should have it.
        told = environment(file.pythons[-1] if file.pythons and self.python not in file.pythons else self.python)
        entries: dict[str, Entry] = {}
        for entry in file.entries:
            new = Requirement(str(entry.requirement))
            if new.marker and not Marker(str(new.marker)).evaluate(told):
                if not file.frozen:
                    text = f"{new.name} left out: not meant for Linux and Python {told['python_version']}"
                    self.note("changed", entry.where, text)
                continue
            new.marker = None
            if any("+" in each.version for each in new.specifier):
                new.specifier = SpecifierSet(re.sub(r"\+[\w.]+", "", str(new.specifier)))
                self.note("changed", entry.where, f"{entry.requirement} taken from PyPI, as {new}")
            if entry.key in RENAMED:
                new.name = RENAMED[entry.key]
                if entry.key == "sklearn":  # its versions are not those of scikit-learn
                    new.specifier = SpecifierSet()
                self.note("changed", entry.where, f"{entry.requirement.name} is called {new.name} today")
            earlier = entries.get(key_of(new))
            if earlier and not (new.url or earlier.requirement.url):
                new.specifier &= earlier.requirement.specifier
            entries[key_of(new)] = Entry(new, earlier.where if earlier else entry.where)
        for entry in file.constraints:
            if entry.key in entries and not entries[entry.key].requirement.url:
                entries[entry.key].requirement.specifier &= entry.requirement.specifier
        return list(entries.values())

    def add(self, more: Iterable[Entry]) -> None:
        """Take over what has no entry yet."""
        for entry in more:
            if all(entry.key != other.key for other in self.entries):
                self.entries.append(entry)

    def keep_what_is_needed(self, base: Declared) -> None:
        """Of all that was once installed, keep what the code needs."""
        needed = {package for name in self.imports for package in candidates(name)} | LOADED_BY_NAME
        kept = [entry for entry in self.entries if entry.key in needed]
        text = (
            f"it lists all {len(self.entries)} packages that were once installed: kept are the {len(kept)} that the "
            "code imports or that are loaded by their names; others come with them"
        )
        self.note("taken", base.where, text)
        left = {entry.where for entry in self.entries} - {entry.where for entry in kept}
        base.notes = [note for note in base.notes if note.where not in left]
        self.entries = kept

    def add_imported(self, others: list[Entry], files: bool, resolver: Resolver) -> None:
        """Add what is imported and not listed: from another file, else by what is known of its name."""
        listed = {entry.key for entry in self.entries}
        elsewhere = {entry.key: entry for entry in others}
        for name, where in self.imports.items():
            if listed.intersection(candidates(name)) or name.split(".")[0] in ("mlflow", "azureml"):
                continue
            package = candidates(name)[0]
            listed.add(package)
            if found := next((elsewhere[each] for each in candidates(name) if each in elsewhere), None):
                self.note("taken", found.where, f"{found.requirement}, which {where} imports")
                self.entries.append(found)
            elif known(name):
                self.note("changed", where, f"imports {name}: {package} added")
                self.entries.append(Entry(_as_here(name, package), where))
            elif files:
                self.note("decide", where, f"imports {name}, which no file lists: unless a listed package "
                          "brings it, add its package to train-conda.yml and pyproject.toml")  # fmt: skip
            elif not resolver.has_wheel(package):
                self.note("decide", where, f"imports {name}, but {package} has no wheel in the index: add what "
                          "it is from, or copy its code into src/")  # fmt: skip
            else:
                self.note("decide", where, f"imports {name}: {package} added, for it has that name; "
                          "see that it is the one that is meant")  # fmt: skip
                self.entries.append(Entry(_as_here(name, package), where))

    def fit_azure(self, azure: list[Requirement]) -> None:
        """Take out the retired SDK and notebooks' own packages, and put first what every job needs."""
        fixed = {requirement.name: requirement for requirement in azure}
        imported = {package for name in self.imports for package in candidates(name)}
        kept = [Entry(requirement, "") for requirement in azure]
        for entry in self.entries:
            old, name = entry.requirement, entry.key
            if name in fixed:
                if exact(old) and old != fixed[name]:
                    self.note("changed", entry.where, f"{old} is {fixed[name]}, as the repository's own code needs")
            elif name == "mlflow":  # and mlflow-skinny have the same files
                new = with_specifier(old, str(fixed["mlflow-skinny"].specifier))
                if old.specifier != new.specifier:
                    self.note("changed", entry.where, f"{old} is {new}, the latest that azureml-mlflow takes")
                kept.append(Entry(new, entry.where))
            elif name.startswith("azureml-") and name not in V2:
                text = f"{name} left out: the SDK v1 is retired, and azureml-mlflow tracks runs"
                self.note("changed", entry.where, text)
            elif NOTEBOOK.fullmatch(name) and name not in imported:
                text = f"{name} left out: it serves notebooks, and a job runs a script"
                self.note("changed", entry.where, text)
            else:
                kept.append(entry)
        self.entries = kept

    def resolve(self, resolver: Resolver, day: str) -> list[Requirement]:
        """Exact requirements that install together; with "blocked" notes when there are none."""
        try:
            lifted = resolver.lifted([entry.requirement for entry in self.entries if not entry.requirement.url])
        except Conflict as conflict:
            self._tell_conflict(str(conflict))
            return [entry.requirement for entry in self.entries]
        places = {entry.key: entry for entry in self.entries}
        until = resolver.stay_near([each for each in lifted if places[key_of(each)].where], day)
        lifted, because = self._with_numpy_1(lifted, resolver)
        versions = {name: found.version for name, found in resolver.newest(lifted).items()}
        result = {key_of(each): with_specifier(each, f"=={versions[key_of(each)]}") for each in lifted}
        for name in sorted(resolver.sources & result.keys()):
            self.note("taken", "", f"{name} has no wheel and is built from source")
        asked = {name: entry.requirement for name, entry in places.items()}
        if free := [str(result[name]) for name, old in asked.items() if not (old.specifier or old.url)]:
            then = "the last commit" if day else "the others"
            which = f"those of the time of {then}, until {until}" if until else "today's newest that fit"
            self.note("taken", "", f"no versions were asked for, so {which}: {', '.join(free)}")
        for name, new in result.items():
            if name in places and not asked[name].specifier.contains(versions[name], prereleases=True):
                self._tell_lifted(places[name], new, because if name == "numpy" else "")
        ordered = [old if old.url else result[name] for name, old in asked.items()]
        return ordered + [new for name, new in result.items() if name not in places]

    def _with_numpy_1(self, lifted: list[Requirement], resolver: Resolver) -> tuple[list[Requirement], str]:
        """The requirements with NumPy 1 and the package that needs it, where one was built for that."""
        try:
            found = resolver.numpy_1(lifted)
        except Conflict as conflict:
            text = f"NumPy 2 is asked for beside a package built for NumPy 1, which may not load: {conflict}"
            self.note("decide", "", text)
            return lifted, ""
        if not found:
            return lifted, ""
        numpy, because = Requirement(f"numpy=={found[0]}"), found[1]
        if all(key_of(each) != "numpy" for each in lifted):
            text = f"{numpy} added: {because} was built for NumPy 1 and may not load with NumPy 2"
            self.note("changed", "", text)
            return [*lifted, numpy], because
        return [numpy if key_of(each) == "numpy" else each for each in lifted], because

    def _tell_lifted(self, entry: Entry, new: Requirement, because: str) -> None:
        old = entry.requirement
        if because:
            self.note("changed", entry.where, f"{old} is {new}, for {because} was built for NumPy 1")
            return
        before = max((Version(each.version.removesuffix(".*")) for each in old.specifier), default=Version("0"))
        after = Version(next(iter(new.specifier)).version)
        text = f"{old} does not install on Python {self.python} with the others: {new}, the oldest later one that does"
        if 1 <= before.major < after.major:
            advice = ADVICE.get(entry.key, "its interface may have changed: try the code, or read its changes")
            self.note("decide", entry.where, f"{text}; {advice}")
        else:
            self.note("changed", entry.where, text)

    def _tell_conflict(self, reason: str) -> None:
        """Say why nothing can be installed, at the line of the first package that uv names."""
        words = {canonicalize_name(word) for word in re.findall(r"[\w][\w.-]*", reason)}
        where = next((entry.where for entry in self.entries if entry.key in words and entry.where), "")
        text = f"no versions install together: {reason[:400].rstrip('.')}; fix the line or take it out"
        self.note("blocked", where, text)


def _as_here(name: str, package: str) -> Requirement:
    """The requirement of a package that no file lists: with the version of this machine, where it has one."""
    if name.split(".", maxsplit=1)[0] == "pkg_resources":
        return Requirement(PKG_RESOURCES)
    version = _installed(package)
    return Requirement(f"{package}=={version}" if version else package)


def _installed(package: str) -> str:
    try:
        return str(Version(importlib.metadata.version(package)).public)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""


def conda_text(name: str, head: str, python: str, options: list[str], lines: list[str]) -> str:
    """The conda file."""
    from ruamel.yaml import YAML

    dependencies = [f"python={python}", "pip", {"pip": [*options, *lines]}]
    yaml, stream = YAML(), io.StringIO()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({"name": name, "channels": ["conda-forge"], "dependencies": dependencies}, stream)
    return (f"{head}\n" if head else "") + stream.getvalue()
