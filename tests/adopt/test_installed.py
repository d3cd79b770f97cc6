"""The verb from a wheel that is installed somewhere, without the checkout."""

import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

from adopt.sources import laid_out
from aml.local.environments import scripts
from support import ENVIRONMENT, TEMPLATE


@pytest.mark.slow
def test_an_installed_wheel_adopts(tmp_path: Path) -> None:
    def run(*command: object, status: int = 0) -> str:
        done = subprocess.run([*map(str, command)], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    uv, venv = find_uv_bin(), tmp_path / "venv"
    aml, python = scripts(venv) / "aml", scripts(venv) / "python"
    run(uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", TEMPLATE)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    run(uv, "venv", "--quiet", venv)
    run(uv, "pip", "install", "--quiet", "--python", python, wheel)
    laid_out("plain-script", "data/credit.csv", tmp_path / "risk")

    said = run(aml, "adopt", "risk", status=2)
    requirement = f"aml-template[adopt] @ {wheel.as_uri()}"
    assert said.startswith("aml: ")
    assert "libcst" in said
    assert said.endswith(f' which are not installed: pip install "{requirement}"\n')
    assert len(said.splitlines()) == 1

    run(uv, "pip", "install", "--quiet", "--python", python, requirement)
    run(python, "-m", "compileall", "-q", *venv.rglob("site-packages/aml"))  # as pip does
    out = tmp_path / "risk-model"
    said = run(aml, "adopt", "risk")
    assert f"{out}: written; ADOPTED.md has all of this." in said
    assert "aml check:" not in said
    assert run(aml, "--help").count("adopt") == 1
    assert (out / "src" / "train.py").is_file()
    assert {path.name for path in out.iterdir()} == set(
        ".cruft.json .gitignore ADOPTED.md README.md aml_config pyproject.toml sample-data scripts src tests".split()
    )
    assert not [*out.rglob("__pycache__")]
