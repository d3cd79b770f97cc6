"""contract.py: what a cloud job cannot do is fixed where that is certain, and named with its line where not."""
# ruff: noqa: E501  # a case a line reads best

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aml.adopt import DataInput
from aml.adopt.convert.contract import Checked, check
from aml.adopt.convert.results import leads_out
from aml.adopt.private import hide, is_secret
from aml.adopt.python.static import Modules
from aml.adopt.v1.sdk import rewrite

SAVED = 'import joblib\njoblib.dump(m, "outputs/m.pkl")\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source with code/, where the script runs, and data beside and below it."""
    for file in ("data/x.csv", "code/local.csv", "code/images/a.png", "code/images/b.png"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("a\n1\n", encoding="utf-8")
    return tmp_path


def checked(source: Path, text: str, is_entry: bool = True) -> Checked:
    """What check gives; the result parses, and checking it again changes nothing."""
    done = check(text, "code/train.py", is_entry, Modules({}, source, source / "code"))
    if not any(note.kind == "blocked" for note in done.notes):
        ast.parse(done.text)
        again = check(done.text, "code/train.py", is_entry, Modules({}, source, source / "code"))
        assert again.text == done.text
        assert again.model == done.model
        assert again.inputs == done.inputs or not is_entry  # a module's options are the entry's
    return done


def kinds(done: Checked, kind: str) -> list[str]:
    return [note.where for note in done.notes if note.kind == kind]


# Data


@pytest.mark.parametrize(
    ("lines", "code", "kind", "place"),
    [
        ('import pandas as pd\nt = pd.read_csv("../data/x.csv")\n', "t = pd.read_csv(args.x)\n", "uri_file", "data/x.csv"),
        ('import pandas\nDATA = "../data/x.csv"\nt = pandas.read_csv(DATA)\n', "DATA = args.data\n", "uri_file", "data/x.csv"),
        ('import pandas as pd\nt = pd.read_csv("data/x.csv")\n', "t = pd.read_csv(args.x)\n", "uri_file", "data/x.csv"),
        ('import pandas as pd\nt = pd.read_csv(r"C:\\data\\x.csv")\n', "t = pd.read_csv(args.x)\n", "uri_file", None),
        ('import pandas as pd\nt = pd.read_csv("/data/absent/x.csv", sep=";")\n', 't = pd.read_csv(args.x, sep=";")\n', "uri_file", None),
        ('t = open("local.csv").read()\n', "t = open(args.local).read()\n", "uri_file", "code/local.csv"),
        ('import numpy as np\nt = np.load(file="x.npy")\n', "t = np.load(file=args.x)\n", "uri_file", None),
        ('import glob\nt = glob.glob("images/*.png")\n', 't = glob.glob(os.path.join(args.images, "*.png"))\n', "uri_folder", "code/images"),
        ('import os\nt = os.listdir("images")\n', "t = os.listdir(args.images)\n", "uri_folder", "code/images"),
        ('import os\nD = "../data"\nt = open(os.path.join(D, "x.csv"))\n', "D = args.d\n", "uri_folder", "data"),
        ('import os\nt = open(os.path.join("../data", "x.csv"))\n', 't = open(os.path.join(args.data, "x.csv"))\n', "uri_folder", "data"),
        ('D = "../data"\nt = open(f"{D}/x.csv")\n', "D = args.d\n", "uri_folder", "data"),
        ('from pathlib import Path\nt = (Path("../data") / "x.csv").read_text()\n', 't = (Path(args.data) / "x.csv").read_text()\n', "uri_folder", "data"),
        ('import pandas as pd\ndef load(p):\n    return pd.read_csv(p)\nt = load("../data/x.csv")\n', "t = load(args.x)\n", "uri_file", "data/x.csv"),
        ('import helpers\nt = helpers.load("../data/x.csv")\n', "t = helpers.load(args.x)\n", "uri_file", "data/x.csv"),
    ],
)  # fmt: skip
def test_data_of_the_entry_becomes_an_option(source: Path, lines: str, code: str, kind: str, place: str | None) -> None:
    done = checked(source, lines + SAVED)
    assert code in done.text
    [entry] = done.inputs
    assert (entry.type, entry.path) == (kind, source / place if place else None)
    assert f'parser.add_argument("{entry.flag}", default=' in done.text
    assert bool(kinds(done, "decide")) == (place is None)


def test_the_option_hands_over_the_data(source: Path) -> None:
    (source / "elsewhere.csv").write_text("found", encoding="utf-8")
    done = checked(source, 'import sys\nprint(open("../data/x.csv").read(), sys.argv[1:])\n' + SAVED)
    script = source / "code" / "train.py"
    script.write_text(done.text.replace(SAVED, "").replace("import joblib\n", ""), encoding="utf-8")
    for words, printed in (
        ([], "a\n1\n []\n"),
        (["--x", "../elsewhere.csv"], "found []\n"),
        (["--own", "1", "--x=../elsewhere.csv"], "found ['--own', '1']\n"),
    ):
        command = [sys.executable, "train.py", *words]
        ran = subprocess.run(command, cwd=script.parent, capture_output=True, text=True)
        assert (ran.stdout, ran.stderr) == (printed, "")


def test_the_scripts_own_parser_gets_the_option(source: Path) -> None:
    done = checked(
        source,
        "import argparse\nimport pandas as pd\n"
        "def main(args):\n    return pd.read_csv('../data/x.csv')\n"
        "def parse():\n    p = argparse.ArgumentParser()\n    p.add_argument('--c')\n    return p.parse_args()\n"
        "main(parse())\n" + SAVED,
    )
    assert (
        "    p.add_argument('--c')\n    p.add_argument(\"--x\", default='../data/x.csv', help=\"data: a file\")\n"
        in done.text
    )
    assert "    return pd.read_csv(args.x)\n" in done.text
    assert "parse_known_args" not in done.text


def test_an_option_that_is_read_is_the_input(source: Path) -> None:
    text = (
        "import argparse\nimport pandas as pd\np = argparse.ArgumentParser()\n"
        "p.add_argument('--table', default='../data/x.csv')\np.add_argument('--more', required=True)\n"
        "args = p.parse_args()\npd.read_csv(args.table)\nopen(f'{args.more}/y.csv')\n" + SAVED
    )
    done = checked(source, text)
    assert done.text == text
    assert done.inputs == [
        DataInput("table", "uri_file", source / "data" / "x.csv", "--table"),
        DataInput("more", "uri_folder", None, "--more"),
    ]
    assert kinds(done, "decide") == ["code/train.py:5"]


@pytest.mark.parametrize(
    "lines",
    [
        'import pandas as pd\npd.read_csv("https://example.org/x.csv")\n',
        'print("x.csv")\n',
        "import pandas as pd\npd.read_csv(path)\n",
        'open("/tmp/x.csv", "w")\n',
        'x = "local"\n',
        'import mlflow\nmlflow.log_artifact("local.csv")\n',
    ],
)
def test_what_is_no_data_of_this_machine_stays(source: Path, lines: str) -> None:
    done = checked(source, lines + SAVED)
    assert done.text == lines + SAVED
    assert done.inputs == []


@pytest.mark.parametrize("path", ['f"../data/{n}.csv"', '"../data/{}.csv".format(n)', '"../data/%s.csv" % n'])
def test_data_with_a_changing_name_is_for_the_owner(source: Path, path: str) -> None:
    done = checked(source, f"open({path})\n" + SAVED)
    assert done.text == f"open({path})\n" + SAVED
    assert kinds(done, "decide") == ["code/train.py:1"]


def test_data_of_another_module_travels_or_is_an_input(source: Path) -> None:
    text = 'import pandas as pd\na = pd.read_csv("local.csv")\nb = pd.read_csv("../data/x.csv")\n'
    done = checked(source, text, is_entry=False)
    assert 'pd.read_csv("local.csv")' in done.text and "pd.read_csv(args.x)" in done.text
    assert done.travels == [(source / "code" / "local.csv", "local.csv")]
    assert (kinds(done, "taken"), kinds(done, "changed")) == (["code/train.py:2"], ["code/train.py:3"])
    assert done.inputs == [DataInput("x", "uri_file", source / "data" / "x.csv", "--x")]


def test_data_beside_the_module_travels(source: Path) -> None:
    text = 'import os\nopen(os.path.join(os.path.dirname(__file__), "images", "a.png"))\n' + SAVED
    done = checked(source, text)
    assert done.text == text
    assert done.travels == [(source / "code" / "images" / "a.png", "images/a.png")]


# Results


@pytest.mark.parametrize(
    ("lines", "code", "model", "made"),
    [
        ('import joblib\njoblib.dump(m, "m.pkl")\n', 'joblib.dump(m, "outputs/m.pkl")\n', "outputs/m.pkl", "outputs"),
        ("import joblib\njoblib.dump(value=m, filename='a/m.pkl')\n", "filename='outputs/a/m.pkl')\n", "outputs/a/m.pkl", "outputs/a"),
        ('import pickle\npickle.dump(m, open("m.pkl", "wb"))\n', 'open("outputs/m.pkl", "wb")', "outputs/m.pkl", "outputs"),
        ('import pickle\nwith open("/home/a/m.pkl", "wb") as f:\n    pickle.dump(m, f)\n', 'with open("outputs/m.pkl", "wb")', "outputs/m.pkl", "outputs"),
        ('import torch\ntorch.save(net, "../m.pt")\n', 'torch.save(net, "outputs/m.pt")\n', "outputs/m.pt", "outputs"),
        ('model.save("m.keras")\n', 'model.save("outputs/m.keras")\n', "outputs/m.keras", "outputs"),
        ('import os\nimport joblib\nF = "models"\nos.makedirs(F)\njoblib.dump(m, os.path.join(F, "m.pkl"))\n', 'F = "outputs/models"\n', "outputs/models/m.pkl", "outputs"),
        ('import os\nif not os.path.exists("d"):\n    os.mkdir("d")\nmodel.save("d/m.h5")\n', 'os.path.exists("outputs/d"):\n    os.mkdir("outputs/d")\nmodel.save("outputs/d/m.h5")\n', "outputs/d/m.h5", "outputs/d"),
        ('t.to_csv("t.csv")\n', 't.to_csv("outputs/t.csv")\n', None, "outputs"),
        ('t.to_csv("t_{}.csv".format(n))\n', 't.to_csv("outputs/t_{}.csv".format(n))\n', None, "outputs"),
        ('t.to_csv("t_%d.csv" % n)\n', 't.to_csv("outputs/t_%d.csv" % n)\n', None, "outputs"),
        ('t.to_csv(f"t_{n}.csv")\n', 't.to_csv(f"outputs/t_{n}.csv")\n', None, "outputs"),
        ('import matplotlib.pyplot as plt\nplt.savefig("p.png")\n', 'plt.savefig("outputs/p.png")\n', None, "outputs"),
        ('import json\njson.dump(x, open("x.json", mode="w"))\n', 'open("outputs/x.json", mode="w")', None, "outputs"),
        ('import joblib\njoblib.dump(m, "m.pkl")\nn = joblib.load("m.pkl")\n', 'n = joblib.load("outputs/m.pkl")\n', "outputs/m.pkl", "outputs"),
        ('import joblib\njoblib.dump(scaler, "s.pkl")\njoblib.dump(best_model, "m.pkl")\n', '"outputs/s.pkl"', "outputs/m.pkl", "outputs"),
    ],
)  # fmt: skip
def test_results_go_below_outputs(source: Path, lines: str, code: str, model: str | None, made: str) -> None:
    done = checked(source, lines)
    assert code in done.text
    assert done.model == model
    assert done.inputs == []
    assert f'os.makedirs("{made}' in done.text and done.text.count("import os\n") == 1


@pytest.mark.parametrize(
    ("lines", "model"),
    [
        ('import joblib\njoblib.dump(m, "./outputs/m.pkl")\n', "outputs/m.pkl"),
        (
            "import argparse\nimport joblib\nimport os\np = argparse.ArgumentParser()\n"
            "p.add_argument('--out', default='outputs')\nargs = p.parse_args()\n"
            "joblib.dump(m, os.path.join(args.out, 'm.pkl'))\n",
            "outputs/m.pkl",
        ),
        ('open("/tmp/x", "w")\n', None),
        ('import mlflow\nmlflow.sklearn.save_model(m, path="outputs/model")\n', "outputs/model"),
    ],
)
def test_what_is_right_already_stays(source: Path, lines: str, model: str | None) -> None:
    done = checked(source, lines)
    assert done.text == lines
    assert done.model == model
    assert kinds(done, "changed") == kinds(done, "decide") == []


def test_the_default_of_an_option_that_is_written_to_goes_below_outputs(source: Path) -> None:
    lines = (
        "import argparse\nimport joblib\np = argparse.ArgumentParser()\n"
        "p.add_argument('--model', default='m.pkl')\nargs = p.parse_args()\njoblib.dump(m, args.model)\n"
    )
    done = checked(source, lines)
    assert done.text == lines.replace("'m.pkl'", "'outputs/m.pkl'")
    assert done.model == "outputs/m.pkl"


# Paths that are put together, and what other modules say


def test_results_that_are_put_together_go_below_outputs(source: Path) -> None:
    text = (
        "import os\nimport joblib\nfrom pathlib import Path\nROOT = Path(__file__).resolve().parents[1]\n"
        "HERE = os.path.dirname(os.path.abspath(__file__))\nclass Config:\n    model = os.path.join('models', 'm.pkl')\n"
        "config = Config()\ntarget = ROOT / 'artifacts'\ntarget.mkdir(exist_ok=True)\n"
        "joblib.dump(m, target / 'a.pkl')\njoblib.dump(m, os.path.join(HERE, 'b.pkl'))\njoblib.dump(m, config.model)\n"
    )
    done = checked(source, text)
    for line in (
        "target = Path('outputs/artifacts')" if "Path('outputs" in done.text else 'target = Path("outputs/artifacts")',
        'joblib.dump(m, "outputs/b.pkl")',
        '    model = "outputs/models/m.pkl"',
        "joblib.dump(m, target / 'a.pkl')",
    ):
        assert line in done.text.splitlines(), done.text
    assert kinds(done, "changed") == [f"code/train.py:{line}" for line in (7, 9, 12)]


def test_data_that_is_put_together_is_an_input(source: Path) -> None:
    text = (
        "import os\nimport pandas as pd\nBASE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n"
        "DATA = os.path.join(BASE, 'data', 'x.csv')\na = pd.read_csv(DATA)\n"
        "FOLDER = os.environ.get('FOLDER', '../data/')\nb = pd.read_csv(FOLDER + 'x.csv')\n" + SAVED
    )
    done = checked(source, text)
    assert "DATA = args.data" in done.text
    assert "FOLDER = os.environ.get('FOLDER', os.path.join(args.data_2, \"\"))" in done.text.replace("folder", "data_2")
    assert [(one.type, one.path) for one in done.inputs] == [
        ("uri_file", source / "data" / "x.csv"),
        ("uri_folder", source / "data"),
    ]


def test_a_name_that_is_joined_elsewhere_stays_a_name(source: Path) -> None:
    text = (
        "import argparse\nimport joblib\np = argparse.ArgumentParser()\np.add_argument('--name', default='m.pkl')\n"
        "args = p.parse_args()\njoblib.dump(m, args.name)\nupload('outputs/' + args.name, args.name)\n"
    )
    done = checked(source, text)
    assert "default='m.pkl'" in done.text
    assert 'joblib.dump(m, os.path.join("outputs", args.name))' in done.text
    assert "upload('outputs/' + args.name, os.path.join(\"outputs\", args.name))" in done.text
    assert done.model == "outputs/m.pkl"


def test_what_a_function_of_another_module_opens(tmp_path: Path) -> None:
    files = {
        "train.py": "from tools import load, save\nsave(load('rows.csv'), 'models/m.pkl')\n",
        "tools.py": "import pickle\nimport pandas as pd\ndef load(path):\n    return pd.read_csv(path)\n"
        "def save(model, path):\n    with open(path, 'wb') as file:\n        pickle.dump(model, file)\n",
        "rows.csv": "a\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    modules = Modules({name: tmp_path / name for name in ("train.py", "tools.py")}, tmp_path, tmp_path)
    done = check(files["train.py"], "train.py", True, modules)
    assert "save(load(args.rows), 'outputs/models/m.pkl')" in done.text
    assert (done.model, [note.kind for note in done.notes]) == ("outputs/models/m.pkl", ["changed", "changed"])
    assert check(files["tools.py"], "tools.py", False, modules).text == files["tools.py"]


def test_a_folder_that_another_module_reads(tmp_path: Path) -> None:
    files = {
        "train.py": "import argparse\nfrom tools import load\np = argparse.ArgumentParser()\n"
        "p.add_argument('--input')\na = p.parse_args()\nload(a.input)\n",
        "tools.py": "import glob, os\ndef load(folder):\n    return glob.glob(os.path.join(folder, '*.csv'))\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    modules = Modules({name: tmp_path / name for name in files}, tmp_path, tmp_path)
    done = check(files["train.py"], "train.py", True, modules)
    assert [(one.flag, one.type) for one in done.inputs] == [("--input", "uri_folder")]


def test_an_option_for_results_is_given_by_the_job(source: Path) -> None:
    head = "import argparse, os, joblib\np = argparse.ArgumentParser()\np.add_argument('--out', required=True)\n"
    uses = {
        "joblib.dump(m, a.out)\n": ("outputs/out", "outputs/out"),
        "os.makedirs(os.path.dirname(a.out))\njoblib.dump(m, a.out)\n": ("outputs/out", "outputs/out"),
        "os.makedirs(a.out)\njoblib.dump(m, os.path.join(a.out, 'm.pkl'))\n": ("outputs", "outputs/m.pkl"),
    }
    for use, (path, model) in uses.items():
        done = checked(source, f"{head}a = p.parse_args()\n{use}")
        assert (done.given, done.model) == ({"--out": path}, model), use
        assert kinds(done, "changed") == ["code/train.py:3"]


def test_a_beginning_that_data_and_results_share(source: Path) -> None:
    text = "import pandas as pd, joblib\nBASE = '/mnt/share/'\nd = pd.read_csv(BASE + 'd.csv')\njoblib.dump(m, BASE + 'm.pkl')\n"
    done = checked(source, text)
    assert 'BASE = os.path.join(args.base, "")' in done.text and 'joblib.dump(m, "outputs/m.pkl")' in done.text
    back = "import joblib\nOUT = 'artifacts/'\njoblib.dump(m, OUT + 'm.pkl')\nm = joblib.load(OUT + 'm.pkl')\n"
    done = checked(source, back)
    assert "OUT = 'outputs/artifacts/'" in done.text and done.inputs == []


def test_what_is_named_while_the_code_runs_has_a_folder(source: Path) -> None:
    text = "import joblib\nfor fold in range(3):\n    joblib.dump(m, f'models/m_{fold}.pkl')\n"
    done = checked(source, text)
    assert (done.model, "f'outputs/models/m_{fold}.pkl'" in done.text) == ("outputs/models", True)


@pytest.mark.parametrize(
    ("name", "leads"),
    [("--output-dir", True), ("out", True), ("save_path", True), ("--logdir", True), ("model_out", True), ("results", True),
     ("--dropout", False), ("--timeout", False), ("--catalog", False), ("--logistic", False), ("layout", False)],
)  # fmt: skip
def test_options_for_results_are_known_by_whole_words(name: str, leads: bool) -> None:
    assert leads_out(name) == leads


def test_logs_are_results_and_no_models(source: Path) -> None:
    text = "import logging\nlogging.basicConfig(filename='logs/train.log')\n"
    done = checked(source, text)
    assert "filename='outputs/logs/train.log'" in done.text and 'os.makedirs("outputs/logs"' in done.text
    assert done.model is None


# Nobody at the keyboard


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("n_trees = int(input('Trees? '))\n", "blocked", 'parser.add_argument("--n-trees", type=int, required=True)'),
        ("import getpass\np = getpass.getpass()\n", "blocked", "os.environ"),
        ("import os\nos.chdir('..')\n", "decide", "take it out"),
        ("import pdb\npdb.set_trace()\n", "changed", "nobody is there"),
        ("breakpoint()\n", "changed", "nobody is there"),
    ],
)
def test_what_waits_for_somebody_is_named(source: Path, line: str, kind: str, words: str) -> None:
    done = checked(source, line + SAVED)
    where = f"code/train.py:{line.count(chr(10))}"
    assert [note for note in done.notes if note.kind == kind and note.where == where and words in note.text]
    assert "set_trace" not in done.text and "breakpoint" not in done.text


def test_show_becomes_a_file(source: Path) -> None:
    lines = "import matplotlib.pyplot as plt\nfor x in y:\n    plt.plot(x)\n    plt.show()  # now\n" + SAVED
    done = checked(source, lines)
    assert 'import matplotlib\nmatplotlib.use("Agg")\nimport matplotlib.pyplot as plt\n' in done.text
    assert '    plt.savefig("outputs/train-1.png")  # now\n    plt.close()\n' in done.text
    assert "show()" not in done.text


def test_input_as_a_name_of_the_code_is_no_input(source: Path) -> None:
    lines = "def input(x):\n    return x\ny = input(1)\nclass pdb:\n    set_trace = print\npdb.set_trace()\n" + SAVED
    assert checked(source, lines).text == lines


# Old Python


@pytest.mark.parametrize(("text", "line"), [("x = 1\nprint 'a'\n", 2), ("def f():\n  x\n y\n", 3), ("try:\n  f()\nexcept E, e:\n  g()\n", 3), ("x = 1\0", 1)])  # fmt: skip
def test_what_is_not_python_3_is_blocked(source: Path, text: str, line: int) -> None:
    done = checked(source, text)
    assert done.text == text
    assert kinds(done, "blocked") == [f"code/train.py:{line}"]
    assert "2to3" in done.notes[0].text


# Secrets

KEY = "Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZg"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('password = "hunter2hunter2"\n', 'password = os.environ["PASSWORD"]\n'),
        (f'connect(account_key="{KEY}==")\n', 'connect(account_key=os.environ["ACCOUNT_KEY"])\n'),
        (f'c = {{"api_key": "{KEY}"}}\n', 'c = {"api_key": os.environ["API_KEY"]}\n'),
        (f'self.token = "{KEY}"\n', 'self.token = os.environ["TOKEN"]\n'),
        (
            f'STORE = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={KEY}=="\n',
            'STORE = os.environ["STORE"]\n',
        ),
        (f'read("https://a.blob.core.windows.net/c/x.csv?sv=1&sig={KEY}%3D")\n', 'read(os.environ["SECRET"])\n'),
        ('u = "postgresql://me:hunter2x@host/db"\n', 'u = os.environ["U"]\n'),
        (f'import os\nos.environ["API_KEY"] = "{KEY}"\n', 'os.environ["API_KEY"] = os.environ["API_KEY"]\n'),
        ('k = b"-----BEGIN RSA PRIVATE KEY-----"\n', 'k = os.environ["K"].encode()\n'),
        ('c = ("Server=tcp:h;Uid=a;"\n     "Pwd=hunter2x;")\n', 'c = os.environ["C"]\n'),
    ],
)
def test_secrets_leave_the_code_and_are_told_to_nobody(source: Path, line: str, code: str) -> None:
    done = checked(source, line, is_entry=False)
    assert code in done.text
    assert done.text.count("import os\n") == 1
    [note] = [note for note in done.notes if note.kind == "decide"]
    assert "renew" in note.text
    for secret in (KEY, "hunter2", "PRIVATE KEY"):
        assert secret not in done.text + repr(done.notes)


def test_secrets_in_comments_and_f_strings(source: Path) -> None:
    done = checked(source, f"x = 1  # AccountKey={KEY}\n", is_entry=False)
    assert done.text == "x = 1  # (a secret was here)\n"
    done = checked(source, f'x = f"{{host}};AccountKey={KEY}"\n', is_entry=False)
    assert kinds(done, "blocked") == ["code/train.py:1"]
    assert KEY not in repr(done.notes)


@pytest.mark.parametrize(
    "line",
    [
        'password = ""\n', 'import os\npassword = os.environ["PASSWORD"]\n', 'api_key = "<your key>"\n', 'api_key = "YOUR_API_KEY_1234567"\n',
        'pad_token = "[PAD]"\n', 'token = "input_ids"\n', 'secret = "a sentence with spaces 12"\n', 'key = "customer_id_1234567890"\n',
        'token_pattern = r"(?u)\\b\\w\\w+\\b"\n', 'password_column = "hunter2hunter2"\n', 'access_token = "first_second_third_4"\n',
        'f(token="$TOKEN1234567890123")\n', 'url = "https://example.org/a?b=1"\n', 'x = "user@host:22"\n',
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(source: Path, line: str) -> None:
    done = checked(source, line, is_entry=False)
    assert (done.text, done.notes) == (line, [])


@given(
    st.sampled_from(["password", "client_secret", "DB_PASSWORD", "apiKey"]),
    st.text("abcdefXYZ0123456789", min_size=20, max_size=40),
)
@settings(max_examples=100)
def test_hide_lets_no_secret_through(name: str, value: str) -> None:
    value += "a1"
    assert is_secret(name, value)
    for text in (f'{name}="{value}"', f"{name} = '{value}'", f'"{name}": "{value}"', f"f({name}='{value}')"):
        assert value not in hide(text)
    assert hide(f"x is {value[:5]}") == f"x is {value[:5]}"


# One name for what is read and what is written


def test_what_is_read_and_written_over_is_blocked(source: Path) -> None:
    (source / "code" / "d.csv").write_text("a\n1\n", encoding="utf-8")
    head = "import pandas as pd\n"
    done = checked(source, head + "PATH = 'd.csv'\nt = pd.read_csv(PATH)\nt.to_csv(PATH)\n")
    assert kinds(done, "blocked") == ["code/train.py:4"]
    assert "outputs" not in done.text
    done = checked(source, head + "PATH = 'd.csv'\npd.DataFrame().to_csv(PATH)\nt = pd.read_csv(PATH)\n")
    assert "PATH = 'outputs/d.csv'" in done.text and not kinds(done, "blocked")


@pytest.mark.parametrize("name", ["'kept.csv'", "KEPT"])
def test_what_an_earlier_run_kept_is_a_result(source: Path, name: str) -> None:
    text = (
        f"import os\nimport pandas as pd\nKEPT = 'kept.csv'\nif os.path.exists({name}):\n    t = pd.read_csv({name})\n"
    )
    done = checked(source, text + f"else:\n    t = make()\n    t.to_csv({name})\n")
    assert not done.inputs and not kinds(done, "blocked")
    assert done.text.count("'outputs/kept.csv'") == (1 if name == "KEPT" else 4)


def test_a_name_in_a_folder_is_not_the_file_of_that_name_elsewhere(source: Path) -> None:
    for place in ("d.csv", "data/d.csv"):
        (source / "code" / place).parent.mkdir(exist_ok=True)
        (source / "code" / place).write_text(place, encoding="utf-8")
    text = (
        "import os\nimport pandas as pd\ndef load(folder, name):\n    return pd.read_csv(os.path.join(folder, name))\n"
    )
    done = checked(source, text + "t = load('data', 'd.csv')\n")
    assert [(one.name, one.path) for one in done.inputs] == [("data", source / "code" / "data")]
    assert "load(args.data, 'd.csv')" in done.text


def test_a_default_counts_beside_what_is_given(source: Path) -> None:
    text = "import pandas as pd\ndef load(path='x.csv'):\n    return pd.read_csv(path)\nload()\nload('y.csv')\n"
    assert [one.flag for one in checked(source, text).inputs] == ["--x", "--y"]
    assert [one.flag for one in checked(source, text.replace("load()", "load(*a)")).inputs] == ["--y"]


# Properties and lines


def test_lines_are_those_of_the_original(source: Path) -> None:
    original = "from azureml.core import Run\nimport joblib\n\nrun = Run.get_context()\nrun.log('a', x)\n\njoblib.dump(m, 'm.pkl')\n"
    text = rewrite(original, "code/train.py", True).text
    done = check(text, "code/train.py", True, Modules({}, source, source / "code"), original)
    assert [note.where for note in done.notes] == ["code/train.py:7"]


STATEMENTS = st.sampled_from(
    ["x = 1", "import os", "def f(a, *b):\n\treturn a", "if x:\n\tpass\nelse:\n\ty = (1,\n  2)", "# note", "", "s = '''a\n  b'''",
     "import pandas as pd", "t = pd.read_csv(p)", "t.to_csv(q)", "open('outputs/a', 'w')", "import numpy as np\nnp.float64(1)",
     "args = parser.parse_args()", "plt.show", "password = ask()", "with open(p) as h: h.read()", "λ = 'ß'", "print('data/x.csv')"]
)  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STATEMENTS, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_code_that_keeps_the_contract_comes_back_byte_for_byte(
    tmp_path: Path, parts: list[str], newline: str, last: bool, mark: bool
) -> None:
    text = ("\ufeff" if mark else "") + "\n".join(parts).replace("\n", newline) + (newline if last else "")
    done = check(text, "train.py", False, Modules({}, tmp_path, tmp_path))
    assert (done.text, done.notes, done.inputs, done.travels) == (text, [], [], [])


BREACHES = st.sampled_from(
    ["import pandas as pd", "t = pd.read_csv('../data/x.csv')", "DATA = 'C:\\\\d\\\\x.csv'", "open(DATA)", "joblib.dump(m, 'm.pkl')",
     "import joblib", "password = 'hunter2hunter2'", "plt.show()", "if x:\n    plt.show()",
     "import matplotlib.pyplot as plt", "breakpoint()", "t.to_csv(f'a{x}.csv')", "import argparse\np = argparse.ArgumentParser()",
     "args = p.parse_args()", "def f(p):\n    return open(p)", "f('x.csv')", "open('x.csv', 'w')", "import glob", "glob.glob('d/*.csv')",
     "if x: breakpoint()", "import os", "os.makedirs('models')", "open(os.path.join('models', 'a'), 'w')"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(BREACHES, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_the_result_parses_and_is_final(tmp_path: Path, parts: list[str], newline: str, is_entry: bool) -> None:
    text = "\n".join(["import os", *parts, ""]).replace("\n", newline)
    once = check(text, "train.py", is_entry, Modules({}, tmp_path, tmp_path))
    ast.parse(once.text)
    again = check(once.text, "train.py", is_entry, Modules({}, tmp_path, tmp_path))
    assert again.text == once.text
    assert again.model == once.model
    assert "hunter2" not in once.text + repr(once.notes)
    assert all(1 <= int(note.where.rpartition(":")[2]) <= text.count("\n") + 1 for note in once.notes)


WRITES = {
    "plt.savefig('a.png')": ["log_image('a', path='a.png')", "mlflow.log_artifact('a.png')", "plt.imread('a.png')",
                             "mlflow.log_artifact(local_path='a.png')", "log_file('plots', 'a.png')"],
    "joblib.dump(m, 'm.pkl')": ["shutil.copy('m.pkl', 'outputs/n.pkl')", "os.path.getsize('m.pkl')",
                                "os.remove('m.pkl')", "archive.write('m.pkl')", "load('m.pkl')"],
    "m.save_model('m.json')": ["xgb.Booster(model_file='m.json')", "m.load_model('m.json')", "lgb.Booster('m.json')"],
    "m.save_pretrained('bert')": ["AutoModel.from_pretrained('bert')", "mlflow.log_artifacts('bert')"],
    "cv2.imwrite('a.png', m)": ["cv2.imread('a.png')", "Image.open('a.png')"],
    "plt.savefig(f'a_{m}.png')": ["mlflow.log_artifact(f'a_{m}.png')"],
}  # fmt: skip
IMPORTS = "import os, shutil\nimport cv2, joblib, mlflow\nimport matplotlib.pyplot as plt\nfrom PIL import Image\n"


@pytest.mark.parametrize(("write", "read"), [(write, read) for write, reads in WRITES.items() for read in reads])
def test_what_is_written_below_outputs_is_read_there(source: Path, write: str, read: str) -> None:
    done = checked(source, f"{IMPORTS}{write}\n{read}\n")
    path = next(path for path in ("a.png", "m.pkl", "m.json", "bert", "a_{m}.png") if f"'{path}'" in write)
    for line in (write, read):
        assert line.replace(f"'{path}'", f"'outputs/{path}'") in done.text.replace('"', "'")
    assert done.inputs == []


def test_what_another_module_writes_is_a_result_everywhere(tmp_path: Path) -> None:
    keep = tmp_path / "keep.py"
    keep.write_text("import joblib\ndef keep(m):\n    joblib.dump(m, 'models/m.pkl')\n", encoding="utf-8")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.pkl").write_text("an old model", encoding="utf-8")
    modules = Modules({"keep.py": keep, "train.py": tmp_path / "train.py"}, tmp_path, tmp_path)
    text = "import joblib\nfrom keep import keep\nkeep(m)\njoblib.load('models/m.pkl').score(x, y)\n"
    done = check(text, "train.py", True, modules)
    assert "joblib.load('outputs/models/m.pkl')" in done.text and done.inputs == []
    before = check(text.replace("keep(m)\n", "") + "keep(m)\n", "train.py", True, modules)
    assert "outputs/models/m.pkl" not in before.text  # the old one is read, and then written


@pytest.mark.parametrize(
    ("makes", "becomes"),
    [
        ("os.mkdir('plots')", "os.makedirs('outputs/plots', exist_ok=True)"),
        ("os.makedirs('plots')", "os.makedirs('outputs/plots', exist_ok=True)"),
        ("pathlib.Path('plots').mkdir()", "pathlib.Path('outputs/plots').mkdir(exist_ok=True)"),
        ("os.makedirs('plots', exist_ok=True)", "os.makedirs('outputs/plots', exist_ok=True)"),
    ],
)
def test_a_folder_that_the_code_makes_may_be_there(source: Path, makes: str, becomes: str) -> None:
    text = f"import os\nimport pathlib\nimport matplotlib.pyplot as plt\n{makes}\nplt.savefig('plots/a.png')\n"
    assert becomes in checked(source, text).text
