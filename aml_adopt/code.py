"""What becomes of the code that travels: notebooks into scripts, v1 into MLflow, the contract of a job kept."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from aml_adopt import DataInput, Note, arguments, contract, input_name, notebook, retired, sdk, settings_files
from aml_adopt.closure import UNREADABLE, imports_of, parse, read_code
from aml_adopt.source import Source
from aml_adopt.static import SETTINGS, Modules
from aml_adopt.tree import shown

NOTHING_TRACKED = (
    'no metrics are logged: with `import mlflow` and mlflow.log_metric("accuracy", value), `aml runs` shows them'
)


@dataclass
class Code:
    """The contents of src/."""

    entry: str  # its path in src/
    files: dict[str, str | Path] = field(default_factory=dict)  # path in src/ -> text, or the file to copy
    inputs: list[DataInput] = field(default_factory=list)  # that the entry takes by options
    model: str | None = None  # what it saves, below the run's folder
    imports: dict[str, str] = field(default_factory=dict)  # third-party name -> where it is imported
    requirements: list[tuple[str, str]] = field(default_factory=list)  # of a notebook's install lines
    notes: list[Note] = field(default_factory=list)


def convert(source: Source, versions: Mapping[str, str] | None = None) -> Code:
    """Change the code so that it trains as a job. Raises Refusal for a notebook that cannot be read.

    `versions`: of the packages that it runs with, once they are known; what they lack is mended then.
    """
    modules = Modules(source.code, source.root, source.entry.parent)
    code = Code(next(place for place, path in source.code.items() if path == source.entry))
    elsewhere: list[DataInput] = []
    for place, path in source.code.items():
        if path.suffix == ".ipynb":
            script = notebook.convert(path, shown(source.root, path))
            code.requirements += [(line, shown(source.root, path)) for line in script.requirements]
            code.notes += script.notes
            for beside, text in script.files.items():
                _module(source, modules, code, beside, path, text, [], elsewhere, versions)
            _module(source, modules, code, place, path, script.text, script.lines, elsewhere, versions)
        elif path.suffix == ".py":
            try:
                text = read_code(path)
            except UNREADABLE:
                continue  # the source has a note of it
            _module(source, modules, code, place, path, text, [], elsewhere, versions)
        else:
            code.files[place] = path
    entry = code.files[code.entry]
    assert isinstance(entry, str)
    code.files[code.entry] = arguments.declare(entry, elsewhere)
    for data in elsewhere:
        _add(code.inputs, data)
        if any(one.flag == data.flag and one.path != data.path for one in code.inputs):
            code.notes.append(Note("decide", "", f"several modules read different data by {data.flag}: rename one"))
    _given(source, code)
    read = {data.path for data in code.inputs if isinstance(data.path, Path)}
    model = settings_files.carry(code.files, read, source.root, source.project, code.notes)
    code.model = code.model or model
    if not any("mlflow" in text for text in code.files.values() if isinstance(text, str)):
        code.notes.append(Note("decide", shown(source.root, source.entry), NOTHING_TRACKED))
    if code.model:
        code.notes = [note for note in code.notes if not note.text.startswith(contract.NOTHING_SAVED)]
    elif not any(note.text.startswith(contract.NOTHING_SAVED) for note in code.notes):
        text = "where the model is saved shows when it runs: name it then, with aml register-model --asset-path"
        code.notes.append(Note("decide", shown(source.root, source.entry), text))
    code.imports = _imports(source, code)
    return code


def _given(source: Source, code: Code) -> None:
    """Let data that the arguments name be inputs, and settings travel."""
    try:
        words = shlex.split(source.arguments)
    except ValueError:  # a quote without an end, in somebody's README
        return
    for flag, value in zip(words, words[1:], strict=False):
        place = PurePosixPath(value.replace("\\", "/"))
        path = next((one for one in (source.project / place, source.root / place) if one.exists()), None)
        inside = path is not None and path.resolve().is_relative_to(source.root) and path.resolve() != source.root
        if path is None or not inside or not flag.startswith("--") or contract.leads_out(flag):
            continue
        if path.suffix.lower() in SETTINGS:
            code.files.setdefault(place.as_posix(), path)
            code.notes.append(Note("taken", shown(source.root, path), f"travels with the code, for {flag}"))
        else:
            kind: Literal["uri_folder", "uri_file"] = "uri_folder" if path.is_dir() else "uri_file"
            data = DataInput(input_name(flag), kind, path.resolve(), flag)
            if not any(one.flag == flag for one in code.inputs):
                code.notes.append(Note("changed", "", f"{flag} {value} -> an input of the job"))
            _add(code.inputs, data)


def _module(
    source: Source,
    modules: Modules,
    code: Code,
    place: str,
    path: Path,
    text: str,
    cells: list[tuple[int, str]],
    elsewhere: list[DataInput],
    versions: Mapping[str, str] | None,
) -> None:
    """Rewrite one module, and note what was done by the lines of the source, or the cells of its notebook."""
    file, is_entry = shown(source.root, path), place == code.entry
    rewritten = sdk.rewrite(text, file, is_entry)
    renewed = retired.rewrite(rewritten.text, file, versions, text)
    checked = contract.check(renewed.text, file, is_entry, modules, text)
    code.files[place] = checked.text
    for note in [*rewritten.notes, *renewed.notes, *checked.notes]:
        line = note.where.rpartition(":")[2]
        cell = next((name for first, name in reversed(cells) if line.isdigit() and first <= int(line)), note.where)
        code.notes.append(note._replace(where=cell))
    for data in [*rewritten.inputs, *checked.inputs]:
        _add(code.inputs if is_entry else elsewhere, data)
    if is_entry or not code.model:
        code.model = checked.model or code.model
    for file_or_folder, where in checked.travels:
        if file_or_folder.is_dir():
            for inner in sorted(one for one in file_or_folder.rglob("*") if one.is_file()):
                code.files.setdefault((PurePosixPath(where) / inner.relative_to(file_or_folder)).as_posix(), inner)
        else:
            code.files.setdefault(where, file_or_folder)


def _add(inputs: list[DataInput], data: DataInput) -> None:
    """Keep the first of those that one option hands over: what v1 says of it is more than what the code does."""
    if not any(data.flag and data.flag == one.flag or data.name == one.name for one in inputs):
        inputs.append(data)


def _imports(source: Source, code: Code) -> dict[str, str]:
    """What is imported after all changes, and is neither the code's own nor the standard library's."""
    own = {PurePosixPath(place).parts[0].removesuffix(".py") for place in code.files}
    wanted: dict[str, str] = {}
    for place, text in code.files.items():
        if not isinstance(text, str) or not place.endswith(".py"):
            continue
        try:
            found = imports_of(parse(text))
        except UNREADABLE:
            continue  # there is a note of it
        for one in found:
            if one.module and not one.level:
                wanted.setdefault(one.module, f"src/{place}")

    def related(name: str, module: str) -> bool:
        return f"{name}.".startswith(f"{module}.") or f"{module}.".startswith(f"{name}.")

    still = {name: where for name, where in source.imports.items() if any(related(name, one) for one in wanted)}
    for module, where in wanted.items():
        top = module.partition(".")[0]
        if top not in own | sys.stdlib_module_names and not any(related(module, name) for name in still):
            still[top] = where
    return dict(sorted(still.items()))
