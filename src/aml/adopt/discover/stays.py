"""What of a source stays behind: what serves, deploys or builds, and scripts that are not of the training."""

import re
from pathlib import Path

from aml.adopt import Note
from aml.adopt.tree import shown

# Files that serve, deploy or build, by their names.
SERVES = re.compile(
    r"(?i)(^|/)(app|api|server?|serving|main_api|score|scoring|inference|predict\w*|deploy\w*|streamlit\w*|dashboard)\.py$"
    r"|(^|/)(dockerfile[\w.-]*|docker-compose[\w.-]*|azure-pipelines[\w.-]*|\.gitlab-ci\.yml|jenkinsfile|procfile)$|\.tf$"
)
SCRIPTS = (".bat", ".ipynb", ".ps1", ".py", ".r", ".R", ".sh")
TESTS = re.compile(r"(^|/)(tests?|docs?)/|(^|/)(test_[^/]*|[^/]*_test|conftest|setup|__init__)\.py$")


def notes(home: Path, names: list[str]) -> list[Note]:
    """Notes on what somebody may miss: code that serves or deploys, images, workflows, other scripts and notebooks."""
    left = [name for name in names if SERVES.search(name)]
    left += [name for name in names if name not in left and name.endswith(SCRIPTS) and not TESTS.search(name)]
    flows = home / ".github" / "workflows"
    left += sorted(shown(home, path) for path in flows.glob("*.y*ml")) if flows.is_dir() else []
    return [Note("taken", name, "stays behind", "stays-behind", name) for name in left]
