"""Options of a script: how an input of the job reaches the code. sdk.py and contract.py both add them here."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import libcst as cst

from aml.adopt import DataInput, input_name
from aml.adopt.python import flags
from aml.adopt.python.edits import add_import, imports_end, insert, space
from aml.adopt.python.flags import Option
from aml.adopt.python.syntax import UNPARSED, Key, Tree, expression, free, literal, quoted

# Packages that read the command line, and refuse options that they do not know.
READERS = ("absl", "click", "docopt", "fire", "hydra", "simple_parsing", "tap", "typer", "tyro")


@dataclass(frozen=True)
class Wanted:
    """An option that the code should get: its name, and the literal that it replaces or None."""

    name: str
    default: cst.BaseExpression | None = None
    help: str = ""


class Parsers:
    """The argparse parsers of a module, and the variables that hold what they read; its options, of any package."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.parsers: dict[Key, cst.CSTNode] = {}  # with the node that names them
        for target, value in tree.assigned():
            made = isinstance(value, cst.Call) and tree.qualified(value.func) == "argparse.ArgumentParser"
            if made and isinstance(target, cst.Name) and (key := tree.key(target)):
                self.parsers[key] = target
        self.parameters = dict(flags.parameters(tree))
        self.absl = flags.absl(tree)
        self.read: dict[Key, tuple[Key, cst.CSTNode]] = {}  # variable: its parser, and where it gets its value
        self._factories: dict[str, Key] = {}
        self._find()

    def options(self) -> list[Option]:
        """All options of the module."""
        return [*self._added(), *self.parameters.values(), *self.absl.values()]

    def option(self, node: cst.CSTNode | None) -> Option | None:
        """The option whose value an expression is."""
        if isinstance(node, cst.Name):
            key = self.tree.key(node)
            return self.parameters.get(key) if key else None
        if not isinstance(node, cst.Attribute):
            return None
        if self.of(node.value):
            return self.by_dest.get(node.attr.value)
        return self.absl.get(node.attr.value) if flags.is_absl(self.tree, node) else None

    @cached_property
    def by_dest(self) -> dict[str, Option]:
        """The options by the names that the code has for them."""
        return {option.dest: option for option in self.options()}

    def _added(self) -> Iterator[Option]:
        for call in self.tree.all(cst.Call):
            if isinstance(call.func, cst.Attribute) and call.func.attr.value == "add_argument":
                named = {arg.keyword.value: arg.value for arg in call.args if arg.keyword}
                flags = [literal(arg.value) for arg in call.args if not arg.keyword and not arg.star]
                names = [flag for flag in flags if flag]
                if names:
                    long = next((flag for flag in names if flag.startswith("--")), names[0])
                    dest = literal(named.get("dest")) or long.lstrip("-").replace("-", "_")
                    kind = getattr(named.get("type"), "value", "")
                    flag = long if long.startswith("-") else ""
                    action, nargs = literal(named.get("action")), literal(named.get("nargs"))
                    needed = getattr(named.get("required"), "value", "") == "True"
                    needed = needed or (not flag and nargs not in ("?", "*") and "default" not in named)
                    yield Option(
                        call, flag, dest, named.get("default"), kind if isinstance(kind, str) else "", (*names,),
                        "action" not in named or action in ("store", "append", "extend"), needed, "nargs" in named,
                    )  # fmt: skip

    def _find(self) -> None:
        count = -1
        while count != len(self.read) + len(self._factories):
            count = len(self.read) + len(self._factories)
            for target, value in self.tree.assigned():
                if isinstance(target, cst.Tuple) and target.elements:
                    target = target.elements[0].value
                if isinstance(target, cst.Name) and (parser := self.of(value)):
                    self._bind(target, parser, target)
            for call in self.tree.all(cst.Call):
                for param, value in self.tree.parameters(call):
                    if parser := self.of(value):
                        self._bind(param.name, parser, param)
            for node in self.tree.all(cst.Return):
                function = self.tree.around(node, cst.FunctionDef)
                if node.value and function and (parser := self.of(node.value)):
                    self._factories.setdefault(function.name.value, parser)

    def _bind(self, name: cst.Name, parser: Key, where: cst.CSTNode) -> None:
        if key := self.tree.key(name):
            self.read.setdefault(key, (parser, where))

    def of(self, node: cst.CSTNode) -> Key | None:
        """The parser whose result an expression is, or None."""
        if isinstance(node, cst.Subscript):
            return self.of(node.value)
        if isinstance(node, cst.Name):
            key = self.tree.key(node)
            return self.read[key][0] if key in self.read else None
        if not isinstance(node, cst.Call):
            return None
        if isinstance(node.func, cst.Attribute) and isinstance(node.func.value, cst.Name):
            key = self.tree.key(node.func.value)
            parses = node.func.attr.value in ("parse_args", "parse_known_args")
            return key if parses and key in self.parsers else None
        return self._factories.get(str(getattr(node.func, "value", "")))

    def reach(self, node: cst.CSTNode) -> tuple[Key, str] | None:
        """The parser, and the name of the variable, whose options an expression at this place can use."""
        scope = self.tree.scopes.get(node) or self.tree.scopes.get(self.tree.around(node, cst.BaseExpression))
        for (home, name), (parser, where) in self.read.items():
            found = list(scope[name]) if scope else []
            if found and found[0].scope is home and (scope is not home or self._before(where, node)):
                return parser, name
        return None

    def _before(self, where: cst.CSTNode, node: cst.CSTNode) -> bool:
        if isinstance(where, cst.Param):
            return True
        start, use = self.tree.positions[where].end, self.tree.positions[node].start
        block = self.tree.around(where, cst.Module, cst.IndentedBlock, cst.SimpleStatementSuite)
        return (start.line, start.column) < (use.line, use.column) and block in self.tree.up(node)


def options_of(text: str) -> list[Option]:
    """The options of a script; none where the text does not parse."""
    try:
        return Parsers(Tree(text)).options()
    except UNPARSED:
        return []


def values(options: Sequence[Option], words: Sequence[str]) -> dict[int, Option]:
    """Which words of a command are values of options, by their places; what follows an unknown flag is its value."""
    flagged = {name: option for option in options for name in option.names if option.flag}
    positional = [option for option in options if not option.flag]
    found: dict[int, Option] = {}
    before = ""
    for at, word in enumerate(words):
        option = flagged.get(before)
        if re.match(r"--?[A-Za-z]", word):
            before = "" if "=" in word else word
        elif before and (option is None or option.takes_value):
            found |= {at: option} if option else {}
            before = ""
        elif positional:
            found[at] = positional[0]
            before = ""
            positional = positional if positional[0].many else positional[1:]
    return found


class Options:
    """Options to add to a module, and the expressions that stand for them. Made before the tree is changed."""

    def __init__(self, tree: Tree, wanted: Mapping[cst.CSTNode, Wanted], is_entry: bool) -> None:
        self.is_entry = is_entry
        self.flags: dict[str, str] = {}  # of each name
        self.uses: dict[cst.CSTNode, str] = {}  # the name that each place uses
        self._wanted: dict[str, Wanted] = {}
        self._parser: dict[str, int] = {}  # the ordinal of the parser that gets the option; none: a block does
        self._variables: dict[cst.CSTNode, str] = {}
        parsers = Parsers(tree)
        self.parsers = parsers
        self._taken = {option.dest for option in parsers.options()}
        reached: dict[str, list[tuple[Key, str] | None]] = {}
        for node, want in wanted.items():
            name = self._name(want)
            place = parsers.reach(node) if is_entry else None
            self.uses[node] = name
            reached.setdefault(name, []).append(place)
            self._variables[node] = place[1] if place else ""
        for name, places in reached.items():
            homes = {place[0] if place else None for place in places}
            if len(homes) == 1 and (home := homes.pop()):
                self._parser[name] = list(parsers.parsers).index(home)
        unused = free(tree.module, "parser", "input_parser"), free(tree.module, "args", "inputs", "input_args")
        self._block_parser, self._block_args = unused

    def _name(self, want: Wanted) -> str:
        base = input_name(want.name)
        name, number = base, 1
        while name in self._taken or (name in self._wanted and self._wanted[name] != want):
            number += 1
            name = f"{base}_{number}"
        self._wanted[name] = want
        self.flags[name] = "--" + name.replace("_", "-").strip("-")
        return name

    def expression(self, node: cst.CSTNode) -> cst.BaseExpression:
        """What stands for the option at a place that was given to the constructor."""
        name = self.uses[node]
        variable = self._variables[node] if name in self._parser else self._block_args
        return expression(f"{variable}.{self.flags[name].lstrip('-').replace('-', '_')}")

    def apply(self, module: cst.Module) -> cst.Module:
        """The module with its options: beside those of its parser, or in a block after the imports."""
        for number in sorted(set(self._parser.values())):
            lines = [name for name in self._wanted if self._parser.get(name) == number]
            module = _declare(module, number, lambda parser, lines=lines: [self._line(name, parser) for name in lines])
        block = [name for name in self._wanted if name not in self._parser]
        if not block:
            return module
        lines = [self._line(name, self._block_parser) for name in block]
        return _block(module, self._block_parser, self._block_args, lines, self.is_entry)

    def _line(self, name: str, parser: str) -> str:
        want = self._wanted[name]
        default = f"default={cst.Module([]).code_for_node(want.default)}" if want.default else ""
        needed = default or ("required=True" if self.is_entry else "")
        words = [quoted(self.flags[name]).value, needed, f"help={quoted(want.help.replace('%', '%%')).value}"]
        return f"{parser}.add_argument({', '.join(word for word in words if word)})\n"


def _block(module: cst.Module, parser: str, args: str, lines: list[str], takes: bool) -> cst.Module:
    """The module with a parser of its own after the imports, which takes its options off the command line or not."""
    read = f"{args}, _ = {parser}.parse_known_args()"
    if takes:
        read = f"{args}, sys.argv[1:] = {parser}.parse_known_args()  # leaves what is not its own"
    made = f"\n{parser} = argparse.ArgumentParser(allow_abbrev=False)\n"
    at = imports_end(module)
    module = space(insert(module, at, "".join([made, *lines, read, "\n"])), at + len(lines) + 2)
    module = add_import(module, "import argparse")
    return add_import(module, "import sys") if takes else module


def _declare(module: cst.Module, number: int, lines: Any) -> cst.Module:
    """The module with lines after the last add_argument of its parser with this ordinal."""
    tree = Tree(module.code)
    parsers = Parsers(tree)
    key, made = list(parsers.parsers.items())[number]
    anchor = tree.around(made, cst.SimpleStatementLine)
    block = tree.parents[anchor]
    for option in parsers.options():
        func = option.call.func if isinstance(option.call, cst.Call) else None
        owner = func.value if isinstance(func, cst.Attribute) else None
        line = tree.around(option.call, cst.SimpleStatementLine)
        if isinstance(owner, cst.Name) and tree.key(owner) == key and tree.parents[line] is block:
            anchor = line
    new = cst.parse_module("".join(lines(key[1])), config=tree.module.config_for_parsing).body

    class Insert(cst.CSTTransformer):
        def leave_SimpleStatementLine(
            self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
        ) -> Any:
            return cst.FlattenSentinel([updated_node, *new]) if original_node is anchor else updated_node

    return tree.module.visit(Insert())


def declare(text: str, inputs: Iterable[DataInput]) -> str:
    """The entry script's text, which lets the options pass that its other modules read.

    Its argparse parser knows them as well; before another reader of the command line they are taken out. Where there is
    neither, or the options are known, the text comes back as it is.
    """
    try:
        tree = Tree(text)
    except UNPARSED:
        return text
    parsers = Parsers(tree)
    known = {option.flag for option in parsers.options()}
    new = sorted({entry.flag for entry in inputs if entry.flag} - known)
    told = 'help="data, read in another module"'
    if new and parsers.parsers:
        lines = [f'.add_argument("{flag}", {told})\n' for flag in new]
        return _declare(tree.module, 0, lambda parser: [parser + line for line in lines]).code
    imported = {str(name).partition(".")[0] for name in re.findall(r"(?m)^\s*(?:import|from)\s+(\w+)", text)}
    if not new or not imported & set(READERS):
        return text
    parser = free(tree.module, "parser", "input_parser")
    lines = [f'{parser}.add_argument("{flag}", {told})\n' for flag in new]
    return _block(tree.module, parser, "_", lines, True).code
