"""The training environment: reading what a project has, and resolving it."""

import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from uv import find_uv_bin

from aml.adopt import Note, UserError
from aml.adopt.packages import conda, package_files, resolver
from aml.adopt.packages.conda import Packages, build
from aml.adopt.packages.declared import Declared
from aml.adopt.packages.package_files import poetry_specifier, read, read_inline
from aml.adopt.packages.proof import Tried, prove
from aml.adopt.packages.resolver import Conflict, Resolver, floor
from aml.jobfile import conda as of_template
from aml.jobfile.conda import conda_requirement
from aml.local.environments import scripts
from support import GENERATED

PRESENT = f"{sys.version_info.major}.{sys.version_info.minor}"
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}([._-][a-z0-9]{1,8})?", fullmatch=True).map("x{}".format)
NUMBERS = st.lists(st.integers(0, 300), min_size=1, max_size=4)
VERSIONS = NUMBERS.map(lambda numbers: ".".join(map(str, numbers)))
CLAUSES = st.builds("{}{}".format, st.sampled_from(["==", ">=", "<=", "<", ">", "!=", "~=1."]), VERSIONS)
SPECIFIERS = st.lists(CLAUSES, max_size=3).map(",".join)
RANGES = st.lists(CLAUSES.filter(lambda text: text[:2] not in ("==", "~=")), max_size=3).map(",".join)
EXTRAS = st.lists(NAMES, max_size=2, unique=True).map(lambda names: f"[{','.join(names)}]" if names else "")
MARKERS = st.sampled_from(["", " ; python_version < '3.8'", "; sys_platform == 'win32' and extra == 'a'"])
HASHES = st.sampled_from(["", " --hash=sha256:" + "a" * 64, " \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb"])
BUILDS = st.sampled_from(["", "=py36_0"])
COMMENTS = st.sampled_from(["", "  # why", " #==2 --x"])
OLD_PINS = "azureml-defaults numpy==1.16.2 scikit-learn==0.20.3 scipy==1.2.1 pandas==0.25.3 joblib==0.13.2".split()
ANCESTOR = {"dependencies": ["python=3.6.2", {"pip": OLD_PINS}]}


def written(root: Path, files: Mapping[str, str]) -> list[Path]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8", newline="\n")
    return [root / name for name in files]


def of(root: Path, name: str, text: str) -> Declared:
    return read(written(root, {name: text})[0], root)


def asked(declared: Declared) -> list[str]:
    return [str(entry.requirement) for entry in declared.entries]


def notes(kind: str, among: list[Note]) -> list[str]:
    return [f"{note.where}: {note.text}" for note in among if note.kind == kind]


def built(root: Path, files: Mapping[str, str], imports: str = "", **more: Any) -> Packages:
    where = {name: f"train.py:{number}" for number, name in enumerate(imports.split(), 1)}
    return build(written(root, files), where, root, name="demo", template=GENERATED, **more)


@pytest.fixture
def unresolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that has each package in the version asked for, or in 9.9."""

    def newest(self: Resolver, requirements: list[Requirement]) -> dict[str, resolver.Found]:
        return {
            canonicalize_name(each.name): resolver.Found(floor(each) or "9.9") for each in requirements
        }  # fmt: skip

    monkeypatch.setattr(Resolver, "newest", newest)
    monkeypatch.setattr(Resolver, "_users", lambda *_: set())
    monkeypatch.setattr(Resolver, "has_wheel", lambda _, name: "nowhere" not in name)
    monkeypatch.setattr(conda, "_installed", lambda _: "")


# What the files say


@settings(max_examples=150)
@given(st.lists(st.tuples(NAMES, EXTRAS, SPECIFIERS, MARKERS, HASHES, COMMENTS), max_size=5))
def test_requirements_mean_what_packaging_says(lines: list[tuple[str, ...]]) -> None:
    text = "# head \\\n\n" + "\n".join("".join(parts) for parts in lines)
    declared = Declared("r.txt")
    package_files._requirements(text, declared, None)
    assert [entry.requirement for entry in declared.entries] == [Requirement("".join(parts[:4])) for parts in lines]
    assert declared.notes == []
    for entry, parts in zip(declared.entries, lines, strict=True):
        assert parts[0] in text.splitlines()[int(entry.where.split(":")[1]) - 1]


@settings(max_examples=150)
@given(
    name=st.sampled_from(["numpy", "scikit-learn", "huggingface_hub", "ruamel.yaml", "pytorch"]),
    channel=st.sampled_from(["", "conda-forge::", "conda-forge/linux-64::", "defaults :: "]),
    spec=st.one_of(
        st.builds("{}{}{}".format, st.sampled_from(["=", "==", " ", " =", " =="]), VERSIONS, BUILDS),
        st.builds("={}.*".format, VERSIONS),
        RANGES,
        st.sampled_from(["", "=*", " *"]),
    ),
)  # fmt: skip
def test_conda_specs_mean_what_the_template_makes_of_them(name: str, channel: str, spec: str) -> None:
    if re.fullmatch(r" [\d.]+=.*", spec):
        spec = spec.replace("=", " ")  # a build after blanks comes without =
    line = conda_requirement(channel + name + spec)
    assert line is not None
    [expected] = of_template.requirements({"dependencies": [channel + name + spec]}, "conda.yml")[1]
    assert Requirement(line) == Requirement(expected)


@settings(max_examples=150)
@given(numbers=NUMBERS.filter(any), other=NUMBERS)
def test_poetry_versions(numbers: list[int], other: list[int]) -> None:
    text, version = ".".join(map(str, numbers)), Version(".".join(map(str, other)))
    lowest = Version(text)
    padded = [*other, 0, 0, 0, 0]
    first = next(index for index, number in enumerate(numbers) if number)
    same = padded[: first + 1] == numbers[: first + 1]  # up to the first number that is not zero
    assert (version in SpecifierSet(poetry_specifier(f"^{text}"))) == (same and version >= lowest)
    same = padded[: min(2, len(numbers))] == numbers[:2]
    assert (version in SpecifierSet(poetry_specifier(f"~{text}"))) == (same and version >= lowest)
    assert SpecifierSet(poetry_specifier(text)) == SpecifierSet(f"=={text}")


@pytest.mark.parametrize(
    ("version", "specifier"),
    [("^1.2.3", ">=1.2.3,<2"), ("^0.2.3", ">=0.2.3,<0.3"), ("^0.0.3", ">=0.0.3,<0.0.4"), ("^0", ">=0,<1"),
     ("^0.0", ">=0.0,<0.1"), ("~1", ">=1,<2"), ("~1.2.3", ">=1.2.3,<1.3"), ("*", ""), ("1.*", "==1.*"),
     (">=1.2, <2", ">=1.2,<2"), (">=1.2 <2", ">=1.2,<2"), ("~=1.4", "~=1.4"), ("!=3", "!=3"), ("=1.0", "==1.0")],
)  # fmt: skip
def test_poetry_versions_by_example(version: str, specifier: str) -> None:
    assert poetry_specifier(version) == specifier


@pytest.mark.parametrize("version", ["^1 || ^2", "newest", ""])
def test_a_poetry_version_without_equal(version: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # its words are not shown
        poetry_specifier(version)


PYPROJECT = """
[project]
requires-python = ">=3.9"
dependencies = ["numpy>=1.2", "x[a,b]==1; python_version<'4'"]
[tool.setuptools.dynamic]
dependencies = {file = ["more.txt"]}
[tool.poetry.dependencies]
python = "^3.8"
pandas = "^1.2"
torch = {version = "~2.1", extras = ["opt"], markers = "sys_platform == 'linux'"}
mine = {path = "../mine"}
maybe = {version = "1", optional = true}
far = {git = "https://example.org/far.git", rev = "v1"}
odd = "^1 || ^2"
"""
SETUP_CFG = """
[options]
python_requires = >=3.7
install_requires =
  numpy>=1.2
  # a comment
  x; os_name=='nt'
"""
PIPFILE = """
[packages]
numpy = "*"
x = {version = "==1", extras = ["a"]}
[dev-packages]
y = "*"
[requires]
python_version = "3.8"
"""
SETUP = """
from setuptools import setup
NEEDS = ["numpy>=1.2", "x[a,b]==1"]
setup(name="a", python_requires=">=3.7", install_requires=NEEDS)
"""


@pytest.mark.parametrize(
    ("name", "text", "python", "requirements"),
    [
        ("environment.yml", "dependencies: [python=3.7, numpy>=1.2, 'x[version=1]', pip: ['a[b]==1 # c']]", "==3.7.*",
         ["numpy>=1.2", "a[b]==1"]),
        ("environment.yml", "dependencies:\n- python\n- conda-forge::pytorch=1.4\n- cudnn=7\n", "", ["torch==1.4.*"]),
        ("pyproject.toml", PYPROJECT, ">=3.9",
         ["numpy>=1.2", 'x[a,b]==1; python_version < "4"', "six", "pandas<2,>=1.2",
         'torch[opt]<2.2,>=2.1; sys_platform == "linux"', "far@ git+https://example.org/far.git@v1"]),
        ("setup.cfg", SETUP_CFG, ">=3.7", ["numpy>=1.2", 'x; os_name == "nt"']),
        ("setup.py", SETUP, ">=3.7", ["numpy>=1.2", "x[a,b]==1"]),
        ("setup.py", "import setuptools\nsetuptools.setup(install_requires=['a==1', *more, 'b'])", "", ["a==1", "b"]),
        ("Pipfile", PIPFILE, "==3.8", ["numpy", "x[a]==1"]),
    ],
)  # fmt: skip
def test_files_by_example(tmp_path: Path, name: str, text: str, python: str, requirements: list[str]) -> None:
    written(tmp_path, {"more.txt": "six"})
    declared = of(tmp_path, name, text)
    assert declared.python == python
    assert [Requirement(line) for line in asked(declared)] == [Requirement(line) for line in requirements]


@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        ("environment.yml", "dependencies:\n- numpy\n- 'six[version=1]'\n", 3, "no equal in pip"),
        ("environment.yml", "dependencies:\n- numpy\n- cudatoolkit=10\n", 3, "no Python package"),
        ("environment.yml", "dependencies:\n- pip:\n  - numpy\n  - ./a-1.whl\n", 4, "file of this machine"),
        ("requirements.txt", "a\n-e .[dev]\n", 2, "the code itself is in src/"),
        ("requirements.txt", "a\n-e ../b\n", 2, "file of this machine"),
        ("requirements.txt", "a\nC:\\wheels\\b.whl\n", 2, "file of this machine"),
        ("requirements.txt", "a\nb @ file:///tmp/build/b/work\n", 2, "folder of one machine"),
        ("requirements.txt", "a\n-r /etc/hosts\n", 2, "no such file"),
        ("requirements.txt", "a\nb=1\n", 2, "cannot be read as a package"),
        ("requirements.txt", "a\n--pre\n", 2, "'--pre' left out"),
        ("requirements.txt", "a\n-f https://download.pytorch.org/whl/torch_stable.html\n", 2, "PyPI has the same"),
        ("setup.py", "\nsetup(\n  install_requires=open('r').read(),\n)", 3, "computed"),
        ("pyproject.toml", "[tool.poetry.dependencies]\nodd = '^1 || ^2'\n", 2, "choice of versions"),
    ],
)  # fmt: skip
def test_what_cannot_travel_is_said_with_its_line(tmp_path: Path, name: str, text: str, line: int, said: str) -> None:
    [note] = of(tmp_path, name, text).notes
    assert note.where == f"{name}:{line}"
    assert said in note.text


@pytest.mark.parametrize("name", ["environment.yml", "pyproject.toml", "setup.cfg", "setup.py", "Pipfile"])
@pytest.mark.parametrize("text", ["[[[", "a: b: c", "\t-\n (", "dependencies: 3"])
def test_a_broken_file_is_said_and_not_used(tmp_path: Path, name: str, text: str) -> None:
    declared = of(tmp_path, name, text)
    assert declared.entries == []
    if declared.notes:
        assert "cannot be read and was not used" in declared.notes[0].text
    else:
        assert name in ("setup.cfg", "setup.py") and text == "dependencies: 3"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["requirements.txt", "environment.yml"])
def test_files_that_powershell_wrote(tmp_path: Path, name: str, encoding: str) -> None:
    conda = "dependencies:\r\n- pip:\r\n  - pandas==2.2.0\r\n  - numpy\r\n"
    text = "pandas==2.2.0\r\nnumpy\r\n" if name.endswith(".txt") else conda
    mark = "\ufeff" if encoding[-2:] in ("le", "be") else ""
    (tmp_path / name).write_bytes((mark + text).encode(encoding))
    declared = read(tmp_path / name, tmp_path)
    assert [str(entry.requirement) for entry in declared.entries] == ["pandas==2.2.0", "numpy"] and not declared.notes


SECRETS = [
    "--extra-index-url https://user:hunter2@example.org/simple",
    "-i https://${HUNTER2}@example.org/simple",
    "git+https://hunter2@example.org/a/b.git",
    "b @ https://example.org/b-1-py3-none-any.whl?sig=hunter2",
    "git+ssh://git@example.org/hunter2/b.git",
]


@pytest.mark.parametrize("line", SECRETS)
def test_no_credential_comes_out(tmp_path: Path, unresolved: None, line: str) -> None:
    result = built(tmp_path, {"requirements.txt": f"six\n{line}\n"})
    assert notes("decide", result.notes)[0].startswith("requirements.txt:2: ")
    assert "hunter2" not in repr(result).lower()


def test_requirements_of_requirements(tmp_path: Path) -> None:
    written(tmp_path, {"sub/base.txt": "numpy\n-r ../requirements.txt\n-c limits.txt", "sub/limits.txt": "pandas<2"})
    declared = of(tmp_path, "requirements.txt", "-r sub/base.txt\n--requirement=sub/base.txt\npandas\n")
    assert [(str(entry.requirement), entry.where) for entry in declared.entries][:2] == [
        ("numpy", "sub/base.txt:1"), ("numpy", "sub/base.txt:1"),
    ]  # fmt: skip
    assert [str(entry.requirement) for entry in conda._Work({}, "3.11").taken(declared)] == ["numpy", "pandas<2"]


def test_nothing_of_the_source_runs(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    of(tmp_path, "setup.py", f"open({str(ran)!r}, 'w')\nfrom setuptools import setup\nsetup(install_requires=['a'])")
    of(tmp_path, "environment.yml", f"dependencies: [!!python/object/apply:os.mkdir ['{ran}']]")
    assert not ran.exists()


# What becomes of it


def test_ancestors_python_and_packages_of_azure(tmp_path: Path, unresolved: None) -> None:
    text = "dependencies: [python=3.6.2, pip: [azureml-sdk, azureml-defaults==1.2, ipykernel, 'mlflow==3.17.0', six]]"
    result = built(tmp_path, {"environment.yml": text}, "azureml.core mlflow os train")
    assert result.python == "3.11"
    template = conda.read_template(GENERATED).azure
    assert result.requirements == [*map(str, template), f"mlflow{template[1].specifier}", "six==9.9"]
    changed = "\n".join(notes("changed", result.notes))
    for said in (
        "Python 3.11 instead of 3.6.2",
        "azureml-sdk left out",
        "azureml-defaults left out",
        "ipykernel left out",
    ):
        assert said in changed
    assert f"mlflow==3.17.0 is mlflow{template[1].specifier}" in changed


def test_a_line_of_debian_is_left_out(tmp_path: Path, unresolved: None) -> None:
    result = built(tmp_path, {"requirements.txt": "pkg-resources==0.0.0\nsix==1.16.0\n"}, "six")
    assert result.requirements[2:] == ["six==1.16.0"]
    assert "requirements.txt:1: pkg-resources==0.0.0 left out" in notes("changed", result.notes)[0]


def test_the_conda_file_is_one_that_the_template_builds(tmp_path: Path, unresolved: None) -> None:
    lines = "-r more.txt\n--extra-index-url https://example.org/simple\nx @ git+https://example.org/x@v1\ntorch==1.9+cu111\n"
    written(tmp_path, {"more.txt": "numpy"})
    result = built(tmp_path, {"requirements.txt": lines})
    conda = yaml.safe_load(result.text)
    python, pip, _ = of_template.requirements(conda, "train-conda.yml")
    assert python == result.python == "3.11"
    assert pip == ["--extra-index-url https://example.org/simple", *result.requirements]
    assert result.requirements[2:] == ["numpy==9.9", "x @ git+https://example.org/x@v1", "torch==1.9"]
    assert conda["name"] == "demo"
    template = (GENERATED / "aml_config" / "train-conda.yml").read_text(encoding="utf-8")
    assert result.text.count("#") == 1 and result.text.splitlines()[0] == template.splitlines()[0]


@pytest.mark.parametrize(
    ("python", "chosen"),
    [("3.12", "3.12"), ("3.13.1", "3.13"), (">=3.7", "3.11"), (">=3.12", "3.12"), ("==3.9.*", "3.11"), ("<3.9", "3.11"),
     ("~=3.12.0", "3.12")],
)  # fmt: skip
def test_a_supported_python_is_kept(tmp_path: Path, unresolved: None, python: str, chosen: str) -> None:
    spec = f"={python}" if python[0].isdigit() else python
    result = built(tmp_path, {"environment.yml": f"dependencies: ['python{spec}', six]"})
    assert result.python == chosen
    assert bool(notes("changed", result.notes)) == (python in ("==3.9.*", "<3.9"))


def test_a_full_export_shrinks_to_what_the_code_imports(tmp_path: Path, unresolved: None) -> None:
    items = [f"lib{number}=1.2.{number}=h12_0" for number in range(200)]
    items += ["python=3.8.5=x_1", "numpy=1.19.2=py38_0", "pandas=1.1.3=py38_0", "openssl=1.1.1k=h_0", "xlrd=1.2.0=py_0"]
    text = "name: a\ndependencies:\n" + "".join(f"  - {item}\n" for item in items)
    text += "  - pip:\n    - scikit-learn==0.23.2\n    - wrapt==1.1\nprefix: /home/someone/envs/a\n"
    result = built(tmp_path, {"environment.yml": text}, "sklearn pandas")
    assert result.requirements[2:] == ["numpy==1.19.2", "pandas==1.1.3", "xlrd==1.2.0", "scikit-learn==0.23.2"]
    assert any("kept are the 4 that" in line for line in notes("taken", result.notes))
    assert len(result.notes) < 6 and "someone" not in repr(result)


HASHED = " \\\n    --hash=sha256:" + "a" * 64
PINS = ("numpy==1.24.2", "pandas[performance]==1.5.3", "scikit-learn==1.2.1", "pytz==2022.7")


@pytest.mark.parametrize(
    ("marker", "python", "said"),
    [
        ('python_version >= "3.8" and python_full_version < "3.9.0"', "3.11", "Python 3.11 instead of 3.8"),
        ('python_full_version >= "3.7.1" and python_version < "3.10"', "3.11", "Python 3.11 instead of >=3.7,<3.10"),
        ('python_version >= "3.8" and python_version < "4.0"', "3.11", ""),
        ('python_version >= "3.12" and python_version < "4.0"', "3.12", ""),
    ],
)
@pytest.mark.parametrize("hashed", [HASHED, ""])
def test_an_export_of_poetry_is_lifted_as_other_pins_are(
    tmp_path: Path, unresolved: None, marker: str, python: str, said: str, hashed: str
) -> None:
    lines = [f"{pin} ; {marker}{hashed}" for pin in PINS]
    lines += [f'colorama==0.4.6 ; {marker} and platform_system == "Windows"{hashed}']
    lines += [f'zipp==3.1 ; {marker} and python_version < "3.6"{hashed}']
    result = built(tmp_path, {"requirements.txt": "\n".join(lines) + "\n"}, "numpy pandas sklearn")
    assert result.python == python
    assert result.requirements[2:] == ["numpy==1.24.2", "pandas[performance]==1.5.3", "scikit-learn==1.2.1"]
    assert [line.split(", which")[0] for line in notes("changed", result.notes)] == [f"requirements.txt: {said}"] * (
        said != ""
    )
    assert len(notes("taken", result.notes)) == 1 and not notes("decide", result.notes)


def test_a_backport_is_left_out_where_python_has_it(tmp_path: Path, unresolved: None) -> None:
    result = built(tmp_path, {"requirements.txt": "six==1.16\ndataclasses==0.8; python_version < '3.7'\n"})
    assert result.requirements[2:] == ["six==1.16"]
    assert notes("changed", result.notes) == [
        "requirements.txt:2: dataclasses left out: not meant for Linux and Python 3.11"
    ]


def test_imports_without_any_file(tmp_path: Path, unresolved: None) -> None:
    written(tmp_path, {"own.py": "", "train.py": "", "helpers/a.py": ""})
    result = built(tmp_path, {}, "os own helpers.a sklearn.svm PIL cv2 yaml strange nowhere azureml.core pkg_resources")
    names = [Requirement(line).name for line in result.requirements[2:]]
    assert names == ["scikit-learn", "pillow", "opencv-python-headless", "pyyaml", "strange", "setuptools"]
    decide = notes("decide", result.notes)
    assert (
        decide[0].startswith("train.py:8: imports strange: strange added")
        and "nowhere" in decide[1]
        and len(decide) == 2
    )


def test_imports_that_no_file_lists(tmp_path: Path, unresolved: None) -> None:
    files = {"environment.yml": "dependencies: [scikit-learn=1.4]", "requirements.txt": "scipy==1.2\nscikit-learn==9\n"}
    extra = [("seaborn", "a.ipynb:3"), "pandas==1"]
    result = built(tmp_path, files, "sklearn pandas scipy strange matplotlib.pyplot", extra=extra)
    expected = ["scikit-learn==1.4", "seaborn==9.9", "pandas==1", "scipy==1.2", "matplotlib==9.9"]
    assert result.requirements[2:] == expected
    assert notes("decide", result.notes)[0].startswith("train.py:4: imports strange")


def test_conda_dependencies_within_a_runconfig(tmp_path: Path, unresolved: None) -> None:
    inline = ("a.runconfig:7", {"dependencies": ["python=3.12", "numpy=1.26", {"pip": ["six==1.16"]}]})
    result = build([inline], {}, tmp_path, name="demo", template=GENERATED)
    assert result.python == "3.12"
    assert result.requirements[2:] == ["numpy==1.26", "six==1.16"]
    assert read_inline(inline[1], inline[0]).entries[0].where == "a.runconfig:7"


def test_same_input_same_output(tmp_path: Path, unresolved: None) -> None:
    files = {"requirements.txt": "b==1\na==2\nc\n"}
    assert built(tmp_path, files, "sklearn pandas") == built(tmp_path, files, "sklearn pandas")


@settings(max_examples=100)
@given(SPECIFIERS.filter(bool))
def test_a_lifted_requirement_takes_what_it_took_from_its_lower_bound_on(specifier: str) -> None:
    requirement = Requirement(f"x{specifier}")
    if floor(requirement):
        assert all(each.operator in ("<", "<=") or Version(each.version) <= Version(floor(requirement))
                   for each in requirement.specifier if each.operator != "!=")  # fmt: skip
        assert Version(floor(requirement)) in resolver.loosened(requirement).specifier
    else:
        assert all(each.operator == "!=" for each in requirement.specifier)


# What uv makes of it, with its package index


@pytest.mark.parametrize(
    ("requirement", "python", "becomes"),
    [
        ("scikit-learn==0.20.3", "3.11", "scikit-learn==1.1.3"),
        ("PyYAML==5.1", "3.11", "PyYAML==6.0"),
        ("pandas==0.25.*", "3.12", "pandas==2.1.1"),
        ("six==1.11.0", "3.11", "six==1.11.0"),
        ("numpy<1.17", "3.11", "numpy==1.23.2"),
    ],
)
def test_only_what_does_not_install_is_lifted_and_no_further(requirement: str, python: str, becomes: str) -> None:
    assert [str(each) for each in Resolver(python).lifted([Requirement(requirement)])] == [becomes]


def test_numpy_1_for_wheels_from_before_numpy_2() -> None:
    old, new = Requirement("scikit-learn==1.1.3"), Requirement("scikit-learn==1.5.2")
    assert Resolver("3.11").numpy_1([old]) == ("1.23.2", "scikit-learn")
    assert Resolver("3.11").numpy_1([new]) is None
    with pytest.raises(Conflict):
        Resolver("3.11").numpy_1([old, Requirement("numpy>=2")])


def test_an_unknown_package_is_named_with_its_line(tmp_path: Path) -> None:
    result = built(tmp_path, {"requirements.txt": "six\naml-template-has-no-such-package==1\n"})
    [blocked] = notes("blocked", result.notes)
    assert blocked.startswith("requirements.txt:2: ") and "aml-template-has-no-such-package was not found" in blocked


def test_an_index_that_is_down_is_no_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="the package index cannot be asked"):
        built(tmp_path, {"requirements.txt": "six\n"})


class OldIndex(BaseHTTPRequestHandler):
    """A package index that has one old version of six (https://peps.python.org/pep-0503/)."""

    def do_GET(self) -> None:
        known = self.path == "/simple/six/"
        page = b'<a href="/six-1.4.0-py2.py3-none-any.whl">six-1.4.0-py2.py3-none-any.whl</a>' if known else b""
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_the_best_version_of_all_indexes(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OldIndex)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        index = f"--extra-index-url http://127.0.0.1:{server.server_address[1]}/simple"
        result = built(tmp_path, {"requirements.txt": f"{index}\nsix==1.16.0\n"})
        assert "six==1.16.0" in result.requirements and index in result.text and notes("blocked", result.notes) == []
        assert notes("decide", prove(result, []).notes) == notes("decide", result.notes)  # it installs, too
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_old_pins_that_change_their_interface(tmp_path: Path) -> None:
    result = built(tmp_path, {"requirements.txt": "tensorflow==1.15.0\nPyYAML==5.1\n"}, "tensorflow yaml")
    assert "tensorflow==2.12.0" in result.requirements and "PyYAML==6.0.2" in result.requirements
    decide = notes("decide", result.notes)
    assert "tensorflow.compat.v1" in decide[0] and "yaml.safe_load" in decide[1]


@pytest.mark.slow
def test_a_package_without_any_wheel_is_built(tmp_path: Path) -> None:
    lifted = Resolver("3.11")
    assert [str(each) for each in lifted.lifted([Requirement("hydra-core==1.1.0")])] == ["hydra-core==1.1.0"]
    assert lifted.sources == {"antlr4-python3-runtime"}


@pytest.mark.slow
def test_what_has_no_version_is_of_the_time_of_what_has(tmp_path: Path) -> None:
    lines = "seaborn==0.11.2\nmatplotlib\npandas>=1.3\n"
    result = built(tmp_path, {"requirements.txt": lines}, "seaborn matplotlib pandas")
    found = {line.split("==")[0]: Version(line.split("==")[1]) for line in result.requirements}
    assert found["matplotlib"] < Version("3.9")  # which lacks what seaborn 0.11 imports
    assert Version("1.5") <= found["pandas"] < Version("2.2")
    assert (
        "no versions were asked for, so those of the time of the others, until 202" in notes("taken", result.notes)[-1]
    )


@pytest.mark.slow
def test_the_ancestors_pins_lifted_install_and_train(tmp_path: Path) -> None:
    result = build([("a.yml", ANCESTOR)], {"sklearn": "train.py:1"}, tmp_path, name="demo", template=GENERATED)
    assert result.requirements[2:] == [
        "numpy==1.23.2", "scikit-learn==1.1.3", "scipy==1.9.2", "pandas==1.5.0", "joblib==1.0.0",
    ]  # fmt: skip
    uv, venv = str(find_uv_bin()), tmp_path / "venv"
    _, pip, _ = of_template.requirements(yaml.safe_load(result.text), "train-conda.yml")
    written(tmp_path, {"all.txt": "\n".join(pip)})
    subprocess.run([uv, "venv", "--quiet", "--python", result.python, str(venv)], check=True)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", str(venv), "-r", str(tmp_path / "all.txt")], check=True
    )
    code = (
        "import joblib, numpy, pandas, scipy, mlflow\nfrom sklearn.preprocessing import OneHotEncoder\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "x = OneHotEncoder(sparse=False).fit_transform(pandas.DataFrame({'a': ['b', 'c', 'b']}))\n"
        "joblib.dump(LogisticRegression(C=100).fit(x, [0, 1, 0]), 'm.pkl')\nprint(joblib.load('m.pkl').predict(x))"
    )
    python = scripts(venv) / ("python.exe" if os.name == "nt" else "python")
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert re.search(r"^\[0 1 0\]$", done.stdout, re.MULTILINE), done.stderr


def test_what_old_packages_import_without_asking_is_added(tmp_path: Path) -> None:
    wheel = tmp_path / "olden-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("olden/__init__.py", "import six, pkg_resources")
        file.writestr("olden/broken.py", "import aml_template_has_no_such_module")
        file.writestr("olden-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: olden\nVersion: 1\n")
        file.writestr("olden-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("olden-1.dist-info/RECORD", "")
    lines = [f"olden @ {wheel.as_uri()}"]
    given = Packages(PRESENT, lines, conda.conda_text("demo", "", PRESENT, [], lines), [])
    wanted = [
        Tried("olden", (), "train.py:1"),
        Tried("olden.broken", (), "train.py:2"),
        Tried("olden", ("gone",), "train.py:3"),
    ]
    result = prove(given, [*wanted, Tried("nowhere", (), "train.py:4")])
    assert [line.split("==")[0] for line in result.requirements] == [*lines, "six", "setuptools"]
    assert Version(result.requirements[2].split("==")[1]) < Version("82")
    assert of_template.requirements(yaml.safe_load(result.text), "c")[1] == result.requirements
    changed, decide, blocked = (notes(kind, result.notes) for kind in ("changed", "decide", "blocked"))
    places = [line.split(" ")[0] for line in changed + decide + blocked]
    assert places == ["train.py:1:", "train.py:1:", "train.py:2:", "train.py:3:"]
    assert "No module named 'aml_template_has_no_such_module'" in decide[0]
    assert "`from olden import gone` fails" in blocked[0] and "No module named 'olden.gone'" in blocked[0]


@pytest.mark.slow
def test_what_is_too_new_for_an_old_package_is_of_its_time() -> None:
    # statsmodels before 0.14.5 imports a name that SciPy 1.16 has no more, and asks for any SciPy.
    lines = ["statsmodels==0.14.4", "numpy<3"]
    given = Packages(PRESENT, lines, conda.conda_text("demo", "", PRESENT, [], lines), [])
    result = prove(given, [Tried("statsmodels.api", (), "train.py:1")])
    assert result.requirements[:2] == lines
    [note] = result.notes
    added = dict(line.split("==") for line in result.requirements[2:])
    assert Version("1.10") < Version(added["scipy"]) < Version("1.16") and Version(added["pandas"]) < Version("3")
    assert f"scipy=={added['scipy']} added, of the time of statsmodels: `import statsmodels.api` fails" in note.text
    assert "cannot import name '_lazywhere' from 'scipy._lib._util')" in note.text and note.where == "train.py:1"


def test_a_python_that_is_not_here_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    given = Packages("3.99", ["six"], conda.conda_text("demo", "", "3.99", [], ["six"]), [])
    result = prove(given, [Tried("six", (), "a.py:1")])
    assert result.requirements == ["six"]
    assert "not tried" in result.notes[0].text
