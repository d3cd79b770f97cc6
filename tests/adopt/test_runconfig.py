"""v1 run configurations: what they mean, asked of azureml-core itself, and what they become."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aml.check import of_job
from aml.document import Document
from aml.job import Job
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from uv import find_uv_bin

from aml_adopt.runconfig import CPU_IMAGE, Converted, convert, dump, load
from aml_adopt.runconfig_v1 import ANYTHING, SHAPE, WHOLE, Each

SETTINGS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# Asks azureml-core, which cannot live in the same environment as azure-ai-ml's friends.
ORACLE = '''
import json, os, sys
answers, sys.stdout = sys.stdout, sys.stderr
from azureml._vendor.ruamel import yaml
from azureml.core.runconfig import RunConfiguration, _serialize_to_dict
for line in sys.stdin:
    project, name, workbench = json.loads(line)
    os.chdir(project)
    try:
        if workbench:  # RunConfiguration.load spells its keys in camelCase first, and then looks for Title case
            with open(os.path.join(project, "aml_config", name + ".runconfig"), encoding="utf-8") as file:
                found = RunConfiguration._load_legacy_runconfig(project, name, yaml.round_trip_load(file))
        else:
            found = RunConfiguration.load(project, name)
        answer = _serialize_to_dict(found)
        if getattr(found.environment, "python", None) is not None:
            conda = found.environment.python.conda_dependencies
            answer["environment"]["python"]["condaDependencies"] = conda and conda._conda_dependencies
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer, default=str), file=answers, flush=True)
'''


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Callable[..., dict[str, Any]]]:
    """Ask azureml-core how it reads the runconfig `name` of a project."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    folder = shared / "azureml-core"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with FileLock(shared / "azureml-core.lock"):
        if not (folder / "ready").exists() and (problem := _install(folder, python)):
            pytest.skip(f"azureml-core cannot be installed here, and so cannot be asked: {problem}")
    environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONWARNINGS": "ignore"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen([python, "-c", ORACLE], env=environment, encoding="utf-8", **pipes)

    def ask(project: Path, name: str, workbench: bool = False) -> dict[str, Any]:
        assert child.stdin and child.stdout
        print(json.dumps([str(project), name, workbench]), file=child.stdin, flush=True)
        answer: dict[str, Any] = json.loads(child.stdout.readline())
        return answer

    yield ask
    assert child.stdin
    child.stdin.close()
    child.wait(timeout=30)


def _install(folder: Path, python: Path) -> str | None:
    """Install azureml-core for a Python that it knows; returns what went wrong."""
    problem = ""
    for version in ("3.11", "3.10"):
        for command in (
            ["venv", "-q", "--clear", "--no-python-downloads", "--python", version, str(folder)],
            ["pip", "install", "-q", "--python", str(python), "azureml-core==1.61.0.post4"],
        ):
            done = subprocess.run([find_uv_bin(), *command], capture_output=True, text=True, timeout=400)
            if done.returncode:
                problem = done.stderr.strip().splitlines()[-1]
                break
        else:
            (folder / "ready").touch()
            return None
    return problem


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    (folder / "aml_config").mkdir(parents=True)
    (folder / "aml_config" / "conda.yml").write_text("name: old\ndependencies: [python=3.6.2, pip]\n", encoding="utf-8")
    return folder


def write(project: Path, content: Any, name: str = "train") -> Path:
    path = project / "aml_config" / f"{name}.runconfig"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8", newline="\n")
    return path


def converted(project: Path, content: Any, name: str = "train", **options: Any) -> Converted:
    """Convert, and assert that what comes out can be written, is loaded by azure-ai-ml and passes `aml check`."""
    found = load(write(project, content, name), project)
    options = {"experiment": "demo", "data_asset": "demo-data", "image": CPU_IMAGE, "local_data": None, **options}
    result = convert(found, **options)
    if not any(note.kind == "blocked" for note in result.notes):
        accepted(project.parent / "out", result)
    return result


def accepted(root: Path, result: Converted) -> None:
    from azure.ai.ml import load_job

    (root / "src").mkdir(parents=True, exist_ok=True)
    (root / "sample-data").mkdir(exist_ok=True)
    (root / "aml_config").mkdir(exist_ok=True)
    conda = "dependencies: [python=3.11, pip, {pip: [azureml-mlflow, mlflow-skinny]}]\n"
    (root / "aml_config" / "train-conda.yml").write_text(conda, encoding="utf-8")
    for name, text in result.files.items():
        (root / "aml_config" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "aml_config" / name).write_text(text, encoding="utf-8")
    for script in re.findall(r"\bpython3? ([\w./-]+\.py)\b", result.job["command"]):
        (root / "src" / script).parent.mkdir(parents=True, exist_ok=True)
        (root / "src" / script).touch()
    path = root / "aml_config" / "job.yml"
    path.write_text(dump(result), encoding="utf-8", newline="\n")
    document = Document(path)
    assert document.data == result.job
    assert list(of_job(Job(document))) == []
    job = load_job(path)
    assert job.command == result.job["command"]
    assert job.experiment_name == result.job["experiment_name"]
    assert all("\t" not in line and len(line) < 130 or "command" in line for line in dump(result).splitlines()
               if line.lstrip().startswith("#"))  # fmt: skip


def words(result: Converted) -> list[str]:
    """The command as bash splits it, with each reference replaced by what v2 puts there."""
    text = result.job["command"]
    for kind in ("inputs", "outputs"):
        for name, entry in result.job.get(kind, {}).items():
            text = text.replace("${{" + f"{kind}.{name}" + "}}", f"<{entry.get('path', kind)}>")
    return shlex.split(text)


def notes(result: Converted, kind: str) -> str:
    return "\n".join(f"{note.where}: {note.text}" for note in result.notes if note.kind == kind)


def runconfig(**parts: Any) -> dict[str, Any]:
    return {"script": "train.py", "target": "cpu-cluster", "environment": {}, **parts}


# What a runconfig means, as azureml-core reads it

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f\x85"), max_size=12)
TYPICAL = st.sampled_from(["--epochs", "--lr=0.1", "-v", "3", "yes", "~", "*.csv", "a b"])
ARGUMENTS = st.lists(st.one_of(TEXTS, TYPICAL), max_size=5)
COUNTS = st.integers(1, 8)


def some(shape: Any) -> st.SearchStrategy[Any]:
    """Values for a shape of SHAPE, some of its fields absent."""
    if isinstance(shape, Each):
        return st.dictionaries(NAMES, some(shape.of), max_size=2)
    if isinstance(shape, dict) and shape:
        return st.fixed_dictionaries({}, optional={name: some(inner) for name, inner in shape.items()})
    if isinstance(shape, dict):
        return st.dictionaries(st.from_regex(r"[A-Z][A-Za-z_]{0,9}", fullmatch=True), TEXTS, max_size=3)
    if isinstance(shape, list):
        return ARGUMENTS
    if isinstance(shape, bool):
        return st.booleans()
    if shape is WHOLE:
        return st.one_of(st.none(), st.integers(0, 10**6))
    if isinstance(shape, int):
        return COUNTS
    return st.one_of(TEXTS, st.just("x")) if shape is None else st.sampled_from([shape, shape.upper(), "other"])


# Left out: what azureml-core refuses to hold, or what it holds only for other kinds of jobs.
ASKED = {name: shape for name, shape in SHAPE.items() if shape is not ANYTHING and name != "applicationEndpoints"}
ASKED["environment"] = {key: value for key, value in SHAPE["environment"].items() if key not in ("databricks", "r")}
ASKED["environment"]["docker"] = {
    key: value for key, value in SHAPE["environment"]["docker"].items() if key not in ("gpuSupport", "buildContext")
}
ASKED["environment"]["python"] = {
    key: value for key, value in SHAPE["environment"]["python"].items() if not key.startswith("conda")
}
MODES = st.sampled_from(["mount", "Download", "UPLOAD"])


@st.composite
def whole(draw: st.DrawFn) -> dict[str, Any]:
    content = draw(some(ASKED))
    content.setdefault("script", "train.py")
    content["environment"] = {"docker": {}, **content.get("environment", {})}
    for name in draw(st.sets(NAMES, max_size=2)):
        content.setdefault("data", {})[name] = draw(some(SHAPE["data"].of)) | {"mechanism": draw(MODES)}
    for reference in content.get("dataReferences", {}).values():
        reference.update(dataStoreName="store", mode=draw(MODES))
    for output in content.get("outputData", {}).values():
        output.pop("additionalOptions", None)  # azureml-core takes them as one text
        output["mechanism"] = draw(MODES)
    for section in ("data", "outputData"):
        for data in content.get(section, {}).values():
            data["mechanism"] = data.get("mechanism", "mount")
    inline = {"name": "env", "dependencies": ["python=3.6", {"pip": ["a==1"]}]}
    conda = st.sampled_from([{}, {"condaDependenciesFile": "aml_config/conda.yml"}, {"condaDependencies": inline}])
    content["environment"].setdefault("python", {}).update(draw(conda))
    return content


def spell(value: Any, shape: Any, way: str) -> Any:
    if isinstance(shape, Each):
        return {name: spell(inner, shape.of, way) for name, inner in value.items()}
    if isinstance(value, dict) and isinstance(shape, dict) and shape:
        return {spelled(key, way): spell(inner, shape[key], way) for key, inner in value.items()}
    return value


def spelled(key: str, way: str) -> str:
    parts = re.findall(r"[a-z]+|[A-Z][a-z]*", key)
    return {
        "camelCase": key,
        "snake_case": "_".join(parts).lower(),
        "TitleCase": key[0].upper() + key[1:],
        "Title_Snake": "_".join(part.title() for part in parts),
    }[way]


def text_of(content: Any, form: str) -> str:
    if form == "JSON":
        return json.dumps(content, indent=2)
    if form == "JSON, tabs":
        return json.dumps(content, indent="\t")
    from io import StringIO

    stream = StringIO()
    YAML().dump(content, stream)
    return stream.getvalue()


def agrees(ours: Any, theirs: Any, shape: Any, where: str) -> None:
    if isinstance(shape, Each):
        assert ours.keys() == (theirs or {}).keys(), where
        for name in ours:
            agrees(ours[name], theirs[name], shape.of, f"{where}.{name}")
    elif isinstance(shape, dict) and shape:
        for name, inner in shape.items():
            if theirs is not None:
                agrees(ours[name], theirs.get(name), inner, f"{where}.{name}")
    elif isinstance(shape, list):
        assert ours == [str(one) for one in theirs or []], where
    elif theirs is None:  # null, or without a default of its own
        assert ours in (None, {}, shape), where
    else:
        assert ours == theirs, where


@SETTINGS
@given(
    content=whole(),
    way=st.sampled_from(["camelCase", "snake_case", "TitleCase", "Title_Snake"]),
    form=st.sampled_from(["YAML", "JSON"]),
)
def test_reads_what_azureml_core_reads(
    oracle: Callable[..., Any], project: Path, content: Any, way: str, form: str
) -> None:
    path = write(project, text_of(spell(content, SHAPE, way), form))
    theirs = oracle(project, "train")
    assert "error" not in theirs, theirs
    ours = load(path, project)
    agrees(ours.data, theirs, ASKED, way)
    conda = ours.at("environment", "python", "condaDependencies")
    if conda:
        assert theirs["environment"]["python"]["condaDependencies"] == conda
    assert ours.notes == []
