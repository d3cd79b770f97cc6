"""From a notebook to the script that does the same from top to bottom, without Jupyter and IPython.

The script has the percent format (# %%): editors run it cell by cell, and jupytext opens it as a notebook again.
Neither jupytext 1.19 nor nbconvert writes it: the first comments out `%b)` in the middle of an expression, leaves an
if without a body and cuts strings at a form feed; the second leaves calls of IPython.
"""

import ast
import builtins
import getopt
import io
import re
import shlex
import textwrap
import tokenize
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from packaging.requirements import InvalidRequirement, Requirement

from aml.adopt import Note, UserError
from aml.adopt.notebooks import written
from aml.adopt.python.cells import WRAPPERS as CELL_WRAPPERS
from aml.adopt.python.closure import TOO_DEEP, UNREADABLE

# The code behind these is kept. What follows a name are its options, as getopt and IPython 9 have them.
WRAPPERS = {"time": "", "timeit": "n:r:tcp:qov:", "prun": "D:l:rs:T:q", "memit": "r:t:oc", "lprun": "f:m:D:T:rsu:z"}
# Commands that only show something, and mkdir: folders of results are made in Python.
LOOKS = set(
    "cat date df du echo file free head hostname ls lscpu mkdir nproc nvidia-smi pwd tail wc which whoami".split()
)
HARMLESS = set(
    "alias autoawait autocall autoindent automagic autoreload bookmark colors config connect_info debug dhist"
    " doctest_mode gui hist history html javascript js latex load_ext logoff logon logstart logstate logstop ls"
    " lsmagic markdown matplotlib page pdb pdoc pfile pinfo pinfo2 precision psearch psource pwd quickref reload_ext"
    " svg tb tensorboard tensorflow_version unload_ext watermark who who_ls whos xmode".split()
)
SHELLS = ("!", "bash", "cmd", "file", "perl", "ruby", "script", "sh", "system", "sx", "writefile")  # make no names
INSTALLERS = ("pip", "pip3", "conda", "mamba", "micromamba")
# What IPython takes without the %, as far as notebooks have it.
AUTOMAGIC = (*INSTALLERS, "cat", "cd", "cp", "env", "load_ext", "ls", "matplotlib", "mkdir", "mv", "rm", "run", "time")
# Options of pip and conda that take a value; the owner learns of the first row.
TOLD = ("-r", "--requirement", "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f", "--find-links")
VALUED = set(
    "-c --constraint --channel -n --name -p --prefix -t --target --root --src --platform --python --python-version"
    " --no-binary --only-binary --progress-bar --timeout --retries --trusted-host --cache-dir --proxy --log"
    " --upgrade-strategy --global-option --config-settings".split()
)


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
    cells, old = read(path, name)
    conversion = _Conversion(name, {one.cell: one.name for one in written.read(path)})
    script = conversion.script(cells)
    if old and conversion.unparsed:
        fix = "convert its code with 2to3, then give it a Python 3 kernel"
        raise UserError(f"{name} is a notebook of Python 2 ({conversion.unparsed[0]}): {fix}")
    if old:
        text = "its kernel is Python 2, but all of it reads as Python 3, which runs it: there 3 / 2 is 1.5"
        script.notes.append(Note("changed", name, text, "notebook"))
    return script


def read(path: Path, name: str) -> tuple[list[Any], bool]:
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


@dataclass
class _LeftOut:
    """What no Python stands for, and the names it makes as far as they are known."""

    where: str
    what: str
    makes: set[str]


class _Conversion:
    def __init__(self, name: str, written: Mapping[int, str]) -> None:
        """`written`: the files that cells write, by the cells' numbers."""
        self.name, self.written = name, written
        self.out = Script()
        self.left_out: list[_LeftOut] = []
        self.harmless: set[str] = set()
        self.imports_os = False
        self.runs_scripts = False
        self.place = ""  # the present cell
        self.target = ""  # the file that it writes
        self.unparsed: list[str] = []  # where cells are not Python 3

    def note(self, kind: Literal["taken", "changed", "decide", "blocked"], text: str, line: int | None = None) -> None:
        self.out.notes.append(Note(kind, f"{self.place} line {line}" if line else self.place, text, "notebook"))

    def script(self, cells: list[Any]) -> Script:
        from libcst import ParserSyntaxError

        from aml.adopt.notebooks import drawn
        from aml.adopt.notebooks.plain import NOTEBOOK_ONLY, Plain

        title = _take_title(cells)
        codes: dict[int, str] = {}
        shows: list[str] = []
        for number, cell in enumerate(cells, 1):
            if cell.cell_type != "code":
                continue
            self.place, self.target = f"{self.name} cell {number}", self.written.get(number, "")
            codes[number] = self.cell(cell.source.replace("\r\n", "\n").replace("\r", "\n"))
            if "parameters" in (cell.metadata.get("tags") or ()):
                self.note("decide", "papermill's parameters stay constants: make those options that a job should vary")
            last = parse(codes[number]).body[-1:]
            if last and isinstance(last[0], ast.Expr) and not isinstance(last[0].value, ast.Call | ast.Constant):
                shows.append(str(number))
        plain = Plain(bound(codes.values(), without=NOTEBOOK_ONLY))
        for number, code in codes.items():
            self.place = f"{self.name} cell {number}"
            try:
                codes[number] = plain.rewrite(code)
            except ParserSyntaxError as error:
                self.note("blocked", f"newer Python than libcst reads ({error.message}): write it in older words")
            except RecursionError:
                self.note("blocked", TOO_DEEP)
            for text in plain.changes:
                self.note("changed", text)
        self.names(codes, plain.gone)
        shown = drawn.show(codes)
        codes = shown.codes
        for number in shown.cells:
            self.place = f"{self.name} cell {number}"
            self.note("changed", "a notebook shows what the cell draws: show() does so at its end")
        self.place = self.name
        if shows:
            # They stay as they are, line by line: what matters belongs in the tracked run, not in its log.
            what = f"a value at the end of cell {', '.join(shows)} is only shown by a notebook"
            self.note("decide", f"{what}: log it with mlflow.log_metric or print it, if it matters")
        if self.harmless:
            self.note("changed", f"what only a notebook needs is left out: {', '.join(sorted(self.harmless))}")
        head = [f'"""{title or f"Converted from {_quoted(PurePosixPath(self.name).name)}."}"""']
        if plain.future:
            head += ["", f"from __future__ import {', '.join(sorted(plain.future))}"]
            self.note("changed", "imports from __future__ are at the top, where they hold for every cell")
        if self.imports_os:
            head += ["", "import os  # for %env"]
        if self.runs_scripts:
            head += ["", "import runpy  # for %run", "import sys"]
        if shown.imports:
            head += ["", shown.imports]
        self.join(cells, codes, head)
        return self.out

    def join(self, cells: list[Any], codes: dict[int, str], lines: list[str]) -> None:
        for number, cell in enumerate(cells, 1):
            if code := codes.get(number, "").strip("\n"):
                lines += ["", "# %%"]
                self.out.lines.append((len(lines) + 1, f"{self.name} cell {number}"))
                lines += code.split("\n")
            elif cell.cell_type == "markdown" and (comment := _comment(cell.source)):
                lines += ["", "# %% [markdown]", *comment]
        self.out.text = "\n".join(lines) + "\n"

    def cell(self, source: str, first: int = 1) -> str:
        """A cell as Python; its first line has the number `first`. What IPython adds is converted or commented out."""
        if not parses(source) and source.lstrip("\n")[:1] in (" ", "\t"):
            source = textwrap.dedent(source)  # as IPython does
        lines = source.split("\n")
        if parses(source):
            return self.checked(source, first)
        while len(lines) > 1 and not lines[0].strip():
            first += 1
            lines.pop(0)
        if lines[0].startswith("%%") and lines[0][2:3].isidentifier():
            return self.cell_magic(lines, first)
        done: list[str] = []
        while lines:
            line = lines.pop(0)
            if not (text := _magic(line)) or not _begins_statement(done, line):
                done.append(line)
                continue
            taken = [line]
            while taken[-1].endswith("\\") and lines:
                taken.append(lines.pop(0))
                text = text[:-1] + taken[-1].strip()
            indent = line[: len(line) - len(line.lstrip())]
            code = self.line_magic(text)
            if code is not None:
                taken = [indent + code]
            else:
                taken = [indent + _comment_line(part.strip()) for part in taken]
                if indent:  # it may be all that a block has
                    taken[0] = f"{indent}pass  {taken[0].strip()}"
            done += taken
        return self.checked("\n".join(done), first)

    def checked(self, code: str, first: int) -> str:
        """The code of a cell if it compiles, else as comments with a note."""
        try:
            compile(parse(code), "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (RecursionError, MemoryError):
            self.note("blocked", TOO_DEEP)
            return _commented(code)
        except (SyntaxError, ValueError) as error:
            line, reason = (error.lineno, error.msg) if isinstance(error, SyntaxError) else (1, str(error))
            self.unparsed.append(f"{self.place} line {first + (line or 1) - 1}")
            self.note("blocked", f"not Python 3 ({reason}): fix the cell or empty it", first + (line or 1) - 1)
            return _commented(code)
        try:
            compile(code, "cell", "exec", dont_inherit=True)
        except SyntaxError as error:
            fix = "put it into `async def work()`, then asyncio.run(work())"
            self.note(
                "blocked", f"await outside of a function is for notebooks: {fix}", first + (error.lineno or 1) - 1
            )
            return _commented(code)
        return code

    def cell_magic(self, lines: list[str], first: int) -> str:
        name, _, rest = lines[0][2:].strip().partition(" ")
        body = "\n".join(lines[1:])
        if name in CELL_WRAPPERS:
            words = [word for word in rest.split() if not word.startswith("-")]
            if name == "capture" and words:
                self.leave_out(f"%%capture {words[0]}", {words[0]})
            code = self.cell(body, first + 1)
            setup = _after_options(rest, WRAPPERS["timeit"]) if name == "timeit" else ""
            return f"{setup}\n{code}" if setup and parses(setup) else code
        if name in ("writefile", "file") and self.target:
            self.note("changed", f"%%writefile {self.target} is a file beside the script")
            return ""
        if name in HARMLESS:
            self.harmless.add(f"%%{name}")
        else:
            makes = set(rest.split()[:1]) if rest.split()[1:2] == ["<<"] else set()  # %%sql table << select ...
            if name == "R":
                makes = {made for value in _values(rest.split(), "-o") for made in value.split(",")}
            self.leave_out(f"%%{name}", makes)
        return _commented("\n".join(lines))

    def line_magic(self, text: str) -> str | None:
        """The code that stands for a statement only IPython understands, or None."""
        target, _, right = text.partition("=")
        target, right = target.strip(), right.strip()
        if text[0] not in "%!?" and right[:1] in ("%", "!"):
            name, _, rest = right[1:].partition(" ")
            if right[0] == "%" and name == "env" and rest.strip().isidentifier():
                self.imports_os = True
                return f'{target} = os.environ["{rest.strip()}"]'
            self.leave_out(f"`{target} = {right.split()[0]}`", bound([f"{target} = 0"]))
            return None
        if text[0] == "?" or text[-1] == "?":
            self.harmless.add("?")
            return None
        is_magic = text[0] != "!"
        command = text.lstrip("%!").strip()
        name, _, rest = command.partition(" ")
        if self.installs(command):
            return None
        if is_magic and name in WRAPPERS and parses(code := _after_options(rest, WRAPPERS[name])):
            return code or None
        if is_magic and name in ("env", "set_env") and not {"{", "$"} & set(rest):
            variable, _, value = (part.strip() for part in rest.strip().partition("=" if "=" in rest else " "))
            if variable.isidentifier() and value:
                self.imports_os = True
                return f"os.environ[{variable!r}] = {value!r}"
        if is_magic and name == "run" and (code := _run_as_script(rest)):
            self.runs_scripts = True
            return code
        if is_magic and name in HARMLESS:
            self.harmless.add(f"%{name}")
        elif name in LOOKS and not {*"|>;&"} & set(rest):
            self.harmless.add(f"{text[0]}{name}")
        elif is_magic and name == "cd":
            self.note("decide", "%cd is left out: a job begins in the folder of its code, so fix the paths that follow")
        else:
            self.leave_out(f"`{text[0] if text[0] in '%!' else '%'}{name}`", set())
        return None

    def leave_out(self, what: str, makes: set[str]) -> None:
        self.left_out.append(_LeftOut(self.place, what, makes))

    def installs(self, command: str) -> bool:
        """Whether a command installs packages: those are taken over into the requirements."""
        lexer = shlex.shlex(command, posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        lexer.commenters = ""  # git+https://...#egg=name is none
        try:
            words = list(lexer)
        except ValueError:  # a quotation mark without its second
            words = command.split()
        if words[1:2] == ["-m"] and ("python" in words[0] or words[0] == "{sys.executable}"):
            words = words[2:]
        elif words[:1] in (["uv"], ["sudo"]):
            words = words[1:]
        if not words or words[0] not in INSTALLERS or "install" not in words[1:3]:
            return False
        ends = [
            at for at, word in enumerate(words) if set(word) <= set("&|;") or word.lstrip("12").startswith((">", "#"))
        ]
        end = ends[0] if ends else len(words)
        conda = words[0] not in ("pip", "pip3")
        asked, told = _packages(words[words.index("install") + 1 : end])
        for package in asked:
            written = _conda(package) if conda else package
            if not _installable(written):
                told.append(package)
            elif written not in self.out.requirements:
                self.out.requirements.append(written)
                self.note("taken", f"the package {written}")
        if told:
            self.note("decide", f"{', '.join(told)} of an install line is not taken over: see to train-conda.yml")
        return True

    def names(self, codes: dict[int, str], gone: dict[str, str]) -> None:
        """Say what is left out, and block when the code needs what that made. `gone` has names of dropped imports."""
        made = bound(codes.values())
        known = {*made, *dir(builtins), "__file__"} | ({"os"} if self.imports_os else set())
        known |= {"runpy", "sys"} if self.runs_scripts else set()
        missing: dict[str, str] = {}
        for number, code in codes.items():
            for node in ast.walk(parse(code)):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known:
                    missing.setdefault(node.id, f"{self.name} cell {number} line {node.lineno}")
        for item in self.left_out:
            self.place = item.where
            if used := sorted(item.makes & missing.keys()):
                self.note(
                    "blocked",
                    f"{item.what} is left out, and `{used[0]}` ({missing[used[0]]}) needs it: write it in Python",
                )
            else:
                self.note("decide", f"{item.what} is left out: write it in Python, if the training needs it")
        if "*" in made or self.runs_scripts:  # a script that is run may make any name
            return
        for name in sorted(missing.keys() - {name for item in self.left_out for name in item.makes}):
            self.place = missing[name]
            causes = [
                item.what for item in self.left_out if not item.makes and not item.what.strip("`%").startswith(SHELLS)
            ]
            if name in gone:
                self.note("blocked", f"`{name}` of {gone[name]} works in a notebook only: do without it")
            elif causes:
                self.note("blocked", f"no cell makes `{name}`, and {causes[0]} is left out: make it in Python")
            else:
                self.note("decide", f"no cell makes `{name}`: without it the script stops here")


def _run_as_script(rest: str) -> str:
    """What `%run SCRIPT ARGUMENTS` does: the script runs as the main one, and its names are the notebook's; else ""."""
    try:
        words = shlex.split(rest)
    except ValueError:  # a quotation mark without its second
        return ""
    words = words[1:] if words[:1] in (["-i"], ["-e"]) else words
    if not words or not words[0].endswith(".py") or {"{", "$"} & set(rest):
        return ""
    return f"sys.argv[:] = {words}; globals().update(runpy.run_path(sys.argv[0], run_name='__main__'))"


def parse(code: str) -> ast.Module:
    """The syntax tree of a cell, which may await. Raises SyntaxError or ValueError."""
    with warnings.catch_warnings():  # of escapes and the like, which are the code's own affair
        warnings.simplefilter("ignore")
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(code, "cell", "exec", flags, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def parses(code: str) -> bool:
    try:
        parse(code)
    except UNREADABLE:  # ValueError: NUL and lone surrogates
        return False
    return True


def bound(codes: Iterable[str], without: tuple[str, ...] = ()) -> set[str]:
    """All names that the code binds in any scope; "*" when it imports names that are not told.

    What it imports from a module below one of `without` does not count.
    """
    names: set[str | None] = set()
    ignored: set[int] = set()
    trees = [parse(code) for code in codes]  # kept, so that an id stays one node's own
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
            case ast.ImportFrom(module=str(module)) if f"{module}.".startswith(tuple(f"{name}." for name in without)):
                ignored.update(map(id, node.names))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler():
                names.add(node.name)
            case ast.MatchAs() | ast.MatchStar():
                names.add(node.name)
            case ast.MatchMapping():
                names.add(node.rest)
            case ast.arg():
                names.add(node.arg)
            case ast.alias() if id(node) not in ignored:
                names.add(node.asname or node.name.split(".")[0])
    return {name for name in names if name}


def _magic(line: str) -> str:
    """The line without its blanks if it may be one that only IPython understands, else ""."""
    text = line.strip()
    first, _, rest = text.partition(" ")
    target, _, right = text.partition("=")
    shells_out = right.strip()[:1] in ("%", "!") and bool(right.strip()) and parses(f"{target.strip()} = 0")
    typed = first in AUTOMAGIC and (rest[:1].isalnum() or rest[:1] in tuple("-./~")) and not parses(text)
    asks = text.endswith("?") and "#" not in text and not set("'\"") & set(text)
    return text if text and (text[0] in "%!?" or shells_out or typed or asks) else ""


def _begins_statement(before: list[str], line: str) -> bool:
    """Whether a statement may begin at `line`: it is in no string, brackets or continued line."""
    indent = line[: len(line) - len(line.lstrip())]
    text = "\n".join([*before, f"{indent}MAGIC\n"])
    seen: list[tokenize.TokenInfo] = []
    try:
        seen = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):  # open brackets or strings; an indent of no block
        return False
    at = next(
        (at for at, token in enumerate(seen) if token.string == "MAGIC" and token.start[0] == len(before) + 1), None
    )
    if at is None:
        return False
    breaks = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
    return at == 0 or seen[at - 1].type in breaks


def _after_options(rest: str, options: str) -> str:
    """The statement behind a magic's options."""
    try:
        return " ".join(getopt.getopt(rest.strip().split(" "), options)[1]).strip()
    except getopt.GetoptError:
        return rest.strip()


def _values(words: list[str], flag: str) -> list[str]:
    return [value for option, value in pairwise(words) if option == flag]


def _packages(words: list[str]) -> tuple[list[str], list[str]]:
    """The packages that an install line names, and what else of it its owner has to know."""
    asked: list[str] = []
    told: list[str] = []
    left = iter(words)
    for word in left:
        flag, equals, value = word.partition("=")
        if word.startswith("-") and flag in (*TOLD, *VALUED):
            value = value if equals else next(left, "")
            if flag in ("-e", "--editable") and _installable(value):
                asked.append(value)
            elif flag in TOLD:  # an address may hold a password
                told.append(flag if "://" in value else f"{flag} {value}")
        elif not word.startswith("-"):
            asked.append(word)
    return asked, told


def _installable(text: str) -> bool:
    if text.startswith(("git+", "https://")):
        return "@" not in text.partition("://")[2].partition("/")[0]  # a user and a password
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return not text.endswith((".whl", ".gz", ".zip", ".txt"))


def _conda(package: str) -> str:
    """Conda's numpy=1.16 as pip writes it."""
    name, equals, version = package.rpartition("::")[2].partition("=")
    if not equals or name[-1:] in "<>!~" or version.startswith("="):
        return name + equals + version
    return f"{name}=={version.partition('=')[0].removesuffix('.*').removesuffix('*')}.*"


def _take_title(cells: list[Any]) -> str:
    """The heading the notebook begins with, which leaves its cell."""
    if not cells or cells[0].cell_type != "markdown":
        return ""
    first, _, rest = cells[0].source.strip().partition("\n")
    title = first.strip("# \t\r") if first.startswith("#") else ""
    if not title:
        return ""
    cells[0].source = rest
    return _quoted(title if title[-1] in ".?!" else f"{title}.")


def _quoted(text: str) -> str:
    """A text that may stand between three quotation marks."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "").replace("\r", " ")
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _comment(markdown: str) -> list[str]:
    """Text as comments; pictures in it are left out."""
    clean = markdown.encode("utf-8", "replace").decode("utf-8").replace("\0", "").strip()
    lines = [line for line in clean.replace("\r", "\n").split("\n") if "data:image" not in line]
    wrapped = [part for line in lines for part in (textwrap.wrap(line, 118) or [""])]
    return [f"# {part}".rstrip() for part in wrapped] if clean else []


def _commented(code: str) -> str:
    return "\n".join(_comment_line(line) for line in code.encode("utf-8", "replace").decode("utf-8").split("\n"))


def _comment_line(line: str) -> str:
    """A comment, without the user and password of an address."""
    return re.sub(r"://[^/\s@]*@", "://", f"# {line}".rstrip().replace("\0", ""))
