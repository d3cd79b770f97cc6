"""What a project's files say that it needs: conda files, requirements, pyproject.toml, setup.cfg, setup.py, Pipfile.

Nothing is run, installed or asked of an index here.
"""

import ast
import configparser
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from aml.adopt import Note
from aml.jobfile.conda import conda_name, conda_requirement, only_conda

INDEX = {"-i": "--index-url", "--index-url": "--index-url", "--extra-index-url": "--extra-index-url",
         "-f": "--find-links", "--find-links": "--find-links"}  # fmt: skip
OPTION = re.compile(r"(--[\w-]+|-[a-zA-Z])(?:\s*=\s*|\s*)(.*)")
REPOSITORY = re.compile(r"(git|hg|svn|bzr)\+")
PYTHONS = tuple(f"3.{minor}" for minor in range(5, 20))
FROZEN = 40  # so many lines, all with exact versions, come from `pip freeze`: nobody types them


@dataclass(frozen=True)
class Entry:
    """A package that a file asks for."""

    requirement: Requirement
    where: str


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


def read(path: Path, root: Path) -> Declared:
    """What the file asks for; what cannot be read is in its notes."""
    where = path.relative_to(root).as_posix()
    declared = Declared(where)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix in (".yml", ".yaml", ".json"):
            from ruamel.yaml import YAML

            _conda(YAML().load(text), declared, path.parent, root)
        elif path.name in ("pyproject.toml", "Pipfile"):
            data = tomllib.loads(text)
            lines = text.splitlines()
            _pipfile(data, declared, lines) if path.name == "Pipfile" else _pyproject(data, declared, lines, path, root)
        elif path.name == "setup.cfg":
            _setup_cfg(text, declared)
        elif path.suffix == ".py":
            _setup_py(text, declared)
        else:
            _requirements(text, where, declared, path.parent, root, {path.resolve()})
            pins = [entry for entry in declared.entries if "==" in str(entry.requirement.specifier)]
            exported = _exported(declared) or any("--hash" in line for _, line in _logical_lines(text))
            declared.frozen = (len(pins) >= FROZEN or exported) and len(pins) > 0.9 * len(declared.entries)
    except Exception as error:  # each parser has its own kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        declared.note("decide", where, f"cannot be read and was not used ({reason})", "unreadable", where)
    return declared


def environment(python: str) -> dict[str, str]:
    """What markers are compared with: the cluster's Linux, with a version of Python such as "3.11"."""
    return {
        "python_version": python, "python_full_version": f"{python}.99", "os_name": "posix", "sys_platform": "linux",
        "platform_system": "Linux", "platform_machine": "x86_64", "platform_python_implementation": "CPython",
        "implementation_name": "cpython", "implementation_version": f"{python}.99", "platform_release": "",
        "platform_version": "", "extra": "",
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


def read_inline(conda: Mapping[str, Any], where: str) -> Declared:
    """What conda dependencies within another file ask for, such as those of a v1 runconfig."""
    declared = Declared(where)
    _conda(conda, declared, None, None)
    return declared


def _requirements(text: str, where: str, to: Declared, folder: Path | None, root: Path | None, seen: set[Path]) -> None:
    for number, line in _logical_lines(text):
        _line(line, f"{where}:{number}", to, folder, root, seen)


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


def _line(line: str, where: str, to: Declared, folder: Path | None, root: Path | None, seen: set[Path]) -> None:
    option = OPTION.fullmatch(line)
    if not option:
        to.add(line, where)
        return
    name, value = option[1], option[2].strip().strip("\"'")
    if name in ("-r", "--requirement", "-c", "--constraint"):
        path = folder / value if folder else None
        if path is None or root is None or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            to.note(
                "decide", where, f"'{line}' was left out, for there is no such file in the source: add its packages"
            )
        elif path.resolve() not in seen:
            path = path.resolve()
            inner = Declared(path.relative_to(root.resolve()).as_posix())
            text = path.read_text(encoding="utf-8-sig")
            _requirements(text, inner.where, inner, path.parent, root, seen | {path})
            (to.constraints if name in ("-c", "--constraint") else to.entries).extend(inner.entries)
            to.constraints += inner.constraints
            to.options += inner.options
            to.notes += inner.notes
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


def _conda(data: Any, to: Declared, folder: Path | None, root: Path | None) -> None:
    dependencies = data.get("dependencies") if isinstance(data, Mapping) else None
    if not isinstance(dependencies, list):
        raise ValueError("it has no list of dependencies")  # noqa: TRY004  # like all that makes a file unreadable
    builds = 0
    for index, item in enumerate(dependencies):
        where = _place(to, dependencies, index)
        if isinstance(item, Mapping):
            lines = item.get("pip") or []
            for position, text in enumerate(lines):
                for _, line in _logical_lines(str(text)):
                    _line(line, _place(to, lines, position), to, folder, root, set())
            continue
        spec = str(item)
        builds += spec.count("=") == 2 and "==" not in spec
        line = conda_requirement(spec) or ""
        name = conda_name(spec)
        if name == "python":
            to.python = line.removeprefix("python")
        elif name and only_conda(name):
            if not builds:
                text = f"{name} left out: no Python package; the image or others bring it"
                to.note("changed", where, text, "not-python", name)
        elif name not in ("", "pip", "setuptools", "wheel"):
            try:
                to.entries.append(Entry(Requirement(line), where))
            except InvalidRequirement:
                text = f"'{spec}' has no equal in pip: left out; add the package to pip's list"
                to.note("decide", where, text, "no-equal", name or spec)
    total = sum(isinstance(item, str) for item in dependencies)
    to.frozen = (builds >= 10 and builds > total / 2) or ("prefix" in data and _pinned(to.entries) > FROZEN / 2)
    if to.frozen:  # hundreds of these are no news
        to.notes = [note for note in to.notes if note.code not in ("not-python", "no-equal")]


def _pinned(entries: list[Entry]) -> int:
    return sum("==" in str(entry.requirement.specifier) for entry in entries)


def _place(to: Declared, items: Any, index: int) -> str:
    line = getattr(items, "lc", None)
    return f"{to.where}:{line.item(index)[0] + 1}" if line and ":" not in to.where else to.where


def _find(lines: list[str], text: str, where: str) -> str:
    """The first line that has this text, for TOML tells no lines."""
    number = next((number for number, line in enumerate(lines, 1) if text in line), 0)
    return f"{where}:{number}" if number else where


def _pyproject(data: dict[str, Any], to: Declared, lines: list[str], path: Path, root: Path) -> None:
    project, tool = data.get("project", {}), data.get("tool", {})
    to.python = project.get("requires-python", "")
    for line in project.get("dependencies", []):
        to.add(line, _find(lines, line, to.where))
    dynamic = tool.get("setuptools", {}).get("dynamic", {}).get("dependencies", {}).get("file", [])
    for name in [dynamic] if isinstance(dynamic, str) else dynamic:
        _line(f"-r {name}", _find(lines, name, to.where), to, path.parent, root, set())
    for name, value in tool.get("poetry", {}).get("dependencies", {}).items():
        where = _find(lines, name, to.where)
        for each in value if isinstance(value, list) else [value]:
            if name == "python":
                to.python = to.python or _poetry_python(str(each))
            else:
                _table(name, each, where, to, poetry_specifier)


def _pipfile(data: dict[str, Any], to: Declared, lines: list[str]) -> None:
    requires = data.get("requires", {})
    version = requires.get("python_version") or requires.get("python_full_version")
    to.python = f"=={version}" if version else ""
    for name, value in data.get("packages", {}).items():
        _table(name, value, _find(lines, name, to.where), to, lambda text: "" if text == "*" else text)


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


def _setup_cfg(text: str, to: Declared) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    to.python = parser.get("options", "python_requires", fallback="")
    lines = text.splitlines()
    for line in re.split(r"[\n]", parser.get("options", "install_requires", fallback="")):
        if line.strip() and not line.strip().startswith("#"):
            to.add(line.strip(), _find(lines, line.strip(), to.where))


def _setup_py(text: str, to: Declared) -> None:
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
