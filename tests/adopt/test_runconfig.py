"""v1 run configurations: what they mean, asked of azureml-core itself, and what they become."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from uv import find_uv_bin

from aml.adopt import DataInput, UserError
from aml.adopt.v1.runconfig.job import CPU_IMAGE, GPU_IMAGE, Converted, convert, dump, load, take
from aml.adopt.v1.runconfig.keys import ANYTHING, SHAPE, WHOLE, Each
from aml.adopt.v1.runconfig.text import quote
from aml.checks.jobs import check_job
from aml.checks.repository import check
from aml.jobfile.document import Document
from aml.jobfile.job import Job

SETTINGS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# Asks azureml-core, which cannot live in the same environment as azure-ai-ml's friends.
ORACLE = """
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
"""


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
    for keys in result.comments:
        inner: Any = result.job
        for key in keys:
            inner = inner[key]  # a comment stands above something
    assert list(check_job(Job(document))) == []
    job: Any = load_job(path)
    assert job.command == result.job["command"]
    assert job.experiment_name == result.job["experiment_name"]
    assert all(("\t" not in line and len(line) < 130) or "command" in line for line in dump(result).splitlines()
               if line.lstrip().startswith("#"))  # fmt: skip


def words(result: Converted) -> list[str]:
    """The command as bash splits it, with each reference replaced by what v2 puts there."""
    text = result.job["command"]
    for kind in ("inputs", "outputs"):
        for name, entry in result.job.get(kind, {}).items():
            text = text.replace("${{" + f"{kind}.{name}" + "}}", f"<{entry.get('path', kind)}>")
    # Within double quotes bash takes \$ and \` for one character, too, and shlex does not.
    return shlex.split(re.sub(r"\\(.)", lambda pair: pair[1] if pair[1] in "$`" else pair[0], text))


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
    content: dict[str, Any] = draw(some(ASKED))
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
    python = content["environment"].setdefault("python", {})
    python.update(draw(conda))
    # azureml-core converts the keys of a file only when one that is not a section of names needs it.
    python.setdefault("userManagedDependencies", draw(st.booleans()))
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


# The job means what azureml-core reads

USES = st.sampled_from(["{}", "--data-path={}", "{}/part/a b.csv", "{}/"])
KINDS: list[tuple[str, str, dict[str, dict[str, int | None]]]] = [
    ("Python", "None", {}),
    ("Python", "OpenMpi", {"mpi": {"processCountPerNode": 2}}),
    ("Python", "intelmpi", {}),
    ("PyTorch", "None", {}),
    ("TensorFlow", "ParameterServer", {"tensorflow": {"workerCount": 3, "parameterServerCount": 2}}),
]


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    framework, communicator, parts = draw(st.sampled_from(KINDS))
    nodes = draw(COUNTS)
    if draw(st.booleans()):
        framework, communicator = "PyTorch", draw(st.sampled_from(["Nccl", "Gloo"]))
        parts = {"pytorch": {"processCount": draw(st.sampled_from([None, nodes, 4 * nodes]))}}
    content: dict[str, Any] = {
        "script": draw(st.sampled_from(["train.py", "code/train.py"])),
        "target": draw(st.sampled_from(["local", "cpu-cluster", "gpuCluster", "amlcompute"])),
        "framework": framework,
        "communicator": communicator,
        "nodeCount": nodes,
        **parts,
        "maxRunDurationSeconds": draw(st.one_of(st.none(), st.integers(1, 10**5))),
        "environmentVariables": draw(some({})),
        "environment": {"environmentVariables": draw(some({})) | {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}},
        "amlcompute": {"vmSize": "Standard_D2_v2"},
    }
    arguments = draw(ARGUMENTS)
    for index, key in enumerate(draw(st.lists(NAMES, max_size=3, unique=True))):
        form = draw(st.sampled_from(["named", "datapath", "reference", "upload"]))
        mount = draw(st.sampled_from([None, f"/mnt/{index}"]))
        if form in ("reference", "upload"):
            section = content.setdefault("dataReferences", {})
            mode = "upload" if form == "upload" else draw(st.sampled_from(["mount", "download"]))
            section[key] = {"dataStoreName": "store", "pathOnDataStore": f"in/{key}", "mode": mode}
            section[key]["pathOnCompute"] = mount
            tokens = [f"$AZUREML_DATAREFERENCE_{key}"]
        else:
            dataset = {"dataset": {"id": None, "name": f"set-{key}", "version": "3"}}
            location = dataset if form == "named" else {"dataPath": {"datastoreName": "s", "relativePath": f"x/{key}"}}
            mechanism = draw(st.sampled_from(["mount", "download"]))
            content.setdefault("data", {})[key] = {
                "dataLocation": location,
                "mechanism": mechanism,
                "pathOnCompute": mount,
                "environmentVariableName": key,
            }
            tokens = [f"DatasetConsumptionConfig:{key}"]
        token = draw(st.sampled_from(tokens + [mount] * bool(mount)))
        arguments += [*draw(st.sampled_from([[], ["--input-dir"], ["-x"]])), draw(USES).format(token)]
    content["arguments"] = arguments
    choice = draw(st.sampled_from([{}, {"condaDependenciesFile": "aml_config/conda.yml"}]))
    content["environment"]["python"] = choice
    return content


def places(v1: dict[str, Any]) -> dict[str, str]:
    """What each token of v1's arguments stands for in v2."""
    found = {}
    for key, data in v1["data"].items():
        dataset, path = data["dataLocation"]["dataset"], data["dataLocation"]["dataPath"]
        address = f"azureml:{dataset['name']}:{dataset['version']}" if dataset else ""
        address = address or f"azureml://datastores/{path['datastoreName']}/paths/{path['relativePath']}"
        found.update({f"DatasetConsumptionConfig:{key}": address, data["pathOnCompute"] or "": address})
    for key, data in v1["dataReferences"].items():
        address = f"azureml://datastores/{data['dataStoreName']}/paths/{data['pathOnDataStore']}"
        found.update({f"$AZUREML_DATAREFERENCE_{key}": address, data["pathOnCompute"] or "": address})
    found.pop("", None)
    return found


PLAIN = {
    "script": "train.py",
    "environmentVariables": {},
    "environment": {"environmentVariables": {"EXAMPLE_ENV_VAR": "x"}},
}


@SETTINGS
@given(content=runs())
@example(content=PLAIN | {"arguments": ["`", "$x", "a\\$", "\\\\`"]})
def test_the_job_means_what_azureml_core_reads(oracle: Callable[..., Any], project: Path, content: Any) -> None:
    result = converted(project, content)
    v1, job = oracle(project, "train"), result.job
    assert "error" not in v1, v1
    expected = []
    for argument in v1["arguments"]:
        used = [
            (token, address)
            for token, address in sorted(places(v1).items(), reverse=True)
            if re.fullmatch(rf"(--data-path=)?{re.escape(token)}(/.*)?", argument)
        ]
        expected.append(argument.replace(used[0][0], f"<{used[0][1]}>") if used else argument)
    assert words(result) == ["python", v1["script"], *expected]
    variables = {**v1["environment"]["environmentVariables"], **v1["environmentVariables"]}
    variables.pop("EXAMPLE_ENV_VAR")
    assert job.get("environment_variables", {}) == variables
    assert job.get("limits", {}).get("timeout") == v1["maxRunDurationSeconds"]

    local, one_shot = v1["target"] == "local", v1["target"] == "amlcompute"
    resources = job.get("resources", {})
    assert job.get("compute") == ("local" if local else None if one_shot else f"azureml:{v1['target']}")
    assert resources.get("instance_type") == ("Standard_D2_v2" if one_shot else None)
    alone = local or v1["communicator"] == "None"
    assert resources.get("instance_count", 1) == (1 if alone else v1["nodeCount"])
    assert ("distribution" in job) == (not alone)
    if not alone:
        distribution, nodes = dict(job["distribution"]), v1["nodeCount"]
        kind = distribution.pop("type")
        if v1["communicator"].lower() in ("openmpi", "intelmpi"):
            assert (kind, distribution) == ("mpi", {"process_count_per_instance": v1["mpi"]["processCountPerNode"]})
        elif v1["communicator"] == "ParameterServer":
            section = v1["tensorflow"]
            counts = {"worker_count": section["workerCount"], "parameter_server_count": section["parameterServerCount"]}
            assert (kind, distribution) == ("tensorflow", counts)
        else:
            assert kind == "pytorch"
            assert distribution["process_count_per_instance"] * nodes == (v1["pytorch"]["processCount"] or nodes)

    modes = {"mount": None, "download": "download", "upload": "upload"}
    entries = {entry["path"]: entry for kind in ("inputs", "outputs") for entry in job.get(kind, {}).values()}
    for data in [*v1["data"].values(), *v1["dataReferences"].values()]:
        mode = data.get("mode") or data["mechanism"]
        address = next(path for path in entries if path in places({"data": {"": data}, "dataReferences": {}}
                       if "mechanism" in data else {"data": {}, "dataReferences": {"": data}}).values())  # fmt: skip
        assert entries[address].get("mode") == modes[mode]
        assert (entries[address] in job.get("outputs", {}).values()) == (mode == "upload")
    assert len(entries) == len(v1["data"]) + len(v1["dataReferences"])

    if isinstance(result.conda, Path):
        text = result.conda.read_text(encoding="utf-8")
        assert yaml.safe_load(text) == v1["environment"]["python"]["condaDependencies"]
    else:
        assert v1["environment"]["python"]["condaDependenciesFile"] is None


@pytest.mark.skipif(os.name == "nt", reason="asks bash")
@SETTINGS
@given(texts=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8), min_size=1))
@example(texts=["a b", "$HOME", "`id`", 'say "hi"', "back\\", "\\\\server\\share", "a\nb", "!x", "~", "${{inputs.x}}"])
def test_bash_reads_a_quoted_argument_as_it_was(texts: list[str]) -> None:
    line = " ".join(map(quote, texts))
    shown = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    assert shown.decode().split("\0")[:-1] == texts
    assert not re.search(r"\$\{\{", line)


@pytest.mark.parametrize(
    "text", ["a b", "C:\\some\\path", '{"a": 1}', "", "x&y", "a=b,c;d", "it's", "(1)", "Zoë", "a|b<c>"]
)
def test_this_machines_shell_reads_a_quoted_argument_as_it_was(text: str) -> None:
    program = "import sys; sys.stdout.buffer.write(sys.argv[1].encode())"
    line = f'"{sys.executable}" -c "{program}" {quote(text)}'
    done = subprocess.run(line, shell=True, capture_output=True, check=True)  # noqa: S602  # the judge is the shell
    assert done.stdout.decode() == text


@SETTINGS
@given(content=runs())
@example(content=PLAIN | {"environmentVariables": {"ON": "", "n": "no"}})
def test_the_same_twice(project: Path, content: Any) -> None:
    first, second = (converted(project, content) for _ in range(2))
    assert dump(first) == dump(second)
    assert first.notes == second.notes


# The ancestor's two files, in words of our own

LOCAL = """\
script: train.py
arguments: [--data-path, /data, --rounds, 1e-3]
target: local
framework: Python
communicator: None
nodeCount: 1
environment:
  environmentVariables:
    EXAMPLE_ENV_VAR: EXAMPLE_VALUE
  python:
    userManagedDependencies: false
    interpreterPath: python
    condaDependenciesFile: aml_config/conda.yml
  docker:
    enabled: true
    baseImage: mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04
    arguments: [-v, C:\\some\\local\\path:/data]
"""
CLUSTER = (
    LOCAL.replace("target: local", "target: cpu-cluster").replace("[-v, C:\\some\\local\\path:/data]", "[]")
    + """\
mpi:
  processCountPerNode: 4
data:
  mydataset:
    dataLocation:
      dataset:
        id: 11111111-2222-3333-4444-555555555555
    mechanism: mount
    pathOnCompute: /data
    environmentVariableName: mydataset
    createOutputDirectories: false
    overwrite: false
"""
)


def test_the_ancestors_runconfigs_become_the_templates_jobs(
    project: Path, bake: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = bake()
    monkeypatch.chdir(root)
    data = Path("../sample-data")
    here = converted(project, LOCAL, "train-local", experiment="demo-model", local_data=data)
    there = converted(project, CLUSTER, "train-amlcompute", experiment="demo-model", data_asset="demo-model-data")
    for name, result in (("train-local", here), ("train-amlcompute", there)):
        (root / "aml_config" / f"{name}.yml").write_text(dump(result), encoding="utf-8", newline="\n")
    train = root / "src" / "train.py"
    option = '    parser.add_argument("--rounds", type=float)\n    return'
    train.write_text(
        train.read_text(encoding="utf-8").replace("    return parser", f"{option} parser"), encoding="utf-8"
    )
    assert list(check(root)) == []
    assert (
        dump(here)
        == """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
type: command
experiment_name: demo-model
code: ../src
command: >-
  python train.py
  --data-path "${{inputs.data}}"
  --rounds 1e-3
environment:
  image: mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04
  conda_file: train-conda.yml
compute: local
inputs:
  data:
    type: uri_folder
    path: ../sample-data
"""
    )
    assert there.job["inputs"] == {"data": {"type": "uri_folder", "path": "azureml:demo-model-data@latest"}}
    assert there.job["compute"] == "azureml:cpu-cluster"
    assert "distribution" not in there.job and "resources" not in there.job
    assert here.job["command"] == there.job["command"]
    assert "    # v1 dataset 11111111-2222-3333-4444-555555555555: v2 has no such ids" in dump(there)
    assert notes(there, "decide").startswith("aml_config/train-amlcompute.runconfig:24: v1 dataset 11111111-")
    assert notes(here, "decide") == ""
    image = "image mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04 is out of support"
    assert notes(here, "changed").splitlines() == [
        f"aml_config/train-local.runconfig:16: {image}, replaced by {CPU_IMAGE}",
        "aml_config/train-local.runconfig:17: C:\\some\\local\\path is not on this machine: "
        "the job reads ../sample-data",
    ]
    assert here.inputs == [DataInput("data", "uri_folder", data)]
    assert there.inputs == [DataInput("data", "uri_folder", None)]
    assert here.conda == there.conda == (project / "aml_config" / "conda.yml").resolve()
    assert here.script == "train.py"


# One trap after the other


def test_an_mpi_section_without_a_communicator_distributes_nothing(project: Path) -> None:
    result = converted(project, runconfig(communicator=None, mpi={"processCountPerNode": 4, "nodeCount": 2}))
    assert "distribution" not in result.job and "resources" not in result.job


def test_nodes_without_a_communicator_are_left_to_the_owner(project: Path) -> None:
    result = converted(project, runconfig(nodeCount=4))
    assert "resources" not in result.job
    assert "v1 asked for 4 nodes without a communicator" in dump(result)
    assert "add resources.instance_count" in notes(result, "decide")


def test_pytorch_processes_that_do_not_divide_are_left_to_the_owner(project: Path) -> None:
    parts = {"framework": "PyTorch", "communicator": "Nccl", "nodeCount": 2, "pytorch": {"processCount": 5}}
    result = converted(project, runconfig(**parts))
    assert result.job["distribution"] == {"type": "pytorch", "process_count_per_instance": 3}
    assert "v1 started 5 processes on 2 nodes" in notes(result, "decide")


def test_a_one_shot_cluster_is_serverless(project: Path) -> None:
    section = {"vmSize": "Standard_NC6s_v3", "vmPriority": "lowpriority", "clusterMaxNodeCount": 3, "name": "gpu-own"}
    result = converted(project, runconfig(target="amlcompute", amlcompute=section))
    assert "compute" not in result.job
    assert result.job["resources"] == {"instance_type": "Standard_NC6s_v3"}
    assert result.job["queue_settings"] == {"job_tier": "spot"}
    assert notes(result, "decide") == ""
    old = converted(project, runconfig(target="amlcompute", amlcompute={"vmSize": "STANDARD_NC6"}))
    assert "Azure retired STANDARD_NC6" in notes(old, "decide")
    assert result.compute == {
        "name": "gpu-own",
        "size": "Standard_NC6s_v3",
        "max_instances": 3,
        "tier": "low_priority",
    }


@pytest.mark.parametrize("target", ["cpu-cluster-1", "<your cluster>", "a_b", "containerinstance"])
def test_a_target_that_v2_does_not_take_is_left_to_the_owner(project: Path, target: str) -> None:
    result = converted(project, runconfig(target=target))
    assert result.job["compute"] == "azureml:cpu-cluster"
    assert "name" in notes(result, "decide")


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04", CPU_IMAGE),
        ("mcr.microsoft.com/azureml/base-gpu:openmpi3.1.2-cuda10.1-cudnn7-ubuntu18.04", GPU_IMAGE),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04", GPU_IMAGE),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", CPU_IMAGE),
        ("microsoft/mmlspark:plus-0.9.9", CPU_IMAGE),
        (None, CPU_IMAGE),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20240101.v1", None),
        ("mcr.microsoft.com/azureml/openmpi5.0-cuda12.6-ubuntu24.04", None),
        ("example.azurecr.io/own/image:3", None),
        ("python:3.11", None),
    ],
)
def test_images_out_of_support_are_replaced_by_kind(project: Path, given: str | None, becomes: str | None) -> None:
    result = converted(project, runconfig(environment={"docker": {"baseImage": given}}))
    assert result.job["environment"] == {"image": becomes or given, "conda_file": "train-conda.yml"}
    assert ("out of support" in notes(result, "changed")) == (becomes is not None and given is not None)


@pytest.mark.parametrize(
    ("image", "becomes"),
    [
        ("azureml/base:0.2.4", CPU_IMAGE),
        ("mcr.microsoft.com/azureml/base:0.2.4", CPU_IMAGE),
        ("mcr.microsoft.com/azureml/base-gpu:0.2.4", GPU_IMAGE),
        ("azureml/base-gpu:0.2.4", GPU_IMAGE),
        (None, GPU_IMAGE),
        ("example.azurecr.io/own/image:3", "example.azurecr.io/own/image:3"),
    ],
)
def test_an_image_says_more_than_gpu_support(project: Path, image: str | None, becomes: str) -> None:
    docker: dict[str, Any] = {"baseImage": image, "gpuSupport": True}
    assert converted(project, runconfig(environment={"docker": docker})).job["environment"]["image"] == becomes
    if image and image.startswith("azureml/"):  # its registry stands beside it
        docker["baseImageRegistry"] = {"address": "mcr.microsoft.com"}
        assert converted(project, runconfig(environment={"docker": docker})).job["environment"]["image"] == becomes


def test_no_password_is_copied(project: Path) -> None:
    registry = {"address": "example.azurecr.io", "username": "reader", "password": "hunter2hunter2"}
    docker = {"baseImage": "own/image:3", "baseImageRegistry": registry, "arguments": ["-e", "DB_PASSWORD=open-sesame"]}
    variables = {"API_TOKEN": "0123456789abcdef0123", "MAX_TOKENS": "512", "TOKENIZER": "bert-base-uncased-v2-long"}
    variables["STORE"] = "DefaultEndpointsProtocol=https;AccountKey=Zm9vYmFyYmF6cXV4"
    arguments = ["--api-key", "abcdef0123456789abcdef", "--secret=plain", "--sort-key", "id", "--token-count", "5"]
    content = runconfig(environment={"docker": docker}, environmentVariables=variables, arguments=arguments)
    result = converted(project, content)
    assert result.job["environment"]["image"] == "example.azurecr.io/own/image:3"
    assert result.job["environment_variables"] == {key: variables[key] for key in ("MAX_TOKENS", "TOKENIZER")}
    assert result.job["command"] == (
        'python train.py --api-key "$API_KEY" --secret="$SECRET" --sort-key id --token-count 5'
    )
    shown = dump(result) + repr(result)
    for secret in ("hunter2", "open-sesame", "reader", "0123456789abcdef", "Zm9v", "plain"):
        assert secret not in shown
    assert notes(result, "decide").count("was not copied") == 6
    assert "give the workspace a connection" in notes(result, "decide")


def test_an_address_loses_its_signature(project: Path) -> None:
    address = "https://example.blob.core.windows.net/a/b.csv"
    data = {"x": {"dataLocation": {"uri": {"path": f"{address}?sv=1&sig=abcdefabcdefabcdefabc", "isFile": True}}}}
    result = converted(project, runconfig(data=data, arguments=["--table", "DatasetConsumptionConfig:x"]))
    assert result.job["inputs"] == {"table": {"type": "uri_file", "path": address}}
    assert "sig=" not in repr(result)


DATASET = {"dataLocation": {"dataset": {"name": "set", "version": 2}}, "mechanism": "mount"}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--data-path", "/data"], "data"),
        (["--training_data_folder=/data"], "training_data"),
        (["--inputDir", "/data"], "input"),
        (["--path", "/data"], "data"),
        (["-i", "/data/"], "i"),
        (["--flag", "x", "/data/sub"], "data"),
        (["/data"], "data"),
    ],
)
def test_both_jobs_of_a_project_call_their_data_alike(project: Path, arguments: list[str], name: str) -> None:
    local = runconfig(
        target="local", arguments=arguments, docker={"arguments": ["-v", "C:\\Users\\a b\\data:/data:ro"]}
    )
    remote = runconfig(arguments=arguments, data={"Other_Name": DATASET | {"pathOnCompute": "/data"}})
    here = converted(project, local, local_data=Path("../sample-data"))
    there = converted(project, remote)
    assert here.job["inputs"] == {name: {"type": "uri_folder", "path": "../sample-data"}}
    assert there.job["inputs"] == {name: {"type": "uri_folder", "path": "azureml:set:2"}}
    assert here.job["command"] == there.job["command"]


def test_two_options_of_one_name_stay_apart(project: Path) -> None:
    data = {key: DATASET | {"pathOnCompute": f"/mnt/{key}"} for key in ("a", "b")}
    result = converted(project, runconfig(data=data, arguments=["--data-path", "/mnt/a", "--data-dir", "/mnt/b"]))
    assert list(result.job["inputs"]) == ["data", "data_2"]


def test_a_folder_that_docker_binds_is_used_when_it_is_here(project: Path) -> None:
    (project / "tables").mkdir()
    docker = {"arguments": ["--volume=./tables:/data", "-v /nowhere/at/all:/outputs", "--gpus", "all", "--shm-size=8g"]}
    arguments = ["--data", "/data", "--output-dir", "/outputs"]
    result = converted(project, runconfig(target="local", arguments=arguments, docker=docker))
    tables = (project / "tables").resolve()
    assert result.job["inputs"] == {"data": {"type": "uri_folder", "path": tables.as_posix()}}
    assert result.job["outputs"] == {"output": {"type": "uri_folder"}}
    assert result.job["resources"] == {"shm_size": "8g", "docker_args": ["--gpus", "all"]}
    assert result.inputs == [DataInput("data", "uri_folder", tables)]


def test_a_mount_of_the_longer_form(project: Path) -> None:
    docker = {"arguments": ["--mount", "type=bind,source=/nowhere,target=/data,readonly", "-e", "A=b c"]}
    result = converted(
        project, runconfig(target="local", arguments=["--model", "/data"], environment={"docker": docker})
    )
    assert result.job["inputs"] == {"model": {"type": "uri_folder", "path": "../sample-data"}}
    assert result.job["environment_variables"] == {"A": "b c"}
    assert "put a sample of the data into sample-data" in notes(result, "decide")


def test_data_that_no_argument_takes_is_set_aside(project: Path) -> None:
    data = {"first": DATASET, "second": DATASET | {"pathOnCompute": "/data"}}
    result = converted(project, runconfig(data=data, docker={"arguments": ["-v", "/x:/y"]}))
    entry = {"type": "uri_folder", "path": "azureml:set:2"}
    assert [spare[:5] for spare in result.spare] == [
        ("first", "inputs", entry, "first", ""),
        ("data", "inputs", entry, "second", "/data"),
        ("y", "inputs", {"type": "uri_folder", "path": "azureml:demo-data@latest"}, "", "/y"),
    ]
    assert "inputs" not in result.job and result.inputs == []
    assert "input first is taken by no argument" in dump(result)
    for spare in list(result.spare):
        take(result, spare, f"--{spare.name}")
    accepted(project.parent / "out", result)
    assert result.job["command"].endswith('--first "${{inputs.first}}" --data "${{inputs.data}}" --y "${{inputs.y}}"')
    assert result.job["inputs"]["data"] == entry and len(result.inputs) == 3
    assert "taken by no argument" not in dump(result) + notes(result, "decide")
    assert "docker bound a folder of the node, /x" in dump(result) + notes(result, "decide")


def test_a_variable_that_the_code_reads_hands_the_data_over(project: Path) -> None:
    (project / "train.py").write_text(
        'import os\nos.environ["first"]\nos.getenv("AZUREML_DATAREFERENCE_second")\n', encoding="utf-8"
    )
    data = {"first": DATASET | {"environmentVariableName": "first"}}
    data["third"] = DATASET | {"environmentVariableName": "third"}
    references = {"second": {"dataStoreName": "store", "pathOnDataStore": "a/**"}}
    result = converted(project, runconfig(data=data, dataReferences=references))
    assert result.job["environment_variables"] == {
        "first": "${{inputs.first}}",
        "AZUREML_DATAREFERENCE_second": "${{inputs.second}}",
    }
    assert result.job["inputs"]["second"]["path"] == "azureml://datastores/store/paths/a"
    assert [spare.key for spare in result.spare] == ["third"]


def test_a_name_that_azureml_core_respells_is_found(project: Path) -> None:
    references = {"my_data": {"data_store_name": "store", "path_on_data_store": "a/b.csv"}}
    arguments = ["--x", "$AZUREML_DATAREFERENCE_my_data", "--y", "${AZUREML_DATAREFERENCE_myData}"]
    result = converted(project, runconfig(data_references=references, arguments=arguments))
    entry = {"type": "uri_file", "path": "azureml://datastores/store/paths/a/b.csv"}
    assert result.job["inputs"] == {"x": entry}
    assert result.job["command"] == 'python train.py --x "${{inputs.x}}" --y "${{inputs.x}}"'


def test_data_that_the_file_does_not_have_is_left_to_the_owner(project: Path) -> None:
    result = converted(project, runconfig(arguments=["--x", "DatasetConsumptionConfig:gone"]))
    assert "DatasetConsumptionConfig:gone names no data of this file" in notes(result, "decide")


def test_a_dataset_that_v1_handed_over_itself(project: Path) -> None:
    data = {"set": DATASET | {"mechanism": "direct"}}
    result = converted(project, runconfig(data=data, arguments=["DatasetConsumptionConfig:set"]))
    assert result.job["inputs"] == {"set": {"type": "uri_folder", "path": "azureml:set:2"}}
    assert "v1 gave the dataset set itself to the code" in notes(result, "decide")


def test_outputs_stay_outputs(project: Path) -> None:
    where = {"dataPath": {"datastoreName": "store", "relativePath": "out/run"}}
    options = {"pathOnCompute": "/tmp/out", "registrationOptions": {"name": "Scored rows"}}
    outputs = {"scores": {"outputLocation": where, "mechanism": "mount", "additionalOptions": options}}
    result = converted(project, runconfig(outputData=outputs, arguments=["--to", "DatasetOutputConfig:scores"]))
    assert result.job["outputs"] == {
        "to": {
            "type": "uri_folder",
            "path": "azureml://datastores/store/paths/out/run",
            "mode": "rw_mount",
            "name": "Scored-rows",
        }
    }


def test_a_command_takes_the_place_of_script_and_arguments(project: Path) -> None:
    data = {"set": DATASET | {"pathOnCompute": "/data"}}
    command = ["python", "train.py", "--data", "/data", "&&", "ls", "'/data'", "/data2"]
    result = converted(project, {"target": "cpu-cluster", "environment": {}, "command": command, "data": data})
    assert result.job["command"] == "python train.py --data \"${{inputs.data}}\" && ls '${{inputs.data}}' /data2"


@pytest.mark.parametrize(("communicator", "framework"), [("ParallelTask", "Python"), ("None", "CNTK"), ("None", "R")])
def test_what_has_no_equivalent_is_blocked(project: Path, communicator: str, framework: str) -> None:
    result = converted(project, runconfig(framework=framework, communicator=communicator))
    assert [note.kind for note in result.notes if note.kind == "blocked"] == ["blocked"]


def test_pyspark_is_blocked_where_the_code_needs_it_only(project: Path) -> None:
    (project / "train.py").write_text("import pandas\n", encoding="utf-8")
    result = converted(project, runconfig(framework="PySpark"))
    assert "does not import pyspark, so plain Python runs it" in notes(result, "changed")
    (project / "helpers.py").write_text("from pyspark.sql import SparkSession\n", encoding="utf-8")
    assert notes(converted(project, runconfig(framework="PySpark")), "blocked") == ""
    (project / "train.py").write_text("from helpers import fit\n", encoding="utf-8")
    result = converted(project, runconfig(framework="PySpark"))
    assert "train.py needs Spark" in notes(result, "blocked")


def test_what_v2_cannot_say_is_a_comment(project: Path) -> None:
    parts: dict[str, Any] = {
        "history": {"snapshotProject": False, "directoriesToWatch": ["logs", "more"]},
        "priority": 3,
    }
    result = converted(project, runconfig(**parts, sourceDirectoryDataStore="code"))
    top = dump(result).partition("$schema")[0]
    assert "# history.snapshotProject false: v2 has nothing like it" in top
    assert "# history.directoriesToWatch (given): v2 has nothing like it" in top
    assert "# sourceDirectoryDataStore code: v2 has nothing like it" in top
    assert "# priority 3: choose queue_settings.priority" in top


def test_identity_services_and_kubernetes(project: Path) -> None:
    endpoints = {"board": {"type": "TensorBoard", "properties": {"logDir": "tb"}}, "shell": {"type": "SSH"}}
    endpoints["lab"] = {"type": "JupyterLab", "port": 8888}
    parts = {"kubernetescompute": {"instanceType": "small"}, "credentialPassthrough": True}
    result = converted(project, runconfig(**parts, applicationEndpoints=endpoints))
    assert result.job["identity"] == {"type": "user_identity"}
    assert result.job["resources"] == {"instance_type": "small"}
    assert result.job["services"] == {
        "board": {"type": "tensor_board", "log_dir": "tb"},
        "lab": {"type": "jupyter_lab", "port": 8888},
    }
    assert "service shell has no sshPublicKeys" in notes(result, "decide")


def test_an_image_with_its_own_packages(project: Path) -> None:
    python = {"userManagedDependencies": True, "interpreterPath": "/opt/own env/bin/python"}
    environment = {"docker": {"baseImage": "example.azurecr.io/own:1"}, "python": python}
    result = converted(project, runconfig(environment=environment))
    assert result.job["environment"] == {"image": "example.azurecr.io/own:1"}
    assert result.job["command"] == '"/opt/own env/bin/python" train.py'
    assert "add mlflow-skinny and azureml-mlflow" in notes(result, "decide")
    here = converted(project, runconfig(environment=environment, target="local"))
    assert here.job["command"] == "python train.py" and "conda_file" in here.job["environment"]


def test_a_dockerfile(project: Path) -> None:
    docker = {"baseDockerfile": "FROM python:3.11\nRUN pip install mlflow-skinny azureml-mlflow\n"}
    own = converted(project, runconfig(environment={"docker": docker, "python": {"userManagedDependencies": True}}))
    assert own.job["environment"] == {"build": {"path": "docker"}}
    assert own.files == {"docker/Dockerfile": docker["baseDockerfile"]}
    with_conda = converted(project, runconfig(environment={"docker": docker}))
    assert with_conda.job["environment"] == {"image": CPU_IMAGE, "conda_file": "train-conda.yml"}
    assert "push what it builds" in notes(with_conda, "decide")


def test_an_environment_by_name(project: Path) -> None:
    own = converted(project, runconfig(environment={"name": "own-env", "version": "4"}))
    assert own.job["environment"] == "azureml:own-env:4"
    assert converted(project, runconfig(environment={"name": "own-env"})).job["environment"] == "azureml:own-env@latest"
    for parts in (
        {"environment": {"name": "AzureML-Minimal"}},
        {"environment": {"name": "own-env"}, "target": "local"},
    ):
        result = converted(project, runconfig(**parts))
        assert result.job["environment"] == {"image": CPU_IMAGE, "conda_file": "train-conda.yml"}
        assert "known to a workspace only" in notes(result, "decide")


def test_a_missing_conda_file_is_no_end(project: Path) -> None:
    environment = {"python": {"condaDependenciesFile": "aml_config/gone.yml"}}
    result = converted(project, runconfig(environment=environment))
    assert result.conda is None
    assert "aml_config/gone.yml does not exist" in notes(result, "decide")


def test_texts_that_yaml_would_take_for_something_else(project: Path) -> None:
    variables = {
        "A": "yes",
        "B": "1:20",
        "C": "null",
        "D": "0123",
        "E": "",
        "F": "a: b #c",
        "G": "1e3",
        "H": "\x85\u2028",
    }
    result = converted(project, runconfig(environmentVariables=variables))
    assert result.job["environment_variables"] == variables


def test_the_entry_may_be_given(project: Path) -> None:
    result = converted(project, {"target": "local", "environment": {}}, script="fit.py")
    assert result.job["command"] == "python fit.py" and result.script is None
    moved = converted(project, runconfig(script="code\\train.py"), script="train.py")
    assert moved.job["command"] == "python train.py" and moved.script == "code/train.py"
    with pytest.raises(UserError, match=r"aml_config/train.runconfig:1: no script"):
        converted(project, {"target": "local", "environment": {}})


# Files of other kinds, and broken ones


def test_an_environment_in_a_file_of_its_own(oracle: Callable[..., Any], project: Path) -> None:
    apart = {"name": "apart", "python": {"condaDependenciesFile": "aml_config/conda.yml"}, "docker": {"shmSize": "4g"}}
    (project / "env.json").write_text(json.dumps(apart, indent=1), encoding="utf-8")
    content = runconfig(environment="env.json", arguments=["a"])
    result = converted(project, content)
    theirs = oracle(project, "train")["environment"]
    assert theirs["docker"]["shmSize"] == result.job["resources"]["shm_size"] == "4g"
    assert isinstance(result.conda, Path) and result.conda.name == "conda.yml"
    with pytest.raises(UserError, match=r"aml_config/train.runconfig:4: .*gone.json"):
        load(write(project, json.dumps(runconfig(environment="gone.json"), indent=1)), project)


WORKBENCH = """\
ArgumentVector:
  - "train.py"
  - "--rounds"
  - 3
Target: "docker"
EnvironmentVariables:
  "MY_VAR": "a b"
Framework: "Python"
CondaDependenciesFile: "aml_config/conda.yml"
PrepareEnvironment: true
TrackedRun: true
UseSampling: true
"""


@pytest.mark.parametrize("kind", ["localdocker", "local", "remotedocker", "cluster"])
def test_the_workbench_of_2017(oracle: Callable[..., Any], project: Path, kind: str) -> None:
    compute = f'type: "{kind}"\nbaseDockerImage: "example/own:1"\nsharedVolumes: true\nnodeCount: 2\n'
    (project / "aml_config" / "docker.compute").write_text(compute, encoding="utf-8")
    result = converted(project, WORKBENCH)
    theirs = oracle(project, "train", True)
    assert "error" not in theirs, theirs
    ours = load(project / "aml_config" / "train.runconfig", project).data
    agrees(ours, theirs | {"arguments": [str(one) for one in theirs["arguments"]]}, {
        key: SHAPE[key] for key in ("script", "arguments", "target", "framework", "nodeCount", "history")
    }, "workbench")  # fmt: skip
    assert ours["environment"]["docker"]["baseImage"] == theirs["environment"]["docker"]["baseImage"] == "example/own:1"
    assert ours["environment"]["docker"]["enabled"] == theirs["environment"]["docker"]["enabled"]
    assert result.job["command"] == "python train.py --rounds 3"
    assert result.job["environment_variables"] == {"MY_VAR": "a b"}
    local = kind.startswith("local")
    assert result.job["compute"] == ("local" if local else "azureml:cpu-cluster")
    assert ("where v2 runs no job" in notes(result, "decide")) == (not local)
    assert isinstance(result.conda, Path)


def test_the_workbench_without_its_compute_file_or_script(project: Path) -> None:
    found = load(write(project, WORKBENCH.replace("train.py", "$file")), project)
    assert found.data["script"] is None and found.local
    with pytest.raises(UserError, match=r"aml_config/train.runconfig:1: ArgumentVector is empty"):
        load(write(project, "ArgumentVector: []\nTarget: local\nPrepareEnvironment: true\n"), project)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: no v1 run configuration"),
        ("- a\n", "1: no v1 run configuration"),
        ("script: train.py\n  a: [\n", "2: neither YAML nor JSON"),
        ('{"script": "a", "target": }x', "1: neither YAML nor JSON"),
        ("name: x\ndependencies: [a]\n", "1: no v1 run configuration"),
        ("$schema: x\ncommand: python train.py\ncompute: local\nscript: x\n", "1: no v1 run configuration"),
        ("parallel_run_config:\n  node_count: 1\n", "1: configures a ParallelRunStep"),
        ("script: a.py\narguments: --x 1\n", "2: arguments should be a list"),
        ("script: a.py\narguments:\n- a: b\n", "3: arguments should hold texts"),
        ("script: a.py\nenvironment:\n  docker: yes\n", "3: docker should be a mapping"),
        ("script: a.py\nnode_count: many\n", "2: nodeCount 'many' should be a whole number"),
        ("script: a.py\nnodeCount: .inf\n", "2: nodeCount '.inf' should be a whole number"),
        ("script: a.py\nscript: b.py\n", "2: script is there twice"),
        ("script: a.py\n? [a]\n: b\n", "2: a key should be a text"),
        ("script: a.py\nenvironment:\n  r: &r [*r]\n", "3: holds itself"),
    ],
)
def test_what_is_no_run_configuration_is_refused_with_its_line(project: Path, text: str, problem: str) -> None:
    with pytest.raises(UserError, match="^" + re.escape(f"aml_config/train.runconfig:{problem}")):
        load(write(project, text), project)


def test_bytes_and_marks(project: Path) -> None:
    path = write(project, "")
    path.write_bytes(b"script: \xff")
    with pytest.raises(UserError, match="not UTF-8"):
        load(path, project)
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(runconfig(), indent="\t").encode())
    assert load(path, project).data["script"] == "train.py"
    assert load(path, project, project.parent).name == "a project/aml_config/train.runconfig"
    with pytest.raises(UserError, match=r"aml_config/gone\.runconfig: No such file"):
        load(project / "aml_config" / "gone.runconfig", project)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(max_size=40), st.text(alphabet="script:\n -[]{}&*!'\"#|>%@,a1", max_size=40)))
def test_any_text_is_read_or_refused(project: Path, text: str) -> None:
    path = write(project, "")
    path.write_text("script: a.py\n" + text, encoding="utf-8", errors="surrogatepass")
    try:
        load(path, project)
    except UserError as refusal:
        reason = str(refusal)
        assert "\n" not in reason


def test_a_spelling_that_v1_ignores_is_told(project: Path) -> None:
    result = converted(project, runconfig(nodecount=4))
    assert "v1 does not know nodecount, so it had no effect: did you mean nodeCount?" in notes(result, "decide")


def test_a_job_of_this_machine_reads_the_local_data(project: Path) -> None:
    references = {"blob": {"dataStoreName": "store", "pathOnDataStore": "a.csv", "mode": "download"}}
    content = runconfig(target="local", data={"set": DATASET}, dataReferences=references)
    content["arguments"] = ["--x", "DatasetConsumptionConfig:set", "--y", "$AZUREML_DATAREFERENCE_blob"]
    result = converted(project, content, local_data=Path("../sample-data"))
    entry = {"type": "uri_folder", "path": "../sample-data"}
    assert result.job["inputs"] == {"x": entry, "y": entry}
    assert "blob is in Azure: the job of this machine reads ../sample-data" in notes(result, "changed")


def test_of_two_places_in_one_another_the_inner_one_counts(project: Path) -> None:
    data = {"outer": DATASET | {"pathOnCompute": "/data"}}
    inner = {"dataLocation": {"dataset": {"name": "other", "version": 1}}, "mechanism": "mount"}
    data["inner"] = inner | {"pathOnCompute": "/data/inner"}
    result = converted(project, runconfig(data=data, arguments=["--a", "/data/inner/x", "--b", "/data"]))
    assert words(result) == ["python", "train.py", "--a", "<azureml:other:1>/x", "--b", "<azureml:set:2>"]


@pytest.mark.parametrize("given", ["false", "", 0, 1, False, 0.0, "no"])
def test_truth_is_what_python_calls_it(oracle: Callable[..., Any], project: Path, given: Any) -> None:
    path = write(project, runconfig(environment={"python": {"userManagedDependencies": given}}))
    theirs = oracle(project, "train")["environment"]["python"]["userManagedDependencies"]
    assert load(path, project).data["environment"]["python"]["userManagedDependencies"] is theirs
