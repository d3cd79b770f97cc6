"""What Azure and Azure Machine Learning accept as names. Standard library only."""

import re
from typing import NamedTuple

from aml.errors import FileError, Place, UserError

TAG_KEY = r"(?!.*\.\.)[\w.\- ]+(/[\w.\- ]+)*"  # of a tag: MLflow keeps each in a file of that name
NOT_SET = "00000000-0000-0000-0000-000000000000"


class Rule(NamedTuple):
    """What a name has to match, what messages say of that, and a name that does."""

    pattern: str
    says: str
    example: str

    def accepts(self, name: object) -> bool:
        """Whether it is a text, and matches as a whole."""
        return isinstance(name, str) and re.fullmatch(self.pattern, name) is not None

    def require(self, name: object, what: str, where: Place | None = None) -> None:
        """Raise UserError when the name is not accepted. Messages call it `what`; `where` is its place in a file."""
        if not self.accepts(name):
            problem, says = f"{what} {name!r}", f"should be {self.says}, such as {self.example}"
            raise FileError(where, problem, says) if where else UserError(f"{problem}: {says}")


# Sources: the naming rules of Azure Resource Manager say what a resource group is called, and, for Microsoft.Storage,
# an account and a container. The generated clients of azure-ai-ml 1.29 (v2023_08_01_preview) have workspace, compute
# and asset, its _restclient/runhistory the run, and _input_output_helpers.py of 1.35 the input. azureml-core has the
# experiment (_base_sdk_common/common.py), Microsoft's how-to-datastore.md the datastore, and how-to-manage-quotas.md
# the endpoint, whose deployments follow the same rule (azure-ai-ml, entities/_endpoint/_endpoint_helpers.py).
RULES = {
    "subscription_id": Rule(
        r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        "a UUID, as `az account show --query id` prints it",
        "11111111-2222-3333-4444-555555555555",
    ),
    "resource_group": Rule(
        r"[-\w._()]{0,89}[-\w_()]", "1-90 letters, digits and - _ . ( ), not ending with a dot", "aml-demo"
    ),
    "workspace_name": Rule(
        r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
        "3-33 letters, digits, - and _, beginning with a letter or digit",
        "aml-demo",
    ),
    "compute": Rule(
        r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}",
        "3-24 letters, digits and dashes, beginning with a letter, not ending with a dash and a number",
        "cpu-cluster",
    ),
    "endpoint": Rule(
        r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,30}[a-zA-Z0-9]",
        "3-32 letters, digits and single dashes, beginning with a letter, not ending with a dash",
        "demo-model",
    ),
    "asset": Rule(
        r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}",
        "1-255 letters, digits, - and _, beginning with a letter or digit",
        "demo-model",
    ),
    "experiment": Rule(
        r"[a-zA-Z0-9][\w-]{0,254}", "1-255 letters, digits, - and _, beginning with a letter or digit", "demo-model"
    ),
    "run": Rule(r"[a-zA-Z0-9][\w-]{0,255}", "the id of a run, as aml runs lists it", "20261124-093000-1a2b3c"),
    "datastore": Rule(r"[a-z0-9_]{1,255}", "small letters, digits and _", "training_data"),
    "account": Rule(r"[a-z0-9]{3,24}", "3-24 small letters and digits", "demostorage"),
    "container": Rule(
        r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]", "3-63 small letters, digits and single dashes", "training-data"
    ),
    "registry": Rule(
        r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
        "3-33 letters, digits, - and _, beginning with a letter or digit",
        "team-models",
    ),
    "input": Rule(r"[a-zA-Z_][a-zA-Z0-9_]*", "letters, digits and _, not beginning with a digit", "training_data"),
}
