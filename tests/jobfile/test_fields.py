"""Fields that a job does not have: azure-ai-ml's loader is the judge."""

import copy
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aml.errors import UserError
from aml.jobfile import fields
from aml.jobfile.document import Document
from aml.jobfile.job import Job

FULL: dict[str, Any] = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json",
    "type": "command",
    "command": "echo",
    "environment": {"image": "python:3.12", "conda_file": {"dependencies": ["python"]}},
    "compute": "azureml:c",
    "inputs": {"data": {"type": "uri_file", "path": "azureml:x:1"}, "n": 1, "m": {"value": 2}},
    "outputs": {"o": {"type": "uri_folder"}},
    "resources": {"instance_count": 1},
    "limits": {"timeout": 60},
    "distribution": {"type": "pytorch", "process_count_per_instance": 1},
    "identity": {"type": "user_identity"},
    "queue_settings": {"job_tier": "spot"},
    "services": {"lab": {"type": "jupyter_lab"}},
    "tags": {"a": "b"},
    "properties": {"a": "b"},
    "environment_variables": {"A": "x"},
}
FREE = {("inputs",), ("outputs",), ("services",), ("tags",), ("properties",), ("environment_variables",)}  # any names
NOT_OURS = {("environment", "conda_file")}
WITHOUT_EFFECT = {("environment", "inference_config"), ("environment", "auto_delete_setting")}  # on a job
OTHER_DISTRIBUTIONS = [{"type": kind} for kind in ("mpi", "tensorflow", "PyTorch", "ray")]


def mappings(data: Any, *keys: str) -> Iterator[tuple[str, ...]]:
    if isinstance(data, dict):
        yield keys
        for key, value in data.items():
            yield from mappings(value, *keys, str(key))


def job_of(folder: Path, data: dict[str, Any]) -> Job:
    path = folder / "job.yml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return Job(Document(path))


def refused_by_azure_ai_ml(data: dict[str, Any], folder: Path) -> bool:
    from azure.ai.ml import load_job

    try:
        load_job(io.StringIO(yaml.safe_dump(data)), relative_origin=str(folder / "job.yml"))
    except Exception as refusal:
        return "Unknown field" in str(refusal) or "is not in set" in str(refusal)
    return False


PLACES = [
    place for place in mappings(FULL) if place not in FREE and not any(place[: len(own)] == own for own in NOT_OURS)
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_an_unknown_field_is_refused_wherever_azure_ai_ml_refuses_it(tmp_path: Path, place: tuple[str, ...]) -> None:
    fields.require_known(job_of(tmp_path, FULL))
    assert not refused_by_azure_ai_ml(FULL, tmp_path)
    data = copy.deepcopy(FULL)
    part: Any = data
    for key in place:
        part = part[key]
    part["own_field"] = "x"
    assert refused_by_azure_ai_ml(data, tmp_path)
    with pytest.raises(UserError, match=rf"job.yml:\d+: {'.'.join((*place, 'own_field'))}: a job has no such field"):
        fields.require_known(job_of(tmp_path, data))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("field", sorted({word for names in fields.DISTRIBUTIONS.values() for word in names.split()}))
@pytest.mark.parametrize("distribution", OTHER_DISTRIBUTIONS, ids=str)
def test_a_distribution_has_the_fields_of_its_type(tmp_path: Path, distribution: dict[str, Any], field: str) -> None:
    texts = ("address", "head_node_additional_args", "worker_node_additional_args")
    value: Any = "x" if field in texts else True if field == "include_dashboard" else 1
    data = {**FULL, "distribution": {**distribution, field: value}}
    assert bool(list(fields.unknown(job_of(tmp_path, data)))) == refused_by_azure_ai_ml(data, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_every_known_field_is_one_of_azure_ai_mls(tmp_path: Path) -> None:
    """And none of its own is missing: both are compared name by name."""
    from azure.ai.ml._schema.job.command_job import CommandJobSchema
    from marshmallow import Schema
    from marshmallow import fields as theirs

    found: dict[tuple[str, ...], set[str]] = {}

    def walk(field: Any, keys: tuple[str, ...]) -> None:
        field = getattr(field, "_experimental_field", field)
        if isinstance(field, theirs.Nested):
            schema(field.schema, keys)
        elif isinstance(field, theirs.Dict) and field.value_field:
            walk(field.value_field, (*keys, "*"))
        for one in getattr(field, "_union_fields", []):
            walk(one, keys)

    def schema(one: Schema, keys: tuple[str, ...]) -> None:
        for name, field in one.fields.items():
            if not field.dump_only:
                found.setdefault(keys, set()).add(field.data_key or name)
                walk(field, (*keys, field.data_key or name))

    schema(CommandJobSchema(context={"base_path": tmp_path}), ())  # type: ignore[no-untyped-call]
    for place, names in fields.KNOWN.items():
        assert set(names.split()) - {"$schema"} == found[place] - {"$schema"}, place
    assert {place for place in found if place not in fields.KNOWN and place[:2] not in WITHOUT_EFFECT} == {
        ("distribution",),
        ("environment_variables",),  # a mapping that has `value`, which is a variable of that name here
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"environment_variable": {"A": "x"}}, "environment_variable: a job has no such field; did you mean environ"),
        ({"limits": {"timeouts": 5}}, "limits.timeouts: a job has no such field; did you mean timeout?"),
        ({"inputs": {"n": {"value": 1, "type": "integer"}}}, "inputs.n.type: a job has no such field"),
        ({"version": 1}, "this is a component, which runs as a step of a pipeline only"),
        ({"inputs": {"n": {"type": "number", "default": 1}}}, "this is a component"),
        ({"is_deterministic": True}, "this is a component"),
    ],
)
def test_the_message_says_what_it_is(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=r"job\.yml:") as refused:
        fields.require_known(job_of(tmp_path, {"command": "echo", **change}))
    assert says in str(refused.value)


@pytest.mark.parametrize("data", [{"environment": "azureml:e:1"}, {"limits": None}, {"inputs": {"n": None}}])
def test_a_part_of_another_form_has_no_fields(tmp_path: Path, data: dict[str, Any]) -> None:
    assert list(fields.unknown(job_of(tmp_path, {"command": "echo", **data}))) == []
