"""All findings on a repository, or on one job file and what it refers to. Offline, and nothing is printed."""

from collections.abc import Iterator
from pathlib import Path

from aml.checks import kinds
from aml.checks.assets import check_compute, check_data
from aml.checks.environments import check_conda, check_environment
from aml.checks.finding import Finding
from aml.checks.hardware import check_hardware
from aml.checks.jobs import check_differences, check_job
from aml.checks.package import check_package
from aml.checks.packages import check_packages
from aml.checks.scripts import check_scripts
from aml.checks.serving import check_deployment, check_endpoint, is_of_batch
from aml.console import display_path
from aml.errors import UserError
from aml.jobfile import settings
from aml.jobfile.deployment import Deployment
from aml.jobfile.description import find_file
from aml.jobfile.document import Document
from aml.jobfile.job import Job


def check(root: Path, name: str | None = None) -> Iterator[Finding]:
    """The findings on one runconfig and what it refers to, or on the whole repository.

    Several job files may refer to the same file, so a finding may come more than once. Raises UserError when there is
    no runconfig of this name.
    """
    if name:
        path = find_file(name, root, "runconfig", "job", "command")
        yield from _check_file(path, root, {})
        return
    jobs: dict[str, Job] = {}
    for path in sorted((root / "aml_config").glob("*.y*ml")):
        try:
            yield from _check_file(path, root, jobs)
        except UserError as error:
            yield Finding.from_error(error)
    if {"train-local", "train-amlcompute"} <= jobs.keys():
        yield from check_differences(jobs["train-local"], jobs["train-amlcompute"])
    for check_more in (_check_settings, check_packages, check_package, check_scripts):
        try:
            yield from check_more(root)
        except UserError as error:
            yield Finding.from_error(error)


def _check_file(path: Path, root: Path, jobs: dict[str, Job]) -> Iterator[Finding]:
    """The findings on a file of aml_config/; a job is added to `jobs` if nothing in its own file is to be fixed."""
    document = Document(path)
    kind = kinds.kind_of(document.data)
    if kind == kinds.JOB:
        job = Job(document)
        findings = [*check_job(job), *check_hardware(job, root)]
        yield from findings
        if all(finding.is_notice or finding.file != document.name for finding in findings):
            jobs[path.stem] = job
    elif kind == kinds.CONDA:
        yield from check_conda(document, batch=is_of_batch(document))
    elif kind == kinds.COMPUTE:
        yield from check_compute(document)
    elif kind == kinds.DATA:
        yield from check_data(document)
    elif kind == kinds.ENVIRONMENT:
        yield from check_environment(document, document.data)
    elif kind in (kinds.DEPLOYMENT, kinds.BATCH_DEPLOYMENT):
        yield from check_deployment(Deployment(document), root)
    elif kind in (kinds.ENDPOINT, kinds.BATCH_ENDPOINT):
        yield from check_endpoint(document)
    else:
        says = f"a {kind}, which aml check does not judge" if kind else "of no kind that aml check judges"
        place = "$schema" if "$schema" in document.data else "type"
        fix = "" if kind else "give it a type or a $schema"
        yield Finding.at(document, (place,), says, fix, "kind")


def _check_settings(root: Path) -> Iterator[Finding]:
    for setting, value, state, why in settings.confirm(root)[1:]:
        if state == "not confirmed":
            file = display_path(settings.settings_file(root))
            yield Finding(file, 0, f"{setting} {value!r} {why}", "fix it with aml workspace attach")
