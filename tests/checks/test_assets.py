"""Clusters and data assets: each mistake is found, with its line."""

from pathlib import Path

import pytest

from checks.models import Case, Edit

CASES = [
    Case(
        "name cpu-cluster-1 should be 3-24",
        Edit("compute.yml", '"cpu-cluster"', '"cpu-cluster-1"'),
        3,
        "name cpu-cluster-1: should be 3-24",
    ),
    Case(
        "size should be a VM size",
        Edit("compute.yml", "size: Standard_DS3_v2", "size: 4 cores"),
        4,
        "size 4 cores: should be a VM size",
    ),
    Case("no size", Edit("compute.yml", "size: Standard_DS3_v2\n", ""), 1, "notice: no size: azure-ai-ml takes"),
    Case("no type", Edit("compute.yml", "type: amlcompute\n", ""), 1, "no type: add it"),
    Case(
        "max_instances lots should be a whole number",
        Edit("compute.yml", "max_instances: 1", "max_instances: lots"),
        6,
        "max_instances lots: should be a whole number",
    ),
    Case("version a/b", Edit("data.yml", "path:", "version: a/b\npath:"), 4, "version a/b: should be letters, digits"),
    Case(
        "no file MLTable",
        Edit("data.yml", "type: uri_folder", "type: mltable"),
        4,
        "../sample-data has no file MLTable: add it, or take the type uri_folder",
    ),
    Case(
        "inside of a data asset",
        Edit("data.yml", "../sample-data", "azureml:x:1/data"),
        4,
        "azureml:x:1/data is inside of a data asset: write azureml:x:1, and add /data in the command",
    ),
    Case(
        "min_instances 2 is more than max_instances",
        Edit("compute.yml", "min_instances: 0", "min_instances: 2"),
        5,
        "min_instances 2 is more than max_instances 1",
    ),
    Case(
        "max_instances -1 should be a whole number",
        Edit("compute.yml", "max_instances: 1", "max_instances: -1"),
        6,
        "max_instances -1: should be a whole number from 0",
    ),
    Case(
        "did you mean idle_time_before_scale_down",
        Edit("compute.yml", "before_scale_down", "before_scaledown"),
        7,
        ".*did you mean idle_time_before_scale_down",
    ),
    Case("../data does not exist", Edit("data.yml", "../sample-data", "../data"), 4, "../data does not exist"),
    Case(
        "../sample-data is a folder but the type is",
        Edit("data.yml", "uri_folder", "uri_file"),
        4,
        "../sample-data is a folder, but the type is uri_file",
    ),
    Case(
        "name demo model should be 1-255",
        Edit("data.yml", "name: demo-model-data", "name: demo model"),
        2,
        "name demo model: should be 1-255",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_mistake_is_found_with_its_line(model: Path, case: Case) -> None:
    case.assert_found(model)
