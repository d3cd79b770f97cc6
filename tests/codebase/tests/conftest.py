import pytest


@pytest.fixture
def bill():
    return {"length": 40.0, "depth": 20.0}
