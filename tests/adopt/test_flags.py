"""flags.py and needs.py: options of click, typer, fire, absl and hydra are as those of argparse, or it is said."""

import posixpath
from pathlib import Path

import pytest
import yaml

from adopt.sources import plant
from adopt.test_jobs import made

FIT = """
import joblib
import pandas as pd
from sklearn.svm import SVC
def fit(data, out):
    t = pd.read_csv(data)
    joblib.dump(SVC().fit(t[["a"]], t["b"]), out)
"""
BODY = "    t = pd.read_csv({data})\n    joblib.dump(SVC().fit(t[['a']], t['b']), {out})\n"
PLAIN = BODY.format(data="data", out="out")
CLICK = FIT + "import click\n@click.command()\n{}\n@click.option('-o', '--out', default='m.pkl')\n"
TYPER = FIT + "import typer\nfrom typing import Annotated\nfrom pathlib import Path\n"
END = "if __name__ == '__main__':\n    main()\n"
ABSL = FIT + "from absl import app, flags\nFLAGS = flags.FLAGS\nflags.DEFINE_string('data', {}, 'table')\n"
ABSL += "flags.DEFINE_string('out', 'm.pkl', 'model')\n{}def main(argv):\n" + BODY.format(
    data="FLAGS.data", out="FLAGS.out"
)
SCRIPTS = {
    "click": CLICK.format("@click.option('--data', required=True, type=click.Path(exists=True))")
    + "def main(data, out):\n" + PLAIN + END,
    "click dest": CLICK.format("@click.option('--data', 'table', required=True)")
    + "def main(table, out):\n" + BODY.format(data="table", out="out") + END,
    "click argument": CLICK.format("@click.argument('data')") + "def main(data, out):\n" + PLAIN + END,
    "typer.run": TYPER + "def main(data: Path = typer.Option(...), out: str = 'm.pkl'):\n" + PLAIN
    + "if __name__ == '__main__':\n    typer.run(main)\n",
    "typer app": TYPER + "app = typer.Typer()\n@app.command()\ndef main(data: Annotated[str, typer.Option()], "
    "out: Annotated[str, typer.Option()] = 'm.pkl'):\n" + PLAIN + "if __name__ == '__main__':\n    app()\n",
    "typer argument": TYPER + "def main(data: str, out: str = 'm.pkl'):\n" + PLAIN + "typer.run(main)\n",
    "fire": FIT + "import fire\ndef main(data, out='m.pkl'):\n" + PLAIN + "fire.Fire(main)\n",
    "absl": ABSL.format("None", "flags.mark_flag_as_required('data')\n") + "app.run(main)\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", SCRIPTS)
def test_an_option_that_is_read_is_an_input(tmp_path: Path, kind: str) -> None:
    plant(tmp_path, {"train.py": SCRIPTS[kind], "data/d.csv": "a,b\n"})
    written, done, _ = made(tmp_path)
    command = yaml.safe_load(done.files["train-local.yml"])["command"]
    [data] = written.inputs
    flag = "" if "argument" in kind else "--data "
    assert command == f'python train.py {flag}"${{{{inputs.{data.name}}}}}"' and data.type == "uri_file"
    assert "argparse" not in str(written.files["train.py"])
    assert not [note for note in done.notes if note.code == "needs-value"]


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        (SCRIPTS["click"].replace("def main(data,", "@click.option('--rate', required=True)\ndef main(rate, data,"),
         "--rate"),
        (SCRIPTS["typer argument"].replace("def main(data: str,", "def main(data: str, rate: float,"), "rate"),
        (SCRIPTS["fire"].replace("def main(data,", "def main(data, rate,"), "--rate"),
        (SCRIPTS["absl"].replace("def main", "flags.DEFINE_float('rate', None, '')\nflags.mark_flags_as_required("
                                 "['rate'])\ndef main"), "--rate"),
        (FIT + "import argparse\np = argparse.ArgumentParser()\np.add_argument('--data', required=True)\n"
         "p.add_argument('--rate', type=float, required=True)\na = p.parse_args()\nfit(a.data, 'm.pkl')\n", "--rate"),
    ],
)  # fmt: skip
def test_an_option_that_needs_a_value_is_named(tmp_path: Path, text: str, needs: str) -> None:
    plant(tmp_path, {"train.py": text, "data/d.csv": "a,b\n"})
    _, done, _ = made(tmp_path)
    [note] = [note for note in done.notes if note.code == "needs-value"]
    assert (note.kind, note.subject) == ("decide", needs) and note.where.startswith("train.py:")
    plant(tmp_path, {"README.md": f"    python train.py {'--rate 1' if needs[0] == '-' else 'data/d.csv 1'}\n"})
    assert not [note for note in made(tmp_path)[1].notes if note.code == "needs-value"]


@pytest.mark.parametrize(
    "text",
    [
        FIT + "import click\n@click.group()\ndef cli(): ...\n@cli.command()\ndef train():\n    fit('data/d.csv', 'm')\n"
        "@cli.command('show')\ndef other(): ...\ncli()\n",
        FIT + "import typer\napp = typer.Typer()\n@app.command()\ndef train():\n    fit('data/d.csv', 'm')\n"
        "@app.command()\ndef show(): ...\napp()\n",
        FIT + "import fire\nfire.Fire({'train': fit, 'show': print})\n",
    ],
)
def test_a_script_of_several_commands_needs_one(tmp_path: Path, text: str) -> None:
    plant(tmp_path, {"train.py": text, "data/d.csv": "a,b\n"})
    [note] = [note for note in made(tmp_path)[1].notes if note.code == "needs-command"]
    assert "train, show" in note.text
    plant(tmp_path, {"README.md": "    python train.py train\n"})
    assert not [note for note in made(tmp_path)[1].notes if note.code == "needs-command"]


def test_settings_of_hydra(tmp_path: Path) -> None:
    text = FIT + "import hydra\n@hydra.main(config_path='conf', config_name='config')\ndef main(cfg):\n"
    text += "    fit(cfg.data, 'outputs/m.pkl')\nmain()\n"
    settings = {"conf/config.yaml": "data: ???\nmodel:\n  rate: 1\n", "conf/model/svc.yaml": "rate: 2\n"}
    plant(tmp_path, {"train.py": text, "data/d.csv": "a,b\n", **settings})
    written, _, _ = made(tmp_path)
    assert {*settings} < {*written.files}
    [note] = [note for note in written.notes if note.code == "needs-value"]
    assert note.subject == "data" and "data=VALUE" in note.text


@pytest.mark.parametrize(("place", "named"), [("../../conf", "../conf"), ("conf", "conf"), ("../conf", "../conf")])
def test_settings_of_hydra_lie_where_the_script_looks_for_them(tmp_path: Path, place: str, named: str) -> None:
    text = FIT + f"import hydra, churn.data\n@hydra.main(config_path='{place}', config_name='config')\n"
    text += "def main(cfg):\n    fit(cfg.data, 'outputs/m.pkl')\nmain()\n"
    folder = (tmp_path / "src" / "churn" / place).resolve()
    plant(folder, {"config.yaml": "model:\n  rate: 1\n", "model/svc.yaml": "rate: 2\n"})
    plant(tmp_path, {f"src/churn/{name}.py": code for name, code in (("train", text), ("__init__", ""), ("data", ""))})
    written, _, _ = made(tmp_path)
    assert f"config_path={named!r}" in str(written.files["churn/train.py"]).replace('"', "'")
    settings = posixpath.normpath(f"churn/{named}/config.yaml")
    assert written.files[settings] == folder / "config.yaml"
    assert sorted(written.settings) == [folder / "config.yaml", folder / "model" / "svc.yaml"]
