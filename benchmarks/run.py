"""What the template and its command line cost, each beside a yardstick, in one run: `python dev.py bench [--rounds N]`.

Both commands of a pair run in turn (A B A B ...), after one round to warm up, so that whatever else the machine does
falls on both; the table has medians. A missed goal is no error: a benchmark is no test.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parent.parent
FRESH = "FRESH"  # in a command: a new empty folder
# With byte code, as users have it: without, every import compiles anew.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


@dataclass
class Pair:
    """Two commands side by side."""

    name: str
    command: list[str]
    yardstick_name: str
    yardstick: list[str]
    goal: str
    met: Callable[[float, float], bool]  # of the seconds of both


@dataclass
class Cost:
    """What a command took."""

    seconds: float
    megabytes: float  # the largest process at its peak; not a number on Windows, which does not tell


def pairs(repository: Path, one_file: Path) -> list[Pair]:
    """What is measured: the commands run in `repository`. `one_file` is a template of one file."""
    programs = repository / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    aml, python = str(programs / "aml"), str(programs / "python")
    generate = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config", "-o", FRESH]
    submit = [aml, "submit", "-c", "train-local", "--here"]
    train = [python, "src/train.py", "--data-path", "sample-data"]
    nothing = [python, "-c", "pass"]
    start = [*scoring(repository, python), "start", "1"]
    return [
        Pair("generate", [*generate, str(TEMPLATE)], "a one-file template", [*generate, str(one_file)],
             "at most 1.5 times", lambda a, b: a <= 1.5 * b),
        Pair("aml submit --here", submit, "python src/train.py", train,
             "at most 0.5 s more", lambda a, b: a <= b + 0.5),
        Pair("aml --help", [aml, "--help"], "python -c pass", nothing, "at most 0.2 s", lambda a, b: a <= 0.2),
        Pair("aml check", [aml, "check"], "python -c pass", nothing, "at most 0.5 s", lambda a, b: a <= 0.5),
        Pair("aml serve --test", [aml, "serve", "--test"], "a plain start of the server", start,
             "at most 1.5 times", lambda a, b: a <= 1.5 * b),
    ]  # fmt: skip


# Registers a model where there is none, and prints where the Python of serving and the folder of the model are.
PREPARE = """
import sys
from pathlib import Path
from aml.cli.main import main
from aml.jobfile import deployment
from aml.local import environments, mlflow_store, serving
root, out = Path.cwd(), sys.stdout
sys.stdout = sys.stderr
if not list(mlflow_store.read_model_versions(root)):
    main(["submit", "-c", "train-local", "--here"])
    main(["register-model", "-n", deployment.load("deployment", root).model.name])
online = deployment.load("deployment", root)
python = environments.scripts(environments.build(online)) / "python"
print(python, serving.registered_model(root, online.model).path.parent, sep="\\n", file=out)
"""


def scoring(repository: Path, python: str) -> list[str]:
    """The beginning of a command line of scoring.py: in the environment of serving, with a registered model."""
    command = [python, "-c", PREPARE]
    done = subprocess.run(command, cwd=repository, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True)
    found = done.stdout.splitlines()[-2:]
    return [found[0], str(Path(__file__).with_name("scoring.py")), str(repository / "src"), found[1]]


def compare_checks(repository: Path, rounds: int) -> list[list[str]]:
    """Lines of the table on score.py: its run() for requests of few and of many rows, in processor time."""
    python = str(repository / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    request = (repository / "sample-data" / "request.json").read_text(encoding="utf-8")
    lines = []
    for times in (1, 500):
        body = json.dumps({"data": json.loads(request)["data"] * times})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "request.json"
            path.write_text(body, encoding="utf-8")
            command = [*scoring(repository, python), str(path), str(rounds)]
            done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        ours, plain = json.loads(done.stdout)
        verdict = "met" if ours <= 1.15 * plain else "missed"
        numbers = [f"{ours:.4f} s", "", "without its checks", f"{plain:.4f} s", "", f"{ours / plain:.2f}"]
        lines.append([f"run() of {2 * times} rows", *numbers, "at most 15 % more", verdict])
    return lines


def measure(command: list[str], folder: Path, variables: dict[str, str] = ENVIRONMENT) -> Cost:
    """Run a command to its end in `folder`. Raises CalledProcessError when it fails."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as fresh, tempfile.TemporaryFile() as shown:
        command = [fresh if word == FRESH else word for word in command]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=shown, stderr=subprocess.STDOUT)
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, elsewhere KiB
        else:
            process.wait()
            peak = float("nan")
        seconds = time.perf_counter() - start
        if process.returncode:
            shown.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, shown.read())
    return Cost(seconds, peak)


def compare(pair: Pair, folder: Path, rounds: int) -> list[str]:
    """One line of the table."""
    commands = (pair.command, pair.yardstick)
    try:
        for command in commands:
            measure(command, folder)
        costs = [[measure(command, folder) for command in commands] for _ in range(rounds)]
    except subprocess.CalledProcessError as error:
        reason = (error.output.decode(errors="replace").strip().splitlines() or [""])[-1]
        return [pair.name, *[""] * 6, pair.goal, f"failed with status {error.returncode}: {reason}"]
    ours, theirs = (statistics.median(cost.seconds for cost in column) for column in zip(*costs, strict=True))
    peaks = [max(cost.megabytes for cost in column) for column in zip(*costs, strict=True)]
    verdict = "met" if pair.met(ours, theirs) else "missed"
    numbers = [f"{ours:.3f} s", f"{peaks[0]:.0f} MB", pair.yardstick_name, f"{theirs:.3f} s", f"{peaks[1]:.0f} MB"]
    return [pair.name, *numbers, f"{ours / theirs:.2f}", pair.goal, verdict]


def print_table(lines: list[list[str]]) -> None:
    """Print lines of cells in columns."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    """Measure what the command line asks for, and print one table."""
    parser = argparse.ArgumentParser(prog="dev.py bench", description="Measure, and print one table.")
    parser.add_argument("repository", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7, help="of each pair (default: %(default)s)")
    parser.add_argument("--only", default="", help="pairs whose name has this")
    args = parser.parse_args()
    lines = [["", "median", "peak", "yardstick", "median", "peak", "ratio", "goal", ""]]
    with tempfile.TemporaryDirectory() as folder:
        one_file = Path(folder)
        (one_file / "cookiecutter.json").write_text('{"slug": "one-file"}', encoding="utf-8")
        (one_file / "{{cookiecutter.slug}}").mkdir()
        (one_file / "{{cookiecutter.slug}}" / "README.md").write_text("# {{cookiecutter.slug}}\n", encoding="utf-8")
        for pair in (one for one in pairs(args.repository, one_file) if args.only in one.name):
            print(f"measuring {pair.name}", file=sys.stderr, flush=True)
            lines.append(compare(pair, args.repository, args.rounds))
        if args.only in "run()":
            lines += compare_checks(args.repository, args.rounds)
    print_table(lines)


if __name__ == "__main__":
    main()
