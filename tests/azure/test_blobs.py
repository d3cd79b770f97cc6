"""What is uploaded and downloaded, and how both go on where they were cut off, against the stand-in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest

from standin import datastores
from standin.contents import plant, run_on_cluster, stored, versions
from standin.fixtures import Attached, until


def test_names_of_files_arrive_as_they_are(attached: Attached) -> None:
    names = ["with blank.csv", "größe ü.csv", "50%25.csv", "a#b.csv", "q?x.csv", "plus+and&.csv", "deep/er/ß #1%.csv"]
    if os.name == "nt":
        names.remove("q?x.csv")
    shutil.rmtree(attached.path / "sample-data")
    plant(attached.path / "sample-data", {name: name.encode() for name in names})
    attached.aml("register-data")
    found = stored(attached, versions(attached)["1"]["dataUri"])
    assert found == {name: name.encode() for name in names}
    assert len(attached.uploads()) == len(names)
    assert "unchanged" in attached.aml("register-data").stdout
    assert len(attached.uploads()) == len(names)


def test_what_amlignore_names_stays_here(attached: Attached) -> None:
    sample = plant(attached.path / "sample-data", {"a.tmp": b"", "keep.tmp": b"1", "cache/x.csv": b"", "b.csv": b"1"})
    (sample / ".amlignore").write_text("*.tmp\n!keep.tmp\n/cache/\npenguins.csv\nrequest.json\n.amlignore\n")
    attached.aml("register-data")
    assert stored(attached, versions(attached)["1"]["dataUri"]).keys() == {"keep.tmp", "b.csv"}
    plant(sample, {"more.tmp": b"1", "cache/y.csv": b"1"})
    assert "unchanged" in attached.aml("register-data").stdout
    (sample / ".amlignore").write_text("*\n")
    assert "has no file that travels" in attached.refused("register-data", lines=1)


def kill_at_upload(repository: Attached, nth: int, *arguments: str) -> None:
    """Run a verb and kill it when `nth` blobs or blocks have arrived; none after these does."""
    with repository.start(*arguments, stdout=subprocess.DEVNULL) as process:
        faults = repository.service.faults
        faults.add("crash-after", method="PUT", path=r"\.blob\.", nth=nth, action=process.kill)
        faults.add("reset", method="PUT", path=r"\.blob\.", nth=nth + 1, times=10_000)
        assert process.wait(60) == -signal.SIGKILL
    until(lambda: len([call for call in repository.uploads() if call.fault != "reset"]) == nth)
    faults.clear()
    repository.service.calls.clear()


@pytest.mark.skipif(os.name == "nt", reason="a kill is told from an end by the signal")
def test_an_upload_that_was_cut_off_goes_on(attached: Attached) -> None:
    """The process dies with 20 of 60 files uploaded: the other 40 are what is left to do."""
    plant(attached.path / "sample-data", {f"{index}.csv": b"%d" % index for index in range(59)})
    kill_at_upload(attached, 20, "register-data")
    assert not versions(attached)
    attached.aml("register-data")
    assert len(attached.uploads()) == 40
    assert len(stored(attached, versions(attached)["1"]["dataUri"])) == 60


@pytest.mark.skipif(os.name == "nt", reason="a kill is told from an end by the signal")
def test_a_large_file_goes_up_in_blocks(attached: Attached) -> None:
    """One that was cut off goes on with the blocks that are missing."""
    size = 5 * 8 * 2**20 - 1000
    content = bytes(range(256)) * (size // 256 + 1)
    shutil.rmtree(attached.path / "sample-data")
    plant(attached.path / "sample-data", {"large.bin": content[:size]})
    kill_at_upload(attached, 2, "register-data")
    attached.aml("register-data")
    assert [call.query.get("comp") for call in attached.uploads()] == ["block"] * 3
    assert stored(attached, versions(attached)["1"]["dataUri"])["large.bin"] == content[:size]


def test_named_outputs(attached: Attached) -> None:
    """They are downloaded and registered by their names, whether folder, file or model."""
    outputs = {
        "table": {"type": "uri_folder"},
        "model": {"type": "custom_model"},
        "score": {"type": "uri_file"},
    }
    command = "mkdir outputs; echo 0 > outputs/one.txt; echo 1 > ${{outputs.table}}/a.csv; "
    command += "mkdir ${{outputs.model}}/deep; echo 2 > ${{outputs.model}}/deep/m.pkl; echo 3 > ${{outputs.score}}"
    attached.submit(command, "-t", "run.json", outputs=outputs)
    name = attached.last_job.name
    attached.aml("runs", "--azure", "download", name, "-o", "left")
    left = {file.relative_to(attached.path / "left").as_posix() for file in (attached.path / "left").rglob("*.*")}
    assert left >= {"outputs/one.txt", "user_logs/std_log.txt"}
    named = attached.path / "left" / "named-outputs"
    assert (named / "table" / "a.csv").read_text() == "1\n"
    assert (named / "model" / "deep" / "m.pkl").read_text() == "2\n"
    assert (named / "score" / "score").read_text() == "3\n"
    before = len(attached.calls("GET", kind="blob"))
    attached.aml("runs", "--azure", "download", name, "-o", "left")  # again: all of it is here
    assert [call for call in attached.calls("GET", kind="blob")[before:] if "comp" not in call.query] == []

    said = attached.aml("register-model", "-n", "birds", "-f", "run.json", "--asset-path", "named-outputs/model").stdout
    assert "model birds, version 1: named-outputs/model of run" in said
    model = versions(attached, "birds", "models")["1"]
    assert model["jobName"] == name and stored(attached, model["modelUri"]) == {"deep/m.pkl": b"2\n"}
    said = attached.aml(
        "register-model", "-n", "birds", "-f", "run.json", "--asset-path", "named-outputs/model/deep/m.pkl"
    ).stdout
    assert "version 2" in said
    assert versions(attached, "birds", "models")["2"]["modelUri"].endswith(f"azureml/{name}/model/deep/m.pkl")


@pytest.mark.parametrize("name", ["../../../x", "/tmp/x", "..", "a/b", "C:\\x"])
def test_a_named_output_stays_in_the_folder(attached: Attached, name: str) -> None:
    """Whatever the service calls it: the whole download is refused, before anything is written."""
    run_on_cluster(attached)
    job = attached.last_job
    address = f"azureml://datastores/workspaceblobstore/paths/azureml/{job.name}/x/"
    job.properties["outputs"] = {name: {"jobOutputType": "uri_folder", "uri": address}}
    before = sorted(attached.path.parent.rglob("*"))
    said = attached.refused("runs", "--azure", "download", job.name, "-o", "left", lines=1)
    assert f"run {job.name}: named output {name!r}: should be letters, digits and _" in said
    assert sorted(attached.path.parent.rglob("*")) == before


def test_what_git_would_run_is_left_out_of_a_download(attached: Attached) -> None:
    run_on_cluster(attached)
    name = attached.last_job.name
    place = f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{name}/"
    container, path = datastores.locate(attached.workspace, place)
    for hook in (".git/hooks/post-checkout", "outputs/.GIT/config", "outputs/git~1/config"):
        attached.service.storage.upload(container, f"{path.rstrip('/')}/{hook}", b"#!/bin/sh\n")
    said = attached.aml("runs", "--azure", "download", name, "-o", "left").stderr
    assert "left out: 3 files of git's own, such as '.git/hooks/post-checkout'" in said
    left = [file.relative_to(attached.path / "left").as_posix() for file in (attached.path / "left").rglob("*.*")]
    assert "outputs/model.pkl" in left and not [file for file in left if "git" in file.casefold()]
