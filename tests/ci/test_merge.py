"""The jobs after a merge, as they stand in the workflow, against the simulated Azure and signed in as CI does it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aml.ci import setup
from standin import cloud
from standin.cloud import Workspace
from standin.fixtures import CLUSTER
from standin.login import AZURE_DEVOPS_ISSUER, GITHUB_ISSUER
from standin.server import SignIn, StandIn
from support import Repository

from .pipeline import FILES, Ended, Machine, edit

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("bash"), reason="the workflows use bash")]
SUBJECT = "/eid1/c/pub/t/AAAA/a/BBBB/sc/1234/5678"  # of a service connection
TRAIN, REGISTER = "aml submit -c train-amlcompute -t run.json", "aml register-model -f run.json --report model.json"
CANCEL = "aml runs --azure cancel -f run.json"
DEPLOY = "aml deploy -f model.json"
PROMOTE = "aml promote --azure -f model.json"


class Merge:
    """A repository whose merges are trained, and the workspace of that."""

    def __init__(self, root: Path, machine: Machine, service: StandIn, ci: SignIn, form: str) -> None:
        self.root, self.machine, self.service, self.ci, self.form = root, machine, service, ci, form

    def run(self, job: str, cancel: str = "") -> Ended:
        """One job, of which CI says what it would say."""
        self.service.login.ci_subject = self.subject("development" if job == "train" else "production")
        variables = self.service.environment(self.ci)
        variables.pop("PATH")
        return self.machine.run(self.root / FILES[self.ci], job, self.root, cancel=cancel, **variables)

    def subject(self, environment: str) -> str:
        return f"{self.form}:environment:{environment}" if self.ci == "github" else SUBJECT


@pytest.fixture
def merge(
    generate: Callable[..., object],
    installed: Repository,
    machine: Machine,
    service: StandIn,
    workspace: Workspace,
    tmp_path: Path,
) -> Callable[..., Merge]:
    """With the federated credentials that aml ci setup makes, a cluster, and the data, registered once by somebody."""

    def _merge(ci: SignIn = "github", form: str = "repo:org/demo-model") -> Merge:
        scope = f"subscription_id={cloud.SUBSCRIPTION}"
        generate(tmp_path, f"ci={ci}", scope, f"resource_group={cloud.GROUP}", f"workspace_name={cloud.WORKSPACE}")
        workspace.computes[CLUSTER] = {"name": CLUSTER, "properties": {"properties": {}}}
        root = tmp_path / "demo-model"
        Repository(root, installed.python).aml("register-data", env=service.environment())
        actions = setup.github("org/demo-model", workspace.scope)
        documents = [action.document for action in actions if "federated-credential" in action.make]
        numbers = {"{OWNER_ID}": "1234", "{REPOSITORY_ID}": "5678"}
        for document in documents:
            subject = document["subject"]
            for name, value in numbers.items():
                subject = subject.replace(name, value)
            service.login.federated_credentials.add((document["issuer"], subject))
        service.login.federated_credentials.add((AZURE_DEVOPS_ISSUER, SUBJECT))
        assert {issuer for issuer, _ in service.login.federated_credentials} == {GITHUB_ISSUER, AZURE_DEVOPS_ISSUER}
        own = Machine(machine.python, tmp_path / "artifacts")
        return Merge(root, own, service, ci, form)

    return _merge


@pytest.mark.parametrize(
    ("ci", "form"),
    [("github", "repo:org/demo-model"), ("github", "repo:org@1234/demo-model@5678"), ("azure-devops", "")],
)
def test_a_merge_trains_registers_deploys_and_promotes(
    ci: SignIn, form: str, merge: Callable[..., Merge], workspace: Workspace
) -> None:
    """And, in the form of new repositories, a worse model is refused with status 3, which changes nothing."""
    at = merge(ci, form)
    trained = at.run("train")
    assert (trained.failed, trained.ran[1:]) == ("", [TRAIN, REGISTER]), trained.output
    report = json.loads((at.machine.artifacts / "model.json").read_text(encoding="utf-8"))
    assert (report["model"], report["version"], report["verdict"]) == ("demo-model", "1", "passed")
    deployed = at.run("promote")
    assert (deployed.failed, deployed.ran[1:]) == ("", [DEPLOY, PROMOTE]), deployed.output
    (endpoint,) = workspace.endpoints.values()
    assert endpoint.properties["traffic"] == {"demo-model-1": 100}
    assert "model demo-model: version 1 is the champion in workspace" in deployed.output
    assert not at.service.violations
    if "@" not in form:
        return
    before = json.dumps([workspace.assets["models"], endpoint.resource], default=str, sort_keys=True)

    edit(at.root, "aml_config/train-amlcompute.yml", "c: 1.0", "c: 0.001")
    refused = at.run("train")
    assert (refused.failed, refused.status) == (REGISTER, 3), refused.output
    assert "scripts/register_model.py refuses model demo-model" in refused.output
    assert json.dumps([workspace.assets["models"], endpoint.resource], default=str, sort_keys=True) == before
    assert not at.service.violations


def test_a_job_of_another_environment_is_not_believed(merge: Callable[..., Merge]) -> None:
    at = merge()
    at.form = "repo:org/a-fork"
    ended = at.run("train")
    assert (ended.failed, ended.status) == (TRAIN, 2)
    assert "AADSTS700213" in ended.output and "repo:org/a-fork:environment:development" in ended.output


def test_a_role_that_is_not_enough_is_named(merge: Callable[..., Merge], workspace: Workspace) -> None:
    at = merge()
    workspace.role = "Reader"
    ended = at.run("train")
    assert (ended.failed, ended.status) == (TRAIN, 2)
    assert "AzureML Data Scientist" in ended.output.splitlines()[-1]


def test_a_workflow_that_is_cancelled_ends_its_job(merge: Callable[..., Merge], workspace: Workspace) -> None:
    at = merge()
    edit(at.root, FILES["github"], f"- run: {TRAIN}", f"- run: {TRAIN} --no-wait")
    edit(at.root, "aml_config/train-amlcompute.yml", "python train.py", "sleep 60; python train.py")
    ended = at.run("train", cancel=f"{TRAIN} --no-wait")
    assert ended.ran[1:] == [f"{TRAIN} --no-wait", CANCEL], ended.output
    (job,) = workspace.jobs.values()
    assert job.thread
    job.thread.join(120)  # its environment is made first, and it ends at the next look at what was asked
    assert job.status == "Canceled"
    assert (at.machine.artifacts / "run.json").is_file() and not (at.machine.artifacts / "model.json").exists()


def test_nothing_is_deployed_without_a_registered_model(merge: Callable[..., Merge], workspace: Workspace) -> None:
    at = merge()
    at.machine.artifacts.mkdir()
    report = {"model": "demo-model", "version": None, "verdict": "refused"}
    (at.machine.artifacts / "model.json").write_text(json.dumps(report), encoding="utf-8")
    ended = at.run("promote")
    assert (ended.failed, ended.status) == (DEPLOY, 2)
    assert "no version of model demo-model was registered: the gate said refused" in ended.output
    assert not workspace.endpoints
