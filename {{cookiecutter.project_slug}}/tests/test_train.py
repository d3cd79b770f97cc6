"""The training code, on the sample data and on invalid data."""

from pathlib import Path

import joblib
import mlflow
import pandas as pd
import pytest

import train

SAMPLE_DATA = Path(__file__).parent.parent / "sample-data"


@pytest.fixture(autouse=True)
def _track_in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())


def test_trains_tracks_and_saves_a_model_that_predicts(tmp_path: Path) -> None:
    train.main(["--data-path", str(SAMPLE_DATA), "--output-dir", str(tmp_path / "outputs")])

    run = mlflow.last_active_run()
    assert run is not None
    assert run.data.metrics["test_accuracy"] > 0.9
    assert run.data.params["max_iter"] == "1000"
    artifacts = [artifact.path for artifact in mlflow.MlflowClient().list_artifacts(run.info.run_id)]
    assert artifacts == ["confusion_matrix.png"]

    model = joblib.load(tmp_path / "outputs" / "model.pkl")
    table = train.read_table(SAMPLE_DATA)
    assert set(model.predict(table.drop(columns="species"))) == set(table["species"])
    tested = pd.read_csv(tmp_path / "outputs" / "test.csv")
    assert train.evaluate(model, tested.iloc[:, :-1], tested.iloc[:, -1]).items() <= run.data.metrics.items()


def test_reads_one_file_or_all_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,species\n1,a\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("x,species\n2,b\n", encoding="utf-8")
    assert len(train.read_table(tmp_path / "a.csv")) == 1
    assert list(train.read_table(tmp_path)["x"]) == [1, 2]


def test_says_when_a_folder_has_no_table(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"has no \.csv file"):
        train.read_table(tmp_path)


def test_model_takes_gaps_and_unseen_words() -> None:
    table = pd.DataFrame({"size": [1.0, None, 3.0, 4.0], "place": ["a", None, "b", "b"]})
    model = train.build_model(c=1.0, max_iter=100).fit(table, ["x", "x", "y", "y"])
    assert model.predict(pd.DataFrame({"size": [None], "place": ["elsewhere"]})).shape == (1,)
