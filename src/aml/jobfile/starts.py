"""How long a deployment took to start on this machine, which `aml serve` measures and `aml check` reads."""

import json
from pathlib import Path

from aml.files import write_atomically


def _file(root: Path) -> Path:
    return root / "mlruns" / "serve.json"


def read(root: Path) -> dict[str, float]:
    """The seconds from the start to the first good answer, by the name of a deployment's file without its ending."""
    try:
        found = json.loads(_file(root).read_text(encoding="utf-8"))
        return {str(name): float(seconds) for name, seconds in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # nothing was measured yet
        return {}


def keep(root: Path, name: str, seconds: float) -> None:
    """Keep the last measurement of a deployment."""
    _file(root).parent.mkdir(exist_ok=True)
    write_atomically(_file(root), json.dumps({**read(root), name: round(seconds, 1)}, indent=2) + "\n")
