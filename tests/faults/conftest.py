"""The bench: one for all tests of a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from standin import StandIn, jobs
from standin.cloud import SUBSCRIPTION

from .bench import Bench
from .verbs import write_repository


@pytest.fixture(scope="session")
def bench(
    service: StandIn, generate: Callable[..., object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("faults")
    generate(folder, f"subscription_id={SUBSCRIPTION}")
    root = folder / "demo-model"
    write_repository(root)
    patch = pytest.MonkeyPatch()
    patch.setattr(jobs, "_BEAT", 0.05)
    bench = Bench(service, root, folder)
    bench.here = root  # a run of this machine for all
    assert bench.run("submit", "-c", "quick-here.yml", "--here").status == 0
    yield bench
    bench.close()
    patch.undo()
