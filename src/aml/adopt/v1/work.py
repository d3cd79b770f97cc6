"""What the handlers of SDK v1's kinds share while a module is rewritten: its tree, its meanings, notes and imports."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import libcst as cst

from aml.adopt import DataInput, Note
from aml.adopt.private import hide
from aml.adopt.python.arguments import Options, Wanted
from aml.adopt.python.edits import GONE, TIGHT, has_import, without
from aml.adopt.python.syntax import Tree, expression, free
from aml.adopt.v1.names import Meanings, Value
from aml.adopt.v1.uploads import Upload

Expression = cst.BaseExpression
THE_RUN = cst.Name("__run__")  # the run itself, as a value
NOTHING = cst.Name("__none__")  # what v1 had and v2 has not, as a value


class Call(NamedTuple):
    """A call that v1 knows."""

    original: cst.Call
    updated: cst.Call  # with what has changed within it
    name: str  # of the method, or after v1's modules, such as Dataset.get_by_name
    owner: Value | None = None  # whose method it is
    bound: dict[str, cst.Arg] | None = None  # the original's arguments by v1's names; None when * or ** hides them

    @property
    def receiver(self) -> Expression:
        """What stands before the method's name now."""
        assert isinstance(self.updated.func, cst.Attribute)
        return self.updated.func.value

    def has(self, *names: str) -> bool:
        return self.bound is not None and {*names} <= self.bound.keys()

    def given(self, name: str) -> Expression | None:
        """What an argument was."""
        return self.bound[name].value if self.bound and name in self.bound else None

    def new(self, name: str) -> Expression:
        """What an argument is now."""
        assert self.bound is not None
        return self.updated.args[list(self.original.args).index(self.bound[name])].value

    def args(self, keep: dict[str, str]) -> list[cst.Arg]:
        """The arguments in their own layout: those not in `keep` dropped, keywords renamed, gaps filled by keywords."""
        assert self.bound is not None
        names = {id(arg): name for name, arg in self.bound.items()}
        args: list[cst.Arg] = []
        dropped: list[cst.Arg] = []
        for old, arg in zip(self.original.args, self.updated.args, strict=True):
            name = keep.get(names[id(old)])
            if name is None:
                dropped.append(arg)
            elif arg.keyword or dropped:
                arg = arg.with_changes(keyword=cst.Name(name), equal=arg.equal if arg.keyword else TIGHT)
            args.append(arg)
        return without(args, dropped)


class Work:
    """A module that is rewritten."""

    options: Options  # that the module gets: of datasets.declare, as are these
    datasets: dict[cst.CSTNode, Wanted]
    stand_ins: dict[cst.CSTNode, cst.CSTNode]

    def __init__(
        self, tree: Tree, file: str, is_entry: bool, locate: Callable[[str], Path | None], together: Upload | None
    ) -> None:
        self.tree, self.file, self.is_entry, self.locate, self.together = tree, file, is_entry, locate, together
        self.v1 = Meanings(tree)
        self.notes: list[Note] = []
        self.inputs: list[DataInput] = []
        self.model: str | None = None
        self.needed: list[str] = []  # imports that the new code needs at the top
        self.shown_only: set[cst.CSTNode] = set()  # statements that only show what v2 has not
        self.helpers = {
            name: free(tree.module, name, name.replace("log_", "log_v1_")) for name in ("log_value", "log_file")
        }
        self.keep_run = False  # what begins a child run needs its parent begun

    def note(self, kind: str, place: cst.CSTNode | int, text: str, code: str = "v1", subject: str = "") -> None:
        """Add a note, once; its place is a node or a line."""
        line = place if isinstance(place, int) else self.tree.line(place)
        note = Note(kind, self.where(line), hide(text), code, subject)  # type: ignore[arg-type]
        if note not in self.notes:
            self.notes.append(note)

    def where(self, line: int) -> str:
        return f"{self.file}:{line}"

    def need(self, wanted: str) -> None:
        """Let the module's own level have an import; one within a function or a branch binds nothing elsewhere."""
        if not has_import(self.tree.module, wanted) and wanted not in self.needed:
            self.needed.append(wanted)

    def gone(self, node: cst.CSTNode, value: Expression) -> Expression:
        """Nothing in place of a statement, a value in place of an expression."""
        return GONE if isinstance(self.tree.parents[node], cst.Expr) else value

    def lost(self, original: cst.CSTNode, updated: Expression) -> Expression:
        """Something of v1 without a counterpart: gone when it is only shown, else blocked."""
        statement = self.tree.around(original, cst.Expr)
        call = statement.value if statement else None
        shows = isinstance(call, cst.Call) and getattr(call.func, "value", "") in ("print", "display")
        if statement and (shows or call is original):
            self.shown_only.add(statement)
        else:
            text = "has no counterpart in MLflow: take it out, or hand its value over as an option"
            self.note("blocked", original, f"{self.tree.short(original)} {text}")
        return updated

    def argument(self, call: cst.Call, *names: str) -> Expression | None:
        """The argument that names what is wanted: by keyword, else the first plain one that is no workspace."""
        plain = [arg.value for arg in call.args if not arg.keyword and not arg.star]
        plain = [value for value in plain if not (found := self.v1.of(value)) or found.kind != "workspace"]
        named = [arg.value for arg in call.args if arg.keyword and arg.keyword.value in names]
        return next(iter([*named, *plain]), None)

    def secret(self, call: Call) -> Expression:
        """A secret of the key vault, as an environment variable."""
        given = self.argument(call.original, "name")
        text = self.tree.constant(given) if given else None
        if text is None:
            what = 'a secret by a name that only the run knows: write os.environ["NAME"]'
            self.note("blocked", call.original, what)
            return call.updated
        self.need("import os")
        variable = "".join(letter if letter.isalnum() else "_" for letter in text).upper()
        what = f"a secret of the key vault -> os.environ[{variable!r}]: set {variable} where the job runs"
        self.note("decide", call.original, what)
        return expression(f'os.environ["{variable}"]')
