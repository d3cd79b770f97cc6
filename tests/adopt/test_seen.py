"""seen.py: what a run read and left is written into the script, where the script names it, and refused where not."""
# ruff: noqa: E501  # a case a line reads best

import ast
import posixpath
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aml.adopt import DataInput
from aml.adopt.convert.code import Code
from aml.adopt.convert.seen import Files, convert


def seen(
    root: Path, text: str, read: str = "", left: str = "", words: str = "train.py", folder: str = ".", made: str = ""
) -> Code | str:
    """What becomes of a script in this folder that read and left these files; those that it read are there."""
    for name in read.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a\n1\n", encoding="utf-8")
    files = Files(tuple(words.split()), folder, *(frozenset(names.split()) for names in (read, left, made)))
    done = convert(Code("train.py", {"train.py": text}), files, root, root / folder / "train.py", set())
    if isinstance(done, Code):
        ast.parse(str(done.files["train.py"]))
    return done


def text_of(done: Code | str) -> str:
    assert isinstance(done, Code), done
    return str(done.files["train.py"])


@pytest.mark.parametrize(
    ("lines", "code", "kind", "place"),
    [
        ('t = pd.read_csv("data/x.csv")\n', "t = pd.read_csv(args.x)\n", "uri_file", "data/x.csv"),
        ('DATA = r"data\\x.csv"\nt = pandas.read_csv(DATA)\n', "DATA = args.data\n", "uri_file", "data/x.csv"),
        ('D = "data"\nt = open(os.path.join(D, "x.csv"))\n', "D = args.d\n", "uri_folder", "data"),
        ('t = open(f"{FOLDER}/x.csv")\n', "", "", ""),
        ('t = (Path("./data/") / "x.csv").read_text()\n', '(Path(os.path.join(args.data, "")) / "x.csv")', "uri_folder", "data"),
        ('t = helpers.load("data/x.csv", sep=";")\n', 't = helpers.load(args.x, sep=";")\n', "uri_file", "data/x.csv"),
        ('c = {"data": "data/x.csv"}\nt = read(c["data"])\n', 'c = {"data": args.x}\nt = read(c["data"])\n', "uri_file", "data/x.csv"),
        ('t = Path(__file__).parent / "data" / "x.csv"\n', 't = Path(__file__).parent / args.data / "x.csv"\n', "uri_folder", "data"),
    ],
)  # fmt: skip
def test_data_that_the_script_names_comes_by_an_option(
    tmp_path: Path, lines: str, code: str, kind: str, place: str
) -> None:
    done = seen(tmp_path, lines, read="data/x.csv")
    if not code:
        assert done == "data/x.csv is read where train.py does not name it"
        return
    assert code in text_of(done) and isinstance(done, Code)
    [entry] = done.inputs
    assert (entry.type, entry.path) == (kind, tmp_path / place)
    assert f'parser.add_argument("{entry.flag}", default=' in text_of(done)
    assert [note.code for note in done.notes] == ["data"]


def test_the_scripts_own_parser_gets_the_option(tmp_path: Path) -> None:
    text = "import argparse\ndef main(args):\n    return open('data/x.csv')\ndef parse():\n"
    text += "    p = argparse.ArgumentParser()\n    p.add_argument('--c')\n    return p.parse_args()\nmain(parse())\n"
    new = text_of(seen(tmp_path, text, read="data/x.csv"))
    line = "    p.add_argument('--c')\n    p.add_argument(\"--x\", default='data/x.csv', help=\"data: a file\")\n"
    assert line.splitlines()[-1] in new and "return open(args.x)\n" in new and "parse_known_args" not in new


def test_a_default_that_is_read_makes_its_option_the_input(tmp_path: Path) -> None:
    text = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--table', default='data/x.csv')\n"
    done = seen(tmp_path, text + "open(p.parse_args().table)\n", read="data/x.csv")
    assert text_of(done).startswith(text) and isinstance(done, Code)
    assert done.inputs == [DataInput("table", "uri_file", tmp_path / "data" / "x.csv", "--table")]


@pytest.mark.parametrize(
    ("lines", "code", "left", "made"),
    [
        ('joblib.dump(m, "m.pkl")\n', 'joblib.dump(m, "outputs/m.pkl")\n', "m.pkl", "outputs"),
        ("dump(value=m, filename='a/m.pkl')\n", "filename='outputs/a/m.pkl')\n", "a/m.pkl", "outputs"),
        ('F = "models"\nos.mkdir(F)\ndump(m, os.path.join(F, "m.pkl"))\n', 'F = "outputs/models"\n', "models/m.pkl", "outputs"),
        ('t.to_csv("t_{}.csv".format(n))\n', 't.to_csv("outputs/t_{}.csv".format(n))\n', "t_1.csv", "outputs"),
        ('t.to_csv("t_%d.csv" % n)\n', 't.to_csv("outputs/t_%d.csv" % n)\n', "t_1.csv", "outputs"),
        ('t.to_csv(f"r/t_{n}.csv")\n', 't.to_csv(f"outputs/r/t_{n}.csv")\n', "r/t_1.csv r/t_2.csv", "outputs"),
        ('dump(m, "m.pkl")\nn = load("m.pkl")\nlog_artifact("m.pkl")\n', 'load("outputs/m.pkl")\nlog_artifact("outputs/m.pkl")', "m.pkl", "outputs"),
        ('import mlflow\nmlflow.log_artifact("m.pkl", "m.pkl")\n', 'mlflow.log_artifact("outputs/m.pkl", "m.pkl")\n', "m.pkl", "outputs"),
        ('OUT = "made"\nt.to_csv(OUT + "/x.csv")\n', 'OUT = "outputs/made"\n', "made/x.csv", "outputs/made"),
        ('open("./outputs/m.pkl", "wb")\n', 'open("./outputs/m.pkl", "wb")\n', "outputs/m.pkl", ""),
        ('open("outputs/x/m.pkl", "wb")\n', 'open("outputs/x/m.pkl", "wb")\n', "outputs/x/m.pkl", ""),
    ],
)  # fmt: skip
def test_results_that_the_script_names_go_below_outputs(
    tmp_path: Path, lines: str, code: str, left: str, made: str
) -> None:
    done = seen(tmp_path, lines, left=left, made="made")
    assert code in text_of(done) and isinstance(done, Code) and done.inputs == []
    assert (f'os.makedirs("{made}", exist_ok=True)\n' in text_of(done)) == bool(made)


def test_a_folder_that_is_there_is_made_below_outputs(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    done = seen(tmp_path, 'dump(m, "models/m.pkl")\n', left="models/m.pkl")
    assert 'os.makedirs("outputs/models", exist_ok=True)' in text_of(done)


def test_a_notebook_names_what_lies_above_it(tmp_path: Path) -> None:
    text = 'read("../data/x.csv")\ndump(m, "../models/m.pkl")\n'
    new = text_of(seen(tmp_path, text, read="data/x.csv", left="models/m.pkl", folder="notebooks"))
    assert 'read(args.x)\ndump(m, "outputs/models/m.pkl")\n' in new


@pytest.mark.parametrize(
    ("lines", "read", "left", "why"),
    [
        ('t = read("t.csv")\nt.to_csv("t.csv")\n', "t.csv", "t.csv", "t.csv is read and written"),
        ('B = "base"\nread(B + "/d.csv")\ndump(B + "/m.pkl")\n', "base/d.csv", "base/m.pkl", "base is read and written"),
        ("dump(keep(m))\n", "", "models/m.pkl", "models/m.pkl is written where train.py does not name it"),
        ('read(config["path"])\n', "a.csv", "", "a.csv is read where train.py does not name it"),
        ('read("data/{}.csv".format(name))\n', "data/a.csv", "", "data/a.csv is read where train.py does not name it"),
    ],
)  # fmt: skip
def test_what_the_script_does_not_name_is_refused(tmp_path: Path, lines: str, read: str, left: str, why: str) -> None:
    assert seen(tmp_path, lines, read=read, left=left) == why


@pytest.mark.parametrize(
    "line",
    ['"""models"""\n', 'x["models"]\n', 'x == "models"\n', '{"models": 1}\n', 'import mlflow\nmlflow.log_artifacts(x, "models")\n',
     'f(name="models")\n'],
)  # fmt: skip
def test_a_word_that_is_no_path_stays(tmp_path: Path, line: str) -> None:
    new = text_of(seen(tmp_path, f'{line}dump("models/m.pkl")\n', left="models/m.pkl"))
    assert line.splitlines()[-1] in new and '"outputs/models/m.pkl"' in new


def test_arguments_that_name_results_are_moved(tmp_path: Path) -> None:
    text = "import sys\ndump(sys.argv[2])\n"
    done = seen(tmp_path, text, left="models/m.pkl", words="train.py --out models")
    assert isinstance(done, Code) and done.moved["models"] == "outputs/models"
    assert done.results == {"--out": "outputs/models"} and text_of(done) == text


def test_an_argument_that_exists_and_is_only_written_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    code = Code("train.py", {"train.py": ""}, [DataInput("models", "uri_folder", tmp_path / "models")])
    files = Files(("train.py", "models"), ".", frozenset(), frozenset({"models/m.pkl"}), frozenset())
    done = convert(code, files, tmp_path, tmp_path / "train.py", set())
    assert isinstance(done, Code) and done.inputs == [] and done.moved == {"models": "outputs/models"}


PARTS = st.sampled_from(["a", "b c", "ä", "x.csv", "data"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(posixpath.sep.join)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATHS, PATHS, st.sampled_from(["'", '"', "r'"]))
def test_each_text_that_names_a_file_is_changed(tmp_path: Path, read: str, left: str, quote: str) -> None:
    """Or it is said why not; and each file that was read is named by an input, each one that was left by outputs/."""
    files = Files((), ".", frozenset({read}), frozenset({left}), frozenset())
    text = f"load({quote}{read}{quote[-1]})\ndump({quote}{left}{quote[-1]})\n"
    done = convert(Code("train.py", {"train.py": text}), files, tmp_path, tmp_path / "train.py", set())
    if f"{left}/".startswith(f"{read}/") or f"{read}/".startswith(f"{left}/"):
        assert isinstance(done, str)
        return
    assert isinstance(done, Code) and [data.path for data in done.inputs] == [tmp_path / read]
    literals = {node.value for node in ast.walk(ast.parse(text_of(done))) if isinstance(node, ast.Constant)}
    assert f"outputs/{left}" in literals and left not in literals


def test_a_text_for_people_is_no_path(tmp_path: Path) -> None:
    lines = 'import argparse\np = argparse.ArgumentParser(description="data")\np.add_argument("--a", help="data", metavar="data")\n'
    lines += 'a = p.parse_args()\nt = open(a.a or "data/x.csv")\n'
    done = text_of(seen(tmp_path, lines, read="data/x.csv"))
    assert 'description="data"' in done and 'help="data", metavar="data"' in done and "a.a or a.x" in done
