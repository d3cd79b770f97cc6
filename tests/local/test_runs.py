"""Runs and models as MLflow's own client and user interface see them."""

import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aml.local import mlflow_store
from aml.local import runs as tracking
from aml.run import write_record
from support import ENVIRONMENT, Repository

LOGS = """
import mlflow
with mlflow.start_run():
    mlflow.log_params({"c": 1.0, "group/name": "a b", "lines": "one\\ntwo", "word": "é"})
    for step, value in ((1, 0.5), (3, 0.125), (2, 0.25)):
        mlflow.log_metric("loss", value, step=step)
    mlflow.log_metrics({"test/accuracy": 1, "tiny": 1e-12, "undefined": float("inf")})
    mlflow.set_tag("note", "é\\nü")
    mlflow.log_text("bytes", "pictures/one.png")
"""


@pytest.fixture(autouse=True)
def _without_gates(repository: Repository) -> None:
    repository.remove_gates()


def ask(repository: Repository, code: str) -> Any:
    """The `answer` of some code about MLflow's own `client`, in the repository's folder."""
    before = "import json, pathlib, mlflow\nclient = mlflow.MlflowClient(pathlib.Path('mlruns').absolute().as_uri())\n"
    command = [str(repository.python), "-c", before + code + "\nprint(json.dumps(answer))"]
    environment = ENVIRONMENT | {"MLFLOW_ALLOW_FILE_STORE": "true"}
    done = subprocess.run(command, cwd=repository.path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def last(repository: Repository) -> tracking.LocalRun:
    return tracking.find(repository.path, None)


def train(repository: Repository, text: str, status: int = 0, **parts: Any) -> tracking.LocalRun:
    """Run a script as a job, and return its run."""
    (repository.path / "code").mkdir(exist_ok=True)
    (repository.path / "code" / "main.py").write_text(text, encoding="utf-8")
    repository.submit("python main.py", code="code", status=status, **parts)
    return last(repository)


def renamed(repository: Repository) -> Repository:
    return Repository(repository.path.rename(repository.path.with_name("another name")), repository.python)


DESCRIBE = """
answer = {}
for experiment in client.search_experiments():
    for run in client.search_runs([experiment.experiment_id]):
        answer[run.info.run_id] = {
            "status": run.info.status.lower(),
            "name": run.info.run_name,
            "experiment": experiment.name,
            "start": run.info.start_time / 1000,
            "end": run.info.end_time / 1000,
            "metrics": run.data.metrics,
            "params": run.data.params,
            "tags": run.data.tags,
            "made": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        }
"""


@pytest.mark.slow
def test_mlflow_and_the_runner_say_the_same_of_a_run(repository: Repository) -> None:
    failed = train(repository, "raise SystemExit(3)", status=3)
    run = train(repository, LOGS, display_name="A run", description="Says why.", tags={"team": "blue"})
    ours = {
        run.id: {
            **{name: getattr(run, name) for name in ("status", "name", "experiment", "start", "end")},
            "metrics": run.metrics(),
            "params": run.params(),
            "tags": run.tags(),
            "made": sorted(path.name for path in run.folder.iterdir()),
        }
        for run in (run, failed)
    }
    assert ask(repository, DESCRIBE) == ours
    assert (run.name, run.status, failed.status) == ("A run", "finished", "failed")
    assert run.metrics()["loss"] == 0.125
    assert run.tags()["mlflow.note.content"] == "Says why."
    assert (run.folder / "pictures" / "one.png").read_text() == "bytes"


NESTED = """
import mlflow
with mlflow.start_run(), mlflow.start_run(nested=True):
    mlflow.log_text("deep", "a.txt")
"""
READ = """
answer = {}
for run in client.search_runs([experiment.experiment_id for experiment in client.search_experiments()]):
    if "mlflow.parentRunId" in run.data.tags:
        answer[run.info.run_id] = pathlib.Path(client.download_artifacts(run.info.run_id, "a.txt")).read_text()
"""


@pytest.mark.slow
def test_a_repository_may_be_renamed_and_run_on(repository: Repository) -> None:
    run = train(repository, NESTED, experiment_name="same")
    moved = renamed(repository)
    again = train(moved, NESTED, experiment_name="same")
    runs = {one.id: one for one in tracking.all_runs(moved.path)}
    assert len(runs) == 4
    assert {one.record.parent for one in runs.values()} == {again.record.parent}
    assert ask(moved, READ) == dict.fromkeys(runs.keys() - {run.id, again.id}, "deep")
    assert not repository.path.exists()


START = """
import sys
from pathlib import Path
from aml.jobfile import job
from aml.local import mlflow_store
from aml.local import runs as tracking
train = job.load("train-local", Path.cwd())
print("ready", flush=True)
sys.stdin.read()
print(tracking.start(Path.cwd(), train, Path).record)
"""


def test_first_runs_at_once_agree_on_their_experiment(repository: Repository) -> None:
    command = [str(repository.python), "-c", START]
    options: Any = {"cwd": repository.path, "env": ENVIRONMENT, "text": True}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    runners = [subprocess.Popen(command, **options, **pipes) for _ in range(4)]
    for runner in runners:
        assert runner.stdout and runner.stdout.readline() == "ready\n"
    for runner in runners:
        assert runner.stdin
        runner.stdin.close()
    records = [Path(runner.stdout.read().strip()) for runner in runners if runner.stdout]
    assert [runner.wait(30) for runner in runners] == [0, 0, 0, 0]
    assert len(set(records)) == 4
    assert len({record.parent for record in records}) == 1
    assert {run.record for run in tracking.all_runs(repository.path)} == set(records)


def test_a_run_that_mlflow_deletes_is_gone(repository: Repository) -> None:
    run = train(repository, "")
    ask(repository, f"answer = client.delete_run('{run.id}')")
    assert "no runs yet" in repository.aml("runs", status=2).stderr


def test_runs_are_shown_by_a_part_of_their_id(repository: Repository) -> None:
    run = train(repository, "from pathlib import Path; Path('outputs/model.pkl').touch()")
    other = train(repository, "")
    assert repository.aml("runs", "show", run.id[-5:]).stdout.startswith(f"{run.id}  finished")
    assert str(Path("outputs", "model.pkl")) in repository.aml("runs", "show", run.id).stdout
    assert repository.aml("runs", "show").stdout.startswith(other.id)
    assert "fits several runs" in repository.aml("runs", "show", run.id[:4], status=2).stderr
    assert "no such run" in repository.aml("runs", "show", "nothing", status=2).stderr
    listed = [line.split()[0] for line in repository.aml("runs").stdout.splitlines()]
    assert listed == ["RUN", other.id, run.id]


def test_a_run_knows_its_commit(repository: Repository) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(repository.path)]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    assert "mlflow.source.git.commit" not in train(repository, "").tags()
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    tags = train(repository, "").tags()
    assert (tags["mlflow.source.git.commit"], tags["mlflow.source.git.branch"]) == (commit, "main")
    assert tags["azureml.git.dirty"] == "False"
    assert train(repository, "pass").tags()["azureml.git.dirty"] == "True"


def test_a_tag_that_mlflow_does_not_take_is_refused(repository: Repository) -> None:
    refused = repository.submit("echo", tags={"a": "b", "what?": "x"}, status=2).stderr
    assert refused == "aml: job.yml:5: tag what?: use letters, digits and _ - . / only\n"


# ------------------------------------------------------------------------------------------------- what is broken


def cut_off(record: Path) -> None:
    text = (record / "meta.yaml").read_text(encoding="utf-8")
    (record / "meta.yaml").write_text(text[: len(text) // 2] + "\n: [", encoding="utf-8")


def emptied(record: Path) -> None:
    (record / "meta.yaml").write_text("lifecycle_stage: active\n", encoding="utf-8")


def of_another_encoding(record: Path) -> None:
    (record / "meta.yaml").write_bytes("lifecycle_stage: active # é".encode("utf-16"))


def with_half_a_metric(record: Path) -> None:
    (record / "metrics" / "loss").write_text("1700000000000 0.5 1\n17000", encoding="utf-8")


def with_bytes_that_are_no_text(record: Path) -> None:
    (record / "params" / "word").write_bytes(b"\xff\xfe")
    (record / "tags" / "word").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("harm", "is_left_out"),
    [
        (cut_off, True),
        (emptied, True),
        (of_another_encoding, True),
        (with_half_a_metric, False),
        (with_bytes_that_are_no_text, False),
    ],
)
def test_a_broken_run_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None], is_left_out: bool
) -> None:
    for run_id in ("one", "two"):
        run = mlflow_store.create_run(tmp_path, "ours", run_id, run_id, tmp_path.as_uri(), {})
        mlflow_store.update_run(run, "finished", metrics={"loss": 0.5}, params={"c": "1"})
    harm(mlflow_store.create_run(tmp_path, "ours", "broken", "broken", tmp_path.as_uri(), {}).folder)
    found = tracking.all_runs(tmp_path)
    assert {"one", "two"} <= {run.id for run in found}
    assert (len(found) == 2) == is_left_out
    said = capsys.readouterr().err
    assert ("cannot be read, and is left out" in said) == is_left_out
    assert not is_left_out or (said.count("\n") == 1 and "broken" in said)
    for one in found:
        assert one.params() is not None and run.tags() is not None
        assert one.id == "broken" or run.metrics() == {"loss": 0.5}
    tracking.make_paths_relative(tmp_path)
    mlflow_store.create_run(tmp_path, "ours", "three", "three", tmp_path.as_uri(), {})


def test_a_broken_experiment_does_not_hide_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mlflow_store.create_run(tmp_path, "ours", "one", "one", tmp_path.as_uri(), {})
    cut_off(mlflow_store.create_run(tmp_path, "broken", "two", "two", tmp_path.as_uri(), {}).folder.parent)
    assert [run.id for run in tracking.all_runs(tmp_path)] == ["one"]
    assert capsys.readouterr().err.count("cannot be read, and is left out") == 1
    mlflow_store.create_run(tmp_path, "broken", "three", "three", tmp_path.as_uri(), {})
    assert {run.id for run in tracking.all_runs(tmp_path)} == {"one", "two", "three"}


def test_an_end_that_cannot_be_recorded_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for run_id, tags in (("one", {}), ("cut-off", {tracking.RUNNER: "cut-off"})):
        (tmp_path / "runs" / run_id).mkdir(parents=True)
        mlflow_store.create_run(tmp_path, "ours", run_id, run_id, tmp_path.as_uri(), tags)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(mlflow_store, "_write_meta", full)
    assert {run.id: run.status for run in tracking.all_runs(tmp_path)} == {"one": "running", "cut-off": "failed"}
    assert "run cut-off: its end cannot be recorded: [Errno 28] No space left" in capsys.readouterr().err


def test_outputs_are_moved_and_not_copied(repository: Repository) -> None:
    """A copy would need the room twice."""
    code = (
        "import os, pathlib\n"
        "pathlib.Path('outputs/part').mkdir()\n"
        "pathlib.Path('outputs/part/model.bin').write_bytes(b'x')\n"
        "pathlib.Path('logs').mkdir()\n"
        "pathlib.Path('logs/mine.txt').touch()\n"
        "pathlib.Path('../outputs/part').mkdir(parents=True)\n"  # as MLflow does with an artifact of that path
        "pathlib.Path('../outputs/part/logged.txt').touch()\n"
        "pathlib.Path('inode').write_text(str(os.stat('outputs/part/model.bin').st_ino))\n"
    )
    run = train(repository, code)
    model = run.folder / "outputs" / "part" / "model.bin"
    assert str(model.stat().st_ino) == (run.folder / "code" / "inode").read_text()
    assert (run.folder / "outputs" / "part" / "logged.txt").is_file()
    assert {file.name for file in (run.folder / "logs").iterdir()} == {"mine.txt", "std_log.txt"}
    assert not (run.folder / "code" / "outputs").exists() and not (run.folder / "code" / "logs").exists()


@pytest.mark.skipif(os.name == "nt", reason="files have no limit there")
def test_a_job_goes_on_although_its_output_cannot_be_kept(repository: Repository) -> None:
    """It would wait for ever, if nobody read what it writes."""
    job = repository.job("for i in $(seq 20000); do echo a line of output; done; echo last")
    submit = shlex.join(repository.command("submit", "-c", job, "--here"))
    limited = ["bash", "-c", f"ulimit -f 64; {submit}"]  # blocks of 1 KiB for each file
    done = subprocess.run(limited, cwd=repository.path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("last\n")
    assert "std_log.txt: File too large: the rest of the output is not kept" in done.stderr


# --------------------------------------------------------------------------------------------------------- models

MODEL = """
from pathlib import Path
for name in ("model.pkl", "other/part.bin"):
    Path("outputs", name).parent.mkdir(parents=True, exist_ok=True)
    Path("outputs", name).write_text(name)
"""


@pytest.mark.slow
def test_the_same_model_is_the_same_version(repository: Repository) -> None:
    register = ["register-model", "-n", "demo"]
    run = train(repository, MODEL)
    first = repository.aml(*register, "--tag", "stage=test", "--tag", "by=me", "--property", "source=a=b").stdout
    assert first == f"model demo, version 1: outputs/model.pkl of run {run.id}\n"
    again = repository.aml(*register, "--tag", "stage=live", "--property", "source=a=b").stdout
    assert again == first.replace("\n", " (registered before)\n")
    changed = repository.aml(*register, "--tag", "stage=gone", "--property", "source=c", status=2).stderr
    assert changed == "aml: model demo version 1 has other properties: source\n"
    assert "version 2" in repository.aml(*register, "--asset-path", "outputs/other").stdout

    other = train(repository, MODEL)
    assert f"version 3: outputs/model.pkl of run {other.id}" in repository.aml(*register).stdout
    moved = renamed(repository)
    assert [line.split()[:4] for line in moved.aml("models").stdout.splitlines()[1:]] == [
        ["demo", "3", other.id, "outputs/model.pkl"],
        ["demo", "2", run.id, "outputs/other"],
        ["demo", "1", run.id, "outputs/model.pkl"],
    ]
    look = "version = client.get_model_version('demo', '1')\nanswer = [version.tags, version.run_id, version.source]"
    tags, run_id, source = ask(moved, look)
    assert tags == {"stage": "live", "by": "me", "property.source": "a=b"}
    assert run_id == run.id
    assert (moved.path / source).read_text() == "model.pkl"


@pytest.mark.slow
def test_models_registered_at_once_get_a_version_each(repository: Repository) -> None:
    for name in ("a", "b"):
        run = train(repository, MODEL)
        write_record(repository.path / f"{name}.json", run.id, run.experiment, "local")
    options: Any = {"cwd": repository.path, "env": ENVIRONMENT, "stdout": subprocess.PIPE, "text": True}
    register = repository.command("register-model", "-n", "demo", "-f")
    both = [subprocess.Popen([*register, f"{name}.json"], **options) for name in ("a", "b", "a")]
    shown = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0, 0]
    versions = [line.split(":")[0] for line in shown]
    assert set(versions) == {"model demo, version 1", "model demo, version 2"}
    assert versions[0] == versions[2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["-n", "demo", "--asset-path", "outputs/none"],
            "has no such file; it has outputs/model.pkl, outputs/other/part.bin",
        ),
        (["-n", "demo", "--asset-path", "../../job.yml"], "has no such file"),
        (["-n", "a model"], "-n 'a model': should be 1-255 letters"),
        (["-n", "demo", "--tag", "stage"], "--tag stage: write --tag KEY=VALUE"),
        (["-n", "demo", "-f", "none.json"], "none.json: No such file or directory; aml submit -t none.json writes it"),
        (["-n", "demo", "-f", "job.yml"], "job.yml: not what aml submit -t job.yml writes"),
    ],
)
def test_what_cannot_be_registered_is_refused(repository: Repository, arguments: list[str], says: str) -> None:
    train(repository, MODEL)
    refused = repository.aml("register-model", *arguments, status=2).stderr
    assert says in refused
    assert refused.startswith("aml: ") and refused.count("\n") == 1


def test_the_model_of_a_failed_run_is_refused(repository: Repository) -> None:
    run = train(repository, MODEL + "raise SystemExit(1)", status=1)
    refused = repository.aml("register-model", "-n", "demo", status=2).stderr
    assert refused.startswith(f"aml: run {run.id} failed: name one that finished with --run")
    assert "no model registered yet" in repository.aml("models", status=2).stderr


# ------------------------------------------------------------------------------------------------- user interface


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a process cannot be sent Ctrl-C there")
def test_the_stock_user_interface_shows_a_renamed_repository(repository: Repository) -> None:
    run = train(repository, LOGS + MODEL)
    repository.aml("register-model", "-n", "demo")
    moved = renamed(repository)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"

    def get(path: str, **body: Any) -> bytes:
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(address + path, data, {"Content-Type": "application/json"})  # noqa: S310  # http
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # http
            return bytes(answer.read())

    command = moved.command("ui", "--no-browser", "-p", str(port))
    server = subprocess.Popen(command, cwd=moved.path, env=ENVIRONMENT)
    try:
        for _ in range(600):  # it may have to be fetched
            assert server.poll() is None
            try:
                get("/health")
                break
            except OSError:
                time.sleep(0.5)
        (found,) = json.loads(get("/api/2.0/mlflow/runs/search", experiment_ids=[run.record.parent.name]))["runs"]
        assert found["info"]["run_id"] == run.id
        metrics = {metric["key"]: metric["value"] for metric in found["data"]["metrics"]}
        assert metrics["loss"] == 0.125
        assert get(f"/get-artifact?run_uuid={run.id}&path=pictures/one.png") == b"bytes"
        models = json.loads(get("/api/2.0/mlflow/registered-models/search"))["registered_models"]
        assert [(model["name"], model["latest_versions"][0]["run_id"]) for model in models] == [("demo", run.id)]
        assert b"<html" in get("/").lower()
        # A server of all addresses would answer here too, where a machine has more than one for itself.
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", port), timeout=5):
            pass
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    with pytest.raises(urllib.error.URLError):
        get("/health")


def test_an_earlier_run_is_registered_by_a_part_of_its_id(repository: Repository) -> None:
    run = train(repository, MODEL)
    train(repository, "raise SystemExit(1)", status=1)
    assert run.id in repository.aml("register-model", "-n", "demo", "--run", run.id[-6:]).stdout


@pytest.mark.slow
def test_the_last_run_is_the_job_and_not_one_that_it_began(repository: Repository) -> None:
    nested = "import mlflow\nwith mlflow.start_run():\n    mlflow.start_run(nested=True)\n"
    run = train(repository, MODEL + nested)
    assert run.folder.is_dir()
    assert run.id in repository.aml("register-model", "-n", "demo").stdout


def test_a_link_in_outputs_is_kept_and_what_it_leads_to_left_alone(repository: Repository) -> None:
    precious = repository.path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    repository.submit(f"rmdir outputs; ln -s '{precious}' outputs")
    assert (precious / "file").read_text() == "x"


@pytest.mark.skipif(os.name == "nt", reason="Windows locks by another call")
@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP], ids=errno.errorcode.get)
def test_a_network_share_without_locks_will_do(error: int, repository: Repository, tmp_path: Path) -> None:
    """As the home of a compute instance may be: the call fails in every process."""
    no_locks = f"import fcntl\ndef flock(*_):\n    raise OSError({error}, 'no locks here')\nfcntl.flock = flock\n"
    (tmp_path / "sitecustomize.py").write_text(no_locks)
    variables = {**ENVIRONMENT, "PYTHONPATH": str(tmp_path)}
    job = repository.job("mkdir -p outputs; echo 1 > outputs/model.pkl")
    done = repository.aml("submit", "-c", job, "--here", env=variables)
    assert "finished" in done.stderr and "Warning" not in done.stderr
    assert "version 1" in repository.aml("register-model", "-n", "demo", env=variables).stdout
    killed = subprocess.Popen(
        repository.command("submit", "-c", repository.job("sleep 60"), "--here"), cwd=repository.path, env=variables
    )
    while "running" not in repository.aml("runs", env=variables).stdout:
        time.sleep(0.1)
    killed.kill()
    killed.wait()
    assert "running" not in repository.aml("runs", env=variables).stdout
