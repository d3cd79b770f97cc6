"""What git knows of the code that a run was made from."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

# From where azure-ai-ml 1.35 takes the address of the repository instead of asking git (GitProperties).
ADDRESS = "AZUREML_GIT_REPOSITORY_URI"


def git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run git in a folder. Raises OSError when there is no git."""
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")


def top(root: Path) -> Path:
    """The top of the git repository that a folder is in; the folder itself where there is none, or no git."""
    with contextlib.suppress(OSError):
        found = git(root, "rev-parse", "--show-toplevel")
        if found.returncode == 0:
            return Path(found.stdout.strip()).resolve()
    return root


def origin(root: Path) -> str:
    """The address of the remote `origin` as it is written, without a secret; empty when there is none."""
    return without_secret(git(root, "config", "--get", "remote.origin.url").stdout.strip())


def git_tags(root: Path) -> dict[str, str]:
    """The commit, under the names that azure-ai-ml gives to a job's properties; nothing where git does not look."""
    try:
        status = git(root, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
        if status.returncode or git(root, "check-ignore", "--quiet", str(root)).returncode == 0:
            return {}
    except OSError:  # no git here
        return {}
    lines = status.stdout.splitlines()
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    if heads.get("branch.oid", "(initial)") == "(initial)":
        return {}
    return {
        "mlflow.source.git.commit": heads["branch.oid"],
        "mlflow.source.git.branch": heads["branch.head"],
        "azureml.git.dirty": str(any(not line.startswith("#") for line in lines)),
    }


def hide_secret_of_remote(root: Path) -> None:
    """Let azure-ai-ml record the git remote without the token in its address, for it drops the commit otherwise."""
    address = os.environ.get(ADDRESS, "")
    if not address:
        with contextlib.suppress(OSError):  # no git here
            address = git(root, "ls-remote", "--get-url").stdout.strip()
    if (public := without_secret(address)) != address:
        os.environ[ADDRESS] = public


def without_secret(address: str) -> str:
    """The address of a repository on the web without what stands before an @: a name, a password or a token."""
    shorter = re.sub(r"(https?://(?:[^/@]+/)?)[^/@]+@", r"\1", address)
    return address if shorter == address else without_secret(shorter)
