"""The model repository: generated from the template, its example replaced by what was adopted, then put in place."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from aml.adopt import UserError, gates, origin
from aml.adopt.adoption import Adoption, template
from aml.adopt.packages import conda
from aml.adopt.packages.conda import Packages
from aml.adopt.report import asset_option
from aml.adopt.v1 import inference

EXAMPLE = ("src/train.py", "sample-data/penguins.csv", "tests/test_train.py")  # of the template, which goes


def write(adoption: Adoption, out: Path, report: Callable[[list[str]], str]) -> None:
    """Make the repository at `out`, whole or not at all.

    `report` gives the text of ADOPTED.md, with what the repository's own `aml check` finds.
    Raises UserError when `out` is there already with other content, or when the template refuses an answer.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".aml-adopt-") as folder:
        made = make(adoption, Path(folder))
        _put(made / "ADOPTED.md", report(_check(made)))
        if out.exists() and any(out.iterdir()):
            if _contents(made) != _contents(out):
                raise UserError(f"{out} is there already, and differs: name another folder with -o, or delete it")
            return
        if out.exists():
            out.rmdir()
        made.rename(out)


def make(adoption: Adoption, folder: Path) -> Path:
    """Make the repository in `folder`, which is there or not; returns its path."""
    folder.mkdir(exist_ok=True)
    made = _generate(adoption.answers, folder)
    _fill(adoption, made)
    return made


def _generate(answers: dict[str, str], folder: Path) -> Path:
    """The template's output with these answers, in `folder`."""
    command = [sys.executable, "-m", "cookiecutter", str(template()), "--no-input", "-o", str(folder)]
    command += [f"{key}={value}" for key, value in {**answers, "package": origin.package()}.items()]
    # Not in the working folder, which may be the source: python -m takes the modules there for its own.
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        reason = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
        raise UserError(f"the template refuses an answer: {reason[0] if reason else done.stderr.strip()[-300:]}")
    made = folder / answers["project_slug"]
    for cache in made.rglob("__pycache__"):  # pip compiles the modules of the template, too, where it installs it
        shutil.rmtree(cache)
    if commit := origin.commit():  # the template that was used lies in the package, where cruft does not find it
        record = json.loads((made / ".cruft.json").read_text(encoding="utf-8"))
        record["template"], record["commit"] = commit
        record["context"]["cookiecutter"]["_template"] = record["template"]
        _put(made / ".cruft.json", json.dumps(record, indent=2) + "\n")
    return made


def _fill(adoption: Adoption, made: Path) -> None:
    example = conda.read_template(made).training
    for name in EXAMPLE:
        (made / name).unlink()
    if adoption.inference:
        inference.write(adoption.inference, made, adoption.packages.python)
    gates.loosen(made / "scripts")
    for place, content in adoption.code.files.items():
        _put(made / "src" / place, content)
    for place, path in adoption.data.files.items():
        _put(made / "sample-data" / place, path)
    if not adoption.data.files:
        shutil.rmtree(made / "sample-data")
    prefix = "own/" if "conftest.py" in adoption.source.tests else ""
    for place, path in adoption.source.tests.items():
        _put(made / "tests" / f"{prefix}{place}", path)
    configuration = made / "aml_config"
    for name, text in {**adoption.jobs.files, "train-conda.yml": adoption.packages.text}.items():
        _put(configuration / name, text)
    (configuration / "data.yml").unlink()
    for name, asset in adoption.data.descriptions().items():
        lines = ["$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json", f"name: {asset.name}"]
        _put(configuration / name, "\n".join([*lines, f"type: {asset.type}", f"path: {json.dumps(asset.path)}", ""]))
    if most := adoption.jobs.compute.get("max_instances"):
        _edit(
            configuration / "compute.yml",
            lambda text: re.sub(r"^max_instances: \d+", f"max_instances: {most}", text, flags=re.MULTILINE),
        )
    _edit(made / "pyproject.toml", lambda text: _pyproject(text, example, adoption.packages))
    _edit(made / "README.md", lambda text: _readme(text, adoption))
    _edit(made / ".gitignore", lambda text: text.replace("# Made by `python src/train.py`", "# Results"))


def _put(path: Path, content: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="\n")
    else:
        shutil.copyfile(content, path)


def _edit(path: Path, edit: Callable[[str], str]) -> None:
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


def _pyproject(text: str, example: Iterable[str], packages: Packages) -> str:
    """pyproject.toml with the training packages in an extra instead of the example's among the dependencies.

    Old ones may need another Python than is here, and the command line does not: uv builds the training environment.
    """
    lines = text.splitlines(keepends=True)
    own = tuple(f"  {json.dumps(line)}," for line in example)
    first = next(number for number, line in enumerate(lines) if line.startswith(own))
    beside = [line for line in packages.requirements if re.match(r"(azureml-mlflow|mlflow)\b", line)]
    lines[first:first] = ["  # tracking\n", *(f"  {json.dumps(line)},\n" for line in beside)]
    extra = [
        "[project.optional-dependencies]\n",
        f"# aml_config/train-conda.yml has them too: Python {packages.python}\n",
    ]
    extra += ["training = [\n", *(f"  {json.dumps(line)},\n" for line in packages.requirements), "]\n", "\n"]
    after = next(number for number, line in enumerate(lines) if line.startswith("[tool."))
    kept = [line for line in lines[first + 1 + len(beside) : after] if not line.startswith(own)]
    text = "".join([*lines[: first + 1 + len(beside)], *kept, *extra, *lines[after:]])
    text = re.sub(r"^  # training: .*\n", "", text, flags=re.MULTILINE)
    environment = (
        "# The command line: pip install -e . Tests of the training code need its packages: pip install -e .[training]"
    )
    return re.sub(r"^# One environment for .*", environment, text, flags=re.MULTILINE)


def _readme(text: str, adoption: Adoption) -> str:
    """README.md with the names of what was adopted, without the lines about the example."""
    gone = ["penguin", "max_iter"]
    gone += [] if adoption.data.files else ["^sample-data/ "]
    gone += [] if adoption.data.assets else [r"^( *aml register-data|aml_config/data\.yml)\b"]
    text = "".join(line for line in text.splitlines(keepends=True) if not re.search("|".join(gone), line))
    entry = f"src/{adoption.code.entry}"
    register = f"aml register-model -n {adoption.model}{asset_option(adoption.code.model)}"
    more = [f"    aml register-data -f aml_config/{name}\n" for name in [*adoption.data.descriptions()][1:]]
    report = "What was taken over from where, and what is left to decide: `ADOPTED.md`.\n\n"
    changes: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (r"^src/train\.py +", lambda _: f"{entry:<32} "),
        (r"`src/train\.py`", lambda _: f"`{entry}`"),
        (r"aml register-model -n [\w-]+", lambda _: register),
        (r"aml promote [\w-]+", lambda _: f"aml promote {adoption.model}"),
        (r"^    aml register-data\b.*\n", lambda found: found[0] + "".join(more)),
        (r"`pip install -e \.` installs them", lambda _: "`pip install -e .[training]` installs them for tests"),
        (r"\A# .*\n\n", lambda found: found[0] + report),
    ]
    for pattern, change in changes:
        text = re.sub(pattern, change, text, flags=re.MULTILINE)
    return text


def _check(made: Path) -> list[str]:
    """What `aml check` of the new repository finds."""
    # -P: modules of the repository are not taken for those of the package.
    command = [sys.executable, "-P", "-m", "aml", "check"]
    variables = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=made, capture_output=True, encoding="utf-8", errors="replace", env=variables)
    if done.returncode not in (0, 1):
        return [done.stderr.strip()]
    return done.stdout.splitlines()[:-1]


def _contents(folder: Path) -> dict[str, bytes]:
    own = (".venv", "runs", "mlruns", "__pycache__", ".git", ".pytest_cache")
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if not set(own) & set(path.relative_to(folder).parts)
    }
