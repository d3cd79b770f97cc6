"""From a notebook to the script that does the same from top to bottom, without Jupyter and IPython.

The script has the percent format (# %%): editors run it cell by cell, and jupytext opens it as a notebook again.
Neither jupytext 1.19 nor nbconvert writes it: the first comments out `%b)` in the middle of an expression, leaves an
if without a body and cuts strings at a form feed; the second leaves calls of IPython.
"""

import ast
import builtins
import textwrap
import warnings
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from aml.adopt import Note, UserError
from aml.adopt.notebooks import written
from aml.adopt.notebooks.code import bound, parse
from aml.adopt.notebooks.magics import OS, RUNPY, Magics
from aml.adopt.python.closure import TOO_DEEP

SHELLS = ("!", "bash", "cmd", "file", "perl", "ruby", "script", "sh", "system", "sx", "writefile")  # make no names


@dataclass
class Script:
    """What a notebook becomes."""

    text: str = ""
    requirements: list[str] = field(default_factory=list)  # of its install lines: "pandas>=2", "git+https://..."
    notes: list[Note] = field(default_factory=list)
    lines: list[tuple[int, str]] = field(default_factory=list)  # where cells begin: (12, "train.ipynb cell 7")

    def where(self, line: int) -> str:
        """The place in the notebook of a line of the script, for messages; "" above the first cell."""
        return next((place for first, place in reversed(self.lines) if first <= line), "")


def convert(path: Path, name: str) -> Script:
    """Convert the notebook in `path`, which messages call `name`.

    What cannot be converted is a note of the kind "blocked"; the text compiles even so. Raises UserError on what is
    not a notebook of Python 3.
    """
    cells, old = _read(path, name)
    magics = Magics({one.cell: one.name for one in written.read(path)})
    script = _script(name, cells, magics)
    if old and magics.unparsed:
        fix = "convert its code with 2to3, then give it a Python 3 kernel"
        raise UserError(f"{name} is a notebook of Python 2 ({magics.unparsed[0]}): {fix}")
    if old:
        text = "its kernel is Python 2, but all of it reads as Python 3, which runs it: there 3 / 2 is 1.5"
        script.notes.append(Note("changed", name, text, "notebook"))
    return script


def _read(path: Path, name: str) -> tuple[list[Any], bool]:
    """The cells of a notebook, in any version of the format, and whether its kernel is Python 2. Raises UserError."""
    import nbformat

    try:
        with warnings.catch_warnings():  # of cells without an id, which only the newest format has
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(path.read_text(encoding="utf-8-sig"), as_version=4)  # type: ignore[no-untyped-call]
        cells = [cell for cell in notebook.cells if isinstance(cell.source, str)]
        kernel, info = notebook.metadata.get("kernelspec", {}), notebook.metadata.get("language_info", {})
        language = str(kernel.get("language") or info.get("name") or "python").lower()
        version = "2" if kernel.get("name") == "python2" else str(info.get("version", "3"))
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}") from None
    except Exception as error:  # nbformat raises whatever the damage happens to cause
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:80]
        raise UserError(f"{name} is not a notebook ({reason}): open it in Jupyter and save it again") from None
    if language not in ("python", "python3", "ipython"):
        raise UserError(f"{name} is a notebook of {language}: only Python trains in the template's jobs")
    if not any(cell.cell_type == "code" and cell.source.strip() for cell in cells):
        raise UserError(f"{name} has no code")
    return cells, version.startswith("2")


def _script(name: str, cells: list[Any], magics: Magics) -> Script:
    from aml.adopt.notebooks import drawn

    title = _take_title(cells)
    codes = _codes(name, cells, magics)
    gone, future = _without_notebook(name, codes, magics)
    _tell_names(name, codes, gone, magics)
    shown = drawn.show(codes)
    for number in shown.cells:
        magics.place = f"{name} cell {number}"
        magics.note("changed", "a notebook shows what the cell draws: show() does so at its end")
    magics.place = name
    if values := [str(number) for number, code in codes.items() if _ends_with_value(code)]:
        # They stay as they are, line by line: what matters belongs in the tracked run, not in its log.
        what = f"a value at the end of cell {', '.join(values)} is only shown by a notebook"
        magics.note("decide", f"{what}: log it with mlflow.log_metric or print it, if it matters")
    if magics.harmless:
        magics.note("changed", f"what only a notebook needs is left out: {', '.join(sorted(magics.harmless))}")
    if future:
        magics.note("changed", "imports from __future__ are at the top, where they hold for every cell")
    imports = [
        f"from __future__ import {', '.join(sorted(future))}" if future else "",
        *(block for block in (OS, RUNPY) if block in magics.imports),
        shown.imports,
    ]
    script = Script(requirements=magics.requirements, notes=magics.notes)
    lines = [f'"""{title or f"Converted from {_quoted(PurePosixPath(name).name)}."}"""']
    for block in filter(None, imports):
        lines += ["", *block.split("\n")]
    for number, cell in enumerate(cells, 1):
        if code := shown.codes.get(number, "").strip("\n"):
            lines += ["", "# %%"]
            script.lines.append((len(lines) + 1, f"{name} cell {number}"))
            lines += code.split("\n")
        elif cell.cell_type == "markdown" and (comment := _comment(cell.source)):
            lines += ["", "# %% [markdown]", *comment]
    script.text = "\n".join(lines) + "\n"
    return script


def _codes(name: str, cells: list[Any], magics: Magics) -> dict[int, str]:
    """The cells of code as Python, by their numbers."""
    codes = {}
    for number, cell in enumerate(cells, 1):
        if cell.cell_type == "code":
            magics.number, magics.place = number, f"{name} cell {number}"
            codes[number] = magics.cell(cell.source.replace("\r\n", "\n").replace("\r", "\n"))
            if "parameters" in (cell.metadata.get("tags") or ()):
                text = "papermill's parameters stay constants: make those options that a job should vary"
                magics.note("decide", text)
    return codes


def _without_notebook(name: str, codes: dict[int, str], magics: Magics) -> tuple[dict[str, str], set[str]]:
    """Take out what only notebooks have; returns the names of dropped imports, and those of __future__."""
    from libcst import ParserSyntaxError

    from aml.adopt.notebooks.plain import NOTEBOOK_ONLY, Plain

    plain = Plain(bound(codes.values(), without=NOTEBOOK_ONLY))
    for number, code in codes.items():
        magics.place = f"{name} cell {number}"
        try:
            codes[number] = plain.rewrite(code)
        except ParserSyntaxError as error:
            magics.note("blocked", f"newer Python than libcst reads ({error.message}): write it in older words")
        except RecursionError:
            magics.note("blocked", TOO_DEEP)
        for text in plain.changes:
            magics.note("changed", text)
    return plain.gone, plain.future


def _ends_with_value(code: str) -> bool:
    last = parse(code).body[-1:]
    return bool(last) and isinstance(last[0], ast.Expr) and not isinstance(last[0].value, ast.Call | ast.Constant)


def _tell_names(name: str, codes: dict[int, str], gone: dict[str, str], magics: Magics) -> None:
    """Say what is left out, and block when the code needs what that made. `gone` has names of dropped imports."""
    made = bound([*codes.values(), *magics.imports])
    known = {*made, *dir(builtins), "__file__"}
    missing: dict[str, str] = {}
    for number, code in codes.items():
        for node in ast.walk(parse(code)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known:
                missing.setdefault(node.id, f"{name} cell {number} line {node.lineno}")
    for item in magics.left_out:
        magics.place = item.where
        if used := sorted(item.makes & missing.keys()):
            needs = f"`{used[0]}` ({missing[used[0]]}) needs it"
            magics.note("blocked", f"{item.what} is left out, and {needs}: write it in Python")
        else:
            magics.note("decide", f"{item.what} is left out: write it in Python, if the training needs it")
    if "*" in made or RUNPY in magics.imports:  # a script that is run may make any name
        return
    causes = [one.what for one in magics.left_out if not one.makes and not one.what.strip("`%").startswith(SHELLS)]
    for lost in sorted(missing.keys() - {one for item in magics.left_out for one in item.makes}):
        magics.place = missing[lost]
        if lost in gone:
            magics.note("blocked", f"`{lost}` of {gone[lost]} works in a notebook only: do without it")
        elif causes:
            magics.note("blocked", f"no cell makes `{lost}`, and {causes[0]} is left out: make it in Python")
        else:
            magics.note("decide", f"no cell makes `{lost}`: without it the script stops here")


def _take_title(cells: list[Any]) -> str:
    """The heading the notebook begins with, which leaves its cell."""
    first, _, rest = cells[0].source.strip().partition("\n")
    title = first.strip("# \t\r") if cells[0].cell_type == "markdown" and first.startswith("#") else ""
    if not title:
        return ""
    cells[0].source = rest
    return _quoted(title if title[-1] in ".?!" else f"{title}.")


def _clean(text: str) -> str:
    """A text that any file may hold."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _quoted(text: str) -> str:
    """A text that may stand between three quotation marks."""
    return _clean(text).replace("\r", " ").replace("\\", "\\\\").replace('"', '\\"')


def _comment(markdown: str) -> list[str]:
    """Text as comments; pictures in it are left out."""
    clean = _clean(markdown).strip()
    lines = [line for line in clean.replace("\r", "\n").split("\n") if "data:image" not in line]
    wrapped = [part for line in lines for part in (textwrap.wrap(line, 118) or [""])]
    return [f"# {part}".rstrip() for part in wrapped] if clean else []
