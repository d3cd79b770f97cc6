"""Compare the training packages of train-conda.yml and pyproject.toml."""

from collections.abc import Iterator
from pathlib import Path

from aml.checks.finding import Finding
from aml.errors import FileError, Place
from aml.files import write_atomically
from aml.jobfile.conda import INSTALLERS, NAMES_A_FILE, conda_name, conda_requirement, entries, only_conda
from aml.jobfile.document import Document
from aml.jobfile.pyproject import PackageList, Pyproject, canonical_name, normalize

FIX = "change one of them, or run aml check --fix to copy that of train-conda.yml"


def check_packages(root: Path) -> Iterator[Finding]:
    """The findings on differences between the two lists, each with both lines.

    There is nothing to compare where a file is missing, or pyproject.toml has none of the packages. Raises UserError
    when a file cannot be read.
    """
    if not (inputs := _read(root)):
        return
    document, wanted, pyproject, packages = inputs
    list_start = packages.entries[0].start if packages.entries else 0
    listed = {entry.requirement: pyproject.line(entry.start) for entry in packages.entries}
    for text in _parsed_list(pyproject, packages):
        listed.setdefault(text, pyproject.line(list_start))
    for requirement, keys in wanted.items():
        name = canonical_name(requirement)
        candidates = [text for text in listed if canonical_name(text) == name]
        if not candidates:
            problem = f"{requirement} ({document.where(*keys)}) is not in {'.'.join(packages.keys)}"
            yield Finding(pyproject.name, pyproject.line(list_start), problem, "add it, or run aml check --fix")
        elif not any(normalize(text) == normalize(requirement) for text in candidates):
            problem = f"{candidates[0]} differs from {requirement} ({document.where(*keys)})"
            yield Finding(pyproject.name, listed[candidates[0]], problem, FIX)
    names = {canonical_name(requirement) for requirement in wanted}
    for entry in packages.removable:
        if canonical_name(entry.requirement) not in names:
            problem = f"{entry.requirement} is not in {document.where('dependencies')}"
            fix = "add it there, or run aml check --fix to remove it here"
            yield Finding(pyproject.name, pyproject.line(entry.start), problem, fix)


def repair(root: Path) -> list[Finding]:
    """Copy the packages of train-conda.yml to pyproject.toml; returns the differences that are repaired.

    Nothing is written when there are none. Raises UserError, before anything is written, when it cannot be done safely.
    """
    differences = list(check_packages(root))
    inputs = _read(root) if differences else None
    if inputs is None:
        return []
    _, wanted, pyproject, packages = inputs
    text = pyproject.update(packages, wanted)
    write_atomically(pyproject.path, text)
    return differences


def _read(root: Path) -> tuple[Document, dict[str, tuple[str | int, ...]], Pyproject, PackageList] | None:
    """Both files, the packages of train-conda.yml with their keys, and the same list in pyproject.toml."""
    conda, path = root / "aml_config" / "train-conda.yml", root / "pyproject.toml"
    if not conda.is_file() or not path.is_file():
        return None
    document, pyproject = Document(conda), Pyproject(path)
    wanted = _training_packages(document)
    packages = pyproject.package_list()
    if packages is None:
        return None
    names = {canonical_name(requirement) for requirement in wanted}
    repeats = any(canonical_name(text) in names for text in _parsed_list(pyproject, packages))
    is_marked = packages.begin >= 0 or packages.keys[-1] == "training"
    return (document, wanted, pyproject, packages) if wanted and (repeats or is_marked) else None


def _training_packages(document: Document) -> dict[str, tuple[str | int, ...]]:
    """The packages that pip can install, as pip writes them, with their keys in the conda file."""
    found: dict[str, tuple[str | int, ...]] = {}
    for keys, text in entries(document.data, document.name):
        line = text if "pip" in keys else conda_requirement(text)
        if not line or (line.startswith("-") and "pip" in keys) or NAMES_A_FILE.match(line):
            continue
        name = conda_name(text)
        if "pip" in keys or not (only_conda(name) or name in (*INSTALLERS, "python")):
            found[line] = keys
    return found


def _parsed_list(pyproject: Pyproject, packages: PackageList) -> list[str]:
    """The list as parsed, also when the positions of its entries are unknown."""
    found: object = pyproject.data
    for key in packages.keys:
        if not isinstance(found, dict):
            raise FileError(Place(pyproject.name), f"no {'.'.join(packages.keys)}")
        found = found[key]
    return found if isinstance(found, list) else []
