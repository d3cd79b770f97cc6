from credit_risk.model import build


def test_build():
    assert build(0.5).named_steps["logistic"].C == 0.5
