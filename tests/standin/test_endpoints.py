"""Endpoints of the stand-in, driven by the plain SDK in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from standin import StandIn
from standin.cloud import GROUP, SUBSCRIPTION, WORKSPACE, Workspace

pytestmark = [pytest.mark.slow, pytest.mark.standin]
SERVER = {"dependencies": ["python=3.11", {"pip": ["azureml-inference-server-http==1.5.1"]}]}
SCORE = """
import json, os
from pathlib import Path
from typing import Any
from azureml_inference_server_http.api.aml_response import AMLResponse

def init():
    global word
    word = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.txt")).read_text()
    print("model is", word)

def run(raw_data):
    asked = json.loads(raw_data)
    if "bad" in asked:
        return AMLResponse({"error": asked["bad"]}, 400, json_str=True)
    return {"word": word, "asked": asked}
"""
PREAMBLE = f"""
import json, logging, sys
logging.disable(logging.WARNING)
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    CodeConfiguration, Environment, ManagedOnlineDeployment, ManagedOnlineEndpoint, Model, ProbeSettings)
from azure.core.exceptions import AzureError
from azure.identity import AzureCliCredential

ml = MLClient(AzureCliCredential(), "{SUBSCRIPTION}", "{GROUP}", "{WORKSPACE}", show_progress=False)

def deployment(name, model="azureml:words:1", size="Standard_DS2_v2", code="code", **more):
    return ManagedOnlineDeployment(
        name=name, endpoint_name="words", model=model, code_configuration=CodeConfiguration(code, "score.py"),
        environment=Environment(image="mcr.microsoft.com/azureml/x", conda_file="conda.yml"),
        instance_type=size, instance_count=1, **more)

def create(thing):
    operations = ml.online_deployments if isinstance(thing, ManagedOnlineDeployment) else ml.online_endpoints
    return operations.begin_create_or_update(thing).result()

def refused(what):
    try:
        what()
    except AzureError as error:
        code = getattr(getattr(error, "error", None), "code", "")
        return [getattr(error, "status_code", 0), code, str(error.message)]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(SCORE)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "score.py").write_text(
        "def init():\n    raise ValueError('no such bird')\ndef run(x):\n    pass\n"
    )
    (tmp_path / "model.txt").write_text("owl")
    (tmp_path / "conda.yml").write_text(yaml.safe_dump(SERVER))
    (tmp_path / "request.json").write_text('{"n": 1}')
    (tmp_path / "bad.json").write_text('{"bad": "bird"}')
    return tmp_path


def sdk(service: StandIn, folder: Path, code: str) -> list[Any]:
    """Run a script with the plain SDK; what it printed as JSON, line by line."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREAMBLE + textwrap.dedent(code)],
        cwd=folder, env=service.environment(), capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    calls = "\n".join(map(str, service.calls[-15:]))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}\n{calls}\n{service.violations}"
    return [json.loads(line.lstrip(".")) for line in done.stdout.splitlines() if line.lstrip(".")]


def test_an_endpoint_from_its_creation_to_its_end(service: StandIn, workspace: Workspace, folder: Path) -> None:
    said = sdk(service, folder, """
        ml.models.create_or_update(Model(name="words", version="1", path="model.txt"))
        create(ManagedOnlineEndpoint(name="words", auth_mode="key"))
        create(deployment("blue"))
        endpoint = ml.online_endpoints.get("words")
        print(json.dumps([endpoint.provisioning_state, endpoint.scoring_uri, endpoint.traffic]))
        print(json.dumps(refused(lambda: ml.online_endpoints.invoke("words", request_file="request.json"))))
        print(json.dumps(ml.online_endpoints.invoke("words", request_file="request.json", deployment_name="blue")))
        endpoint.traffic = {"blue": 100}
        print(json.dumps(create(endpoint).traffic))
        print(json.dumps(refused(lambda: ml.online_deployments.begin_delete("blue", "words").result())))
        print(json.dumps("model is owl" in ml.online_deployments.get_logs("blue", "words", 50)))
        print(json.dumps([one.name for one in ml.online_endpoints.list()]))
        endpoint.traffic = {"green": 100}
        print(json.dumps(refused(lambda: create(endpoint))))
        ml.online_endpoints.begin_delete("words").result()
        print(json.dumps([one.name for one in ml.online_endpoints.list()]))
        """)  # fmt: skip
    assert said[0] == ["Succeeded", "https://words.eastus.inference.ml.azure.com/score", {"blue": 0}]
    assert said[1] and ("POST", 404) in [(call.method, call.status) for call in service.calls if call.kind == "scoring"]
    assert json.loads(str(said[2])) == {"word": "owl", "asked": {"n": 1}}
    assert said[3] == {"blue": 100}
    assert said[4][0] == 400
    assert said[5:7] == [True, ["words"]]
    assert said[7][0] == 400
    assert said[8] == [] and not workspace.endpoints


def test_what_does_not_start_and_what_has_no_quota(service: StandIn, workspace: Workspace, folder: Path) -> None:
    workspace.quota["standardDSv2Family"] = 6
    said = sdk(service, folder, """
        ml.models.create_or_update(Model(name="words", version="1", path="model.txt"))
        create(ManagedOnlineEndpoint(name="words", auth_mode="key"))
        print(json.dumps(refused(lambda: create(deployment("large", size="Standard_DS3_v2")))))
        print(json.dumps(refused(lambda: create(deployment("broken", code="broken")))))
        print(json.dumps(ml.online_deployments.get("broken", "words").provisioning_state))
        print(json.dumps(ml.online_deployments.get_logs("broken", "words", 50)))
        """)  # fmt: skip
    assert said[0][0] == 400 and "Current usage/limit: 0/6. Additional needed: 8" in said[0][2]
    assert said[1][1] == "ResourceNotReady" and "User container has crashed" in said[1][2]
    assert said[2] == "Failed"
    assert "no such bird" in str(said[3]) and re.search("UserContainerStart: Failed", str(said[3]))


def test_what_the_model_refuses_and_who_may_ask(service: StandIn, workspace: Workspace, folder: Path) -> None:
    """An answer of the container other than 200 is 424, with its status in a header; a wrong key is 401."""
    said = sdk(service, folder, """
        import requests
        ml.models.create_or_update(Model(name="words", version="1", path="model.txt"))
        for mode in ("aml_token", "aad_token", "key"):
            create(ManagedOnlineEndpoint(name="words", auth_mode=mode))
            if mode == "aml_token":
                endpoint = (create(deployment("blue")), ml.online_endpoints.get("words"))[1]
            credential = ml.online_endpoints.get_keys("words")
            key = getattr(credential, "primary_key", None) or credential.access_token
            def ask(body, key=key):
                headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
                headers["azureml-model-deployment"] = "blue"
                answer = requests.post(endpoint.scoring_uri, data=body, headers=headers)
                told = ("azureml-model-deployment", "ms-azureml-model-error-statuscode")
                return [answer.status_code, answer.text, *map(answer.headers.get, told)]
            print(json.dumps([ask("[1]"), ask('{"bad": "bird"}'), ask("[1]", "wrong")[:1]]))
        """)  # fmt: skip
    for good, bad, unknown in said:
        assert json.loads(good[1]) == {"word": "owl", "asked": [1]} and [good[0], *good[2:]] == [200, "blue", None]
        assert bad[0] == 424 and json.loads(bad[1]) == {"error": "bird"} and bad[2:] == ["blue", "400"]
        assert unknown == [401]
