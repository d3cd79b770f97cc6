"""Packages of today: what a Python without wheels is told, and the Python that the training environment asks for."""

import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from uv import find_uv_bin

from support import ENVIRONMENT, GENERATED


def test_the_training_environment_asks_for_a_supported_python() -> None:
    conda = (GENERATED / "aml_config" / "train-conda.yml").read_text(encoding="utf-8")
    pyproject = (GENERATED / "pyproject.toml").read_text(encoding="utf-8")
    asked = re.search(r"- python=3\.(\d+)\n", conda)
    supported = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', pyproject)
    assert asked and supported
    assert int(supported[1]) <= int(asked[1]) < int(supported[2])


@pytest.mark.parametrize("package", ["matplotlib", "numpy", "pandas", "scikit-learn", "scipy"])
def test_uv_says_that_there_is_no_wheel_rather_than_to_compile(
    package: str, bake: Callable[..., Path], tmp_path: Path
) -> None:
    folder = bake()
    index = tmp_path / "index"
    index.mkdir()
    with tarfile.open(index / f"{package.replace('-', '_')}-99.0.tar.gz", "w:gz") as archive:
        for name, text in {
            "PKG-INFO": f"Metadata-Version: 2.2\nName: {package}\nVersion: 99.0\n",
            "pyproject.toml": '[build-system]\nrequires = ["a-compiler"]\nbuild-backend = "a_compiler"\n',
        }.items():
            member = tarfile.TarInfo(f"{package.replace('-', '_')}-99.0/{name}")
            member.size = len(text)
            archive.addfile(member, BytesIO(text.encode()))
    install = [find_uv_bin(), "pip", "install", "--dry-run", "--python", sys.executable, f"{package}==99.0"]
    variables = {**ENVIRONMENT, "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(index)}
    done = subprocess.run(install, cwd=folder, env=variables, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode != 0
    assert f"Because {package}==99.0 has no usable wheels" in done.stderr
