"""How code that was seen running becomes a job: its paths written for one, or run as it is by the launcher."""

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from aml.adopt import DataInput, Note
from aml.adopt.adoption import Adoption, assemble
from aml.adopt.convert import models, seen
from aml.adopt.convert.code import script_of
from aml.adopt.convert.launcher import LAUNCHER, OPTION, text
from aml.adopt.discover.resources import is_settings, may_hold_secrets, with_siblings
from aml.adopt.observe.observation import Observation
from aml.adopt.python import arguments
from aml.adopt.tree import TABLES, shown


def written(adoption: Adoption, original: Observation) -> Adoption | str:
    """The code with its paths written for a job, as far as its script names what it read and left; or why not."""
    source, code = adoption.source, adoption.code
    read = frozenset([*original.data, *(path.as_posix() for path in original.outside)])
    left = frozenset(original.results)
    folder = original.tree / original.command.folder
    words = tuple(_relative(word, original.tree, folder) for word in original.command.words)
    files = seen.Files(words, original.command.folder, read, left, original.made)
    handed = {shown(source.root, path) for path in adoption.data.files.values()} & read
    handed |= {path for path in read for one in code.inputs if _hands_over(one, source.root / path)}
    made = seen.convert(code, files, source.root, script_of(source.entry, code.entry), handed)
    if isinstance(made, str):
        return made
    made.read = {source.root / path for path in read}
    return assemble(source, adoption.slug, made, adoption.packages)


def _relative(word: str, tree: Path, folder: Path) -> str:
    """An argument that is a path in the copy of the source, as seen from where the code runs."""
    inside = word.startswith(f"{tree}/")
    return Path(os.path.relpath(word, folder)).as_posix() if inside else word


def _hands_over(data: DataInput, path: Path) -> bool:
    return isinstance(data.path, Path) and data.path.is_absolute() and path.is_relative_to(data.path)


def launched(adoption: Adoption, original: Observation | None, why: str, everywhere: bool = False) -> Adoption | str:
    """The code as it is, run by the launcher; or why that cannot be.

    `original`: None where it was not seen running: then all data of the source travel. `why`: why it is not converted.
    `everywhere`: data that an option hands over lie where the code may look for them, too.
    """
    source, code = adoption.source, adoption.code
    root = source.root
    if original and original.outside:
        return f"it reads {original.outside[0]}, which lies outside of the source"
    others = [path for path in (original.data if original else ()) if PurePosixPath(path).suffix not in TABLES]
    secret = next((path for path in others if may_hold_secrets(root / path)), None)
    if secret:
        return f"{secret} may hold secrets, and does not come along: let the code read them elsewhere"
    texts = code.texts(source)
    files: dict[str, str | Path] = {shown(root, path): path for path in source.code.values() if path.suffix != ".ipynb"}
    files |= {path: root / path for path in (original.modules if original else ())}
    files |= {shown(root, path): path for path in code.settings}
    files |= {shown(root, path): content for path, content in texts.items()}
    read = {root / path for path in (original.data if original else ())}
    files |= {shown(root, one): one for path in read if is_settings(path, root) for one in with_siblings(path, root)}
    read -= {path for path in files.values() if isinstance(path, Path)}
    left = original.first.left if original else {}
    unseen = {path for path in source.data if path.is_file() and shown(root, path) not in {*files, *left}}
    words, folder = (list(original.command.words), original.command.folder) if original else _way(adoption)
    script = [*words[:2]] if words[0] == "-m" else words[:1]
    made = {str(PurePosixPath(path).parent) for path in left}
    expected = {path for path in made - {"."} if (root / path).is_dir()} | (original.made if original else set())
    files[LAUNCHER] = text(script, folder, sorted(expected), source.paths)
    inputs, given = _options(adoption, left)
    handed = [one.path for one in inputs if isinstance(one.path, Path)]
    brought = {path for path in read | unseen if everywhere or not any(map(path.is_relative_to, handed))}
    if brought:
        inputs.append(DataInput("files", "uri_folder", root, OPTION, tuple(sorted(brought))))
    said = f"src/{LAUNCHER} runs the code as it is: it brings the data to where the code looks for it, "
    said += f"and moves what the code leaves to outputs/. {why}"
    notes = [*code.notes, Note("changed", "", said, "launcher", f"runs through src/{LAUNCHER}, as it is")]
    if changed := sorted({shown(root, path) for path in read} & {*left}):
        both = (
            f"{', '.join(changed)}: read and then changed. Each job begins with what the input has, and keeps its own"
        )
        notes.append(Note("decide", "", f"{both} below outputs/"))
    if source.tests:
        left_out = f"tests left out, for src/ has the layout of the source: {', '.join(source.tests)}"
        notes.append(Note("decide", "", left_out))
    model = models.choose([f"outputs/{path.removeprefix('outputs/')}" for path in left], code.model)
    new = replace(
        code,
        read=read,
        entry=LAUNCHER,
        files=files,
        inputs=inputs,
        given=given,
        model=model,
        notes=notes,
        origins={},
    )
    return assemble(replace(source, module=None, tests={}), adoption.slug, new, adoption.packages)


def _way(adoption: Adoption) -> tuple[list[str], str]:
    """How the code is run, as far as its files say."""
    return adoption.source.ways(script_of(adoption.source.entry, adoption.code.entry))[0]


def declared(adoption: Adoption) -> set[str]:
    """The options that the code declares, as far as they stand in it as texts."""
    return set(re.findall(r"[\"'](--?[A-Za-z][\w-]*)[\"'/,]", "".join(adoption.code.texts(adoption.source).values())))


def _options(adoption: Adoption, left: Iterable[str]) -> tuple[list[DataInput], dict[str, str]]:
    """What the job hands over by options that the code itself has: inputs, and places for results."""
    source, code = adoption.source, adoption.code
    known, left = declared(adoption), list(left)
    inputs = [one for one in code.inputs if one.flag in known]
    written = [one for one in inputs if isinstance(one.path, Path) and _has(one.path, source.root, left)]
    places = {**code.given, **{one.flag: f"outputs/{one.name}" for one in written}}
    options = arguments.options_of(code.texts(source)[script_of(source.entry, code.entry)])
    settled = {option.flag for option in options if option.default is not None} | {*source.words}
    given = {flag: place for flag, place in places.items() if flag not in settled}
    return [one for one in inputs if one not in written], given


def _has(path: Path, root: Path, left: Iterable[str]) -> bool:
    """Whether one of the files that the code left is at a path or below it."""
    return any((root / one).is_relative_to(path) for one in left)
