"""Runs the training code below this folder as a job: its data comes in, and what it leaves goes to outputs/.

The code reads and writes files in fixed places. A job gets its data by an input, and keeps only what is below outputs/.
So this script copies the files of the input to where the code looks for them, runs the code, and moves each file that
is new or changed afterwards to outputs/. All options but --files go to the code.

Once the code takes its data by an option and writes below outputs/ itself, delete this file and let the job's command
run the code.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

COMMAND: list[str] = []  # what Python runs
FOLDER = "."  # where, seen from here
EXPECTED: list[str] = []  # folders that the code expects to be there
PATHS: list[str] = []  # folders whose modules the code imports, wherever it runs
LINKED = 200_000_000  # bytes: a larger file is not copied, if the system can link to it


def files(root: Path) -> list[Path]:
    """All files below a folder, but those in its own outputs/ and mlruns/, and what Python compiles."""
    found = ((path, path.relative_to(root).parts) for path in root.rglob("*") if path.is_file())
    return [path for path, parts in found if parts[0] not in ("outputs", "mlruns") and "__pycache__" not in parts]


def state(root: Path) -> dict[Path, tuple[int, int]]:
    """The size and the time of each file."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files(root)}


def bring(source: Path, root: Path) -> None:
    """Copy the files below a folder to the same places below another one."""
    for path in files(source):
        place = root / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        if path.stat().st_size > LINKED:
            try:
                place.symlink_to(path.resolve())
                continue
            except OSError:  # Windows asks for a privilege
                pass
        shutil.copyfile(path, place)


def keep(root: Path, before: dict[Path, tuple[int, int]]) -> None:
    """Move each file that is new or changed to the same place below outputs/."""
    for path, now in state(root).items():
        if before.get(path) != now:
            place = root / "outputs" / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, place)


def main() -> int:
    """Run the code; returns its exit status."""
    parser = argparse.ArgumentParser(description="Run the training code as a job.", allow_abbrev=False)
    parser.add_argument("--files", type=Path, help="folder with the data, laid out as the code expects it")
    args, others = parser.parse_known_args()
    root = Path(__file__).resolve().parent
    if args.files:
        bring(args.files, root)
    for folder in EXPECTED:
        (root / folder).mkdir(parents=True, exist_ok=True)
    before = state(root)
    paths = [*(str(root / path) for path in PATHS), *filter(None, [os.environ.get("PYTHONPATH")])]
    surroundings = {**os.environ, **({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})}
    try:
        return subprocess.run([sys.executable, *COMMAND, *others], cwd=root / FOLDER, env=surroundings).returncode
    finally:
        keep(root, before)


if __name__ == "__main__":
    sys.exit(main())
