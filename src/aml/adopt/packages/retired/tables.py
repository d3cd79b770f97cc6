"""What packages have removed, read from removed.txt, which says how it is written."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.version import Version

FILE = Path(__file__).with_name("removed.txt")
ROW = re.compile(
    r"(?P<names>[\w. ]+?)(?:\((?P<inside>.*?)\))?(?: -> ?(?P<new>.*?)(?: ?\[(?P<needs>\S+)\])?|: (?P<advice>.+))?"
)


class Package(NamedTuple):
    """A package whose releases removed something."""

    name: str
    oldest: str  # the first release that installs on Python 3.11
    roots: tuple[str, ...] = ()  # a method is one of its objects' only in modules that import one of these


PACKAGES = {
    "Keras": Package("keras", "2.13", ("keras", "tensorflow")),
    "LightGBM": Package("lightgbm", "3.2"),
    "NumPy": Package("numpy", "1.23.2"),
    "Python": Package("python", "3.11"),
    "SciPy": Package("scipy", "1.9.2"),
    "TensorFlow": Package("tensorflow", "2.13", ("keras", "tensorflow")),
    "XGBoost": Package("xgboost", "1.5"),
    "imbalanced-learn": Package("imbalanced-learn", "0.9.1", ("imblearn",)),
    "matplotlib": Package("matplotlib", "3.6.0", ("matplotlib", "pandas")),
    "pandas": Package("pandas", "1.5.0", ("pandas",)),
    "scikit-learn": Package("scikit-learn", "1.1.3"),
    "seaborn": Package("seaborn", "0.8"),
}


class Row(NamedTuple):
    """What a release removed."""

    name: str
    inside: str | None  # of its brackets; None for what has none
    new: str
    needs: str  # the requirement with which the row holds; "" for any
    advice: str
    gone: str  # the release

    @property
    def keyword(self) -> str:
        """The name of the argument that is meant."""
        return (self.inside or "").partition("=")[0]

    @property
    def old(self) -> str:
        """The value of the argument, as code; "" for any."""
        return (self.inside or "").partition("=")[2]

    @property
    def order(self) -> list[str]:
        """The parameters in their order."""
        return [name for name in (self.inside or "").split(", ") if name != "*"]

    @property
    def allowed(self) -> int:
        """How many arguments may still stand without a name."""
        return (self.inside or "").split(", ").index("*")

    @property
    def roots(self) -> tuple[str, ...]:
        """The packages one of which a module has to import."""
        return PACKAGES[self.gone.rpartition(" ")[0]].roots


def _lacking(gone: str) -> str:
    """The requirement that means a release or a later one; "" where every version that installs is one of these."""
    package, _, version = gone.rpartition(" ")
    name, oldest, _ = PACKAGES[package]
    return f"{name}>={version}" if Version(version) > Version(oldest) else ""


def _expanded(line: str) -> Iterator[str]:
    """The rows that a row with {a b} stands for; {} is what it has of the last of these."""
    if not (found := re.fullmatch(r"(.*)\{([^{}]+)\}(.*)", line)):
        yield line
        return
    for word in found[2].split():
        yield from _expanded(f"{found[1]}{word}{found[3].replace('{}', word)}")


def _read() -> tuple[list[Row], dict[str, str]]:
    """The rows, and the full names in modules that became private with the public ones."""
    rows: list[Row] = []
    public: dict[str, str] = {}
    words: dict[str, str] = {}
    release = ""
    for line in re.sub(r"\n {8,}", " ", FILE.read_text(encoding="utf-8")).splitlines():
        if line.startswith("#") or not line:
            continue
        word, defined, names = line.partition(" := ")
        line = re.sub(r"\b[A-Z]+\b", lambda found: words.get(found[0], found[0]), line)
        if defined:
            words[word] = line.partition(" := ")[2]
        elif not line.startswith(" "):
            release = line
        elif release == "private":
            package, modules, names = line.strip().split(" | ")
            for prefix in ("", "tensorflow.") if package.startswith("keras") else ("",):
                for module in modules.split():
                    public |= {
                        f"{prefix}{package}.{module}.{name}": f"{prefix}{package}.{name}" for name in names.split()
                    }
        else:
            for text in _expanded(line.strip()):
                found = ROW.fullmatch(text)
                assert found is not None, text
                needs = _lacking(release) if found["advice"] else found["needs"]
                rest = (found["inside"], found["new"] or "", needs or "", found["advice"] or "", release)
                rows += [Row(name, *rest) for name in found["names"].split()]
    return rows, public


def _by_name(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return found


ROWS, PUBLIC = _read()
PRIVATE_MODULES = {name.rpartition(".")[0] for name in PUBLIC}
_methods = [row for row in ROWS if row.name.startswith((".", "DataFrame.")) and row.inside in (None, "", "...")]
_names = [row for row in ROWS if row.inside is None and row not in _methods]
RENAMED = {row.name: row for row in _names if row.new}
DECIDE = {row.name: row for row in _names if row.advice}
METHODS = _by_name(_methods)
ARGUMENTS = _by_name([row for row in ROWS if "=" in (row.inside or "")])
POSITIONAL = _by_name([row for row in ROWS if "*" in (row.inside or "")])


def today(full: str) -> tuple[str, str]:
    """What a full name is called today, and the release that has it no more; the name itself when it stays."""
    new, gone = full, ""
    while found := _next(new):
        new, gone = found[0], gone or found[1]
    return new, gone


def _next(full: str) -> tuple[str, str] | None:
    if full in PUBLIC:
        return PUBLIC[full], "scikit-learn 0.24" if full.startswith("sklearn") else "Keras 2.13"
    row = next((RENAMED[old] for old in beginnings(full) if old in RENAMED), None)
    return (row.new + full[len(row.name) :], row.gone) if row else None


def beginnings(full: str) -> Iterator[str]:
    """A dotted name and those that it begins with, the longest first."""
    while full:
        yield full
        full = full.rpartition(".")[0]
