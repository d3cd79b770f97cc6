"""The addresses that Microsoft's own clients ask for, read from the sources of the installed clients.

The service's real addresses are in no document that covers all of them, but every one that a client generated from the
service's specification asks for is real. So the stand-in answers these and no others: whatever else is asked gets 404.

| client | addresses |
|---|---|
| `_restclient` of azure-ai-ml and azureml-mlflow | resources of a workspace and of a registry, run history |
| MLflow's and azureml-mlflow's service definitions | tracking, below a workspace |
| azure-mgmt-authorization, azure-mgmt-resource-subscriptions | permissions, subscriptions |

Blobs are judged by Azurite, which is Microsoft's own. Addresses that the service itself hands out, such as the next
page of a list, are known once they were handed out: `StandIn.handle` keeps them.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Folders of generated clients.
_GENERATED = (
    ("azure.ai.ml", "_restclient/**/operations/*.py"),
    ("azureml.mlflow", "_restclient/**/operations/*.py"),
    ("azure.mgmt.authorization", "v2022_04_01/operations/_permissions_operations.py"),
    ("azure.mgmt.resource.subscriptions", "operations/*.py"),
)
#: Service definitions of protocol buffers: module, and the file with the fields of its messages.
_DEFINITIONS = (
    ("mlflow", "protos/service_pb2.py"),
    ("mlflow", "protos/model_registry_pb2.py"),
    ("azureml.mlflow", "_protos/aml_service_pb2.py"),
)
#: Where azureml-mlflow's `_store/azureml_reststore.py` puts MLflow's calls; the end is MLflow's `utils/rest_utils.py`.
_TRACKING = (
    "/mlflow/v2.0/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers"
    "/Microsoft.MachineLearningServices/workspaces/{workspaceName}/api/2.0"
)
#: azure-ai-ml's MFE_PATH_PREFIX (`constants/_common.py`): resources of a registry, and jobs of batch endpoints.
_REGISTRY_PREFIX = "/mferp/managementfrontend"
#: Addresses that clients ask for outside of their generated parts, with where that is.
_BY_HAND = (
    ("GET", "/metadata/endpoints"),  # azure-ai-ml `_azure_environments.py`, azureml-mlflow `_common/_cloud/cloud.py`
    ("GET", "/discovery"),  # azure-ai-ml `_utils/utils.py`, by the workspace's discoveryUrl
    (  # azure-ai-ml `operations/_batch_endpoint_operations.py`, list_jobs
        "GET",
        f"{_REGISTRY_PREFIX}/subscriptions/{{subscriptionId}}/resourceGroups/{{resourceGroupName}}/providers"
        "/Microsoft.MachineLearningServices/workspaces/{workspaceName}/batchEndpoints/{endpointName}/jobs",
    ),
)


@dataclass(frozen=True)
class Route:
    """A method and an address with {names}; `fields` are what the query, or a body of MLflow, may hold."""

    method: str
    template: str
    fields: frozenset[str]
    client: str

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """The address as a regular expression. What a client does not quote may be several parts, or none."""
        text = re.escape(self.template).replace(r"\{", "{").replace(r"\}", "}")
        text = text.replace("{parentResourcePath}/", "(?:.+/)?").replace("{resourceType}", ".+")
        return re.compile(re.sub(r"\{\w+\}", "[^/]+", text) + "/?", re.IGNORECASE)


@functools.cache
def all_routes() -> tuple[Route, ...]:
    """The routes of all clients. Takes a third of a second."""
    found = [Route(method, address, frozenset({"api-version"}), "by hand") for method, address in _BY_HAND]
    for package, pattern in _GENERATED:
        for file in sorted(_folder(package).glob(pattern)):
            if "aio" not in file.parts:
                found += _generated(file.read_text(encoding="utf-8"), package)
    for package, file_name in _DEFINITIONS:
        file = _folder(package) / file_name
        found += _defined(file.read_text(encoding="utf-8"), _messages(file.with_suffix(".pyi")), package)
    return tuple(dict.fromkeys(found))


def find(method: str, path: str) -> list[Route]:
    """The routes that a request fits."""
    return [route for route in all_routes() if route.method == method and route.pattern.fullmatch(path)]


def problems(method: str, path: str, given: Iterable[str]) -> list[str]:
    """What no client asks for in a request to `path`; `given` are the names in its query, or in a body for MLflow."""
    found = find(method, path)
    if not found:
        return ["no client of Microsoft's has this address"]
    known = frozenset[str]().union(*(route.fields for route in found))
    return [f"no client of Microsoft's sends {name} there" for name in given if name.lower() not in known]


def _folder(package: str) -> Path:
    specification = importlib.util.find_spec(package)
    assert specification and specification.origin, f"{package} is not installed"
    return Path(specification.origin).parent


def _generated(source: str, client: str) -> Iterator[Route]:
    """Of Microsoft's generator, in all of its styles: a function has an address, a method and names of a query."""
    source = re.sub(r'"\s*\n\s*"', "", source)  # an address in several parts
    for function in re.split(r"\n(?:    )?(?=def |@)", source):
        method = re.search(r"""method=["'](\w+)["']|self\._client\.(get|put|post|patch|delete|head)\(""", function)
        address = re.search(r"""["'](/\w[^"'\s]*)["']""", function)
        fields = re.findall(r"""\b(?:_params|_?query_parameters)\[["']([^"']+)["']\]""", function)
        if method and address:
            allowed = frozenset(field.lower() for field in [*fields, "api-version"])
            verb = (method[1] or method[2]).upper()
            yield Route(verb, address[1], allowed, client)
            if "/registries/{" in address[1] and address[1].startswith("/subscriptions/"):
                yield Route(verb, _REGISTRY_PREFIX + address[1], allowed, client)


def _defined(source: str, messages: dict[str, frozenset[str]], client: str) -> Iterator[Route]:
    """Of MLflow's services: their options hold method and path as serialized text."""
    for name, options in re.findall(r"methods_by_name\['(\w+)'\]\._serialized_options = b'(.*)'", source):
        fields = messages.get((name[0].upper() + name[1:]).lower(), frozenset())
        for method, path in re.findall(
            r"(GET|POST|PUT|PATCH|DELETE)\\022(?:\\\d{3}|\\.|.)(/[\w{}/.:-]+?)\\032", options
        ):
            yield Route(method, _TRACKING + path, fields, client)


def _messages(stub: Path) -> dict[str, frozenset[str]]:
    """The fields of the messages that a stub file describes, by their names in small letters."""
    if not stub.is_file():
        return {}
    found = re.findall(r"^class (\w+)\(.*\n    __slots__ = \(([^)]*)\)", stub.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower(): frozenset(re.findall(r'"(\w+)"', slots)) for name, slots in found}
