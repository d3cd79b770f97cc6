"""`aml serve`: answer requests with the registered model on this machine, as an endpoint does."""

import argparse
import copy
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aml.cli.register_model import find_asset
from aml.cli.tables import table
from aml.console import display_path, one_line, print_safely, say
from aml.errors import FileError, UserError
from aml.files import inside
from aml.jobfile import deployment as deployments
from aml.jobfile import snapshot, starts
from aml.jobfile.deployment import Deployment, ModelReference
from aml.jobfile.repository import find_root
from aml.local import serving
from aml.local.runs import find
from aml.local.serving import Answer, Model, Request

REQUEST = "sample-data/request.json"
LONGEST = 100  # letters of an answer that are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--deployment", metavar="NAME", help="the deployment, a name in aml_config/ or a path "
                        "(default: deployment, or batch-deployment)")  # fmt: skip
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="NAME[:VERSION]", help="a registered model (default: the newest version)")
    which.add_argument("--run", dest="run_id", metavar="ID", help="the model of this run, registered or not")
    parser.add_argument("-p", "--port", type=int, default=5001, help="port on this machine (default: %(default)s)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--batch", type=Path, metavar="FOLDER", help="run a batch deployment over these files instead")
    how.add_argument("--test", metavar="FILE", nargs="?", const="", help="send the request of FILE "
                        f"(default: {REQUEST}) and bad ones, without a port, and end with a status")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C, or test; returns the exit status."""
    root = find_root(args.start)
    deployment = deployments.load(args.deployment or ("batch-deployment" if args.batch else "deployment"), root)
    if deployment.is_batch != bool(args.batch):
        fix = "name its files with --batch FOLDER" if deployment.is_batch else "--batch takes a batch deployment"
        raise UserError(f"{deployment.document.name} is {'' if deployment.is_batch else 'not '}for batches: {fix}")
    model = _find_model(root, deployment, args)
    request = Path(args.test) if args.test else root / REQUEST
    if args.batch:
        return _batch(root, deployment, model, args.batch)
    if args.test is not None:
        return _test(root, deployment, model, request)
    with serving.prepared(deployment, model) as server:
        say(f"serving {model}")

        def ready(seconds: float) -> None:
            starts.keep(root, deployment.document.path.stem, seconds)
            address = f"http://{serving.HOST}:{args.port}/score"
            print_safely(f"ready after {seconds:.1f} s: {address} (Ctrl-C ends it)\n  {curl(address, request)}")

        try:
            serving.serve(server, args.port, deployment.worker_count, root / "mlruns" / "serve.log", ready)
        except KeyboardInterrupt:
            say("aml: the server has ended")
    return 0


def _find_model(root: Path, deployment: Deployment, args: argparse.Namespace) -> Model:
    """The model that the options name, else the newest version of the one that the deployment names."""
    if args.run_id:
        trained = find(root, args.run_id)
        _, path = find_asset(root, trained, None)
        return Model(deployment.model.name if deployment.model else "model", "0", path)
    if args.model:
        return serving.registered_model(root, ModelReference.parse(args.model, "--model"))
    if deployment.model is None:
        raise FileError(deployment.where("model"), "no model", "add it, or name one with --model or --run")
    return serving.registered_model(root, ModelReference(deployment.model.name, None))


def _batch(root: Path, deployment: Deployment, model: Model, data: Path) -> int:
    """Run the script over the files that would be uploaded, and say where its rows are; returns 1 where it failed."""
    files = [data / path for path in snapshot.files(data)] if data.is_dir() else [data]
    files = sorted(path for path in files if path.is_file())
    if not files:
        raise UserError(f"--batch {data}: no such file, and no folder with files")
    settings, output = deployment.batch_settings, root / "runs" / "batch"
    if settings.mini_batch_size < 1:
        place = deployment.where("settings", "mini_batch_size")
        raise FileError(place, f"mini_batch_size {settings.mini_batch_size}", "should be a whole number from 1")
    path = inside(output, settings.output_file_name)
    say(f"{model}: {_counted(len(files))}, {settings.mini_batch_size} at a time")
    with serving.prepared(deployment, model) as server:
        done = serving.batch(server, settings, files, output, root / "mlruns" / "batch.log")
    made = f"{done.rows} rows in {display_path(path)}" if settings.output_action == "append_row" else "no rows are kept"
    print_safely(f"{done.files - done.failed} of {_counted(len(files))}: {made}")
    if done.failed:
        say(f"aml: {display_path(server.script)}: run() failed on {_counted(done.failed)}: the reasons are above")
    return 1 if done.failed else 0


def _counted(files: int) -> str:
    return f"{files} file{'' if files == 1 else 's'}"


def curl(address: str, request: Path, windows: bool = os.name == "nt") -> str:
    """A command line that sends the request. Without the header the server gets an empty body."""
    data = f"@{display_path(request)}"
    if windows:  # in double quotes for both of its shells, in one of which curl is another program
        return f'curl.exe -H "Content-Type: application/json" --data-binary "{data}" {address}'
    return shlex.join(["curl", "-H", "Content-Type: application/json", "--data-binary", data, address])


def _test(root: Path, deployment: Deployment, model: Model, file: Path) -> int:
    """Ask the server through its test client, and print its answers; returns 1 where one is not what it should be."""
    try:
        body = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"no {display_path(file)}: write a request to it, or name its file: --test FILE") from None
    except UnicodeDecodeError:
        raise UserError(f"{display_path(file)}: not UTF-8: save it as UTF-8") from None
    score = {display_path(file): body, **dict(bad_bodies(body))}
    requests = {what: Request("POST", "/score", text) for what, text in score.items()}
    requests["is it alive?"] = Request("GET", "/")
    requests["its swagger"] = Request("GET", "/swagger.json?version=3")
    with serving.prepared(deployment, model) as server:
        seconds, answers = serving.ask(server, list(requests.values()))
    starts.keep(root, deployment.document.path.stem, seconds)
    rows, problems = [], []
    for (what, asked), answer in zip(requests.items(), answers, strict=True):
        is_good = what not in score or asked.body == body
        if problem := _problem(answer, is_good, asked.path != "/"):
            problems.append(f"{what}: {problem}")
        shown = one_line(answer.body[: LONGEST + 1])
        shown = f"{shown[:LONGEST]}…" if len(shown) > LONGEST else shown
        rows.append((what, str(answer.status), f"{1000 * answer.seconds:.0f} ms", shown))
    print_safely(f"{model}: ready after {seconds:.1f} s\n{table(('REQUEST', 'STATUS', 'TIME', 'ANSWER'), rows)}")
    for problem in problems:
        say(f"aml: {problem}")
    return 1 if problems else 0


def _problem(answer: Answer, is_good: bool, is_json: bool) -> str:
    """What is wrong with an answer to a good request, or to a bad one; "" if nothing is."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    if is_good and answer.status != 200 and not (answer.status == 404 and "wagger" in answer.body):
        return f"status {answer.status}: {one_line(answer.body[:LONGEST])}"
    if answer.status >= 500:
        return f"status {answer.status}, as of a fault of the server: let run() refuse it with status 400"
    try:
        if is_json:
            json.loads(answer.body, parse_constant=refuse)
    except ValueError as error:
        return f"the answer is not JSON ({error}): callers cannot read it"
    return ""


def bad_bodies(body: str) -> Iterator[tuple[str, str]]:
    """Bodies that no script should fail on, made of a good one, each with what is wrong with it.

    A script may take some of them: a score may well have no use for a column, or take any word.
    """
    yield "an empty body", ""
    yield "half of it", body[: len(body) // 2]
    try:
        good = json.loads(body)
    except ValueError:
        return
    yield "no rows", json.dumps(type(good)())
    found = dict(reversed([(type(value), keys) for keys, value in _leaves(good)]))  # the first of each type
    for kind, value, what in (
        (int, True, "true for a number"),
        (int, float("nan"), "NaN"),
        (int, 10**400, "a number without bounds"),
        (int, "x", "a text for a number"),
        (str, 1, "a number for a text"),
        (str, ["x"], "a list for a text"),
    ):
        keys = found.get(kind) or (found.get(float) if kind is int else None)
        if keys:
            yield f"{what}: {'.'.join(map(str, keys))}", json.dumps(_changed(good, keys, value))
    if row := next((keys for keys, _ in _leaves(good) if isinstance(keys[-1], str)), None):
        yield f"missing: {'.'.join(map(str, row))}", json.dumps(_changed(good, row))
        yield "an unknown column", json.dumps(_changed(good, (*row[:-1], "no such column"), 1))


def _leaves(value: Any, *keys: str | int) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The values in a body that are neither lists nor mappings, each with its keys."""
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(entry, *keys, key)
    elif keys:
        yield keys, value


def _changed(good: Any, keys: tuple[str | int, ...], *value: Any) -> Any:
    """The body with another value at these keys, or without one."""
    changed = node = copy.deepcopy(good)
    for key in keys[:-1]:
        node = node[key]
    if value:
        node[keys[-1]] = value[0]
    else:
        del node[keys[-1]]
    return changed
