"""What a source has: the script that trains, the code it needs, and what else tells how it is run."""

import json
import keyword
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from aml_adopt import Note, Refusal, notebook
from aml_adopt.candidate import Candidate, Named, find, named_by_commands, runconfig_script
from aml_adopt.closure import (
    RESOURCE_LIMIT,
    RESOURCES,
    UNREADABLE,
    Closure,
    Import,
    Tracer,
    imports_of,
    parse,
    read_code,
)
from aml_adopt.tree import listing, shown

TABLES = (".arff", ".csv", ".feather", ".h5", ".hdf5", ".jsonl", ".ndjson", ".npy", ".npz", ".parquet", ".tsv")
IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
DATA_FOLDERS = ("data", "dataset", "datasets", "input", "inputs", "sample-data", "sample_data")
SETTINGS = ("subscription_id", "resource_group", "workspace_name")
SECRET_FILES = re.compile(r"^\.env|\.(pem|key|pfx|p12|jks)$|^id_rsa|credential|secret", re.IGNORECASE)
SECRET_KEYS = re.compile(r"password|passwd|secret|token|api_?key|account_?key|connection_?string", re.IGNORECASE)
HOSTILE = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com[1-9]|lpt[1-9])(\.|$)', re.IGNORECASE)


class Undecided(Refusal):
    """More than one file may be the one that trains."""

    def __init__(self, root: Path, found: list[Candidate]) -> None:
        self.candidates = found
        place = f'"{root}"' if " " in str(root) else str(root)
        lines = [f"  aml-adopt {place} --entry {_typed(one.name):<30}  # {', '.join(one.reasons)}" for one in found]
        super().__init__("\n".join(["several files may be the one that trains; say which:", *lines]))


@dataclass
class Source:
    """What was found, with absolute paths."""

    root: Path
    project: Path  # the model's folder, where the paths in its runconfigs begin
    entry: Path  # .py or .ipynb
    module: str | None  # "pkg.train" when it runs as python -m pkg.train
    why: str  # one line
    arguments: str  # that it is known to be run with; "" when unknown
    code: dict[str, Path]  # path in src/ -> file; a notebook is there as the .py it becomes
    imports: dict[str, str]  # third-party name -> "file:line"
    runconfigs: list[Path]
    packages: list[Path]
    data: list[Path]
    tests: dict[str, Path]  # path in tests/ -> file
    settings: dict[str, str]
    notes: list[Note] = field(default_factory=list)


def candidates(root: Path) -> list[Candidate]:
    """The files that may train, the likeliest first."""
    return find(root.resolve(), listing(root.resolve())[0])


def read(root: Path, entry: str | None) -> Source:
    """Look through `root`; `entry` is the path of the script or notebook in it, None to find it.

    Runs and changes nothing there. Raises Undecided, and Refusal when nothing trains or the entry is none.
    """
    typed, root = root, root.resolve()
    if not root.is_dir():
        raise Refusal(f"{typed} is not a folder; for one file: aml-adopt FOLDER --entry FILE")
    files, notes = listing(root)
    found = find(root, files)
    chosen = _given(root, entry, found) if entry else _choose(typed, found)
    path = root / chosen.name
    everything = {root / name for name in files} | {path}

    runconfigs = [one for one in (runconfig_script(root, name) for name in sorted(files)) if one]
    mine = [one for one in runconfigs if path in one.scripts]
    project = mine[0].project if mine else _project(root, path, files)
    closure, module, key = _trace(root, project, path, everything)
    notes += closure.notes
    _resources(root, project, path, key, everything, closure, notes)
    _names(root, closure.code, notes)
    commands = named_by_commands(root, files).get(chosen.name, "")
    return Source(
        root=root,
        project=project,
        entry=path,
        module=module,
        why=f"{chosen.name}: {', '.join(chosen.reasons)}",
        arguments=next((one.arguments for one in mine if one.arguments), commands),
        code=dict(sorted(closure.code.items())),
        imports=dict(sorted(closure.imports.items())),
        runconfigs=_runconfigs(mine, [one for one in runconfigs if one.project == project]),
        packages=_packages(root, project, files, mine),
        data=_data(root, project, files, set().union(*closure.texts.values())),
        tests=_tests(root, project, path, everything, closure, notes),
        settings=_settings(root, project),
        notes=sorted(dict.fromkeys(notes), key=lambda note: (note.where, note.kind, note.text)),
    )


def _typed(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _given(root: Path, entry: str, found: list[Candidate]) -> Candidate:
    """The entry that the command names, from the source or from the working folder."""
    path = next((one.resolve() for one in (root / entry, Path(entry)) if one.is_file()), None)
    if path is None or not path.is_relative_to(root):
        raise Refusal(f"{entry} is not a file in {root}: name a script or notebook in it")
    if path.suffix not in (".py", ".ipynb"):
        raise Refusal(f"{entry} is neither a Python script nor a notebook")
    name = path.relative_to(root).as_posix()
    known = next((one.reasons for one in found if one.name == name), [])
    return Candidate(name, 0, ["named by --entry", *known], 4)


def _choose(typed: Path, found: list[Candidate]) -> Candidate:
    if not found:
        wanted = (
            "no file has train in its name, fits a model or is named by a runconfig, a submit script or an entry point"
        )
        raise Refusal(f"nothing in {typed} trains ({wanted}); if one does: --entry PATH")
    best = found[0]
    # Several scripts that are meant to train are several models; of other files the likeliest one is taken.
    equal = [one for one in found if one.rank == best.rank and (best.rank > 0 or one.score == best.score)]
    # A script and the notebook it comes from are one model.
    twins = {str(PurePosixPath(one.name).with_suffix("")) for one in equal}
    if len(twins) > 1:
        raise Undecided(typed, equal)
    return best


def _folders(root: Path, start: Path) -> list[Path]:
    """`start` and the folders above it, up to `root`."""
    return [start, *(parent for parent in start.parents if parent.is_relative_to(root))]


def _project(root: Path, path: Path, files: list[str]) -> Path:
    for folder in _folders(root, path.parent):
        place = folder.relative_to(root)
        inside = [
            PurePosixPath(name).relative_to(place.as_posix()) for name in files if (root / name).is_relative_to(folder)
        ]
        for name in inside:
            if len(name.parts) == 1 and (name.suffix == ".runconfig" or _trust(folder / name) is not None):
                return folder
            if len(name.parts) == 2 and name.parts[0] in ("aml_config", ".azureml"):
                return folder
    return path.parent


def _trace(root: Path, project: Path, path: Path, files: set[Path]) -> tuple[Closure, str | None, str]:
    """What the entry imports, its module's name where it has to run as one, and its place in src/."""
    text: str | None = None
    written: dict[str, str] = {}
    if path.suffix == ".ipynb":
        script = notebook.convert(path, shown(root, path))
        text, written = script.text, script.files
    try:
        found = imports_of(parse(read_code(path) if text is None else text))
    except UNREADABLE:
        found = []  # the tracer tells it
    above = [folder for one in _folders(root, path.parent) for folder in (one, one / "src")]
    base, module = path.parent, None
    key = path.name if path.suffix == ".py" else _script_name(path, found, files)
    notes: list[Note] = []
    if (top := _package_top(path, found, files)) and path.suffix == ".py":
        base, key = top, path.relative_to(top).as_posix()
        module = key.removesuffix(".py").replace("/", ".")
        if not all(part.isidentifier() and not keyword.iskeyword(part) for part in module.split(".")):
            notes.append(Note("blocked", shown(root, path), f"python -m cannot run {module}: rename it"))
    tracer = Tracer(root, files, [base], above)
    tracer.written = {PurePosixPath(name).parts[0].removesuffix(".py") for name in written}
    if module:
        for count in range(1, len(PurePosixPath(key).parts)):
            tracer.also_package(PurePosixPath(key).parts[:count])
    closure = tracer.trace(key, path, text)
    for name, content in written.items():
        tracer.follow_text(name, path, content)
    for own, strings in list(closure.texts.items()):
        for place in _named_files(root, project, path.parent, base, own, strings, files):
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


def _package_top(path: Path, found: list[Import], files: set[Path]) -> Path | None:
    """The folder from which the entry has to run as a module of its package; None when it runs as a script."""
    top, package = path.parent, path.parent / "__init__.py" in files
    while top / "__init__.py" in files and top.parent != top:
        top = top.parent
    deepest = max((one.level for one in found), default=0)
    if deepest:
        above = [path.parent, *path.parent.parents][min(deepest, len(path.parents) - 1)]
        return top if top in [above, *above.parents] else above
    parts = path.parent.relative_to(top).parts
    tops = {one.module.split(".")[0] for one in found}
    beside = {file.stem for file in files if file.parent == path.parent} | {
        file.parent.name for file in files if file.parent.parent == path.parent and file.suffix == ".py"
    }
    return top if package and parts and parts[0] in tops and not (beside & tops - {parts[0]}) else None


def _named_files(
    root: Path, project: Path, entry_folder: Path, base: Path, own: str, strings: set[str], files: set[Path]
) -> list[tuple[str, Path]]:
    """Files that the code names in a string, with the place that keeps them where the string looks for them."""
    found: list[tuple[str, Path]] = []
    for text in sorted(strings):
        name = PurePosixPath(text.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or name.suffix not in (*RESOURCES, ".py") or len(name.parts) > 8:
            continue
        inside = PurePosixPath(own).parent  # beside the module, or in the job's folder
        for folder, place in ((base / inside, inside), (entry_folder, PurePosixPath()), (project, PurePosixPath())):
            if (path := folder / name) in files:
                found.append(((place / name).as_posix(), path))
                break
    return found


def _resources(
    root: Path, project: Path, path: Path, key: str, files: set[Path], closure: Closure, notes: list[Note]
) -> None:
    """Let the small files travel that lie in a travelling package or that the code names."""
    base = path
    for _ in PurePosixPath(key).parts:
        base = base.parent
    wanted: dict[str, Path] = {}
    for own, file in list(closure.code.items()):
        wanted.update(_named_files(root, project, path.parent, base, own, closure.texts.get(own, set()), files))
        if file.name == "__init__.py":
            inside = PurePosixPath(own).parent
            for beside in files:
                if beside.is_relative_to(file.parent) and beside.suffix in RESOURCES:
                    wanted[(inside / beside.relative_to(file.parent).as_posix()).as_posix()] = beside
    for name, file in sorted(wanted.items()):
        if name in closure.code or file.suffix == ".py":
            continue
        if file.suffix in TABLES:
            continue  # data, which the job has as an input
        if SECRET_FILES.search(file.name) or _has_secret(file):
            notes.append(
                Note(
                    "decide", shown(root, file), "may hold secrets, so it is left out: let the job read them elsewhere"
                )
            )
        elif file.stat().st_size > RESOURCE_LIMIT:
            notes.append(Note("decide", shown(root, file), f"is large, so it is left out of {name}: make it an input"))
        else:
            closure.code[name] = file


def _has_secret(path: Path) -> bool:
    """Whether a JSON or YAML file has a password or the like, as far as names tell."""
    import yaml

    if path.suffix not in (".json", ".yaml", ".yml"):
        return False
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return False
    return any(SECRET_KEYS.search(key) and len(value) >= 8 for key, value in _texts(content))


def _texts(content: Any) -> Iterator[tuple[str, str]]:
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        if isinstance(value, str):
            yield str(key), value
        else:
            yield from _texts(value)


def _names(root: Path, code: dict[str, Path], notes: list[Note]) -> None:
    """Note the names that a Windows disk cannot hold together."""
    seen: dict[str, str] = {}
    for name, path in sorted(code.items()):
        if any(HOSTILE.search(part) for part in PurePosixPath(name).parts):
            notes.append(Note("blocked", shown(root, path), "Windows cannot have a file of this name: rename it"))
        for part in [PurePosixPath(name), *PurePosixPath(name).parents]:
            other = seen.setdefault(str(part).casefold(), str(part))
            if other != str(part):
                text = f"{part} differs from {other} in its capitals only: rename one"
                notes.append(Note("blocked", shown(root, path), text))


def _runconfigs(mine: list[Named], of_project: list[Named]) -> list[Path]:
    """Those of the entry first, and of these the ones for training, local before cluster."""

    def order(one: Named) -> tuple[bool, bool, bool, str]:
        return one not in mine, "train" not in one.path.stem, one.target.lower() not in ("", "local"), one.path.name

    unique = {one.path: one for one in [*mine, *of_project]}
    return [one.path for one in sorted(unique.values(), key=order)]


def _trust(path: Path) -> int | None:
    """How far a file can be trusted to list the packages; None when it lists none. The lowest comes first."""
    import yaml

    name = path.name.lower()
    rank: int | None = None
    if path.suffix in (".yaml", ".yml") and ("env" in name or "conda" in name):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            return None
        rank = 0 if isinstance(content, dict) and isinstance(content.get("dependencies"), list) else None
    elif (
        "requirements" in name and path.suffix == ".txt" or path.parent.name == "requirements" and path.suffix == ".txt"
    ):
        rank = 1
    elif name in ("pyproject.toml", "setup.cfg", "setup.py"):
        rank = {"pyproject.toml": 2, "setup.cfg": 4, "setup.py": 5}[name]
    elif name == "pipfile":
        rank = 3
    if rank is None:
        return None
    aside = re.search(r"(^|[^a-z])(dev|docs?|inference|lint|score|scoring|tests?)([^a-z]|$)", path.stem.lower())
    return rank + 10 if aside else rank - 1 if "train" in name else rank


def _packages(root: Path, project: Path, files: list[str], mine: list[Named]) -> list[Path]:
    """The files that list packages: what runconfigs name, then the nearest, then the most exact."""
    named = list(dict.fromkeys(one.conda for one in mine if one.conda))
    found: list[tuple[int, bool, int, str]] = []
    for name in files:
        path = root / name
        inner = path.parent.name in ("aml_config", ".azureml", "conda", "environments", "requirements")
        home = path.parent.parent if inner and path.parent != project else path.parent
        trust = _trust(path) if home in _folders(root, project) else None
        if trust is not None and path not in named:
            found.append((_folders(root, project).index(home), trust >= 10, trust, name))
    return [*named, *(root / name for _, _, _, name in sorted(found, key=lambda one: (one[1], one[0], one[2], one[3])))]


def _data(root: Path, project: Path, files: list[str], strings: set[str]) -> list[Path]:
    """Tables, and folders of pictures, in the project and in the data folders beside and above it.

    What the code names comes first, then what is small.
    """
    tables: list[Path] = []
    pictures: dict[Path, list[Path]] = {}
    for path in (root / name for name in files):
        beside = any(
            path.is_relative_to(folder / part) for folder in _folders(root, project) for part in _data_folders(folder)
        )
        near = path.is_relative_to(project) or beside or path.parent in _folders(root, project)
        if not near or {"tests", "test", "docs"} & set(path.relative_to(root).parts[:-1]):
            continue
        if path.suffix.lower() in TABLES:
            tables.append(path)
        elif path.suffix.lower() in IMAGES:
            pictures.setdefault(path.parent, []).append(path)
    sizes = {path: path.stat().st_size for path in tables}
    many = {folder: found for folder, found in pictures.items() if len(found) > 1}
    for folder, found in many.items():
        # Folders side by side are the classes of one set.
        classes = [other for other in many if other.parent == folder.parent]
        whole = folder.parent if len(classes) > 1 and folder.parent != root else folder
        sizes[whole] = sizes.get(whole, 0) + sum(path.stat().st_size for path in found)
    named = {PurePosixPath(text.replace("\\", "/")).name for text in strings}
    return sorted(sizes, key=lambda path: (path.name not in named, sizes[path], path.as_posix()))


def _data_folders(folder: Path) -> list[str]:
    try:
        return [one.name for one in folder.iterdir() if one.name.lower() in DATA_FOLDERS]
    except OSError:
        return []


def _tests(
    root: Path, project: Path, path: Path, files: set[Path], closure: Closure, notes: list[Note]
) -> dict[str, Path]:
    """The tests whose own imports all travel."""
    travelling = {PurePosixPath(name).parts[0].removesuffix(".py") for name in closure.code if name.endswith(".py")}
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in closure.code}
    found: dict[str, Path] = {}
    left: list[str] = []
    for file in sorted(files):
        test = file.suffix == ".py" and (file.name.startswith("test_") or file.name.endswith("_test.py"))
        home = next((parent for parent in file.parents if parent.name in ("test", "tests")), file.parent)
        of_project = home.parent in _folders(root, project) or file.is_relative_to(project)
        if not test or file in closure.code.values() or not of_project:
            continue
        try:
            wanted = imports_of(parse(read_code(file)))
        except UNREADABLE:
            continue
        tracer = Tracer(
            root, files, [path.parent], [one for up in _folders(root, path.parent) for one in (up, up / "src")]
        )
        own = [one for one in wanted if one.level or tracer.is_own(one.module.split("."))]
        if not own:
            continue
        if all(not one.level and one.module.split(".")[0] in travelling and one.module in modules for one in own):
            found[file.relative_to(home).as_posix()] = file
        else:
            left.append(shown(root, file))
    for file in {parent / "conftest.py" for test in found.values() for parent in test.parents} & files:
        home = next((parent for parent in file.parents if parent.name in ("test", "tests")), file.parent)
        found[file.relative_to(home).as_posix()] = file
    if left:
        notes.append(Note("decide", "", f"tests left out, for they import what does not travel: {', '.join(left)}"))
    return dict(sorted(found.items()))


def _settings(root: Path, project: Path) -> dict[str, str]:
    """The workspace that the nearest settings name, be they ignored by git: they are no secrets."""
    for folder in _folders(root, project):
        for name in (".azureml/config.json", "aml_config/config.json", "aml_config/project.json", "config.json"):
            try:
                content = json.loads((folder / name).read_text(encoding="utf-8-sig"))
            except (OSError, ValueError, RecursionError):
                continue
            if isinstance(content, dict) and (found := _workspace(content)):
                return found
    return {}


def _workspace(content: dict[str, Any]) -> dict[str, str]:
    plain = {key.lower(): value for key, value in content.items() if isinstance(value, str)}
    parts = plain.get("scope", "").strip("/").split("/")
    pairs = dict(zip(map(str.lower, parts[::2]), parts[1::2], strict=False))
    scope = [pairs.get("subscriptions", ""), pairs.get("resourcegroups", ""), pairs.get("workspaces", "")]
    values = [plain.get(name) or other for name, other in zip(SETTINGS, scope, strict=True)]
    # Fewer than all three, or the blanks of a template, are another file's affair.
    if not all(values) or any(set("<>{}") & set(value) for value in values):
        return {}
    return dict(zip(SETTINGS, values, strict=True))
