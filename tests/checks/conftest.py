"""A repository to break: with default answers, and nothing of it installed."""

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def sound(generate: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    generate(folder)
    return folder / "demo-model"


@pytest.fixture
def model(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A generated folder to break, with the working folder in it, as findings name files relative to that."""
    folder = tmp_path / "demo-model"
    shutil.copytree(sound, folder)
    monkeypatch.chdir(folder)
    return folder
