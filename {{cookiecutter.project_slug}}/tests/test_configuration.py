"""The configuration: sound, and in step with itself."""

import re
from pathlib import Path

import yaml

from aml.check import check

ROOT = Path(__file__).parent.parent


def test_aml_check_finds_nothing() -> None:
    assert list(check(ROOT)) == []


def test_both_lists_of_training_packages_agree() -> None:
    conda = yaml.safe_load((ROOT / "aml_config" / "train-conda.yml").read_text(encoding="utf-8"))
    [packages] = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert set(packages) <= set(re.findall(r'^ +"(.+)",', pyproject, re.MULTILINE))
