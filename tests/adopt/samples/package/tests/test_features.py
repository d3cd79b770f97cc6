from risk.features import load


def test_load(tmp_path):
    (tmp_path / "a.csv").write_text("age,amount,duration,risk\n1,2,3,good\n")
    assert len(load(tmp_path / "a.csv")) == 1
