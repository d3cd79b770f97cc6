"""The addresses of the service: which there are is read from Microsoft's clients, and no other is asked for.

The stand-in answers 404 to every other one, and the fixture `workspace` fails a test that asked for it.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from aml.azure.workspace_client import connect
from aml.errors import ServiceError
from standin import cloud, routes
from standin.fixtures import Attached
from standin.server import ROUTERS

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
LOCATION = "/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/l"
HISTORY = f"/history/v1.0{WORKSPACE}"
TRACKING = f"/mlflow/v2.0{WORKSPACE}/api/2.0/mlflow"
REGISTRY = f"/mferp/managementfrontend{WORKSPACE.replace('workspaces/w', 'registries/r')}"
RESOURCE = "{resourceProviderNamespace}/{parentResourcePath}/{resourceType}"


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("GET", f"{HISTORY}/runs/x/details", "api-version"),
        ("GET", f"{HISTORY}/experiments/e/runs/x/artifacts", "continuationToken"),
        ("GET", f"{HISTORY}/experiments/e/runs/x/artifacts/contentinfo", "path"),
        ("GET", f"{WORKSPACE}/providers/Microsoft.Authorization/permissions", "api-version"),
        ("GET", f"{WORKSPACE}/data/d/versions", "$orderBy"),
        ("PUT", f"{WORKSPACE}/onlineEndpoints/e/deployments/d", "api-version"),
        ("POST", f"{WORKSPACE}/onlineEndpoints/e/deployments/d/getLogs", "api-version"),
        ("POST", f"{WORKSPACE}/onlineEndpoints/e/token", "api-version"),
        ("GET", f"/mferp/managementfrontend{WORKSPACE}/batchEndpoints/e/jobs", "api-version"),
        ("GET", f"{LOCATION}/usages", "api-version"),
        ("POST", f"{TRACKING}/runs/search", "experiment_ids"),
        ("GET", f"{TRACKING}/experiments/get-by-name", "experiment_name"),
        ("GET", f"{REGISTRY}/environments/e/versions/1", "api-version"),
    ],
)
def test_an_address_that_clients_ask_for(method: str, path: str, fields: str) -> None:
    assert routes.problems(method, path, [fields]) == []
    assert routes.problems(method, path, ["birds"]) == ["no client of Microsoft's sends birds there"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{HISTORY}/runs/x/artifacts"),
        ("GET", f"{HISTORY}/runs/x/artifacts/contentinfo"),
        ("DELETE", f"{HISTORY}/runs/x/details"),
        ("GET", f"{WORKSPACE}/birds"),
        ("GET", f"{WORKSPACE}/onlineEndpoints/e/keys"),
        ("POST", f"{WORKSPACE}/onlineEndpoints/e/deployments/d/logs"),
        ("GET", f"{TRACKING}/runs/find"),
        ("GET", f"{REGISTRY}/environments/e/labels/latest"),
    ],
)
def test_an_address_that_nobody_asks_for(method: str, path: str) -> None:
    assert routes.problems(method, path, []) == ["no client of Microsoft's has this address"]


@pytest.mark.parametrize("client", ["runhistory", "arm_ml_service", "dataset_dataplane", "registry_discovery"])
def test_the_requests_that_the_clients_build_are_all_known(client: str) -> None:
    """What is read from their sources, against the requests that their own functions return."""
    module = importlib.import_module(f"azure.ai.ml._restclient.{client}.operations._operations")
    built = list(_requests(module))
    assert built
    for request in built:
        path, _, query = request.url.partition("?")
        given = [pair.partition("=")[0] for pair in query.split("&") if pair]
        assert routes.problems(request.method, path, given) == [], request.url


def _requests(module: Any) -> Iterator[Any]:
    """A request of each function that builds one; texts and numbers are enough for their arguments."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("build_"):
            required = [
                one for one in inspect.signature(function).parameters.values()
                if one.default is one.empty and one.kind is not one.VAR_KEYWORD
            ]  # fmt: skip
            yield function(**{one.name: 1 if "int" in str(one.annotation) else "x" for one in required})


def test_the_stand_in_answers_no_address_of_its_own() -> None:
    """But those that it hands out itself, in the header of an operation that takes a while."""
    routers = [router for answering in ROUTERS.values() for router in answering]
    handlers = {handler for router in routers for _, _, handler in router.routes}
    answered = set()
    for route in routes.all_routes():
        for collection in ("codes", "data", "environments", "models"):
            path = route.template.replace(RESOURCE, f"{cloud.PROVIDER}/workspaces")
            path = re.sub(r"\{\w+\}", collection, path)
            answered |= {found[0] for router in routers if (found := router.find(route.method, path))}
    assert {handler.__name__ for handler in handlers - answered} == {
        "cancel_result", "operation_result", "operation_status", "endpoint_operation_result",
        "endpoint_operation_status", "import_result",
    }  # fmt: skip


def test_a_test_that_asks_for_another_address_fails(attached: Attached, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in attached.environment().items():
        monkeypatch.setenv(key, value)
    client = connect(attached.path)
    with pytest.raises(ServiceError) as refused:
        client.get(f"{client.data_plane}/history/v1.0{client.scope}/runs/x/artifacts")
    assert refused.value.status == 404
    (violation,) = attached.service.violations
    assert violation.endswith("/runs/x/artifacts: no client of Microsoft's has this address")
    attached.service.violations.clear()
