"""What becomes of the code that travels: notebooks into scripts, v1 into MLflow, the contract of a job kept."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from aml.adopt import DataInput, Note, input_name, model_name
from aml.adopt.convert import addresses, contract, saved
from aml.adopt.discover import needs, resources
from aml.adopt.discover.source import Source
from aml.adopt.notebooks import notebook
from aml.adopt.packages import retired
from aml.adopt.python import arguments
from aml.adopt.python.closure import TOO_DEEP, UNREADABLE, imports_of, parse, read_code
from aml.adopt.python.static import SETTINGS
from aml.adopt.python.syntax import lines_of
from aml.adopt.tree import TABLES, locate, shown
from aml.adopt.v1 import sdk, uploads

SETTINGS_NAME = re.compile(r"(?i)(^|_)(conf|configs?|configuration|settings|yaml)(_|$)")
DATA_NAME = re.compile(r"(?i)data|csv|table|corpus|image|input|train|test|valid|file|path|dir$|directory|folder")
FOLDER = re.compile(r"(?i)(dir|directory|folder)$")
# What pandas imports for a reader or writer, without asking for it: its "install" page, optional dependencies.
OF_PANDAS = {f"{how}_{what}": "pyarrow" for how in ("read", "to") for what in ("feather", "orc", "parquet")}
OF_PANDAS |= {"read_excel": "openpyxl", "to_excel": "openpyxl"}
NOTHING_TRACKED = (
    'no metrics are logged: with `import mlflow` and mlflow.log_metric("accuracy", value), `aml runs` shows them'
)


@dataclass
class Code:
    """The contents of src/."""

    entry: str  # its path in src/
    files: dict[str, str | Path] = field(default_factory=dict)  # path in src/ -> text, or the file to copy
    inputs: list[DataInput] = field(default_factory=list)  # that the entry takes by options
    given: dict[str, str] = field(default_factory=dict)  # options of the entry that need a path for results, with that
    results: dict[str, str] = field(default_factory=dict)  # options of the entry that a run wrote to, with where
    moved: dict[str, str] = field(default_factory=dict)  # paths of results in the entry, with what they are now
    model: str | None = None  # what it saves, below the run's folder
    registered: str | None = None  # the name that it registered the model by
    imports: dict[str, str] = field(default_factory=dict)  # third-party name -> where it is imported
    requirements: list[tuple[str, str]] = field(default_factory=list)  # of a notebook's install lines
    notes: list[Note] = field(default_factory=list)
    origins: dict[str, "Origin"] = field(default_factory=dict)  # path in src/ -> where its text comes from
    settings: list[Path] = field(default_factory=list)  # files of the source that the code needs beside it
    read: set[Path] | None = None  # data that a run read; None where none was seen
    experiment: str = ""  # that the code set

    def texts(self, source: Source) -> dict[Path, str]:
        """The files of the source with the texts that they have here; a notebook is there as the .py it becomes."""
        places = {place: script_of(path, place) for place, path in source.code.items()}
        return {places[place]: text for place, text in self.files.items() if isinstance(text, str) and place in places}


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
    """Change in the code what is certain; its paths stay as they are. Raises UserError for an unreadable notebook.

    `versions`: of the packages that it runs with, once they are known; what they lack is fixed then.
    """
    code = Code(next(place for place, path in source.code.items() if path == source.entry))
    elsewhere: list[DataInput] = []
    for place, path in source.code.items():
        if path.suffix == ".ipynb":
            script = notebook.convert(path, shown(source.root, path))
            code.requirements += [(line, shown(source.root, path)) for line in script.requirements]
            code.notes += script.notes
            _module(source, code, place, script.text, script.lines, elsewhere, versions)
        elif path.suffix == ".py":
            try:
                text = _in_utf8(read_code(path))
            except UNREADABLE:
                code.files[place] = ""  # the source has a note of it, so that nothing is written
                continue
            _module(source, code, place, text, [], elsewhere, versions)
        else:
            code.files[place] = path
    code.files[code.entry] = arguments.declare(str(code.files[code.entry]), elsewhere)
    if source.function:
        code.files[code.entry] = f'{code.files[code.entry]}\n\nif __name__ == "__main__":\n    {source.function}()\n'
        text = f"calls {source.function}() when it is run, as the command does that the package installs"
        code.notes.append(Note("changed", shown(source.root, source.entry), text, "entry-point"))
    for data in elsewhere:
        _add(code.inputs, data)
        if any(one.flag == data.flag and one.path != data.path for one in code.inputs):
            code.notes.append(Note("decide", "", f"several modules read different data by {data.flag}: rename one"))
    _given(source, code)
    _handed_over(source, code)
    _required(source, code)
    code.settings, notes = needs.hydra(source.entry, code.entry, code.files, shown(source.root, source.entry))
    code.notes += notes
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
    for flag, name, value in _arguments(source, code):
        path = _in_source(source, value)
        if needs.is_for_results(name):
            continue
        if path is None:
            if not source.runconfigs and PurePosixPath(value).suffix.lower() in TABLES:  # v1 mounts data where it says
                text = f"{name} {value} is not in the source: put it there, or run what makes it first, and adopt again"
                code.notes.append(Note("decide", "", text, "data-missing", value))
        elif path.suffix.lower() in SETTINGS:
            if resources.may_hold_secrets(path):
                text = "may hold secrets, so it is left out: let the job read them elsewhere"
                code.notes.append(Note("decide", shown(source.root, path), text))
            else:
                folder = PurePosixPath(value.replace("\\", "/")).parent
                for one in resources.with_siblings(path, source.root):
                    code.files.setdefault((folder / one.name).as_posix(), one)
                code.notes.append(Note("taken", shown(source.root, path), f"travels with the code, for {name}"))
        else:
            kind: Literal["uri_folder", "uri_file"] = "uri_folder" if path.is_dir() else "uri_file"
            data = DataInput(input_name(name), kind, path, flag)
            if not any(one.flag == flag and one.name == data.name for one in code.inputs):
                code.notes.append(Note("changed", "", f"{name} {value} -> an input of the job", "data"))
            code.inputs = [data if flag and one.flag == flag and one.path is None else one for one in code.inputs]
            _add(code.inputs, data)


def _arguments(source: Source, code: Code) -> Iterator[tuple[str, str, str]]:
    """The arguments that have values: the flag or "", the name, and the value."""
    options = arguments.options_of(str(code.files[code.entry]))
    known = arguments.values(options, source.words)
    alone = {name for option in options if not option.takes_value for name in option.names}
    before = ""
    for at, word in enumerate(source.words):
        flag, equals, value = word.partition("=") if re.match(r"--?[A-Za-z]", word) else ("", "", word)
        if equals:
            yield flag, flag, value
        elif not flag and before:
            yield before, before, value
        elif not flag and at in known:
            yield "", known[at].dest, value
        before = flag if not equals and flag not in alone else ""


def _handed_over(source: Source, code: Code) -> None:
    """Let options that the file which submits the job hands data or a place for results have them."""
    declared = {name for option in arguments.options_of(str(code.files[code.entry])) for name in option.names}
    for one in source.submits[0].handed if source.submits else ():
        known = any(data.flag == one.flag or data.name in one.names for data in code.inputs)
        if not one.is_data or one.flag not in declared or known:
            continue
        if needs.is_for_results(one.flag):
            code.given[one.flag] = code.results[one.flag] = _place_of_results(one.flag)
        else:
            _add(code.inputs, DataInput(input_name(one.flag), "uri_folder", None, one.flag))


def _required(source: Source, code: Code) -> None:
    """Let options that need a value, and that no documentation gives one, have what their names mean.

    A name for results gets a path below outputs/, a name for data is an input. Whether that is right, a run shows.
    """
    text = str(code.files[code.entry])
    options = {option.flag or option.dest: option for option in arguments.options_of(text)}
    handed = {*code.given, *(one.flag for one in code.inputs if one.flag)}
    for line, _, about, name in needs.missing(text, f"python x.py {source.arguments}"):
        option = options.get(name) if about == "needs-value" and name not in handed else None
        if option is None or option.type in ("int", "float"):
            continue
        where = place_of(code, code.entry, line)
        if needs.is_for_results(option.dest):
            if option.flag:
                code.given[option.flag] = _place_of_results(option.dest)
        elif SETTINGS_NAME.search(option.dest):
            said = f"{name} names settings, and not which ones: let their file lie with the code, and name it in the"
            code.notes.append(Note("decide", where, f"{said} job's command", "names-settings", name))
        elif DATA_NAME.search(option.dest):
            kind: Literal["uri_folder", "uri_file"] = "uri_folder" if FOLDER.search(option.dest) else "uri_file"
            _add(code.inputs, DataInput(option.dest, kind, None, option.flag))
            said = f"the option {name} is an input of the job: its name says so"
            code.notes.append(Note("taken", where, said, "option-input", name))


def _place_of_results(name: str) -> str:
    """What an option for results of this name gets."""
    name = input_name(name)
    whole = FOLDER.search(name) or re.fullmatch(r"out(put)?s?(_path)?", name)
    return "outputs" if whole else f"outputs/{name}"


def _in_source(source: Source, text: str) -> Path | None:
    """The file or folder of the source that an argument names."""
    place = PurePosixPath(text.replace("\\", "/"))
    own = [source.root / source.command.folder] if source.command else []
    places = (folder / place for folder in (*own, source.project, source.root))
    path = next((one.resolve() for one in places if one.exists()), None)
    return path if path and path != source.root and path.is_relative_to(source.root) else None


def _module(
    source: Source,
    code: Code,
    place: str,
    text: str,
    cells: list[tuple[int, str]],
    elsewhere: list[DataInput],
    versions: Mapping[str, str] | None,
) -> None:
    """Rewrite one module, and note what was done by the lines of the source, or the cells of its notebook."""
    path, is_entry = source.code[place], place == code.entry
    file = shown(source.root, path)
    together = uploads.together(source.root) if "to_pandas_dataframe" in text else None
    find = partial(locate, source.root, source.entry.parent)
    try:
        local, addressed = addresses.own(text, source.home, source.laid.files, _folder(source))
        rewritten = sdk.rewrite(local, file, is_entry, find, together)
        renewed = retired.rewrite(rewritten.text, file, versions, text)
        checked = contract.check(renewed.text, file, text)
    except (RecursionError, MemoryError):
        code.files[place] = text
        code.notes.append(Note("blocked", file, TOO_DEEP))
        return
    code.files[place] = checked.text
    code.registered = code.registered or rewritten.model
    code.experiment = code.experiment or checked.experiment
    origin = code.origins[place] = Origin(file, text, cells)
    told = [_of_address(one, file) for one in addressed]
    for note in [*told, *rewritten.notes, *renewed.notes, *checked.notes]:
        line = note.where.rpartition(":")[2]
        code.notes.append(note._replace(where=origin.where(int(line))) if cells and line.isdigit() else note)
    for data in rewritten.inputs:
        _add(code.inputs if is_entry else elsewhere, data)
    if is_entry or not code.model:
        code.model = checked.model or code.model


def _folder(source: Source) -> str:
    """The folder of the source where its code runs, as far as its files say."""
    if source.command:
        return source.command.folder
    place = source.entry.parent if source.entry.suffix == ".ipynb" else source.project if source.runconfigs else None
    return shown(source.root, place or source.root)


def _of_address(one: addresses.Own, file: str) -> Note:
    said = f"{one.address} -> {one.file}, which the source has"
    certain = "" if one.certain else ": see that it is the same"
    return Note("changed" if one.certain else "decide", f"{file}:{one.line}", f"{said}{certain}", "data")


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
    for place, text in saved.texts_of(code.files).items():
        try:
            tree = parse(text)
        except UNREADABLE:
            continue  # there is a note of it
        for one in imports_of(tree):
            if one.module and not one.level:
                wanted.setdefault(one.module, (place, one.line))
        for node in ast.walk(tree) if re.search(r"\bimport pandas\b", text) else ():
            if isinstance(node, ast.Attribute) and node.attr in OF_PANDAS:
                wanted.setdefault(OF_PANDAS[node.attr], (place, node.lineno))

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
