"""Try, test and measure the template with nothing but Python 3.11 to 3.15 and git.

    python dev.py demo        generate a repository, train a model in it and register it: about a minute
    python dev.py test        run the tests that take seconds: at most five minutes; arguments go to pytest
    python dev.py test --all  run these, and then all others but the faults: half an hour
    python dev.py faults      try every fault at every request to Azure, and print what was survived: an hour
    python dev.py bench       print the benchmarks; arguments go to benchmarks/*.py
    python dev.py fresh       see whether packages still resolve for every Python and system, and train with the newest

What this needs goes into .venv beside this file, which dev.py makes anew whenever it is not whole. No other Python
environment changes, so it works where pip may not install (PEP 668).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

PYTHONS = [(3, 11), (3, 12), (3, 13), (3, 14), (3, 15)]
if sys.version_info[:2] not in PYTHONS:  # macOS's own python3 is older, and gets here
    sys.exit(f"dev.py: needs Python 3.11 to 3.15; this is {platform.python_version()} ({sys.executable})")

TEMPLATE = Path(__file__).resolve().parent
ENVIRONMENT = TEMPLATE / ".venv"
WINDOWS = os.name == "nt"
SLOWER = "slow or standin"  # the marks that --all adds; with faults, those that addopts in pyproject.toml leaves out
# What uv calls the systems that people train on: https://docs.astral.sh/uv/reference/cli/#uv-pip-compile--python-platform
PLATFORMS = {
    "Linux x86_64": "x86_64-unknown-linux-gnu",
    "Linux arm64": "aarch64-unknown-linux-gnu",
    "Windows x86_64": "x86_64-pc-windows-msvc",
    "macOS arm64": "aarch64-apple-darwin",
    "macOS x86_64": "x86_64-apple-darwin",
}
# What is known to have no wheel and is no failure: libcst, for `aml adopt`, has none for Intel Macs since 1.9, and 1.8
# has none for Python 3.15.
WITHOUT_WHEELS = {("template", "macOS x86_64", "3.15")}


class Failure(Exception):
    """A step that went wrong. Shown as one line, without a traceback."""


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Print a command as one would type it in `cwd`, and run it. Raises Failure when it fails."""
    words = [shorten(word, cwd or Path.cwd()) for word in command]
    typed = subprocess.list2cmdline(words) if WINDOWS else shlex.join(words)
    print(f"$ {typed}", flush=True)
    try:
        status = subprocess.run([str(word) for word in command], cwd=cwd).returncode
    except OSError as error:
        raise Failure(f"`{typed}` cannot be run: {error.strerror}") from None
    if status:
        raise Failure(f"`{typed}` failed with status {status} (its reason is above)")


def shorten(word: str | Path, here: Path) -> str:
    """A word of a command; a path below the working folder `here` is shown from there."""
    return str(word.relative_to(here) if isinstance(word, Path) and word.is_relative_to(here) else word)


def output(*command: str | Path) -> str | None:
    """What a command prints, or None when it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace")
    return None if done.returncode else done.stdout.strip()


def program(environment: Path, name: str) -> Path:
    """A program of a virtual environment."""
    return environment / "Scripts" / f"{name}.exe" if WINDOWS else environment / "bin" / name


def prepare(group: str) -> Path:
    """Let .venv have the packages of a dependency group of pyproject.toml; returns its Python."""
    python = program(ENVIRONMENT, "python")
    pyproject = TEMPLATE / "pyproject.toml"
    ready = ENVIRONMENT / "ready.txt"  # absent while .venv changes, so that an interrupted change is noticed
    version = platform.python_version()
    wanted = [version, group, hashlib.sha256(pyproject.read_bytes()).hexdigest()]
    found = ready.read_text(encoding="utf-8").split() if ready.is_file() and python.exists() else []
    if found == wanted:
        return python
    if found[:1] != [version]:
        if Path(sys.prefix).resolve() == ENVIRONMENT:
            raise Failure(".venv has to be made anew, but this Python is in it: deactivate it first")
        run(sys.executable, "-m", "venv", "--clear", "--without-pip", ENVIRONMENT)
        install_uv(python, re.findall(r'"(uv\b[^"]*)"', pyproject.read_text(encoding="utf-8"))[0])
    ready.unlink(missing_ok=True)
    package = ("--editable", f"{TEMPLATE}[adopt]") if group == "test" else ()
    run(python, "-m", "uv", "pip", "install", "--python", python, *package, "--group", group)
    ready.write_text("\n".join(wanted), encoding="utf-8")
    return python


def install_uv(python: Path, requirement: str) -> None:
    """Install uv into the environment of `python`, which is bare. Debian keeps ensurepip in a package of its own."""
    # --no-user: pip's own settings may say otherwise, which an environment refuses
    arguments = ("install", "--no-user", "--disable-pip-version-check", "--quiet", requirement)
    if output(python, "-m", "ensurepip") is not None:
        run(python, "-m", "pip", *arguments)
    elif pip := output(sys.executable, "-c", "import pip; print(pip.__path__[0])"):
        run(python, pip, *arguments)  # a pip can be run by another Python than its own
    elif uv := shutil.which("uv"):
        run(uv, "pip", "install", "--python", python, requirement)
    else:
        raise Failure("neither ensurepip, pip nor uv is here; on Debian and Ubuntu: sudo apt install python3-venv")


def repository(folder: Path) -> Path:
    """The default model repository in `folder`, with its environment. Adds what is missing, no more."""
    python = prepare("demo")
    made = folder / "demo-model"
    unfinished = folder / "demo-model.unfinished"
    if unfinished.exists() or not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        options = ("--no-input", "--default-config", "--overwrite-if-exists")
        run(python, "-m", "cookiecutter", TEMPLATE, *options, "--output-dir", folder)
        unfinished.unlink()
    environment = made / ".venv"
    own_python = program(environment, "python")
    ready = environment / "ready.txt"  # has the folder's path, for an environment does not work in another one
    if not own_python.exists() or not ready.is_file() or ready.read_text(encoding="utf-8") != str(made):
        run(python, "-m", "uv", "venv", "--clear", "--python", sys.executable, environment)
        run(python, "-m", "uv", "pip", "install", "--python", own_python, "--editable", made)
        ready.write_text(str(made), encoding="utf-8")
    return made


def demo(folder: Path) -> int:
    """Train and register a model in a new repository, and say how to go on."""
    made = repository(folder)
    print(f"$ cd {shorten(made, Path.cwd())}")
    aml = program(made / ".venv", "aml")
    run(aml, "submit", "-c", "train-local", cwd=made)
    run(aml, "register-model", "-n", "demo-model", cwd=made)
    run(aml, "models", cwd=made)
    activate = r".venv\Scripts\activate" if WINDOWS else ". .venv/bin/activate"
    print(
        f"\nThere is now, in {made}:\n"
        "  a model repository with its own environment, .venv\n"
        "  the run that trained a model: runs/ has its files, mlruns/ its metrics\n"
        "  the model demo-model, registered\n"
        f"\nNext:\n  cd {made}\n  {activate}\n  aml ui"
    )
    return 0


def test(arguments: list[str]) -> int:
    """Run pytest, with --all once more for what is slow; returns its exit status, the first that is not 0."""
    workers = min(4, 1 + (os.cpu_count() or 1))  # one more than processors: tests wait for servers and processes
    command = [str(prepare("test")), "-m", "pytest", "-n", str(workers), "--dist", "loadgroup"]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` ignores it, and tests interrupt processes
    if "--all" not in arguments:
        return subprocess.run([*command, *arguments]).returncode
    arguments = [word for word in arguments if word != "--all"]
    found = [subprocess.run([*command, *arguments, *marks]).returncode for marks in ([], ["-m", SLOWER])]
    nothing = 5  # pytest's status when the arguments choose no test, as a file without slow tests does
    return next((status for status in found if status not in (0, nothing)), min(found))


def faults(arguments: list[str]) -> int:
    """Run the fault matrix, which prints its table; returns pytest's exit status."""
    return test(["-m", "faults", "tests/faults", *arguments])


def bench(arguments: list[str]) -> int:
    """Measure in a repository made for it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = repository(Path(folder).resolve())
        for name in ("run.py", "cloud.py"):
            run(prepare("test"), TEMPLATE / "benchmarks" / name, made, *arguments)
    return 0


def fresh() -> int:
    """Print whether all packages resolve, as pinned and at their newest, and train a model with the newest."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        made = repository(Path(folder).resolve())
        unresolved = resolve_everywhere(made)
        for file in (made / "pyproject.toml", made / "aml_config" / "train-conda.yml"):
            file.write_text(loosened(file.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
        own_python, aml = program(made / ".venv", "python"), program(made / ".venv", "aml")
        run(prepare("demo"), "-m", "uv", "pip", "install", "--upgrade", "--python", own_python, "--editable", made)
        run(aml, "check", cwd=made)  # both lists of packages are still the same
        run(aml, "submit", "-c", "train-local", "--here", cwd=made)
        run(aml, "register-model", "-n", "demo-model", cwd=made)
        run(aml, "models", cwd=made)
    return 1 if unresolved else 0


def resolve_everywhere(made: Path) -> int:
    """Print a table of what resolves from wheels on which Python and system; returns how much newly does not.

    train-conda.yml has no column, for its packages are among those of pyproject.toml, as `aml check` sees to.
    """
    import tomllib

    project = tomllib.loads((made / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [line for line in project["dependencies"] if not line.startswith("aml-template")]
    sets = {
        "as pinned": (pins, ()),
        "newest": ([loosened(line) for line in pins], ()),
        "template": ([], ("--extra", "adopt", "--group", "demo", "--group", "test")),
    }
    columns = [f"{python[0]}.{python[1]}" for python in PYTHONS]
    cells = list(product(sets, PLATFORMS, columns))
    prepare("demo")  # once, before the threads
    with ThreadPoolExecutor(max_workers=4) as pool:
        reasons = dict(
            zip(cells, pool.map(lambda cell: resolve(*sets[cell[0]], PLATFORMS[cell[1]], cell[2]), cells), strict=True)
        )
    print("\nfrom wheels".ljust(31), *(column.ljust(6) for column in columns))
    for name, system in product(sets, PLATFORMS):
        row = ("no" if reasons[name, system, column] else "ok" for column in columns)
        print(name.ljust(12), system.ljust(16), *(cell.ljust(6) for cell in row))
    failed = {cell: reason for cell, reason in reasons.items() if reason}
    for (name, system, column), reason in failed.items():
        print(f"{name}, {system}, Python {column}: {reason}")
    print(flush=True)
    return len(failed.keys() - WITHOUT_WHEELS)


def resolve(requirements: list[str], options: tuple[str, ...], system: str, version: str) -> str:
    """Why uv cannot resolve these and the package's own requirements from wheels: in its words, or "" if it can."""
    command = [program(ENVIRONMENT, "python"), "-m", "uv", "pip", "compile", "--quiet", "--only-binary", ":all:"]
    command += ["--no-python-downloads", "--python-platform", system, "--python-version", version, *options]
    done = subprocess.run(
        [*map(str, command), str(TEMPLATE / "pyproject.toml"), "-"],
        input="\n".join(requirements),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    return one_line(done.stderr) or f"uv ended with status {done.returncode}" if done.returncode else ""


def one_line(message: str) -> str:
    """What uv says of a conflict, without what stands around it."""
    text = " ".join(line for line in message.splitlines() if not line.startswith("warning:"))
    text = re.sub(r"^.*?(?=Because )|\bhint: .*$", "", text)
    return " ".join(text.split())


def loosened(text: str) -> str:
    """The text with each pin `name==1.2.3` as the versions that are to work with it: `name>=1.2.3,<2`."""
    return re.sub(r"==((\d+)[\w.]*)", lambda pin: f">={pin[1]},<{int(pin[2]) + 1}", text)


def main(argv: list[str]) -> int:
    """Run one verb; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a legacy Windows console lacks some letters
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", metavar="demo|test|faults|bench|fresh", required=True)
    demo_options = verbs.add_parser("demo")
    demo_options.add_argument("-o", "--output-dir", type=Path, default=TEMPLATE / "demo", help="default: %(default)s")
    verbs.add_parser("test")
    verbs.add_parser("faults")
    verbs.add_parser("bench")
    verbs.add_parser("fresh")
    passes_on = argv[:1] in (["test"], ["faults"], ["bench"])
    args = parser.parse_args(argv[:1] if passes_on else argv)
    try:
        output_dir = args.output_dir.resolve() if args.verb == "demo" else TEMPLATE
        folder = Path.cwd()
        if folder != TEMPLATE:
            print(f"$ cd {TEMPLATE}")
            os.chdir(TEMPLATE)
        if args.verb == "demo":
            return demo(output_dir)
        if args.verb == "fresh":
            return fresh()
        return {"test": test, "faults": faults, "bench": bench}[args.verb](argv[1:])
    except Failure as failure:
        print(f"dev.py: {failure}", file=sys.stderr)
    except OSError as error:
        print(f"dev.py: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("dev.py: cancelled; run it again to go on", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
