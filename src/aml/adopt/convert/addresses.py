"""Addresses of files on GitHub that the source has itself: the code reads its own file."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import libcst as cst

from aml.adopt.convert.contract import Replace
from aml.adopt.python.syntax import UNPARSED, Tree, literal, quoted
from aml.adopt.tree import text_of

# https://docs.github.com/repositories/working-with-files/using-files/viewing-and-understanding-files
RAW = re.compile(
    r"https?://(?:raw\.githubusercontent\.com/(?P<raw>[^/\s]+/[^/\s]+)"
    r"|(?:www\.)?github\.com/(?P<web>[^/\s]+/[^/\s]+)/(?:raw|blob))/(?:refs/heads/)?(?P<rest>[^?#\s]+)(?:\?\S*)?"
)
OTHERS = (".py", ".ipynb", ".md", ".rst", ".html")  # that no code reads as data


class Own(NamedTuple):
    """An address of a file that the source has."""

    line: int
    address: str
    file: str  # its path in the source
    certain: bool  # whether it is of the repository that the source is a checkout of


def own(text: str, home: Path, files: Iterable[str], folder: str) -> tuple[str, list[Own]]:
    """The code with paths of the source's own files in the place of their addresses, and what these were.

    `home`: the source as its owner has it, with `files`; `folder`: in which the code runs.
    """
    if "github" not in text:
        return text, []
    try:
        tree = Tree(text)
    except UNPARSED:
        return text, []
    known, remote = {name for name in files if not name.endswith(OTHERS)}, _remote(home)
    found: list[Own] = []
    new: dict[cst.CSTNode, cst.CSTNode] = {}
    for node in tree.all(cst.SimpleString):
        match = RAW.fullmatch(literal(node) or "")
        file = next((one for one in _ends(unquote(match["rest"])) if one in known), "") if match else ""
        if match and file:
            repository = (match["raw"] or match["web"]).lower()
            same = repository == remote or repository.rpartition("/")[2] == home.name.lower()
            found.append(Own(tree.line(node), match[0].partition("?")[0], file, same))  # a token may follow
            new[node] = quoted(posixpath.relpath(file, folder), node)
    return (tree.text_of(tree.module.visit(Replace(new))), found) if found else (text, [])


def _ends(path: str) -> Iterator[str]:
    """What a path may be behind the name of a branch, which may have slashes itself."""
    parts = PurePosixPath(path).parts
    return ("/".join(parts[at:]) for at in range(1, len(parts)))


def _remote(root: Path) -> str:
    """OWNER/NAME of the GitHub repository that a folder is a checkout of, in small letters; "" where none is known."""
    found = re.search(r"url\s*=\s*\S*github\.com[/:]([^/\s]+/[^/\s]+?)(\.git)?\s", text_of(root / ".git" / "config"))
    return found[1].lower() if found else ""
