"""For pytest: `pytest_plugins = ["standin.fixtures"]`, or import the two names in a conftest."""

from collections.abc import Iterator

import pytest

from .cloud import Workspace
from .server import StandIn


@pytest.fixture(scope="session")
def service() -> Iterator[StandIn]:
    """The stand-in, started once for all tests of a process."""
    with StandIn() as running:
        yield running


@pytest.fixture
def workspace(service: StandIn) -> Iterator[Workspace]:
    """An empty workspace, and a stand-in without faults.

    A test that goes against the contract fails at its end, unless it clears `service.violations` because it meant to.
    """
    service.reset()
    yield service.cloud.workspace
    assert not service.violations, "\n".join(["against the published contract:", *service.violations])
