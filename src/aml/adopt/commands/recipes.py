"""What make and just run: the recipes of a Makefile or a justfile, and their variables."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aml.adopt.commands.shell import joined
from aml.adopt.tree import text_of

ASSIGNMENT = re.compile(r"(?P<export>export\s+)?(?P<name>\w+)\s*(?P<how>\?|:{0,3}|\+)=\s*(?P<value>.*)")
RULE = re.compile(
    r"@?(?P<names>[\w./%$() -]+?)(?P<given>(?:\s+[+*]?\w+\s*=\s*(?:'[^']*'|\"[^\"]*\"|\S+))*)\s*::?(?!=)(?P<rest>.*)"
)
MAKE = re.compile(r"\$\((\w+)\)|\$\{(\w+)\}|\$([@<^])|\$(\w)|\{\{\s*(\w+)\s*\}\}")


@dataclass
class Recipes:
    """A Makefile or a justfile."""

    lines: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # of each target
    needs: dict[str, list[str]] = field(default_factory=dict)  # prerequisites
    own: dict[str, dict[str, str]] = field(default_factory=dict)  # variables of one target
    values: dict[str, str] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    first: list[str] = field(default_factory=list)  # the target of make alone

    @classmethod
    def of(cls, text: str, folder: Path, depth: int = 0) -> "Recipes":
        """Read the text; `folder` is where the files lie that it includes."""
        found = cls()
        targets: list[str] = []
        branches = 0
        for number, line in joined(text):
            if line[:1] in ("\t", " ") and targets and line.strip():
                for target in targets:
                    found.lines[target].append((number, re.sub(r"^[@+-]+", "", line.strip())))
                continue
            plain = re.sub(r"(^|\s)#.*", "", line).strip()
            if included := re.fullmatch(r"(?:-|s)?include\s+(\S+)", plain):
                inner = cls.of(text_of(folder / included[1]), folder, depth + 1) if depth < 5 else cls()
                found.values |= inner.values
                found.exported |= inner.exported
            elif re.fullmatch(r"export|set export(\s*:=\s*true)?", plain):
                found.exported.add("*")
            elif condition := re.match(r"(ifn?eq|ifn?def|endif)\b", plain):
                branches += -1 if condition[1] == "endif" else 1
            elif match := ASSIGNMENT.fullmatch(plain):
                before = found.values.get(match["name"])
                found._assign(match, found.values)
                if branches and before not in (None, found.values[match["name"]]):
                    del found.values[match["name"]]  # another one in each branch
            elif match := re.fullmatch(r"export\s+([\w ]+)", plain):
                found.exported.update(match[1].split())
            elif plain and (match := RULE.fullmatch(plain)):
                rest, _, inline = match["rest"].partition(";")
                targets = match["names"].split()
                assignment = ASSIGNMENT.fullmatch(rest.strip())
                for target in targets:
                    found.lines.setdefault(target, [])
                    found.needs.setdefault(target, [])
                    own = found.own.setdefault(target, {})
                    own |= {
                        name: value.strip("\"'")
                        for name, value in re.findall(r"(\w+)\s*=\s*('[^']*'|\"[^\"]*\"|\S+)", match["given"])
                    }
                    if assignment:
                        found._assign(assignment, own)
                    else:
                        found.needs[target] += rest.replace("|", " ").split()
                        found.lines[target] += [(number, inline.strip())] if inline.strip() else []
                if not found.first and targets and not targets[0].startswith("."):
                    found.first = targets[:1]
        return found

    def _assign(self, match: "re.Match[str]", into: dict[str, str]) -> None:
        name, value = match["name"], match["value"].strip()
        value = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
        if match["how"] == "+":
            value = f"{into.get(name, self.values.get(name, ''))} {value}".strip()
        if match["how"] != "?" or name not in self.values:
            into[name] = value
        if match["export"]:
            self.exported.add(name)

    def order(self, *targets: str, known: Sequence[str] = ()) -> list[str]:
        """The targets and all that they need, in the order in which make makes them; `known` are made already."""
        found: list[str] = [*known]
        for target in targets:
            if target in self.lines and target not in found:
                found = [*self.order(*self.needs[target], known=[*found, target]), target]
                found.remove(target)  # it stood there so that a circle has an end
        return found

    def variables(self, target: str, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """The variables of a target, and those among them that the environment of its recipe has."""
        values = {"CURDIR": ".", **self.values, **self.own.get(target, {}), **given}
        names = values if "*" in self.exported else {*self.exported, *given} & values.keys()
        return values, {name: self.expand(values[name], values) for name in names}

    def expand(self, text: str, values: Mapping[str, str], depth: int = 0) -> str:
        """The text with the variables that are known; the others stay as they are."""

        def value(found: "re.Match[str]") -> str:
            name = next(filter(None, found.groups()))
            if name not in values or depth > 9:
                return found[0]
            return self.expand(values[name], values, depth + 1)

        parts = re.split(r"\$\$", text)
        return "$".join(MAKE.sub(value, part) for part in parts)
