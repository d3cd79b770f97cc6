"""What lies around the script that trains: runconfigs, package files, data, tests, settings."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from aml.adopt import Note
from aml.adopt.discover.candidate import Named
from aml.adopt.python.closure import UNREADABLE, Closure, Tracer, imports_of, parse, read_code
from aml.adopt.tree import DATA_FOLDERS, TABLES, folders, shown

IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
SETTINGS = ("subscription_id", "resource_group", "workspace_name")


def runconfigs(mine: list[Named], of_project: list[Named]) -> list[Path]:
    """Those of the entry first, and of these the ones for training, local before cluster."""

    def order(one: Named) -> tuple[bool, bool, bool, str]:
        return one not in mine, "train" not in one.path.stem, one.target.lower() not in ("", "local"), one.path.name

    unique = {one.path: one for one in [*mine, *of_project]}
    return [one.path for one in sorted(unique.values(), key=order)]


def trust(path: Path) -> int | None:
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
    elif ("requirements" in name and path.suffix == ".txt") or (
        path.parent.name == "requirements" and path.suffix == ".txt"
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


def packages(root: Path, project: Path, files: list[str], mine: list[Named]) -> list[Path]:
    """The files that list packages: what runconfigs name, then the nearest, then the most exact."""
    named = list(dict.fromkeys(one.conda for one in mine if one.conda))
    found: list[tuple[int, bool, int, str]] = []
    for name in files:
        path = root / name
        inner = path.parent.name in ("aml_config", ".azureml", "conda", "environments", "requirements")
        home = path.parent.parent if inner and path.parent != project else path.parent
        rank = trust(path) if home in folders(root, project) else None
        if rank is not None and path not in named:
            found.append((folders(root, project).index(home), rank >= 10, rank, name))
    return [*named, *(root / name for _, _, _, name in sorted(found, key=lambda one: (one[1], one[0], one[2], one[3])))]


def data(root: Path, project: Path, files: list[str], strings: set[str]) -> list[Path]:
    """Tables, and folders of pictures, in the project and in the data folders beside and above it.

    What the code names comes first, then what is small.
    """
    tables: list[Path] = []
    pictures: dict[Path, list[Path]] = {}
    above = folders(root, project)
    for path in (root / name for name in files):
        firsts = [path.relative_to(folder).parts[0].lower() for folder in above if path.is_relative_to(folder)]
        near = path.is_relative_to(project) or path.parent in above or not {*firsts}.isdisjoint(DATA_FOLDERS)
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


def tests(
    root: Path, project: Path, path: Path, files: set[Path], closure: Closure, notes: list[Note]
) -> dict[str, Path]:
    """The tests whose own imports all travel."""
    travelling = {PurePosixPath(name).parts[0].removesuffix(".py") for name in closure.code if name.endswith(".py")}
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in closure.code}
    found: dict[str, Path] = {}
    left: list[str] = []
    spare = [folder for up in folders(root, path.parent) for folder in (up, up / "src")]
    tracer = Tracer(root, files, [path.parent], spare)
    for file in sorted(files):
        test = file.suffix == ".py" and (file.name.startswith("test_") or file.name.endswith("_test.py"))
        home = next((parent for parent in file.parents if parent.name in ("test", "tests")), file.parent)
        of_project = home.parent in folders(root, project) or file.is_relative_to(project)
        if not test or file in closure.code.values() or not of_project:
            continue
        try:
            wanted = imports_of(parse(read_code(file)))
        except UNREADABLE:
            continue
        own = [one for one in wanted if one.level or tracer.is_own(one.module.split("."))]
        if not own:
            continue
        if all(not one.level and one.module.split(".")[0] in travelling and one.module in modules for one in own):
            found[file.relative_to(home).as_posix()] = file
        else:
            left.append(shown(root, file))
    for file in sorted({parent / "conftest.py" for test in found.values() for parent in test.parents} & files):
        home = next((parent for parent in file.parents if parent.name in ("test", "tests")), file.parent)
        found[file.relative_to(home).as_posix()] = file
    if left:
        notes.append(Note("decide", "", f"tests left out, for they import what does not travel: {', '.join(left)}"))
    return dict(sorted(found.items()))


def settings(root: Path, project: Path) -> dict[str, str]:
    """The workspace that the nearest settings name, be they ignored by git: they are no secrets."""
    for folder in folders(root, project):
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
    if not re.fullmatch(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", values[0]):
        return {}  # xxxxxxxx-xxxx-... of a public repository
    return dict(zip(SETTINGS, values, strict=True))
