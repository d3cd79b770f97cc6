"""Where a generated repository installs the aml package from: each way to generate, with real cookiecutter and cruft.

git's `url.<local>.insteadOf` makes the public addresses a bare clone of this repository; nothing else is replaced.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from uv import find_uv_bin

from support import ENVIRONMENT, TEMPLATE

HTTPS, SCP, SSH = (
    "https://github.com/org/aml-template",
    "git@github.com:org/aml-template",
    "ssh://git@github.com/org/aml-template",
)


class World:
    """A home of its own in `folder`, in which the public addresses are a clone of this template."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.remote = folder, folder / "remote.git"
        subprocess.run(["git", "clone", "--quiet", "--bare", str(TEMPLATE), str(self.remote)], check=True)
        addresses = "".join(f"\tinsteadOf = {address}{end}\n" for address in (HTTPS, SCP, SSH) for end in (".git", ""))
        git = f'[url "{self.remote.as_uri()}"]\n{addresses}[user]\n\tname = x\n\temail = x@y\n'
        (folder / "gitconfig").write_text(git, encoding="utf-8")
        folders = {name: str(folder / name) for name in ("cookiecutters_dir", "replay_dir")}
        (folder / "cookiecutter.json").write_text(json.dumps(folders), encoding="utf-8")
        self.variables = {
            **ENVIRONMENT,
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "COOKIECUTTER_CONFIG": str(folder / "cookiecutter.json"),
            "PYTHONUTF8": "1",
        }

    def run(self, *command: str, cwd: Path | None = None, status: int = 0) -> str:
        """What a command prints, by default in an empty folder."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd or self.folder, env=self.variables, capture_output=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        assert (done.returncode != 0) == (status != 0), done.stdout + done.stderr
        return done.stdout + done.stderr

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        return self.run("git", *arguments, cwd=cwd or self.remote).strip()

    def generate(self, template: str, *arguments: str, cwd: Path | None = None) -> Path:
        """The repository that cookiecutter makes of a template."""
        out = self.folder / f"out-{len(list(self.folder.glob('out-*')))}"
        command = [sys.executable, "-m", "cookiecutter", template, "--no-input", "-o", str(out), *arguments]
        self.run(*command, cwd=cwd)
        return out / "demo-model"

    def cruft(self, *arguments: str, cwd: Path | None = None) -> str:
        return self.run(sys.executable, "-m", "cruft", *arguments, cwd=cwd)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def pin(repository: Path) -> str:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return next(str(text) for text in project["dependencies"] if text.startswith("aml-template"))


def record(repository: Path) -> tuple[str, str]:
    """The address and the commit that cruft updates from."""
    found = json.loads((repository / ".cruft.json").read_text(encoding="utf-8"))
    return found["template"], found["commit"]


class Address(NamedTuple):
    """What somebody gives to cookiecutter, and what the repository is to record of it."""

    id: str
    given: str
    template: str
    pin: str


ADDRESSES = [
    Address("gh", "gh:org/aml-template", f"{HTTPS}.git", f"git+{HTTPS}.git"),
    Address("https", HTTPS, HTTPS, f"git+{HTTPS}"),
    Address("https-git", f"{HTTPS}.git", f"{HTTPS}.git", f"git+{HTTPS}.git"),
    Address("scp", f"{SCP}.git", f"{SCP}.git", f"git+{SSH}.git"),
    Address("ssh", f"git+{SSH}.git", f"{SSH}.git", f"git+{SSH}.git"),
]


QUICK = ("gh", "scp")  # of the addresses; all others are as slow as these


@pytest.mark.parametrize(
    "address",
    [pytest.param(row, id=row.id, marks=() if row.id in QUICK else pytest.mark.slow) for row in ADDRESSES],
)
def test_a_git_address_is_recorded_at_its_commit(address: Address, world: World) -> None:
    repository = world.generate(address.given)
    commit = world.git("rev-parse", "HEAD")
    assert pin(repository) == f"aml-template @ {address.pin}@{commit}"
    assert record(repository) == (address.template, commit)


def test_a_checkout_is_recorded_as_the_commit_that_it_names(world: World) -> None:
    commit = world.git("rev-parse", "HEAD")
    world.git("tag", "v0.9", commit)
    repository = world.generate(f"git+{world.remote.as_uri()}", "--checkout", "v0.9")
    assert pin(repository) == f"aml-template @ git+{world.remote.as_uri()}@{commit}"
    assert record(repository) == (world.remote.as_uri(), commit)


@pytest.mark.parametrize(
    "form", ["absolute", "parent", *(pytest.param(form, marks=pytest.mark.slow) for form in ("relative", "dot"))]
)
def test_a_folder_is_the_package_and_the_hook_says_so(form: str, world: World) -> None:
    checkout = world.folder / "checkout"
    world.git("clone", "--quiet", str(world.remote), str(checkout), cwd=world.folder)
    below = checkout / "docs"
    given, cwd = {
        "absolute": (str(checkout), world.folder),
        "relative": ("./checkout", world.folder),
        "dot": (".", checkout),
        "parent": ("..", below),
    }[form]
    variables = world.variables | {"PWD": str(cwd)}
    world.variables = variables
    out = world.folder / "made"
    said = world.run(sys.executable, "-m", "cookiecutter", given, "--no-input", "-o", str(out), cwd=cwd)
    repository = out / "demo-model"
    assert pin(repository) == f"aml-template @ {checkout.resolve().as_uri()}"
    assert record(repository) == (str(checkout.resolve()), world.git("rev-parse", "HEAD"))
    lines = (repository / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    number = next(index for index, line in enumerate(lines, 1) if "aml-template" in line)
    assert "is on this machine only" in said
    assert f"line {number}" in said


@pytest.mark.parametrize("given", [HTTPS, "path"])
def test_cruft_records_the_same(given: str, world: World) -> None:
    checkout = world.folder / "checkout"
    world.git("clone", "--quiet", str(world.remote), str(checkout), cwd=world.folder)
    template = str(checkout) if given == "path" else given
    world.cruft("create", template, "--no-input", "--output-dir", "made")
    repository, commit = world.folder / "made" / "demo-model", world.git("rev-parse", "HEAD")
    wanted = checkout.resolve().as_uri() if given == "path" else f"git+{HTTPS}@{commit}"
    assert pin(repository) == f"aml-template @ {wanted}"
    assert record(repository)[1] == commit


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("aml-template>=1,<2", "aml-template>=1,<2"),
        ("aml-template==1.0", "aml-template==1.0"),
        (f"git+{HTTPS}@v1", f"aml-template @ git+{HTTPS}@v1"),
        (f"aml-template @ git+{HTTPS}@v1", f"aml-template @ git+{HTTPS}@v1"),
        ("WHEEL", "aml-template @ WHEEL"),
        ("FOLDER", "aml-template @ FOLDER"),
    ],
)
def test_the_answer_says_where_the_package_comes_from(given: str, wanted: str, world: World) -> None:
    wheel = world.folder / "aml_template-1.0-py3-none-any.whl"
    wheel.touch()
    for word, path in (("WHEEL", wheel), ("FOLDER", TEMPLATE)):
        given, wanted = given.replace(word, str(path)), wanted.replace(word, path.as_uri())
    assert pin(world.generate(str(TEMPLATE), f"package={given}")) == wanted


@pytest.mark.parametrize(
    "secret",
    [
        "git+https://user:s3cret@github.com/org/x",
        "git+https://s3cret@github.com/org/x",
        "git+ssh://git:s3cret@host/x",
        "https://host/x.whl?sig=s3cret",
    ],
)
def test_a_password_or_token_is_refused_and_gets_into_no_file(secret: str, world: World) -> None:
    out = world.folder / "made"
    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", "-o", str(out), f"package={secret}"]
    said = world.run(*command, status=1)
    assert "credential helper" in said
    assert "s3cret" not in said
    assert not (out / "demo-model").exists()


@pytest.mark.parametrize("given", ["./no/such/folder", "missing.whl", "templte", "0.1.0", "v0.1.0", "requests>=2"])
def test_what_is_not_there_or_another_package_is_refused(given: str, world: World) -> None:
    out = world.folder / "made"
    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", "-o", str(out), f"package={given}"]
    assert "Nothing was generated" in world.run(*command, status=1)
    assert not (out / "demo-model").exists()


def install(world: World, tool: str, python: Path, repository: Path, status: int = 0) -> str:
    """Install the repository into the environment of `python`, with pip or uv."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    uv = [find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--python", str(python)]
    return world.run(*(pip if tool == "pip" else uv), "-e", str(repository), status=status)


def test_without_hooks_nothing_is_installed(world: World) -> None:
    """Least of all something of that name from an index."""
    repository = world.generate(str(TEMPLATE), "--accept-hooks=no")
    assert pin(repository) == "aml-template @ file:///post_gen_project-did-not-run"
    world.run(find_uv_bin(), "venv", "--quiet", str(world.folder / "v"))
    command = [find_uv_bin(), "pip", "install", "--python", str(world.folder / "v"), "-e", str(repository)]
    assert "post_gen_project-did-not-run" in world.run(*command, status=1)


@pytest.mark.parametrize("tool", ["uv", pytest.param("pip", marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", ["gh", pytest.param("folder", marks=pytest.mark.slow)])
def test_another_commit_is_new_code_and_the_way_back_too(tool: str, way: str, world: World) -> None:
    """Update, install again, and the new code runs; then back to the older pin. Nothing but the commit changes."""
    checkout = world.folder / "checkout"
    world.git("clone", "--quiet", str(world.remote), str(checkout), cwd=world.folder)
    repository = world.generate("gh:org/aml-template" if way == "gh" else str(checkout))
    world.git("init", "--quiet", cwd=repository)
    world.git("add", "--all", cwd=repository)
    world.git("commit", "--quiet", "--message", "generated", cwd=repository)
    environment = world.folder / "environment"
    world.run(sys.executable, "-m", "venv", str(environment), *(["--without-pip"] if tool == "uv" else []))
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def code() -> str:
        """What the installed package, whose dependencies are not needed for that, says of itself."""
        script = "import importlib.util as u; print(open(u.find_spec('aml').origin, encoding='utf-8').read())"
        # The requirement alone, for the repository itself is installed without what it depends on.
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        uv = [find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--python", str(python)]
        world.run(*(pip if tool == "pip" else uv), pin(repository))
        return world.run(str(python), "-I", "-c", script)

    install(world, tool, python, repository)
    assert "A LATER COMMIT" not in code()
    first = pin(repository)

    module = checkout / "src" / "aml" / "__init__.py"
    module.write_text(module.read_text(encoding="utf-8") + "# A LATER COMMIT\n", encoding="utf-8")
    world.git("commit", "--all", "--quiet", "--message", "later", cwd=checkout)
    world.git("push", "--quiet", "origin", "HEAD", cwd=checkout)
    world.cruft("update", "--skip-apply-ask", cwd=repository)
    assert (pin(repository) == first) == (way == "folder")
    assert "A LATER COMMIT" in code()

    if way == "gh":
        world.git("checkout", "--quiet", "HEAD", "--", ".", cwd=repository)
        assert pin(repository) == first
        assert "A LATER COMMIT" not in code()
    shutil.rmtree(environment)
