"""Nobody sits before a job: what asks is in the way, what shows is saved."""

import re
from pathlib import Path

import libcst as cst

from aml.adopt.convert.work import Work
from aml.adopt.python.edits import GONE, has_import
from aml.adopt.python.syntax import expression


def leave_alone(work: Work) -> None:
    work.part = "screen"
    shown = 0
    for call in work.tree.all(cst.Call):
        name = work.tree.qualified(call.func)
        statement = work.tree.parents[call] if isinstance(work.tree.parents[call], cst.Expr) else None
        if name == "builtins.input":
            _input(work, call)
        elif name == "getpass.getpass":
            work.note(
                "blocked",
                call,
                'getpass(): nobody is there to answer: write os.environ["PASSWORD"], and set it where the job runs',
            )
        elif name == "matplotlib.pyplot.show" and statement:
            shown += 1
            _show(work, call, statement, shown)
        elif name in ("pdb.set_trace", "ipdb.set_trace", "builtins.breakpoint", "webbrowser.open") and statement:
            work.new[statement] = cst.Expr(GONE)
            work.note("changed", call, f"{name.removeprefix('builtins.')}() is taken out: nobody is there")


def _input(work: Work, call: cst.Call) -> None:
    parent = work.tree.around(call, cst.Assign)
    target = parent.targets[0].target if parent else None
    name = target.value if isinstance(target, cst.Name) else "value"
    flag = "--" + name.lower().replace("_", "-")
    kind = work.tree.parents[work.tree.parents[call]] if isinstance(work.tree.parents[call], cst.Arg) else None
    cast = kind.func.value if isinstance(kind, cst.Call) and isinstance(kind.func, cst.Name) else ""
    kind_text = f", type={cast}" if cast in ("int", "float") else ""
    fix = f'add parser.add_argument("{flag}"{kind_text}, required=True) and use args.{name.lower()} instead'
    work.note("blocked", call, f"input(): nobody is there to answer: {fix}")


def _show(work: Work, call: cst.Call, statement: cst.CSTNode, number: int) -> None:
    base = work.tree.code(call.func.value) if isinstance(call.func, cst.Attribute) else ""
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", Path(work.file).stem).strip("-") or "figure"
    path = f"outputs/{stem}-{number}.png"
    if not base:
        work.note("decide", call, f'show(): there is no screen: write plt.savefig("{path}")')
        return
    line = work.tree.parents[statement]
    save, close = (expression(code) for code in (f'{base}.savefig("{path}")', f"{base}.close()"))
    if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
        first = line.with_changes(body=[cst.Expr(save)])
        second = cst.SimpleStatementLine([cst.Expr(close)])
        work.new[line] = cst.FlattenSentinel([first, second])
    else:
        work.new[statement] = cst.Expr(save)
    work.writes = True
    work.note("changed", call, f'{base}.show() -> {base}.savefig("{path}"): there is no screen')
    _without_screen(work)


def _without_screen(work: Work) -> None:
    for line in work.tree.module.body:
        for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if (
                isinstance(part, cst.Import | cst.ImportFrom)
                and "matplotlib" in work.tree.code(part)
                and "pyplot" in work.tree.code(part)
                and not re.search(r"matplotlib\.use\(|mpl\.use\(", work.tree.module.code)
                and line not in work.new
            ):
                own = (
                    []
                    if has_import(work.tree.module, "import matplotlib") and _imported_before(work, line)
                    else ["import matplotlib"]
                )
                lines = [cst.parse_statement(code) for code in (*own, 'matplotlib.use("Agg")')]
                lines[0] = lines[0].with_changes(leading_lines=line.leading_lines)
                work.new[line] = cst.FlattenSentinel([*lines, line.with_changes(leading_lines=[])])
                return


def _imported_before(work: Work, line: cst.CSTNode) -> bool:
    return any(
        work.tree.code(node).strip() == "import matplotlib" and work.tree.line(node) < work.tree.line(line)
        for node in work.tree.all(cst.Import)
    )
