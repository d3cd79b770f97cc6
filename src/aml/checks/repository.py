"""All findings on a repository, or on one job file and what it refers to. Offline, and nothing is printed."""

from collections.abc import Iterator
from pathlib import Path

from aml.checks.assets import check_compute, check_data
from aml.checks.environments import check_conda, check_environment
from aml.checks.hardware import check_hardware
from aml.checks.jobs import check_differences, check_job
from aml.checks.package import check_package
from aml.console import display_path
from aml.errors import UserError
from aml.jobfile import settings
from aml.jobfile.document import Document
from aml.jobfile.job import DATA_TYPES, Job
from aml.jobfile.job import load as load_job


def check(root: Path, name: str | None = None) -> Iterator[str]:
    """All findings on one runconfig and what it refers to, or on everything in aml_config/."""
    if name:
        job = load_job(name, root)
        yield from check_job(job)
        yield from check_hardware(job, root)
        return
    jobs = {}
    for path in sorted((root / "aml_config").glob("*.y*ml")):
        try:
            document = Document(path)
            data = document.data
            if "command" in data or data.get("type") == "command":
                job = jobs[path.stem] = Job(document)
                yield from check_job(job)
                yield from check_hardware(job, root)
            elif "dependencies" in data:
                yield from check_conda(document)
            elif "size" in data or "compute" in str(data.get("type")):
                yield from check_compute(document)
            elif "path" in data or data.get("type") in DATA_TYPES:
                yield from check_data(document)
            else:
                yield from check_environment(document, data)
        except UserError as refusal:
            yield str(refusal)
    if {"train-local", "train-amlcompute"} <= jobs.keys():
        yield from check_differences(jobs["train-local"], jobs["train-amlcompute"])
    yield from check_package(root)
    try:
        for setting, value, state, why in settings.confirm(root)[1:]:
            if state == "not confirmed":
                file = display_path(settings.settings_file(root))
                yield f"{file}: {setting} {value!r} {why}: fix it with aml workspace attach"
    except UserError as refusal:
        yield str(refusal)
