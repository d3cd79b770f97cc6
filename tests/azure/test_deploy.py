"""Deploying over the wire: the unmodified SDK, and score.py in the real inference server."""

from __future__ import annotations

import json
import re

import pytest

from standin.contents import ENDPOINT, SCORE, add_model, serve_quickly
from standin.fixtures import Attached, until


@pytest.fixture
def served(attached: Attached) -> Attached:
    serve_quickly(attached)
    return attached


def traffic(repository: Attached) -> dict[str, int]:
    (endpoint,) = repository.workspace.endpoints.values()
    return dict(endpoint.properties["traffic"])


def states(repository: Attached) -> dict[str, str]:
    (endpoint,) = repository.workspace.endpoints.values()
    return {name: one.state for name, one in endpoint.deployments.items()}


def test_from_a_registered_model_to_a_prediction(served: Attached) -> None:
    said = served.aml("deploy")
    assert states(served) == {"demo-model-1": "Succeeded"} and traffic(served) == {"demo-model-1": 100}
    assert said.stdout == "endpoint demo-model: deployment demo-model-1 gets 100 % of the requests\n"
    assert "the model is owl" in said.stderr and "UserContainerStart: Succeeded" in said.stderr
    assert not re.search(r"\.\.\.\.|Traceback|experimental|Warning", said.stderr + said.stdout)
    answer = served.aml("invoke")
    assert json.loads(answer.stdout) == {"predictions": ["a owl", "b owl"]}
    assert answer.stderr.startswith("endpoint demo-model, deployment demo-model-1, ")
    listed = served.aml("endpoints").stdout.splitlines()
    assert re.split(r"  +", listed[1]) == [
        "demo-model", "online", "demo-model-1", "demo-model:1", "100 %", "succeeded", "1 x Standard_DS2_v2",
    ]  # fmt: skip
    assert listed[2:] == ["1 instance is billed now, even without traffic"]
    shown = json.loads(served.aml("endpoints", "show", ENDPOINT, "--json").stdout)
    assert (
        shown["deployments"][0] | {"instances": 1, "traffic": 100, "model": "demo-model:1"} == shown["deployments"][0]
    )
    assert "the model is owl" in served.aml("endpoints", "logs", ENDPOINT).stdout
    (endpoint,) = served.workspace.endpoints.values()
    everything = said.stdout + said.stderr + answer.stdout + answer.stderr
    assert not any(key in everything for key in endpoint.keys)


def test_a_new_version_beside_the_one_that_answers_and_back(served: Attached) -> None:
    served.aml("deploy")
    add_model(served.workspace, "2", "lark")
    served.aml("deploy", "--traffic", "0")
    assert states(served) == {"demo-model-1": "Succeeded", "demo-model-2": "Succeeded"}
    assert traffic(served) == {"demo-model-1": 100}
    assert json.loads(served.aml("invoke").stdout)["predictions"] == ["a owl", "b owl"]
    assert json.loads(served.aml("invoke", "-d", "demo-model-2").stdout)["predictions"] == ["a lark", "b lark"]
    with served.service.watch() as calls:
        said = served.aml("deploy", "--traffic", "20")
    assert traffic(served) == {"demo-model-1": 80, "demo-model-2": 20}
    assert said.stdout == "endpoint demo-model: deployment demo-model-2 gets 20 % of the requests\n"
    assert [call for call in calls if call.method == "PUT" and "/deployments/" in call.path] == []
    served.aml("deploy")
    assert traffic(served) == {"demo-model-2": 100}
    back = served.aml("deploy", "--rollback")
    assert traffic(served) == {"demo-model-1": 80, "demo-model-2": 20}
    assert back.stdout == "endpoint demo-model: requests go to demo-model-1 80 %, demo-model-2 20 % again\n"
    served.aml("deploy", "--rollback")
    assert traffic(served) == {"demo-model-1": 80, "demo-model-2": 20}
    served.aml("deploy")
    assert traffic(served) == {"demo-model-2": 100}
    refused = served.refused("deploy", "--delete", "demo-model-2")
    assert "deployment demo-model-2 gets 100 % of the requests" in refused
    assert served.aml("deploy", "--delete", "demo-model-1").stdout == "deployment demo-model-1 is deleted\n"
    assert list(states(served)) == ["demo-model-2"]
    gone = served.aml("deploy", "--delete", "demo-model-1").stdout
    assert gone == "deployment demo-model-1 is not there; there are demo-model-2\n"
    lost = served.refused("deploy", "--rollback")
    assert "deployment demo-model-1, which answered before, is deleted" in lost
    deleted = served.aml("deploy", "--delete", ENDPOINT)
    assert deleted.stdout == "endpoint demo-model is deleted, with its deployments\n"
    assert not served.workspace.endpoints
    assert served.aml("deploy", "--delete", ENDPOINT).stdout == "endpoint demo-model is not there\n"


def test_other_code_for_the_same_model_is_another_deployment(served: Attached) -> None:
    served.aml("deploy")
    script = served.path / "src" / "score.py"
    script.write_text(SCORE.replace("{row} {word}", "{word} {row}"))
    served.aml("deploy")
    assert traffic(served) == {"demo-model-1-2": 100} and len(states(served)) == 2
    assert json.loads(served.aml("invoke").stdout)["predictions"] == ["owl a", "owl b"]
    script.write_text(SCORE)
    served.aml("deploy")
    assert traffic(served) == {"demo-model-1": 100} and len(states(served)) == 2


def test_a_deployment_that_fails_gets_no_requests_and_is_replaced(served: Attached) -> None:
    """Here the model answers; there it does not start."""
    script = served.path / "src" / "score.py"
    broken = "import os\nif os.environ.get('AML_APP_INSIGHTS_ENABLED') != 'false':  # not here\n    import birds\n"
    script.write_text(broken + SCORE)
    said = served.aml("deploy", status=2).stderr
    assert "No module named 'birds'" in said and "User container has crashed" in said
    assert "its log is above; aml serve --test starts the same here; aml deploy replaces it" in said
    assert states(served) == {"demo-model-1": "Failed"} and traffic(served) == {}
    script.write_text(SCORE)
    said = served.aml("deploy").stderr
    assert "replacing deployment demo-model-1, which failed" in said
    assert states(served) == {"demo-model-1": "Succeeded"} and traffic(served) == {"demo-model-1": 100}


def test_another_answer_than_here_gets_no_requests(served: Attached) -> None:
    served.aml("deploy")
    add_model(served.workspace, "2", "lark")
    other = "import os\nTHERE = os.environ.get('AML_APP_INSIGHTS_ENABLED') != 'false'\n"
    (served.path / "src" / "score.py").write_text(other + SCORE.replace("{row} {word}", "{row} {word}{THERE}"))
    said = served.aml("deploy", status=2).stderr
    assert "deployment demo-model-2 answers otherwise than the model here, and gets no requests" in said
    assert 'there {"predictions": ["a larkTrue"' in said and 'here  {"predictions": ["a larkFalse"' in said
    assert traffic(served) == {"demo-model-1": 100}


@pytest.mark.parametrize("signal", ["terminate", "kill"])
def test_what_was_cut_off_goes_on(served: Attached, signal: str) -> None:
    """With quota for one deployment, which is then taken."""
    served.workspace.quota["standardDSv2Family"] = 4
    with served.start("deploy") as process:
        until(lambda: any(endpoint.deployments for endpoint in served.workspace.endpoints.values()))
        getattr(process, signal)()
        process.wait()
    with served.service.watch() as calls:
        served.aml("deploy")
    assert traffic(served) == {"demo-model-1": 100} and len(states(served)) == 1
    puts = [call.path.rpartition("/")[2] for call in calls if call.method == "PUT" and call.kind == "control"]
    assert puts == [ENDPOINT]  # the traffic


def test_what_cannot_be_deployed_is_refused_before_anything_is_made(served: Attached) -> None:
    served.workspace.quota["standardDSv2Family"] = 3
    said = served.refused("deploy")
    needs = "1 x Standard_DS2_v2 needs quota for 4 cores, with those for upgrades; 3 are left"
    assert re.match(rf"aml_config/deployment.yml:\d+: {needs}", said)
    served.workspace.quota["standardDSv2Family"] = 100
    assert "model demo-model:7 is not in workspace" in served.refused("deploy", "--model", "demo-model:7")
    assert "should be a number" in served.refused("deploy", "--model", "demo-model:new")
    assert "--traffic 20: no other deployment answers the remaining 80 %" in served.refused("deploy", "--traffic", "20")
    (served.path / "other.json").write_text('{"rows": []}')
    said = served.aml("deploy", "--request", "other.json", status=2).stderr
    assert "model demo-model:1 answers 400 here, and nothing was deployed: 'data' is missing" in said
    assert "no request (No such file" in served.refused("deploy", "--request", "none.json")
    assert [str(call) for call in served.changes() if call.method != "POST"] == []


def test_a_size_that_the_service_does_not_take_is_said_with_its_line(served: Attached) -> None:
    served.write("deployment.yml", instance_type="Standard_DS2_v9")
    said = served.aml("deploy", status=2).stderr
    assert re.search(r"aml: aml_config/deployment.yml:\d+: .*Standard_DS2_v9", said)
    assert states(served) == {}


def test_requests_that_are_refused(served: Attached) -> None:
    assert "endpoint demo-model is not in workspace" in served.refused("invoke")
    assert "has no endpoints yet" in served.refused("endpoints")
    served.aml("deploy", "--traffic", "0")
    assert "no deployment gets requests: aml deploy" in served.refused("invoke")
    (served.path / "bad.json").write_text('{"rows": []}')
    said = served.refused("invoke", "bad.json", "-d", "demo-model-1")
    assert "the model refuses the request (400): 'data' is missing" in said
    (served.path / "worse.json").write_text("[]")
    said = served.refused("invoke", "worse.json", "-d", "demo-model-1")
    assert "the model failed (500): aml endpoints logs demo-model demo-model-1 shows why" in said
    assert "no deployment nobody that answers" in served.refused("invoke", "-d", "nobody")


@pytest.mark.parametrize("mode", ["aml_token", "aad_token"])
def test_tokens_in_place_of_keys(served: Attached, mode: str) -> None:
    served.write("endpoint.yml", auth_mode=mode)
    served.aml("deploy")
    assert json.loads(served.aml("invoke").stdout)["predictions"] == ["a owl", "b owl"]
    assert not served.calls("POST", "/listKeys$")
    served.write("endpoint.yml", auth_mode="key")
    said = served.refused("deploy")
    assert re.match(rf"aml_config/endpoint.yml:\d+: endpoint demo-model is there with auth_mode {mode}, not key", said)
