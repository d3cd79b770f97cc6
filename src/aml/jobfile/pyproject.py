"""The training packages as pyproject.toml repeats them, so that tests of the training code have them as well.

The file is read with tomllib and edited as text, so that its comments and order stay. An edit is verified by parsing
the new text: the rest of the data must be unchanged.
"""

import copy
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from aml.console import display_path
from aml.errors import FileError, Place

# The tokens of an array of strings: "strings" and 'strings', comments, brackets, commas and white space.
TOKEN = re.compile(r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|[\[\],]|\s+""")
BEGIN, END = re.compile(r"#\s*training\b", re.IGNORECASE), re.compile(r"#\s*tests\b", re.IGNORECASE)


class Entry(NamedTuple):
    """A string in an array of pyproject.toml, and where its quotes begin and end."""

    requirement: str
    start: int
    end: int


class PackageList(NamedTuple):
    """The array of pyproject.toml with the training packages.

    Attributes:
        keys: Its keys: project.dependencies, or the extra `training` where there is one.
        entries: Its strings; empty when their positions could not be found.
        begin: Where the comment above the training packages ends; -1 without one, and for the extra.
        removable: The entries between the two comments, which only the training needs.

    """

    keys: tuple[str, ...]
    entries: tuple[Entry, ...]
    begin: int
    removable: tuple[Entry, ...]


class Pyproject:
    """A pyproject.toml: its text, and its data. Raises UserError on invalid TOML."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        self.path, self.name = path, display_path(path)
        try:
            self.text = path.read_bytes().decode("utf-8") if text is None else text
            self.data = tomllib.loads(self.text.replace("\r\n", "\n"))
        except OSError as error:
            raise FileError(Place(self.name), str(error.strerror)) from None
        except UnicodeDecodeError as error:
            raise FileError(Place(self.name), f"not UTF-8 ({error.reason})", "save it as UTF-8") from None
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line (\d+)", str(error))
            raise FileError(Place(self.name, int(line[1]) if line else 1), f"not TOML: {error}") from None

    def line(self, position: int) -> int:
        """The line of a position in the text, counted from 1."""
        return self.text.count("\n", 0, position) + 1

    def package_list(self) -> PackageList | None:
        """The array with the training packages; None when the file has no list of dependencies."""
        for keys in (("project", "optional-dependencies", "training"), ("project", "dependencies")):
            values = _at(self.data, keys)
            if isinstance(values, list) and all(isinstance(value, str) for value in values):
                return self._locate(keys, values)
        return None

    def _locate(self, keys: tuple[str, ...], values: list[str]) -> PackageList:
        for found in re.finditer(rf"^[ \t]*(?:[\w-]+\.)*{keys[-1]}[ \t]*=[ \t]*\[", self.text, re.MULTILINE):
            entries, comments = self._scan(found.end())
            above = re.findall(r"^[ \t]*\[([^\[\]\n]+)\]", self.text[: found.start()], re.MULTILINE)
            table = above[-1].strip() if above else ""
            key = found[0].partition("=")[0].strip()
            if f"{table}.{key}".strip(".") != ".".join(keys) or [entry.requirement for entry in entries] != values:
                continue
            if keys[-1] == "training":
                return PackageList(keys, tuple(entries), -1, tuple(entries))
            begin = next((end for text, end in comments if BEGIN.match(text)), -1)
            after = next((end for text, end in comments if END.match(text) and end > begin), -1)
            is_marked = begin >= 0 and after >= 0
            removable = tuple(entry for entry in entries if is_marked and begin < entry.start < after)
            return PackageList(keys, tuple(entries), begin, removable)
        return PackageList(keys, (), -1, ())

    def _scan(self, position: int) -> tuple[list[Entry], list[tuple[str, int]]]:
        """The strings and the comments, each with its end, of the array whose bracket opened before `position`."""
        entries: list[Entry] = []
        comments: list[tuple[str, int]] = []
        while (token := TOKEN.match(self.text, position)) and token[0] not in "[]":
            if token[0][0] in "\"'":
                try:
                    entries.append(Entry(tomllib.loads(f"x = {token[0]}")["x"], token.start(), token.end()))
                except tomllib.TOMLDecodeError:
                    break
            elif token[0][0] == "#":
                comments.append((token[0], token.start() + len(token[0].rstrip())))
            position = token.end()
        return entries, comments

    def update(self, packages: PackageList, wanted: Iterable[str]) -> str:
        """The text of the file with the training packages `wanted`: replaced, added and removed as needed.

        Raises UserError, which says why, when that cannot be done without changing anything else.
        """
        wanted = list(wanted)
        known = {canonical_name(entry.requirement): entry for entry in packages.entries}
        names = [canonical_name(entry.requirement) for entry in packages.entries]
        by_hand = f"repair it by hand: the training packages are {', '.join(wanted)}"
        if not packages.entries:
            raise FileError(Place(self.name), f"{'.'.join(packages.keys)} cannot be edited safely", by_hand)
        wanted_names = [canonical_name(requirement) for requirement in wanted]
        if duplicates := [name for name in wanted_names if names.count(name) > 1 or wanted_names.count(name) > 1]:
            raise FileError(Place(self.name), f"{duplicates[0]} is listed more than once", by_hand)
        edits: list[tuple[int, int, str]] = []
        before: Entry | None = None
        missing: list[str] = []
        for requirement in wanted:
            entry = known.get(canonical_name(requirement))
            if entry is None:
                missing.append(requirement)
                continue
            if not is_same_requirement(entry.requirement, requirement):
                edits.append((entry.start, entry.end, json.dumps(requirement)))
            if missing:
                edits += self._insert(missing, before, entry, packages.begin)
                missing = []
            before = entry
        if missing and before is None and packages.begin < 0:
            raise FileError(Place(self.name), f"{'.'.join(packages.keys)} has none of the training packages", by_hand)
        if missing:
            edits += self._insert(missing, before, None, packages.begin)
        edits += [
            self._remove(entry) for entry in packages.removable if canonical_name(entry.requirement) not in wanted_names
        ]
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        self._verify_edit(text, packages, wanted, by_hand)
        return text

    def _insert(
        self, requirements: list[str], before: Entry | None, after: Entry | None, begin: int
    ) -> list[tuple[int, int, str]]:
        """The edits that add requirements: after `before`, the comment that ends at `begin`, or before `after`."""
        texts = [json.dumps(requirement) for requirement in requirements]
        if before is None and begin < 0:
            assert after is not None  # noqa: S101  # update() refuses a list without any of the packages
            gap = self._indent(after.start) if self._stands_alone(after) else " "
            return [(after.start, after.start, "".join(f"{text},{gap}" for text in texts))]
        if before is None:
            gap = self._indent(begin)
            return [(begin, begin, "".join(f"{gap}{text}," for text in texts))]
        if not self._stands_alone(before):
            return [(before.end, before.end, "".join(f", {text}" for text in texts))]
        gap = self._indent(before.start)
        rest = re.compile(r"[ \t]*(,?)[ \t]*(?:#[^\r\n]*)?").match(self.text, before.end)
        assert rest is not None  # noqa: S101  # the pattern matches nothing, too
        comma = [] if rest[1] else [(before.end, before.end, ",")]
        end = rest.end() - (len(rest[0]) - len(rest[0].rstrip()))
        # TOML allows a trailing comma.
        return [*comma, (end, end, "".join(f"{gap}{text}," for text in texts))]

    def _remove(self, entry: Entry) -> tuple[int, int, str]:
        """The edit that removes an entry: with its line if it is alone on it, else with its comma."""
        if self._stands_alone(entry):
            start = self.text.rfind("\n", 0, entry.start) + 1
            end = self.text.find("\n", entry.end) + 1
            return start, end, ""
        behind = re.compile(r"[ \t]*,[ \t]*").match(self.text, entry.end)
        return entry.start, behind.end() if behind else entry.end, ""

    def _stands_alone(self, entry: Entry) -> bool:
        """Whether the entry has its line to itself but for a comma and a comment."""
        start, end = self.text.rfind("\n", 0, entry.start) + 1, self.text.find("\n", entry.end)
        ahead, behind = self.text[start : entry.start], self.text[entry.end : end]
        return end >= 0 and not ahead.strip() and re.fullmatch(r"[ \t]*,?[ \t]*(#.*)?\r?", behind) is not None

    def _indent(self, position: int) -> str:
        """The end of a line and the indentation of the line at `position`."""
        start = self.text.rfind("\n", 0, position) + 1
        ending = "\r\n" if self.text[:start].endswith("\r\n") else "\n"
        return ending + self.text[start : len(self.text) - len(self.text[start:].lstrip(" \t"))]

    def _verify_edit(self, text: str, packages: PackageList, wanted: list[str], by_hand: str) -> None:
        """Raise UserError unless the new `text` has the packages `wanted`, and everything else as before."""
        removable = {entry.requirement for entry in packages.removable}
        others = [entry.requirement for entry in packages.entries if entry.requirement not in removable]
        names = {canonical_name(requirement) for requirement in wanted}
        kept = [requirement for requirement in others if canonical_name(requirement) not in names]
        try:
            changed = tomllib.loads(text.replace("\r\n", "\n"))
        except tomllib.TOMLDecodeError:
            changed = {}
        values = _at(changed, packages.keys)
        listed = [value for value in values if canonical_name(value) not in names] if isinstance(values, list) else None
        kept_packages = [value for value in values or [] if canonical_name(value) in names]
        before, after = copy.deepcopy(self.data), copy.deepcopy(changed)
        for data in (before, after):
            parent = _at(data, packages.keys[:-1])
            if isinstance(parent, dict):
                parent.pop(packages.keys[-1], None)
        agree = len(kept_packages) == len(wanted) and {normalize(one) for one in kept_packages} == {
            normalize(one) for one in wanted
        }
        if before != after or listed != kept or not agree:
            raise FileError(Place(self.name), f"{'.'.join(packages.keys)} cannot be edited safely", by_hand)


def _at(data: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def canonical_name(requirement: str) -> str:
    """The name of the package that a requirement asks for, as PEP 503 normalizes it."""
    found = re.match(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)", requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else requirement


def normalize(requirement: str) -> tuple[str, ...]:
    """A requirement in a form to compare, whatever spaces, order and case it is written in."""
    head, _, marker = requirement.partition(";")
    found = re.fullmatch(r"\s*[\w.-]+\s*(\[[^\]]*\])?\s*\(?(.*?)\)?\s*", head)
    extras, versions = (found[1] or "[]", found[2]) if found else ("", head)
    if not versions.startswith("@"):
        versions = ",".join(sorted(re.sub(r"\s", "", versions).split(",")))
    extra_names = sorted(re.sub(r"[-_.]+", "-", extra.strip()).lower() for extra in extras.strip("[]").split(","))
    marker = re.sub(r"\s", "", marker).replace("'", '"')
    return canonical_name(requirement), ",".join(extra_names), versions, marker


def is_same_requirement(a: str, b: str) -> bool:
    """Whether two requirements mean the same."""
    return normalize(a) == normalize(b)
