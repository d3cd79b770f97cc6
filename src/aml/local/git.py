"""What git knows of the code that a run was made from."""

import subprocess
from pathlib import Path


def git_tags(root: Path) -> dict[str, str]:
    """The commit, under the names that azure-ai-ml gives to a job's properties; nothing where git does not look."""

    def git(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, encoding="utf-8")

    try:
        status = git("status", "--porcelain=v2", "--branch", "--untracked-files=no")
        if status.returncode or git("check-ignore", "--quiet", str(root)).returncode == 0:
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
