"""`aml create-compute` against the stand-in."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import Any

import pytest

from standin.fixtures import CLUSTER, Attached


@pytest.fixture
def bare(attached: Attached) -> Attached:
    """A repository whose workspace has no cluster yet."""
    attached.workspace.computes.clear()
    return attached


def test_a_cluster_is_created_once(bare: Attached) -> None:
    assert "created, Standard_DS3_v2, 0 to 1 nodes" in bare.aml("create-compute").stdout
    cluster = bare.workspace.computes[CLUSTER]["properties"]["properties"]
    assert cluster["vmSize"] == "Standard_DS3_v2" and cluster["osType"] == "Linux"
    scale = {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2H"}
    assert cluster["scaleSettings"] == scale
    assert "is there already, as described (succeeded)" in bare.aml("create-compute").stdout
    assert len(bare.changes()) == 1


@pytest.mark.skipif(os.name == "nt", reason="a kill is told from an end by the signal")
def test_a_cluster_that_is_being_made_is_waited_for(bare: Attached) -> None:
    """Its creation was cut off while it was under way: it is said to be there when it is."""
    with bare.start("create-compute", stdout=subprocess.DEVNULL) as process:
        bare.service.faults.add("crash-after", method="PUT", path="/computes/", action=process.kill)
        assert process.wait(60) == -signal.SIGKILL
    assert bare.workspace.computes[CLUSTER]["properties"]["provisioningState"] == "Creating"
    done = bare.aml("create-compute")
    assert f"cluster {CLUSTER}: creating …" in done.stderr
    assert "is there already, as described (succeeded)" in done.stdout


def test_a_cluster_is_changed(bare: Attached) -> None:
    bare.aml("create-compute")
    bare.write("compute.yml", max_instances=3, idle_time_before_scale_down=600)
    said = bare.aml("create-compute").stdout
    assert "changed, max_instances from 1 to 3, idle_time_before_scale_down from 7200 to 600" in said
    scale = bare.workspace.computes[CLUSTER]["properties"]["properties"]["scaleSettings"]
    assert (scale["maxNodeCount"], scale["nodeIdleTimeBeforeScaleDown"]) == (3, "PT10M")


def test_tags_and_description_of_a_cluster_are_changed_too(bare: Attached) -> None:
    bare.aml("create-compute")
    bare.write("compute.yml", tags={"team": "a"}, description="of the team")
    assert "changed" in bare.aml("create-compute").stdout
    cluster = bare.workspace.computes[CLUSTER]
    assert (cluster["tags"], cluster["properties"]["description"]) == ({"team": "a"}, "of the team")
    assert "is there already" in bare.aml("create-compute").stdout


def test_a_cluster_that_failed_is_made_again(bare: Attached) -> None:
    bare.aml("create-compute")
    bare.workspace.computes[CLUSTER]["properties"]["provisioningState"] = "Failed"
    bare.aml("create-compute")
    assert bare.workspace.computes[CLUSTER]["properties"]["provisioningState"] == "Succeeded"


def test_the_size_of_a_cluster_stays(bare: Attached) -> None:
    bare.aml("create-compute")
    bare.write("compute.yml", size="Standard_DS2_v2")
    before = len(bare.changes())
    said = bare.refused("create-compute")
    assert (
        said.startswith("aml_config/compute.yml:4: ")
        and "Standard_DS3_v2" in said
        and "create-compute --delete" in said
    )
    assert len(bare.changes()) == before


def test_a_cluster_is_deleted_once(bare: Attached) -> None:
    bare.aml("create-compute")
    assert bare.aml("create-compute", "--delete").stdout == f"cluster {CLUSTER}: deleted\n"
    assert not bare.workspace.computes
    assert bare.aml("create-compute", "--delete").stdout == f"cluster {CLUSTER}: is not there\n"
    assert len(bare.calls("DELETE")) == 1


@pytest.mark.parametrize("role", ["Reader", "AzureML Data Scientist"])
def test_who_may_not_make_a_cluster_is_told_whom_to_ask(bare: Attached, role: Any) -> None:
    """A data scientist may train, but not make clusters: that takes another role."""
    bare.workspace.role = role
    said = bare.refused("create-compute")
    assert "AuthorizationFailed" in said and "AzureML Compute Operator" in said


def test_what_compute_yml_leaves_out_is_no_change(bare: Attached) -> None:
    """azure-ai-ml fills it in when the cluster is made: a second time that is no difference."""
    for changes in (
        {"min_instances": None, "max_instances": None, "idle_time_before_scale_down": None},
        {"name": "cheap", "tier": "low_priority"},
        {"name": "written", "size": "STANDARD_DS3_V2", "tier": "Dedicated"},
    ):
        bare.write("compute.yml", **changes)
        assert "created" in bare.aml("create-compute").stdout
        assert "is there already, as described" in bare.aml("create-compute").stdout
    assert len(bare.changes()) == 3


def test_quota_and_size_are_a_sentence(bare: Attached) -> None:
    bare.workspace.quota["standardDSv2Family"] = 6
    bare.write("compute.yml", max_instances=2)
    said = bare.refused("create-compute", lines=1)
    assert "aml_config/compute.yml:6: " in said and "quota" in said and "https://ml.azure.com/quota" in said
    assert "Click here" not in said
    assert re.search(r"\b6\b", said) and re.search(r"\b8\b", said)  # what there is, and what is asked for
    bare.write("compute.yml", size="Standard_DS3_v3")
    said = bare.refused("create-compute", lines=1)
    assert said.startswith("aml_config/compute.yml:4: size Standard_DS3_v3 is not available in eastus; did you mean ")
    assert said.endswith("Standard_DS3_v2?\n")
    assert not bare.workspace.computes
