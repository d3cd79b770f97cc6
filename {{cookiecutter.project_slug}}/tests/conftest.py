"""Skips these tests when pytest runs from a codebase around this folder: its environment is another one."""

from pathlib import Path

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if config.rootpath == Path(__file__).parent.parent else True
