"""What a change starts from, trained beside it: there is no champion where a pull request runs."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from aml.errors import UserError
from aml.local.git import git, top
from aml.local.runs import find
from aml.run import read_record

# The branch that a pull request goes to: https://docs.github.com/actions/reference/workflows-and-actions/variables,
# https://learn.microsoft.com/azure/devops/pipelines/build/variables
VARIABLES = ("GITHUB_BASE_REF", "SYSTEM_PULLREQUEST_TARGETBRANCH")


def reference() -> str:
    """What the present branch is compared with: the target of the pull request, else the remote's own branch."""
    target = next((value for name in VARIABLES if (value := os.environ.get(name))), "")
    return f"origin/{target.removeprefix('refs/heads/')}" if target else "origin/HEAD"


def merge_base(root: Path, branch: str) -> str:
    """The commit at which HEAD left a branch. Raises UserError where git knows none."""
    try:
        done = git(root, "merge-base", "HEAD", branch)
    except OSError:
        raise UserError("git is not installed: it knows what this change starts from") from None
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or ["they have no commit in common"]
        raise UserError(f"{branch}: {why[0]}; name what to compare with: --base BRANCH (in CI with the whole history)")
    return done.stdout.strip()


def train(root: Path, commit: str, job: str) -> dict[str, float]:
    """The metrics of a run of that job, made from that commit in a folder of its own.

    Raises UserError, with the reason, where that commit cannot be trained.
    """
    inside = root.resolve().relative_to(top(root).resolve())
    with tempfile.TemporaryDirectory(prefix="aml-base-", ignore_cleanup_errors=True) as name:
        checkout = Path(name).resolve() / "base"
        made = git(root, "worktree", "add", "--detach", "--quiet", str(checkout), commit)
        if made.returncode:
            raise UserError(f"commit {commit[:7]} cannot be checked out: {made.stderr.strip()}")
        try:
            there = checkout / inside
            if not (there / "aml_config").is_dir():
                raise UserError("this model is not there yet")
            record = Path(name) / "run.json"
            command = [sys.executable, "-m", "aml", "submit", "-c", job, "-t", str(record)]
            done = subprocess.run(command, cwd=there, stdout=sys.stderr, stderr=subprocess.PIPE, encoding="utf-8")
            if done.returncode:
                raise UserError((done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1])
            return find(there, read_record(record).run_id).metrics()
        finally:
            git(root, "worktree", "remove", "--force", str(checkout))
