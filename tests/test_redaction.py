"""No message, log line or traceback shows a secret."""

from __future__ import annotations

import logging
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aml.cli import main as cli
from aml.console import SECRET_VARIABLES, redact

SIGNATURE = "sv=2024-11-04&se=2026-11-27T10%3A00%3A00Z&sr=c&sp=racwl&sig=4n0tar3alS1gnature%2BAndMore%3D"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL3N0b3JhZ2UifQ.c2lnbmF0dXJl-_x"
KEY = "Ab+/" * 21 + "AQ=="
# Microsoft's and urllib3's own ways to write them
TEXTS = {
    "urllib3": (f"Max retries exceeded with url: /box/a.csv?{SIGNATURE} (Caused by X)", "with url: /box/a.csv?"),
    "urllib3, an account key": ("Max retries exceeded with url: /box?comp=list&prefix=own (Caused by X)", "/box?"),
    "an address": (f"GET https://a.blob.core.windows.net/box/a.csv?{SIGNATURE}\n", "https://a.blob.core.windows.net/box/"),
    "data lake": ("https://a.dfs.core.windows.net/box?resource=filesystem&x=secret", "a.dfs.core.windows.net/box?"),
    "JSON": (f'{{"sasToken": "{SIGNATURE}", "more": 1}}', '", "more": 1}'),
    "the signature first": ("box?sig=abc%3D&sv=1 and more", " and more"),
    "encoded": ("next=box%3Fsv%3D1%26sig%3Dabc more", " more"),
    "encoded twice": ("next=box%253Fsig%253Dabc%2526sv%253D1 more", " more"),
    "a token": (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer "),
    "a token in JSON": (f'{{"accessToken": "{TOKEN}"}}', '{"accessToken": "'),
    "an opaque token": ("{'Authorization': 'Bearer 0123456789abcdefgh'}", "{'Authorization': 'Bearer "),
    "a signature of a key": ("SharedKey account:c2lnbmF0dXJlc2lnbmF0dXJl=", "SharedKey "),
    "an account key": (f'{{"key": "{KEY}"}}', '{"key": "'),
    "a connection string": (f"AccountName=a;AccountKey={KEY};EndpointSuffix=core.windows.net", "AccountName=a"),
    "a proxy": ("Cannot connect to http://me:hunter2@proxy:8080", "@proxy:8080"),
    "git": ("fatal: https://x-token:hunter2@dev.azure.com/o/p/_git/r not found", "@dev.azure.com/o/p/_git/r not found"),
}  # fmt: skip
PARTS = ("4n0tar3al", "secret", "abc", "prefix=own", "eyJ", "0123456789abcdefgh", "c2lnbmF0", "Ab+/", "hunter2")


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_secret_is_left_out_and_what_helps_stays(name: str) -> None:
    text, stays = TEXTS[name]
    shown = redact(text)
    assert "<redacted>" in shown and stays in shown
    assert not any(part in shown for part in PARTS)
    assert redact(shown) == shown


@pytest.mark.parametrize("text", [
    "aml: aml_config/data.yml:3: path: azureml://datastores/workspaceblobstore/paths/data/ (unchanged)",
    "https://ml.azure.com/runs/a?wsid=/subscriptions/s/resourceGroups/r/workspaces/w",
    "GET https://management.azure.com/subscriptions/s?api-version=2024-10-01",
    "data https://a.blob.core.windows.net/box/a.csv, version 1",
    "commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad; design=1&sign=2; user: me@example.com",
])  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text(string.printable + "äµ\u200b"), st.sampled_from([SIGNATURE, TOKEN, KEY]), st.text(string.printable))
def test_no_secret_survives_whatever_is_around_it(before: str, secret: str, after: str) -> None:
    """Between blanks or quotes: next to other letters, a key is no key."""
    for quote in (' "{}" ', " '{}'\n", " {} "):
        shown = redact(before + quote.format(secret) + after)
        assert secret not in shown and "4n0tar3al" not in shown


@pytest.mark.parametrize("name", SECRET_VARIABLES)
def test_secrets_of_the_environment_are_left_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "correct horse")
    assert redact("refused: correct horse, twice: correct horse") == "refused: <redacted>, twice: <redacted>"


def test_lines_of_the_log_go_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    record = logging.LogRecord("azure", logging.DEBUG, "", 0, "asked %s", (f"/box?{SIGNATURE}",), None)
    assert cli._Formatter("%(message)s").format(record) == "asked /box?<redacted>"


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_tracebacks_go_through_it(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise error(f"with url: /box?{SIGNATURE}")

    monkeypatch.setattr(cli, "_run", fail)
    assert cli.main(["runs", "--debug"]) == (2 if error is OSError else 1)
    said = capsys.readouterr().err
    assert "Traceback" in said and "with url: /box?<redacted>" in said and "4n0tar3al" not in said
