"""Serving on this machine with the real server from PyPI, over HTTP on the loopback address and through its client."""

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aml.cli import serve as verb
from aml.errors import UserError
from aml.jobfile import deployment as deployments
from aml.jobfile import starts
from aml.jobfile.deployment import ModelReference
from aml.local import processes, serving
from support import ENVIRONMENT, Repository

PREDICT = """
import json, sys
import joblib, pandas
table = pandas.read_csv("sample-data/penguins.csv").drop(columns="species")
model = joblib.load(sys.argv[1])
print(json.dumps([{"data": json.loads(table.to_json(orient="records"))}, model.predict(table).tolist()]))
"""


@pytest.fixture(scope="module")
def trained(installed: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with two versions of its model, the second of fewer steps. Not to be changed: see `served`."""
    folder = tmp_path_factory.mktemp("a model") / "demo-model"
    shutil.copytree(installed.path, folder, ignore=shutil.ignore_patterns(".venv", "ready", "__pycache__"))
    found = Repository(folder, installed.python)
    found.remove_gates()
    for steps in ("1000", "3"):
        found.aml("submit", "-c", "train-local", "--here", "--set", f"inputs.max_iter={steps}")
        found.aml("register-model", "-n", "demo-model")
    return found


@pytest.fixture
def served(trained: Repository, tmp_path: Path) -> Repository:
    folder = tmp_path / "a model" / "demo-model"
    shutil.copytree(trained.path, folder)
    return Repository(folder, trained.python)


@pytest.fixture(scope="module")
def expected(trained: Repository) -> tuple[dict[str, Any], dict[int, list[str]]]:
    """A request with all rows of the sample data, and what each version of the model predicts for them."""
    predictions: dict[int, list[str]] = {}
    for meta in (trained.path / "mlruns" / "models" / "demo-model").glob("version-*"):
        source = re.findall(r"source: (.*)", (meta / "meta.yaml").read_text(encoding="utf-8"))[0]
        command = [str(trained.python), "-c", PREDICT, source]
        done = subprocess.run(command, cwd=trained.path, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        request, predictions[int(meta.name[8:])] = json.loads(done.stdout)
    assert predictions[1] != predictions[2]
    return request, predictions


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Running:
    """`aml serve`, started and ready."""

    def __init__(self, repository: Repository, *arguments: str) -> None:
        self.port = free_port()
        self.output = repository.path / "output.txt"
        self.temporary = Path(tempfile.mkdtemp())
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                repository.command("serve", "--port", str(self.port), *arguments),
                cwd=repository.path,
                env={**ENVIRONMENT, "TMPDIR": str(self.temporary)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while "(Ctrl-C ends it)" not in self.said:
            assert self.process.poll() is None, self.said
            time.sleep(0.1)

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def ask(
        self, body: bytes | str, path: str = "/score", method: str = "POST", kind: str = "application/json"
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read().decode("utf-8")
        return answer.status, json.loads(text) if text.startswith("{") else text

    def end(self) -> int:
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=60)
        assert not any(child.is_running() for child in children)
        return status


@pytest.fixture(scope="module")
def running(trained: Repository) -> Iterator[Running]:
    found = Running(trained)
    yield found
    if found.process.poll() is None:
        found.end()


@pytest.mark.slow
def test_predictions_over_http_are_those_of_the_newest_model(running: Running, expected: Any) -> None:
    request, predictions = expected
    assert running.ask(json.dumps(request)) == (200, {"predictions": predictions[2]})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON, or without Content-Type: application/json"),
        (b'{"data": [{"year": NaN}]}', r"data\[0\]: column island is missing"),
        (b'{"data": [' + b"[" * 100_000, "not JSON, or without"),
        (b'{"data": []}', "data has no rows"),
        (b'"\\ud800"', "should be"),
    ],
)
def test_a_bad_body_is_refused_over_http(body: bytes, says: str, running: Running) -> None:
    status, answer = running.ask(body)
    assert status == 400
    assert re.match(says, answer["error"]["message"])


@pytest.mark.slow
def test_a_form_arrives_as_an_empty_body(running: Running) -> None:
    status, answer = running.ask('{"data": []}', kind="application/x-www-form-urlencoded")
    assert (status, answer["error"]["message"][:8]) == (400, "not JSON")


@pytest.mark.slow
def test_five_megabytes_are_answered(running: Running, expected: Any) -> None:
    request, predictions = expected
    times = 5_000_000 // len(json.dumps(request["data"])) + 1
    status, answer = running.ask(json.dumps({"data": request["data"] * times}))
    assert (status, answer["predictions"]) == (200, predictions[2] * times)


@pytest.mark.slow
def test_swagger_and_health_are_there(running: Running) -> None:
    assert running.ask("", "/", "GET") == (200, "Healthy")
    for version, key in (("2", "swagger"), ("3", "openapi"), ("3.1", "openapi")):
        status, answer = running.ask("", f"/swagger.json?version={version}", "GET")
        assert (status, answer[key][: len(version)]) == (200, version)


@pytest.mark.slow
def test_the_server_listens_on_the_loopback_address_alone(running: Running) -> None:
    family = [running.process.pid, *(child.pid for child in psutil.Process(running.process.pid).children(True))]
    listening = {
        connection.laddr
        for pid in family
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", running.port)}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_the_curl_line_works_as_it_is_printed(running: Running, trained: Repository) -> None:
    (line,) = re.findall(r"^  (curl.*)$", running.said, re.MULTILINE)
    done = subprocess.run(line, shell=True, cwd=trained.path, env=ENVIRONMENT, capture_output=True, text=True)  # noqa: S602
    assert json.loads(done.stdout)["predictions"][0] == "Adelie"


@pytest.mark.slow
def test_the_port_of_a_server_is_taken(running: Running, trained: Repository) -> None:
    refused = trained.aml("serve", "--port", str(running.port), status=2).stderr
    assert refused.splitlines()[-1] == f"aml: port {running.port} is taken: name another one with --port PORT"


@pytest.mark.slow
def test_each_worker_answers_and_ctrl_c_ends_them_all(running: Running, trained: Repository) -> None:
    while len(set(re.findall(r"Worker with pid (\d+) ready", running.said))) < 2:  # WORKER_COUNT of deployment.yml
        time.sleep(0.1)
    seconds = float(re.findall(r"ready after ([\d.]+) s", running.said)[0])
    assert running.end() == 0
    assert running.said.splitlines()[-1] == "aml: the server has ended"
    assert starts.read(trained.path) == {"deployment": seconds}
    assert "Worker with pid" in (trained.path / "mlruns" / "serve.log").read_text(encoding="utf-8")
    assert not list(running.temporary.iterdir())


@pytest.mark.slow
def test_the_test_asks_for_everything_without_a_port(served: Repository, expected: Any, tmp_path: Path) -> None:
    request, predictions = expected
    lines = served.aml("serve", "--test").stdout.splitlines()
    assert re.match(r"demo-model:2 \(runs/.*/outputs/model.pkl\): ready after \d+\.\d s", lines[0])
    statuses = {re.split("  +", line)[0]: re.split("  +", line)[1] for line in lines[2:]}
    assert statuses.pop("sample-data/request.json") == "200"
    assert (statuses.pop("is it alive?"), statuses.pop("its swagger")) == ("200", "200")
    assert set(statuses.values()) == {"400"} and len(statuses) >= 8
    (tmp_path / "mine.json").write_text(json.dumps({"data": request["data"][:2]}), encoding="utf-8")
    said = served.aml("serve", "--test", str(tmp_path / "mine.json"), "--model", "demo-model:1").stdout
    assert json.dumps({"predictions": predictions[1][:2]}) in said and "demo-model:1 (" in said


@pytest.mark.slow
def test_the_local_answer_is_that_of_the_model(served: Repository, expected: Any, monkeypatch: Any) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    request, predictions = expected
    deployment = deployments.load("deployment", served.path)
    for number, found in predictions.items():
        model = serving.registered_model(served.path, ModelReference("demo-model", str(number)))
        answer = serving.answer(deployment, model.path, json.dumps(request))
        assert (answer.status, json.loads(answer.body)) == (200, {"predictions": found})


def edit(repository: Repository, name: str, old: str, new: str) -> int:
    """Replace a text that is there once, and return its line."""
    path = repository.path / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.slow
def test_an_init_that_fails_is_said_with_its_line(served: Repository) -> None:
    line = edit(served, "src/score.py", "    model = joblib.load(found[0])\n", "    raise KeyError('no such thing')\n")
    for arguments in (["--test"], ["--port", str(free_port())]):
        done = served.aml("serve", *arguments, status=2)
        says = f"aml: src/score.py:{line}: ended with status 3: KeyError: 'no such thing'"
        assert done.stderr.splitlines()[-1] == says
        assert "Traceback" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("import joblib\n", "import joblib, lightgbm\n", "ModuleNotFoundError: No module named 'lightgbm'"),
        ("def run(", "def runs(", "ended with status 3: "),
        ("def init() -> None:\n", "def init() -> None\n", "SyntaxError: expected ':'"),
    ],
)
def test_a_script_that_cannot_be_loaded_is_said(old: str, new: str, says: str, served: Repository) -> None:
    edit(served, "src/score.py", old, new)
    message = served.aml("serve", "--test", status=2).stderr.splitlines()[-1]
    assert message.startswith("aml: src/score.py") and says in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "    except ValueError as problem:\n",
            "    except ZeroDivisionError as problem:\n",
            "an empty body: status 500,",
        ),
        (
            '{"predictions": predict(rows_of(body))}',
            '{"predictions": [math.nan]}',
            "request.json: the answer is not JSO",
        ),
        ('{"predictions": predict(rows_of(body))}', "[1 / 0]", "request.json: status 500: "),
    ],
)
def test_what_callers_cannot_use_fails_the_test(old: str, new: str, says: str, served: Repository) -> None:
    edit(served, "src/score.py", old, new)
    assert says in served.aml("serve", "--test", status=1).stderr


@pytest.mark.slow
def test_an_environment_without_the_server_is_refused(served: Repository) -> None:
    edit(served, "aml_config/score-conda.yml", "      - azureml-inference-server-http==1.5.1\n", "")
    message = served.aml("serve", "--test", status=2).stderr.splitlines()[-1]
    pin = "azureml-inference-server-http==1.5.1"
    assert message == f"aml: aml_config/score-conda.yml: no {pin[:-7]}: add {pin} to the packages of pip"


@pytest.mark.slow
def test_what_is_not_there_is_said_with_the_next_command(served: Repository) -> None:
    def refusal(*arguments: str) -> str:
        return served.aml("serve", "--test", *arguments, status=2).stderr.splitlines()[-1]

    steps = "aml submit -c train-local, then aml register-model -n other"
    assert refusal("--model", "other") == f"aml: no model other is registered on this machine yet: {steps}"
    assert "model demo-model has no version 9 on this machine (there are 1, 2)" in refusal("--model", "demo-model:9")
    assert "the version should be a number, such as demo-model:1" in refusal("--model", "demo-model:x")
    assert "run no-such-run: no such run" in refusal("--run", "no-such-run")
    assert "-c other: no such deployment; aml_config/ has deployment;" in refusal("-c", "other")
    (served.path / "sample-data" / "request.json").unlink()
    assert "no sample-data/request.json: write a request to it, or name its file: --test FILE" in refusal()
    shutil.rmtree(served.path / "runs")
    assert re.search(r"model demo-model:2: runs/\S+/model.pkl is gone: name another version with --model", refusal())


@pytest.mark.slow
def test_the_model_of_a_run_is_served_without_registering_it(served: Repository) -> None:
    run = served.aml("runs").stdout.splitlines()[-1].split()[0]
    assert served.aml("serve", "--test", "--run", run).stdout.startswith(f"demo-model:0 (runs/{run}/outputs/model.pkl)")


# What takes no time


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(BODIES.filter(lambda body: isinstance(body, list | dict)))
def test_bad_bodies_are_made_of_any_good_one_and_none_is_the_same(good: Any) -> None:
    found = dict(verb.bad_bodies(json.dumps(good)))
    assert len(found) >= 3
    changed = [
        json.loads(body) for what, body in found.items() if what not in ("an empty body", "half of it", "no rows")
    ]
    assert all(json.dumps(body) != json.dumps(good) for body in changed)


def test_bad_bodies_name_what_is_wrong_with_them() -> None:
    found = dict(verb.bad_bodies('{"data": [{"a": "x", "b": 1.5}]}'))
    assert found["NaN: data.0.b"] == '{"data": [{"a": "x", "b": NaN}]}'
    assert found["missing: data.0.a"] == '{"data": [{"b": 1.5}]}'
    assert found["an unknown column"] == '{"data": [{"a": "x", "b": 1.5, "no such column": 1}]}'


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1))
def test_the_curl_line_is_that_of_any_file(name: str) -> None:
    words = shlex.split(verb.curl("http://127.0.0.1:5001/score", Path("/") / name, windows=False))
    assert words[1:4] == ["-H", "Content-Type: application/json", "--data-binary"]
    assert Path(words[4].removeprefix("@")).resolve() == (Path("/") / name).resolve()


def test_the_curl_line_of_windows_has_double_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = verb.curl("http://127.0.0.1:5001/score", tmp_path / "a b.json", windows=True)
    assert line == (
        'curl.exe -H "Content-Type: application/json" --data-binary "@a b.json" http://127.0.0.1:5001/score'
    )


@pytest.mark.parametrize("port", [65536, 0, -1])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(UserError, match=f"port {port}: name one from 1 to 65535 with --port PORT"):
        processes.require_free_port(port, "--port PORT")


def test_a_model_may_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model" / "data").mkdir(parents=True)
    (tmp_path / "model" / "data" / "x").write_text("x", encoding="utf-8")
    serving._lay_out(tmp_path / "model", tmp_path / "name" / "1" / "model")
    assert (tmp_path / "name" / "1" / "model" / "data" / "x").read_text(encoding="utf-8") == "x"


def test_starts_are_kept_and_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert starts.read(tmp_path) == {}
    starts.keep(tmp_path, "deployment", 3.14159)
    starts.keep(tmp_path, "green", 5)
    assert starts.read(tmp_path) == {"deployment": 3.1, "green": 5.0}
    (tmp_path / "mlruns" / "serve.json").write_text("[1]", encoding="utf-8")
    assert starts.read(tmp_path) == {}


if os.name == "nt":  # Ctrl-C cannot be sent to one process there
    Running.end = lambda self: self.process.kill() or 0  # type: ignore[method-assign,func-returns-value]
