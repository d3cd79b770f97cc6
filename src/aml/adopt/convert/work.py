"""One module that is being changed for a job: its tree, what is to be changed in it, and what was found."""

from typing import Any, Literal

import libcst as cst

from aml.adopt import Note
from aml.adopt.private import hide
from aml.adopt.python.syntax import Tree, lines_of


class Work:
    """What credentials.py, keyboard.py and tracking.py read, and where they put what they want changed."""

    def __init__(self, tree: Tree, file: str, original: str | None) -> None:
        """`file`: its path in the source; `original`: the text whose lines the notes are to name, if not the tree's."""
        self.tree, self.file = tree, file
        self.source_line = lines_of(original, tree.module.code) if original is not None else lambda line: line
        self.notes: list[Note] = []
        self.part = ""  # what its notes are of, unless they say it
        self.model: str | None = None  # below the run's folder
        self.experiment = ""  # that the code set
        self.new: dict[cst.CSTNode, cst.CSTNode | cst.FlattenSentinel[Any]] = {}  # what stands for a node
        self.imports: list[str] = []  # that the new code needs
        self.writes = False  # whether that writes to outputs/

    def note(
        self,
        kind: Literal["taken", "changed", "decide", "blocked"],
        node: cst.CSTNode,
        text: str,
        code: str = "",
        subject: str = "",
    ) -> None:
        """Add a note on a line, unless it is there."""
        where = f"{self.file}:{self.source_line(self.tree.line(node))}"
        note = Note(kind, where, hide(text), code or self.part, subject)
        if note not in self.notes:
            self.notes.append(note)

    def short(self, node: cst.CSTNode) -> str:
        """The code of a node, as notes have it."""
        return self.tree.short(node, 60)
