"""models.py: which of the files that a run leaves is the model."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aml.adopt.convert.models import choose, may_be


@pytest.mark.parametrize(
    ("left", "known", "model"),
    [
        (["outputs/best.pt.npz", "outputs/history.csv", "outputs/scaler.joblib"], None, "outputs/best.pt.npz"),
        (["outputs/best.pt.npz", "outputs/scaler.joblib"], "outputs/scaler.joblib", "outputs/best.pt.npz"),
        (["outputs/encoder.pkl", "outputs/a.ubj"], None, "outputs/a.ubj"),
        (["outputs/clf.cbm", "outputs/tfidf_vectorizer.pkl"], None, "outputs/clf.cbm"),
        (["outputs/scaler.joblib", "outputs/roc.png"], "outputs/scaler.joblib", None),
        (["outputs/predictions.npy", "outputs/roc.png"], None, None),
        (["outputs/models/fold1.txt.pkl", "outputs/models/fold2.pkl", "outputs/x.csv"], None, "outputs/models"),
        (["outputs/a.onnx", "outputs/b.onnx"], None, "outputs"),
        (["outputs/a.onnx", "outputs/b.onnx"], "outputs/b.onnx", "outputs/b.onnx"),
        (["outputs/a.onnx", "outputs/best.pt"], "outputs/a.onnx", "outputs"),
        (["outputs/net/a.keras", "outputs/model.pkl"], "outputs/net", "outputs/net"),
        (["outputs/risk"], "outputs/risk", "outputs/risk"),
        (["outputs/models/knn.pkl", "outputs/preprocessor.pkl"], None, "outputs/models/knn.pkl"),
        (["outputs/other.pkl"], "outputs/absent.pkl", "outputs/other.pkl"),
        ([], "outputs/absent.pkl", None),
        (["outputs/model.txt", "outputs/log.txt", "outputs/model_params.json"], None, "outputs/model.txt"),
        (["outputs/new_model", "outputs/README"], None, "outputs/new_model"),
        (["outputs/Optimized_LGBM"], None, "outputs/Optimized_LGBM"),
        (["outputs/summary.csv"], None, None),
    ],
)
def test_evidence_decides_and_not_size_or_order(left: list[str], known: str | None, model: str | None) -> None:
    assert choose(left, known) == choose(left[::-1], known) == model


NAMES = st.sampled_from("model scaler best features a b clf preds models net".split())
ENDINGS = st.sampled_from(".pkl .npz .png .csv .ubj .keras .json".split())
PATHS = st.builds(
    lambda parts, end: "/".join(["outputs", *parts]) + end, st.lists(NAMES, min_size=1, max_size=3), ENDINGS
)


@given(st.lists(PATHS, unique=True, max_size=6), st.none() | PATHS)
def test_what_is_chosen_is_there_and_is_no_picture(left: list[str], known: str | None) -> None:
    model = choose(left, known)
    if model in left:
        assert may_be(model) or model == known
    elif model is not None:
        assert sum(may_be(path) and PurePosixPath(path).is_relative_to(model) for path in left) > 0
