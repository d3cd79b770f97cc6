"""Try, test and measure the template with nothing but Python 3.11 or newer and git.

    python dev.py demo      generate a repository, train a model in it and register it: about a minute
    python dev.py test      run the tests; arguments go to pytest, such as -m "not slow"
    python dev.py faults    try every fault at every request to Azure, and print what was survived: ten minutes
    python dev.py bench     print the benchmarks; arguments go to benchmarks/*.py

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
import subprocess
import sys
import tempfile
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  # macOS's own python3 is older, and gets here
    sys.exit(f"dev.py: needs Python 3.11 or newer; this is {platform.python_version()} ({sys.executable})")

TEMPLATE = Path(__file__).resolve().parent
ENVIRONMENT = TEMPLATE / ".venv"
WINDOWS = os.name == "nt"


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
    """Run pytest; returns its exit status."""
    return subprocess.run(
        [str(prepare("test")), "-m", "pytest", "-n", "2", "--dist", "loadgroup", *arguments]
    ).returncode


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


def main(argv: list[str]) -> int:
    """Run one verb; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a legacy Windows console lacks some letters
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", metavar="demo|test|faults|bench", required=True)
    demo_options = verbs.add_parser("demo")
    demo_options.add_argument("-o", "--output-dir", type=Path, default=TEMPLATE / "demo", help="default: %(default)s")
    verbs.add_parser("test")
    verbs.add_parser("faults")
    verbs.add_parser("bench")
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
