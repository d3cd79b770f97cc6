"""Addresses of data, code and environments, as job files write them."""

import re

WEB = re.compile(r"https?://")
# Not on this machine, and no drive of Windows: an address, or the id of a resource.
REMOTE_URI = re.compile(r"(?!file:)[a-z][a-z0-9]+:|/subscriptions/")
# What Azure ML reads data from: how-to-read-write-data-v2, adl:// of Data Lake Storage Gen1, what a workspace has.
DATA_URI = re.compile(
    r"(azureml|https?|wasbs?|abfss?|adl):"
    r"|/subscriptions/.+/resourceGroups/.+/providers/Microsoft\.MachineLearningServices/workspaces/.+/.+/.",
    re.IGNORECASE,
)
WASBS = re.compile(r"wasbs?://(?P<container>[^@/]+)@(?P<account>[^/]+)/(?P<path>.+)")
# What azure-ai-ml takes for the reference of an asset: azureml:NAME:VERSION, azureml:NAME@LABEL, or the id of one.
_NAMED = r"azureml:([^:@/]+(:[^:@/]+|@[^:@/]+)"
_ID = r"|/subscriptions/.+/providers/Microsoft\.MachineLearningServices/.+/{}/[^/]+/(versions|labels)/[^/]+"
DATA_REFERENCE = re.compile(rf"{_NAMED}{_ID.format('[a-z]+')}|//[^/].*)", re.IGNORECASE)
ENVIRONMENT_REFERENCE = re.compile(rf"{_NAMED}{_ID.format('environments')}|//registries/.*)", re.IGNORECASE)
# Code that is not on this machine: an address, azureml:NAME:VERSION (which azure-ai-ml takes for a folder) or an id.
REMOTE_CODE = re.compile(
    rf"(git\+|(https?|ftps?)://[^/\s]+\.[^/\s]+).*|azureml:((?P<name>[^:@/]+):(?P<version>[^:@/]+){_ID.format('codes')})",
    re.IGNORECASE,
)
REGISTRY_ENVIRONMENT = re.compile(
    r"azureml://registries/([^/]+)/environments/([^/]+)/(?:labels/latest|versions/([^/]+))"
)


def name_and_version(reference: str) -> tuple[str, str | None]:
    """The two parts of azureml:NAME:VERSION; the version is None for azureml:NAME@latest."""
    name, _, version = reference.removeprefix("azureml:").partition(":")
    return (name, version) if version else (name.partition("@")[0], None)


def curated_environment(reference: str) -> tuple[str, str] | None:
    """The name and version (or "latest") of an environment that Microsoft curates; None for any other.

    It is azureml://registries/azureml/environments/NAME/versions/VERSION, or azureml:AzureML-NAME:VERSION.
    """
    if found := REGISTRY_ENVIRONMENT.fullmatch(reference):
        return (found[2], found[3] or "latest") if found[1] == "azureml" else None
    name, version = name_and_version(reference)
    return (name.removeprefix("AzureML-"), version or "latest") if name.startswith("AzureML-") else None


def datastore_of(uri: str) -> str | None:
    """The name of the workspace's datastore in azureml://datastores/NAME/paths/PATH; None for any other address."""
    found = re.match(r"azureml://datastores/([^/]+)", uri)
    return found[1] if found else None


def shorten_datastore_path(uri: str) -> str:
    """A path on a datastore in its short form, azureml://datastores/NAME/paths/PATH; other addresses as they are."""
    _, found, path = uri.partition("/datastores/")
    return f"azureml://datastores/{path.rstrip('/')}" if found else uri.rstrip("/")
