"""`aml promote` in the stand-in's workspace, registry and other workspace, and the data that models are compared on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from azure.test_gate import BETTER, GATE, GOOD, MODEL, WORSE, add_job, models, register
from standin import assets, cloud, datastores, endpoints
from standin.cloud import Workspace
from standin.fixtures import Attached

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
OTHER = f"{cloud.SUBSCRIPTION}/{cloud.GROUP}/aml-prod"
REGISTRY = "team-models"


def tags(workspace: Workspace, name: str = "birds") -> dict[str, dict[str, str]]:
    return {version: one["properties"]["tags"] for version, one in workspace.assets.get("models", {})[name].items()}


def three(repository: Attached) -> Workspace:
    """Versions 1 and 3 passed, 2 was forced."""
    for number, metrics in enumerate((GOOD, WORSE, BETTER), 1):
        repository.aml(*register(add_job(repository.workspace, number, metrics), "--tag", f"of={number}"), "--force")
    assert [one["gate.verdict"] for one in models(repository).values()] == ["passed", "forced", "passed"]
    return repository.workspace


def test_from_then_on_the_champion_is_what_was_promoted(gated: Attached) -> None:
    workspace = three(gated)
    before = {version: dict(one["properties"]) for version, one in workspace.assets["models"]["birds"].items()}
    said = gated.aml("promote", "birds:1", "--azure")
    assert said.stdout.splitlines() == [
        "model birds: version 1 is the champion in workspace aml-demo (before: version 3)",
        "no endpoint has it: aml deploy --model birds:1 deploys it",
    ]
    assert re.fullmatch(f"{TIME}/", tags(workspace)["1"]["champion.held"]) and tags(workspace)["2"] == {"of": "2"}
    for version, one in workspace.assets["models"]["birds"].items():  # nothing else has changed
        assert {**one["properties"], "tags": None} == {**before[version], "tags": None}
    refused = gated.aml(*register(add_job(workspace, 4, WORSE)), status=3)
    assert "the champion is version 1" in refused.stderr
    assert "before: version 1" in gated.aml("promote", "birds", "--azure").stdout  # the newest that passed
    assert re.fullmatch(f"{TIME}/{TIME}", tags(workspace)["1"]["champion.held"])
    rows = [line.split() for line in gated.aml("models", "--azure").stdout.splitlines()[1:]]
    assert [row[5] for row in rows] == ["since", "test_accuracy=0.95", "until"]
    assert rows[2][-1] == "of=1" and "(-0.01)" in rows[2]

    with gated.service.watch() as calls:
        again = gated.aml("promote", "birds", "--azure").stdout
    assert again.splitlines()[0] == (
        "model birds: version 3 is the champion in workspace aml-demo already: nothing was changed"
    )
    assert not [call for call in calls if call.method not in ("GET", "POST") and call.kind == "control"]


def test_what_did_not_pass_has_to_be_forced(gated: Attached) -> None:
    workspace = three(gated)
    gated.service.calls.clear()
    said = gated.aml("promote", "birds:2", "--azure", status=3)
    assert said.stdout == "" and said.stderr.splitlines()[0] == (
        "aml: the gate did not let version 2 of model birds pass:"
    )
    assert not gated.changes()
    gated.aml("promote", "birds:2", "--azure", "--force")
    assert tags(workspace)["2"]["champion.number"] == "1"
    assert "model birds has no version 9; there are 3, 2, 1" in gated.refused("promote", "birds:9", "--azure")


def test_it_says_what_answers_with_it(gated: Attached) -> None:
    workspace = three(gated)
    endpoint = endpoints.store(workspace, "birds", traffic={"birds-1": 90, "birds-3": 10})
    for version in ("1", "3"):
        endpoints.store_deployment(workspace, endpoint, f"birds-{version}", f"birds:{version}")
    said = gated.aml("promote", "birds", "--azure").stdout.splitlines()
    assert said[1:] == ["endpoint birds: deployment birds-3 answers 10 % of the requests with it"]


def test_two_at_once(gated: Attached) -> None:
    """Both read before either writes: each alone would succeed."""
    workspace = three(gated)
    raced = gated.service.faults.add("slow", method="GET", path="/models/birds/versions$", times=2, seconds=2)
    commands = (["promote", "birds:1", "--azure"], ["promote", "birds:3", "--azure"])
    with gated.start(*commands[0]) as first, gated.start(*commands[1]) as second:
        said = [process.communicate(timeout=120) for process in (first, second)]
    assert len(raced.hits) == 2
    assert second.returncode == 0, said[1]  # the newer one stays, whoever writes first
    kept = tags(workspace)
    assert [version for version, one in kept.items() if one.get("champion.held", "").endswith("/")] == ["3"]
    if first.returncode:
        assert first.returncode == 2 and "somebody promoted version 3 at the same moment" in said[0][1]
    assert "the champion is version 3" in gated.aml(*register(add_job(workspace, 4, WORSE)), status=3).stderr


def test_into_a_registry(gated: Attached) -> None:
    workspace = three(gated)
    gated.service.cloud.registries[REGISTRY] = {}
    said = gated.aml("promote", "birds", "--registry", REGISTRY).stdout.splitlines()
    assert said[-1] == f"registry {REGISTRY}: has birds:3 now"
    (shared,) = gated.service.cloud.registries[REGISTRY]["birds"].values()
    assert shared["properties"]["properties"]["metric.test_accuracy"] == "0.99"
    again = gated.aml("promote", "birds", "--registry", REGISTRY).stdout.splitlines()
    assert again[0].endswith("already: nothing was changed")
    assert again[-1] == f"registry {REGISTRY}: has birds:3 already, and it was not shared again"
    assert len(gated.calls("POST", "/import$")) == 1
    assert "Registry nowhere could not be found" in gated.refused("promote", "birds:1", "--registry", "nowhere")
    assert tags(workspace)["3"]["champion.number"] == "1" and "champion.number" not in tags(workspace)["1"]


def test_into_another_workspace(gated: Attached) -> None:
    workspace = three(gated)
    prod = gated.service.cloud.add_workspace("aml-prod")
    said = gated.aml("promote", "birds", "--to-workspace", OTHER).stdout.splitlines()
    assert said[2:] == [
        "workspace aml-prod: birds:3 is version 1 there",
        "model birds: version 1 is the champion in workspace aml-prod",
        "no endpoint has it: aml deploy --model birds:1 deploys it",
    ]
    (copy,) = prod.assets["models"]["birds"].values()
    properties = copy["properties"]["properties"]
    assert properties["aml.copied_from"] == f"azureml:/{workspace.scope}/models/birds/versions/3"
    assert properties["metric.test_accuracy"] == "0.99" and properties["gate.verdict"] == "passed"
    assert not [key for key in properties if key.startswith(("gate.champion", "gate.comparison"))]
    assert copy["properties"]["tags"].items() >= {"of": "3", "champion.number": "1"}.items()
    container, path = datastores.locate(prod, copy["properties"]["modelUri"])
    blob = prod.service.storage.client.get_blob_client(container, path)
    assert blob.download_blob().readall() == models(gated)["3"]["aml.run"].encode()

    gated.service.calls.clear()
    gated.aml("promote", "birds", "--to-workspace", OTHER)
    assert list(prod.assets["models"]["birds"]) == ["1"] and not gated.calls("PUT", kind="control")
    gated.aml("promote", "birds:1", "--to-workspace", OTHER)
    assert tags(prod)["2"]["champion.number"] == "2" and re.fullmatch(
        f"{TIME}/{TIME}", tags(prod)["1"]["champion.held"]
    )


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (f"{cloud.SUBSCRIPTION}/{cloud.GROUP}/aml-none", "workspace aml-none: not found, or not yours"),
        (f"{cloud.SUBSCRIPTION}/{cloud.GROUP}/AML-demo", "is the workspace of this repository"),
    ],
)
def test_another_workspace_that_is_none(gated: Attached, place: str, says: str) -> None:
    workspace = three(gated)
    assert says in gated.refused("promote", "birds", "--to-workspace", place)
    assert "champion.number" not in tags(workspace)["3"]  # nothing was changed here either


def test_a_dry_run_says_what_is_sent(gated: Attached) -> None:
    workspace = three(gated)
    prod = gated.service.cloud.add_workspace("aml-prod")
    gated.service.cloud.registries[REGISTRY] = {}
    arguments = ["promote", "birds:3", "--registry", REGISTRY, "--to-workspace", OTHER]
    before = len(gated.service.calls)
    said = gated.aml(*arguments, "--dry-run", env=gated.environment("none", PATH="/usr/bin:/bin"))
    assert len(gated.service.calls) == before
    printed = re.findall(r"^(PUT|POST) +https://[^/]+(/[^?\n]+)", said.stdout, re.MULTILINE)
    dry = [(method, path) for method, path in printed if "listSecrets" not in path]
    with gated.service.watch() as calls:
        gated.aml(*arguments)
    sent = [
        (call.method, call.path)
        for call in calls
        if call.method in ("PUT", "POST") and call.kind in ("control", "data") and "listSecrets" not in call.path
    ]
    assert [method for method, _ in dry] == [method for method, _ in sent]
    for (_, written), (_, path) in zip(dry, sent, strict=True):
        pattern = ".+".join(re.escape(part) for part in re.split(r"<[^<>]*>", written))
        assert re.fullmatch(pattern, path), (written, path)
    assert '"champion.held": "<time>/"' in said.stdout
    assert tags(workspace)["3"]["champion.number"] == "1" and tags(prod)["1"]["champion.number"] == "1"


# The data that models are compared on

SCORE = """

def score(model, test_data):
    rows = test_data.read_text().split()
    return {"test_accuracy": float(model.read_text()) - 0.01 * len(rows), "test_f1_macro": 0.97}
"""


def measured(repository: Attached, number: int, metrics: dict[str, float], rows: str, model: str = "1.0") -> str:
    """A job with this model and these rows of test data."""
    workspace = repository.workspace
    name = add_job(workspace, number, metrics)
    artifacts, _ = datastores.locate(workspace, f"azureml://datastores/{datastores.ARTIFACTS}/paths/")
    prefix = workspace.runs[name].artifact_prefix
    for path, text in ((MODEL, model), ("outputs/test.csv", rows)):
        workspace.service.storage.upload(artifacts, prefix + path, text.encode())
    return name


def write_score(repository: Attached) -> None:
    path = repository.path / GATE
    text = re.sub(r"\n\ndef score.*?\n(?=\n\nif )", SCORE, path.read_text(encoding="utf-8"), flags=re.DOTALL)
    path.write_text(text, encoding="utf-8")


def test_the_champion_of_the_workspace_is_scored_again(gated: Attached) -> None:
    write_score(gated)
    gated.aml(*register(measured(gated, 1, GOOD, "a")))
    assert len(models(gated)["1"]["gate.test_data"]) == 64
    said = gated.aml(*register(measured(gated, 2, GOOD, "a"))).stderr
    assert "compared with version 1: test_accuracy=0.98 (+0)" in said
    refused = gated.aml(*register(measured(gated, 3, {**GOOD, "test_accuracy": 0.96}, "a b")), status=3).stderr
    assert "(the champion is version 2; scored again on this run's test data)" in refused
    assert "test_accuracy 0.96 is worse than the champion's 0.98 by 0.02" in refused
    assert list(models(gated)) == ["1", "2"]
    hard = measured(gated, 4, {**GOOD, "test_accuracy": 0.905}, "a b c d e f g h i")
    assert "scored again" in gated.aml(*register(hard)).stderr
    assert models(gated)["3"]["gate.champion.test_accuracy"] == "0.91"


@pytest.mark.parametrize("gone", ["the file", "the datastore"])
def test_a_champion_that_cannot_be_scored_any_more(gated: Attached, gone: str) -> None:
    write_score(gated)
    gated.aml(*register(measured(gated, 1, GOOD, "a")))
    found: Any = gated.workspace.assets["models"]["birds"]["1"]["properties"]
    container, path = datastores.locate(gated.workspace, found["modelUri"])
    if gone == "the file":
        gated.service.storage.client.get_blob_client(container, path).delete_blob()
        says = r"model birds:1: there is nothing at azureml://datastores/workspaceartifactstore/paths/"
    else:
        found["modelUri"] = "https://example.com/model.pkl"
        says = r"model birds:1: https://example\.com/model\.pkl is on no datastore of the workspace"
    said = gated.aml(*register(measured(gated, 2, BETTER, "b")), status=3).stderr
    assert "not comparable with the champion, version 1, which was measured on other test data: " in said
    assert re.search(says, said) and list(models(gated)) == ["1"]
    gated.aml(*register(measured(gated, 3, BETTER, "b")), "--force")
    assert models(gated)["2"]["gate.comparison"] == "impossible"


def test_a_version_without_a_verdict_is_promoted_by_its_number(attached: Attached) -> None:
    uri = f"azureml://jobs/{add_job(attached.workspace, 1, GOOD)}/outputs/artifacts/paths/{MODEL}"
    assets.store(attached.workspace, "models", "birds", "1", {"modelUri": uri, "modelType": "custom_model"})
    assert "no version of model birds passed the gate" in attached.refused("promote", "birds", "--azure")
    said = attached.aml("promote", "birds:1", "--azure")
    assert "version 1 was not judged by a gate" in said.stderr and "champion.number" in tags(attached.workspace)["1"]
