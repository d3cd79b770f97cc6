"""The training packages that pyproject.toml repeats: differences are named with both lines, and repaired."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aml.checks.packages import check_packages, repair
from aml.errors import UserError
from support import Repository

CONDA = """\
name: demo-env
dependencies:
  - python=3.11
  - pip
  - pip:
      - mlflow-skinny==3.15.0 # a comment
      - pandas==3.1.1
      - joblib==1.6.0
"""
PYPROJECT = """\
[project]
name = "demo"
version = "1"
# One environment
dependencies = [
  # aml: the command line
  "aml-template @ file:///x",
  # training: the packages of train-conda.yml
  "mlflow-skinny==3.15.0",
  "pandas==3.1.1", # tables
  "joblib==1.6.0",
  # tests
  "pytest>=8.4,<10",
]

[tool.other]
dependencies = ["pandas==1"]
"""


def model(folder: Path, pyproject: str = PYPROJECT, conda: str = CONDA) -> Path:
    (folder / "aml_config").mkdir(exist_ok=True)
    (folder / "aml_config" / "train-conda.yml").write_bytes(conda.encode())
    (folder / "pyproject.toml").write_bytes(pyproject.encode())
    return folder


@dataclass(frozen=True)
class Case:
    """An edit of pyproject.toml, what is found then, and what the repair makes of the lines that were edited."""

    id: str
    old: str
    new: str
    finding: str | None
    repaired: str = ""


CASES = [
    Case("version", "pandas==3.1.1", "pandas==3.0.0",
         r"pyproject\.toml:10: pandas==3\.0\.0 differs from pandas==3\.1\.1 \(.*train-conda\.yml:7\): ",
         "pandas==3.1.1"),
    Case("missing", '  "joblib==1.6.0",\n', "",
         r"pyproject\.toml:\d+: joblib==1\.6\.0 \(.*train-conda\.yml:8\) is not in ", '  "joblib==1.6.0",\n'),
    Case("first missing", '  "mlflow-skinny==3.15.0",\n', "", r".* mlflow-skinny==3\.15\.0 \(.*yml:6\) is not in ",
         '  "mlflow-skinny==3.15.0",\n'),
    Case("one more", '  "joblib==1.6.0",\n', '  "joblib==1.6.0",\n  "seaborn==0.13", # plots\n',
         r"pyproject\.toml:12: seaborn==0\.13 is not in .*train-conda\.yml:2", '  "joblib==1.6.0",\n'),
    Case("blanks", '"pandas==3.1.1"', "'Pandas == 3.1.1'", None),
    Case("order", '  "mlflow-skinny==3.15.0",\n  "pandas==3.1.1", # tables\n',
         '  "pandas==3.1.1", # tables\n  "mlflow-skinny==3.15.0",\n', None),
    Case("a comment within", '  "joblib', '  # stores the model\n  "joblib', None),
    Case("no comments", "  # tests\n", "", None),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_difference_is_named_with_both_lines_and_repaired(tmp_path: Path, case: Case) -> None:
    assert PYPROJECT.count(case.old) == 1
    root = model(tmp_path, PYPROJECT.replace(case.old, case.new))
    findings = [str(finding) for finding in check_packages(root)]
    if not case.finding:
        assert findings == []
        return
    assert len(findings) == 1
    assert re.search(case.finding, findings[0]), findings[0]
    assert [str(finding) for finding in repair(root)] == findings
    assert (root / "pyproject.toml").read_bytes() == PYPROJECT.replace(case.old, case.repaired).encode()


def test_versions_are_repaired_without_the_comments_and_others_are_left(tmp_path: Path) -> None:
    bare = re.sub(r"(?m)^  #.*\n", "", PYPROJECT).replace("pandas==3.1.1", "pandas")
    root = model(tmp_path, bare)
    assert len(repair(root)) == 1
    assert (root / "pyproject.toml").read_text() == bare.replace('"pandas"', '"pandas==3.1.1"')


def test_the_extra_training_counts_where_there_is_one(tmp_path: Path) -> None:
    extra = '\n[project.optional-dependencies]\ntraining = ["mlflow-skinny==3.15.0", "pandas==1", "six"]\n'
    root = model(tmp_path, PYPROJECT + extra)
    assert len(list(check_packages(root))) == 3
    repair(root)
    repaired = extra.replace('"pandas==1", "six"', '"pandas==3.1.1", "joblib==1.6.0"')
    text = (root / "pyproject.toml").read_text()
    assert tomllib.loads(text) == tomllib.loads(PYPROJECT + repaired)
    assert text.startswith(PYPROJECT)
    assert list(check_packages(root)) == []


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "x"\ndependencies = ["aml-template"]\n',  # the training code is tested elsewhere
        '[tool.x]\ndependencies = ["pandas==1"]\n',
        '[project]\nname = "x"\ndynamic = ["dependencies"]\n',
    ],
)
def test_a_file_that_repeats_nothing_is_sound(tmp_path: Path, text: str) -> None:
    root = model(tmp_path, text)
    assert list(check_packages(root)) == []
    assert repair(root) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[project]\nname = "x"\ndependencies = ["""pandas==1"""]\n', "cannot be edited safely"),
        ('[project]\nname = "x"\ndependencies = ["pandas==1", "pandas==2"]\n', "pandas is listed more than once"),
        ('project = {name = "x", dependencies = ["pandas==1"]}\n', "cannot be edited safely"),
        ("[project\n", r"pyproject\.toml:1: not TOML"),
    ],
)
def test_what_cannot_be_repaired_safely_is_left_and_says_why(tmp_path: Path, text: str, says: str) -> None:
    root = model(tmp_path, text)
    with pytest.raises(UserError, match=says):
        repair(root)
    assert (root / "pyproject.toml").read_text() == text
    assert [path.name for path in root.iterdir() if path.is_file()] == ["pyproject.toml"]


NAMES = ["mlflow-skinny", "pandas", "joblib", "scikit-learn", "torch", "six"]
VERSIONS = ["", "==1.0", ">=2,<3", "[extra]==4"]
PACKAGES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VERSIONS)), unique_by=lambda one: one[0])
COMMENTS = st.sampled_from(["", " # why", ' # "quoted", [x]'])
LINES = st.tuples(st.sampled_from(["  ", "    ", "\t"]), COMMENTS, st.sampled_from(['"', "'"]))


@settings(max_examples=200, deadline=None)
@given(
    wanted=PACKAGES.filter(bool),
    listed=PACKAGES,
    style=LINES,
    ending=st.sampled_from(["\n", "\r\n"]),
    is_marked=st.booleans(),
    last_comma=st.booleans(),
    inline=st.booleans(),
)
def test_after_the_repair_nothing_is_found_and_all_else_is_as_before(
    tmp_path_factory: pytest.TempPathFactory,
    wanted: list[tuple[str, str]],
    listed: list[tuple[str, str]],
    style: tuple[str, str, str],
    ending: str,
    is_marked: bool,
    last_comma: bool,
    inline: bool,
) -> None:
    indent, comment, quote = style
    own = [f"{quote}{name}{version}{quote}" for name, version in listed]
    others = ['"aml-template @ file:///x"', '"pytest>=8"']
    if inline:
        array = f"[{', '.join([others[0], *own, others[1]])}]"
    else:
        marks = ([f"{indent}# training: packages"], [f"{indent}# tests"]) if is_marked else ([], [])
        lines = [f"{indent}{others[0]},", *marks[0], *(f"{indent}{one},{comment}" for one in own), *marks[1]]
        array = "\n".join(["[", *lines, f"{indent}{others[1]}{',' if last_comma else ''}", "]"])
    text = f'# top\n[project]\nname = "x" # {quote}\ndependencies = {array}\n\n[tool.x]\ny = ["z"] # end\n'
    text = text.replace("\n", ending)
    conda = json.dumps({"dependencies": ["python=3.11", {"pip": [name + version for name, version in wanted]}]})
    root = model(tmp_path_factory.mktemp("model"), text, conda)
    before = (root / "pyproject.toml").read_bytes()
    found = list(check_packages(root))
    try:
        repaired = repair(root)
    except UserError:
        assert (root / "pyproject.toml").read_bytes() == before
        raise
    assert repaired == found
    assert list(check_packages(root)) == []
    after = (root / "pyproject.toml").read_bytes()
    assert found or after == before
    packages = re.compile("|".join(NAMES).encode())
    kept = [
        [line for line in content.splitlines(keepends=True) if not packages.search(line)] for content in (before, after)
    ]
    assert inline or kept[0] == kept[1]
    assert after.split(b"dependencies = ")[0] == before.split(b"dependencies = ")[0]
    assert after.split(b"[tool.x]")[1] == before.split(b"[tool.x]")[1]


def test_the_verb_repairs_and_says_what(repository: Repository) -> None:
    pyproject = repository.path / "pyproject.toml"
    before = pyproject.read_bytes()
    pyproject.write_bytes(before.replace(b"pandas==3.1.1", b"pandas==3.1.0"))
    assert "pandas==3.1.0 differs from pandas==3.1.1" in repository.aml("check", status=1).stdout
    lines = repository.aml("check", "--fix").stdout.splitlines()
    assert lines[0].startswith("repaired: pyproject.toml:")
    assert lines[1:] == ["to install them: pip install -e .", "aml_config/: nothing to fix"]
    assert pyproject.read_bytes() == before
    assert repository.aml("check", "--fix").stdout == "aml_config/: nothing to fix\n"
    pyproject.write_bytes(b"[project\n")
    refused = repository.aml("check", "--fix", status=1)
    assert "aml: not repaired: pyproject.toml:1: not TOML" in refused.stderr
    assert pyproject.read_bytes() == b"[project\n"
