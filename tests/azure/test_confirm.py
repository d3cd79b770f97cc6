"""`aml workspace` against the stand-in: what it says of the settings, how one signs in, and the hook that asks it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from uv import find_uv_bin

from standin import StandIn, cloud
from standin.fixtures import Attached
from standin.login import CLIENT_ID, TENANT, USER
from support import CACHE, ENVIRONMENT

OTHER_SUBSCRIPTION = "77777777-8888-9999-aaaa-bbbbbbbbbbbb"


def states(output: str) -> dict[str, str]:
    """What `aml workspace` says of each setting."""
    found = re.findall(r"^  (\w+) +\S+ +((?:not )?(?:confirmed|set).*)$", output, re.MULTILINE)
    assert [name for name, _ in found] == ["subscription_id", "resource_group", "workspace_name"], output
    return dict(found)


def changed(repository: Attached, **settings: str) -> dict[str, str]:
    """What it says of these settings, which are wrong."""
    options = {"subscription_id": "-s", "resource_group": "-g", "workspace_name": "-w"}
    arguments = [word for name, value in settings.items() for word in (options[name], value)]
    return states(repository.aml("workspace", "attach", *arguments, status=1).stdout)


def test_the_workspace_is_found(attached: Attached) -> None:
    said = states(attached.aml("workspace").stdout)
    assert said["subscription_id"] == said["resource_group"] == "confirmed"
    assert said["workspace_name"] == f"confirmed: in eastus, storage standinstorage; {USER} may submit jobs"
    assert not attached.changes()


def test_who_may_only_look_is_told(attached: Attached) -> None:
    attached.workspace.role = "Reader"
    said = states(attached.aml("workspace").stdout)["workspace_name"]
    assert said == f"confirmed: in eastus, storage standinstorage; {USER} may only look: ask for AzureML Data Scientist"


@pytest.mark.parametrize("status", ["403 AuthorizationFailed", "404 NotFound"])
def test_a_workspace_whose_permissions_nobody_tells_is_confirmed(attached: Attached, status: str) -> None:
    attached.service.permissions = status
    said = states(attached.aml("workspace").stdout)["workspace_name"]
    what = f"{USER} can see it, whether you may submit jobs is not known ({status})"
    assert said == f"confirmed: in eastus, storage standinstorage; {what}"


def test_a_workspace_that_is_not_there_brings_the_nearest_names_first(attached: Attached) -> None:
    for name in ("zebra", "aml-demo-2", "birds"):
        attached.service.cloud.add_workspace(name)
    said = changed(attached, workspace_name="aml-dmo")
    assert (said["subscription_id"], said["resource_group"]) == ("confirmed", "confirmed")
    group = f"(group {cloud.GROUP})"
    assert f"the workspaces you can see: aml-demo {group}, aml-demo-2 {group}, " in said["workspace_name"]


def test_a_group_and_a_subscription_that_are_not_there(attached: Attached) -> None:
    said = changed(attached, resource_group="nowhere")
    assert said["subscription_id"] == "confirmed" and said["workspace_name"] == "not confirmed: see above"
    assert "not found, or not yours; the workspaces you can see: aml-demo" in said["resource_group"]
    said = changed(attached, subscription_id=OTHER_SUBSCRIPTION)
    assert f"the subscriptions you can see: {cloud.SUBSCRIPTION}" in said["subscription_id"]


def test_without_any_permission(attached: Attached) -> None:
    attached.workspace.role = "none"
    said = states(attached.aml("workspace", status=1).stdout)["workspace_name"]
    assert "you may not do this (AuthorizationFailed): ask its owner for the role AzureML Data Scientist" in said


@pytest.mark.parametrize("sign_in", ["az, signed out", "none"])
def test_who_is_not_signed_in_is_told_how(attached: Attached, sign_in: str) -> None:
    attached.service.login.az_signed_in = False
    variables = attached.environment("az" if sign_in.startswith("az") else "none", PATH="/usr/bin:/bin")
    if sign_in.startswith("az"):
        variables["PATH"] = attached.environment()["PATH"]
    done = attached.aml("workspace", status=1, env=variables)
    said = states(done.stdout)
    assert said["subscription_id"].startswith("not confirmed: not signed in to Azure: run `az login`")
    assert said["workspace_name"] == "not confirmed: see above" and not done.stderr


def test_an_unreachable_service(attached: Attached) -> None:
    variables = attached.environment()
    for name in ("HTTPS_PROXY", "https_proxy"):
        variables[name] = "http://127.0.0.1:9"  # nobody listens there
    said = states(attached.aml("workspace", status=1, env=variables).stdout)
    assert "management.azure.com cannot be reached: " in said["subscription_id"]


@pytest.fixture
def hooked(
    generate: Callable[..., Any], service: StandIn, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Generate in a shell that meets the stand-in, with these answers and variables."""

    def _hooked(*answers: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = generate(tmp_path, *answers, **service.environment(), **variables)
        return done

    return _hooked


@pytest.mark.usefixtures("workspace")
def test_the_hook_confirms_by_the_same_words(hooked: Any, service: StandIn, tmp_path: Path) -> None:
    done = hooked(f"subscription_id={cloud.SUBSCRIPTION}")
    assert done.returncode == 0 and "confirmed: in eastus, storage standinstorage" in done.stdout
    assert {call.method for call in service.calls} == {"GET"}
    assert (tmp_path / "demo-model" / "src").is_dir() and not list(tmp_path.rglob("__pycache__"))


@pytest.mark.usefixtures("workspace")
def test_the_hook_fails_a_generation_only_when_asked_to(hooked: Any, tmp_path: Path) -> None:
    answers = (f"subscription_id={cloud.SUBSCRIPTION}", "workspace_name=elsewhere")
    done = hooked(*answers, AML_CONFIRM="strict")
    assert done.returncode != 0 and "AML_CONFIRM=strict: the workspace is not confirmed" in done.stderr
    assert not (tmp_path / "demo-model").exists()
    done = hooked(*answers)
    assert done.returncode == 0 and "not found, or not yours" in done.stdout


@pytest.mark.usefixtures("workspace")
def test_the_hook_waits_a_few_seconds_only(hooked: Any, service: StandIn) -> None:
    service.faults.add("slow", path="/workspaces/", seconds=20)
    began = time.monotonic()
    done = hooked(f"subscription_id={cloud.SUBSCRIPTION}")
    assert done.returncode == 0 and "no answer within 5 s: run `aml workspace`" in done.stdout
    assert time.monotonic() - began < 15


@pytest.fixture(scope="session")
def azure_cli() -> Path:
    """The folder of Microsoft's own az command, kept between test runs."""
    folder = CACHE / "azure-cli"
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / "azure-cli.lock"):
        if not (folder / "ready").exists():
            for command in (
                ["venv", "-q", "--clear", "--python", sys.executable, str(folder)],
                ["pip", "install", "-q", "--compile", "--python", str(python), "azure-cli>=2.91,<3"],
            ):
                subprocess.run([find_uv_bin(), *command], check=True, env=ENVIRONMENT)
            (folder / "ready").touch()
    return scripts


@pytest.mark.slow
@pytest.mark.usefixtures("workspace")
def test_the_hook_asks_the_real_azure_cli(generate: Any, azure_cli: Path, service: StandIn, tmp_path: Path) -> None:
    variables = service.environment(
        "none", AZURE_CONFIG_DIR=str(tmp_path / "az"), AZURE_CORE_COLLECT_TELEMETRY="false", PYTHONUTF8="1"
    )
    variables["PATH"] = f"{azure_cli}{os.pathsep}{variables['PATH']}"

    def hook(folder: str, *answers: str) -> dict[str, str]:
        done = generate(tmp_path / folder, f"subscription_id={cloud.SUBSCRIPTION}", *answers, **variables)
        assert done.returncode == 0, done.stderr
        return states(done.stdout)

    signed_out = hook("signed out")
    assert signed_out["workspace_name"] == "not confirmed: not signed in to Azure: run `az login`, then `aml workspace`"

    login = ["login", "--service-principal", "-u", CLIENT_ID, "-p", service.login.client_secret, "--tenant", TENANT]
    az = shutil.which("az", path=variables["PATH"])
    assert az
    subprocess.run([az, *login], env=variables, check=True, capture_output=True)
    assert hook("found") == {
        "subscription_id": "confirmed",
        "resource_group": "confirmed",
        "workspace_name": "confirmed: in eastus, storage standinstorage",
    }

    missing = hook("missing", "workspace_name=elsewhere")
    assert missing["subscription_id"] == missing["resource_group"] == "not confirmed"
    assert "not found, or not yours: The Resource" in missing["workspace_name"]
    assert "'Microsoft.MachineLearningServices/workspaces/elsewhere'" in missing["workspace_name"]
    assert not service.violations
