"""How the package is built: which module may import which, and how large one may be."""

import subprocess
import sys
from pathlib import Path

from support import TEMPLATE

LONGEST = 400


def test_the_layers_hold() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=TEMPLATE, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_no_module_is_long() -> None:
    package = TEMPLATE / "src" / "aml"
    modules = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] != "template"]
    lengths = {path.relative_to(package).as_posix(): _lines(path) for path in modules}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
    assert {"cli/main.py", "adopt/verification.py"} <= {*lengths}


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
