"""A newer template reaches existing repositories, made by cruft or by cookiecutter, and spares the owner's work."""

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import ENVIRONMENT, TEMPLATE

Generate = Callable[..., "subprocess.CompletedProcess[str]"]
SLUG = "{{cookiecutter.project_slug}}"
FIRST = "v0.1.0"
BEFORE_THE_PACKAGE = "488636f"  # the last commit whose repositories hold the command line, in aml/
NEWS = "A line of the newer template."
OWN = "# the owner's own line"


class Sandbox:
    """Runs git and cruft with a home and a folder for temporary files of their own, below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home, self.temporary = folder / "home", folder / "temporary"
        self.home.mkdir()
        self.temporary.mkdir()
        identity = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        config = self.home / "cookiecutter.json"
        folders = {name: str(self.home / name) for name in ("cookiecutters_dir", "replay_dir")}
        config.write_text(json.dumps(folders), encoding="utf-8")
        self.variables = {
            **ENVIRONMENT,
            **identity,
            **dict.fromkeys(("HOME", "USERPROFILE"), str(self.home)),
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.temporary)),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "COOKIECUTTER_CONFIG": str(config),
            "PYTHONUTF8": "1",
        }

    def run(self, folder: Path, *command: str, status: int = 0, keys: str = "") -> str:
        done = subprocess.run(
            command, cwd=folder, env=self.variables, input=keys, capture_output=True, encoding="utf-8", timeout=120
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def git(self, folder: Path, *arguments: str) -> str:
        return self.run(folder, "git", *arguments)

    def commit(self, folder: Path) -> None:
        self.git(folder, "add", "--all")
        self.git(folder, "commit", "--quiet", "--message", "state")

    def cruft(self, folder: Path, *arguments: str, status: int = 0) -> str:
        return self.run(folder, sys.executable, "-m", "cruft", *arguments, status=status)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a git repository of two versions: as it is, v0.1.0, and one with a line more."""
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    folder = tmp_path_factory.mktemp("versions") / "aml-template"
    folder.mkdir()
    for name in ("cookiecutter.json", "hooks", SLUG):
        copy: Callable[..., Any] = shutil.copytree if (TEMPLATE / name).is_dir() else shutil.copy
        copy(TEMPLATE / name, folder / name)
    sandbox.git(folder, "init", "--quiet", "--initial-branch", "main")
    sandbox.commit(folder)
    sandbox.git(folder, "tag", FIRST)

    readme = folder / SLUG / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8") + f"\n{NEWS}\n", encoding="utf-8", newline="\n")
    sandbox.commit(folder)
    sandbox.git(folder, "tag", "v9.0.0")
    return folder


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def owned(sandbox: Sandbox, folder: Path) -> Path:
    """The generated repository under git, with work of its owner in it."""
    sandbox.git(folder, "init", "--quiet", "--initial-branch", "main")
    train = folder / "src" / "train.py"
    train.write_text(train.read_text(encoding="utf-8") + f"\n{OWN}\n", encoding="utf-8", newline="\n")
    (folder / "src" / "own.py").write_text(OWN, encoding="utf-8")
    (folder / "sample-data" / "penguins.csv").unlink()
    sandbox.commit(folder)
    return folder


def cruft_create(sandbox: Sandbox, template: Path) -> Path:
    create = ["create", str(template), "--no-input", "--checkout", FIRST, "--output-dir", "cruft"]
    sandbox.cruft(sandbox.folder, *create, "--extra-context", '{"project_name": "Größe"}')
    return sandbox.folder / "cruft" / "grosse"


def cookiecutter(sandbox: Sandbox, template: Path, *typed: str, tag: str = FIRST, output: str = "plain") -> Path:
    # an address, for cookiecutter takes a folder as it is, whatever --checkout says
    command = [sys.executable, "-m", "cookiecutter", f"git+{template.as_uri()}", "--checkout", tag]
    command += ["--output-dir", output, *([] if typed else ["--no-input"])]
    sandbox.run(sandbox.folder, *command, keys="\n".join([*typed, *[""] * 11]))
    (folder,) = (sandbox.folder / output).iterdir()
    state = recorded(folder)
    if state["template"] != template.as_uri():  # an old release records the public address
        assert re.fullmatch(r"https://[\w./-]+/aml-template", state["template"])
        (folder / ".cruft.json").write_text(json.dumps({**state, "template": str(template)}), encoding="utf-8")
    return folder


@pytest.fixture
def by_cruft(sandbox: Sandbox, template: Path) -> Path:
    return owned(sandbox, cruft_create(sandbox, template))


@pytest.fixture
def by_cookiecutter(sandbox: Sandbox, template: Path) -> Path:
    return owned(sandbox, cookiecutter(sandbox, template, "Größe"))


def recorded(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / ".cruft.json").read_text(encoding="utf-8"))
    return record


def pin(folder: Path) -> str:
    """The requirement of the aml package."""
    dependencies = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (found,) = (text for text in dependencies if text.startswith("aml-template"))
    return str(found)


def assert_updated(sandbox: Sandbox, folder: Path, template: Path) -> None:
    assert (folder / "README.md").read_text(encoding="utf-8").endswith(f"\n{NEWS}\n")
    assert (folder / "src" / "train.py").read_text(encoding="utf-8").endswith(f"\n{OWN}\n")
    assert (folder / "src" / "own.py").read_text(encoding="utf-8") == OWN
    assert not (folder / "sample-data" / "penguins.csv").exists()
    assert recorded(folder)["commit"] == sandbox.git(template, "rev-parse", "v9.0.0").strip()
    status = sandbox.git(folder, "status", "--porcelain", "--untracked-files=all").splitlines()
    changed = dict.fromkeys(("README.md", ".cruft.json", "pyproject.toml"), "M")
    assert {line[3:]: line[:2].strip() for line in status} == changed
    assert pin(folder).endswith(f"@{recorded(folder)['commit']}")


def update_and_check(sandbox: Sandbox, folder: Path, template: Path) -> None:
    assert "up to date" in sandbox.cruft(folder, "check", "--checkout", FIRST)
    assert "out of date" in sandbox.cruft(folder, "check", status=1)
    said = sandbox.cruft(folder, "update", "--skip-apply-ask")
    assert "Failed" not in said
    assert_updated(sandbox, folder, template)
    assert "up to date" in sandbox.cruft(folder, "check")


def test_repository_made_by_cruft_is_updated(sandbox: Sandbox, by_cruft: Path, template: Path) -> None:
    update_and_check(sandbox, by_cruft, template)


def test_repository_made_by_cookiecutter_is_updated(sandbox: Sandbox, by_cookiecutter: Path, template: Path) -> None:
    assert recorded(by_cookiecutter)["commit"] == sandbox.git(template, "rev-parse", FIRST).strip()
    assert recorded(by_cookiecutter)["template"] == template.as_uri()
    update_and_check(sandbox, by_cookiecutter, template)


def test_both_ways_generate_the_same(sandbox: Sandbox, template: Path) -> None:
    folders = cruft_create(sandbox, template), cookiecutter(sandbox, template, "Größe")
    one, other = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in folders
    )
    record = Path(".cruft.json")
    assert one.pop(record) and other.pop(record)
    assert one == other
    by_cruft, shipped = (recorded(folder)["context"]["cookiecutter"] for folder in folders)
    assert shipped.items() <= {**by_cruft, "_template": shipped["_template"]}.items()


def test_update_without_news_changes_nothing(sandbox: Sandbox, by_cookiecutter: Path) -> None:
    sandbox.cruft(by_cookiecutter, "update", "--skip-apply-ask", "--checkout", FIRST)
    assert sandbox.git(by_cookiecutter, "status", "--porcelain") == ""


@pytest.mark.slow
def test_expression_typed_as_an_answer_is_not_executed_by_an_update(sandbox: Sandbox, template: Path) -> None:
    mark = sandbox.folder / "executed"
    text = "{{ 7*7 }} {% raw %} {# {{ cycler.__init__.__globals__.os.mkdir('" + mark.as_posix() + "') }}"
    folder = owned(sandbox, cookiecutter(sandbox, template, text, "demo-model", text))
    sandbox.cruft(folder, "update", "--skip-apply-ask")
    assert_updated(sandbox, folder, template)
    lines = (folder / "README.md").read_text(encoding="utf-8").split("\n")
    assert lines[:3] == [f"# {text}", "", text]
    assert not mark.exists()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["by_cruft", "by_cookiecutter"])
def test_hooks_leave_nothing_outside_of_the_repository(
    way: str, sandbox: Sandbox, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(way)

    def outside() -> set[str]:
        return {
            path.relative_to(sandbox.folder).as_posix()
            for path in sandbox.folder.rglob("*")
            if folder not in path.parents
            # the hooks themselves, which cookiecutter does not clear away
            and not (path.parent == sandbox.temporary and re.fullmatch(r"tmp\w+\.py", path.name))
        }

    before = outside()
    assert not [path for path in before if path.startswith("temporary/")]
    sandbox.cruft(folder, "update", "--skip-apply-ask")
    assert outside() == before
    assert not list(folder.rglob("__pycache__"))


# From each release


def history(*arguments: str) -> list[str]:
    """The lines that git says of this clone; none where it is no clone."""
    done = subprocess.run(["git", *arguments], cwd=TEMPLATE, capture_output=True, encoding="utf-8", check=False)
    return done.stdout.split()


def releases() -> list[Any]:
    """The tag of each release and its commit; before the first release the oldest commit with a complete repository.

    Where the clone has neither, one that is skipped, with the reason.
    """
    if tags := history("tag", "--list", "v*"):
        return [pytest.param(tag, tag, id=tag) for tag in tags]
    oldest = history("log", "--reverse", "--format=%h", "--diff-filter=A", "--", f"{SLUG}/tests/test_train.py")[:1]
    reason = ""
    if not oldest or history("rev-parse", "--is-shallow-repository") == ["true"]:
        reason = "no tag v* and no history here: git fetch --unshallow --tags"
    elif history("rev-parse", *oldest) == history("rev-parse", "HEAD"):
        reason = "no tag v*, and no commit before this one"
    if reason:
        return [pytest.param("", "", id="none", marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(FIRST, oldest[0], id=f"{oldest[0]} for {FIRST}")]


@pytest.fixture
def later(sandbox: Sandbox, release: str, commit: str) -> Path:
    """A clone of this template, its main the present commit, that has a tag of that release."""
    folder = sandbox.folder / "later" / "aml-template"
    clone = ["git", "clone", "--quiet", "--config", "core.autocrlf=false", str(TEMPLATE), str(folder)]
    subprocess.run(clone, env=ENVIRONMENT, check=True)
    sandbox.git(folder, "tag", "--force", release, commit)
    sandbox.git(folder, "checkout", "--quiet", "-B", "main")
    return folder


def texts(folder: Path) -> dict[str, str]:
    """The files of the generated repository but cruft's record; the pin, which other tests look at, is cut short."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    kept = {name: path for name, path in files.items() if name != ".cruft.json" and not name.startswith(".git/")}
    pins = re.compile(r'"aml-template @ [^"]+"')
    return {name: pins.sub('"aml-template"', path.read_text(encoding="utf-8")) for name, path in kept.items()}


def write(folder: Path, name: str, lines: list[str]) -> None:
    (folder / name).write_text("".join(lines), encoding="utf-8", newline="\n")


def unmerged(sandbox: Sandbox, folder: Path) -> set[str]:
    return set(sandbox.git(folder, "diff", "--name-only", "--diff-filter=U", "--relative").splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("place", ["alone", "inside"])
@pytest.mark.parametrize(("release", "commit"), releases())
def test_update_from_a_release_keeps_what_the_owner_changed(
    place: str, release: str, sandbox: Sandbox, later: Path
) -> None:
    folder = cookiecutter(sandbox, later, tag=release)
    old, new = texts(folder), texts(cookiecutter(sandbox, later, tag="main", output="fresh"))
    if place == "inside":
        (folder.parent / "own.py").write_text(OWN, encoding="utf-8")
    sandbox.git(folder if place == "alone" else folder.parent, "init", "--quiet")
    sandbox.commit(folder)

    edited = ("src/train.py", "tests/test_train.py", "aml_config/train-local.yml", "aml_config/train-conda.yml")
    for name in edited:  # in the middle of what is the same in both versions
        was, becomes = (text.splitlines(keepends=True) for text in (old[name], new[name]))
        same = difflib.SequenceMatcher(None, was, becomes, autojunk=False).find_longest_match()
        middle = same.a + same.size // 2
        write(folder, name, [*was[:middle], f"{OWN}\n", *was[middle:]])
    settings = folder / "aml_config" / "config.json"
    attached = new["aml_config/config.json"].replace("00000000", "11111111")
    settings.write_text(attached, encoding="utf-8", newline="\n")
    (folder / "sample-data" / "penguins.csv").unlink()
    (folder / "tests" / "test_own.py").write_text(OWN, encoding="utf-8")
    sandbox.commit(folder)

    sandbox.cruft(folder, "update", "--skip-apply-ask")
    assert not unmerged(sandbox, folder)
    updated = texts(folder)
    assert [updated[name].count(f"{OWN}\n") for name in edited] == [1] * len(edited)
    found = {name: text.replace(f"{OWN}\n", "") if name in edited else text for name, text in updated.items()}
    assert found.pop("tests/test_own.py") == OWN
    assert found == {name: text for name, text in new.items() if name != "sample-data/penguins.csv"} | {
        "aml_config/config.json": attached
    }
    if sandbox.git(folder, "status", "--porcelain"):  # not so when the release is the present commit
        sandbox.commit(folder)
    assert "already up to date" in sandbox.cruft(folder, "update", "--skip-apply-ask")
    assert sandbox.git(folder, "status", "--porcelain") == ""
    if place == "inside":
        assert {path.name for path in folder.parent.iterdir()} == {".git", "own.py", folder.name}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["alone", "inside"])
@pytest.mark.parametrize(("release", "commit"), releases())
def test_update_from_a_release_leaves_ordinary_conflicts(
    place: str, release: str, sandbox: Sandbox, later: Path
) -> None:
    folder = cookiecutter(sandbox, later, tag=release)
    old, new = texts(folder), texts(cookiecutter(sandbox, later, tag="main", output="fresh"))
    sandbox.git(folder if place == "alone" else folder.parent, "init", "--quiet")
    sandbox.commit(folder)

    for name in sorted(old.keys() & new.keys(), key=lambda name: (not name.startswith("src/"), name)):
        was, becomes = (text.splitlines(keepends=True) for text in (old[name], new[name]))
        steps = difflib.SequenceMatcher(None, was, becomes, autojunk=False).get_opcodes()
        replaced = [step for step in steps if step[0] == "replace"]
        if replaced:
            break
    else:
        pytest.skip(f"{release} has no line that the present version changes")
    _, line, _, start, _end = replaced[0]
    ours = was[line].rstrip("\n") + " ours\n"
    write(folder, name, [*was[:line], ours, *was[line + 1 :]])
    sandbox.commit(folder)

    sandbox.cruft(folder, "update", "--skip-apply-ask")
    assert unmerged(sandbox, folder) == {name}
    mine, theirs = re.findall(
        r"^<<<<<<< .+?\n(.*?)^=======\n(.*?)^>>>>>>> ",
        (folder / name).read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )[0]
    assert ours in mine and becomes[start] in theirs
    assert not list(folder.rglob("*.rej"))
    found = texts(folder)
    assert {**found, name: ""} == {**new, name: ""}

    sandbox.git(folder, "checkout", "--theirs", name)
    sandbox.commit(folder)
    assert texts(folder) == new
    assert recorded(folder)["commit"] == sandbox.git(later, "rev-parse", "main").strip()


# From the repositories that held the command line


def package_is_new() -> list[Any]:
    known = history("rev-parse", "--verify", "--quiet", f"{BEFORE_THE_PACKAGE}^{{commit}}")
    reason = "" if known else "that commit is not in this clone's history: git fetch --unshallow"
    return [pytest.param(FIRST, BEFORE_THE_PACKAGE, marks=pytest.mark.skip(reason=reason) if reason else ())]


@pytest.mark.slow
@pytest.mark.parametrize("edited", [False, True], ids=["", "with-an-edit-of-it"])
@pytest.mark.parametrize(("release", "commit"), package_is_new())
def test_the_command_line_leaves_a_repository_that_held_it(
    edited: bool, release: str, sandbox: Sandbox, later: Path
) -> None:
    """What its owner changed stays. A file of aml/ that was changed stays for its owner to decide, and is named."""
    folder = owned(sandbox, cookiecutter(sandbox, later, tag=release))
    changed = folder / "aml" / "check.py"
    if edited:
        text = f"{changed.read_text(encoding='utf-8')}\n{OWN}\n"
        changed.write_text(text, encoding="utf-8", newline="\n")
        sandbox.commit(folder)
    said = sandbox.cruft(folder, "update", "--skip-apply-ask")
    if edited:
        assert "aml/check.py: patch does not apply" in said
        assert [path.name for path in (folder / "aml").iterdir()] == ["check.py"]
        assert changed.read_text(encoding="utf-8") == text
        changed.unlink()
    assert not list((folder / "aml").rglob("*.*"))
    assert pin(folder).startswith("aml-template @ file:")  # the address that .cruft.json had
    sandbox.commit(folder)

    assert OWN in (folder / "src" / "train.py").read_text(encoding="utf-8")
    new = texts(cookiecutter(sandbox, later, tag="main", output="fresh"))
    changed_here = {"src/train.py", "src/own.py", "sample-data/penguins.csv"}
    kept = {name: text for name, text in texts(folder).items() if name not in changed_here}
    assert kept == {name: text for name, text in new.items() if name not in changed_here}
