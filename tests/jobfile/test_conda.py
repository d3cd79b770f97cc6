"""Conda files: what a specification stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from aml.errors import UserError
from aml.jobfile.conda import requirements

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}([._-][a-z0-9]{1,8})?", fullmatch=True)
VERSIONS = st.lists(st.integers(0, 2030), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
CHANNELS = st.sampled_from(["", "conda-forge::", "conda-forge/linux-64::", "defaults :: "])
BUILDS = st.sampled_from(["", "0", "py311_0", "h1234_cpython"])


def pip_of(*dependencies: object) -> list[str]:
    return requirements({"dependencies": list(dependencies)}, "conda.yml")[1]


@given(
    channel=CHANNELS, name=NAMES.map("own{}".format), version=VERSIONS, build=BUILDS, blank=st.sampled_from(["", " "])
)
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


@given(name=NAMES.map("own{}".format), low=VERSIONS, high=VERSIONS, blank=st.sampled_from(["", " "]))
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
    assert requirements({"dependencies": [spec, "six"]}, "conda.yml") == (python, ["six"])


def test_what_only_conda_has_is_refused_by_name() -> None:
    with pytest.raises(UserError) as refused:
        pip_of("numpy", "cudatoolkit=11.8", "conda-forge::openmpi", "r-base", "libgcc", "x=1|2", "y[version='>=3']")
    message = str(refused.value)
    assert message.startswith(
        "conda.yml: only conda can install cudatoolkit=11.8, conda-forge::openmpi, r-base, libgcc,"
    )
    assert "--docker" in message
    assert "numpy" not in message


@pytest.mark.parametrize("line", ["-r requirements.txt", "--requirement=a.txt", "-e .", "-c limits.txt", "-rmore.txt"])
def test_a_pip_line_that_names_a_file_is_refused(line: str) -> None:
    with pytest.raises(UserError, match=f"conda.yml: '{line}' names a file"):
        pip_of({"pip": ["six", line]})
