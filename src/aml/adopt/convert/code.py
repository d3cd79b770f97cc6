"""What becomes of the code that travels: notebooks into scripts, v1 into MLflow, the contract of a job kept."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from aml.adopt import DataInput, Note, input_name, model_name
from aml.adopt.convert import contract, results, saved, settings_files
from aml.adopt.discover import needs, resources
from aml.adopt.discover.source import Source
from aml.adopt.notebooks import notebook
from aml.adopt.packages import retired
from aml.adopt.python import arguments
from aml.adopt.python.closure import TOO_DEEP, UNREADABLE, imports_of, parse, read_code
from aml.adopt.python.static import SETTINGS, Modules
from aml.adopt.python.syntax import lines_of
from aml.adopt.tree import files_below, shown
from aml.adopt.v1 import sdk, uploads

NOTHING_TRACKED = (
    'no metrics are logged: with `import mlflow` and mlflow.log_metric("accuracy", value), `aml runs` shows them'
)


@dataclass
class Certain:
    """The code with no more than the changes that are certain: what is retired replaced, all paths as they were."""

    texts: dict[Path, str] = field(default_factory=dict)  # file of the source -> its text; a notebook is there as .py
    inputs: list[DataInput] = field(default_factory=list)  # of v1
    settings: list[Path] = field(default_factory=list)  # files of the source that the code has beside it
    notes: list[Note] = field(default_factory=list)


@dataclass
class Code:
    """The contents of src/."""

    entry: str  # its path in src/
    files: dict[str, str | Path] = field(default_factory=dict)  # path in src/ -> text, or the file to copy
    inputs: list[DataInput] = field(default_factory=list)  # that the entry takes by options
    given: dict[str, str] = field(default_factory=dict)  # options of the entry for results, with their paths
    results: dict[str, str] = field(default_factory=dict)  # all of these, with where the results go by themselves
    model: str | None = None  # what it saves, below the run's folder
    registered: str | None = None  # the name that it registered the model by
    imports: dict[str, str] = field(default_factory=dict)  # third-party name -> where it is imported
    requirements: list[tuple[str, str]] = field(default_factory=list)  # of a notebook's install lines
    notes: list[Note] = field(default_factory=list)
    origins: dict[str, "Origin"] = field(default_factory=dict)  # path in src/ -> where its text comes from
    certain: Certain = field(default_factory=Certain)


class Origin(NamedTuple):
    """A file of the source whose code was rewritten."""

    file: str
    text: str  # of a notebook the script that it became
    cells: list[tuple[int, str]]  # where cells begin: (12, "train.ipynb cell 7")

    def where(self, line: int) -> str:
        """The place in the source of a line of `text`, for messages."""
        if not self.cells:
            return f"{self.file}:{line}"
        return next((name for first, name in reversed(self.cells) if first <= line), self.file)


def convert(source: Source, versions: Mapping[str, str] | None = None) -> Code:
    """Change the code so that it trains as a job. Raises UserError for a notebook that cannot be read.

    `versions`: of the packages that it runs with, once they are known; what they lack is fixed then.
    """
    modules = Modules(source.code, source.root, source.entry.parent)
    code = Code(next(place for place, path in source.code.items() if path == source.entry))
    elsewhere: list[DataInput] = []
    for place, path in source.code.items():
        if path.suffix == ".ipynb":
            script = notebook.convert(path, shown(source.root, path))
            code.requirements += [(line, shown(source.root, path)) for line in script.requirements]
            code.notes += script.notes
            _module(source, modules, code, place, path, script.text, script.lines, elsewhere, versions)
        elif path.suffix == ".py":
            try:
                text = _in_utf8(read_code(path))
            except UNREADABLE:
                code.files[place] = ""  # the source has a note of it, so that nothing is written
                continue
            _module(source, modules, code, place, path, text, [], elsewhere, versions)
        else:
            code.files[place] = path
    entry = code.files[code.entry]
    assert isinstance(entry, str)
    code.files[code.entry] = arguments.declare(entry, elsewhere)
    main = script_of(source.entry, code.entry)
    code.certain.texts[main] = arguments.declare(
        code.certain.texts.get(main, ""), [one for one in code.certain.inputs if one in elsewhere]
    )
    for data in elsewhere:
        _add(code.inputs, data)
        if any(one.flag == data.flag and one.path != data.path for one in code.inputs):
            code.notes.append(Note("decide", "", f"several modules read different data by {data.flag}: rename one"))
    _given(source, code)
    code.certain.settings, notes = needs.hydra(source.entry, code.entry, code.files, shown(source.root, source.entry))
    code.notes += notes
    read = {data.path for data in code.inputs if isinstance(data.path, Path)}
    model = settings_files.carry(code.files, read, source.root, source.project, code.notes)
    code.model = code.model or model
    code.notes += _alike(code)
    if not any("mlflow" in text for text in code.files.values() if isinstance(text, str)):
        code.notes.append(Note("decide", shown(source.root, source.entry), NOTHING_TRACKED))
    _registering(source, code)
    if not code.model:
        code.notes.append(_no_model(source, code))
    code.imports = _imports(source, code)
    return code


def script_of(path: Path, place: str) -> Path:
    """The file of the source that a script is, or that a notebook becomes beside itself."""
    return path if path.suffix == ".py" else path.with_name(PurePosixPath(place).name)


def _no_model(source: Source, code: Code) -> Note:
    """What to do about a model that is not saved, or only where a run shows it."""
    advice = saved.advice(saved.texts_of(code.files), code.entry)
    if advice is None:
        text = "where the model is saved shows when it runs: name it then, with aml register-model --asset-path"
        return Note("decide", shown(source.root, source.entry), text, "model-not-known")
    where = place_of(code, code.entry, advice.line) if advice.line else shown(source.root, source.entry)
    text = f"no model is saved, so there is none to register: after this line, {advice.code}"
    return Note("decide", where, text, "no-model-saved")


def _in_utf8(text: str) -> str:
    """The text of a module that says, as far as it says that, the encoding in which it is written here."""
    first = text.split("\n", 2)
    said = [re.sub(r"^([ \t\f]*#.*?coding[:=][ \t]*)(?!utf-?8\b)[-\w.]+", r"\1utf-8", line) for line in first[:2]]
    return "\n".join([*said, *first[2:]])


def _given(source: Source, code: Code) -> None:
    """Let data that the arguments name be inputs, and settings travel."""
    words = source.words
    entry = code.files[code.entry]
    options = arguments.options_of(entry if isinstance(entry, str) else "")
    for at, option in arguments.values(options, words).items():
        path = _in_source(source, words[at])
        if not option.flag and path:
            code.inputs = [
                replace(one, path=path) if not one.flag and one.name == option.dest and one.path is None else one
                for one in code.inputs
            ]
    alone = {name for option in options if not option.takes_value for name in option.names}
    for flag, value in pairwise(words):
        place = PurePosixPath(value.replace("\\", "/"))
        path = _in_source(source, value)
        relative = not source.runconfigs and not re.match(r"[/$~]|\w+:", value)  # v1 mounts data where it says
        if path is None and relative and any(one.flag == flag and one.path is None for one in code.inputs):
            code.inputs = [replace(one, path=Path(value)) if one.flag == flag else one for one in code.inputs]
            text = f"{flag} {value} is not in the source: run what makes it first, and adopt again"
            code.notes.append(Note("decide", "", text, "data-missing", value))
        if path is None or not flag.startswith("--") or flag in alone or results.leads_out(flag):
            continue
        if path.suffix.lower() in SETTINGS:
            if resources.may_hold_secrets(path):
                text = "may hold secrets, so it is left out: let the job read them elsewhere"
                code.notes.append(Note("decide", shown(source.root, path), text))
            else:
                code.files.setdefault(place.as_posix(), path)
                code.notes.append(Note("taken", shown(source.root, path), f"travels with the code, for {flag}"))
            code.inputs = [one for one in code.inputs if one.flag != flag]
            about = ("option-input", "no-data-named", "names-settings")
            code.notes = [note for note in code.notes if note.subject != flag or note.code not in about]
        else:
            kind: Literal["uri_folder", "uri_file"] = "uri_folder" if path.is_dir() else "uri_file"
            data = DataInput(input_name(flag), kind, path, flag)
            if not any(one.flag == flag for one in code.inputs):
                code.notes.append(Note("changed", "", f"{flag} {value} -> an input of the job", "data"))
            code.inputs = [data if one.flag == flag and one.path is None else one for one in code.inputs]
            _add(code.inputs, data)


def _in_source(source: Source, text: str) -> Path | None:
    """The file or folder of the source that an argument names."""
    place = PurePosixPath(text.replace("\\", "/"))
    path = next((one.resolve() for one in (source.project / place, source.root / place) if one.exists()), None)
    return path if path and path != source.root and path.is_relative_to(source.root) else None


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
    values = modules.of(path) if path.suffix == ".py" else None
    together = uploads.together(source.root) if "to_pandas_dataframe" in text else None
    try:
        rewritten = sdk.rewrite(text, file, is_entry, values.locate if values else None, together)
        renewed = retired.rewrite(rewritten.text, file, versions, text)
        certain = contract.check(renewed.text, file, is_entry, modules, text, paths=False)
        checked = contract.check(renewed.text, file, is_entry, modules, text)
    except (RecursionError, MemoryError):
        code.files[place] = text
        code.notes.append(Note("blocked", file, TOO_DEEP))
        code.certain.notes.append(code.notes[-1])
        return
    code.files[place] = checked.text
    code.registered = code.registered or rewritten.model
    origin = code.origins[place] = Origin(file, text, cells)
    code.certain.texts[script_of(path, place)] = certain.text
    code.certain.inputs += rewritten.inputs
    for notes, found in (
        (code.certain.notes, [*rewritten.notes, *renewed.notes, *certain.notes]),
        (code.notes, [*rewritten.notes, *renewed.notes, *checked.notes]),
    ):
        for note in found:
            line = note.where.rpartition(":")[2]
            notes.append(note._replace(where=origin.where(int(line))) if cells and line.isdigit() else note)
    for data in [*rewritten.inputs, *checked.inputs]:
        _add(code.inputs if is_entry else elsewhere, data)
    if is_entry:
        code.given, code.results = checked.given, checked.results
    if is_entry or not code.model:
        code.model = checked.model or code.model
    for file_or_folder, where in checked.travels:
        if file_or_folder.is_dir():
            for inner in files_below(file_or_folder):
                code.files.setdefault((PurePosixPath(where) / inner.relative_to(file_or_folder)).as_posix(), inner)
        else:
            code.files.setdefault(where, file_or_folder)


def _alike(code: Code) -> list[Note]:
    """Notes on options whose names would be the same, but for a number."""
    flags = {one.name: one.flag for one in code.inputs if one.flag}
    pairs = [(flag, flags.get(re.sub(r"_\d+$", "", name), flag)) for name, flag in flags.items()]
    says = "may hand over the same data: if they do, let the code read it by"
    return [Note("decide", "", f"{other} and {flag} {says} {other} alone") for flag, other in pairs if other != flag]


def _registering(source: Source, code: Code) -> None:
    """What the file that submits the job says of the model."""
    submit = next((one for one in source.submits if one.model), None)
    if submit is None or not (name := model_name(submit.model)):
        return
    code.model = code.model or submit.model_path or None
    code.registered = code.registered or name
    text = f"registering {submit.model} is left out: aml register-model -n {code.registered} does it after the run"
    code.notes.append(Note("changed" if name == code.registered else "decide", submit.model_where, text, "v1"))


def _add(inputs: list[DataInput], data: DataInput) -> None:
    """Keep the first of those that one option hands over: what v1 says of it is more than what the code does."""
    if not any((data.flag and data.flag == one.flag) or data.name == one.name for one in inputs):
        inputs.append(data)


def _imports(source: Source, code: Code) -> dict[str, str]:
    """What is imported after all changes, and is neither the code's own nor the standard library's."""
    own = {PurePosixPath(place).parts[0].removesuffix(".py") for place in code.files}
    wanted: dict[str, tuple[str, int]] = {}  # module -> the path in src/, and the line
    for place, text in code.files.items():
        if not isinstance(text, str) or not place.endswith(".py"):
            continue
        try:
            found = imports_of(parse(text))
        except UNREADABLE:
            continue  # there is a note of it
        for one in found:
            if one.module and not one.level:
                wanted.setdefault(one.module, (place, one.line))

    def related(name: str, module: str) -> bool:
        return f"{name}.".startswith(f"{module}.") or f"{module}.".startswith(f"{name}.")

    known = {name: _cell(code, name, where) for name, where in source.imports.items()}
    still = {name: where for name, where in known.items() if any(related(name, one) for one in wanted)}
    for module, (place, line) in wanted.items():
        top = module.partition(".")[0]
        if top not in own | sys.stdlib_module_names and not any(related(module, name) for name in still):
            still[top] = place_of(code, place, line)
    return dict(sorted(still.items()))


def place_of(code: Code, place: str, line: int) -> str:
    """Where in the source a line of the new code comes from."""
    text, origin = code.files[place], code.origins.get(place)
    if origin is None or not isinstance(text, str):
        return f"src/{place}"
    return origin.where(lines_of(origin.text, text)(line))


def _cell(code: Code, name: str, where: str) -> str:
    """The place of an import; that of a notebook, which counts the lines of the script, by its cell."""
    file, _, line = where.rpartition(":")
    origins = [origin for origin in code.origins.values() if origin.file == file and file.endswith(".ipynb")]
    if not origins or not line.isdigit():
        return where
    for origin in origins:
        try:
            found = imports_of(parse(origin.text))
        except UNREADABLE:
            continue
        if origin.cells and any(
            one.line == int(line) and f"{one.module}.".startswith(f"{name.partition('.')[0]}.") for one in found
        ):
            return origin.where(int(line))
    return file  # a file that the notebook writes
