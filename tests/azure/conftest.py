"""Which tests of Azure take long: all but these modules, which hold one whole flow and what takes a few seconds."""

from pathlib import Path

import pytest

QUICK = ("test_end_to_end", "test_confirm", "test_sdk_loaders", "test_workspace_client")


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is slow
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the others as slow. The list has the tests of all folders."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem not in QUICK:
            item.add_marker(pytest.mark.slow)
