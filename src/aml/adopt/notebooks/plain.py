"""Take out of a notebook's code what works below Jupyter or Colab only, or as a cell only."""

from typing import Any

import libcst as cst
from libcst.helpers import get_full_name_for_node

NOTEBOOK_ONLY = ("IPython", "google.colab", "ipywidgets")
WORDS = ("display", "get_ipython", "tqdm", "global", "__future__", *NOTEBOOK_ONLY)
SHOWS = ("display", "print")


def is_notebook_only(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in NOTEBOOK_ONLY)


class Plain(cst.CSTTransformer):
    """Rewrites the cells of one notebook, in their order."""

    def __init__(self, own: set[str]) -> None:
        """`own` has the names that the notebook makes itself: display may be one."""
        super().__init__()
        self.future: set[str] = set()  # its imports from __future__
        self.changes: dict[str, None] = {}  # texts for notes, of the present cell
        self.gone: dict[str, str] = {}  # name -> module of a dropped import
        self._own = own
        self._depth = 0  # of functions and classes
        self._trying = 0
        self._dropped: list[cst.BaseStatement] = []

    def rewrite(self, code: str) -> str:
        """The code of one cell, which compiles. Unchanged to the letter where nothing has to change."""
        self.changes = {}
        if not any(word in code for word in (*WORDS, *self.gone)):
            return code
        self._depth = self._trying = 0
        self._dropped = []
        module = cst.parse_module(code)
        changed = module.visit(self)
        return changed.code if self.changes else code

    def on_visit(self, node: cst.CSTNode) -> bool:
        self._depth += isinstance(node, cst.FunctionDef | cst.ClassDef)
        return super().on_visit(node)

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        self._depth -= isinstance(original_node, cst.FunctionDef | cst.ClassDef)
        return super().on_leave(original_node, updated_node)

    def visit_Try_body(self, node: cst.Try) -> None:
        self._trying += 1

    def leave_Try_body(self, node: cst.Try) -> None:
        self._trying -= 1

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        name = get_full_name_for_node(original_node.func)
        if name == "display" and name not in self._own:
            self.changes["display(...) is print(...)"] = None
            return updated_node.with_changes(func=cst.Name("print"))
        if name in ("get_ipython", "IPython.get_ipython") and "get_ipython" not in self._own:
            self.changes["get_ipython() is None, as outside of a notebook"] = None
            return cst.Name("None", lpar=updated_node.func.lpar, rpar=updated_node.func.rpar)
        return updated_node

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        if get_full_name_for_node(original_node) == "tqdm.notebook":
            self.changes["tqdm.notebook is tqdm.auto, which needs no notebook"] = None
            return updated_node.with_changes(attr=cst.Name("auto"))
        return updated_node

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine:
        drop = [self._drops(statement) for statement in original_node.body]
        if not any(drop):
            return updated_node
        pairs = list(zip(drop, updated_node.body, strict=True))
        body = [cst.Pass(semicolon=part.semicolon) if dropped else part for dropped, part in pairs]
        if not all(drop):
            return updated_node.with_changes(body=body)
        old = " ".join(cst.Module([original_node.with_changes(leading_lines=())]).code.split())
        trailing = cst.TrailingWhitespace(cst.SimpleWhitespace("  "), cst.Comment(f"# {old}"))
        line = updated_node.with_changes(body=[cst.Pass()], trailing_whitespace=trailing)
        self._dropped.append(line)
        return line

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        """Where no block needs it, a dropped line is a comment without a pass."""
        body: list[cst.BaseStatement] = []
        waiting: list[cst.EmptyLine] = []
        for line in updated_node.body:
            if isinstance(line, cst.SimpleStatementLine) and any(line is dropped for dropped in self._dropped):
                waiting += [*line.leading_lines, cst.EmptyLine(comment=line.trailing_whitespace.comment)]
            else:
                body.append(line.with_changes(leading_lines=[*waiting, *line.leading_lines]))
                waiting = []
        return updated_node.with_changes(body=body, footer=[*waiting, *updated_node.footer])

    def _drops(self, statement: cst.BaseSmallStatement) -> bool:
        match statement:
            case cst.Global():
                # Without effect there, and an error once an earlier cell is above it.
                return self._depth == 0 and self._change("global outside of functions is left out")
            case cst.ImportFrom(module=cst.Name("__future__"), names=[*aliases]):
                self.future |= {alias.evaluated_name for alias in aliases}
                return self._change("an import from __future__ moved")
            # In a try, the code is ready for its absence.
            case cst.ImportFrom() if self._trying == 0 and statement.module:
                module = get_full_name_for_node(statement.module) or ""
                inner = [] if isinstance(statement.names, cst.ImportStar) else list(statement.names)
                names = [
                    (alias.evaluated_alias or alias.evaluated_name, f"{module}.{alias.evaluated_name}")
                    for alias in inner
                ]
                modules = [module if is_notebook_only(module) else origin for _, origin in names] or [module]
            case cst.Import() if self._trying == 0:
                modules = [alias.evaluated_name for alias in statement.names]
                names = [(alias.evaluated_alias or alias.evaluated_name.split(".")[0], "") for alias in statement.names]
            case cst.Expr(value=cst.Call() as call):
                return self._only_shows(call) and self._change(f"{_root(call)}(...) is left out")
            case _:
                return False
        if not all(map(is_notebook_only, modules)):
            return False
        self.gone.update((name, modules[0]) for name, _ in names if name not in self._own)
        return self._change(f"the import of {modules[0]} is left out")

    def _only_shows(self, call: cst.Call) -> bool:
        """Whether a call is one of, or shows nothing but, what a notebook alone has."""
        root = _root(call)
        if root in self.gone and root != "display":
            return True
        if root == "get_ipython" and root not in self._own:
            return True
        inner = [argument.value for argument in call.args]
        return root in SHOWS and any(isinstance(one, cst.Call) and _root(one) in self.gone for one in inner)

    def _change(self, text: str) -> bool:
        self.changes[text] = None
        return True


def _root(node: cst.CSTNode) -> str:
    """The first name of f.g(x).h[0]()."""
    while isinstance(node, cst.Call | cst.Attribute | cst.Subscript):
        node = node.func if isinstance(node, cst.Call) else node.value
    return node.value if isinstance(node, cst.Name) else ""
