"""addresses.py: the code reads the source's own file where it names that by its address on GitHub."""

from pathlib import Path

import pytest

from adopt.sources import adopt, plant
from aml.adopt.convert.addresses import own

FILES = ["data/d.csv", "my data.csv", "README.md", "train.py"]


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("https://raw.githubusercontent.com/Org/line/main/data/d.csv", "data/d.csv"),
        ("https://raw.githubusercontent.com/org/line/refs/heads/main/data/d.csv", "data/d.csv"),
        ("https://raw.githubusercontent.com/org/line/feature/x/data/d.csv", "data/d.csv"),
        ("https://github.com/org/line/blob/main/data/d.csv?raw=true", "data/d.csv"),
        ("https://raw.githubusercontent.com/org/line/main/data/d.csv?token=AJ5V2OGX", "data/d.csv"),
        ("https://github.com/org/line/raw/master/my%20data.csv", "my data.csv"),
        ("https://raw.githubusercontent.com/org/line/main/other.csv", ""),
        ("https://raw.githubusercontent.com/org/line/main/README.md", ""),
        ("https://example.org/org/line/main/data/d.csv", ""),
        ("see https://raw.githubusercontent.com/org/line/main/data/d.csv", ""),
    ],
)
def test_addresses_of_files_of_the_source(tmp_path: Path, address: str, file: str) -> None:
    text = f"import pandas as pd\n\nd = pd.read_csv('{address}')  # own\n"
    new, found = own(text, plant(tmp_path / "line", {"a": ""}), FILES, ".")
    assert new == (text.replace(address, file) if file else text)
    assert [(one.line, one.file, one.certain) for one in found] == ([(3, file, True)] if file else [])
    assert "AJ5V2OGX" not in str(found)


def test_a_file_of_another_repository_is_not_certain(tmp_path: Path) -> None:
    text = "x = 'https://raw.githubusercontent.com/org/line/main/data/d.csv'\n"
    folder = plant(tmp_path / "copy", {"a": ""})
    new, [one] = own(text, folder, FILES, "notebooks")
    assert new == "x = '../data/d.csv'\n" and not one.certain
    for remote in ("git@github.com:Org/line.git", "https://github.com/org/Line", "https://x@github.com/org/line.git"):
        plant(
            folder, {".git/config": f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {remote}\n\tfetch = +refs\n'}
        )
        assert own(text, folder, FILES, ".")[1][0].certain


@pytest.mark.slow
def test_a_v1_script_that_reads_its_repository_over_the_network_trains(tmp_path: Path) -> None:
    train = "from azureml.core.run import Run\nfrom azureml.data.dataset_factory import TabularDatasetFactory\n"
    train += "from sklearn.svm import SVC\nimport joblib, os\n"
    train += "url = 'https://raw.githubusercontent.com/org/line/master/d.csv'\n"
    train += "ds = TabularDatasetFactory.from_delimited_files(path=url)\n\ndef prepare(data):\n"
    train += "    x = data.to_pandas_dataframe().dropna()\n    return x[['a']], x['b']\n\nx, y = prepare(ds)\n"
    train += "run = Run.get_context()\nm = SVC().fit(x, y)\nrun.log('Accuracy', m.score(x, y))\n"
    train += "os.makedirs('outputs', exist_ok=True)\njoblib.dump(m, 'outputs/model.joblib')\n"
    folder = plant(tmp_path / "line", {"train.py": train, "d.csv": "a,b\n" + "1,0\n2,1\n" * 9})
    said = adopt(folder, "-o", str(tmp_path / "line-fit"))
    assert "reads        d.csv" in said and "not compared" not in said
    assert "trained here on sample-data/d.csv; Accuracy 1; model outputs/model.joblib" in said
