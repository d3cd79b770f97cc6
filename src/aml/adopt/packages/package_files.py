"""What a project's files say that it needs: conda files, requirements, pyproject.toml, setup.cfg, setup.py, Pipfile.

Nothing is run, installed or asked of an index here.
"""

import ast
import configparser
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from aml.adopt.packages.declared import Declared, Entry, secret
from aml.adopt.tree import read_text
from aml.jobfile.conda import INSTALLERS, conda_name, conda_requirement, entries, only_conda

INDEX = {"-i": "--index-url", "--index-url": "--index-url", "--extra-index-url": "--extra-index-url",
         "-f": "--find-links", "--find-links": "--find-links"}  # fmt: skip
OPTION = re.compile(r"(--[\w-]+|-[a-zA-Z])(?:\s*=\s*|\s*)(.*)")
PYTHONS = tuple(f"3.{minor}" for minor in range(5, 20))
FROZEN = 40  # so many lines, all with exact versions, come from `pip freeze`: nobody types them


def read(path: Path, root: Path) -> Declared:
    """What the file asks for; what cannot be read is in its notes."""
    where = path.relative_to(root).as_posix()
    declared = Declared(where)
    reader = READERS.get(path.name) or READERS.get(path.suffix, _requirements_file)
    try:
        reader(read_text(path), declared, _Folder(path.parent, root, {path.resolve()}))
    except Exception as error:  # each parser has its own kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        declared.note("decide", where, f"cannot be read and was not used ({reason})", "unreadable", where)
    return declared


def read_inline(conda: Mapping[str, Any], where: str) -> Declared:
    """What conda dependencies within another file ask for, such as those of a v1 runconfig."""
    declared = Declared(where)
    _conda(conda, declared, None)
    return declared


@dataclass
class _Folder:
    """Where a file lies, and so the files that it speaks of."""

    path: Path
    root: Path
    seen: set[Path]  # this file, and those that include it


def _requirements_file(text: str, to: Declared, folder: _Folder) -> None:
    _requirements(text, to, folder)
    exported = _exported(to) or "--hash" in text
    to.frozen = (_pinned(to) >= FROZEN or exported) and _pinned(to) > 0.9 * len(to.entries)


def _pinned(declared: Declared) -> int:
    return sum("==" in str(entry.requirement.specifier) for entry in declared.entries)


def environment(python: str) -> dict[str, str]:
    """What markers are compared with: the cluster's Linux, with a version of Python such as "3.11"."""
    return {
        "python_version": python, "python_full_version": f"{python}.99", "implementation_version": f"{python}.99",
        "os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64",
        "implementation_name": "cpython", "platform_python_implementation": "CPython",
    }  # fmt: skip


def _exported(declared: Declared) -> bool:
    """Whether most lines have a marker for a range of Python, as `poetry export` writes them: note that range.

    Poetry puts the range of the project, not only what the package needs, on every line.
    """
    markers = [entry.requirement.marker for entry in declared.entries]
    ranges = [marker for marker in markers if marker and re.search(r"\bpython_(full_)?version\b", str(marker))]
    if len(ranges) <= len(markers) / 2:
        return False
    counts = {python: sum(one.evaluate(environment(python)) for one in ranges) for python in PYTHONS}
    declared.pythons = tuple(python for python, count in counts.items() if count and count == max(counts.values()))
    if declared.pythons and not declared.python:
        declared.python = f">={declared.pythons[0]},<3.{int(declared.pythons[-1].partition('.')[2]) + 1}"
        if len(declared.pythons) == 1:
            declared.python = f"=={declared.pythons[0]}.*"
    return True


def _requirements(text: str, to: Declared, folder: _Folder | None) -> None:
    for number, line in _logical_lines(text):
        _line(line, f"{to.where}:{number}", to, folder)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a requirements file as pip sees them: continued ones in one, without comments; with their number."""
    start, parts = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            parts += line[:-1]
            continue
        full = re.sub(r"(^|\s)#.*$", "", parts + (" " if comment else "") + line).strip()
        if full:
            yield start, full
        start, parts = 0, ""
    if parts.strip():
        yield start, parts.strip()


def _line(line: str, where: str, to: Declared, folder: _Folder | None) -> None:
    option = OPTION.fullmatch(line)
    if not option:
        to.add(line, where)
        return
    name, value = option[1], option[2].strip().strip("\"'")
    if name in ("-r", "--requirement", "-c", "--constraint"):
        path = folder.path / value if folder else None
        if folder and path and path.is_file() and path.resolve().is_relative_to(folder.root.resolve()):
            _included(path.resolve(), to, folder, name in ("-c", "--constraint"))
        else:
            text = f"'{line}' was left out, for there is no such file in the source: add its packages"
            to.note("decide", where, text)
    elif name in ("-e", "--editable"):
        to.add(value, where)
    elif name in INDEX:
        host = urlsplit(value).hostname or ""
        if secret(value):
            to.note("decide", where, f"the package index {host} was left out, for its address holds a credential: "
                    "give it to the workspace and to pip's own settings")  # fmt: skip
        elif host == "download.pytorch.org":
            to.note("changed", where, "PyTorch's own index left out: PyPI has the same packages, with CUDA on Linux")
        elif urlsplit(value).scheme in ("http", "https"):
            to.options.append(f"{INDEX[name]} {value}")
        else:
            to.note("decide", where, f"'{line}' names a place on this machine, which a job does not see: left out")
    else:
        to.note("changed", where, f"'{name}' left out")


def _included(path: Path, to: Declared, folder: _Folder, limits: bool) -> None:
    """Take what a file of requirements says that another one names; `limits`: as versions only."""
    if path in folder.seen:
        return
    inner = Declared(path.relative_to(folder.root.resolve()).as_posix())
    inside = _Folder(path.parent, folder.root, folder.seen | {path})
    _requirements(read_text(path), inner, inside)
    (to.constraints if limits else to.entries).extend(inner.entries)
    to.constraints += inner.constraints
    to.options += inner.options
    to.notes += inner.notes


def _conda_file(text: str, to: Declared, folder: _Folder) -> None:
    from ruamel.yaml import YAML

    _conda(YAML().load(text), to, folder)


def _conda(data: Any, to: Declared, folder: _Folder | None) -> None:
    dependencies = data.get("dependencies")
    if not isinstance(dependencies, list):
        raise ValueError("it has no list of dependencies")  # noqa: TRY004  # like all that makes a file unreadable
    builds = 0
    for keys, spec in entries(data, to.where):
        items = dependencies[keys[1]]["pip"] if "pip" in keys else dependencies  # type: ignore[index]
        where = _place(to, items, keys[-1])
        if "pip" in keys:
            for _, line in _logical_lines(spec):
                _line(line, where, to, folder)
            continue
        builds += spec.count("=") == 2 and "==" not in spec
        line, name = conda_requirement(spec) or "", conda_name(spec)
        if name == "python":
            to.python = line.removeprefix("python")
        elif name and only_conda(name):
            if not builds:
                text = f"{name} left out: no Python package; the image or others bring it"
                to.note("changed", where, text, "not-python", name)
        elif name and name not in INSTALLERS:
            try:
                to.entries.append(Entry(Requirement(line), where))
            except InvalidRequirement:
                text = f"'{spec}' has no equal in pip: left out; add the package to pip's list"
                to.note("decide", where, text, "no-equal", name)
    total = sum(isinstance(item, str) for item in dependencies)
    to.frozen = (builds >= 10 and builds > total / 2) or ("prefix" in data and _pinned(to) > FROZEN / 2)
    if to.frozen:  # hundreds of these are no news
        to.notes = [note for note in to.notes if note.code not in ("not-python", "no-equal")]


def _place(to: Declared, items: Any, index: Any) -> str:
    line = getattr(items, "lc", None)
    return f"{to.where}:{line.item(index)[0] + 1}" if line and ":" not in to.where else to.where


def _find(part: str, text: str, where: str) -> str:
    """The first line that has this part, for TOML tells no lines."""
    before, found, _ = text.partition(part)
    return f"{where}:{before.count(chr(10)) + 1}" if found else where


def _pyproject(text: str, to: Declared, folder: _Folder) -> None:
    data = tomllib.loads(text)
    project, tool = data.get("project", {}), data.get("tool", {})
    to.python = project.get("requires-python", "")
    for line in project.get("dependencies", []):
        to.add(line, _find(line, text, to.where))
    dynamic = tool.get("setuptools", {}).get("dynamic", {}).get("dependencies", {}).get("file", [])
    for name in [dynamic] if isinstance(dynamic, str) else dynamic:
        _line(f"-r {name}", _find(name, text, to.where), to, folder)
    for name, value in tool.get("poetry", {}).get("dependencies", {}).items():
        for each in value if isinstance(value, list) else [value]:
            if name == "python":
                to.python = to.python or _poetry_python(str(each))
            else:
                _table(name, each, _find(name, text, to.where), to, poetry_specifier)


def _pipfile(text: str, to: Declared, _: _Folder) -> None:
    data = tomllib.loads(text)
    requires = data.get("requires", {})
    version = requires.get("python_version") or requires.get("python_full_version")
    to.python = f"=={version}" if version else ""
    for name, value in data.get("packages", {}).items():
        _table(name, value, _find(name, text, to.where), to, lambda text: "" if text == "*" else text)


def _table(name: str, value: Any, where: str, to: Declared, specifier: Any) -> None:
    """A package of Poetry or Pipenv: a version, or a table."""
    table = value if isinstance(value, dict) else {"version": value}
    if table.get("optional"):
        return
    if "path" in table or "file" in table:
        to.local(str(table.get("path") or table.get("file")), where)
        return
    extras = f"[{','.join(table['extras'])}]" if table.get("extras") else ""
    marker = f" ; {table['markers']}" if table.get("markers") else ""
    if "git" in table or "url" in table:
        ref = table.get("rev") or table.get("ref") or table.get("tag") or table.get("branch")
        url = f"git+{table['git']}{'@' + ref if ref else ''}" if "git" in table else table["url"]
        to.add(f"{name}{extras} @ {url}", where)
    else:
        try:
            to.add(f"{name}{extras}{specifier(str(table.get('version', '*')))}{marker}", where)
        except ValueError as error:
            to.note("decide", where, f"{name} left out, for {error}: add it with one range of versions")


def poetry_specifier(version: str) -> str:
    """A version constraint of Poetry as PEP 440 has it. Raises ValueError when it has none.

    >>> poetry_specifier("^1.2.3"), poetry_specifier("~1.2")
    ('>=1.2.3,<2', '>=1.2,<1.3')
    """
    parts = []
    if "|" in version:
        raise ValueError(f"'{version}' is a choice of versions")
    for part in re.split(r"\s*,\s*|(?<=[\w*])\s+(?=[<>=!~^])", version.strip()):
        match = re.fullmatch(r"(\^|~=|~|[<>=!]=?)?\s*(.+)", part)
        sign, number = (match[1] or "", match[2]) if match else ("", part)
        if sign in ("^", "~"):
            release = [int(each) for each in re.match(r"[\d.]+", number)[0].strip(".").split(".")]  # type: ignore[index]
            if sign == "~":
                kept = min(len(release), 2)
            else:  # up to the first number that is not zero, or as far as it goes
                kept = next((index + 1 for index, each in enumerate(release) if each), len(release))
            above = [*release[: kept - 1], release[kept - 1] + 1]
            parts += [f">={number}", "<" + ".".join(map(str, above))]
        elif part != "*":
            parts.append((sign if sign not in ("", "=") else "==") + number)
    SpecifierSet(",".join(parts))  # InvalidSpecifier is a ValueError
    return ",".join(parts)


def _poetry_python(version: str) -> str:
    try:
        return poetry_specifier(version)
    except ValueError:
        return ""


def _setup_cfg(text: str, to: Declared, _: _Folder) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    to.python = parser.get("options", "python_requires", fallback="")
    for line in map(str.strip, parser.get("options", "install_requires", fallback="").splitlines()):
        if line and not line.startswith("#"):
            to.add(line, _find(line, text, to.where))


def _setup_py(text: str, to: Declared, _: _Folder) -> None:
    tree = ast.parse(text)
    names = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and getattr(call.func, "id", getattr(call.func, "attr", "")) == "setup"):
            continue
        for keyword in call.keywords:
            value = keyword.value
            value = names.get(value.id, value) if isinstance(value, ast.Name) else value
            if keyword.arg == "python_requires" and isinstance(value, ast.Constant):
                to.python = str(value.value)
            elif keyword.arg == "install_requires":
                where = f"{to.where}:{keyword.value.lineno}"
                if not isinstance(value, ast.List | ast.Tuple):
                    to.note("decide", where, "install_requires is computed, which is not done here: add its packages")
                    continue
                for item in value.elts:
                    if isinstance(item, ast.Constant) and isinstance(item.value, str):
                        to.add(item.value, f"{to.where}:{item.lineno}")
                    else:
                        to.note("decide", where, "a package of install_requires is computed: add it")


READERS: dict[str, Callable[[str, Declared, _Folder], None]] = {
    "pyproject.toml": _pyproject,
    "Pipfile": _pipfile,
    "setup.cfg": _setup_cfg,
    ".py": _setup_py,
    **dict.fromkeys((".yml", ".yaml", ".json"), _conda_file),
}
