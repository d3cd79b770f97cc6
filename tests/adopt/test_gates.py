"""The gates of an adopted repository expect nothing of the example's metrics and columns."""

import shutil
import subprocess
import sys
from pathlib import Path

from aml import policy
from aml.adopt import gates
from aml.checks.scripts import check_scripts
from aml.gate import Verdict
from support import GENERATED


def test_everything_is_let_through_until_the_owner_says_more(tmp_path: Path) -> None:
    shutil.copytree(GENERATED / "scripts", tmp_path / "scripts")
    gates.loosen(tmp_path / "scripts")
    assert list(check_scripts(tmp_path)) == []
    assert policy.ModelGate(tmp_path, lambda: {"loss": 1.0})(None) == Verdict("passed", {"loss": 1.0})
    assert policy.judge_data(tmp_path, tmp_path).state == "passed"
    assert policy.judge_data(tmp_path, tmp_path / "nowhere").state == "refused"
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "--line-length", "120", "scripts"]
        done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    for name in ("register_model.py", "register_data.py"):
        text = (tmp_path / "scripts" / name).read_text(encoding="utf-8")
        assert "test_accuracy" not in text and "species" not in text and len(text.splitlines()) <= 40
