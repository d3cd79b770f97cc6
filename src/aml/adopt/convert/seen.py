"""What a run has shown, written into the script that trains: data by options, results below outputs/.

Only texts of the script itself that name a file or folder which the run read or left are changed. Whether they are
paths of these files is not proven here: the changed script runs and is compared with the original, and where it does
something else, the code stays as it is (conversion.py).
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import libcst as cst

from aml.adopt import DataInput, Note
from aml.adopt.convert import models
from aml.adopt.convert.code import Code, place_of
from aml.adopt.convert.contract import OUTPUTS, Replace
from aml.adopt.python.arguments import Options, Parsers, Wanted
from aml.adopt.python.edits import add_import, imports_end, insert, space
from aml.adopt.python.flags import Option
from aml.adopt.python.syntax import Tree, expression, literal, quoted
from aml.adopt.tree import folders, shown

NAMES = ("artifact_path", "description", "help", "key", "metavar", "name")  # parameters for names and texts
GAP = re.compile(r"[{%*]")  # where a path is filled in
KEPT = "a job keeps what is below outputs/"


@dataclass(frozen=True)
class Files:
    """What a run of the original read as the source has it, and what it left: by paths in the source, with slashes."""

    words: tuple[str, ...]  # that it was run with
    folder: str  # where it ran
    read: frozenset[str]
    left: frozenset[str]
    made: frozenset[str]  # folders for results that the source lacks, made before it ran

    def only_left(self, path: str) -> bool:
        """Whether the run left files there and read none."""
        return any(_below(one, path) for one in self.left) and not any(_below(one, path) for one in self.read)


@dataclass
class _Found:
    """A text of the script that names files of a run."""

    node: cst.BaseExpression | cst.FormattedStringText
    text: str
    path: str  # in the source
    is_file: bool
    begins: bool = False  # whether the text is only the beginning of names

    def covers(self, path: str) -> bool:
        """Whether a file is named by this text, or lies in the folder that is."""
        return path.startswith(self.path) if self.begins else _below(path, self.path)

    @property
    def type(self) -> Literal["uri_file", "uri_folder"]:
        """The type of an input that hands this over."""
        return "uri_file" if self.is_file else "uri_folder"

    @property
    def folder(self) -> str:
        """The folder of the source that holds what is named, or that is named."""
        return posixpath.dirname(self.path) if self.is_file or self.begins else self.path


@dataclass
class _Script:
    """The script, and what is found in it."""

    tree: Tree
    root: Path
    folder: Path  # of the script
    files: Files
    reads: list[_Found] = field(default_factory=list)
    writes: list[_Found] = field(default_factory=list)

    def places(self, text: str) -> Iterator[str]:
        """The places in the source that a path may mean: from where it ran, beside the script, or above that."""
        if text in self.files.read and Path(text).is_absolute():
            yield text
        if not text or posixpath.isabs(text) or re.match(r"[A-Za-z]:|[a-z]+://|~", text):
            return
        above = [shown(self.root, folder) for folder in folders(self.root, self.folder)]
        for folder in dict.fromkeys([self.files.folder, *above]):
            path = posixpath.normpath(posixpath.join(folder, text))
            if path != "." and not path.startswith(".."):
                yield path

    def results_of_words(self) -> dict[str, str]:
        """The arguments that are paths below which the run left files, and read none, with their places."""
        found = {word: next(self.places(word), "") for word in self.files.words}
        return {word: place for word, place in found.items() if place and self.files.only_left(place)}

    def find(self) -> str:
        """Find the texts; returns what is in the way, or ""."""
        for node in self.tree.all(cst.SimpleString | cst.ConcatenatedString | cst.FormattedString):
            part = node.parts[0] if isinstance(node, cst.FormattedString) and node.parts else node
            text = part.value if isinstance(part, cst.FormattedStringText) else literal(node)
            if not text or "\n" in text or not self._may_be_a_path(node, text):
                continue
            plain = text.replace("\\", "/")
            whole = not (part is not node or GAP.search(plain))
            found = self._whole(part, plain) if whole else self._beginning(part, plain)
            if isinstance(found, str):
                return found
        return ""

    def _may_be_a_path(self, node: cst.CSTNode, text: str) -> bool:
        """Whether a text stands where a path may: it is no docstring, no key, no comparison, no name in a run."""
        parent = self.tree.parents[node]
        if isinstance(parent, cst.Arg):
            call = self.tree.parents[parent]
            if parent.keyword:
                return parent.keyword.value not in NAMES
            tracks = isinstance(call, cst.Call) and self.tree.qualified(call.func).startswith("mlflow.")
            return not (tracks and isinstance(call, cst.Call) and call.args[0] is not parent)
        if isinstance(parent, cst.DictElement):
            return parent.value is node
        is_part = isinstance(
            parent, cst.Expr | cst.Index | cst.Comparison | cst.ComparisonTarget | cst.ConcatenatedString
        )
        return not is_part and len(text) < 300

    def _whole(self, node: Any, text: str) -> str | None:
        for path in self.places(text):
            read = [one for one in self.files.read if _below(one, path)]
            left = [one for one in self.files.left if _below(one, path)]
            if read and left:
                return f"{path} is read and written"
            if read or left:
                (self.reads if read else self.writes).append(_Found(node, text, path, path in (read or left)))
                return None
        return None

    def _beginning(self, node: Any, text: str) -> str | None:
        """What begins the names of results, such as f"models/{name}.pkl"."""
        start = GAP.split(text)[0] if not isinstance(node, cst.FormattedStringText) else text
        for path in self.places(start):
            path += "/" if start.endswith("/") else ""
            if any(one.startswith(path) for one in self.files.left):
                if any(one.startswith(path) for one in self.files.read):
                    return f"what begins with {path} is read and written"
                self.writes.append(_Found(node, text, path, is_file=True, begins=True))
                return None
        return None


def convert(code: Code, files: Files, root: Path, entry: Path, handed: set[str]) -> Code | str:
    """The code with its paths written for a job; or why that cannot be.

    `entry`: the script in the source, or what its notebook became. `handed`: what inputs of the job hand over already.
    """
    text = code.files[code.entry]
    assert isinstance(text, str)
    travelling = {shown(root, path) for path in code.files.values() if isinstance(path, Path)}
    files = replace(files, read=files.read - travelling)
    script = _Script(Tree(text), root, entry.parent, files)
    if conflict := script.find():
        return conflict
    missing = _uncovered(files.read - handed, script.reads)
    own = f"{posixpath.normpath(files.folder)}/outputs/".removeprefix("./")
    named = script.results_of_words()
    left = {path for path in files.left if not any(_below(path, one) for one in named.values())}
    elsewhere = _uncovered({path for path in left if not path.startswith(own)}, script.writes)
    if missing or elsewhere:
        what = f"{missing[0]} is read" if missing else f"{elsewhere[0]} is written"
        return f"{what} where {shown(root, entry)} does not name it"
    kept = [f"outputs/{path.removeprefix(own)}" for path in files.left if path.startswith(own)]
    return replace(_rewritten(code, script, handed, {*named}), model=code.model or models.choose(kept))


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _uncovered(paths: Iterable[str], found: list[_Found]) -> list[str]:
    return sorted(path for path in paths if not any(one.covers(path) for one in found))


def _rewritten(code: Code, script: _Script, handed: set[str], words: set[str]) -> Code:
    """The code with what was found changed; `words`: arguments that name results."""
    tree = script.tree
    options: dict[cst.CSTNode, Option] = {
        option.default: option for option in Parsers(tree).options() if option.default is not None
    }
    new: dict[cst.CSTNode, cst.CSTNode] = {}
    notes: list[Note] = []
    inputs = [one for one in code.inputs if not _is_left(one, script)]
    moved = _moved(sorted(words), script)
    made: set[str] = set()

    def note(kind: Literal["taken", "changed"], node: cst.CSTNode, text: str, about: str, subject: str = "") -> None:
        notes.append(Note(kind, place_of(code, code.entry, tree.line(node)), text, about, subject))

    for one in script.writes:
        place = _below_outputs(one.text)
        moved[one.text] = place
        if posixpath.normpath(place) != posixpath.normpath(one.text):
            folder = posixpath.dirname(place) if one.is_file else place.rstrip("/")
            is_there = (script.root / one.folder).is_dir() or one.folder in script.files.made
            made.add(folder if is_there else posixpath.dirname(folder) or folder)
            new[one.node] = _with_text(one.node, place)
            option = options.get(one.node)
            what = f"default of {option.flag or option.dest}: " if option else ""
            note("changed", one.node, f"{what}{one.text} -> {place}: {KEPT}", "result")
    wanted: dict[cst.CSTNode, Wanted] = {}
    for one in script.reads:
        if option := options.get(one.node):
            if not any(data.name == option.dest for data in inputs):
                inputs.append(DataInput(option.dest, one.type, script.root / one.path, option.flag))
                said = option.flag or option.dest
                note("taken", one.node, f"the option {said} is an input of the job", "option-input", said)
        elif one.path not in handed:
            what = f"data: a {'file' if one.is_file else 'folder'}"
            default = one.node.with_changes(lpar=[], rpar=[])
            wanted[one.node] = Wanted(_name(tree, one), default, what)  # type: ignore[arg-type]
    added = Options(tree, wanted, is_entry=True)
    for one in script.reads:
        if one.node not in added.uses:
            continue
        value = added.expression(one.node)
        if one.text.endswith("/"):  # for + to add to
            value = expression('os.path.join(OPTION, "")', OPTION=value)
        new[one.node] = value
        name = added.uses[one.node]
        if name not in {data.name for data in inputs}:
            inputs.append(DataInput(name, one.type, script.root / one.path, added.flags[name]))
        note("changed", one.node, f"{one.text} -> the option {added.flags[name]}, an input of the job", "data")
    pairs = pairwise(script.files.words)
    results = {flag: moved[value] for flag, value in pairs if flag.startswith("-") and value in moved}
    module = tree.module.visit(Replace(new))
    if any(value is not None and "os.path.join" in cst.Module([]).code_for_node(value) for value in new.values()):
        module = add_import(module, "import os")
    module = added.apply(_with_folders(module, made))
    return replace(
        code,
        files={**code.files, code.entry: tree.text_of(module)},
        inputs=inputs,
        moved=moved,
        results={**code.results, **results},
        notes=[*code.notes, *sorted(notes, key=lambda one: one.where)],
    )


def _moved(words: Iterable[str], script: _Script) -> dict[str, str]:
    """Where arguments that name results lead: files by their names alone, for nothing may make their folders."""
    found: dict[str, str] = {}
    for word in words:
        is_file = any(place in script.files.left for place in script.places(word))
        short = f"outputs/{posixpath.basename(word)}"
        found[word] = short if is_file and short not in found.values() else _below_outputs(word)
    return found


def _is_left(data: DataInput, script: _Script) -> bool:
    """Whether what an argument names is only written."""
    return isinstance(data.path, Path) and script.files.only_left(shown(script.root, data.path))


def _with_text(node: cst.CSTNode, text: str) -> cst.CSTNode:
    return node.with_changes(value=text) if isinstance(node, cst.FormattedStringText) else quoted(text, node)


def _with_folders(module: cst.Module, made: set[str]) -> cst.Module:
    """The module that makes these folders at its beginning, the deepest of each path."""
    deepest = sorted(one for one in made if one and not any(other.startswith(f"{one}/") for other in made))
    lines = [f"os.makedirs({quoted(folder).value}, exist_ok=True)\n" for folder in deepest]
    lines = [line for line in lines if line.strip() not in module.code]
    if not lines:
        return module
    if OUTPUTS in module.code:
        return cst.parse_module(module.code.replace(f"{OUTPUTS}\n", "".join(lines), 1))
    module = insert(module, imports_end(module), "\n" + "".join(lines))
    return add_import(space(module, imports_end(module) + len(lines)), "import os")


def _below_outputs(text: str) -> str:
    """A relative path below outputs/."""
    parts = [part for part in text.split("/") if part not in ("", ".", "..")]
    return "/".join(["outputs", *(parts[1:] if parts[:1] == ["outputs"] else parts)]) + "/" * text.endswith("/")


def _name(tree: Tree, one: _Found) -> str:
    """A name for an option: the constant's, else the file's or folder's."""
    statement = tree.around(one.node, cst.Assign)
    target = statement.targets[0].target if statement and len(statement.targets) == 1 else None
    if isinstance(target, cst.Name) and target.value.isupper():
        return target.value.lower()
    stem = posixpath.basename(one.text.rstrip("/")).split(".")[0]
    return stem if re.match(r"[A-Za-z]\w*$", stem) else "data"
