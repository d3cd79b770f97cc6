"""What scripts and notebooks that submit jobs by SDK v1 say of them, as far as it is literal: read, never run.

The signatures are those of azureml-core 1.61 and azureml-train-core 1.61.
"""

import ast
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcst as cst

from aml.adopt import DataInput, Note, input_name
from aml.adopt.commands.shell import scripts_in
from aml.adopt.private import hide, is_secret_option
from aml.adopt.python.cells import cells
from aml.adopt.python.closure import CODE_LIMIT, read_code
from aml.adopt.python.static import DEPTH, Modules, Values
from aml.adopt.python.syntax import UNPARSED, Key, Tree, nodes_in
from aml.adopt.tree import by_end, shown

SUBMITS = {
    "Estimator",
    "HyperDriveConfig",
    "MMLBaseEstimator",
    "PyTorch",
    "PythonScriptStep",
    "SKLearn",
    "ScriptRunConfig",
    "TensorFlow",
    "command",
}
POSITIONS = {
    "ScriptRunConfig": ("source_directory", "script", "arguments", "run_config"),
    "PythonScriptStep": ("script_name", "name", "arguments", "compute_target", "runconfig"),
    "Estimator": ("source_directory",),
    "SKLearn": ("source_directory",),
    "PyTorch": ("source_directory",),
    "TensorFlow": ("source_directory",),
    "Experiment": ("workspace", "name"),
    "ComputeTarget": ("workspace", "name"),
    "AmlCompute": ("workspace", "name"),
    "create": ("workspace", "name", "provisioning_configuration"),
    "provisioning_configuration": ("vm_size",),
    "from_conda_specification": ("name", "file_path"),
    "from_pip_requirements": ("name", "file_path"),
    "get": ("workspace", "name"),
    "Environment": ("name",),
    "CondaDependencies": ("conda_dependencies_file_path",),
    "register_model": ("model_name", "model_path"),
    "register": ("workspace", "model_path", "model_name"),
    "PipelineParameter": ("name", "default_value"),
    "MpiConfiguration": ("process_count_per_node", "node_count"),
    "PyTorchConfiguration": ("communication_backend", "process_count", "node_count"),
    "TensorflowConfiguration": ("worker_count", "parameter_server_count"),
}
FILES = (
    "conda_dependencies_file",
    "conda_dependencies_file_path",
    "pip_requirements_file",
    "pip_requirements_file_path",
    "conda_file",
)
# What hands data over in v1, or makes a place for it.
DATA = {
    *("as_named_input", "as_mount", "as_download", "as_direct", "as_upload", "as_input", "as_hdfs", "as_output"),
    *("DatasetConsumptionConfig", "OutputFileDatasetConfig", "OutputTabularDatasetConfig", "PipelineData"),
    *("DataReference", "DataPath", "get_by_name", "get_by_id", "path", "from_files", "from_delimited_files"),
}
NAMES = ("as_named_input", "DatasetConsumptionConfig", "DataReference", "get_by_name", "path")  # hold the data's name
CHANGES = ("append", "extend", "insert", "pop", "remove", "setdefault", "update")
RESULTS = re.compile(r"(\./)?outputs/[\w./-]+")


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
    packages: list[Path | tuple[str, dict[str, Any]]] = field(default_factory=list)  # as packages.build takes them
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
    try:
        if path.stat().st_size > (20 if path.suffix == ".ipynb" else 1) * CODE_LIMIT:
            return []
        starts, text = _text(path)
        if not re.search(r"\bazureml\b|azure\.ai\.ml", text) or not re.search(rf"\b({'|'.join(SUBMITS)})\(", text):
            return []
        return File(root, path, files, text, starts).submits()
    except UNPARSED:
        return []


def _text(path: Path) -> tuple[list[tuple[int, str]], str]:
    """The code of a file; of a notebook, with the lines where its cells begin."""
    if path.suffix == ".py":
        return [], read_code(path)
    starts, lines = [], [""]
    for number, text in cells(path):
        starts.append((len(lines), f" cell {number}"))
        lines += text.split("\n")
    return starts, "\n".join(lines[1:]) + "\n"


class File:
    """A module that may submit jobs, and what its expressions are worth."""

    def __init__(self, root: Path, path: Path, files: list[str], text: str, starts: list[tuple[int, str]]) -> None:
        self.root, self.path, self.files, self.starts = root, path, files, starts
        self.tree = Tree(text)
        beside = {one.name: one for one in path.parent.glob("*.py")}
        self.values = Values(self.tree, path, Modules(beside, root, path.parent))
        self.calls = list(self.tree.all(cst.Call))
        self.set: list[tuple[Key, str, cst.BaseExpression]] = []  # run_config.target = ...: variable, "target", value
        for target, value in self.tree.assigned():
            if isinstance(target, cst.Attribute) and (place := self._chain(target)):
                self.set.append((*place, value))
        self.methods: list[tuple[Key, str, cst.Call]] = []
        for call in self.calls:
            if isinstance(call.func, cst.Attribute) and (place := self._chain(call.func)):
                self.methods.append((*place, call))
        self.notes: list[Note] = []

    # What names and expressions are

    def _chain(self, node: cst.Attribute) -> tuple[Key, str] | None:
        names: list[str] = []
        base: cst.BaseExpression = node
        while isinstance(base, cst.Attribute):
            names.insert(0, base.attr.value)
            base = base.value
        key = self.tree.key(base) if isinstance(base, cst.Name) else None
        return (key, ".".join(names)) if key else None

    def where(self, node: cst.CSTNode) -> str:
        line = self.tree.line(node)
        name = shown(self.root, self.path)
        cell = next((place for first, place in reversed(self.starts) if first <= line), None)
        return f"{name}:{line}" if cell is None else name + cell

    def note(self, kind: Any, node: cst.CSTNode, text: str) -> None:
        note = Note(kind, self.where(node), hide(text), "job")
        if note not in self.notes:
            self.notes.append(note)

    def code(self, node: cst.CSTNode) -> str:
        return self.tree.short(node)

    def every(self, node: cst.BaseExpression | None) -> list[cst.BaseExpression]:
        """What an expression may be: of a variable, all that is assigned to it."""
        found: list[cst.BaseExpression] = []
        waiting, seen = [node], {node}
        while waiting:
            one = waiting.pop(0)
            key = self.tree.key(one) if isinstance(one, cst.Name) else None
            values = [value for value in self.tree.bindings.get(key, []) if value is not None] if key else []
            waiting += [value for value in values if value not in seen]
            seen.update(values)
            if one is not None and not values:
                found.append(one)
        return found

    def one(self, node: cst.BaseExpression | None) -> cst.BaseExpression | None:
        """The same where it is certain."""
        for _ in range(DEPTH):
            values = self.values.bound(self.tree.key(node)) if isinstance(node, cst.Name) else []
            value = values[0] if len(values) == 1 else self.latest(node, values)
            if node is None or value is None:
                return node
            node = value
        return None

    def latest(self, node: cst.BaseExpression | None, values: list[cst.BaseExpression]) -> cst.BaseExpression | None:
        """Of several values, as the cells of a notebook give them to one name, the one that holds at this place."""
        texts = {self.values.of(value) for value in values if isinstance(value, cst.SimpleString | cst.Integer)}
        if len(texts) == 1 and all(isinstance(value, cst.SimpleString | cst.Integer) for value in values):
            return values[0]
        if node not in self.tree.parents or self.tree.around(node, cst.FunctionDef, cst.Lambda):
            return None
        lines = [self.tree.around(value, cst.SimpleStatementLine) for value in values]
        if not all(line and isinstance(self.tree.parents[line], cst.Module) for line in lines):
            return None
        before = [value for value in values if self.tree.line(value) < self.tree.line(node)]
        return max(before, key=self.tree.line, default=None)

    def keys(self, node: cst.BaseExpression | None) -> list[Key]:
        """The variables that hold an expression, by whatever names."""
        found: list[Key] = []
        nodes = [node, *self.every(node)]
        for target, value in self.tree.assigned():
            if value in nodes and isinstance(target, cst.Name):
                nodes.append(target)
        for one in nodes:
            key = self.tree.key(one) if isinstance(one, cst.Name) else None
            found += [key] if key and key not in found else []
        for target, value in self.tree.assigned():
            if (
                isinstance(value, cst.Name)
                and self.tree.key(value) in found
                and isinstance(target, cst.Name)
                and (key := self.tree.key(target))
                and key not in found
            ):
                found.append(key)
        return found

    def text(self, node: cst.BaseExpression | None) -> str | None:
        """The text of a literal, or of a name that is only ever one."""
        value = self.values.of(node)
        node = self.one(node)
        if value is None:
            value = self.values.of(node)
        if isinstance(node, cst.Call) and _last(node.func) == "PipelineParameter":
            return self.text(self.given(node).get("default_value"))
        node = (self.imported(node) if isinstance(node, cst.Name) else None) or node
        if value is None and isinstance(node, cst.Float | cst.UnaryOperation | cst.Name):
            try:
                value = ast.literal_eval(cst.Module([]).code_for_node(node))
            except (ValueError, SyntaxError):
                return None
        return str(value) if isinstance(value, str | int | float | Path) else None

    def imported(self, node: cst.Name) -> cst.BaseExpression | None:
        """What a module beside the file gives to a name, where that is certain."""
        found = self.values.modules.values(self.values.qualified(node))
        if found is None:
            return None
        targets = [(target, value) for target, value in found[0].tree.assigned() if isinstance(target, cst.Name)]
        values = [value for target, value in targets if target.value == found[1]]
        return values[0] if len(values) == 1 else None

    def given(self, call: cst.Call) -> dict[str, cst.BaseExpression]:
        positions = POSITIONS.get(_last(call.func), ())
        found: dict[str, cst.BaseExpression] = {}
        for position, arg in enumerate(call.args):
            if arg.star:
                if isinstance(keywords := self.one(arg.value), cst.Dict) and arg.star == "**":
                    found |= {text: value for text, value in self.pairs(keywords) if text}
                continue
            if arg.keyword:
                found[arg.keyword.value] = arg.value
            elif position < len(positions):
                found[positions[position]] = arg.value
        return found

    def pairs(self, node: cst.Dict) -> Iterator[tuple[str | None, cst.BaseExpression]]:
        for element in node.elements:
            if isinstance(element, cst.DictElement):
                yield self.text(element.key), element.value
            else:
                yield None, element.value

    def items(self, node: cst.BaseExpression | None) -> list[cst.BaseExpression]:
        """The elements of a list; the expression itself where it is none."""
        found = self.one(node)
        if isinstance(found, cst.BinaryOperation) and isinstance(found.operator, cst.Add):
            both = [self.one(found.left), self.one(found.right)]
            if all(isinstance(one, cst.List | cst.Tuple | cst.BinaryOperation) for one in both):
                return [*self.items(found.left), *self.items(found.right)]
        if isinstance(found, cst.List | cst.Tuple):
            return [
                item
                for element in found.elements
                for item in (self.items(element.value) if isinstance(element, cst.StarredElement) else [element.value])
            ]
        return [found] if found is not None else []

    def texts(self, node: cst.BaseExpression | None, what: str) -> list[str]:
        found = []
        for item in self.items(node) if node is not None else ():
            if isinstance(item, cst.Name) and item.value == "None":
                continue
            text = self.text(item)
            if text is None:
                self.note("decide", item, f"{self.code(item)} of {what} is not literal: add it to train-conda.yml")
            else:
                found.append(text)
        return found

    def locate(self, text: str | None) -> Path | None:
        return self.values.locate(text.replace("\\", "/")) if text else None

    # The jobs

    def submits(self) -> list[Submit]:
        return [one for call in self.calls if _last(call.func) in SUBMITS for one in self.submit(call)]

    def submit(self, call: cst.Call) -> list[Submit]:
        given = self.given(call)
        self.notes = []
        words = self.arguments(given)
        named = next((given[key] for key in ("script", "entry_script", "script_name") if key in given), None)
        script = self.text(named)
        if named is None:
            script = next((word for word in words if isinstance(word, str) and word.endswith(".py")), None)
            words = words[words.index(script) + 1 :] if script else []
        folder = self.text(given.get("source_directory") or given.get("code"))
        path = self.script(folder or ".", script.replace("\\", "/")) if script else None
        if path is None:
            return []
        found = Submit(path, self.where(call))
        self.sort(words, found)
        self.sweeps(call, found)
        configurations = [given[key] for key in ("run_config", "runconfig") if key in given]
        holders = [(key, "run_config.") for key in self.keys(call)]
        holders += [(key, "") for one in configurations for key in self.keys(one)]
        found.packages = self.packages(call, given, holders)
        found.compute = self.compute(given, holders)
        found.cluster = self.cluster(given)
        found.experiment = self.experiment(call)
        self.model(found)
        found.notes += self.notes
        return [found]

    def script(self, folder: str, name: str) -> Path | None:
        for base in (self.path.parent, self.root):
            if (place := base / folder / name).is_file():
                return place.resolve()
        found = by_end(self.root, self.root, name, self.files)
        return found[0] if len(found) == 1 else None

    def arguments(self, given: dict[str, cst.BaseExpression]) -> list[str | cst.BaseExpression]:
        """The arguments in their order: a text, or an expression that is none."""
        nodes: list[cst.BaseExpression] = []
        for key in ("arguments", "script_params", "command"):
            if key not in given or ("script" in given and key == "command"):
                continue
            node = self.one(given[key])
            self.unchanged(given[key], key)
            if isinstance(node, cst.Dict):
                words: list[str | cst.BaseExpression] = []
                for name, value in self.pairs(node):
                    text = self.text(value)
                    if name is None:
                        words.append(value)
                    else:
                        words += [name, *([value] if text is None else [text] if text else [])]
                return words
            if key == "command" and (text := self.text(node)) is not None:
                return self.command(text)
            nodes += self.items(node)
        return [node if (text := self.text(node)) is None else text for node in nodes]

    def command(self, text: str) -> list[str | cst.BaseExpression]:
        """The words of a command, from its script on; a reference of v2 is no text."""
        script = next(iter(scripts_in(text)), "")
        try:
            words = shlex.split(text.replace("\\\n", " "))
        except ValueError:
            return [script] if script else []
        start = next((at for at, word in enumerate(words) if word.endswith(script)), None) if script else None
        if start is None:
            return [script] if script else []
        return [script, *(cst.SimpleString(repr(word)) if "$" in word else word for word in words[start + 1 :])]

    def unchanged(self, node: cst.BaseExpression, what: str) -> None:
        """A note where a list or mapping gets more than it began with."""
        for key in self.keys(node):
            for holder, chain, call in self.methods:
                if holder == key and chain in CHANGES:
                    self.note("decide", call, f"changes the {what} after they were made: see to the job's command")
            for target in self.tree.all(cst.AssignTarget):
                base = target.target
                if (
                    isinstance(base, cst.Subscript)
                    and isinstance(base.value, cst.Name)
                    and self.tree.key(base.value) == key
                ):
                    self.note("decide", base, f"changes the {what} after they were made: see to the job's command")

    def sort(self, words: Sequence[str | cst.BaseExpression], found: Submit) -> None:
        """Take the literal arguments; an option whose value is none goes with it."""
        flag = ""
        for word in words:
            if isinstance(word, str):
                name, equals, value = word.partition("=") if word.startswith("-") else (flag, "", word)
                if is_secret_option(name, value):
                    text = f"the value of {name} looks like a secret and was not copied: let the code read it itself"
                    found.notes.append(Note("decide", found.where, text))
                    found.words = found.words[:-1] if flag and not equals else found.words
                    flag = ""
                    continue
                found.words.append(word)
                flag = word if re.match(r"--?[A-Za-z]", word) and not equals else ""
                continue
            if flag:
                found.words.pop()
            code = word.raw_value if isinstance(word, cst.SimpleString) and word not in self.tree.parents else ""
            where = found.where if code else self.where(word)
            names = (*re.findall(r"\$\{\{inputs\.(\w+)", code),) if code else self.data_names(word)
            is_data = bool(names) or bool(code) or self.is_data(word)
            found.handed.append(Handed(flag, hide(code or self.code(word)), where, names, is_data))
            flag = ""

    def is_data(self, node: cst.BaseExpression) -> bool:
        return any(_last(call.func) in DATA for call in self._calls_in(node))

    def _calls_in(self, node: cst.CSTNode) -> Iterator[cst.Call]:
        """The calls in an expression, and in what its variables are."""
        waiting: list[tuple[cst.CSTNode, int]] = [(node, 4)]
        seen = {node}
        while waiting:
            current, depth = waiting.pop(0)
            for part in (current, *nodes_in(current)):
                if isinstance(part, cst.Call):
                    yield part
                for value in self.every(part) if isinstance(part, cst.Name) and depth else ():
                    if value not in seen:
                        seen.add(value)
                        waiting.append((value, depth - 1))

    def data_names(self, node: cst.BaseExpression) -> tuple[str, ...]:
        """What the data may be called: as a named input, in the workspace, by its last folder."""
        found: list[str] = []
        for call in self._calls_in(node):
            if _last(call.func) in NAMES:
                texts = [text for arg in call.args if (text := self.text(arg.value))]
                found += [input_name(re.split(r"[\\/]", text.rstrip("/"))[-1].split(".")[0]) for text in texts]
        return tuple(dict.fromkeys(found))

    def means(self, node: cst.BaseExpression, call: cst.Call, holders: list[Key]) -> bool:
        """Whether an expression is the call, or a variable that holds it."""
        return node is call or (isinstance(node, cst.Name) and self.tree.key(node) in holders)

    def sweeps(self, call: cst.Call, found: Submit) -> None:
        holders = self.keys(call)
        for other in self.calls:
            if _last(other.func) != "HyperDriveConfig":
                continue
            values = [arg.value for arg in other.args]
            if any(self.means(value, call, holders) for value in values):
                text = "HyperDriveConfig tries many values: the job here runs once, with the values of its command"
                self.note("decide", other, f"{text}; write a job of type sweep for it if they should be searched")

    # Packages

    def packages(
        self, call: cst.Call, given: dict[str, cst.BaseExpression], holders: list[tuple[Key, str]]
    ) -> list[Path | tuple[str, dict[str, Any]]]:
        files: list[Path] = []
        conda, pip = self.listed(given, files)
        environments = [given[key] for key in ("environment", "environment_definition") if key in given]
        environments += [
            value for key, chain, value in self.set if (key, chain.removesuffix("environment")) in holders
            and chain.endswith("environment")
        ]  # fmt: skip
        for environment in environments:
            holders = [*holders, *((key, "<environment>") for key in self.keys(environment))]
            for one in self.every(environment):
                if isinstance(one, cst.Call):
                    self.environment(one, files, conda, pip)
        prefixes = [(key, "" if prefix == "<environment>" else f"{prefix}environment.") for key, prefix in holders]
        for key, prefix in prefixes:
            own = f"{prefix}python.conda_dependencies"
            for holder, chain, value in self.set:
                if holder == key and chain == own:
                    self.dependencies(value, files, conda, pip)
            for holder, chain, method in self.methods:
                if holder == key and chain.startswith(f"{own}."):
                    self.added(method, conda, pip)
        place = self.where(call)
        made: list[Path | tuple[str, dict[str, Any]]] = list(dict.fromkeys(files))
        if conda or pip:
            made.append((place, {"dependencies": [*dict.fromkeys(conda), {"pip": [*dict.fromkeys(pip)]}]}))
        return made

    def listed(self, given: dict[str, cst.BaseExpression], files: list[Path]) -> tuple[list[str], list[str]]:
        """The packages that a call lists, and the files that it names."""
        for key in FILES:
            if key in given:
                self.file(given[key], files)
        conda = self.texts(given.get("conda_packages"), "conda_packages")
        if python := self.text(given.get("python_version")):
            conda.insert(0, f"python={python}")
        return conda, self.texts(given.get("pip_packages"), "pip_packages")

    def file(self, node: cst.BaseExpression, files: list[Path]) -> None:
        text = self.text(node)
        path = self.locate(text)
        if path is None and text:
            found = by_end(self.root, self.root, text.replace("\\", "/").removeprefix("./"), self.files)
            path = found[0] if len(found) == 1 else None
        if path and path.is_file() and path.is_relative_to(self.root):
            files.append(path)
        elif text != "None":
            what = text or self.code(node)
            self.note("decide", node, f"{what} is not in the source: compare train-conda.yml with what it had")

    def environment(self, call: cst.Call, files: list[Path], conda: list[str], pip: list[str]) -> None:
        name, given = _last(call.func), self.given(call)
        if name in ("from_conda_specification", "from_pip_requirements"):
            if "file_path" in given:
                self.file(given["file_path"], files)
        elif name == "get" and "Environment" in self.tree.code(call.func):
            known = self.text(given.get("name")) or self.code(call)
            text = f"environment {known} is known to a workspace only: image and train-conda.yml take its place"
            self.note("decide", call, f"{text}, so compare their packages with it")
        elif name == "Environment" and "conda_file" in given:
            self.file(given["conda_file"], files)

    def dependencies(self, node: cst.BaseExpression, files: list[Path], conda: list[str], pip: list[str]) -> None:
        for one in self.every(node):
            if isinstance(one, cst.Call) and "CondaDependencies" in self.tree.code(one.func):
                more = self.listed(self.given(one), files)
                conda += more[0]
                pip += more[1]
        for key in self.keys(node):
            for holder, chain, method in self.methods:
                if holder == key and "." not in chain:
                    self.added(method, conda, pip)

    def added(self, call: cst.Call, conda: list[str], pip: list[str]) -> None:
        name = _last(call.func)
        values = [arg.value for arg in call.args[:1]]
        for value in values:
            if name in ("add_pip_package", "add_conda_package"):
                (pip if name == "add_pip_package" else conda).extend(self.texts(value, name))
            elif name == "set_python_version" and (text := self.text(value)):
                conda.insert(0, f"python={text}")

    # Where it runs

    def compute(self, given: dict[str, cst.BaseExpression], holders: list[tuple[Key, str]]) -> dict[str, Any]:
        targets = [given[key] for key in ("compute_target", "compute") if key in given]
        targets += [value for key, chain, value in self.set if (key, chain.removesuffix("target")) in holders
                    and chain.endswith("target")]  # fmt: skip
        found: dict[str, Any] = {}
        for target in targets:
            for one in (target, *self.every(target)):
                if name := self.text(one) or self.compute_name(one):
                    found.setdefault("name", name)
        if found.get("name") == "local":
            return {}
        if size := self.text(given.get("vm_size")):
            found["size"] = size
        made = [call for call in self.calls if _last(call.func) == "provisioning_configuration"]
        for call in self.calls:
            inner = self.given(call) if _last(call.func) == "create" else {}
            if inner and found.get("name") and self.text(inner.get("name")) == found["name"]:
                own = [one for one in self.every(inner.get("provisioning_configuration")) if one in made]
                made = own or made
        if len(made) == 1:
            inner = self.given(made[0])
            most = self.text(inner.get("max_nodes"))
            found.setdefault("size", self.text(inner.get("vm_size")))
            found["max_instances"] = int(most) if most and most.isdigit() else None
        return {key: value for key, value in found.items() if value}

    def compute_name(self, node: cst.BaseExpression) -> str | None:
        if isinstance(node, cst.Call) and _last(node.func) in ("ComputeTarget", "AmlCompute", "create"):
            return self.text(self.given(node).get("name"))
        if isinstance(node, cst.Attribute) and node.attr.value == "name":
            return next(filter(None, map(self.compute_name, self.every(node.value))), None)
        if isinstance(node, cst.Subscript) and self.tree.code(node.value).endswith(".compute_targets"):
            index = node.slice[0].slice
            return self.text(index.value) if isinstance(index, cst.Index) else None
        return None

    def cluster(self, given: dict[str, cst.BaseExpression]) -> dict[str, Any]:
        """More than one node, and what starts the processes on them."""
        keys = ("distributed_training", "distributed_job_config", "distributed_backend", "distribution")
        node = next((given[key] for key in keys if key in given), None)
        made = self.one(node)
        inner = self.given(made) if isinstance(made, cst.Call) else {}
        kind = (_last(made.func) if isinstance(made, cst.Call) else self.text(made) or "").lower()

        def number(*names: str) -> int:
            texts = [self.text(one.get(name)) for one in (inner, given) for name in names if name in one]
            return next((int(text) for text in texts if text and text.isdigit() and int(text)), 1)

        nodes, each = number("node_count"), number("process_count_per_node", "process_count_per_instance")
        distribution: dict[str, Any] | None = None
        if kind.startswith(("mpi", "openmpi", "intelmpi")):
            distribution = {"type": "mpi", "process_count_per_instance": each}
        elif kind.startswith(("nccl", "gloo", "pytorch")):
            total = number("process_count")
            each = -(-total // nodes) if total > 1 else each
            distribution = {"type": "pytorch", "process_count_per_instance": each}
        elif kind.startswith(("tensorflow", "parameterserver", "ps")):
            distribution = {"type": "tensorflow", "worker_count": number("worker_count")}
            distribution["parameter_server_count"] = number("parameter_server_count")
            nodes = max(nodes, distribution["worker_count"])
        elif kind and kind != "none" and node is not None:
            self.note("decide", node, f"{self.code(node)} has no equal here: add a distribution to the cluster's job")
        if distribution is None and nodes > 1:
            text = f"asks for {nodes} nodes, which would each train on their own: one node, unless you add"
            self.note("decide", given["node_count"], f"{text} resources.instance_count and a distribution")
        if distribution is None:
            return {}
        resources = {"resources": {"instance_count": nodes}} if nodes > 1 else {}
        return {**resources, "distribution": distribution}

    def experiment(self, call: cst.Call) -> str:
        """The experiment that the job is submitted to, or the only one that the file names."""
        named: dict[cst.BaseExpression, str] = {}
        for other in self.calls:
            if _last(other.func) == "Experiment" and (text := self.text(self.given(other).get("name"))):
                named[other] = text
        holders = self.keys(call)
        for other in self.calls:
            if _last(other.func) != "submit" or not isinstance(other.func, cst.Attribute):
                continue
            values = [arg.value for arg in other.args[:1]]
            if any(self.means(value, call, holders) for value in values):
                for made in self.every(other.func.value):
                    if made in named:
                        return _experiment(named[made])
        if text := self.text(self.given(call).get("experiment_name")):
            return _experiment(text)
        return _experiment(next(iter(named.values()))) if len(set(named.values())) == 1 else ""

    def model(self, found: Submit) -> None:
        """The model that the file registers."""
        made = []
        for call in self.calls:
            model = "Model" in self.tree.code(call.func)
            if _last(call.func) == "register_model" or (_last(call.func) == "register" and model):
                given = self.given(call)
                if name := self.text(given.get("model_name")):
                    made.append((name, self.text(given.get("model_path")) or "", self.where(call)))
        if len({name for name, _, _ in made}) == 1:
            found.model, path, found.model_where = made[0]
            found.model_path = path.removeprefix("./").rstrip("/") if RESULTS.fullmatch(path) else ""


def handed_over(submit: Submit, inputs: Sequence[DataInput], results: Mapping[str, str] | None = None) -> list[Note]:
    """What becomes of the arguments that are no texts: data is an input of the code already, or left to the owner.

    `results`: the options that the code writes to, with where that is.
    """
    notes = []
    for one in submit.handed:
        flag = one.flag or "an argument"
        own = next((data for data in inputs if one.flag and data.flag == one.flag), None)
        same = next((data for data in inputs if _names(data) & {*one.names}), None)
        if own:
            notes.append(Note("taken", one.where, f"{flag} gets the input {own.name}, in v1 {one.code}"))
        elif one.flag in (results or {}):
            text = f"{flag} is written to: {(results or {})[one.flag]}, which a job keeps; in v1 it was {one.code}"
            notes.append(Note("changed", one.where, text, "job"))
        elif same:
            text = f"{flag} gets {one.code} no more: the code takes this data by {same.flag or same.name}"
            notes.append(Note("changed", one.where, text, "job"))
        elif one.is_data:
            text = f"{flag} was handed {one.code}: name that below inputs or outputs, and hand it over in the command"
            notes.append(Note("decide", one.where, text))
        else:
            text = f"{flag} was handed {one.code}, which is known only where it is submitted: put the value into"
            notes.append(Note("decide", one.where, f"{text} the job's command"))
    return notes


def _names(data: DataInput) -> set[str]:
    address = str(data.path).removeprefix("azureml:") if isinstance(data.path, str) else ""
    asset = re.split(r"[/\\]", re.split(r"[:@]", address)[0] if "://" not in address else address)[-1]
    return {data.name, *([input_name(asset)] if asset else [])}


def _experiment(name: str) -> str:
    return name if re.fullmatch(r"[a-zA-Z0-9][\w-]{0,254}", name, re.ASCII) else ""


def _last(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""
