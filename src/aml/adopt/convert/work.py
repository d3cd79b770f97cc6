"""One module that is being checked: its tree, what is to be changed in it, and what was found."""

from pathlib import Path
from typing import Any, Literal

import libcst as cst

from aml.adopt import DataInput, Note
from aml.adopt.convert.paths import ABSOLUTE, Paths, Root
from aml.adopt.private import hide
from aml.adopt.python.static import Modules, Values
from aml.adopt.python.syntax import Tree, expression, lines_of
from aml.adopt.tree import folders


class Work:
    """What credentials.py, keyboard.py, results.py and inputs.py read, and where they put what they want changed."""

    def __init__(self, tree: Tree, file: str, is_entry: bool, modules: Modules, original: str | None) -> None:
        """`file`: its path in the source; `original`: the text whose lines the notes are to name, if not the tree's."""
        self.tree, self.file, self.is_entry, self.root, self.folder = tree, file, is_entry, modules.root, modules.folder
        self.path = modules.root / file
        self.place = modules.places.get(self.path, self.path.name)  # below the code's folder
        self.source_line = lines_of(original, tree.module.code) if original is not None else lambda line: line
        self.notes: list[Note] = []
        self.part = ""  # what its notes are of, unless they say it
        self.inputs: list[DataInput] = []
        self.travels: list[tuple[Path, str]] = []
        self.model: str | None = None
        self.given: dict[str, str] = {}  # options for results, and the paths that the job's command is to give
        self.results: dict[str, str] = {}  # all options for results, and where these go by themselves
        self.paths = Paths(tree, Values(tree, self.path, modules))
        self.new: dict[cst.CSTNode, cst.CSTNode | cst.FlattenSentinel[Any]] = {}  # what stands for a node
        self.imports: list[str] = []  # that the new code needs
        self.folders: list[str] = []  # to make
        self.makes: set[cst.CSTNode] = set()  # calls that make one of these, and may find it

    def note(
        self,
        kind: Literal["taken", "changed", "decide", "blocked"],
        node: cst.CSTNode,
        text: str,
        code: str = "",
        subject: str = "",
    ) -> None:
        where = f"{self.file}:{self.source_line(self.tree.line(node))}"
        note = Note(kind, where, hide(text), code or self.part, subject)
        if note not in self.notes:
            self.notes.append(note)

    def become(self, root: Root, new: cst.BaseExpression, is_path: bool) -> None:
        """Put something else where a path has a known value."""
        node = root.node
        assert node is not None
        if is_path:
            plain = any(
                isinstance(one, cst.ImportFrom) and self.tree.code(one).startswith("from pathlib import Path")
                for one in self.tree.all(cst.ImportFrom)
            )
            new = expression(f"{'Path' if plain else 'pathlib.Path'}(PART)", PART=new)
            if not plain:
                self.imports.append("import pathlib")
        if root.parts and isinstance(node, cst.Call):
            new = node.with_changes(args=[node.args[0].with_changes(value=new), *node.args[root.parts :]])
        self.new[node] = new

    def short(self, node: cst.CSTNode) -> str:
        return self.tree.short(node, 60)

    def make(self, path: str) -> None:
        self.folders.append(path.rpartition("/")[0] or "outputs")

    def locate(self, text: str) -> Path | None:
        """The path that a literal names, seen from the script's folder or one above it up to the source."""
        if ABSOLUTE.match(text):
            path = Path(text).expanduser()
            return path if path.is_absolute() and path.exists() else None
        for folder in folders(self.root, self.folder):
            try:
                path = (folder / text.replace("\\", "/")).resolve()
                if path.exists() and path != self.root and (path == folder or path not in self.folder.parents):
                    return path
            except (OSError, ValueError):
                return None
        return None
