"""Which versions of packages install together on the cluster: asked of uv, from its package index."""

import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from aml.adopt import UserError

# Wheels that were built for NumPy 1 alone do not load with NumPy 2: those from before its release.
NUMPY_2 = "2024-06-16"
# The best version of all indexes, as pip takes it, which builds the environment in the cloud; uv takes the first index
# that has the package (https://docs.astral.sh/uv/concepts/indexes/#searching-across-multiple-indexes).
AS_PIP = ("--index-strategy", "unsafe-best-match")
UNDECLARED = {"torch"}  # works with NumPy without asking for it


class Conflict(Exception):
    """Why uv finds no versions, in its own words, on one line."""


@dataclass
class Found:
    """A version that uv chose."""

    version: str
    uploaded: str = ""  # "2022-10-26", or "" when the index does not say
    compiled: bool = False  # against one version of Python's C interface


class Resolver:
    """Resolves for Linux on x86-64 and one version of Python, together with requirements that are given."""

    def __init__(self, python: str, beside: Iterable[str] = (), options: Iterable[str] = ()) -> None:
        self.python, self.beside, self.options = python, list(beside), list(options)
        self.sources: set[str] = set()  # packages that may be built from source
        self.until: dict[str, str] = {}  # packages -> the day from which their later versions do not count
        self._answers: dict[tuple[str, ...], str | Conflict] = {}  # of uv, by what it was asked

    def newest(self, requirements: Iterable[Requirement]) -> dict[str, Found]:
        """The newest versions that these allow. Raises Conflict, and UserError when the index cannot be asked."""
        lines = [*map(str, requirements), *self.beside]
        packages = tomllib.loads(self._compile(lines, "--format", "pylock.toml"))["packages"]
        return {str(package["name"]): _found(package) for package in packages}

    def _users(self, name: str, requirements: Iterable[Requirement]) -> set[str]:
        """The packages that ask for a package, of those that newest() finds."""
        lines = [*map(str, requirements), *self.beside]
        for line in self._compile(lines, "--annotation-style", "line").splitlines():
            found, _, via = line.partition("# via ")
            if via and canonicalize_name(found.split("==")[0]) == name:
                return set(re.split(r",\s*", via.strip()))
        return set()

    def oldest(self, requirements: Iterable[Requirement], *arguments: str) -> dict[str, str]:
        """The oldest versions that these allow, and the newest of what they bring. Raises as newest() does.

        The given requirements only limit them: as requirements they would get their oldest versions, too.
        """
        more = ["--no-annotate", "--resolution", "lowest-direct", "--constraints", "beside.txt", *arguments]
        text = self._compile([*map(str, requirements)], *more)
        pairs = (line.split(" ")[0].split("==") for line in text.splitlines() if "==" in line)
        return {canonicalize_name(pair[0].split("[")[0]): pair[1] for pair in pairs}

    def lifted(self, requirements: list[Requirement]) -> list[Requirement]:
        """The same requirements, as far as they install together; else with versions lifted as little as uv finds.

        Raises Conflict with the reason when no later versions install together either.
        """
        attempts = [self._as_they_are, self._lift_the_uninstallable, self._lift_all_pins, self._lift_all]
        first: Conflict | None = None
        for transitive in (False, True):  # what others bring is built from source only where nothing else helps
            for attempt in attempts:
                try:
                    return self._with_sources(attempt, requirements, transitive)
                except Conflict as conflict:
                    last = conflict
            first = first or last
        raise first or last

    def _with_sources(
        self,
        attempt: Callable[[list[Requirement]], list[Requirement]],
        requirements: list[Requirement],
        transitive: bool,
    ) -> list[Requirement]:
        direct = {canonicalize_name(requirement.name) for requirement in requirements}
        while True:
            try:
                return attempt(requirements)
            except Conflict as conflict:
                named = re.findall(r"Wheels are required for `([^`]+)`", str(conflict))
                sources = {
                    name for name in named if name not in self.sources
                    and (not self.has_wheel(name) or (transitive and name not in direct))
                }  # fmt: skip
                if not sources:
                    raise
                self.sources |= sources

    def has_wheel(self, name: str) -> bool:
        """Whether any version of a package has a wheel for this Python."""
        try:
            self._compile([name], "--no-deps")
        except Conflict:
            return False
        return True

    def _as_they_are(self, requirements: list[Requirement]) -> list[Requirement]:
        self.newest(requirements)
        return requirements

    def _lift_the_uninstallable(self, requirements: list[Requirement]) -> list[Requirement]:
        bounded = [each for each in requirements if floor(each)]
        alone = self.oldest(map(loosened, bounded), "--no-deps")
        lifted = []
        for each in requirements:
            version = alone.get(canonicalize_name(each.name))
            kept = not floor(each) or version is None or each.specifier.contains(version, prereleases=True)
            if not kept:
                _refuse_early(each, str(version))
            lifted.append(each if kept else with_specifier(each, f">={version}"))
        changed = [new for new, old in zip(lifted, requirements, strict=True) if new is not old]
        return self._fixed(lifted, [*changed, *(each for each in lifted if exact(each))])

    def _lift_all_pins(self, requirements: list[Requirement]) -> list[Requirement]:
        pins = [each for each in requirements if exact(each)]
        loose = {id(each): loosened(each) for each in pins}
        return self._fixed([loose.get(id(each), each) for each in requirements], list(loose.values()))

    def _lift_all(self, requirements: list[Requirement]) -> list[Requirement]:
        lifted = [loosened(each) if floor(each) else each for each in requirements]
        return self._fixed(lifted, [each for each in lifted if each.specifier])

    def _fixed(self, requirements: list[Requirement], low: list[Requirement]) -> list[Requirement]:
        """The requirements, of which those in `low` get the oldest version that goes with the others in `low`."""
        chosen = {id(each) for each in low}
        try:
            return self._pinned(requirements, chosen, self.oldest(low))
        except Conflict:  # with what the given requirements bring
            return self._pinned(requirements, chosen, self.oldest([*low, *map(Requirement, self.beside)]))

    def _pinned(self, requirements: list[Requirement], chosen: set[int], versions: dict[str, str]) -> list[Requirement]:
        fixed = []
        for each in requirements:
            version = versions.get(canonicalize_name(each.name), "") if id(each) in chosen else ""
            if version:
                _refuse_early(each, version)
            fixed.append(with_specifier(each, f"=={version}") if version else each)
        self.newest(fixed)
        return fixed

    def stay_near(self, requirements: list[Requirement], then: str = "") -> str:
        """Let what has no exact version be of the time of what has one, else of the day `then`, where that installs.

        Old packages rarely work with what came years later, and rarely say so. Returns the day that limits it, or "".
        """
        found = self.newest(requirements)
        pinned = {canonicalize_name(each.name) for each in requirements if exact(each)}
        beside = {canonicalize_name(Requirement(line).name) for line in self.beside}
        free = sorted({canonicalize_name(each.name) for each in requirements} - pinned - beside)
        pins = max((found[name].uploaded for name in pinned & found.keys()), default="")
        latest = pins or then
        if not latest or not free:
            return ""
        after = range(365 if pins else 0, 3 * 366, 183)
        days = [date.fromisoformat(latest) + timedelta(days=days) for days in after]
        days = [day for day in days if day < datetime.now(UTC).date()]
        for start in range(len(days)):
            self.until = {}
            for name in free:
                for day in days[start:]:
                    self.until[name] = day.isoformat()
                    if self.has_wheel(name):
                        break
            try:
                self.newest(requirements)
                return max(self.until.values())
            except Conflict:
                continue
        self.until = {}
        return ""

    def numpy_1(self, requirements: list[Requirement]) -> tuple[str, str] | None:
        """A version of NumPy to add, and the package that needs it; None when all is well without.

        Old wheels rarely say that they were compiled for NumPy 1, and uv would give them NumPy 2. Raises Conflict when
        the others need NumPy 2.
        """
        found = self.newest(requirements)
        if "numpy" not in found or Version(found["numpy"].version) < Version("2.0.0rc1"):
            return None
        users = sorted((self._users("numpy", requirements) | UNDECLARED) & found.keys())
        old = [name for name in users if found[name].compiled and "" < found[name].uploaded < NUMPY_2]
        if not old:
            return None
        others = [each for each in requirements if canonicalize_name(each.name) != "numpy"]
        numpy = next((each for each in requirements if canonicalize_name(each.name) == "numpy"), Requirement("numpy"))
        below = with_specifier(numpy, str(numpy.specifier & SpecifierSet("<2")))
        found = self.newest([*others, below])
        fixed = [
            with_specifier(each, f"=={found[canonicalize_name(each.name)].version}") for each in others if not each.url
        ]
        numpy = with_specifier(below, f"=={self.oldest([below], '--no-deps')['numpy']}")
        try:
            self.newest([*fixed, numpy])
        except Conflict:
            return self.oldest([*fixed, below])["numpy"], old[0]
        return floor(numpy), old[0]

    def _compile(self, lines: list[str], *arguments: str) -> str:
        """What uv answers; the same question is asked once. Raises Conflict and UserError."""
        asked = (*lines, "", *arguments, *sorted(self.sources), *(f"{name}={day}" for name, day in self.until.items()))
        if asked not in self._answers:
            try:
                self._answers[asked] = self._ask(lines, arguments)
            except Conflict as conflict:
                self._answers[asked] = conflict
        answer = self._answers[asked]
        if isinstance(answer, Conflict):
            raise answer
        return answer

    def _ask(self, lines: list[str], arguments: tuple[str, ...]) -> str:
        from uv import find_uv_bin

        command = [str(find_uv_bin()), "pip", "compile", "-", "--quiet", "--no-config", "--no-header"]
        command += ["--color", "never", "--python-version", self.python, "--python-platform", "x86_64-manylinux_2_28"]
        command += ["--only-binary", ":all:", *AS_PIP]
        for name in sorted(self.sources):
            command += ["--no-binary", name]
        for name, day in self.until.items():
            command += ["--exclude-newer-package", f"{name}={day}"]
        with tempfile.TemporaryDirectory() as folder:  # away from any project's own settings
            (Path(folder) / "beside.txt").write_text("\n".join(self.beside), encoding="utf-8")
            done = subprocess.run(
                [*command, *arguments], input="\n".join([*self.options, *lines]) + "\n", cwd=folder,
                capture_output=True, text=True, encoding="utf-8", env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
            )  # fmt: skip
        if not done.returncode:
            return done.stdout
        reason = " ".join(done.stderr.split()).removeprefix("error: ")
        if re.search(r"Failed to fetch|error sending request|network was disabled|Request failed", reason):
            raise UserError(f"the package index cannot be asked, so no environment can be worked out: {reason[:300]}")
        raise Conflict(reason.removeprefix("No solution found when resolving dependencies cause: "))


def _refuse_early(requirement: Requirement, version: str) -> None:
    if Version(version).is_prerelease and not Version(floor(requirement)).is_prerelease:
        raise Conflict(f"of {requirement} there is but the pre-release {version}")


def exact(requirement: Requirement) -> bool:
    """Whether it asks for one version."""
    return any(each.operator in ("==", "===") and not each.version.endswith(".*") for each in requirement.specifier)


def floor(requirement: Requirement) -> str:
    """The version from which to look for a later one, or "" when it has no bound."""
    bounds: dict[bool, list[Version]] = {True: [], False: []}
    for each in requirement.specifier:
        if each.operator != "!=":
            upper = each.operator in ("<", "<=")
            bounds[upper].append(Version(each.version.removesuffix(".*")))
    return str(max(bounds[False], default=None) or max(bounds[True], default=""))


def loosened(requirement: Requirement) -> Requirement:
    """It, or any later version."""
    return with_specifier(requirement, f">={floor(requirement)}")


def with_specifier(requirement: Requirement, specifier: str) -> Requirement:
    """The same package with other versions."""
    new = Requirement(str(requirement))
    new.specifier = SpecifierSet(specifier)
    return new


def _found(package: dict[str, object]) -> Found:
    wheels = package.get("wheels") or []
    assert isinstance(wheels, list)
    uploaded = [wheel["upload-time"] for wheel in wheels if isinstance(wheel.get("upload-time"), datetime)]
    names = [wheel.get("name") or str(wheel.get("url", "")).rsplit("/", 1)[-1] for wheel in wheels]
    tags = [tag for name in names if name.endswith(".whl") for tag in parse_wheel_filename(name)[3]]
    return Found(
        str(package.get("version", "")),
        min(uploaded).date().isoformat() if uploaded else "",
        any(tag.abi != "none" and tag.platform != "any" for tag in tags),
    )
