"""What expressions are worth before anything runs: asked of Python itself, and of small projects."""

from __future__ import annotations

import os
from pathlib import Path

import libcst as cst
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aml.adopt.python.static import Modules, Values
from aml.adopt.python.syntax import Tree

HEAD = "import os\nfrom pathlib import Path\n"


def values(root: Path, text: str, **others: str) -> Values:
    """The values of code/train.py with this text; `others` are modules beside it, by their names."""
    files = {"train.py": root / "code" / "train.py"}
    for name, content in others.items():
        files[f"{name}.py"] = root / "code" / f"{name}.py"
        files[f"{name}.py"].parent.mkdir(parents=True, exist_ok=True)
        files[f"{name}.py"].write_text(content, encoding="utf-8")
    return Values(Tree(text), root / "code" / "train.py", Modules(files, root, root / "code"))


def value(root: Path, text: str, **others: str) -> object:
    """What the last statement's expression is worth."""
    found = values(root, text, **others)
    line = found.tree.module.body[-1]
    assert isinstance(line, cst.SimpleStatementLine)
    last = line.body[0]
    assert isinstance(last, cst.Expr)
    return found.of(last.value)


NAMES = st.sampled_from(["data", "x.csv", "a/b", "..", ".", "", "ä b"]).map(repr)


def more(parts: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    texts = parts.filter(lambda part: part[0] == "str").map(lambda part: part[1])
    paths = parts.filter(lambda part: part[0] == "Path").map(lambda part: part[1])
    return st.one_of(
        st.tuples(texts, texts).map(lambda two: ("str", f"os.path.join({two[0]}, {two[1]})")),
        st.tuples(texts, texts).map(lambda two: ("str", f"({two[0]} + {two[1]})")),
        texts.map(lambda one: ("str", f"os.path.dirname({one})")),
        paths.map(lambda one: ("str", f"str({one})")),
        paths.map(lambda one: ("str", f"{one}.as_posix()")),
        texts.map(lambda one: ("Path", f"Path({one})")),
        st.tuples(paths, texts).map(lambda two: ("Path", f"({two[0]} / {two[1]})")),
        st.tuples(paths, texts).map(lambda two: ("Path", f"{two[0]}.joinpath({two[1]})")),
        paths.map(lambda one: ("Path", f"{one}.parent")),
        st.tuples(paths, st.integers(0, 2)).map(lambda two: ("Path", f"{two[0]}.parents[{two[1]}]")),
    )


EXPRESSIONS = st.recursive(
    st.one_of(NAMES.map(lambda name: ("str", name)), st.just(("str", "__file__")), st.just(("Path", "Path(__file__)"))),
    more,
    max_leaves=6,
)


@given(EXPRESSIONS, st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_paths_are_what_python_makes_of_them(tmp_path: Path, made: tuple[str, str], named: bool) -> None:
    code = made[1]
    try:
        expected = eval(code, {"os": os, "Path": Path, "__file__": str(tmp_path / "code" / "train.py")})  # noqa: S307  # made here
    except IndexError:  # parents[2] of a short path
        expected = None
    assert value(tmp_path, f"{HEAD}made = {code}\nmade\n" if named else f"{HEAD}{code}\n") == expected


def test_resolve_and_abspath_settle_what_hangs_on_the_file(tmp_path: Path) -> None:
    for code in ('(Path(__file__) / ".." / "..").resolve() / "data"', "Path(__file__).absolute().parents[1] / 'data'"):
        assert value(tmp_path, f"{HEAD}{code}\n") == tmp_path / "data"
    code = "os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))"
    assert value(tmp_path, f"{HEAD}{code}\n") == str(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "load"),
    [
        ("c.json", '{"data": {"path": ["a.csv"]}}', "import json\nwith open('c.json') as f:\n    c = json.load(f)\n"),
        ("c.json", '{"data": {"path": ["a.csv"]}}', "import json\nc = json.loads(Path('c.json').read_text())\n"),
        ("c.yaml", "data:\n  path: [a.csv]\n", "import yaml\nc = yaml.safe_load(open('c.yaml'))\n"),
        ("c.yml", "data:\n  path: [a.csv]\n", "import yaml\nc = yaml.load(open('c.yml').read(), yaml.SafeLoader)\n"),
        ("c.toml", '[data]\npath = ["a.csv"]\n', "import tomllib\nc = tomllib.load(open('c.toml', 'rb'))\n"),
        (
            "c.yaml",
            "data:\n  path: [a.csv]\n",
            "import yaml\ndef load():\n    with open('c.yaml') as f:\n        return yaml.safe_load(f)\nc = load()\n",
        ),
    ],
)
def test_settings_files_are_read(tmp_path: Path, name: str, content: str, load: str) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / name).write_text(content, encoding="utf-8")
    assert value(tmp_path, f"{HEAD}{load}c['data']['path'][0]\n") == "a.csv"
    assert value(tmp_path, f"{HEAD}{load}c.get('data')\n") == {"path": ["a.csv"]}
    assert value(tmp_path, f"{HEAD}{load}c['nothing']['path']\n") is None
    (tmp_path / "code" / name).write_text("{[", encoding="utf-8")
    assert value(tmp_path, f"{HEAD}{load}c['data']\n") is None


@pytest.mark.parametrize(
    "text",
    [
        "from config import DATA\nDATA\n",
        "import config\nconfig.DATA\n",
        "import config as c\nc.Paths.DATA\n",
        "from config import Paths\nPaths.DATA\n",
        "from config import Paths\np = Paths()\np.DATA\n",
        "from again import DATA\nDATA\n",
        "class A:\n    def __init__(self):\n        self.d = 'd'\na = A()\na.d + '/x.csv'\n",
        "import config\nclass A:\n    def __init__(self):\n        self.c = config.Paths()\na = A()\na.c.DATA\n",
        "class P:\n    a = 'd'\nclass A:\n    c = P()\n    b = c.a + '/x.csv'\nA.b\n",
        "from config import where\nwhere()\n",
        "import os\nos.environ.get('DATA', 'd/x.csv')\n",
        "import os\nDATA = os.getenv('DATA', 'd/x.csv')\nDATA\n",
        "name = 'x'\nf'd/{name}.csv'\n",
    ],
)
def test_names_are_followed(tmp_path: Path, text: str) -> None:
    config = "DATA = 'd/x.csv'\nclass Paths:\n    DATA = 'd/' + 'x.csv'\ndef where():\n    return DATA\n"
    assert value(tmp_path, text, config=config, again="from config import DATA\n") == "d/x.csv"


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.environ['DATA']\n",
        "x = 'a'\nx = 'b'\nx\n",
        "for x in ('a', 'b'):\n    pass\nx\n",
        "x = input()\nx\n",
        "def f(x):\n    return x\nf('a')\n",
        "x = x\nx\n",
        "def a():\n    return a()\na()\n",
        "from nowhere import x\nx\n",
        "f'{1:d}'\n",
        "{}['a']\n",
    ],
)
def test_what_is_not_certain_has_no_value(tmp_path: Path, text: str) -> None:
    assert value(tmp_path, text) is None


def test_options_of_click_and_typer(tmp_path: Path) -> None:
    text = (
        "import click\nimport typer\n@click.command()\n@click.option('--data-dir', '-d', default='a')\n"
        "@click.argument('out', default='b')\ndef main(data_dir, out): return data_dir + out\n"
        "def other(x: str = typer.Option('c', help='h')): return x\n"
    )
    found = values(tmp_path, text)
    first, second = (node.value for node in found.tree.all(cst.Return))
    assert (found.of(first), found.of(second)) == ("ab", "c")
