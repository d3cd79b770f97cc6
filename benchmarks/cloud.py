"""The verbs on Azure Machine Learning, each beside a plain script of azure-ai-ml: `python dev.py bench [--rounds N]`.

Both meet the stand-in of tests/standin, in turn (A B A B ...) after one round to warm up; the table has medians of
seconds, and the numbers of requests. Where a line has 30 ms of latency, every answer is that late. A missed goal is no
error: a benchmark is no test.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from run import TEMPLATE, measure, print_table

sys.path.insert(0, str(TEMPLATE / "tests"))
from standin import StandIn, assets
from standin.cloud import GROUP, SUBSCRIPTION, WORKSPACE

LATENCY = 0.03  # seconds
CLIENT = """
from azure.ai.ml import MLClient, load_job
from azure.ai.ml.entities import Data
from azure.identity import DefaultAzureCredential
ml = MLClient.from_config(DefaultAzureCredential(), file_name="aml_config/config.json")
"""
SUBMIT = CLIENT + 'ml.jobs.create_or_update(load_job("aml_config/train-amlcompute.yml"))'


@dataclass
class Race:
    """A verb beside a script that does the same."""

    name: str
    verb: list[str]  # of aml
    script: str  # Python with azure-ai-ml that does the same
    goal: str
    met: Callable[[float, float], bool]  # of the seconds of both
    again: bool = False  # in a workspace where it was done before
    latency: float = 0.0
    rounds: int | None = None  # at most


def races(folder: Path) -> list[Race]:
    """What is measured; data of many small files and of a large one is made in `folder`."""
    small, large = folder / "small", folder / "large"
    small.mkdir()
    large.mkdir()
    for number in range(2000):
        (small / f"{number:04}.bin").write_bytes(f"{number},".encode() * 300)
    (large / "large.bin").write_bytes(os.urandom(200 * 2**20))
    submit = ["submit", "-c", "train-amlcompute", "--no-wait"]
    found = []
    for latency in (0.0, LATENCY):
        line = f", {latency * 1000:.0f} ms" if latency else ""
        as_fast = "no slower", lambda a, b: a <= b
        found += [
            Race(f"submit{line}", submit, SUBMIT, *as_fast, latency=latency),
            Race(f"submit, unchanged snapshot{line}", submit, SUBMIT, *as_fast, again=True, latency=latency),
        ]
        for name, path in (("2000 files", small), ("200 MB in one file", large)):
            script = (
                f'{CLIENT}ml.data.create_or_update(Data(name="demo-model-data", type="uri_folder", path={str(path)!r}))'
            )
            verb = ["register-data", "--path", str(path)]
            faster = ("3 times faster", lambda a, b: 3 * a <= b) if latency and path == small else as_fast
            found.append(Race(f"data, {name}{line}", verb, script, *faster, latency=latency, rounds=3))
    return found


@contextlib.contextmanager
def started(latency: float) -> Iterator[StandIn]:
    """A new service, for Azurite becomes slower with what it holds. Its workspace has the cluster and the data."""
    with StandIn() as service:
        service.direct_storage, service.latency = True, latency
        workspace = service.cloud.workspace
        workspace.computes["cpu-cluster"] = {"name": "cpu-cluster", "properties": {"properties": {}}}
        place = {"dataUri": "azureml://datastores/workspaceblobstore/paths/data/", "dataType": "uri_folder"}
        assets.store(workspace, "data", "demo-model-data", "1", place)
        yield service


def compare(race: Race, repository: Path, rounds: int) -> list[str]:
    """One line of the table."""
    python = str(repository / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    commands = [python, "-m", "aml", *race.verb], [python, "-W", "ignore", "-c", race.script]
    seconds: list[list[float]] = [[], []]
    requests = [0, 0]
    for turn in range(1 + min(rounds, race.rounds or rounds)):
        for which, command in enumerate(commands):
            with started(race.latency) as service:
                variables = service.environment(PYTHONWARNINGS="ignore")
                variables.pop("PYTHONDONTWRITEBYTECODE", None)
                if race.again:
                    measure(command, repository, variables)
                with service.watch() as calls:
                    cost = measure(command, repository, variables)
            requests[which] = sum(call.kind in ("control", "data", "login") for call in calls)
            seconds[which] += [cost.seconds] * bool(turn)
    ours, theirs = map(statistics.median, seconds)
    verdict = "met" if race.met(ours, theirs) else "missed"
    numbers = [f"{ours:.2f} s", str(requests[0]), f"{theirs:.2f} s", str(requests[1]), f"{ours / theirs:.2f}"]
    return [race.name, *numbers, race.goal, verdict]


def main() -> None:
    """Measure on the stand-in, and print one table."""
    parser = argparse.ArgumentParser(prog="dev.py bench", description="Measure, and print one table.")
    parser.add_argument("repository", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7, help="of each pair (default: %(default)s)")
    parser.add_argument("--only", default="", help="pairs whose name has this")
    args = parser.parse_args()
    lines = [["", "aml", "requests*", "plain script", "requests*", "ratio", "goal", ""]]
    with tempfile.TemporaryDirectory() as folder:
        (args.repository / "aml_config" / "config.json").write_text(
            f'{{"subscription_id": "{SUBSCRIPTION}", "resource_group": "{GROUP}", "workspace_name": "{WORKSPACE}"}}'
        )
        (args.repository / "scripts" / "register_data.py").unlink(missing_ok=True)  # its gate expects other data
        for race in (one for one in races(Path(folder)) if args.only in one.name):
            print(f"measuring {race.name}", file=sys.stderr, flush=True)
            lines.append(compare(race, args.repository, args.rounds))
    print_table(lines)
    print("* to the service and for sign-in; those for blobs are not counted")


if __name__ == "__main__":
    main()
