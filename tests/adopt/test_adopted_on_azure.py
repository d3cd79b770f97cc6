"""What aml adopt makes of a v1 repository trains on the cluster, too: against the stand-in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adopt.sources import SAMPLES, adopt
from standin import StandIn
from standin.cloud import GROUP, SUBSCRIPTION, WORKSPACE, Workspace
from standin.fixtures import Attached
from support import Repository


@pytest.mark.slow
def test_a_v1_repository_trains_on_the_cluster(
    installed: Repository, service: StandIn, workspace: Workspace, tmp_path: Path
) -> None:
    out = tmp_path / "credit-risk"
    adopt(SAMPLES / "v1-repository", "-o", str(out))
    here = Attached(out, installed.python, service, workspace)
    here.aml("workspace", "attach", "-s", SUBSCRIPTION, "-g", GROUP, "-w", WORKSPACE)
    assert "cluster cpu-nodes" in here.aml("create-compute").stdout
    assert "data credit-risk-data, version 1" in here.aml("register-data").stdout
    done = here.aml("submit", "-c", "train-amlcompute", "-t", "run.json")
    assert re.search(r"run \S+ finished", done.stderr)
    assert re.search(r"finished .*Test accuracy=0\.8", here.aml("runs", "--azure").stdout)
    registered = here.aml("register-model", "-n", "credit-risk", "-f", "run.json").stdout
    assert "model credit-risk, version 1: outputs/model.pkl" in registered
