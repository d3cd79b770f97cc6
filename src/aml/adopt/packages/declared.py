"""The packages that a file asks for, each as pip writes it."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from aml.adopt import Note

REPOSITORY = re.compile(r"(git|hg|svn|bzr)\+")


def key_of(requirement: Requirement) -> str:
    """The name of a package, as indexes compare it."""
    return str(canonicalize_name(requirement.name))


@dataclass(frozen=True)
class Entry:
    """A package that a file asks for."""

    requirement: Requirement
    where: str

    @property
    def key(self) -> str:
        """The name of the package, as indexes compare it."""
        return key_of(self.requirement)


@dataclass
class Declared:
    """What one file asks for."""

    where: str
    entries: list[Entry] = field(default_factory=list)
    python: str = ""  # a specifier such as "==3.6.*"
    options: list[str] = field(default_factory=list)  # --extra-index-url …
    constraints: list[Entry] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    frozen: bool = False  # it lists all that was installed, not what was asked for
    pythons: tuple[str, ...] = ()  # those that its markers are for, when these were written for some only

    def add(self, line: str, where: str) -> None:
        """Take a requirement as pip writes it, or say why not."""
        text = re.split(r"\s--?[a-z]", line)[0].strip()  # --hash and the like
        if REPOSITORY.match(text) or "://" in text.split("@")[0]:
            self._address(text, "", where)
            return
        if re.match(r"[./~\\]|\w:[\\/]", text) or re.search(
            r"[/\\]|\.(whl|zip|tar\.gz)$", re.split(r"[\[@;]", text)[0]
        ):
            self.local(text, where)
            return
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            self.note("decide", where, f"'{text}' cannot be read as a package and was left out: fix and add it")
            return
        if requirement.url:
            self._address(requirement.url, requirement.name, where)
        elif requirement.name == "pkg-resources":  # Debian's pip freeze
            self.note("changed", where, f"{text} left out: it is no package, but a part of setuptools")
        else:
            self.entries.append(Entry(requirement, where))

    def _address(self, url: str, name: str, where: str) -> None:
        fragment = urlsplit(url).fragment
        stem = re.sub(r"(\.git)?(@[^/@]*)?$", "", urlsplit(url).path).rsplit("/", 1)[-1]
        egg = re.search(r"egg=([\w.-]+)", fragment)
        name = name or (egg[1] if egg else stem.split("-")[0])
        if url.startswith("file:"):  # conda's builds, in the output of pip freeze
            self.entries.append(Entry(Requirement(name), where))
            self.note("changed", where, f"{name} came from a folder of one machine: taken from the package index")
        elif "ssh" in urlsplit(url).scheme or secret(url):
            self.note("decide", where, f"{name} comes from an address that needs a key, which a job has not: "
                      "left out; publish it to a feed, or copy its code into src/")  # fmt: skip
        else:
            try:
                requirement = Requirement(f"{name} @ {url.split('#', maxsplit=1)[0]}")
            except InvalidRequirement:
                self.note("decide", where, f"the package of '{url}' has no name: left out; add it as `name @ address`")
                return
            self.entries.append(Entry(requirement, where))
            self.note("taken", where, f"{name} is kept at its address, which was not asked")

    def local(self, text: str, where: str) -> None:
        if re.fullmatch(r"\.?[./\\]*(\[[\w,.-]*\])?", text):
            self.note("changed", where, f"'{text}' left out: the code itself is in src/")
        else:
            self.note("decide", where, f"'{text}' is a file of this machine and was left out: copy its code into src/, "
                      "or publish it to a feed")  # fmt: skip

    def note(self, kind: Any, where: str, text: str, code: str = "", subject: str = "") -> None:
        self.notes.append(Note(kind, where, text, code, subject))


def secret(url: str) -> bool:
    """Whether an address holds a credential, or a variable in place of one."""
    parts = urlsplit(url)
    return (
        "@" in parts.netloc and not (parts.username == "git" and not parts.password)
    ) or bool(re.search(r"\$\{|\b(sig|token|key|password)=", url, re.IGNORECASE))  # fmt: skip
