"""The local runner, end to end: `aml submit` of small jobs, and of the generated one."""

import functools
import http.server
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import psutil
import pytest
import yaml

from aml.jobfile.document import Document
from aml.jobfile.job import Job
from aml.local import containers, inputs, processes, runs
from support import ENVIRONMENT, Repository

posix = pytest.mark.skipif(os.name == "nt", reason="signals and bash are not available there")


def script(repository: Repository, text: str) -> dict[str, Any]:
    """The code of a job whose command is `python main.py`."""
    code = repository.path / "code"
    code.mkdir(exist_ok=True)
    (code / "main.py").write_text(text, encoding="utf-8")
    return {"code": "code"}


def last(repository: Repository) -> runs.LocalRun:
    return runs.find(repository.path, None)


def everything(repository: Repository) -> list[runs.LocalRun]:
    return runs.all_runs(repository.path)


Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begin(repository: Repository) -> Iterator[Begin]:
    """Leaves `aml submit` under way, with a pipe to read its output from; it ends with the test at the latest."""
    started = []

    def _begin(job: str) -> "subprocess.Popen[str]":
        command = repository.command("submit", "--here", "-c", job)
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "encoding": "utf-8"}
        started.append(subprocess.Popen(command, cwd=repository.path, env=ENVIRONMENT, **pipes))
        return started[-1]

    yield _begin
    for running in started:
        if running.poll() is None:
            running.terminate()
            running.wait(30)


def lines(running: "subprocess.Popen[str]", count: int) -> list[str]:
    """The next lines of its output, without what the runner itself says."""
    assert running.stdout
    return [next(line for line in running.stdout if not line.startswith("run 2")).strip() for _ in range(count)]


def gone(pids: list[int]) -> bool:
    """Whether these processes have ended, or do so within seconds; one that nobody waits for has ended too."""
    for _ in range(50):
        left = [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
        if not left:
            return True
        time.sleep(0.1)
    return False


# ---------------------------------------------------------------------------------------------- what a job gets


def test_a_job_without_mlflow_is_a_run_with_its_output(repository: Repository) -> None:
    done = repository.submit("echo hello", display_name="A greeting", description="says it", tags={"team": "a/b"})
    run = last(repository)
    assert done.stdout.strip() == "hello"
    assert (run.folder / "logs" / "std_log.txt").read_text().strip() == "hello"
    assert (run.name, run.status, run.experiment) == ("A greeting", "finished", "demo-model")
    assert {"team": "a/b", "mlflow.note.content": "says it"}.items() <= run.tags().items()
    assert f"run {run.id} finished after" in done.stderr
    assert run.id in repository.aml("runs").stdout
    shown = repository.aml("runs", "show", run.id[-6:]).stdout
    assert "A greeting" in shown and str(Path("logs", "std_log.txt")) in shown


def test_a_job_gets_its_paths_and_variables_as_on_the_service(repository: Repository) -> None:
    code = script(
        repository,
        "import json, os, sys\n"
        "from pathlib import Path\n"
        "Path(sys.argv[3], 'part').mkdir()\n"
        "Path(sys.argv[4]).write_text('a table')\n"
        "print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))\n",
    )
    done = repository.submit(
        'python main.py "${{inputs.table}}" ${{ inputs.rate }} "${{outputs.folder}}" "${{outputs.file}}"',
        inputs={"table": {"type": "uri_file", "path": "sample-data/penguins.csv"}, "rate": 0.5},
        outputs={"folder": None, "file": {"type": "uri_file"}},
        environment_variables={"TABLE": "${{inputs.table}}:${{inputs.rate}}", "N": 3, "MLFLOW_RUN_NAME": "mine"},
        **code,
    )
    arguments, variables, folder = json.loads(done.stdout)
    run = last(repository)
    table = str(repository.path / "sample-data" / "penguins.csv")
    outputs = run.folder / "named-outputs"
    assert arguments == [table, "0.5", str(outputs / "folder"), str(outputs / "file")]
    assert (outputs / "folder" / "part").is_dir() and (outputs / "file").read_text() == "a table"
    assert Path(folder) == run.folder / "code"
    expected = {
        "AZURE_ML_INPUT_table": table,
        "AZURE_ML_INPUT_rate": "0.5",
        "AZURE_ML_OUTPUT_folder": str(outputs / "folder"),
        "AZURE_ML_OUTPUT_file": str(outputs / "file"),
        "TABLE": f"{table}:0.5",
        "N": "3",
        "MLFLOW_RUN_NAME": "mine",
        "MLFLOW_RUN_ID": run.id,
        "MLFLOW_EXPERIMENT_ID": run.record.parent.name,
        "MLFLOW_EXPERIMENT_NAME": "demo-model",
        "MLFLOW_TRACKING_URI": (repository.path / "mlruns").as_uri(),
    }
    assert expected.items() <= variables.items()


def test_what_a_job_leaves_in_outputs_and_logs_is_kept_beside_its_code(repository: Repository) -> None:
    code = script(
        repository,
        "from pathlib import Path\n"
        "Path('outputs/model.pkl').touch()\n"  # the folder is there, as on the service
        "for name in ('outputs/part/one.txt', 'logs/mine.txt', 'elsewhere.txt'):\n"
        "    Path(name).parent.mkdir(parents=True, exist_ok=True)\n"
        "    Path(name).touch()\n",
    )
    repository.submit("python main.py", **code)
    run = last(repository)
    left = {file.relative_to(run.folder).as_posix() for file in run.folder.rglob("*") if file.is_file()}
    assert left == {
        *("outputs/model.pkl", "outputs/part/one.txt", "logs/mine.txt", "logs/std_log.txt"),
        *("code/main.py", "code/elsewhere.txt"),
    }


def test_python_is_that_of_the_present_environment_with_here(repository: Repository) -> None:
    done = repository.submit('python -c "import sys; print(sys.prefix)"')
    assert Path(done.stdout.strip()) == repository.python.parent.parent


@posix
def test_any_letter_may_stand_in_any_path(repository: Repository, tmp_path: Path) -> None:
    odd = tmp_path / 'it\'s a "$HOME" `x` \\ é'
    (odd / "data").mkdir(parents=True)
    (odd / "data" / "table.csv").write_text("read")
    moved = repository.path.rename(odd / "model")
    there = Repository(moved, repository.python)
    data = {"data": {"path": str(odd / "data")}}
    done = there.submit('cat ${{inputs.data}}/table.csv "${{inputs.data}}/table.csv"', inputs=data, code="src")
    assert done.stdout == "readread"
    assert last(there).status == "finished"


def test_a_job_file_may_stand_outside_of_the_repository(repository: Repository, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    (other / "code").mkdir(parents=True)
    (other / "code" / "main.py").write_text("import sys; print(open(sys.argv[1]).read())")
    (other / "table.csv").write_text("theirs")
    inputs = {"table": {"type": "uri_file", "path": "table.csv"}}
    job = {"command": "python main.py ${{inputs.table}}", "code": "code", "inputs": inputs, "compute": "azureml:c"}
    (other / "job.yml").write_text(yaml.safe_dump(job))
    done = repository.aml("submit", "-c", str(other / "job.yml"), "--local", "--here")
    assert done.stdout.strip() == "theirs"
    assert last(repository).folder.is_relative_to(repository.path)
    assert sorted(path.name for path in other.iterdir()) == ["code", "job.yml", "table.csv"]


def test_a_job_for_a_cluster_is_not_run_here_unasked(repository: Repository) -> None:
    job = repository.job("echo hello", compute="azureml:big")
    refused = repository.aml("submit", "-c", job, status=2).stderr
    assert re.match(r"aml: aml_config.config\.json: subscription_id '[0-]+' is not set: aml workspace attach ", refused)
    assert refused.endswith("\n     on this machine: aml submit -c job.yml --local\n")
    assert "--here is for a run on this machine" in repository.aml("submit", "-c", job, "--here", status=2).stderr
    assert repository.aml("submit", "-c", job, "--here", "--local").stdout.strip() == "hello"


def test_options_reach_the_run(repository: Repository) -> None:
    repository.submit("echo ${{inputs.n}}", "-e", "other", "-t", "it.json", "--set", "inputs.n=7", inputs={"n": 1})
    record = json.loads((repository.path / "it.json").read_text())
    (run,) = everything(repository)
    assert record == {"run_id": run.id, "experiment_name": "other", "compute": "local"}
    assert (run.folder / "logs" / "std_log.txt").read_text().strip() == "7"


# ---------------------------------------------------------------------------------------------------------- data


def test_data_of_this_machine_takes_the_place_of_the_runconfigs(repository: Repository, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}=1").write_text(name)
    inputs = {"a": {"type": "uri_file", "path": "azureml:a:1"}, "b": {"type": "uri_file", "path": "azureml:b@latest"}}
    script_ = script(repository, "import sys; print(*(open(name).read() for name in sys.argv[1:]))")
    both = ["--data", f"a={tmp_path / 'a=1'}", "--data", f"b={tmp_path / 'b=1'}"]
    command = 'python main.py "${{inputs.a}}" "${{inputs.b}}"'
    assert repository.submit(command, *both, inputs=inputs, **script_).stdout.strip() == "a b"
    del inputs["b"]
    one = ["--data", str(tmp_path / "a=1")]
    assert repository.submit('python main.py "${{inputs.a}}"', *one, inputs=inputs, **script_).stdout.strip() == "a"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"path": "nowhere"}, "nowhere does not exist: fix the path, or use --data data=PATH"),
        (
            {"path": "sample-data", "type": "uri_file"},
            "is a folder, but the type is uri_file: --set inputs.data.type=uri_folder",
        ),
        (
            {"path": "sample-data/penguins.csv"},
            "is a file, but the type is uri_folder: --set inputs.data.type=uri_file",
        ),
        ({"path": "azureml:other@latest"}, "no file of aml_config/ says where other is on this machine"),
        ({"path": "azureml://datastores/d/paths/p"}, "not on this machine: use --data data=PATH"),
        ({"path": "abfss://c@a.dfs.core.windows.net/p"}, "not on this machine: use --data data=PATH"),
        ({"path": "https://example.org/folder/"}, "a folder on the web cannot be listed"),
        ({"path": "x", "type": "uri_files"}, "type uri_files; use one of uri_file, uri_folder,"),
        ({"type": "uri_file"}, "input data has no path"),
    ],
)
def test_data_that_is_not_here_is_refused_before_anything_is_written(
    repository: Repository, entry: dict[str, str], says: str
) -> None:
    refused = repository.submit("echo ${{inputs.data}}", inputs={"data": entry}, status=2).stderr
    assert refused.startswith("aml: job.yml:")
    assert says in refused
    assert refused.count("\n") == 1
    assert not (repository.path / "runs").exists() and not (repository.path / "mlruns").exists()


@pytest.mark.parametrize(
    ("data", "says"),
    [("a", "which of x or y? Write NAME=PATH"), ("x=nowhere", "nowhere does not exist"), ("z=a", "which of x or y?")],
)
def test_data_that_fits_no_input_is_refused(repository: Repository, data: str, says: str) -> None:
    inputs = {"x": {"path": "src"}, "y": {"path": "src"}}
    assert says in repository.submit("echo", "--data", data, inputs=inputs, status=2).stderr


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the folder web/."""
    (tmp_path / "web").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_data_on_the_web_is_downloaded_into_the_run(repository: Repository, tmp_path: Path, web: str) -> None:
    (tmp_path / "web" / "my table.csv").write_text("a,b")
    inputs = {"table": {"type": "uri_file", "path": f"{web}/my%20table.csv?version=1"}}
    code = script(repository, "import sys; print(sys.argv[1], open(sys.argv[1]).read(), sep='|')")
    path, text = (
        repository.submit('python main.py "${{inputs.table}}"', inputs=inputs, **code).stdout.strip().split("|")
    )
    assert text == "a,b"
    assert Path(path).suffix == ".csv"
    assert Path(path).is_relative_to(last(repository).folder / "inputs")


def test_data_that_the_web_does_not_have_fails_the_run(repository: Repository, web: str) -> None:
    inputs = {"table": {"type": "uri_file", "path": f"{web}/none.csv"}}
    refused = repository.submit("echo ${{inputs.table}}", inputs=inputs, status=2)
    assert f"aml: {web}/none.csv: File not found" in refused.stderr
    assert last(repository).status == "failed"


def test_a_public_blob_is_read_over_the_web(repository: Repository) -> None:
    path = repository.path / repository.job(
        "true", inputs={"x": {"type": "uri_file", "path": "wasbs://c@a.net/d/e.csv"}}
    )
    assert inputs.locate_inputs(repository.path, Job(Document(path)), []) == {"x": "https://a.net/c/d/e.csv"}


# -------------------------------------------------------------------------------------------- what is said of it


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("echo ${{inputs.rat}}", "job.yml:1: ${{inputs.rat}}: inputs has no rat; did you mean rate?"),
        ("echo ${{outputs.model}}", "job.yml:1: ${{outputs.model}}: outputs has no model (known: none)"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(repository: Repository, command: str, says: str) -> None:
    assert repository.submit(command, inputs={"rate": 1}, status=2).stderr.startswith(f"aml: {says}")


def test_what_has_no_effect_here_is_named(repository: Repository) -> None:
    job = repository.path / "job.yml"
    job.write_text(
        "command: echo hello\n"
        "compute: local\n"
        "display_name: named\n"
        "identity: {type: user_identity}\n"
        "services: {lab: {type: jupyter_lab}}\n"
        "queue_settings: {job_tier: spot}\n"
        "resources:\n"
        "  instance_count: 2\n"
        "  shm_size: 8g\n"
        "outputs:\n"
        "  model: {path: azureml://datastores/x/paths/y}\n"
        "limits: {timeout: 60}\n"
    )
    done = repository.aml("submit", "-c", "job.yml", "--here")
    named = [line.split(" ")[:2] for line in done.stderr.splitlines() if line.endswith("has no effect on this machine")]
    assert {" ".join(words) for words in named} == {
        "job.yml:4: identity",
        "job.yml:5: services",
        "job.yml:6: queue_settings",
        "job.yml:8: resources.instance_count",
        "job.yml:9: resources.shm_size",
        "job.yml:11: outputs.model.path",
    }


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"environment_variable": {"A": "x"}}, "unknown field environment_variable; did you mean environment_variab"),
        ({"limits": {"timeouts": 1}}, "unknown field timeouts; did you mean timeout?"),
        ({"inputs": {"x": {"path": "src", "typo": 1}}}, "unknown field typo"),
        ({"outputs": {"x": {"typ": "uri_file"}}}, "unknown field typ"),
        ({"environment": {"image": "i", "conda": "x"}}, "unknown field conda"),
        ({"resources": {"shm": "1g"}}, "unknown field shm"),
    ],
)
def test_what_is_no_job_is_refused_before_anything_is_written(
    repository: Repository, parts: dict[str, Any], says: str
) -> None:
    refused = repository.submit("echo $A", status=2, **parts).stderr
    assert refused.startswith("aml: job.yml:") and says in refused and refused.count("\n") == 1
    assert not (repository.path / "runs").exists()


def test_a_component_is_no_job(repository: Repository) -> None:
    text = "type: command\ncommand: echo\nenvironment: azureml:e:1\nversion: 1\nis_deterministic: true\n"
    (repository.path / "component.yml").write_text(text, encoding="utf-8")
    refused = repository.aml("submit", "-c", "component.yml", "--local", "--here", status=2).stderr
    assert refused.startswith("aml: component.yml:4: unknown field version")
    assert refused.endswith("; a command component runs in a pipeline only\n")


def test_optional_parts_of_the_command_count_when_their_input_is_given(repository: Repository) -> None:
    command = "echo a $[[--extra ${{inputs.extra}}]] $[[--more ${{inputs.more}}]] z"
    assert repository.submit(command, inputs={"extra": 3}).stdout == "a --extra 3 z\n"


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_job_prints_any_letter_whatever_the_locale(repository: Repository, locale: str) -> None:
    code = script(repository, "import pathlib\nprint('→ é', ascii(pathlib.Path('t').write_text('→')))\n")
    own = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = repository.aml(
        "submit", "-c", repository.job("python main.py", **code), "--here", env=ENVIRONMENT | own, status=None
    )
    assert (done.returncode, done.stdout) == (0, "→ é 1\n")


def test_outside_of_a_repository_nothing_runs(repository: Repository, tmp_path: Path) -> None:
    environment = ENVIRONMENT | {"PYTHONPATH": str(repository.path)}
    refused = repository.aml("submit", "-c", "train-local", cwd=tmp_path, status=2, env=environment)
    assert f"{tmp_path} is not in a model repository" in refused.stderr


# ------------------------------------------------------------------------------------------------- how a job ends


@pytest.mark.parametrize(
    ("command", "status", "recorded"),
    [
        ("exit 0", 0, "finished"),
        ("exit 3", 3, "failed"),
        pytest.param("kill -9 $$", 137, "failed", marks=posix),
        pytest.param("no-such-command", 127, "failed", marks=posix),
        pytest.param("false; true", 0, "finished", marks=posix),
    ],
)
def test_the_exit_status_is_the_commands_own(repository: Repository, command: str, status: int, recorded: str) -> None:
    repository.submit(command, status=status)
    assert last(repository).status == recorded


def test_output_comes_as_it_is_written_and_is_kept(repository: Repository, begin: Begin) -> None:
    code = script(
        repository,
        "import sys, time\nfrom pathlib import Path\n"
        "sys.stdout.reconfigure(encoding='utf-8')\n"
        "print('first')\nprint('of stderr', file=sys.stderr)\n"
        "while not Path(sys.argv[1]).exists(): time.sleep(0.02)\n"
        "print('läst')\n",
    )
    job = repository.job("python main.py ${{inputs.file}}", inputs={"file": "../../../go-on"}, **code)
    running = begin(job)
    assert lines(running, 2) == ["first", "of stderr"]
    log = last(repository).folder / "logs" / "std_log.txt"
    assert log.read_text().split("\n")[:2] == ["first", "of stderr"]
    (repository.path / "go-on").touch()
    assert lines(running, 1) == ["läst"]
    assert running.wait(30) == 0
    assert log.read_text(encoding="utf-8").split("\n")[:3] == ["first", "of stderr", "läst"]


def test_a_reader_that_goes_away_does_not_end_the_job(repository: Repository, begin: Begin) -> None:
    code = script(repository, "import time\nfor n in range(20):\n    print(n)\n    time.sleep(0.02)\n")
    running = begin(repository.job("python main.py", **code))
    lines(running, 1)
    assert running.stdout
    running.stdout.close()
    running.wait(30)
    assert last(repository).status == "finished"
    assert (last(repository).folder / "logs" / "std_log.txt").read_text().split()[-1] == "19"


# A process that starts another, which starts one in a session of its own; that one may not end when asked to.
FAMILY = """
import os, signal, subprocess, sys, time
generation, *stubborn = sys.argv[1:]
if stubborn and generation == "2":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid())
if generation < "2":
    child = [sys.executable, "main.py", str(int(generation) + 1), *stubborn]
    subprocess.Popen(child, start_new_session=generation == "1")
time.sleep(600)
"""


@pytest.mark.slow
@posix
def test_a_job_that_takes_too_long_is_ended_with_all_its_processes(repository: Repository, begin: Begin) -> None:
    job = repository.job("python main.py 0 stubborn", limits={"timeout": 2}, **script(repository, FAMILY))
    running = begin(job)
    pids = [int(line) for line in lines(running, 3)]
    assert running.wait(30) == 124
    assert gone(pids)
    assert last(repository).status == "failed"
    assert running.stdout and "job.yml:5: the job took longer than 2 s" in running.stdout.read()


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_ends_the_job_with_all_its_processes(repository: Repository, begin: Begin, name: str) -> None:
    running = begin(repository.job("python main.py 0", **script(repository, FAMILY)))
    pids = [int(line) for line in lines(running, 3)]
    running.send_signal(getattr(signal, name))
    assert running.wait(30) == 130
    assert gone(pids)
    assert last(repository).status == "cancelled"


@posix
def test_nothing_is_left_of_a_job_when_its_command_has_ended(repository: Repository, begin: Begin) -> None:
    job = repository.job("python main.py 0 & sleep 1", **script(repository, FAMILY))
    running = begin(job)
    pids = [int(line) for line in lines(running, 3)]
    assert running.wait(30) == 0
    assert gone(pids)


@posix
def test_a_job_may_end_in_order_when_it_is_asked_to(repository: Repository, begin: Begin) -> None:
    code = script(
        repository,
        "import signal, time\n"
        "def end(*_):\n    print('saved')\n    raise SystemExit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready')\ntime.sleep(600)\n",
    )
    running = begin(repository.job("python main.py", **code))
    lines(running, 1)
    running.send_signal(signal.SIGINT)
    assert lines(running, 1) == ["saved"]
    assert running.wait(30) == 130


@posix
@pytest.mark.parametrize("command", ["python main.py 0", "python main.py 0; true"])
def test_a_killed_runner_leaves_a_failed_run_and_no_process(repository: Repository, begin: Begin, command: str) -> None:
    running = begin(repository.job(command, **script(repository, FAMILY)))
    pids = [int(line) for line in lines(running, 3)]
    assert "running" in repository.aml("runs").stdout
    running.kill()
    running.wait(30)
    assert "failed" in repository.aml("runs").stdout
    assert gone(pids)
    assert last(repository).end


@pytest.mark.parametrize("before", [0, 1])
def test_runs_at_once_are_all_recorded(repository: Repository, begin: Begin, before: int) -> None:
    job = repository.job("python main.py", **script(repository, "import time; print('hello'); time.sleep(0.3)"))
    for _ in range(before):
        repository.aml("submit", "-c", job, "--here")
    running = [begin(job) for _ in range(3)]
    assert [one.wait(60) for one in running] == [0, 0, 0]
    runs = everything(repository)
    assert len({run.id for run in runs}) == 3 + before
    assert {(run.status, run.experiment) for run in runs} == {("finished", "demo-model")}
    assert {run.record.parent for run in runs} == {runs[0].record.parent}
    assert all((run.folder / "logs" / "std_log.txt").read_text().strip() == "hello" for run in runs)


# --------------------------------------------------------------------------------------------------------- MLflow

NESTED = """
import mlflow, os, sys
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    with mlflow.start_run(nested=True, run_name="fold 1"):
        mlflow.log_metric("loss", 0.25)
        mlflow.log_text("deep", "part/note.txt")
    mlflow.start_run(nested=True, run_name="left open")
    os._exit(int(sys.argv[1]))
"""


def test_runs_within_a_run_are_recorded_and_none_is_left_open(repository: Repository) -> None:
    repository.submit("python main.py 5", status=5, **script(repository, NESTED))
    runs = {run.name: run for run in everything(repository)}
    parent = last(repository)
    assert {name: run.status for name, run in runs.items()} == {
        parent.name: "failed",
        "fold 1": "finished",
        "left open": "failed",
    }
    assert parent.metrics() == {"loss": 0.5}
    assert runs["fold 1"].metrics() == {"loss": 0.25}
    assert runs["fold 1"].tags()["mlflow.parentRunId"] == parent.id
    assert [file.name for file in runs["fold 1"].files()] == ["note.txt"]


LOGGING = """
import mlflow
mlflow.log_param("version", mlflow.__version__)
mlflow.log_metric("loss", 0.5, step=1)
mlflow.log_metric("loss", 0.25, step=2)
mlflow.set_tag("by", "script")
mlflow.log_text("hello", "note.txt")
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.22.4", "3.10.0"])
def test_mlflow_of_another_version_writes_to_the_same_store(repository: Repository, version: str) -> None:
    conda = {"dependencies": [f"python={sys.version_info.major}.{sys.version_info.minor}", f"mlflow-skinny={version}"]}
    environment = {"image": "any", "conda_file": conda}
    job = repository.job("python main.py", environment=environment, **script(repository, LOGGING))
    repository.aml("submit", "-c", job)
    theirs = last(repository)
    repository.submit("python main.py", **script(repository, LOGGING))
    for run in (theirs, last(repository)):
        assert run.status == "finished"
        assert run.metrics() == {"loss": 0.25}
        assert run.tags()["by"] == "script"
        assert (run.folder / "note.txt").read_text() == "hello"
    assert theirs.params() == {"version": version}
    assert theirs.record.parent == last(repository).record.parent


# ---------------------------------------------------------------------------------------------- the generated job


@pytest.mark.xdist_group("training")
def test_the_generated_job_trains_tracks_and_registers(repository: Repository) -> None:
    done = repository.aml("submit", "-c", "train-local", "--set", "inputs.max_iter=900")
    run = last(repository)
    assert run.status == "finished"
    assert run.metrics()["test_accuracy"] > 0.9
    assert run.metrics()["test_f1_macro"] > 0.9
    assert {"c": "1.0", "max_iter": "900"}.items() <= run.params().items()
    assert run.params()["data_path"] == str(repository.path / "sample-data")
    assert f"test_accuracy   {run.metrics()['test_accuracy']:.3f}" in done.stdout
    assert (run.folder / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")

    predict = (
        "import joblib, pandas, sys; model = joblib.load(sys.argv[1]); "
        "table = pandas.read_csv('sample-data/penguins.csv').dropna(subset=['species']); "
        "print((model.predict(table.drop(columns='species')) == table.species).mean())"
    )
    model = str(run.folder / "outputs" / "model.pkl")
    right = subprocess.run(
        [str(repository.python), "-c", predict, model], cwd=repository.path, env=ENVIRONMENT, capture_output=True
    )
    assert float(right.stdout) > 0.9

    assert "version 1" in repository.aml("register-model", "-n", "penguins").stdout
    models = repository.aml("models").stdout
    assert "penguins" in models and run.id in models and "test_accuracy=" in models


@pytest.mark.slow
@pytest.mark.xdist_group("training")
def test_the_job_of_the_cluster_does_the_same_here(repository: Repository) -> None:
    metrics = []
    for arguments in (["-c", "train-local"], ["-c", "train-amlcompute", "--local"]):
        repository.aml("submit", *arguments)
        metrics.append(last(repository).metrics())
    assert metrics[0] == metrics[1] != {}
    assert last(repository).params()["data_path"] == str(repository.path / "sample-data")  # as of data.yml


# -------------------------------------------------------------------------------------------------------- Windows


def test_cmd_gets_the_lines_of_a_command_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMSPEC", r"C:\cmd.exe")
    command = 'pip list\n\n# first\npython train.py \\\n  --data "C:\\my data"\n'
    assert processes.cmd(command) == r'C:\cmd.exe /d /s /c "pip list & python train.py --data "C:\my data""'


def test_a_drive_is_a_folder_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    path: Any = PureWindowsPath(r"D:\my data\table.csv")
    with monkeypatch.context() as windows:
        windows.setattr(os, "name", "nt")
        seen = containers.seen(path)
    assert seen == PurePosixPath("/d/my data/table.csv")


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_runner_is_noticed_although_mlflow_called_its_run_finished(repository: Repository) -> None:
    text = "import mlflow, time\nwith mlflow.start_run():\n    pass\nprint('logged', flush=True)\ntime.sleep(60)\n"
    job = repository.job("python main.py", **script(repository, text))
    runner = subprocess.Popen(
        repository.command("submit", "-c", job, "--here"), cwd=repository.path, env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    assert runner.stdout and runner.stdout.readline() == b"logged\n"
    assert last(repository).status == "running"
    runner.kill()
    runner.wait()
    assert last(repository).status == "failed"
    assert last(repository).end is not None


def test_a_run_that_goes_on_keeps_its_paths_while_another_ends(repository: Repository) -> None:
    text = """
import mlflow, pathlib, time
with mlflow.start_run() as run:
    pass
pathlib.Path("../first").touch()
while not pathlib.Path("../go").exists():
    time.sleep(0.05)
with mlflow.start_run(run_id=run.info.run_id):
    mlflow.log_text("late", "late.txt")
"""
    job = repository.job("python main.py", **script(repository, text))
    runner = subprocess.Popen(repository.command("submit", "-c", job, "--here"), cwd=repository.path, env=ENVIRONMENT)
    while not list(repository.path.glob("runs/*/first")):
        time.sleep(0.1)
    [going_on] = [path.parent for path in repository.path.glob("runs/*/first")]
    repository.submit("true")
    (going_on / "go").touch()
    assert runner.wait(60) == 0
    assert (going_on / "late.txt").read_text() == "late"


def test_the_status_is_the_jobs_own_when_the_reader_has_enough(repository: Repository) -> None:
    job = repository.job("for i in 1 2 3 4 5; do echo $i; sleep 0.1; done; exit 3")
    submit = shlex.join(repository.command("submit", "-c", job, "--here"))
    shown = subprocess.run(
        ["bash", "-c", f"{submit} 2>&1 | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}"],
        cwd=repository.path, env=ENVIRONMENT, capture_output=True, text=True,
    )  # fmt: skip
    assert shown.stdout == "3\n"
    assert (last(repository).folder / "logs" / "std_log.txt").read_text() == "1\n2\n3\n4\n5\n"


def test_a_data_asset_may_say_that_it_is_a_file(repository: Repository) -> None:
    data = repository.path / "aml_config" / "data.yml"
    data.write_text(data.read_text(encoding="utf-8").replace("../sample-data", "file:../sample-data"), encoding="utf-8")
    inputs = {"data": {"type": "uri_folder", "path": "azureml:demo-model-data@latest"}}
    shown = repository.submit("ls ${{inputs.data}}", inputs=inputs).stdout
    assert shown == "penguins.csv\nrequest.json\n"
