"""What a source has: the script that trains, the code it needs, and what else tells how it is run."""

import keyword
import os
import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from aml.adopt import Note, UserError
from aml.adopt.commands import documented, steps, variables
from aml.adopt.commands.documented import Command
from aml.adopt.commands.steps import Step
from aml.adopt.discover import beside, resources, running, stays
from aml.adopt.discover.candidate import Candidate, Named, find, runconfig_script
from aml.adopt.notebooks import notebook, written
from aml.adopt.python.closure import UNREADABLE, Closure, Import, Tracer, imports_of, parse, read_code
from aml.adopt.tree import folders, listing, shown
from aml.adopt.v1 import submits
from aml.adopt.v1.submits import Submit


class Undecided(UserError):
    """More than one file may be the one that trains."""

    def __init__(self, root: Path, found: list[Candidate], others: list[str]) -> None:
        self.candidates = found
        place = f'"{root}"' if " " in str(root) else str(root)
        lines = [f"  aml adopt {place} --entry {_typed(one.name):<30}  # {', '.join(one.reasons)}" for one in found]
        more = [f"  or another one: {', '.join(others)}"] if others else []
        super().__init__("\n".join(["several files may be the one that trains; say which:", *lines, *more]))


@dataclass
class Source:
    """What was found, with absolute paths."""

    root: Path
    home: Path  # where its owner has it: root is a copy where notebooks write what is adopted
    project: Path  # the model's folder, where the paths in its runconfigs begin
    entry: Path  # .py or .ipynb
    module: str | None  # "pkg.train" when it runs as python -m pkg.train
    why: str  # one line
    function: str  # of the entry, which a command that the package installs calls; "" where the entry calls it itself
    arguments: str  # that it is known to be run with; "" when unknown
    command: Command | None  # how the source's own files say that it is run
    variables: dict[str, str]  # that its environment has to have
    steps: list[Step]  # what its files run beside the entry
    others: list[str]  # files that neither travel nor are run
    code: dict[str, Path]  # path in src/ -> file; a notebook is there as the .py it becomes
    imports: dict[str, str]  # third-party name -> "file:line"
    runconfigs: list[Path]
    named: dict[Path, Named]  # what each runconfig says of its script
    submits: list[Submit]  # what scripts and notebooks that submit the entry say of its job, the fullest first
    packages: list[Path]
    data: list[Path]
    tests: dict[str, Path]  # path in tests/ -> file
    settings: dict[str, str]
    laid: written.Laid  # keeps the copy, where root is one, for as long as it is needed
    notes: list[Note] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """The arguments, apart; none where a quote has no end, as in somebody's README."""
        try:
            return shlex.split(self.arguments)
        except ValueError:
            return []

    @property
    def paths(self) -> list[str]:
        """The folders from which the code imports its own modules, but for the entry's: as if they were installed."""
        found = {}
        for place, path in self.code.items():
            base = path.parents[len(PurePosixPath(place).parts) - 1]
            if path.suffix == ".py" and base / place == path:
                found[base] = shown(self.root, base)
        found.pop(self.entry.parent, None)
        return sorted(found.values())

    def ways(self, main: Path) -> list[tuple[list[str], str]]:
        """How the original, whose script is `main`, may be run: the words after python, and the folder in the source.

        The documented way comes first, then the root. A notebook runs beside itself, and v1 began in the project.
        """
        found: list[tuple[list[str], str]] = []
        above = folders(self.root, self.entry.parent)
        if self.entry.suffix == ".py" and not self.runconfigs:
            above = list(dict.fromkeys([self.root, *above]))
        if self.command:
            folder = self.root / self.command.folder
            script = Path(os.path.relpath(main, folder)).as_posix()
            found.append((["-m", self.command.module] if self.command.module else [script], self.command.folder))
        if self.module:
            base = self.entry.parents[self.module.count(".")]
            return [*found, *((["-m", self.module], shown(self.root, one)) for one in dict.fromkeys([above[0], base]))]
        places = dict.fromkeys([*above, self.project, self.root])
        return [*found, *(([Path(os.path.relpath(main, one)).as_posix()], shown(self.root, one)) for one in places)]

    def at_home(self, path: Path) -> Path:
        """A path as its owner has it."""
        return self.home / path.relative_to(self.root) if path.is_relative_to(self.root) else path


def candidates(root: Path) -> list[Candidate]:
    """The files that may train, the likeliest first."""
    root = root.resolve()
    files = listing(root)[0]
    return find(root, files, documented.commands(root, root, files))


def read(root: Path, entry: str | None, laid: written.Laid | None = None) -> Source:
    """Look through `root`; `entry` is the path of the script or notebook in it, None to find it.

    `laid`: a copy to read in its place, which has more files.
    Runs and changes nothing there. Raises Undecided, and UserError when nothing trains or the entry is none.
    """
    typed, root = root, root.resolve()
    if re.match(r"(https?|ssh|git):/|git@", typed.as_posix()):
        raise UserError(f"{typed.as_posix().replace(':/', '://', 1)} is an address: git clone it, and name the folder")
    if not root.is_dir():
        raise UserError(f"{typed} is not a folder; for one file: aml adopt FOLDER --entry FILE")
    files, notes = listing(root)
    named = _relative(root, entry) if entry else None
    home = root
    laid = laid or written.lay_out(root, sorted({*files, *([named] if named else [])}), named or "")
    root, files = laid.root, [name for name in laid.files if name != named or name in files]
    commands = documented.commands(root, home, files)
    found = find(root, files, commands)
    chosen = _given(typed, root, files, named or str(entry), found) if entry else _choose(typed, found)
    path = root / chosen.name
    everything = {root / name for name in files} | {path}
    function = running.called_by_command(root, path, files)
    notes += [] if function else running.runs_nothing(root, path)

    runconfigs = [one for one in (runconfig_script(root, name, files) for name in sorted(files)) if one]
    mine = [one for one in runconfigs if path in one.fits]
    project = mine[0].project if mine else _project(root, path, files)
    closure, module, key = _trace(root, project, path, everything)
    notes += closure.notes
    resources.add(root, project, path, key, everything, closure, notes)
    resources.check_names(root, closure.code, notes)
    travelling = {shown(root, one) for one in closure.code.values()}
    notes += [note for name, note in laid.notes if name in travelling or not name.endswith(".py")]
    submitted = submits.of(root, path, files)
    given = next(filter(None, [*(one.arguments for one in mine), *(shlex.join(one.words) for one in submitted)]), "")
    texts = _texts(root, closure)
    command = None if given else running.command(commands, chosen.name, texts, notes)
    beside_it = steps.find(root, commands, command, travelling)
    beside_it = [one for one in beside_it if one.script != "setup.py" and not stays.SERVES.search(one.script)]
    notes += running.first(beside_it)
    own = " ".join([texts.get(chosen.name, ""), *(command.words if command else ())])
    notes += steps.notes(beside_it, chosen.name, own)
    known = {*travelling, *(one.script for one in beside_it), *(_file_of(one.where) for one in submitted)}
    others = [name for name in files if name not in known]
    notes += stays.notes(home, others)
    if given and (told := documented.choose([one for one in commands if one.script == chosen.name], lambda _: True)):
        notes += running.differs(told, given)
    environment = variables.find(home, home / path.parent.relative_to(root), texts, command)
    notes += [one for one in environment.notes if not (mine and one.kind == "decide")]  # v1 may say them
    return Source(
        root=root,
        home=home,
        laid=laid,
        project=project,
        entry=path,
        module=module,
        why=f"{chosen.name}: {', '.join(chosen.reasons)}",
        function=function,
        arguments=given or (shlex.join(command.words) if command else ""),
        command=command,
        variables=environment.values,
        steps=beside_it,
        others=others,
        code=dict(sorted(closure.code.items())),
        imports=dict(sorted(closure.imports.items())),
        runconfigs=beside.runconfigs(mine, [one for one in runconfigs if one.project == project]),
        named={one.path: one for one in runconfigs},
        submits=submitted,
        packages=beside.packages(root, project, files, mine),
        data=beside.data(root, project, files, set().union(*closure.texts.values())),
        tests=beside.tests(root, project, path, everything, closure, notes),
        settings=beside.settings(home, home / project.relative_to(root)),
        notes=sorted(dict.fromkeys(notes), key=lambda note: (note.where, note.kind, note.text)),
    )


def _texts(root: Path, closure: Closure) -> dict[str, str]:
    """The texts of the code that travels, by their paths in the source."""
    found = {}
    for path in closure.code.values():
        try:
            if path.suffix == ".ipynb":
                found[shown(root, path)] = notebook.convert(path, shown(root, path)).text
            elif path.suffix == ".py":
                found[shown(root, path)] = read_code(path)
        except (*UNREADABLE, UserError):
            continue  # the closure has a note of it
    return found


def _file_of(where: str) -> str:
    """The file of a place such as submit.py:12 or notebooks/train.ipynb cell 5."""
    return re.split(r":\d+$| cell \d+$", where)[0]


def _typed(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _relative(root: Path, entry: str) -> str | None:
    """The place in the source of the entry that the command names, from the source or from the working folder."""
    path = next((one.resolve() for one in (root / entry, Path(entry)) if one.is_file()), None)
    return path.relative_to(root).as_posix() if path and path.is_relative_to(root) else None


def _given(typed: Path, root: Path, files: list[str], name: str, found: list[Candidate]) -> Candidate:
    """The entry that the command names; of what only submits a script, that script."""
    if not (root / name).is_file() or not (root / name).resolve().is_relative_to(root):
        raise UserError(f"{name} is not a file in {typed.resolve()}: name a script or notebook in it")
    if not name.endswith((".py", ".ipynb")):
        raise UserError(f"{name} is neither a Python script nor a notebook")
    known = next((one for one in found if one.name == name), None)
    submitted = submits.scripts(root, root / name, files) if known is None else []
    if not submitted:
        return Candidate(name, 0, known.reasons if known else ["named by --entry"], 4)
    names = [shown(root, path) for path in submitted]
    meant = [one for one in found if one.name in names]
    meant += [Candidate(one, 0, [f"{name} submits it"], 4) for one in names if one not in {one.name for one in meant}]
    if len(meant) > 1:
        raise Undecided(typed, meant, [])
    return meant[0]


def _choose(typed: Path, found: list[Candidate]) -> Candidate:
    if not found:
        wanted = (
            "no file has train in its name, fits a model or is named by a runconfig, a submit script or an entry point"
        )
        raise UserError(f"nothing in {typed} trains ({wanted}); if one does: --entry PATH")
    best = found[0]
    # Several scripts that are meant to train are several models; of other files the likeliest one is taken.
    equal = [one for one in found if one.rank == best.rank and (best.rank > 0 or one.score == best.score)]
    scripts = [one for one in equal if one.name.endswith(".py")]
    if best in scripts or (any(one.runs for one in scripts) and not best.runs):
        equal = scripts  # the notebooks beside them are what they come from, or what was tried before
    if len(equal) > 1:
        raise Undecided(typed, equal, [one.name for one in found if one not in equal][:9])
    return equal[0]


def _project(root: Path, path: Path, files: list[str]) -> Path:
    for folder in folders(root, path.parent):
        place = folder.relative_to(root)
        inside = [
            PurePosixPath(name).relative_to(place.as_posix()) for name in files if (root / name).is_relative_to(folder)
        ]
        for name in inside:
            if len(name.parts) == 1 and (name.suffix == ".runconfig" or beside.trust(folder / name) is not None):
                return folder
            if len(name.parts) == 2 and name.parts[0] in ("aml_config", ".azureml"):
                return folder
    return path.parent


def _trace(root: Path, project: Path, path: Path, files: set[Path]) -> tuple[Closure, str | None, str]:
    """What the entry imports, its module's name where it has to run as one, and its place in src/."""
    text = notebook.convert(path, shown(root, path)).text if path.suffix == ".ipynb" else None
    try:
        found = imports_of(parse(read_code(path) if text is None else text))
    except UNREADABLE:
        found = []  # the tracer tells it
    packages = sorted({file.parent for file in files if file.name in ("pyproject.toml", "setup.cfg", "setup.py")})
    above = dict.fromkeys([*folders(root, path.parent), *packages])  # packages of the source may be installed
    spare = [folder for one in above for folder in (one, one / "src")]
    base, module = path.parent, None
    key = path.name if path.suffix == ".py" else _script_name(path, found, files)
    notes: list[Note] = []
    if (top := _package_top(path, found, files)) and path.suffix == ".py":
        base, key = top, path.relative_to(top).as_posix()
        module = key.removesuffix(".py").replace("/", ".")
        if not all(part.isidentifier() and not keyword.iskeyword(part) for part in module.split(".")):
            notes.append(Note("blocked", shown(root, path), f"python -m cannot run {module}: rename it"))
    tracer = Tracer(root, files, [base], spare)
    if module:
        for count in range(1, len(PurePosixPath(key).parts)):
            tracer.also_package(PurePosixPath(key).parts[:count])
    closure = tracer.trace(key, path, text)
    for own, strings in list(closure.texts.items()):
        for place in resources.named(project, path.parent, base, own, strings, files):
            if place[1].suffix == ".py":
                tracer.also(*place)
    closure.notes += notes
    return closure, module, key


def _script_name(path: Path, found: list[Import], files: set[Path]) -> str:
    """The script that a notebook becomes, by a name that can be imported and hides no module."""
    stem = re.sub(r"\W+", "_", path.stem, flags=re.ASCII).strip("_")
    if not stem or stem[0].isdigit() or keyword.iskeyword(stem):
        stem = stem.lstrip("0123456789_") or "train"
    taken = {one.module.split(".")[0] for one in found} | {
        file.stem for file in files if file.parent == path.parent and file.suffix == ".py"
    }
    if stem in taken or stem in sys.stdlib_module_names or keyword.iskeyword(stem):
        stem += "_notebook"
    return f"{stem}.py"


def _highest(path: Path, found: list[Import], files: set[Path]) -> Path | None:
    """The folder that holds the outermost package which relative imports reach from the entry; None without any."""
    highest: Path | None = None
    queue, seen = [(path, found)], {path}
    while queue:
        file, imports = queue.pop()
        above = [file.parent, *file.parent.parents]
        for one in imports:
            if not 0 < one.level < len(above):
                continue
            if highest is None or highest.is_relative_to(above[one.level]):
                highest = above[one.level]
            base = above[one.level - 1].joinpath(*filter(None, one.module.split(".")))
            targets = [base / f"{name}.py" for name in one.names] + [base.parent / f"{base.name}.py"] * bool(one.module)
            for target in targets:
                if target in files and target not in seen:
                    seen.add(target)
                    try:
                        queue.append((target, imports_of(parse(read_code(target)))))
                    except UNREADABLE:
                        continue  # the tracer tells it
    return highest


def _package_top(path: Path, found: list[Import], files: set[Path]) -> Path | None:
    """The folder from which the entry has to run as a module of its package; None when it runs as a script."""
    top, package = path.parent, path.parent / "__init__.py" in files
    while top / "__init__.py" in files and top.parent != top:
        top = top.parent
    if above := _highest(path, found, files):
        return top if top in [above, *above.parents] else above
    parts = path.parent.relative_to(top).parts
    tops = {one.module.split(".")[0] for one in found}
    beside = {file.stem for file in files if file.parent == path.parent} | {
        file.parent.name for file in files if file.parent.parent == path.parent and file.suffix == ".py"
    }
    return top if package and parts and parts[0] in tops and not (beside & tops - {parts[0]}) else None
