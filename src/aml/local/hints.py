"""What a job that ended leaves to be said: why it failed, where that shows in its log, and what it did not leave."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from aml.console import display_path
from aml.jobfile.conda import conda_file
from aml.jobfile.imports import package_of
from aml.jobfile.job import Job
from aml.local.runs import LocalRun
from aml.run import MODELS

LAST = 32768  # bytes of a log: an error is at its end
MISSING = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
# What a job need not do, for its variables lead MLflow into its run; with another address or experiment that run is
# not found.
LEADS_ELSEWHERE = re.compile(r"\bset_(?:tracking_uri|experiment)\(")


def hints(run: LocalRun, job: Job) -> Iterator[str]:
    """What to say of a run that ended, a line each."""
    if run.status == "failed":
        text = _end_of_log(run.folder / "logs" / "std_log.txt")
        if missing := MISSING.findall(text):
            yield from _missing_module(run, job, missing[-1])
        elif "MlflowException" in text or "RestException" in text:
            yield from _leads_elsewhere(run, job)
    elif run.status == "finished" and not _left_results(run):
        yield from _nothing_left(run)


def _end_of_log(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST))
        return file.read().decode("utf-8", errors="replace")


def _missing_module(run: LocalRun, job: Job, module: str) -> Iterator[str]:
    code = run.folder / "code"
    name = module.split(".", maxsplit=1)[0]
    if job.code and ((job.code.parent / name).is_dir() or (job.code.parent / f"{name}.py").is_file()):
        yield f"{job.where('code')}: {name} is next to the code and does not travel with it: name the folder above"
    elif name not in sys.stdlib_module_names and not list(code.rglob(f"{name}.py")) and not list(code.rglob(name)):
        has_file = bool(job.at("environment", "conda_file"))
        where = conda_file(job)[1] if has_file else f"the environment of {job.document.name}"
        yield f"add {package_of(module)}, which brings {module}, to {where}"


def _leads_elsewhere(run: LocalRun, job: Job) -> Iterator[str]:
    code = run.folder / "code"
    for file in sorted(code.rglob("*.py")):
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if (found := LEADS_ELSEWHERE.search(line)) and not line.lstrip().startswith("#"):
                place = (job.code or code) / file.relative_to(code)
                yield f"{display_path(place)}:{number}: take {found[0]}…) out: MLflow finds the job's run without it"


def _left_results(run: LocalRun) -> bool:
    folders = [run.folder / "outputs", run.folder / "named-outputs"]
    return any(path.is_file() for folder in folders for path in folder.rglob("*")) or bool(run.stored.logged_models())


def _nothing_left(run: LocalRun) -> Iterator[str]:
    """Say that there are no outputs, and name the models that the job wrote elsewhere into its folder."""
    found = [
        file.relative_to(run.folder / "code").as_posix()
        for file in sorted((run.folder / "code").rglob("*"))
        if MODELS.fullmatch(file.name) and file.is_file() and file.stat().st_mtime >= run.start  # the copy keeps times
    ]
    instead = f", and not, as {', '.join(found)}, elsewhere" if found else ""
    yield f"outputs/ is empty: a model to be registered has to be written there{instead}"
