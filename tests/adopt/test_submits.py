"""submits.py: what a script or notebook that submits a job says of it reaches the job, and nothing goes silently."""
# ruff: noqa: E501  # a case a line reads best

import json
from pathlib import Path
from typing import Any

import pytest

from adopt.sources import plant
from aml.adopt import Note
from aml.adopt.convert import code
from aml.adopt.discover import source
from aml.adopt.jobs import make as jobs
from aml.adopt.jobs.data import Data
from aml.adopt.packages.package_files import read_inline
from aml.adopt.v1 import submits
from aml.adopt.v1.submits import Submit

TRAIN = """import argparse
import pandas as pd
from sklearn.linear_model import Ridge
parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, default=0.5)
parser.add_argument("--data-folder")
args = parser.parse_args()
df = pd.read_csv(args.data_folder + "/a.csv")
Ridge(args.alpha).fit(df[["x"]], df["y"])
"""
HEAD = """from azureml.core import *
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import MpiConfiguration, PyTorchConfiguration, RunConfiguration
from azureml.train.estimator import Estimator
from azureml.train.hyperdrive import HyperDriveConfig
ws = Workspace.from_config()
"""
RUN = "src = ScriptRunConfig(source_directory='code', script='train.py'{})\n"


def notebook_of(*cells: str) -> str:
    parts: list[dict[str, Any]] = [{"cell_type": "markdown", "metadata": {}, "source": "# Submits"}]
    empty: dict[str, Any] = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    parts += [{**empty, "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": parts, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def read(root: Path, text: str, name: str = "go.py") -> Submit:
    plant(root, {"code/train.py": TRAIN, "code/other.py": "", "env/conda.yml": "dependencies: [pip]\n", name: text})
    plant(root, {"requirements.txt": "pandas==1.3.5\n"})
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return submits.of(root, root / "code/train.py", files)[0]


def decisions(found: Submit | list[Note]) -> list[str]:
    notes = found.notes if isinstance(found, Submit) else found
    return [f"{note.where}: {note.text}" for note in notes if note.kind == "decide"]


@pytest.mark.parametrize(
    ("before", "given", "words"),
    [
        (
            "",
            ", arguments=['--alpha', 0.3, '--n', 5, '--fast', True]",
            ["--alpha", "0.3", "--n", "5", "--fast", "True"],
        ),
        ("rate = -1e-3\n", ", arguments=['--alpha', rate]", ["--alpha", "-0.001"]),
        ("A = 'al'\n", ", arguments=[f'--{A}pha=1', A + 'so']", ["--alpha=1", "also"]),
        ("args = ['--alpha', 1]\n", ", arguments=args + ['--n', 2]", ["--alpha", "1", "--n", "2"]),
        ("args = ['--alpha', 1]\n", ", arguments=[*args, 'x']", ["--alpha", "1", "x"]),
        ("kept = {'arguments': ['--alpha', 1]}\n", ", **kept", ["--alpha", "1"]),
        ("", ", arguments=('--alpha', '0.3')", ["--alpha", "0.3"]),
        ("args = ['--alpha', 1]\nargs = ['--alpha', 2]\n", ", arguments=args", ["--alpha", "2"]),
        ("rate = 3\nrate = 3\nif x:\n    rate = 3\n", ", arguments=['--alpha', rate]", ["--alpha", "3"]),
        ("p = PipelineParameter('p', default_value=7)\n", ", arguments=['--alpha', p]", ["--alpha", "7"]),
        ("", ", arguments=['--password', 'hunter2', '--alpha', 1]", ["--alpha", "1"]),
    ],
)
def test_literal_arguments(tmp_path: Path, before: str, given: str, words: list[str]) -> None:
    found = read(tmp_path, HEAD + before + RUN.format(given))
    assert found.words == words and found.handed == []
    assert ("hunter2" in given) == bool(decisions(found)) and "hunter2" not in str(found)


@pytest.mark.parametrize(
    "call",
    [
        "Estimator('code', entry_script='train.py', script_params={'--alpha': 0.3, '--fast': ''})",
        "Estimator(source_directory='code', entry_script='train.py', script_params=params)",
        "PythonScriptStep('train.py', arguments=['--alpha', 0.3, '--fast'], source_directory='code')",
        "ScriptRunConfig('code', 'train.py', ['--alpha', 0.3, '--fast'])",
        "ScriptRunConfig('code', command=['python', 'train.py', '--alpha', 0.3, '--fast'])",
        "ScriptRunConfig('code', command='python -u train.py --alpha 0.3 --fast')",
        "command(code='code', command='python train.py --alpha 0.3 --fast')",
        "ScriptRunConfig(os.path.join('co' + 'de'), 'train.py', ['--alpha', 0.3, '--fast'])",
        "ScriptRunConfig(unknown(), 'train.py', ['--alpha', 0.3, '--fast'])",
    ],
)
def test_every_way_to_say_it(tmp_path: Path, call: str) -> None:
    found = read(tmp_path, f"import os\n{HEAD}params = {{'--alpha': 0.3, '--fast': ''}}\nx = {call}\n")
    assert (found.words, found.where, decisions(found)) == (["--alpha", "0.3", "--fast"], "go.py:10", [])


def test_constants_of_other_modules_and_notebooks_with_magics(tmp_path: Path) -> None:
    plant(tmp_path, {"nb/settings.py": "RATE = 0.3\nNAME = 'risk'\n"})
    cells = [HEAD + "from settings import NAME, RATE\n", "%matplotlib inline\n!pip list\nx = (\n", "print('kept')\n"]
    cells += [
        RUN.replace("'code'", "'../code'").format(", arguments=['--alpha', RATE]"),
        "Experiment(ws, NAME).submit(src)",
    ]
    found = read(tmp_path, notebook_of(*cells), "nb/01 go.ipynb")
    assert (found.words, found.experiment, found.where) == (["--alpha", "0.3"], "risk", "nb/01 go.ipynb cell 5")


def test_data_and_what_is_worked_out_are_handed_apart(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        HEAD
        + "store = ws.get_default_datastore()\nds = Dataset.get_by_name(ws, 'credit-risk')\n"
        + "out = OutputFileDatasetConfig()\n"
        + RUN.format(", arguments=['--a', ds.as_named_input('credit').as_mount('/tmp/x'), '--b', store.path('in/digits'),"
                     "\n  '--c', out, '--d', n_epochs(), '--alpha', 1, ds.as_mount()]"),
    )  # fmt: skip
    assert found.words == ["--alpha", "1"]
    assert [(one.flag, one.is_data, one.names, one.where) for one in found.handed] == [
        ("--a", True, ("credit", "credit_risk"), "go.py:11"),
        ("--b", True, ("digits",), "go.py:11"),
        ("--c", True, (), "go.py:12"),
        ("--d", False, (), "go.py:12"),
        ("", True, ("credit_risk",), "go.py:12"),
    ]


@pytest.mark.parametrize("change", ["args.append('--more')", "args += ['--more']", "args['--more'] = 1"])
def test_arguments_that_change_later_are_told(tmp_path: Path, change: str) -> None:
    first = "{'--alpha': 1}" if "[" in change and "+=" not in change else "['--alpha', 1]"
    found = read(tmp_path, HEAD + f"args = {first}\n{change}\n" + RUN.format(", arguments=args"))
    handed = submits.handed_over(found, [])
    assert decisions([*found.notes, *handed]), found


PACKAGES = {
    "estimator": (
        "Estimator('code', entry_script='train.py', pip_packages=['pandas==1.1'], conda_packages=['scikit-learn=0.22'])",
        ["scikit-learn==0.22.*", "pandas==1.1"],
        [],
    ),
    "estimator's files": (
        "Estimator('code', entry_script='train.py', conda_dependencies_file='env/conda.yml',"
        " pip_requirements_file='requirements.txt')",
        [],
        ["env/conda.yml", "requirements.txt"],
    ),
    "environment from conda": (
        "e = Environment.from_conda_specification('e', 'env/conda.yml')\n" + RUN.format(", environment=e"),
        [],
        ["env/conda.yml"],
    ),
    "environment from pip, within the call": (
        RUN.format(", environment=Environment.from_pip_requirements(name='e', file_path='requirements.txt')"),
        [],
        ["requirements.txt"],
    ),
    "dependencies of an environment": (
        "e = Environment('e')\nd = CondaDependencies.create(pip_packages=['a==1'], python_version='3.6')\n"
        "d.add_pip_package('b>=2')\nd.add_conda_package('pandas')\ne.python.conda_dependencies = d\n"
        + RUN.format(", environment=e"),
        ["pandas", "a==1", "b>=2"],
        [],
    ),
    "an environment's own dependencies": (
        "e = Environment('e')\ne.python.conda_dependencies.add_pip_package('a==1')\n" + RUN.format("")
        + "src.run_config.environment = e\n",
        ["a==1"],
        [],
    ),
    "run configuration": (
        "rc = RunConfiguration()\nrc.environment.python.conda_dependencies = CondaDependencies.create(['a==1'])\n"
        "rc.environment.python.conda_dependencies = CondaDependencies.create(pip_packages=['b==1'])\n"
        + RUN.format(", run_config=rc"),
        ["b==1"],
        [],
    ),
    "run configuration of the job": (
        RUN.format("") + "src.run_config.environment.python.conda_dependencies ="
        " CondaDependencies(conda_dependencies_file_path='env/conda.yml')\n",
        [],
        ["env/conda.yml"],
    ),
    "of another job": (
        "d = CondaDependencies.create(pip_packages=['a==1'])\ne = Environment('e')\ne.python.conda_dependencies = d\n"
        + RUN.format(""),
        [],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PACKAGES)
def test_packages(tmp_path: Path, case: str) -> None:
    text, wanted, files = PACKAGES[case]
    found = read(tmp_path, HEAD + text)
    mappings = [one for one in found.packages if isinstance(one, tuple)]
    declared = [str(entry.requirement) for where, inner in mappings for entry in read_inline(inner, where).entries]
    assert declared == wanted
    assert [one.relative_to(tmp_path).as_posix() for one in found.packages if isinstance(one, Path)] == files
    assert decisions(found) == []


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        (
            RUN.format(", environment=Environment.get(ws, 'AzureML-Tutorial')"),
            "environment AzureML-Tutorial is known to",
        ),
        (RUN.format(", environment=Environment.from_conda_specification('e', 'gone.yml')"), "gone.yml is not in the"),
        ("Estimator('code', entry_script='train.py', pip_packages=['a', extra()])", "extra() of pip_packages is not"),
        (RUN.format("") + "HyperDriveConfig(run_config=src, hyperparameter_sampling=s)", "HyperDriveConfig tries many"),
        ("Estimator('code', entry_script='train.py', node_count=2)", "asks for 2 nodes"),
        ("Estimator('code', entry_script='train.py', distributed_training=Horovod())", "Horovod() has no equal here"),
        (
            "Estimator('code', entry_script='train.py', distributed_training=Other(node_count=2))",
            "Other(node_count=2) has",
        ),
    ],
)
def test_what_cannot_be_taken_is_left_to_decide(tmp_path: Path, text: str, decision: str) -> None:
    found = read(tmp_path, HEAD + text)
    assert (
        len(decisions(found)) == 1 + ("Other" in text) and decisions(found)[0].startswith(f"go.py:8: {decision}")
    ) or (decisions(found)[0].startswith(f"go.py:9: {decision}"))


MADE = "c = AmlCompute.provisioning_configuration(vm_size='STANDARD_D2_V2', max_nodes=4)\n"


@pytest.mark.parametrize(
    ("text", "compute"),
    [
        (RUN.format(", compute_target='cpu-nodes'"), {"name": "cpu-nodes"}),
        (RUN.format(", compute_target='local'"), {}),
        ("name = 'nodes'\nt = ComputeTarget(ws, name)\n" + RUN.format(", compute_target=t"), {"name": "nodes"}),
        (
            "try:\n    t = ComputeTarget(workspace=ws, name='nodes')\nexcept Exception:\n    "
            + MADE.replace("\n", "\n    ")
            + "t = ComputeTarget.create(ws, 'nodes', c)\n"
            + RUN.format(", compute_target=t"),
            {"name": "nodes", "size": "STANDARD_D2_V2", "max_instances": 4},
        ),
        (
            MADE
            + "d = AmlCompute.provisioning_configuration(vm_size='Standard_NC6')\nComputeTarget.create(ws, 'g', d)\n"
            "t = ComputeTarget.create(ws, 'nodes', c)\n" + RUN.format(", compute_target=t"),
            {"name": "nodes", "size": "STANDARD_D2_V2", "max_instances": 4},
        ),
        ("t = ws.compute_targets['nodes']\n" + RUN.format("") + "src.run_config.target = t\n", {"name": "nodes"}),
        (
            "t = ComputeTarget(ws, 'nodes')\nrc = RunConfiguration()\nrc.target = t.name\n"
            + RUN.format(", run_config=rc"),
            {"name": "nodes"},
        ),
        ("rc = RunConfiguration()\nrc.target = 'nodes'\n" + RUN.format(", run_config=rc"), {"name": "nodes"}),
    ],
)
def test_compute(tmp_path: Path, text: str, compute: dict[str, Any]) -> None:
    assert read(tmp_path, HEAD + text).compute == compute


@pytest.mark.parametrize(
    ("given", "nodes", "distribution"),
    [
        (
            "distributed_job_config=MpiConfiguration(process_count_per_node=2, node_count=3)",
            3,
            {"type": "mpi", "process_count_per_instance": 2},
        ),
        (
            "distributed_job_config=PyTorchConfiguration(process_count=8, node_count=2)",
            2,
            {"type": "pytorch", "process_count_per_instance": 4},
        ),
        (
            "node_count=2, process_count_per_node=4, distributed_training=MpiConfiguration()",
            2,
            {"type": "mpi", "process_count_per_instance": 4},
        ),
        (
            "distributed_job_config=TensorflowConfiguration(worker_count=2, parameter_server_count=1)",
            2,
            {"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1},
        ),
    ],
)
def test_nodes_and_distribution(tmp_path: Path, given: str, nodes: int, distribution: dict[str, Any]) -> None:
    cluster = read(tmp_path, HEAD + RUN.format(", " + given)).cluster
    assert cluster == {"resources": {"instance_count": nodes}, "distribution": distribution}


def test_the_experiment_is_the_one_that_the_job_is_submitted_to(tmp_path: Path) -> None:
    text = HEAD + "a = Experiment(ws, 'first')\nb = Experiment(workspace=ws, name='second')\n" + RUN.format("")
    assert read(tmp_path, text).experiment == ""
    assert read(tmp_path, text + "a.submit(other)\nb.submit(config=src)\n").experiment == "second"
    assert read(tmp_path, text + "b.submit(other)\nExperiment(ws, 'third').submit(src)\n").experiment == "third"


def test_the_fullest_of_several_counts(tmp_path: Path) -> None:
    plant(tmp_path, {"old.py": HEAD + RUN.format("")})
    found = read(tmp_path, HEAD + RUN.format(", arguments=['--alpha', 1]"))
    assert found.words == ["--alpha", "1"]
    assert decisions(found) == ["old.py:8: submits it too, with no arguments: go.py:8 counts"]


@pytest.mark.parametrize(
    "before",
    ["for rate in (1, 2):\n    pass\n", "if x:\n    rate = 1\nelse:\n    rate = 2\n", "rate = rate2\nrate2 = rate\n"],
)
def test_what_is_not_certain_is_not_taken(tmp_path: Path, before: str) -> None:
    found = read(tmp_path, HEAD + before + RUN.format(", arguments=['--alpha', rate]"))
    assert found.words == [] and decisions(submits.handed_over(found, []))[0].startswith("go.py:")


def test_what_only_looks_like_it(tmp_path: Path) -> None:
    plant(tmp_path, {"a.py": "x = Estimator('code', entry_script='code/train.py')\n", "code/train.py": TRAIN})
    plant(
        tmp_path, {"b.py": "import azureml\nEstimator(\n", "c.ipynb": "{", "d.py": "import azureml\nEstimator(f())\n"}
    )
    files = ["a.py", "b.py", "c.ipynb", "d.py", "code/train.py"]
    assert submits.of(tmp_path, tmp_path / "code/train.py", files) == []


# The whole: what the job files say

NOTEBOOK = [
    HEAD,
    "name = 'cpu-nodes'\ntry:\n    t = ComputeTarget(ws, name)\nexcept Exception:\n"
    "    c = AmlCompute.provisioning_configuration(vm_size='STANDARD_D2_V2', max_nodes=4)\n"
    "    t = ComputeTarget.create(ws, name, c)\n",
    "e = Environment.from_conda_specification('e', '../env/conda.yml')\nds = Dataset.get_by_name(ws, 'a')\n"
    "src = ScriptRunConfig('../code/training', 'train.py', compute_target=t, environment=e,\n"
    "    arguments=['--alpha', 0.3, '--model', 'm.pkl', '--data-folder', ds.as_mount(), '--other', ds.as_mount()])\n"
    "Experiment(ws, 'risk').submit(src)\n",
    "run.register_model(model_name='risk model', model_path='outputs/m.pkl')\n",
]
RUNCONFIG = "script: train.py\narguments: {}\ntarget: big\nframework: Python\nenvironment:\n  python:\n    {}\n"
SAVES = (
    TRAIN.replace("args = ", "parser.add_argument('--model', default='m.pkl')\nargs = ")
    .replace("Ridge(args.alpha).fit", "model = Ridge(args.alpha).fit")
    .replace("import argparse\n", "import argparse\nimport joblib\n")
    + "joblib.dump(model, args.model)\n"
)


def made(root: Path, tree: dict[str, str]) -> tuple[jobs.Jobs, code.Code, source.Source]:
    found = source.read(plant(root, tree), None)
    written = code.convert(found)
    return jobs.make(found, written, "slug", Data(found, "slug-data")), written, found


@pytest.mark.parametrize("runconfig", [None, "[]", "[--alpha, 0.7]"])
def test_a_notebook_that_submits(tmp_path: Path, runconfig: str | None) -> None:
    tree = {"notebooks/go.ipynb": notebook_of(*NOTEBOOK), "code/training/train.py": SAVES, "data/a.csv": "x,y\n1,2\n"}
    tree |= {"env/conda.yml": "dependencies:\n- pandas=1.1\n"}
    if runconfig:
        tree[".azureml/go.runconfig"] = RUNCONFIG.format(runconfig, "condaDependenciesFile: env/conda.yml")
    found, written, origin = made(tmp_path, tree)
    alpha = "0.7" if runconfig and "7" in runconfig else "0.3"
    model = "" if alpha == "0.7" else "--model m.pkl"
    assert origin.entry == tmp_path / "code/training/train.py"
    for name in ("train-local.yml", "train-amlcompute.yml"):
        text = " ".join(found.files[name].split())
        assert (
            f'python train.py --alpha {alpha} {model} --data-folder "${{{{inputs.data_folder}}}}"'.replace("  ", " ")
            in text
        )
        assert "experiment_name: risk" in text
    assert found.compute["name"] == ("big" if runconfig else "cpu-nodes")
    assert (found.compute["size"], found.compute["max_instances"]) == ("STANDARD_D2_V2", 4)
    assert set(found.conda) == {tmp_path / "env/conda.yml"}
    assert (written.registered, written.model) == ("risk-model", "outputs/m.pkl")
    cell = "notebooks/go.ipynb cell 4"
    assert decisions(found.notes) == [
        f"{cell}: --other was handed ds.as_mount(): name that below inputs or outputs, and hand it over in the command"
    ]
    assert any(note.text == "--data-folder gets the input data_folder, in v1 ds.as_mount()" for note in found.notes)


@pytest.mark.parametrize("value", ["a.alpha", "str(a.alpha)", "own"])
def test_an_option_of_the_file_that_submits_has_its_default(tmp_path: Path, value: str) -> None:
    go = HEAD + "import argparse\np = argparse.ArgumentParser()\np.add_argument('--alpha', type=float, default=0.5)\n"
    go += "a = p.parse_args()\nown = a.alpha\n" + RUN.format(f", arguments=['--alpha', {value}]")
    found, _, _ = made(tmp_path, {"code/train.py": TRAIN, "go.py": go})
    assert "python train.py --alpha 0.5" in found.files["train-local.yml"].replace("\n ", "")
    assert decisions(found.notes) == []


def test_data_that_the_code_gets_otherwise_is_not_handed_over_twice(tmp_path: Path) -> None:
    train = "from azureml.core import Run\nimport argparse\np = argparse.ArgumentParser()\np.add_argument('--input')\n"
    train += "a = p.parse_args()\ndf = Run.get_context().input_datasets['credit'].to_pandas_dataframe()\nm.fit(df)\n"
    go = HEAD + RUN.format(", arguments=['--input', Dataset.get_by_name(ws, 'credit-2').as_named_input('credit')]")
    found, _, _ = made(tmp_path, {"code/train.py": train, "go.py": go})
    assert 'command: >- python train.py --credit "${{inputs.credit}}" env' in " ".join(
        found.files["train-local.yml"].split()
    )
    assert any("--input gets" in note.text and "takes this data by --credit" in note.text for note in found.notes)


def test_the_cluster_job_has_the_nodes(tmp_path: Path) -> None:
    go = HEAD + RUN.format(", compute_target='a b', distributed_job_config=MpiConfiguration(2, 3)")
    go += "AmlCompute.provisioning_configuration(vm_size='Standard_NC6')\n"
    found, _, _ = made(tmp_path, {"code/train.py": TRAIN, "go.py": go})
    assert (
        "instance_count: 3" in found.files["train-amlcompute.yml"] and "type: mpi" not in found.files["train-local.yml"]
    )
    assert found.compute == {"size": "Standard_NC4as_T4_v3", "max_instances": 3}
    assert "azureml:cpu-cluster" in found.files["train-amlcompute.yml"]
    assert len([one for one in decisions(found.notes) if "Standard_NC6" in one or "a b is no name" in one]) == 2


def test_a_script_is_told_by_the_end_of_its_path(tmp_path: Path) -> None:
    config = RUNCONFIG.format("[--alpha, 0.7]", "condaDependenciesFile: conda.yml")
    config += (
        "environmentVariables: {}\ndataReferences:\n  in_data:\n    dataStoreName: store\n    pathOnDataStore: a\n"
    )
    train = TRAIN + "import os\nos.environ['AZUREML_DATAREFERENCE_in_data']\n"
    tree = {"aml_config/big.runconfig": config, "code/training/train.py": train}
    found, _, origin = made(tmp_path, {**tree, "code/training/conda.yml": "dependencies:\n- pandas=1.1\n"})
    assert found.conda == [tmp_path / "code/training/conda.yml"] == origin.packages
    job = " ".join(found.files["train-amlcompute.yml"].split())
    assert "python train.py --alpha 0.7" in job and "azureml://datastores/store/paths/a" in job
    assert "AZUREML_DATAREFERENCE_in_data: ${{inputs.in_data}}" in job
    assert not [one for one in decisions(found.notes) if "another model" in one or "does not exist" in one]


def test_a_script_that_may_be_several(tmp_path: Path) -> None:
    tree = {
        "a/train.py": TRAIN,
        "b/train.py": TRAIN,
        "aml_config/x.runconfig": RUNCONFIG.format("[]", "interpreterPath: p"),
    }
    plant(tmp_path, tree)
    with pytest.raises(source.Undecided):
        source.read(tmp_path, None)
    found = source.read(tmp_path, "b/train.py")
    made = jobs.make(found, code.convert(found), "slug", Data(found, "slug-data"))
    assert "python train.py" in made.files["train-amlcompute.yml"] and decisions(made.notes) == []


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"train.py": TRAIN}, "runs gone.py, which is not in the source: if that was train.py, name this there"),
        ({"train.py": TRAIN, "gone.py": ""}, "runs gone.py, which is another model: adopt it with --entry"),
    ],
)
def test_runconfigs_of_other_scripts(tmp_path: Path, tree: dict[str, str], says: str) -> None:
    config = RUNCONFIG.format("[]", "interpreterPath: p").replace("train.py", "gone.py")
    found = source.read(plant(tmp_path, {**tree, "x.runconfig": config}), "train.py")
    made = jobs.make(found, code.convert(found), "slug", Data(found, "slug-data"))
    assert [one for one in decisions(made.notes) if "gone.py" in one] == [
        f"x.runconfig:1: {says}" + " and adopt again" * ("not in" in says)
    ]


def test_notes_on_inputs_say_what_the_files_say(tmp_path: Path) -> None:
    train = "from azureml.core import Dataset, Run\nws = Run.get_context().experiment.workspace\n"
    train += "df = Dataset.get_by_name(ws, 'churn').to_pandas_dataframe()\nmodel.fit(df)\n"
    found, written, _ = made(tmp_path, {"train.py": train, "data/churn.csv": "x\n1\n"})
    assert "path: ../sample-data/churn.csv" in found.files["train-local.yml"]
    assert "path: azureml:churn@latest" in found.files["train-amlcompute.yml"]
    text = "see whether that holds for ../sample-data/churn.csv on this machine and azureml:churn@latest on the cluster"
    told = [note.text for note in written.notes if "churn" in note.text and note.kind == "decide"]
    more = ", where a tabular dataset of v1 is an mltable: register its file by another name, and name that"
    assert len(told) == 1 and told[0].endswith(text + more)
