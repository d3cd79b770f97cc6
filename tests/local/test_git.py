"""What a job in the workspace records of git: azure-ai-ml reads it, and is the judge."""

import os
import subprocess
from pathlib import Path

import pytest
from azure.ai.ml.operations._job_ops_helper import get_git_properties, has_pat_token
from hypothesis import given
from hypothesis import strategies as st

from aml.local import git

TOKEN = "ghp_0123456789abcdef"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (f"https://{TOKEN}@github.com/org/repo.git", "https://github.com/org/repo.git"),
        (f"https://me:{TOKEN}@dev.azure.com/org/_git/repo", "https://dev.azure.com/org/_git/repo"),
        (f"https://dev.azure.com/{TOKEN}@org/_git/repo", "https://dev.azure.com/org/_git/repo"),
        (f"http://{TOKEN}@host/repo", "http://host/repo"),
        ("https://github.com/org/repo.git", "https://github.com/org/repo.git"),
        ("git@github.com:org/repo.git", "git@github.com:org/repo.git"),
        ("ssh://git@host/repo", "ssh://git@host/repo"),
        ("/a/folder@home", "/a/folder@home"),
        ("", ""),
    ],
)
def test_the_token_is_taken_out_of_the_address(address: str, public: str) -> None:
    assert git.without_secret(address) == public


@given(st.from_regex(r"https://([a-z:@/.]{0,8}@?){0,4}", fullmatch=True))
def test_azure_ai_ml_finds_no_token_in_what_is_left(address: str) -> None:
    assert not has_pat_token(git.without_secret(address))


@pytest.mark.parametrize("remote", [f"https://{TOKEN}@github.com/org/repo.git", None])
def test_the_commit_is_kept_and_the_token_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: str | None
) -> None:
    run = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(tmp_path)]
    subprocess.run([*run, "init", "-q"], check=True)
    if remote:
        subprocess.run([*run, "remote", "add", "origin", remote], check=True)
    subprocess.run([*run, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(git.ADDRESS, "")
    git.hide_secret_of_remote(tmp_path)
    found = get_git_properties()
    assert TOKEN not in str(found) and len(found["mlflow.source.git.commit"]) == 40
    assert not has_pat_token(found.get("mlflow.source.git.repoURL"))
    assert (found.get("mlflow.source.git.repoURL") == "https://github.com/org/repo.git") == bool(remote)


def test_outside_of_a_checkout_nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(git.ADDRESS, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    git.hide_secret_of_remote(tmp_path)
    assert git.ADDRESS not in os.environ
    monkeypatch.setenv("PATH", "")
    git.hide_secret_of_remote(tmp_path)
    assert git.ADDRESS not in os.environ
