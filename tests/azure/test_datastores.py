"""`aml register-datastore` against the stand-in."""

from __future__ import annotations

import time

import pytest

from standin.contents import DATA
from standin.fixtures import Attached
from standin.storage import ACCOUNT


def test_a_container_becomes_a_datastore_whose_data_a_job_reads(attached: Attached) -> None:
    storage = attached.service.storage
    container = f"birds-{time.monotonic_ns()}"
    storage.create_container(container)
    storage.upload(container, "wings/rows.csv", b"from the container")
    register = ["register-datastore", "-n", "birds", "--account", ACCOUNT, "--container", container]
    said = attached.aml(*register).stdout
    assert "(registered)" in said and "azureml://datastores/birds/paths/" in said
    properties = attached.workspace.datastores["birds"]["properties"]
    assert (properties["accountName"], properties["containerName"]) == (ACCOUNT, container)
    assert properties["credentials"] == {"credentialsType": "None"} and "birds" not in attached.workspace.secrets
    assert "is there already" in attached.aml(*register).stdout
    assert len(attached.changes()) == 1

    attached.write("data.yml", path="azureml://datastores/birds/paths/wings/")
    attached.aml("register-data")
    inputs = {"data": {"type": "uri_folder", "path": f"azureml:{DATA}@latest"}}
    assert "from the container" in attached.submit('cat "${{inputs.data}}"/rows.csv', inputs=inputs).stdout

    register[-1] = "another-one"
    assert "(changed)" in attached.aml(*register).stdout
    assert attached.workspace.datastores["birds"]["properties"]["containerName"] == "another-one"


@pytest.mark.parametrize(
    ("option", "value"), [("-n", "Birds-2"), ("--account", "not_one"), ("--container", "double--dash")]
)
def test_names_of_a_datastore(attached: Attached, option: str, value: str) -> None:
    options = {"-n": "birds", "--account": ACCOUNT, "--container": "birds", option: value}
    said = attached.refused("register-datastore", *(part for pair in options.items() for part in pair), lines=1)
    assert repr(value) in said and "such as" in said
    assert not attached.service.calls
