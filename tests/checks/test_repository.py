"""aml check as a whole: what it prints, and that nothing in a file makes it fail."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_job
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aml.errors import UserError
from checks.models import JOB, Case, Edit, check, replace
from support import Repository

CASES = [
    Case(
        "resource_group aml-demo. should be 1-90",
        Edit("config.json", '"aml-demo",', '"aml-demo.",'),
        0,
        r"resource_group 'aml-demo\.' should be 1-90",
    ),
    Case("not JSON", Edit("config.json", '"aml-demo",', '"aml-demo"'), 4, "not JSON"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_mistake_in_the_settings_is_found_with_its_line(model: Path, case: Case) -> None:
    case.assert_found(model)


def test_the_generated_configuration_is_sound(model: Path) -> None:
    assert list(check(model)) == []


def test_one_runconfig_alone_is_checked_by_name_or_path(model: Path) -> None:
    replace(model / "aml_config" / JOB, "azureml:cpu-cluster", "my cluster")
    assert list(check(model, "train-local")) == []
    assert len(list(check(model, "train-amlcompute"))) == 1
    assert len(list(check(model, str(model / "aml_config" / JOB)))) == 1


def test_the_verb_says_what_it_found_and_ends_with_1(repository: Repository) -> None:
    assert repository.aml("check").stdout == "aml_config/: nothing to fix\n"
    replace(repository.path / "aml_config" / JOB, "azureml:cpu-cluster", "my cluster")
    lines = repository.aml("check", status=1).stdout.splitlines()
    assert re.match(rf"aml_config.{JOB}:14: compute my cluster: should be local", lines[0])
    assert lines[-1] == "aml_config/: 1 to fix"


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
    | st.lists(st.integers(), max_size=2)
)

MAPPINGS = VALUES | st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=2)

KEYS = (
    "type",
    "command",
    "code",
    "environment",
    "compute",
    "inputs",
    "outputs",
    "tags",
    "limits",
    "resources",
    "distribution",
    "services",
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(KEYS), value=MAPPINGS)
def test_whatever_stands_in_a_runconfig_is_reported_and_never_a_traceback(model: Path, key: str, value: Any) -> None:
    file = model / "aml_config" / "train-local.yml"
    original = file.read_text(encoding="utf-8")
    try:
        job = {**yaml.safe_load(original), key: value}
        file.write_text(yaml.safe_dump(job, allow_unicode=True), encoding="utf-8")
        try:
            findings = list(check(model, "train-local"))
        except UserError as refusal:
            findings = [str(refusal)]
        try:
            load_job(file)
        except Exception:  # the SDK has many ways to refuse; whatever it refuses, the check has to report
            assert findings, job[key]
    finally:
        file.write_text(original, encoding="utf-8")
