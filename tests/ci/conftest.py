"""The machine that runs the jobs of workflows."""

import pytest

from .pipeline import Machine


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("machine")
    return Machine(folder / "python", folder / "artifacts")
