"""Write contract.json: the shapes of the bodies, from the client that Microsoft generated from the published contract.

    pip install --no-deps --target FOLDER azure-ai-ml==1.29.0
    PYTHONPATH=FOLDER python make_contract.py

azure-ai-ml 1.29.0 (MIT licence) still carries the client of api-version 2025-01-01-preview with its required fields,
enumerations and patterns. The bodies of jobs other than commands, and of computes other than clusters, are left out.
"""

import importlib
import json
import re
from pathlib import Path
from typing import Any

ROOTS = [
    *("JobBase", "CodeVersion", "DataVersionBase", "DataContainer", "EnvironmentVersion", "EnvironmentContainer"),
    *("ModelVersion", "ModelContainer", "Datastore", "ComputeResource", "PendingUploadRequestDto"),
    *("OnlineEndpoint", "OnlineDeployment", "DeploymentLogsRequest", "RegenerateEndpointKeysRequest"),
    *("BatchEndpoint", "BatchDeployment"),
]
#: 2025-01-01-preview leaves Ray out; azure-ai-ml 1.35 sends it there all the same, in the shape of this one.
DISTRIBUTIONS = ("v2024_04_01_preview", ("DistributionConfiguration", "Mpi", "PyTorch", "Ray", "TensorFlow"))
LEFT_OUT = re.compile(
    "AutoML|Sweep|Pipeline|Spark|Labeling|FineTuning|Distillation|Databricks|HDInsight|Synapse|VirtualMachine|AKS"
    "|DataFactory|DataLake|Kubernetes|ComputeInstance|AzureFile|Hdfs|OneLake|Certificate|ServicePrincipal"
)


def describe(cls: Any) -> tuple[dict[str, Any], list[str]]:
    """One class, and the names of those it refers to."""
    rules = getattr(cls, "_validation", {})
    fields = {}
    referred = []
    for attribute, entry in cls._attribute_map.items():
        field = {"type": entry["type"]}
        rule = rules.get(attribute, {})
        field |= {key: rule[key] for key in ("required", "readonly", "pattern", "min_length") if rule.get(key)}
        values = enumeration(cls, attribute)
        if values and entry["type"] == "str":
            field["values"] = values
        fields[entry["key"]] = field
        referred.append(entry["type"].strip("[]{}"))
    described: dict[str, Any] = {"fields": fields}
    if "_subtype_map" in vars(cls):
        ((attribute, subtypes),) = cls._subtype_map.items()
        subtypes = {value: name for value, name in subtypes.items() if not LEFT_OUT.search(name)}
        described["by"] = [cls._attribute_map[attribute]["key"], subtypes]
        referred += subtypes.values()
    return described, referred


def enumeration(cls: Any, attribute: str) -> list[str] | None:
    """The values that a docstring lists for an attribute."""
    found = re.search(rf":ivar {attribute}:(.*?):vartype {attribute}: ", cls.__doc__ or "", re.DOTALL)
    text = " ".join(found[1].split()) if found else ""
    listed = re.split(r"(?:Known values are|Possible values include):?", text)
    return list(dict.fromkeys(re.findall(r'"([^"]+)"', listed[1]))) if len(listed) > 1 else None


def main() -> None:
    models, distributions = (
        importlib.import_module(f"azure.ai.ml._restclient.{version}.models")
        for version in ("v2025_01_01_preview", DISTRIBUTIONS[0])
    )
    classes: dict[str, Any] = {}
    queue = list(ROOTS)
    while queue:
        name = queue.pop()
        source = distributions if name in DISTRIBUTIONS[1] else models
        if name not in classes and hasattr(source, name):
            classes[name], referred = describe(getattr(source, name))
            queue += referred
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(shape)}" for name, shape in sorted(classes.items()))
    (Path(__file__).parent / "contract.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
