"""tracking.py: MLflow's calls that lead away from the job's run are taken out, models are saved below outputs/."""

from pathlib import Path

import pytest

from adopt.sources import adopt, plant
from adopt.test_code import converted
from aml.adopt.convert.code import Code
from support import Repository

HEAD = (
    "import os\nimport mlflow\nimport mlflow.sklearn\nfrom sklearn.svm import SVC\nx = y = [1]\nm = SVC().fit(x, y)\n"
)


def text_of(done: Code) -> str:
    text = done.files["train.py"]
    assert isinstance(text, str)
    compile(text, "train.py", "exec")
    return text


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ('mlflow.set_tracking_uri("sqlite:///mlflow.db")', ""),
        ('mlflow.set_registry_uri("http://localhost:5000")', ""),
        ('mlflow.set_experiment("diabetes")', ""),
        ('os.environ["MLFLOW_TRACKING_URI"] = "http://localhost:5000"', ""),
        ('mlflow.start_run(run_id="0123")', "mlflow.start_run()"),
        ('mlflow.start_run(run_name="a", experiment_id=e)', 'mlflow.start_run(run_name="a")'),
        ('mlflow.start_run("0123", nested=True)', "mlflow.start_run(nested=True)"),
        ('mlflow.start_run(run_name="a")', 'mlflow.start_run(run_name="a")'),
        ("mlflow.autolog()", "mlflow.autolog(log_models=False)"),
        ("mlflow.sklearn.autolog(silent=True)", "mlflow.sklearn.autolog(silent=True, log_models=False)"),
        ("mlflow.autolog(log_models=False)", "mlflow.autolog(log_models=False)"),
        ('mlflow.register_model("runs:/1/model", "risk")', ""),
        ('mlflow.sklearn.log_model(m, "model")',
         'mlflow.sklearn.save_model(m, path="outputs/model", serialization_format="cloudpickle")'),
        ('mlflow.sklearn.log_model(sk_model=m, name="svc", signature=s, registered_model_name="risk")',
         'mlflow.sklearn.save_model(sk_model=m, signature=s, path="outputs/svc", serialization_format="cloudpickle")'),
        ("mlflow.xgboost.log_model(m, artifact_path=str(x))",
         'mlflow.xgboost.save_model(m, path=os.path.join("outputs", str(x)))'),
        ('mlflow.pyfunc.log_model("wrapped", python_model=m)',
         'mlflow.pyfunc.save_model(python_model=m, path="outputs/wrapped")'),
    ],
)  # fmt: skip
def test_the_job_s_run_is_the_run(tmp_path: Path, line: str, becomes: str) -> None:
    done = converted(tmp_path, "train.py", f"{HEAD}{line}\nmlflow.log_metric('a', 1)\n")
    lines = [one for one in text_of(done).split("\n") if "makedirs" not in one and one.strip()]
    assert lines == [*HEAD.strip().split("\n"), *([becomes] if becomes else []), "mlflow.log_metric('a', 1)"]
    told = [note for note in done.notes if note.code == "tracking"]
    assert bool(told) == (line != becomes) and all(note.where == "train.py:7" for note in told)
    assert done.model == ("outputs/" + becomes.partition('path="outputs/')[2].partition('"')[0] if 'path="' in becomes
                          else None)  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        'info = mlflow.sklearn.log_model(m, "model")',
        'mlflow.create_experiment("a")',
        'old = mlflow.sklearn.load_model(f"runs:/{x}/model")',
        'MlflowClient().transition_model_version_stage("risk", 1, "Production")',
        'print(mlflow.set_tracking_uri("x"))',
    ],
)
def test_what_is_left_to_the_owner_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    done = converted(tmp_path, "train.py", f"{HEAD}from mlflow.tracking import MlflowClient\n{line}\n")
    [note] = [note for note in done.notes if note.code == "tracking"]
    assert (note.kind, note.where) == ("decide", "train.py:8") and line in text_of(done)


def test_the_last_of_several_models_counts(tmp_path: Path) -> None:
    loop = "for c in (1, 2):\n    # tries\n    with mlflow.start_run():\n        mlflow.sklearn.log_model(m, 'model')\n"
    text = text_of(converted(tmp_path, "train.py", HEAD + loop))
    assert '        shutil.rmtree("outputs/model", ignore_errors=True)\n        mlflow.sklearn.save_model(m' in text


def test_models_that_autolog_kept_are_to_be_saved(tmp_path: Path) -> None:
    done = converted(tmp_path, "train.py", HEAD.replace("x = y", "mlflow.autolog()\nx = y"))
    assert [note.where for note in done.notes if note.code == "no-model-saved"] == ["train.py:7"]


@pytest.mark.slow
def test_a_script_of_mlflow_trains_at_the_first_run(installed: Repository, tmp_path: Path) -> None:
    text = HEAD.replace("x = y = [1]", "x, y = [[0], [1], [2], [3]], [0, 1, 0, 1]")
    text = text.replace("m = ", "mlflow.set_tracking_uri('sqlite:///mlflow.db')\nmlflow.set_experiment('risk')\n"
                        "mlflow.sklearn.autolog()\nwith mlflow.start_run(run_name='first'):\n    m = ")  # fmt: skip
    text += "    mlflow.log_metric('accuracy', m.score(x, y))\n"
    text += "    mlflow.sklearn.log_model(m, 'model', registered_model_name='risk')\n"
    plant(tmp_path / "source", {"train.py": text})
    assert "leaves       outputs/model\n" in adopt(tmp_path / "source", "-o", str(tmp_path / "risk-model"))
    repository = Repository(tmp_path / "risk-model", installed.python)
    repository.aml("submit", "-c", "train-local")
    registered = repository.aml("register-model", "-n", "risk", "--asset-path", "outputs/model").stdout
    assert "model risk, version 1: outputs/model" in registered
    assert "accuracy=" in repository.aml("runs").stdout
