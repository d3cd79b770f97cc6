"""contract.py: what no job can do is fixed where that is certain, and named with its line where not."""
# ruff: noqa: E501  # a case a line reads best

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aml.adopt.convert.contract import Checked, check
from aml.adopt.discover.needs import is_for_results
from aml.adopt.private import hide, is_secret
from aml.adopt.v1.sdk import rewrite

SAVED = 'import joblib\njoblib.dump(m, "outputs/m.pkl")\n'


def checked(text: str) -> Checked:
    """What check gives; the result parses, and checking it again changes nothing."""
    done = check(text, "code/train.py")
    if not any(note.kind == "blocked" for note in done.notes):
        ast.parse(done.text)
        again = check(done.text, "code/train.py")
        assert (again.text, again.model) == (done.text, done.model)
    return done


def kinds(done: Checked, kind: str) -> list[str]:
    return [note.where for note in done.notes if note.kind == kind]


def test_paths_stay_as_they_are() -> None:
    lines = 'import pandas as pd\nt = pd.read_csv("../data/x.csv")\nt.to_csv("models/x.csv")\n' + SAVED
    assert checked(lines).text == lines


def test_a_model_that_mlflow_saves_below_outputs_is_the_model() -> None:
    done = checked('import mlflow\nmlflow.sklearn.save_model(m, path="outputs/model")\n')
    assert (done.model, kinds(done, "changed")) == ("outputs/model", [])


@pytest.mark.parametrize(
    ("name", "leads"),
    [("--output-dir", True), ("out", True), ("save_path", True), ("--logdir", True), ("model_out", True), ("results", True),
     ("--dropout", False), ("--timeout", False), ("--catalog", False), ("--logistic", False), ("layout", False)],
)  # fmt: skip
def test_options_for_results_are_known_by_whole_words(name: str, leads: bool) -> None:
    assert is_for_results(name) == leads


# Nobody at the keyboard


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("n_trees = int(input('Trees? '))\n", "blocked", 'parser.add_argument("--n-trees", type=int, required=True)'),
        ("import getpass\np = getpass.getpass()\n", "blocked", "os.environ"),
        ("import pdb\npdb.set_trace()\n", "changed", "nobody is there"),
        ("breakpoint()\n", "changed", "nobody is there"),
    ],
)
def test_what_waits_for_somebody_is_named(line: str, kind: str, words: str) -> None:
    done = checked(line + SAVED)
    where = f"code/train.py:{line.count(chr(10))}"
    assert [note for note in done.notes if note.kind == kind and note.where == where and words in note.text]
    assert "set_trace" not in done.text and "breakpoint" not in done.text


def test_show_becomes_a_file() -> None:
    lines = "import matplotlib.pyplot as plt\nfor x in y:\n    plt.plot(x)\n    plt.show()  # now\n" + SAVED
    done = checked(lines)
    assert 'import matplotlib\nmatplotlib.use("Agg")\nimport matplotlib.pyplot as plt\n' in done.text
    assert '    plt.savefig("outputs/train-1.png")  # now\n    plt.close()\n' in done.text
    assert "show()" not in done.text


def test_input_as_a_name_of_the_code_is_no_input() -> None:
    lines = "def input(x):\n    return x\ny = input(1)\nclass pdb:\n    set_trace = print\npdb.set_trace()\n" + SAVED
    assert checked(lines).text == lines


# Old Python


@pytest.mark.parametrize(("text", "line"), [("x = 1\nprint 'a'\n", 2), ("def f():\n  x\n y\n", 3), ("try:\n  f()\nexcept E, e:\n  g()\n", 3), ("x = 1\0", 1)])  # fmt: skip
def test_what_is_not_python_3_is_blocked(text: str, line: int) -> None:
    done = checked(text)
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
def test_secrets_leave_the_code_and_are_told_to_nobody(line: str, code: str) -> None:
    done = checked(line)
    assert code in done.text
    assert done.text.count("import os\n") == 1
    [note] = [note for note in done.notes if note.kind == "decide"]
    assert "renew" in note.text
    for secret in (KEY, "hunter2", "PRIVATE KEY"):
        assert secret not in done.text + repr(done.notes)


def test_secrets_in_comments_and_f_strings() -> None:
    done = checked(f"x = 1  # AccountKey={KEY}\n")
    assert done.text == "x = 1  # (a secret was here)\n"
    done = checked(f'x = f"{{host}};AccountKey={KEY}"\n')
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
def test_what_is_no_secret_stays(line: str) -> None:
    done = checked(line)
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


# Properties and lines


def test_lines_are_those_of_the_original() -> None:
    original = (
        "from azureml.core import Run\nimport pdb\n\nrun = Run.get_context()\nrun.log('a', x)\n\npdb.set_trace()\n"
    )
    text = rewrite(original, "code/train.py", True).text
    done = check(text, "code/train.py", original)
    assert [note.where for note in done.notes] == ["code/train.py:7"]


STATEMENTS = st.sampled_from(
    ["x = 1", "import os", "def f(a, *b):\n\treturn a", "if x:\n\tpass\nelse:\n\ty = (1,\n  2)", "# note", "", "s = '''a\n  b'''",
     "import pandas as pd", "t = pd.read_csv(p)", "t.to_csv(q)", "open('outputs/a', 'w')", "import numpy as np\nnp.float64(1)",
     "args = parser.parse_args()", "plt.show", "password = ask()", "with open(p) as h: h.read()", "λ = 'ß'", "print('data/x.csv')"]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(STATEMENTS, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_code_that_keeps_the_contract_comes_back_byte_for_byte(
    parts: list[str], newline: str, last: bool, mark: bool
) -> None:
    text = ("\ufeff" if mark else "") + "\n".join(parts).replace("\n", newline) + (newline if last else "")
    done = check(text, "train.py")
    assert (done.text, done.notes) == (text, [])


BREACHES = st.sampled_from(
    ["import pandas as pd", "t = pd.read_csv('../data/x.csv')", "DATA = 'C:\\\\d\\\\x.csv'", "open(DATA)", "joblib.dump(m, 'm.pkl')",
     "import joblib", "password = 'hunter2hunter2'", "plt.show()", "if x:\n    plt.show()",
     "import matplotlib.pyplot as plt", "breakpoint()", "t.to_csv(f'a{x}.csv')", "import argparse\np = argparse.ArgumentParser()",
     "args = p.parse_args()", "def f(p):\n    return open(p)", "f('x.csv')", "open('x.csv', 'w')", "import glob", "glob.glob('d/*.csv')",
     "if x: breakpoint()", "import os", "os.makedirs('models')", "open(os.path.join('models', 'a'), 'w')"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(BREACHES, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_the_result_parses_and_is_final(parts: list[str], newline: str) -> None:
    text = "\n".join(["import os", *parts, ""]).replace("\n", newline)
    once = check(text, "train.py")
    ast.parse(once.text)
    again = check(once.text, "train.py")
    assert again.text == once.text
    assert again.model == once.model
    assert "hunter2" not in once.text + repr(once.notes)
    assert all(1 <= int(note.where.rpartition(":")[2]) <= text.count("\n") + 1 for note in once.notes)
