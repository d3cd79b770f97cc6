"""What scripts and notebooks that submit jobs by SDK v1 say of them, as far as it is literal: read, never run."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcst as cst

from aml.adopt import DataInput, Note, input_name
from aml.adopt.commands.shell import scripts_in
from aml.adopt.private import hide, is_secret_option
from aml.adopt.python.syntax import UNPARSED
from aml.adopt.v1.expressions import Expression, File, Place, last, opened
from aml.adopt.v1.submit_needs import Declared, cluster, compute, packages

SUBMITS = {
    *("command", "Estimator", "HyperDriveConfig", "MMLBaseEstimator", "PythonScriptStep", "PyTorch"),
    *("ScriptRunConfig", "SKLearn", "TensorFlow"),
}
# What hands data over in v1, or makes a place for it; NAMES: what holds the data's name.
NAMES = {"as_named_input", "DatasetConsumptionConfig", "DataReference", "get_by_name", "path"}
DATA = NAMES | {
    *("as_mount", "as_download", "as_direct", "as_upload", "as_input", "as_hdfs", "as_output", "PipelineData"),
    *("OutputFileDatasetConfig", "OutputTabularDatasetConfig", "DataPath", "get_by_id", "from_files"),
    "from_delimited_files",
}
CHANGES = ("append", "extend", "insert", "pop", "remove", "setdefault", "update")
RESULTS = re.compile(r"(\./)?outputs/[\w./-]+")
Word = str | Expression  # an argument: a text, or an expression that is none


@dataclass(frozen=True)
class Handed:
    """An argument that the file does not hold as a text: data, or what it works out."""

    flag: str  # the option before it, or ""
    code: str
    where: str
    names: tuple[str, ...]  # that the data may have as an input
    is_data: bool


@dataclass
class Submit:
    """What a file says of the job that it submits."""

    script: Path
    where: str = ""  # "submit.py:12", "notebooks/train.ipynb cell 5"
    words: list[str] = field(default_factory=list)  # the arguments that are literal
    handed: list[Handed] = field(default_factory=list)
    experiment: str = ""
    compute: dict[str, Any] = field(default_factory=dict)  # name, size, max_instances, as far as they are known
    cluster: dict[str, Any] = field(default_factory=dict)  # resources and distribution of the job on it
    packages: Declared = field(default_factory=list)
    model: str = ""  # the name that it registers the model by
    model_path: str = ""
    model_where: str = ""
    notes: list[Note] = field(default_factory=list)


def scripts(root: Path, path: Path, files: list[str]) -> list[Path]:
    """The scripts that a file submits."""
    return list(dict.fromkeys(one.script for one in read(root, path, files)))


def of(root: Path, entry: Path, files: list[str]) -> list[Submit]:
    """What all files that submit the entry say, the one that says most first; its notes name the others."""
    paths = [root / name for name in files if name.endswith((".py", ".ipynb")) and root / name != entry]
    found = [one for path in paths for one in read(root, path, files) if one.script == entry]
    found.sort(key=lambda one: -len([*one.words, *one.packages, *one.compute, *one.experiment[:1]]))
    for other in found[1:]:
        if (other.words, other.experiment) != (found[0].words, found[0].experiment):
            text = f"submits it too, with {shlex.join(other.words) or 'no arguments'}: {found[0].where} counts"
            found[0].notes.append(Note("decide", other.where, hide(text)))
    return found


def read(root: Path, path: Path, files: list[str]) -> list[Submit]:
    """What a file submits; nothing when it submits nothing, or cannot be read."""
    file = opened(root, path, files, r"\bazureml\b|azure\.ai\.ml", rf"\b({'|'.join(SUBMITS)})\(")
    try:
        return [one for call in file.named(*SUBMITS) if (one := _submit(file, call))] if file else []
    except UNPARSED:
        return []


def _submit(file: File, call: cst.Call) -> Submit | None:
    """The job that a call submits; None where its script is not in the source."""
    given = file.given(call)
    file.notes = []
    words = _arguments(file, given)
    named = next((given[key] for key in ("script", "entry_script", "script_name") if key in given), None)
    script = file.text(named)
    if named is None:
        script = next((word for word in words if isinstance(word, str) and word.endswith(".py")), None)
        words = words[words.index(script) + 1 :] if script else []
    folder = file.text(given.get("source_directory") or given.get("code"))
    path = _script(file, folder or ".", script.replace("\\", "/")) if script else None
    if path is None:
        return None
    found = Submit(path, file.where(call))
    _sort(file, words, found)
    for sweep in file.named("HyperDriveConfig"):
        if any(file.holds(arg.value, call) for arg in sweep.args):
            text = "HyperDriveConfig tries many values: the job here runs once, with the values of its command"
            file.note("decide", sweep, f"{text}; write a job of type sweep for it if they should be searched")
    configurations: list[Place] = [(key, "run_config.") for key in file.keys(call)]
    configurations += [
        (key, "") for name in ("run_config", "runconfig") if name in given for key in file.keys(given[name])
    ]
    found.packages = packages(file, call, given, configurations)
    found.compute = compute(file, given, configurations)
    found.cluster = cluster(file, given)
    found.experiment = _experiment(file, call, given)
    _model(file, found)
    found.notes += file.notes
    return found


def _script(file: File, folder: str, name: str) -> Path | None:
    places = (base / folder / name for base in (file.path.parent, file.root))
    place = next((place for place in places if place.is_file()), None)
    return place.resolve() if place else file.by_end(name)


def _arguments(file: File, given: dict[str, Expression]) -> list[Word]:
    """The arguments in their order."""
    words: list[Word] = []
    for key in ("arguments", "script_params", "command"):
        if key not in given or ("script" in given and key == "command"):
            continue
        node = file.one(given[key])
        _unchanged(file, given[key], key)
        if key == "command" and (text := file.text(node)) is not None:
            return _command(text)
        if isinstance(node, cst.Dict):  # of an Estimator: "" for a flag without a value
            pairs = [part for name, value in file.pairs(node) for part in (name, _word(file, value))]
            return [part for part in pairs if part is not None and part != ""]
        words += [_word(file, item) for item in file.items(node)]
    return words


def _word(file: File, node: Expression) -> Word:
    text = file.text(node)
    return node if text is None else text


def _command(text: str) -> list[Word]:
    """The words of a command, from its script on; a reference of v2 is no text."""
    script = next(iter(scripts_in(text)), "")
    try:
        words = shlex.split(text.replace("\\\n", " "))
    except ValueError:
        words = []
    start = next((at for at, word in enumerate(words) if script and word.endswith(script)), len(words))
    rest: list[Word] = [cst.SimpleString(repr(word)) if "$" in word else word for word in words[start + 1 :]]
    return [script, *rest] if script else []


def _unchanged(file: File, node: Expression, what: str) -> None:
    """A note where a list or mapping gets more than it began with."""
    keys = file.keys(node)
    changes = [call for call in file.called_on([(key, "") for key in keys]) if last(call) in CHANGES]
    items = [one.target for one in file.tree.all(cst.AssignTarget) if isinstance(one.target, cst.Subscript)]
    items = [one for one in items if isinstance(one.value, cst.Name) and file.tree.key(one.value) in keys]
    for change in [*changes, *items]:
        file.note("decide", change, f"changes the {what} after they were made: see to the job's command")


def _sort(file: File, words: Sequence[Word], found: Submit) -> None:
    """Take the literal arguments; an option whose value is none goes with it."""
    flag = ""
    for word in words:
        if not isinstance(word, str):
            if flag:
                found.words.pop()
            found.handed.append(_handed(file, flag, word, found.where))
            flag = ""
            continue
        name, equals, value = word.partition("=") if word.startswith("-") else (flag, "", word)
        if is_secret_option(name, value):
            text = f"the value of {name} looks like a secret and was not copied: let the code read it itself"
            found.notes.append(Note("decide", found.where, text))
            found.words = found.words[:-1] if flag and not equals else found.words
            flag = ""
        else:
            found.words.append(word)
            flag = word if re.match(r"--?[A-Za-z]", word) and not equals else ""


def _handed(file: File, flag: str, node: Expression, where: str) -> Handed:
    """An argument that is no text; a reference of v2, which a command holds, is not of the file's tree."""
    if isinstance(node, cst.SimpleString) and node not in file.tree.parents:
        code = str(node.raw_value)
        return Handed(flag, hide(code), where, (*re.findall(r"\$\{\{inputs\.(\w+)", code),), True)
    calls = list(file.calls_in(node))
    texts = [text for call in calls if last(call) in NAMES for arg in call.args if (text := file.text(arg.value))]
    names = [input_name(re.split(r"[\\/]", text.rstrip("/"))[-1].split(".")[0]) for text in texts]
    is_data = any(last(call) in DATA for call in calls)
    return Handed(flag, hide(file.code(node)), file.where(node), tuple(dict.fromkeys(names)), is_data)


def _experiment(file: File, call: cst.Call, given: dict[str, Expression]) -> str:
    """The experiment that the job is submitted to, or the only one that the file names."""
    made = file.named("Experiment")
    named = {one: text for one in made if (text := file.text(file.given(one).get("name")))}
    submitted = [
        named[one]
        for other in file.named("submit")
        if isinstance(other.func, cst.Attribute) and other.args and file.holds(other.args[0].value, call)
        for one in file.every(other.func.value)
        if isinstance(one, cst.Call) and one in named
    ]
    own = file.text(given.get("experiment_name"))
    only = [*named.values()] if len(set(named.values())) == 1 else []
    name = next(iter([*submitted, *([own] if own else []), *only]), "")
    return name if re.fullmatch(r"[a-zA-Z0-9][\w-]{0,254}", name, re.ASCII) else ""


def _model(file: File, found: Submit) -> None:
    """The model that the file registers."""
    made = []
    for call in file.named("register_model", "register"):
        given = file.given(call)
        name = file.text(given.get("model_name"))
        if name and (last(call) == "register_model" or "Model" in file.code(call.func)):
            made.append((name, file.text(given.get("model_path")) or "", file.where(call)))
    if len({name for name, _, _ in made}) == 1:
        found.model, path, found.model_where = made[0]
        found.model_path = path.removeprefix("./").rstrip("/") if RESULTS.fullmatch(path) else ""


def handed_over(submit: Submit, inputs: Sequence[DataInput], results: Mapping[str, str] | None = None) -> list[Note]:
    """What becomes of the arguments that are no texts: data is an input of the code already, or left to the owner.

    `results`: the options that the code writes to, with where that is.
    """
    return [_becomes(one, inputs, results or {}) for one in submit.handed]


def _becomes(one: Handed, inputs: Sequence[DataInput], results: Mapping[str, str]) -> Note:
    flag = one.flag or "an argument"
    own = next((data for data in inputs if one.flag and data.flag == one.flag), None)
    same = next((data for data in inputs if _names(data) & {*one.names}), None)
    if own:
        return Note("taken", one.where, f"{flag} gets the input {own.name}, in v1 {one.code}")
    if one.flag in results:
        text = f"{flag} is written to: {results[one.flag]}, which a job keeps; in v1 it was {one.code}"
        return Note("changed", one.where, text, "job")
    if same:
        text = f"{flag} gets {one.code} no more: the code takes this data by {same.flag or same.name}"
        return Note("changed", one.where, text, "job")
    text = f"{flag} was handed {one.code}"
    if one.is_data:
        return Note("decide", one.where, f"{text}: name that below inputs or outputs, and hand it over in the command")
    what = "which is known only where it is submitted: put the value into the job's command"
    return Note("decide", one.where, f"{text}, {what}")


def _names(data: DataInput) -> set[str]:
    address = str(data.path).removeprefix("azureml:") if isinstance(data.path, str) else ""
    asset = re.split(r"[/\\]", re.split(r"[:@]", address)[0] if "://" not in address else address)[-1]
    return {data.name, *([input_name(asset)] if asset else [])}
