"""Conda files: what a specification stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from aml.errors import UserError
from aml.jobfile import conda_names
from aml.jobfile.conda import requirements
from aml.jobfile.job import Job
from jobfile import make_conda_names

NAMES = st.sampled_from(["a2wsgi", "numpy", "pandas", "scikit-learn", "huggingface_hub", "ruamel.yaml", "zope.event"])
VERSIONS = st.lists(st.integers(0, 2030), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
CHANNELS = st.sampled_from(["", "conda-forge::", "conda-forge/linux-64::", "defaults :: "])
BUILDS = st.sampled_from(["", "0", "py311_0", "h1234_cpython"])


def pip_of(*dependencies: object) -> list[str]:
    return requirements({"dependencies": list(dependencies)}, "conda.yml", Job.instead)[1]


@given(channel=CHANNELS, name=NAMES, version=VERSIONS, build=BUILDS, blank=st.sampled_from(["", " "]))
def test_conda_and_pip_mean_the_same_versions(channel: str, name: str, version: str, build: str, blank: str) -> None:
    exact = [f"{name}=={version}", f"{name} {version}", f"{name} =={version}"]
    fuzzy = [f"{name}{blank}={version}", f"{name}{blank}={version}.*", f"{name} {version}.*"]
    if build:
        exact += [f"{name}=={version}={build}", f"{name} {version} {build}"]
        fuzzy += [f"{name}={version}={build}"]
    for spec in exact + fuzzy:
        requirement = Requirement(pip_of(channel + spec)[0])
        assert requirement.name == name
        assert version in requirement.specifier
        assert (f"{version}.0.1" in requirement.specifier) == (spec in fuzzy), spec
        assert f"{Version(version).major + 1}.0" not in requirement.specifier


@given(name=NAMES, low=VERSIONS, high=VERSIONS, blank=st.sampled_from(["", " "]))
def test_ranges_stay_as_they_are(name: str, low: str, high: str, blank: str) -> None:
    for range_ in (f">={low},<{high}", f">{low}", f"<={high}", f"!={low}", f">={low},!={high}.*"):
        requirement = Requirement(pip_of(name + blank + range_.replace(",", "," + blank))[0])
        assert requirement.specifier == SpecifierSet(range_)


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=*", "numpy"),
        ("numpy *", "numpy"),
        ("pytorch=2.1", "torch==2.1.*"),
        ("pytorch::pytorch==2.1.0=py3.11_cuda12.1_cudnn8.9.2_0", "torch==2.1.0"),
        ("conda-forge::opencv>=4", "opencv-python>=4"),
        ({"pip": ["scikit-learn==1.9.1", "--extra-index-url https://example.org/simple"]}, "scikit-learn==1.9.1"),
    ],
)
def test_a_conda_package_goes_by_its_name_on_pypi(spec: object, requirement: str) -> None:
    assert pip_of("pip", "setuptools=70", spec)[0] == requirement


@pytest.mark.parametrize(
    ("spec", "python"),
    [
        ("python", None),
        ("python=3.11", "3.11"),
        ("python==3.11.4", "3.11.4"),
        ("python 3.11.*", "3.11"),
        ("conda-forge::python=3.9.16=h2782a2a_0_cpython", "3.9.16"),
        ("python>=3.9,<3.12", ">=3.9,<3.12"),
    ],
)
def test_the_version_of_python_is_not_a_package(spec: str, python: str | None) -> None:
    assert requirements({"dependencies": [spec, "six"]}, "conda.yml") == (python, ["six"], ["six"])


def test_what_only_conda_has_is_refused_by_name() -> None:
    with pytest.raises(UserError) as refused:
        pip_of("numpy", "cudatoolkit=11.8", "conda-forge::openmpi", "r-base", "libgcc", "six=1|2", "six[version='>=3']")
    message = str(refused.value)
    assert message.startswith(
        "conda.yml: only conda can install cudatoolkit=11.8, conda-forge::openmpi, r-base, libgcc, six=1|2,"
    )
    assert "--docker" in message
    assert "numpy" not in message


# Names that strangers have, or may take, on PyPI; of the last two, one is that of an import, and one nobody's.
@pytest.mark.parametrize(
    "name",
    [
        *("graphviz", "cpuonly", "zlib", "gdal", "pytorch-cuda", "hdf5", "jq", "git", "cmake", "ninja", "libxgboost"),
        *("nodejs", "proj", "poppler", "tesseract", "faiss-gpu", "openblas", "_libgcc_mutex", "blas", "yaml"),
        *("sklearn", "no-such-package"),
    ],
)
def test_a_name_that_only_conda_knows_is_never_taken_from_pypi(name: str) -> None:
    with pytest.raises(UserError, match=f"only conda can install {name}: .* or list under pip: what PyPI has"):
        pip_of("numpy", name)


@pytest.mark.parametrize(
    ("name", "pypi"),
    [
        ("python-graphviz", "graphviz"),
        ("lightgbm", "lightgbm"),
        ("ruamel_yaml", "ruamel_yaml"),
        ("faiss", "faiss-cpu"),
        ("opencv", "opencv-python"),
        ("pytorch-gpu", "torch"),
        ("pytables", "tables"),
        ("torchvision-cpu", "torchvision"),
        ("matplotlib-base", "matplotlib"),
        ("pytorch-lightning", "pytorch-lightning"),
        ("pyqt", "pyqt5"),
    ],
)
def test_a_package_that_both_have_goes_by_its_name_on_pypi(name: str, pypi: str) -> None:
    assert requirements({"dependencies": [f"{name}=1.2"]}, "conda.yml") == (None, [f"{pypi}==1.2.*"], [f"{name}=1.2"])


def test_the_file_of_names_is_what_its_program_makes() -> None:
    mapping = {"one": ["One"], "two": ["three"], "none": None, "many": ["a", "b"], "several": ["several", "a"]}
    assert make_conda_names.lines(mapping) == ["one", "several", "two three"]
    text = conda_names.FILE.read_text(encoding="utf-8")
    assert text.startswith(make_conda_names.HEADER)
    lines = text.removeprefix(make_conda_names.HEADER).splitlines()
    assert lines == sorted(lines, key=lambda line: line.split()[0])
    assert all(len(line.split()) in (1, 2) for line in lines)


@pytest.mark.parametrize("line", ["-r requirements.txt", "--requirement=a.txt", "-e .", "-c limits.txt", "-rmore.txt"])
def test_a_pip_line_that_names_a_file_is_refused(line: str) -> None:
    with pytest.raises(UserError, match=f"conda.yml: '{line}' names a file"):
        pip_of({"pip": ["six", line]})
