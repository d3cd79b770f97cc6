"""Signing in: each way, once for each audience, and nothing of it written."""

from __future__ import annotations

import re

import pytest

from standin.fixtures import Attached
from standin.server import SignIn


@pytest.mark.parametrize("sign_in", ["az", "client-secret", "federated", "managed-identity"])
def test_every_way_to_sign_in_leads_through_a_submission(attached: Attached, sign_in: SignIn) -> None:
    """With one token for each audience: without a cache, one submission launches az seven times."""
    done = attached.aml("submit", "-c", attached.job("echo done", code="src"), env=attached.environment(sign_in))
    assert done.stdout == "done\n"
    tokens = attached.calls(path="/oauth2/v2.0/token$|^127.0.0.1/MSI/auth$|^127.0.0.1/standin/az$")
    assert len(tokens) == 1, [call.path for call in tokens]


def test_a_laptop_does_not_ask_for_a_managed_identity(attached: Attached) -> None:
    """The address of a virtual machine's identity answers nobody there: azure-identity waits for it 20 seconds."""
    attached.aml("workspace", status=1, env=attached.environment("none", PATH="/usr/bin:/bin"))
    assert not attached.calls(path="169.254.169.254")


def test_no_secret_is_written(attached: Attached) -> None:
    """Neither to a file of the repository, nor to what is printed, in a submission with everything shown."""
    name = attached.job("echo done", code="src")
    done = attached.aml("submit", "-c", name, "--debug", env=attached.environment("client-secret"))
    text = done.stdout + done.stderr
    text += "".join(
        file.read_text(errors="replace")
        for file in attached.path.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    )
    assert attached.service.login.client_secret not in text
    assert not re.search(r"eyJ[\w-]+\.eyJ|[?&]sig=(?!REDACTED)\w|AccountKey=\w{20}", text)


def test_an_az_that_is_offline(attached: Attached) -> None:
    """It prints a traceback; what is shown of it is the cause."""
    attached.service.faults.add("reset", path="/standin/az", times=10)
    done = attached.aml("models", "--azure", status=2)
    assert done.stderr.strip() == "aml: login.microsoftonline.com cannot be reached: Connection aborted."
