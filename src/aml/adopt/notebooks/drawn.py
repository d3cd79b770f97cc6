"""What a notebook draws and shows by itself at the end of a cell, a script has to show."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from aml.adopt.python.frames import Frames
from aml.adopt.python.syntax import UNPARSED, Tree, names_in

PYPLOT = "matplotlib.pyplot"
# What makes a figure, or draws in the present one: of pyplot, all that is no setting and ends none.
DRAWS = re.compile(
    r"matplotlib\.pyplot\.(?!(close|fignum_exists|get_\w+|ioff|ion|isinteractive|pause|rc\w*|savefig|set_cmap|show"
    r"|switch_backend)$)\w+"
    r"|seaborn\.(\w+plot|\w+Grid|heatmap|clustermap)"
    r"|pandas\.plotting\.(scatter_matrix|parallel_coordinates|andrews_curves)"
    r"|(sklearn|xgboost|lightgbm)\.([\w.]+\.)?plot_\w+"
    r"|scipy\.cluster\.hierarchy\.dendrogram"
)
FRAME_DRAWS = ("boxplot", "hist", "plot")
PLOTS = ("area", "bar", "barh", "box", "density", "hexbin", "hist", "kde", "line", "pie", "scatter")  # of df.plot
ENDS = ("show", "savefig", "close", "pause")  # of pyplot; the first two of a figure, too


@dataclass
class Drawn:
    """The cells of a notebook, in which all that is drawn is shown."""

    codes: dict[int, str]
    cells: list[int]  # that show something now
    imports: str = ""  # the import that this needs, or ""


def show(codes: dict[int, str]) -> Drawn:
    """Let cells (their numbers and code) that draw, and neither show nor save it, end with plt.show()."""
    if not any(word in code for code in codes.values() for word in ("plot", "hist", "sns.", "seaborn", "plt.")):
        return Drawn(codes, [])
    first: dict[int, int] = {}
    line = 1
    for number, code in codes.items():
        first[number] = line
        line += code.count("\n") + 1
    try:
        tree = Tree("\n".join(codes.values()) + "\n")
    except UNPARSED:  # there is a note of it
        return Drawn(codes, [])
    look = _Look(tree)
    draws = {number for number, code in codes.items() if look.draws(first[number], first[number] + code.count("\n"))}
    if not draws:
        return Drawn(codes, [])
    name, imports = look.pyplot(first[min(draws)] + codes[min(draws)].count("\n"))
    shown = {number: f"{code.rstrip()}\n{name}.show()" if number in draws else code for number, code in codes.items()}
    return Drawn(shown, sorted(draws), imports)


class _Look:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.frames = Frames(tree, tree.qualified)
        self.calls = [(call, tree.line(call), self._function(call)) for call in tree.all(cst.Call)]
        self.drawing: set[str] = set()  # functions of the notebook that draw, and leave it to the notebook to show it
        self.ending: set[str] = set()
        for _ in range(3):  # one may call another
            for name in tree.functions:
                inner = [call for call, _, function in self.calls if function == name]
                if any(map(self._ends, inner)):
                    self.ending.add(name)
                elif any(map(self._draws, inner)):
                    self.drawing.add(name)

    def draws(self, first: int, last: int) -> bool:
        """Whether the cell in these lines draws, and neither shows nor saves it."""
        calls = [call for call, line, function in self.calls if first <= line <= last and function is None]
        return any(map(self._draws, calls)) and not any(map(self._ends, calls))

    def pyplot(self, line: int) -> tuple[str, str]:
        """The name of pyplot that the notebook has at a line, and the import where it has none."""
        for local, full, at in self._modules():
            if full == PYPLOT and at <= line:
                return local, ""
        used = names_in(self.tree.module)
        if "plt" not in used or any(local == "plt" and full == PYPLOT for local, full, _ in self._modules()):
            return "plt", f"import {PYPLOT} as plt"
        return PYPLOT, f"import {PYPLOT}"

    def _modules(self) -> Iterator[tuple[str, str, int]]:
        for node in self.tree.all(cst.Import | cst.ImportFrom):
            if self._function(node) is not None or isinstance(node.names, cst.ImportStar):
                continue
            before = f"{self.tree.code(node.module)}." if isinstance(node, cst.ImportFrom) and node.module else ""
            for alias in node.names:
                full = before + alias.evaluated_name
                yield alias.evaluated_alias or (alias.evaluated_name), full, self.tree.line(node)

    def _function(self, node: cst.CSTNode) -> str | None:
        """The function, or class, that a node is in."""
        inside = self.tree.around(node, cst.FunctionDef, cst.ClassDef, cst.Lambda)
        return None if inside is None else inside.name.value if isinstance(inside, cst.FunctionDef) else ""

    def _draws(self, call: cst.Call) -> bool:
        name = self.tree.qualified(call.func)
        if name:
            return DRAWS.fullmatch(name) is not None
        if isinstance(call.func, cst.Name):
            return call.func.value in self.drawing
        func = call.func
        if not isinstance(func, cst.Attribute):
            return False
        owner = func.value
        if isinstance(owner, cst.Attribute) and owner.attr.value == "plot" and func.attr.value in PLOTS:
            return self.frames.has(owner.value)
        return func.attr.value in FRAME_DRAWS and self.frames.has(owner)

    def _ends(self, call: cst.Call) -> bool:
        if isinstance(call.func, cst.Name):
            if call.func.value in self.ending:
                return True
        elif isinstance(call.func, cst.Attribute) and call.func.attr.value in ("show", "savefig"):
            return True
        name = self.tree.qualified(call.func)
        return name.startswith(PYPLOT) and name.rpartition(".")[2] in ENDS
