"""Check of the training packages: train-conda.yml has them for the job, pyproject.toml for this environment."""

from collections.abc import Iterator
from pathlib import Path

from aml.checks.finding import Finding
from aml.errors import UserError
from aml.jobfile.conda import INSTALLERS, NAMES_A_FILE, conda_name, conda_requirement, entries, only_conda
from aml.jobfile.document import Document
from aml.jobfile.pyproject import Pyproject, Repeated, canonical_name, normalize

FIX = "change one of them, or let aml check --fix take that of train-conda.yml"


def check_packages(root: Path) -> Iterator[Finding]:
    """The findings on differences between the two lists, each with both lines.

    There is nothing to compare where a file is missing, or pyproject.toml has none of the packages: then the training
    code is tested elsewhere. Raises UserError when a file cannot be read.
    """
    if not (both := _read(root)):
        return
    document, wanted, pyproject, repeated = both
    place = repeated.entries[0].start if repeated.entries else 0
    listed = {entry.requirement: pyproject.line(entry.start) for entry in repeated.entries}
    for text in _at(pyproject, repeated):
        listed.setdefault(text, pyproject.line(place))
    for requirement, keys in wanted.items():
        name = canonical_name(requirement)
        known = [text for text in listed if canonical_name(text) == name]
        if not known:
            problem = f"{requirement} ({document.where(*keys)}) is not in {'.'.join(repeated.keys)}"
            yield Finding(pyproject.name, pyproject.line(place), problem, "add it, or let aml check --fix add it")
        elif not any(normalize(text) == normalize(requirement) for text in known):
            problem = f"{known[0]} differs from {requirement} ({document.where(*keys)})"
            yield Finding(pyproject.name, listed[known[0]], problem, FIX)
    names = {canonical_name(requirement) for requirement in wanted}
    for entry in repeated.own:
        if canonical_name(entry.requirement) not in names:
            problem = f"{entry.requirement} is not in {document.where('dependencies')}"
            fix = "add it there, or let aml check --fix take it out here"
            yield Finding(pyproject.name, pyproject.line(entry.start), problem, fix)


def repair(root: Path) -> list[Finding]:
    """Let pyproject.toml repeat the packages of train-conda.yml; returns the differences that are repaired.

    Nothing is written when there are none. Raises UserError, before anything is written, when it cannot be done safely.
    """
    differences = list(check_packages(root))
    both = _read(root) if differences else None
    if both is None:
        return []
    _, wanted, pyproject, repeated = both
    text = pyproject.update(repeated, wanted)
    temporary = pyproject.path.with_suffix(".new")
    try:
        temporary.write_bytes(text.encode("utf-8"))
        temporary.replace(pyproject.path)
    finally:
        temporary.unlink(missing_ok=True)
    return differences


def _read(root: Path) -> tuple[Document, dict[str, tuple[str | int, ...]], Pyproject, Repeated] | None:
    """Both files, the packages of train-conda.yml with their keys, and the list of pyproject.toml that repeats them."""
    conda, path = root / "aml_config" / "train-conda.yml", root / "pyproject.toml"
    if not conda.is_file() or not path.is_file():
        return None
    document, pyproject = Document(conda), Pyproject(path)
    wanted = _training_packages(document)
    repeated = pyproject.repeated()
    if repeated is None:
        return None
    names = {canonical_name(requirement) for requirement in wanted}
    repeats = any(canonical_name(text) in names for text in _at(pyproject, repeated))
    is_meant_to = repeated.begin >= 0 or repeated.keys[-1] == "training"
    return (document, wanted, pyproject, repeated) if wanted and (repeats or is_meant_to) else None


def _training_packages(document: Document) -> dict[str, tuple[str | int, ...]]:
    """The packages that pip can install, as pip writes them, with their keys in the conda file."""
    packages: dict[str, tuple[str | int, ...]] = {}
    for keys, text in entries(document.data, document.name):
        line = text if "pip" in keys else conda_requirement(text)
        if not line or (line.startswith("-") and "pip" in keys) or NAMES_A_FILE.match(line):
            continue
        name = conda_name(text)
        if "pip" in keys or not (only_conda(name) or name in (*INSTALLERS, "python")):
            packages[line] = keys
    return packages


def _at(pyproject: Pyproject, repeated: Repeated) -> list[str]:
    """The list as TOML has it, which counts also where its text could not be understood."""
    found: object = pyproject.data
    for key in repeated.keys:
        if not isinstance(found, dict):
            raise UserError(f"{pyproject.name}: no {'.'.join(repeated.keys)}")
        found = found[key]
    return found if isinstance(found, list) else []
