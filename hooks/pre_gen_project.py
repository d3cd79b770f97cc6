"""Refuses answers that Azure Machine Learning or a file system would refuse later, all of them in one message."""

import json
import re
import sys
import unicodedata

# What Windows keeps for devices, in every folder and with every ending:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file#naming-conventions
DEVICES = {"con", "prn", "aux", "nul"} | {f"{device}{number}" for device in ("com", "lpt") for number in range(10)}

# The slug names the distribution, which may not take the place of a package that it installs, directly or not.
PACKAGES = set(
    """
    aml aml-template annotated-doc annotated-types anyio arrow asgiref attrs azure-ai-ml azure-common azure-core
    azure-core-tracing-opentelemetry azure-identity azure-mgmt-core azure-monitor-opentelemetry
    azure-monitor-opentelemetry-exporter azure-storage-blob azure-storage-file-datalake azure-storage-file-share
    azureml-core azureml-mlflow binaryornot cachetools certifi cffi charset-normalizer click cloudpickle colorama
    contourpy cookiecutter cryptography cycler databricks-sdk exceptiongroup fastapi fastjsonschema filelock
    fonttools gitdb gitpython google-auth h11 hatch-vcs hatchling idna importlib-metadata iniconfig isodate jinja2
    joblib jsonpickle jsonschema jsonschema-specifications jupyter-core kiwisolver libcst markdown-it-py markupsafe
    marshmallow matplotlib mdurl mlflow mlflow-skinny msal msal-extensions msrest narwhals nbformat numpy oauthlib
    opentelemetry-api opentelemetry-instrumentation opentelemetry-proto opentelemetry-resource-detector-azure
    opentelemetry-sdk opentelemetry-semantic-conventions opentelemetry-util-http packaging pandas pathspec pillow
    pip platformdirs pluggy protobuf psutil pyasn1 pyasn1-modules pycparser pydantic pydantic-core pydash pygments
    pyjwt pyparsing pytest python-dateutil python-dotenv python-slugify pytz pywin32 pyyaml pyyaml-ft referencing
    requests requests-oauthlib rich rpds-py ruamel-yaml scikit-learn scipy setuptools setuptools-scm six sklearn
    smmap sqlparse starlette strictyaml text-unidecode threadpoolctl tomli tomlkit tqdm train traitlets
    trove-classifiers typing-extensions typing-inspection tzdata urllib3 uv uvicorn vcs-versioning wheel wrapt zipp
    """.split()
)

# answer: pattern, rule, a corrected example. aml.jobfile.names has the same patterns, with their sources; a hook
# cannot import it, for nothing is installed yet.
RULES = {
    "project_slug": (
        r"[a-z][a-z0-9-]{1,30}[a-z0-9]",
        "3-32 lower-case letters, digits and dashes, beginning with a letter, ending with a letter or digit",
        "demo-model",
    ),
    "subscription_id": (
        r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        "a UUID, as `az account show --query id` prints it",
        "11111111-2222-3333-4444-555555555555",
    ),
    "resource_group": (
        r"[-\w._()]{0,89}[-\w_()]",
        "1-90 letters, digits and - _ . ( ), not ending with a dot",
        "aml-demo",
    ),
    "workspace_name": (
        r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
        "3-33 letters, digits, - and _, beginning with a letter or digit",
        "aml-demo",
    ),
    "compute_name": (
        r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}",
        "3-24 letters, digits and dashes, beginning with a letter, not ending with a dash and a number",
        "cpu-cluster",
    ),
    # https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions; Azure does not mind the case
    "compute_size": (
        r"(?i:standard)_[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*(_[a-zA-Z0-9]+)*",
        "the name of an Azure VM size",
        "Standard_DS3_v2",
    ),
}

# answer: an example of its one line of text
LINES = {
    "project_name": "Demo Model",
    "description": "Predicts the species of a penguin.",
    "package": "template",
}


def problems(answers: dict[str, str]) -> list[str]:
    """Describe each bad answer: the answer, its value, the rule and a corrected example."""
    found = []
    for name, (pattern, rule, example) in RULES.items():
        if not re.fullmatch(pattern, answers[name]):
            found.append(describe(name, answers[name], "should be " + rule, corrected(answers[name], pattern, example)))
    slug = answers["project_slug"]
    if slug in DEVICES:
        found.append(describe("project_slug", slug, "is a name that Windows keeps for a device", slug + "-model"))
    if re.sub("-+", "-", slug) in PACKAGES:
        found.append(describe("project_slug", slug, "is the name of a package that training needs", slug + "-model"))
    for name, example in LINES.items():
        text = answers[name]
        if not text.strip() or not all(map(writable, text)):
            found.append(describe(name, text, "should be one line of text", example))
    return found


def corrected(value: str, pattern: str, example: str) -> str:
    """The value with its faults taken out where that is enough to fit the pattern, else the example."""
    clean = re.sub(r"[^a-zA-Z0-9]+", "-", value).strip("-")
    attempts = (clean, clean.lower(), re.sub(r"-(\d+)$", r"\1", clean))
    taken = DEVICES | PACKAGES
    return next((try_ for try_ in attempts if re.fullmatch(pattern, try_) and try_ not in taken), example)


def writable(letter: str) -> bool:
    """Whether TOML, YAML and JSON all hold the letter as it is: no control, separator, surrogate, noncharacter."""
    return unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp") and ord(letter) & 0xFFFE != 0xFFFE


def describe(name: str, value: str, fault: str, example: str) -> str:
    """One line of the refusal."""
    return f"  {name} {value!a} {fault}, such as {example}"


def refusal(answers: dict[str, str]) -> str | None:
    """The message that ends the generation, or None, for sys.exit."""
    found = problems(answers)
    return "\n".join(["Nothing was generated. Please correct:", *found]) if found else None


if __name__ == "__main__":
    sys.exit(refusal(json.loads(r"""{{ cookiecutter | jsonify }}""")))
