"""Whether the workspace of the settings is there, and what you may do there."""

import difflib
from fnmatch import fnmatch

from aml.azure.credential import user
from aml.azure.workspace_client import DATA_SCIENTIST_ROLE, RESOURCE_MANAGER, WorkspaceClient
from aml.errors import ServiceError, UserError
from aml.jobfile.settings import SETTINGS

WRONG = {"SubscriptionNotFound": 0, "InvalidSubscriptionId": 0, "ResourceGroupNotFound": 1}  # which of SETTINGS
SUBMIT_JOBS = "Microsoft.MachineLearningServices/workspaces/jobs/write"


def look_up(settings: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What the service knows of the settings: for each, its state and why. Takes a second; never raises."""
    states = dict.fromkeys(SETTINGS, ("confirmed", ""))
    try:
        client = WorkspaceClient(settings, retries=1)
        resource = client.workspace
        account = resource["properties"]["storageAccount"].rpartition("/")[2]
        who = user(client.credential.get_token(f"{RESOURCE_MANAGER}/.default").token)
        states["workspace_name"] = "confirmed", f"in {resource['location']}, storage {account}; {who} {_may(client)}"
    except ServiceError as error:
        wrong = WRONG.get(error.code, 2 if error.status in (403, 404) else 0)
        why = _visible(client, wrong) if error.status == 404 else str(error)
        for name in SETTINGS[wrong:]:
            states[name] = "not confirmed", why if name == SETTINGS[wrong] else "see above"
    except UserError as refusal:
        return {name: ("not confirmed", str(refusal) if name == SETTINGS[0] else "see above") for name in SETTINGS}
    return states


def _may(client: WorkspaceClient) -> str:
    """What you may do in the workspace, in words."""
    try:
        return "may submit jobs" if _allowed(client, SUBMIT_JOBS) else f"may only look: ask for {DATA_SCIENTIST_ROLE}"
    except ServiceError as error:
        if error.status not in (403, 404):  # it may answer next time
            raise
        return f"can see it, whether you may submit jobs is not known ({error.status} {error.code})"


def _allowed(client: WorkspaceClient, action: str) -> bool:
    """Whether you may do `action` in the workspace."""
    path = f"{client.scope}/providers/Microsoft.Authorization/permissions"

    def covers(patterns: list[str]) -> bool:
        return any(fnmatch(action.lower(), pattern.lower()) for pattern in patterns)

    entries = client.all(path, api="2022-04-01")
    return any(covers(entry["actions"]) and not covers(entry["notActions"]) for entry in entries)


def _visible(client: WorkspaceClient, wrong: int) -> str:
    """What you can see in place of a subscription, group or workspace that is not there, the nearest name first."""
    try:
        if wrong == 0:
            found = client.all("/subscriptions", api="2022-12-01")
            names = [f"{entry['subscriptionId']} ({entry['displayName']})" for entry in found]
        else:
            path = f"{client.subscription}/providers/Microsoft.MachineLearningServices/workspaces"
            ids = [entry["id"].split("/") for entry in client.all(path)]
            names = [f"{parts[-1]} (group {parts[4]})" for parts in ids]
    except UserError:
        names = []
    wanted = client.settings[SETTINGS[wrong]] if wrong != 1 else client.name
    names.sort(key=lambda name: -difflib.SequenceMatcher(None, wanted, name.split(" ")[0]).ratio())
    what = "subscriptions" if wrong == 0 else "workspaces"
    seen = f"the {what} you can see: {', '.join(names[:5])}" if names else f"you can see no {what} here: az login"
    return f"not found, or not yours; {seen}"
