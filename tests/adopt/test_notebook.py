"""Notebooks become scripts that do the same without Jupyter. Python and jupytext judge the result."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupytext  # type: ignore[import-untyped]
import nbformat
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aml.adopt import UserError
from aml.adopt.notebooks import notebook

V3: Any = nbformat.v3  # these have no types
V4: Any = nbformat.v4
CODE, TEXT = V4.new_code_cell, V4.new_markdown_cell


def compiles(code: str) -> bool:
    try:
        compile(code, "cell", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def convert(folder: Path, *cells: Any, **metadata: Any) -> notebook.Script:
    """Convert a notebook of these cells; a plain text is a code cell."""
    made = V4.new_notebook(cells=[CODE(cell) if isinstance(cell, str) else cell for cell in cells], metadata=metadata)
    path = folder / "train.ipynb"
    path.write_text(json.dumps(made), encoding="utf-8")
    return notebook.convert(path, "work/train.ipynb")


def body(script: notebook.Script) -> str:
    """The script below its docstring."""
    first, _, rest = script.text.partition("\n\n")
    assert first == '"""Converted from train.ipynb."""'
    return rest


def texts(script: notebook.Script, kind: str) -> list[str]:
    return [
        f"{note.where.removeprefix('work/train.ipynb').strip()}: {note.text}"
        for note in script.notes
        if note.kind == kind
    ]


def test_a_whole_notebook(tmp_path: Path) -> None:
    script = convert(
        tmp_path,
        TEXT('# Iris "model"\nWhich *kind* is it?'),
        "%matplotlib inline\nimport math",
        TEXT("Some words.\n\n![plot](data:image/png;base64,aaaa)\n- more"),
        "x = math.sqrt(4)\nx",
        "",
        V4.new_raw_cell("raw"),
        "print(x)",
    )
    assert script.text == (
        '"""Iris \\"model\\"."""\n\n'
        "# %% [markdown]\n# Which *kind* is it?\n\n"
        "# %%\n# %matplotlib inline\nimport math\n\n"
        "# %% [markdown]\n# Some words.\n#\n# - more\n\n"
        "# %%\nx = math.sqrt(4)\nx\n\n"
        "# %%\nprint(x)\n"
    )
    assert [script.where(number) for number in (1, 7, 8, 14, 16, 20)] == [
        "",
        "work/train.ipynb cell 2",
        "work/train.ipynb cell 2",
        "work/train.ipynb cell 2",
        "work/train.ipynb cell 4",
        "work/train.ipynb cell 7",
    ]
    assert texts(script, "changed") == [": what only a notebook needs is left out: %matplotlib"]
    assert len(texts(script, "decide")) == 1 and "cell 4" in texts(script, "decide")[0]


def test_long_paragraphs_become_several_lines(tmp_path: Path) -> None:
    script = convert(tmp_path, TEXT("Some words. " * 50), "x = 1")
    lines = body(script).split("\n\n")[0].split("\n")[1:]
    assert all(len(line) <= 120 for line in lines)
    assert " ".join(line.removeprefix("# ") for line in lines) == " ".join(["Some words."] * 50)


LOOKS_LIKE_MAGIC = "x = (7\n  %3)\ny = '''\n%cd\n!ls\n?\n'''\nz = x \\\n  %2"
# a cell, what it becomes
CELLS = {
    "dropped": ("%load_ext autoreload\n%autoreload 2\nx = 1", "# %load_ext autoreload\n# %autoreload 2\nx = 1"),
    "cell time": ("%%time\nx = 1", "x = 1"),
    "cell in cell": ("%%capture\n%%time\n%matplotlib inline\nx = 1", "# %matplotlib inline\nx = 1"),
    "cell timeit": ("%%timeit -n 3 x = 1\ny = x", "x = 1\ny = x"),
    "line time": ("%time x = max(1, 2)", "x = max(1, 2)"),
    "line timeit": ("for i in [1]:\n    %timeit -n 10 -r3 max(i, 2)", "for i in [1]:\n    max(i, 2)"),
    "only line of a block": ("if True:\n    !nvidia-smi\nx = 1", "if True:\n    pass  # !nvidia-smi\nx = 1"),
    "continued": ("!ls \\\n  -l\nx = 1", "# !ls \\\n# -l\nx = 1"),
    "environment": ("%env A=b c\nx = 1", "os.environ['A'] = 'b c'\nx = 1"),
    "environment read": ("x = %env HOME", 'x = os.environ["HOME"]'),
    "help": ("x = 1\nx?\n?max\nmax??", "x = 1\n# x?\n# ?max\n# max??"),
    "no magic": (LOOKS_LIKE_MAGIC, LOOKS_LIKE_MAGIC),
    "no magic beside magic": (f"!ls\n{LOOKS_LIKE_MAGIC}", f"# !ls\n{LOOKS_LIKE_MAGIC}"),
    "without the %": ("pip install pandas\nx = 1", "# pip install pandas\nx = 1"),
    "indented": ("    x = 1\n    y = 2", "x = 1\ny = 2"),
    "display": ("from IPython.display import display\ndisplay(1)", "# from IPython.display import display\nprint(1)"),
    "display without import": ("display(1)", "print(1)"),
    "own display": ("def display(x): ...\ndisplay(1)", "def display(x): ...\ndisplay(1)"),
    "pictures": ("from IPython.display import Image\ndisplay(Image('a'))\nx = 1",
                 "# from IPython.display import Image\n# display(Image('a'))\nx = 1"),
    "get_ipython": ("get_ipython().run_line_magic('matplotlib', 'inline')\nx = 'colab' in str(get_ipython())",
                    "# get_ipython().run_line_magic('matplotlib', 'inline')\nx = 'colab' in str(None)"),
    "colab": ("if False:\n    from google.colab import drive\n    drive.mount('/content')",
              "if False:\n    pass  # from google.colab import drive\n    pass  # drive.mount('/content')"),
    "colab or not": ("try:\n    import google.colab\n    x = 1\nexcept ImportError:\n    x = 0",
                     "try:\n    import google.colab\n    x = 1\nexcept ImportError:\n    x = 0"),
    "tqdm": ("from tqdm.notebook import tqdm", "from tqdm.auto import tqdm"),
    "global": ("x = 1\ndef f():\n    global x", "x = 1\ndef f():\n    global x"),
    "shell cell": ("%%bash\nls\nrm x", "# %%bash\n# ls\n# rm x"),
    "html cell": ("%%html\n<b>", "# %%html\n# <b>"),
    "secret": ("!git clone https://me:pw@example.com/x", "# !git clone https://example.com/x"),
}  # fmt: skip


@pytest.mark.parametrize("case", CELLS)
def test_what_a_cell_becomes(tmp_path: Path, case: str) -> None:
    source, expected = CELLS[case]
    script = convert(tmp_path, source)
    assert body(script).removeprefix("import os  # for %env\n\n") == f"# %%\n{expected}\n"
    assert texts(script, "blocked") == []
    compile(script.text, "script", "exec")


@pytest.mark.parametrize(
    ("cell", "requirements", "told"),
    [
        ("!pip install -q pandas 'numpy>=1.16' joblib==0.13.2", ["pandas", "numpy>=1.16", "joblib==0.13.2"], []),
        ("%pip install --upgrade pandas>=1.0 > /dev/null 2>&1", ["pandas>=1.0"], []),
        ("!{sys.executable} -m pip install pandas && ls", ["pandas"], []),
        ("!python3 -m pip install 'pandas[excel]'; echo", ["pandas[excel]"], []),
        ("%conda install -y -c conda-forge numpy=1.16 conda-forge::pandas", ["numpy==1.16.*", "pandas"], []),
        ("!conda install pytorch cudatoolkit=10.1", ["torch"], ["cudatoolkit=10.1"]),
        ("%uv pip install pandas", ["pandas"], []),
        ("!pip install git+https://example.com/a/b.git@v1", ["git+https://example.com/a/b.git@v1"], []),
        ("!pip install -e git+https://example.com/a#egg=a", ["git+https://example.com/a#egg=a"], []),
        ("!pip install -r a.txt --extra-index-url=https://u:p@example.com/", [], ["-r a.txt, --extra-index-url"]),
        ("!pip install . x.whl {name}", [], ["., x.whl, {name}"]),
        ("if True:\n    !pip install pandas\n    %pip install pandas", ["pandas"], []),
        ("!pip list", [], None),
    ],
)  # fmt: skip
def test_install_lines_become_requirements(
    tmp_path: Path, cell: str, requirements: list[str], told: list[str] | None
) -> None:
    script = convert(tmp_path, cell)
    assert script.requirements == requirements
    assert len(texts(script, "taken")) == len(requirements)
    if told is not None:
        assert texts(script, "decide") == [
            f"cell 1: {one} of an install line is not taken over: see to train-conda.yml" for one in told
        ]
    assert "u:p@" not in script.text + repr(script.notes)


@pytest.mark.parametrize(
    ("cells", "where", "text"),
    [
        (
            ["files = !ls", "len(files)"],
            "cell 1",
            "`files = !ls` is left out, and `files` (work/train.ipynb cell 2 line 1)",
        ),
        (["%%capture out\nx = 1", "print(out)"], "cell 1", "%%capture out is left out, and `out`"),
        (["%%sql table <<\nselect 1", "print(table)"], "cell 1", "%%sql is left out, and `table`"),
        (["%%R -i x -o a,b\na <- x", "print(b)"], "cell 1", "%%R is left out, and `b`"),
        (
            ["%run helpers.ipynb", "x = 1\nhelp_me(x)"],
            "cell 2 line 2",
            "no cell makes `help_me`, and `%run` is left out",
        ),
        (["x = 1\nprint x"], "cell 1 line 2", "not Python 3 (Missing parentheses"),
        (["x = 1", "%%time\n\nx = = 2"], "cell 2 line 3", "not Python 3 (invalid syntax)"),
        (["!ls\nreturn 3"], "cell 1 line 2", "not Python 3 ('return' outside function)"),
        (["async def f(): ...", "x = 1\nawait f()"], "cell 2 line 2", "await outside of a function"),
        (
            ["from ipywidgets import interact\n@interact\ndef f(): ..."],
            "cell 1 line 2",
            "`interact` of ipywidgets works",
        ),
    ],
)
def test_what_cannot_be_converted_is_blocked(tmp_path: Path, cells: list[str], where: str, text: str) -> None:
    script = convert(tmp_path, *cells)
    [found] = texts(script, "blocked")
    assert found.startswith(f"{where}: {text}")
    compile(script.text, "script", "exec")


@pytest.mark.parametrize(
    "cell", ["!make", "%%bash\nls", "files = !ls", "%cd ..", "%run other.ipynb", "%%cython\nx", "lost"]
)
def test_what_is_left_out_is_told(tmp_path: Path, cell: str) -> None:
    script = convert(tmp_path, cell)
    assert any(note.kind == "decide" and "cell 1" in note.where for note in script.notes)
    assert texts(script, "blocked") == []


def test_a_script_that_a_cell_runs_runs_in_the_script_too(tmp_path: Path) -> None:
    (tmp_path / "prep.py").write_text("import sys\nif __name__ == '__main__':\n    rows = sys.argv[1:]\n")
    script = convert(tmp_path, "%run prep.py 'a b.csv' 2", "print(rows)")
    assert texts(script, "blocked") == texts(script, "decide") == []
    (tmp_path / "train.py").write_text(script.text)
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "['a b.csv', '2']\n"


def test_parameters_are_candidates_for_options(tmp_path: Path) -> None:
    script = convert(tmp_path, CODE("rate = 0.1", metadata={"tags": ["parameters"]}))
    assert "\nrate = 0.1\n" in script.text
    assert [found[:27] for found in texts(script, "decide")] == ["cell 1: papermill's paramete"[:27]]


def test_files_that_the_notebook_writes(tmp_path: Path) -> None:
    script = convert(
        tmp_path,
        "%%writefile own/helpers.py\nA = 1\n",
        "%%writefile -a own/helpers.py\nB = 2",
        "%%writefile ../x.py\nC",
        "%%writefile $folder/y.py\nD",
        "from own.helpers import A",
    )
    assert [found.split(" is")[0] for found in texts(script, "changed")] == [
        "cell 1: %%writefile own/helpers.py",
        "cell 2: %%writefile own/helpers.py",
    ]
    assert [found.split(":")[0] for found in texts(script, "decide")] == ["cell 3", "cell 4"]


def test_future_imports_and_globals_hold_for_the_whole(tmp_path: Path) -> None:
    script = convert(tmp_path, "x: int = 1", "from __future__ import annotations\nglobal x\nx = 2")
    assert script.text.startswith('"""Converted from train.ipynb."""\n\nfrom __future__ import annotations\n\n# %%\n')
    space: dict[str, Any] = {}
    exec(compile(script.text, "script", "exec"), space)  # noqa: S102  # made here
    assert space["x"] == 2


def test_reads_the_third_version_of_the_format(tmp_path: Path) -> None:
    cells = [V3.new_heading_cell("Old"), V3.new_code_cell("x = 1")]
    path = tmp_path / "train.ipynb"
    path.write_text(V3.writes_json(V3.new_notebook(worksheets=[V3.new_worksheet(cells=cells)])), encoding="utf-8")
    assert notebook.convert(path, "train.ipynb").text == '"""Old."""\n\n# %%\nx = 1\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a notebook"),
        ("{", "is not a notebook"),
        ("[]", "is not a notebook"),
        ("{}", "is not a notebook"),
        ('{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": []}', "has no code"),
        ('{"nbformat": 9, "nbformat_minor": 4, "metadata": {}, "cells": []}', "is not a notebook"),
    ],
)
def test_refuses_what_is_no_notebook(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=rf"^a\.ipynb {reason}"):
        notebook.convert(tmp_path / "a.ipynb", "a.ipynb")
    with pytest.raises(UserError, match=r"b\.ipynb: "):
        notebook.convert(tmp_path / "b.ipynb", "b.ipynb")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}, "of r: only Python"),
        ({"language_info": {"name": "julia"}}, "of julia: only Python"),
        ({"kernelspec": {"name": "spark", "display_name": "Spark", "language": "scala"}}, "of scala: only Python"),
        ({"kernelspec": {"name": "python2", "display_name": "Python", "language": "python"}}, "of Python 2"),
        ({"language_info": {"name": "python", "version": "2.7.18"}}, "of Python 2"),
    ],
)
def test_refuses_other_languages(tmp_path: Path, metadata: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        convert(tmp_path, "x = 1", "!ls\nprint 'a'", **metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "python2", "display_name": "Python 2", "language": "python"}},
        {"language_info": {"name": "python", "version": "2.7.18"}},
    ],
)
def test_a_kernel_of_python_2_counts_only_where_the_code_is_python_2(tmp_path: Path, metadata: dict[str, Any]) -> None:
    script = convert(tmp_path, "%matplotlib inline\nfrom __future__ import print_function\nprint('a', 3)", **metadata)
    assert texts(script, "blocked") == [] and "print('a', 3)" in script.text
    assert any("its kernel is Python 2" in text for text in texts(script, "changed"))


def test_the_script_runs_without_jupyter(tmp_path: Path) -> None:
    script = convert(
        tmp_path,
        "%matplotlib inline\nfrom IPython.display import display, HTML\nimport json",
        "%%time\nrows = [json.loads(str(n)) for n in range(3)]",
        "display(HTML('<b>'))\ndisplay(rows)\nget_ipython().run_line_magic('who', '')\nrows",
        "!ls\n%time total = sum(rows)\ntotal?",
        "print('total', total)",
    )
    (tmp_path / "train.py").write_text(script.text, encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(tmp_path / "train.py")]  # -S: no package is there
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONUTF8": "1"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 1, 2]\ntotal 3\n", "")


# Code that stands on its own in any order, with what looks like magic in it.
STATEMENTS = st.sampled_from(
    [
        "x = 1", "x = (7\n  %3)", "x = '''\n%matplotlib\n!ls\n\n'''", 'y = "a\x0cb"', "y = 'a\u2028b\x1cc'", "x",
        "\n\n", "if True:\n    x = 2\n\n    y = 3", "def f(a):\n\n    return a % 2", "# %% a comment", "# !ls \\",
        "global x", "from __future__ import annotations", "x = 5 \\\n  % 3", "x: int = 3",
        "class A:\n    '''?'''\n    b = 1",
        "x = [\n1,\n# ?\n2]", "print(f'{x!r}')", "lambda: (yield)", "x = '\\\n%ls'", "def g():\n\tglobal y\n\ty = 1",
        "try:\n  x\nexcept Exception: pass", "# coding: latin-1", "z = 'ä'; z",
    ]
)  # fmt: skip
MAGICS = st.sampled_from(
    ["%matplotlib inline", "!ls", "!ls \\\n -l", "%time x = 1", "x?", "%pip install a", "%load_ext a", "?x"]
)


def is_future(line: str) -> bool:
    return line.startswith("from __future__")


def code_cells(statements: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    cell = st.lists(statements, min_size=1, max_size=4).map(
        lambda lines: "\n".join(sorted(lines, key=lambda line: not is_future(line)))
    )
    return st.lists(cell, min_size=1, max_size=5).filter(lambda cells: any(cell.strip() for cell in cells))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(code_cells(STATEMENTS).filter(lambda cells: all(map(compiles, cells))))
@example(["x = 1", "global x"])
@example(["# coding: latin-1\nz = 'ä'"])
def test_every_line_of_plain_cells_is_kept_in_order(tmp_path: Path, cells: list[str]) -> None:
    script = convert(tmp_path, *cells)
    assert texts(script, "blocked") == []
    compile(script.text.encode("utf-8"), "script", "exec")  # from bytes, as Python reads a file
    body = script.text.split("\n")
    changed = [line for cell in cells for line in cell.split("\n") if line == "global x" or is_future(line)]
    kept = [line for cell in cells if cell.strip() for line in cell.strip("\n").split("\n") if line not in changed]
    at = 0
    for line in kept:
        at = body.index(line, at) + 1
    again = jupytext.reads(script.text, "py:percent")
    assert len([cell for cell in again.cells if cell.cell_type == "code"]) >= len(script.lines)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(code_cells(STATEMENTS.filter(lambda code: code != "global x" and not is_future(code)) | MAGICS), st.data())
def test_magic_between_statements_changes_no_statement(tmp_path: Path, cells: list[str], data: st.DataObject) -> None:
    script = convert(tmp_path, *cells)
    assert texts(script, "blocked") == []
    plain = "\n".join(line for cell in cells for line in without_magic(cell))
    expected = [ast.dump(node) for node in ast.parse(plain).body]
    assert [ast.dump(node) for node in ast.parse(script.text).body][1:] == expected


def without_magic(cell: str) -> list[str]:
    """The cell with each magic, which begins a statement here, taken out as whole text."""
    text = f"\n{cell}\n"
    for magic in ("!ls \\\n -l", "%matplotlib inline", "%time x = 1", "x?", "%pip install a", "%load_ext a", "?x"):
        text = text.replace(f"\n{magic}\n", "\nx = 1\n" if "time" in magic else "\n\n")
        text = text.replace(f"\n{magic}\n", "\nx = 1\n" if "time" in magic else "\n\n")
    inside = "'''\n%matplotlib\n!ls\n\n'''"
    text = (
        text.replace(inside, "INSIDE").replace("\n!ls\n", "\n\n").replace("\n!ls\n", "\n\n").replace("INSIDE", inside)
    )
    return text.split("\n")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(max_size=40) | st.lists(STATEMENTS | MAGICS | st.text(max_size=9), max_size=4).map("\n".join),
        max_size=4,
    ),
    st.text(max_size=30),
)
def test_anything_in_cells_gives_a_script_that_compiles(tmp_path: Path, cells: list[str], heading: str) -> None:
    try:
        script = convert(tmp_path, TEXT(f"# {heading}\n{heading}"), *cells)
    except UserError as refusal:
        reason = str(refusal)
        assert "has no code" in reason
    else:
        compile(script.text.encode("utf-8"), "script", "exec")
        assert script == notebook.convert(tmp_path / "train.ipynb", "work/train.ipynb")


PLT, SNS, PD = "import matplotlib.pyplot as plt", "import seaborn as sns", "import pandas as pd\nd = pd.read_csv(p)"


@pytest.mark.parametrize(
    "cells",
    [
        [PLT, "plt.plot(x)"],
        [PLT, "fig, ax = plt.subplots()\nax.plot(x);"],
        [PLT, "for c in x:\n    plt.hist(c)"],
        [PLT, "def f(x):\n    plt.plot(x)\ndef g(x):\n    f(x)", "g(1)"],
        [PLT, SNS, "sns.heatmap(x)  # all of it"],
        [PLT, PD, "d.hist()"],
        [PLT, PD, "d['a'].value_counts().plot(kind='bar')"],
        [PLT, PD, "d.groupby('a').b.mean().plot.bar()"],
        ["from matplotlib import pyplot as plt", "plt.scatter(x, y)\nplt.title('a')"],
    ],
)
def test_what_a_cell_draws_is_shown(tmp_path: Path, cells: list[str]) -> None:
    script = convert(tmp_path, "p = x = y = 1", *cells, "z = 1")
    assert body(script) == "\n".join(f"# %%\n{cell}\n" for cell in ["p = x = y = 1", *cells[:-1], f"{cells[-1]}\nplt.show()", "z = 1"])  # fmt: skip  # noqa: E501
    assert texts(script, "changed") == [
        f"cell {len(cells) + 1}: a notebook shows what the cell draws: show() does so at its end"
    ]


@pytest.mark.parametrize(
    "cell",
    [
        "plt.plot(x)\nplt.show()",
        "plt.plot(x)\nplt.savefig('a.png')",
        "fig = plt.figure()\nfig.savefig('a.png')",
        "plt.style.use('ggplot')\nplt.rcParams['a'] = 1\nsns.set()",
        "def f(x):\n    plt.plot(x)",
        "f = lambda x: plt.plot(x)",
        "class A:\n    def plot(self):\n        plt.plot(self)\n    def hist(self): ...\nA().hist()",
        "def f(x):\n    plt.plot(x)\n    plt.show()\nf(1)",
        "x.plot(1)\nx.hist()",
        "plot(1)",
    ],
)
def test_what_draws_nothing_stays(tmp_path: Path, cell: str) -> None:
    first = f"{PLT}\n{SNS}\nx = plot = print"
    script = convert(tmp_path, first, cell)
    assert body(script) == f"# %%\n{first}\n\n# %%\n{cell}\n"


def test_pyplot_is_imported_where_a_notebook_does_without(tmp_path: Path) -> None:
    script = convert(tmp_path, SNS, "sns.pairplot(x)", "import matplotlib.pyplot as plt")
    assert body(script).startswith("import matplotlib.pyplot as plt\n\n# %%\nimport seaborn as sns\n")
    assert "sns.pairplot(x)\nplt.show()\n" in body(script)
    script = convert(tmp_path, SNS, "plt = sns.pairplot(x)")
    assert body(script).startswith("import matplotlib.pyplot\n\n")
    assert body(script).endswith("plt = sns.pairplot(x)\nmatplotlib.pyplot.show()\n")
