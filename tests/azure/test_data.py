"""`aml register-data` and `aml data` against the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from standin import assets
from standin.contents import DATA, plant, stored, versions
from standin.fixtures import Attached
from standin.storage import HOST


def test_data_is_uploaded_once_for_each_content(attached: Attached) -> None:
    sample = attached.path / "sample-data"
    plant(sample, {"more/rows.csv": b"a,b\n"})
    assert "version 1" in attached.aml("register-data").stdout
    assert len(attached.uploads()) == 2
    first = versions(attached)["1"]
    assert stored(attached, first["dataUri"]).keys() == {"penguins.csv", "more/rows.csv"}
    assert stored(attached, first["dataUri"])["penguins.csv"] == (sample / "penguins.csv").read_bytes()

    plant(sample, {"request.json": b"{}"})  # it is no data
    changes = len(attached.calls("PUT|PATCH|DELETE"))
    said = attached.aml("register-data").stdout
    assert "version 1" in said and "unchanged" in said
    assert len(attached.calls("PUT|PATCH|DELETE")) == changes and versions(attached) == {"1": first}

    plant(sample, {"more/rows.csv": b"a,c\n"})
    assert "version 2" in attached.aml("register-data").stdout
    assert versions(attached)["1"] == first
    assert stored(attached, versions(attached)["2"]["dataUri"])["more/rows.csv"] == b"a,c\n"
    assert stored(attached, first["dataUri"])["more/rows.csv"] == b"a,b\n"

    plant(sample, {"more/rows.csv": b"a,b\n"})  # what it was: another version, but nothing to upload
    uploads = len(attached.uploads())
    assert "version 3" in attached.aml("register-data").stdout
    assert len(attached.uploads()) == uploads


def test_what_is_said_of_data_is_changed_in_place(attached: Attached) -> None:
    attached.aml("register-data")
    uploads = len(attached.uploads())
    attached.write("data.yml", description="Penguins, größer", tags={"source": "survey"})
    assert "version 1" in attached.aml("register-data").stdout
    (properties,) = versions(attached).values()
    assert (properties["description"], properties["tags"]) == ("Penguins, größer", {"source": "survey"})
    attached.write("data.yml", tags={})
    assert "version 1" in attached.aml("register-data").stdout
    assert versions(attached)["1"]["tags"] == {}
    assert "unchanged" in attached.aml("register-data").stdout
    assert len(attached.uploads()) == uploads


def test_other_data_than_that_of_the_description(attached: Attached, tmp_path: Path) -> None:
    plant(tmp_path / "elsewhere", {"rows.csv": b"1\n"})
    attached.aml("register-data", "--path", str(tmp_path / "elsewhere"))
    assert stored(attached, versions(attached)["1"]["dataUri"]) == {"rows.csv": b"1\n"}
    said = attached.refused("register-data", "--path", "nowhere", lines=1)
    assert "--path nowhere does not exist" in said
    said = attached.refused("register-data", "--path", str(tmp_path / "elsewhere" / "rows.csv"), lines=1)
    assert "data.yml:3: --path" in said and "is a file, but the type is uri_folder" in said
    assert len(versions(attached)) == 1


def test_one_file_as_data(attached: Attached) -> None:
    attached.write("data.yml", type="uri_file", path="../sample-data/penguins.csv")
    attached.aml("register-data")
    properties = versions(attached)["1"]
    assert properties["dataType"] == "uri_file" and properties["dataUri"].endswith("/penguins.csv")
    script = {"data": {"type": "uri_file", "path": f"azureml:{DATA}:1"}}
    done = attached.submit('head -c 7 "${{inputs.data}}"', inputs=script)
    assert done.stdout.startswith("species")
    attached.write("data.yml", type="uri_folder")
    said = attached.refused("register-data", lines=1)
    assert "data.yml:4: ../sample-data/penguins.csv is a file, but the type is uri_folder" in said


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("uri_folder", "azureml://datastores/workspaceblobstore/paths/shared/birds/"),
        ("uri_folder", f"wasbs://birds@{HOST}/some/folder/"),
        ("uri_file", "https://example.com/birds.csv"),
    ],
)
def test_data_that_lies_elsewhere_is_registered_only(attached: Attached, kind: str, address: str) -> None:
    attached.write("data.yml", type=kind, path=address)
    assert "version 1" in attached.aml("register-data").stdout
    (properties,) = versions(attached).values()
    assert properties["dataType"] == kind
    assert properties["dataUri"].endswith(address.removeprefix("azureml://"))
    assert "unchanged" in attached.aml("register-data").stdout
    assert not attached.calls(kind="blob") and len(attached.changes()) == 1


def test_a_version_that_the_description_names(attached: Attached) -> None:
    attached.write("data.yml", version="2026-11")
    assert "version 2026-11" in attached.aml("register-data").stdout
    assert "unchanged" in attached.aml("register-data").stdout
    assert versions(attached).keys() == {"2026-11"}
    plant(attached.path / "sample-data", {"new.csv": b"1"})
    uploads = len(attached.uploads())
    said = attached.refused("register-data")
    assert "aml_config/data.yml:5: " in said and "2026-11" in said
    assert len(attached.uploads()) == uploads and versions(attached).keys() == {"2026-11"}


def test_data_is_listed(attached: Attached) -> None:
    """All of it, however many pages the service makes of the lists."""
    assert "no data in workspace aml-demo: aml register-data" in attached.refused("data", lines=1)
    attached.service.page_size = 2
    for name, count in (("a", 1), ("b", 5), ("c", 1)):
        for version in range(1, count + 1):
            uri = f"azureml://datastores/workspaceblobstore/paths/{name}/{version}/"
            properties = {"dataUri": uri, "dataType": "uri_folder", "tags": {"k": "v"}}
            assets.store(attached.workspace, "data", name, str(version), properties)
    rows = [line.split() for line in attached.aml("data").stdout.splitlines()]
    assert rows[0] == ["DATA", "VERSION", "TYPE", "PATH", "TAGS"]
    assert [row[:2] for row in rows[1:]] == [["a", "1"], *(["b", str(n)] for n in (5, 4, 3, 2, 1)), ["c", "1"]]
    assert rows[1][2:] == ["uri_folder", "azureml://datastores/workspaceblobstore/paths/a/1", "k=v"]
    rows = [line.split() for line in attached.aml("data", "-n", "b").stdout.splitlines()]
    assert [row[1] for row in rows[1:]] == ["5", "4", "3", "2", "1"]
    assert "no data missing in workspace" in attached.refused("data", "-n", "missing", lines=1)
