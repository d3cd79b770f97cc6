"""What IPython adds to Python in the cells of a notebook: converted, left out or blocked."""

import ast
import getopt
import io
import re
import shlex
import textwrap
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from aml.adopt import Note
from aml.adopt.notebooks.code import bound, parse, parses
from aml.adopt.notebooks.installs import INSTALLERS, packages
from aml.adopt.python.cells import WRAPPERS as CELL_WRAPPERS
from aml.adopt.python.closure import TOO_DEEP

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
# What IPython takes without the %, as far as notebooks have it.
AUTOMAGIC = (*INSTALLERS, "cat", "cd", "cp", "env", "load_ext", "ls", "matplotlib", "mkdir", "mv", "rm", "run", "time")
OS = "import os  # for %env"
RUNPY = "import runpy  # for %run\nimport sys"


@dataclass
class LeftOut:
    """What no Python stands for, and the names it makes as far as they are known."""

    where: str
    what: str
    makes: set[str]


class Magics:
    """Makes Python of the cells of one notebook, in their order."""

    def __init__(self, written: Mapping[int, str]) -> None:
        """`written`: the files that cells write, by the cells' numbers."""
        self.written = written
        self.notes: list[Note] = []
        self.requirements: list[str] = []
        self.left_out: list[LeftOut] = []
        self.harmless: set[str] = set()
        self.imports: set[str] = set()  # OS and RUNPY, where the code needs them
        self.unparsed: list[str] = []  # where cells are not Python 3
        self.place = ""  # the present cell
        self.number = 0

    def note(self, kind: Literal["taken", "changed", "decide", "blocked"], text: str, line: int | None = None) -> None:
        """Tell something of the present cell."""
        self.notes.append(Note(kind, f"{self.place} line {line}" if line else self.place, text, "notebook"))

    def leave_out(self, what: str, makes: set[str] | None = None) -> None:
        """Remember what is left out, and the names that it makes."""
        self.left_out.append(LeftOut(self.place, what, makes or set()))

    def cell(self, source: str, first: int = 1) -> str:
        """A cell as Python; its first line has the number `first`. What IPython adds is converted or commented out."""
        if not parses(source) and source.lstrip("\n")[:1] in (" ", "\t"):
            source = textwrap.dedent(source)  # as IPython does
        lines = source.split("\n")
        if parses(source):
            return self._checked(source, first)
        while len(lines) > 1 and not lines[0].strip():
            first += 1
            lines.pop(0)
        if lines[0].startswith("%%") and lines[0][2:3].isidentifier():
            return self._cell_magic(lines, first)
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
            code = self._line(text)
            if code is not None:
                taken = [indent + code]
            else:
                taken = [indent + comment_line(part.strip()) for part in taken]
                if indent:  # it may be all that a block has
                    taken[0] = f"{indent}pass  {taken[0].strip()}"
            done += taken
        return self._checked("\n".join(done), first)

    def _checked(self, code: str, first: int) -> str:
        """The code of a cell if it compiles, else as comments with a note."""
        try:
            compile(parse(code), "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (RecursionError, MemoryError):
            self.note("blocked", TOO_DEEP)
            return commented(code)
        except (SyntaxError, ValueError) as error:
            line, reason = (error.lineno or 1, error.msg) if isinstance(error, SyntaxError) else (1, str(error))
            self.unparsed.append(f"{self.place} line {first + line - 1}")
            self.note("blocked", f"not Python 3 ({reason}): fix the cell or empty it", first + line - 1)
            return commented(code)
        try:
            compile(code, "cell", "exec", dont_inherit=True)
        except SyntaxError as error:
            text = (
                "await outside of a function is for notebooks: put it into `async def work()`, then asyncio.run(work())"
            )
            self.note("blocked", text, first + (error.lineno or 1) - 1)
            return commented(code)
        return code

    def _cell_magic(self, lines: list[str], first: int) -> str:
        name, _, rest = lines[0][2:].strip().partition(" ")
        words = rest.split()
        if name in CELL_WRAPPERS:
            captured = [word for word in words if not word.startswith("-")]
            if name == "capture" and captured:
                self.leave_out(f"%%capture {captured[0]}", {captured[0]})
            code = self.cell("\n".join(lines[1:]), first + 1)
            setup = _after_options(rest, WRAPPERS["timeit"]) if name == "timeit" else ""
            return f"{setup}\n{code}" if setup and parses(setup) else code
        target = self.written.get(self.number, "")
        if name in ("writefile", "file") and target:
            self.note("changed", f"%%writefile {target} is a file beside the script")
            return ""
        if name in HARMLESS:
            self.harmless.add(f"%%{name}")
        elif name == "R":
            values = [value for option, value in pairwise(words) if option == "-o"]
            self.leave_out("%%R", {made for value in values for made in value.split(",")})
        else:
            self.leave_out(f"%%{name}", {*words[:1]} if words[1:2] == ["<<"] else set())  # %%sql table << select ...
        return commented("\n".join(lines))

    def _line(self, text: str) -> str | None:
        """The code that stands for a statement only IPython understands, or None."""
        target, _, right = (part.strip() for part in text.partition("="))
        if text[0] not in "%!?" and right[:1] in ("%", "!"):
            return self._assigned(target, right)
        if text[0] == "?" or text[-1] == "?":
            self.harmless.add("?")
            return None
        sign = "!" if text[0] == "!" else "%"
        command = text.lstrip("%!").strip()
        name, _, rest = command.partition(" ")
        if self._installs(command):
            return None
        converted = CONVERTED.get(name) if sign == "%" else None
        if converted and (code := converted(self, name, rest)) is not None:
            return code or None
        if sign == "%" and name in HARMLESS:
            self.harmless.add(f"%{name}")
        elif name in LOOKS and not {*"|>;&"} & set(rest):
            self.harmless.add(f"{text[0]}{name}")
        elif sign == "%" and name == "cd":
            self.note("decide", "%cd is left out: a job begins in the folder of its code, so fix the paths that follow")
        else:
            self.leave_out(f"`{sign}{name}`")
        return None

    def _assigned(self, target: str, right: str) -> str | None:
        """`target = %magic` and `target = !command`."""
        name, _, variable = right[1:].partition(" ")
        if right[0] == "%" and name == "env" and variable.strip().isidentifier():
            self.imports.add(OS)
            return f'{target} = os.environ["{variable.strip()}"]'
        self.leave_out(f"`{target} = {right.split(maxsplit=1)[0]}`", bound([f"{target} = 0"]))
        return None

    def _installs(self, command: str) -> bool:
        """Whether a command installs packages: those are taken over into the requirements."""
        found = packages(command)
        if found is None:
            return False
        asked, told = found
        for package in asked:
            if package not in self.requirements:
                self.requirements.append(package)
                self.note("taken", f"the package {package}")
        if told:
            self.note("decide", f"{', '.join(told)} of an install line is not taken over: see to train-conda.yml")
        return True

    # Line magics that Python stands for: "" where nothing is left, None where they are others after all

    def timed(self, name: str, rest: str) -> str | None:
        code = _after_options(rest, WRAPPERS[name])
        return code if parses(code) else None

    def env(self, _: str, rest: str) -> str | None:
        variable, _, value = (part.strip() for part in rest.strip().partition("=" if "=" in rest else " "))
        if {"{", "$"} & set(rest) or not variable.isidentifier() or not value:
            return None
        self.imports.add(OS)
        return f"os.environ[{variable!r}] = {value!r}"

    def run(self, _: str, rest: str) -> str | None:
        """The script runs as the main one, and its names are the notebook's."""
        try:
            words = shlex.split(rest)
        except ValueError:  # a quotation mark without its second
            return None
        words = words[1:] if words[:1] in (["-i"], ["-e"]) else words
        if not words or not words[0].endswith(".py") or {"{", "$"} & set(rest):
            return None
        self.imports.add(RUNPY)
        return f"sys.argv[:] = {words}; globals().update(runpy.run_path(sys.argv[0], run_name='__main__'))"


CONVERTED: dict[str, Callable[[Magics, str, str], str | None]] = {
    **dict.fromkeys(WRAPPERS, Magics.timed),
    "env": Magics.env,
    "set_env": Magics.env,
    "run": Magics.run,
}


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
    try:
        seen = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):  # open brackets or strings; an indent of no block
        return False
    breaks = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
    return any(
        token.string == "MAGIC" and token.start[0] == len(before) + 1 and (earlier is None or earlier.type in breaks)
        for earlier, token in zip([None, *seen], seen, strict=False)
    )


def _after_options(rest: str, options: str) -> str:
    """The statement behind a magic's options."""
    try:
        return " ".join(getopt.getopt(rest.strip().split(" "), options)[1]).strip()
    except getopt.GetoptError:
        return rest.strip()


def commented(code: str) -> str:
    """A text as comments."""
    return "\n".join(comment_line(line) for line in code.encode("utf-8", "replace").decode("utf-8").split("\n"))


def comment_line(line: str) -> str:
    """A comment, without the user and password of an address."""
    return re.sub(r"://[^/\s@]*@", "://", f"# {line}".rstrip().replace("\0", ""))
