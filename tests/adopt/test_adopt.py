"""aml adopt from end to end: what it makes of a source trains, is tracked and is registered."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from uv import find_uv_bin

from adopt.sources import SAMPLES, adopt, contents, laid_out
from aml.adopt.adoption import slug
from aml.adopt.discover import source as source_module
from aml.cli.adopt import default_output
from support import ENVIRONMENT, Repository


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ancestor's layout: models/model1 with v1 runconfigs, pins of Python 3.6, and a CSV beside it."""
    folder = tmp_path_factory.mktemp("source") / "v1-repository"
    shutil.copytree(SAMPLES / "v1-repository", folder)
    return folder


@pytest.fixture(scope="module")
def adopted(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The repository, and what was said; the source is as it was."""
    out = tmp_path_factory.mktemp("adopted") / "credit-risk"
    before = contents(source)
    said = adopt(source, "-o", str(out))
    assert contents(source) == before
    return out, said


@pytest.mark.slow
def test_a_v1_repository_trains_and_registers(adopted: tuple[Path, str]) -> None:
    out, _ = adopted
    python = out / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    for command in (
        ["venv", "-q", str(out / ".venv")],
        ["pip", "install", "-q", "--python", str(python), "-e", str(out)],
    ):
        subprocess.run([find_uv_bin(), *command], check=True, env=ENVIRONMENT)
    repository = Repository(out, python)
    assert repository.aml("check").stdout == "aml_config/: nothing to fix\n"
    repository.aml("submit", "-c", "train-local")
    assert "Test accuracy=0.8" in repository.aml("runs").stdout
    assert (
        "model credit-risk, version 1: outputs/model.pkl"
        in repository.aml("register-model", "-n", "credit-risk").stdout
    )
    shutil.rmtree(out / ".venv")
    for name in ("runs", "mlruns"):
        shutil.rmtree(out / name)
    for cache in out.rglob("__pycache__"):
        shutil.rmtree(cache)


# Of each sample: where its data lie, what its job runs, the model that it saves, what its run says, and a line of the
# report that is typical of it.
OTHERS = {
    "plain-script": (
        ("data/credit.csv", "python train.py --credit", "outputs/model.pkl", "accuracy 0.9375"),
        "train.py:9: model.pkl -> outputs/model.pkl",
    ),
    "imports-only": (
        ("data/credit.csv", "python main.py --data", "outputs/model.joblib", "f1 0.8"),
        "main.py:7: imports sklearn: scikit-learn added",
    ),
    "conda-export": (
        ("data/credit.csv", "python launch.py --files", "outputs/artifacts/model.joblib", "read 160 rows"),
        "data/credit.csv is read where fit_model.py does not name it",
    ),
    "notebook": (
        ("credit.csv", "python Train_model.py --credit", "outputs/risk.joblib", "finished"),
        "Train model.ipynb cell",
    ),
    "notebooks": (
        ("data/credit.csv", "python train.py --data-dir", "outputs/models/knn.pkl", "test accuracy 0."),
        "notebooks/02_train.ipynb cell 3: ../data/ -> the option --data-dir, an input of the job",
    ),
    "package": (
        ("data/credit.csv", "python -m risk.train --data", "outputs/models/risk.pkl", "accuracy=0.9"),
        "risk/train.py:14: the option --data is an input of the job",
    ),
    "poetry": (
        ("data/raw/credit.csv", "python launch.py --files", "outputs/artifacts/model.pkl", "accuracy 0.8"),
        "data/raw/credit.csv is read where src/credit_risk/cli.py does not name it",
    ),
    "components": (
        ("notebook/data/credit.csv", "python launch.py --files", "outputs/artifacts/model.pkl", "accuracy 0.9"),
        "src/launch.py runs the code as it is",
    ),
    "pipfile": (
        ("data/credit.csv", "python launch.py --files", "outputs/models/best.pkl", "best "),
        "src/launch.py runs the code as it is",
    ),
    "two-models --entry models/churn/train.py": (
        ("data/credit.csv", "python train.py --data", "outputs/churn.joblib", "accuracy: 0.9"),
        "models/churn/train.py:13: data -> the option --data, an input of the job",
    ),
    "two-models --entry models/fraud/train.py": (
        ("data/credit.csv", "python train.py --data", "outputs/models/fraud/out/fraud.pkl", "share of outliers"),
        "models/fraud/train.py:24: default of --out: models/fraud/out -> outputs/models/fraud/out",
    ),
    "v1-notebook": (
        ("data/credit.csv", "python train.py --trees 20 --model-name outputs/credit_forest.pkl --credit",
         "outputs/credit_forest.pkl", "trees=20"),
        "notebooks/01-train-on-amlcompute.ipynb cell 4: experiment credit-experiment",
    ),
    "v1-submit": (
        ("data/credit.csv", "python train.py --rate 0.1 --credit", "outputs/credit.pkl", "accuracy=0."),
        'src/train.py:19: run.input_datasets["credit"] -> the option --credit',
    ),
    "workbench": (
        ("sample-data/credit.csv", "python score_and_train.py --rounds 15 --data-folder", "outputs/model/credit.pkl",
         "accuracy=0.9"),
        "aml_config/train.runconfig:13: image mcr.microsoft.com/azureml/base-gpu:openmpi3.1.2-cuda10.0",
    ),
}  # fmt: skip


def runs_and_registers(repository: Repository, model: str) -> str:
    """Train and register, and return what the run said and what was tracked of it."""
    said = repository.aml("submit", "-c", "train-local")
    registered = repository.aml("register-model", "-n", "credit-risk", "--asset-path", model).stdout
    assert f"model credit-risk, version 1: {model}" in registered
    return said.stdout + said.stderr + repository.aml("runs").stdout


@pytest.mark.slow
@pytest.mark.parametrize("sample", OTHERS)
def test_other_sources_train_and_register(sample: str, installed: Repository, tmp_path: Path) -> None:
    (data, command, model, result), change = OTHERS[sample]
    name, *arguments = sample.split()
    folder = laid_out(name, data, tmp_path / name)
    before = contents(folder)
    out = tmp_path / "credit-risk"
    said = adopt(folder, "-o", str(out), *arguments)
    assert contents(folder) == before
    assert change in (out / "ADOPTED.md").read_text(encoding="utf-8")
    assert "give it a path in both job files" not in said and "names no data of its own" not in said  # they have one
    job = yaml.safe_load((out / "aml_config" / "train-local.yml").read_text(encoding="utf-8"))
    assert job["command"].startswith(f'{command} "${{{{inputs.')
    repository = Repository(out, installed.python)
    assert result in runs_and_registers(repository, model)
    option = "" if model == "outputs/model.pkl" else f" --asset-path {model}"
    known = "credit_forest" if name == "v1-notebook" else "credit-risk"  # by which its code registered it
    assert f"aml register-model -n {known}{option}" in said or name == "workbench"  # which saves it twice
    if "aml check:" not in said:
        assert repository.aml("check").stdout == "aml_config/: nothing to fix\n"


@pytest.mark.slow
def test_settings_that_name_data_and_results(installed: Repository, tmp_path: Path) -> None:
    folder = laid_out("settings", "data/processed/credit.csv", tmp_path / "settings")
    before = contents(folder)
    out = tmp_path / "credit-risk"
    said = adopt(folder, "-o", str(out))
    assert contents(folder) == before
    assert "runs through src/launch.py, as it is" in said
    settings = (folder / "config" / "config.yaml").read_text(encoding="utf-8")
    assert (out / "src" / "config" / "config.yaml").read_text(encoding="utf-8") == settings
    assert "accuracy 0.9" in runs_and_registers(Repository(out, installed.python), "outputs/artifacts/model.joblib")


def test_where_the_repository_goes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = laid_out("plain-script", "data/credit.csv", tmp_path / "risk")
    found = source_module.read(folder, None)
    (tmp_path / "work").mkdir()
    for here, there in ((folder, "risk-model"), (tmp_path, "risk-model"), (tmp_path / "work", "work/risk")):
        monkeypatch.chdir(here)
        assert default_output(found, slug(found)) == tmp_path / there
    (tmp_path / "work" / "risk").mkdir()
    (tmp_path / "work" / "risk" / "mine").touch()
    assert "is there already, and not empty" in adopt(folder, status=2, cwd=tmp_path / "work")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["risk", "work"]


@pytest.mark.slow
def test_a_git_checkout_without_what_git_ignores(installed: Repository, tmp_path: Path) -> None:
    folder = laid_out("git-checkout", "data/processed/credit.csv", tmp_path / "credit-risk")
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    secret = "not-to-be-copied"
    for name in (".env", "data/raw/dump.sql", ".venv/lib/train.py", "models/old.pkl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"PASSWORD = '{secret}'\n", encoding="utf-8")
    before = contents(folder)
    out = tmp_path / "out" / "credit-risk"
    said = adopt(folder, "-o", str(out))
    assert contents(folder) == before
    document = (out / "ADOPTED.md").read_text(encoding="utf-8")
    change = (
        "src/models/train_model.py:17: default of output_filepath: models/model.joblib -> outputs/models/model.joblib"
    )
    assert change in document
    assert "leaves       outputs/models/model.joblib" in said
    assert not [
        name for name, content in contents(out).items() if secret.encode() in content or b"Tr0ub4dor" in content
    ]
    job = yaml.safe_load((out / "aml_config" / "train-local.yml").read_text(encoding="utf-8"))
    assert job["command"] == 'python -m src.models.train_model "${{inputs.input_filepath}}"'
    assert "accuracy 0.9" in runs_and_registers(Repository(out, installed.python), "outputs/models/model.joblib")


@pytest.mark.slow
def test_both_jobs_of_a_v1_repository(adopted: tuple[Path, str]) -> None:
    out, _ = adopted
    local, cluster = (
        yaml.safe_load((out / "aml_config" / f"train-{name}.yml").read_text()) for name in ("local", "amlcompute")
    )
    assert local["command"] == cluster["command"] == 'python train.py --data-path "${{inputs.data}}"'
    assert (local["compute"], local["inputs"]["data"]["path"]) == ("local", "../sample-data")
    assert (cluster["compute"], cluster["inputs"]["data"]["path"]) == (
        "azureml:cpu-nodes",
        "azureml:credit-risk-data@latest",
    )
    assert yaml.safe_load((out / "aml_config" / "compute.yml").read_text())["name"] == "cpu-nodes"
    data = yaml.safe_load((out / "aml_config" / "data.yml").read_text())
    assert (data["name"], data["type"], data["path"]) == ("credit-risk-data", "uri_folder", "../sample-data")
    assert "distribution" not in cluster  # v1's mpi section without a communicator


@pytest.mark.slow
def test_every_change_is_listed_and_the_example_is_gone(adopted: tuple[Path, str]) -> None:
    out, said = adopted
    document = (out / "ADOPTED.md").read_text(encoding="utf-8")
    for change in (
        "train.py:9: sklearn.externals.joblib -> joblib",
        "train.py:44, 45: run.log -> log_value",
        "scikit-learn==1.1.3, the oldest later one that does",
        "Python 3.11 instead of 3.6.2",
        "azureml-defaults left out",
        "v1 dataset 0d1b3a3c-5b6e-4d5e-9f6a-7c8d9e0f1a2b: v2 has no such ids",
    ):
        assert change in document, change
    assert len(said.splitlines()) <= 40 and "changed      " in said and "reads        credit.csv" in said
    texts = "".join(
        file.read_text(encoding="utf-8") for file in out.rglob("*") if file.suffix in (".md", ".yml", ".toml", ".csv")
    )
    assert not [word for word in ("penguin", "max_iter", "test_train", "{{ cookiecutter") if word in texts]
    assert "azureml.core" not in (out / "src" / "train.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_same_again_gives_the_same(adopted: tuple[Path, str], source: Path) -> None:
    out, said = adopted
    before = contents(out)
    assert adopt(source, "-o", str(out)) == said and contents(out) == before
    (out / "README.md").write_text("mine", encoding="utf-8")
    assert "is there already, and differs" in adopt(source, "-o", str(out), status=2)
    assert (out / "README.md").read_text(encoding="utf-8") == "mine"


def test_what_cannot_be_adopted_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "nothing in " in adopt(tmp_path / "empty", status=2, cwd=tmp_path)
    several = tmp_path / "several"
    several.mkdir()
    for name in ("train_a.py", "train_b.py"):
        (several / name).write_text("from sklearn.svm import SVC\nSVC().fit([[0], [1]], [0, 1])\n", encoding="utf-8")
    assert "--entry train_b.py" in adopt(several, status=2, cwd=tmp_path)
    assert "is in the source, which is never changed" in adopt(
        several, "--entry", "train_a.py", "-o", str(several / "out"), status=2, cwd=tmp_path
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "several"]


@pytest.mark.slow
def test_code_that_nobody_can_convert_ends_with_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "asks"
    folder.mkdir()
    text = "from sklearn.svm import SVC\nn = int(input('How many? '))\nSVC().fit([[0], [1]], [0, 1])\n"
    (folder / "train.py").write_text(text, encoding="utf-8")
    said = adopt(folder, "-o", str(tmp_path / "out"), status=1, cwd=tmp_path)
    assert "train.py:2: " in said and "nothing was written" in said
    assert not (tmp_path / "out").exists()
