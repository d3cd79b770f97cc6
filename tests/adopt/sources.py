"""The code that tests adopt, in samples/, and how they adopt it."""

import shutil
import subprocess
import sys
from pathlib import Path

from support import ENVIRONMENT, TEMPLATE

SAMPLES = Path(__file__).parent / "samples"


def adopt(source: Path, *arguments: str, status: int = 0, cwd: Path = TEMPLATE) -> str:
    """Run aml adopt as a user does, and return what it printed."""
    command = [sys.executable, "-m", "aml", "adopt", str(source), *arguments]
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, encoding="utf-8", timeout=900)
    assert done.returncode == status and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout + done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def laid_out(sample: str, data: str, folder: Path) -> Path:
    """A copy of a sample, with its data."""
    shutil.copytree(SAMPLES / sample, folder)
    (folder / data).parent.mkdir(exist_ok=True, parents=True)
    shutil.copy(SAMPLES / "v1-repository" / "sample-data" / "credit.csv", folder / data)
    return folder


def plant(root: Path, tree: dict[str, str]) -> Path:
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return root
