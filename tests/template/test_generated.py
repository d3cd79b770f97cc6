"""The generated repository: its files, what the hook says of it, and its settings."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from support import ENVIRONMENT, GENERATED, TEMPLATE, Repository

WITH_ANSWERS = {
    ".cruft.json",
    ".github/workflows/model.yml",
    "README.md",
    "aml_config/compute.yml",
    "aml_config/config.json",
    "aml_config/data.yml",
    "aml_config/deployment.yml",
    "aml_config/endpoint.yml",
    "aml_config/score-conda.yml",
    "aml_config/train-amlcompute.yml",
    "aml_config/train-conda.yml",
    "aml_config/train-local.yml",
    "pyproject.toml",
}
FILES = WITH_ANSWERS | {
    ".gitignore",
    "sample-data/penguins.csv",
    "scripts/register_data.py",
    "scripts/register_model.py",
    "src/.amlignore",
    "src/train.py",
    "tests/conftest.py",
    "tests/test_configuration.py",
    "tests/test_train.py",
    "tests/test_score.py",
    "sample-data/.amlignore",
    "sample-data/request.json",
    "src/score.py",
}
SERVING = {
    "aml_config/deployment.yml",
    "aml_config/endpoint.yml",
    "aml_config/score-conda.yml",
    "sample-data/.amlignore",
    "sample-data/request.json",
    "src/score.py",
    "tests/test_score.py",
}
UUID = "01234567-89ab-cdef-0123-456789abcdef"
Generate = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def generated(cookies_session: Any) -> Path:
    """With default answers; not to be changed."""
    result = cookies_session.bake()
    assert result.exception is None, result.exception
    return Path(result.project_path)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def original(file: str) -> Path:
    """The file of the template that a generated one comes from: its name may be a condition."""
    path = GENERATED / file
    return path if path.exists() else next(path.parent.glob(f"{{% if *}}{path.name}{{% endif %}}"))


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


# Files


def test_files_are_these(generated: Path) -> None:
    assert files(generated) == FILES


@pytest.mark.parametrize(
    ("serving", "ci", "most_files", "most_lines"),
    [("online", "github", 26, 900), ("online", "none", 25, 800), ("none", "none", 20, 600)],
)
def test_it_is_small(serving: str, ci: str, most_files: int, most_lines: int, bake: Callable[..., Path]) -> None:
    folder = bake(serving=serving, ci=ci)
    made = files(folder)
    lines = [line for file in made if not file.endswith(".csv") for line in (folder / file).open(encoding="utf-8")]
    assert len(made) <= most_files
    assert len(lines) <= most_lines
    assert len((folder / "README.md").read_text(encoding="utf-8").splitlines()) <= 70


def test_without_serving_nothing_knows_of_it(bake: Callable[..., Path], capfd: pytest.CaptureFixture[str]) -> None:
    folder = bake(serving="none")
    assert files(folder) == FILES - SERVING
    assert "aml serve" not in capfd.readouterr().out
    record = json.loads((folder / ".cruft.json").read_text(encoding="utf-8"))
    assert record["context"]["cookiecutter"]["serving"] == "none"
    for file in files(folder) - {".cruft.json", "sample-data/penguins.csv"}:
        text = (folder / file).read_text(encoding="utf-8")
        assert not re.search(r"aml serve|score\.py|score-conda|endpoint|deployment", text), file


def test_folders_are_those_of_the_files(generated: Path) -> None:
    folders = {path.relative_to(generated).as_posix() for path in generated.rglob("*") if path.is_dir()}
    assert folders == {folder.as_posix() for file in FILES for folder in PurePosixPath(file).parents} - {"."}


@pytest.mark.parametrize("file", sorted(FILES - WITH_ANSWERS))
def test_file_without_answers_is_the_template_s_own(file: str, generated: Path) -> None:
    assert (generated / file).read_bytes() == original(file).read_bytes()


@pytest.mark.parametrize("file", sorted(WITH_ANSWERS))
def test_file_with_answers_is_rendered(file: str, generated: Path) -> None:
    assert (generated / file).read_bytes() != original(file).read_bytes()


@pytest.mark.parametrize("file", sorted(FILES))
def test_nothing_is_left_of_the_template_language(file: str, generated: Path) -> None:
    text = (generated / file).read_text(encoding="utf-8")
    assert not re.search(r"(?<!\$)\{\{|\{%|\{#", text)
    assert ("cookiecutter" in text.lower()) == (file == ".cruft.json")  # cruft's own key


@pytest.mark.parametrize("file", sorted(FILES))
def test_file_is_text_of_unix_lines_with_an_end(file: str, generated: Path) -> None:
    content = (generated / file).read_bytes()
    assert content.decode("utf-8")
    assert b"\r" not in content
    assert content.endswith(b"\n") and not content.endswith(b"\n\n")
    if file.endswith((".py", ".toml", ".md", ".json", ".yml")):
        assert not re.search(rb"[ \t]+$", content, re.MULTILINE)


def illegal_on_windows(paths: Iterable[str]) -> list[str]:
    """The rules of https://learn.microsoft.com/windows/win32/fileio/naming-a-file."""
    bad = re.compile(r'.*[<>:"\\|?*\x00-\x1f].*|.*[. ]|(con|prn|aux|nul|com\d|lpt\d)(\..*)?', re.IGNORECASE)
    return [path for path in paths if any(map(bad.fullmatch, path.split("/"))) or len(path) >= 120]


def template_files() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=TEMPLATE, capture_output=True, check=True).stdout.decode("utf-8")
    return listed.rstrip("\0").split("\0")


def test_illegal_paths_are_found() -> None:
    bad = ["a/b|c", "aux", "x/nul.txt", "dot.", "blank /x", "a" * 120]
    assert illegal_on_windows([*bad, ".env", "console.py", "{{cookiecutter.x}}/a b.txt"]) == bad


def test_every_path_is_legal_on_windows() -> None:
    longest_slug = "a" * 32
    assert illegal_on_windows(f"{longest_slug}/{file}" for file in FILES) == []
    assert "cookiecutter.json" in template_files()
    assert illegal_on_windows(template_files()) == []


def test_no_two_paths_differ_by_case_only() -> None:
    for paths in (template_files(), sorted(FILES)):
        assert len({path.lower() for path in paths}) == len(paths)


# Answers


def test_prompts_are_few_and_each_says_what_it_asks_for() -> None:
    variables = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    visible = [name for name in variables if not name.startswith("_")]
    assert len(visible) <= 11
    assert list(variables["__prompts__"]) == visible
    assert all(len(text.split()) >= 3 for text in variables["__prompts__"].values())


@pytest.mark.parametrize(
    ("size", "image"),
    [
        ("Standard_DS3_v2", "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04"),
        ("Standard_M8ms", "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04"),
        ("Standard_NC6s_v3", "mcr.microsoft.com/azureml/openmpi5.0-cuda12.8-ubuntu24.04"),
        ("STANDARD_ND96asr_v4", "mcr.microsoft.com/azureml/openmpi5.0-cuda12.8-ubuntu24.04"),
    ],
)
def test_gpu_size_brings_a_cuda_image_and_cpu_size_does_not(size: str, image: str, bake: Callable[..., Path]) -> None:
    folder = bake(compute_size=size) / "aml_config"
    assert read_yaml(folder / "compute.yml")["size"] == size
    for runconfig in ("train-local.yml", "train-amlcompute.yml"):
        assert read_yaml(folder / runconfig)["environment"]["image"] == image


def test_names_derive_from_the_project_name(bake: Callable[..., Path], capfd: pytest.CaptureFixture[str]) -> None:
    folder = bake(project_name="Zoë:  Penguin_Model 2!")
    slug = "zoe-penguin-model-2"
    assert folder.name == slug
    config = folder / "aml_config"
    for runconfig in ("train-local.yml", "train-amlcompute.yml"):
        assert read_yaml(config / runconfig)["experiment_name"] == slug
    assert read_yaml(config / "data.yml")["name"] == f"{slug}-data"
    assert read_yaml(config / "train-amlcompute.yml")["inputs"]["data"]["path"] == f"azureml:{slug}-data@latest"
    assert read_yaml(config / "train-conda.yml")["name"] == f"{slug}-env"
    endpoint, deployment = (read_yaml(config / f"{name}.yml") for name in ("endpoint", "deployment"))
    assert (endpoint["name"], deployment["endpoint_name"], deployment["model"]) == (
        slug,
        slug,
        f"azureml:{slug}@latest",
    )
    register = f"aml register-model -n {slug}"
    assert register in capfd.readouterr().out
    assert register in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_pip_that_python_brings_finds_the_packages(generated: Path, tmp_path: Path) -> None:
    made = subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "v")], env=ENVIRONMENT, capture_output=True)
    if made.returncode:
        pytest.skip("this Python has no ensurepip, and so brings no pip")
    pip = tmp_path / "v" / ("Scripts/pip.exe" if os.name == "nt" else "bin/pip")
    command = [str(pip), "install", "--dry-run", "--quiet", "-e", str(generated)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr[-1000:]


def test_the_endpoint_has_single_dashes(bake: Callable[..., Path]) -> None:
    folder = bake(project_slug="a--b---c") / "aml_config"
    names = read_yaml(folder / "endpoint.yml")["name"], read_yaml(folder / "deployment.yml")["endpoint_name"]
    assert names == ("a-b-c", "a-b-c")


def test_the_packages_of_serving_are_those_of_training_and_the_server(generated: Path) -> None:
    pins = {}
    for name in ("train", "score"):
        conda = read_yaml(generated / "aml_config" / f"{name}-conda.yml")["dependencies"]
        pins[name] = {*conda[0].split(), *conda[-1]["pip"]}
    assert pins["score"] - pins["train"] == {"azureml-inference-server-http==1.5.1"}


def test_long_name_gives_a_short_slug(bake: Callable[..., Path]) -> None:
    assert bake(project_name="The model that tells penguins from - everything else").name == (
        "the-model-that-tells-penguins-fr"
    )


# What the hook says


def test_hook_confirms_each_setting_and_names_the_next_commands(
    bake: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = bake(resource_group="rg-1")
    said = capfd.readouterr().out
    assert re.search(r"^Workspace settings, .*config\.json\n  confirmed: readable$", said, re.MULTILINE)
    assert re.search(r"^  subscription_id +00000000-0000-0000-0000-000000000000 +not set$", said, re.MULTILINE)
    assert re.search(r"^  resource_group +rg-1 +well-formed, not looked up in Azure$", said, re.MULTILINE)
    assert re.search(r"^  workspace_name +aml-demo +well-formed, not looked up in Azure$", said, re.MULTILINE)
    assert "aml workspace attach -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE" in said
    _, block = said.split(f"Next, in {folder}:\n")
    commands = [line.strip() for line in block.splitlines()]
    assert commands == [
        "python -m venv .venv",
        r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate",
        "pip install -e .",
        "aml check",
        "aml submit -c train-local",
        "aml register-model -n demo-model",
        "aml serve --test",
    ]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert [command for command in commands if command not in readme] == []


def test_hook_says_nothing_of_attaching_when_everything_is_set(
    bake: Callable[..., Path], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # without the az command
    bake(subscription_id=UUID)
    said = capfd.readouterr().out
    assert re.search(rf"^  subscription_id +{UUID} +well-formed, not looked up", said, re.MULTILINE)
    assert "\nOnce aml is installed, it looks them up in Azure: aml workspace\n" in said
    assert "not set" not in said and "attach" not in said


def test_hook_says_why_settings_are_not_confirmed(
    bake: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shadow = tmp_path / ".azureml" / "config.json"
    shadow.parent.mkdir()
    shadow.write_text("{}")
    bake(subscription_id=UUID)
    said = capfd.readouterr().out
    assert f"\n  not confirmed: shadowed: MLClient.from_config() without a path reads {shadow}" in said
    assert "\nNext, in " in said


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_hook_prints_to_any_console(encoding: str, generate: Generate, tmp_path: Path) -> None:
    folder = tmp_path / "Größe 漢字"
    done = generate(folder, "resource_group=Größe_漢字", PYTHONUTF8="0", PYTHONIOENCODING=f"{encoding}:strict")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "register-model -n demo-model" in done.stdout
    settings = json.loads((folder / "demo-model" / "aml_config" / "config.json").read_text(encoding="utf-8"))
    assert settings["resource_group"] == "Größe_漢字"


def test_hook_leaves_no_byte_code(generate: Generate, tmp_path: Path) -> None:
    assert generate(tmp_path).returncode == 0
    assert "__pycache__" not in [path.name for path in tmp_path.rglob("*")]


# Its neighbours and judges


def test_generated_beside_other_code_it_touches_nothing_else(generate: Generate, tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@y"]
        command = ["git", *identity, *arguments]
        variables = {**ENVIRONMENT, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True).stdout

    git("init", "--quiet")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "other.py").write_text("x = 1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "other code")

    assert generate(tmp_path / "models").returncode == 0
    assert git("status", "--porcelain") == "?? models/demo-model/\n"
    listed = git("status", "--porcelain", "--untracked-files=all").splitlines()
    assert {line.removeprefix("?? models/demo-model/") for line in listed} == FILES


def judge(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing_to_mend(generated: Path) -> None:
    judge(generated, "ruff", "check", "--no-cache")


def test_ruff_finds_nothing_to_format(generated: Path) -> None:
    judge(generated, "ruff", "format", "--check", "--no-cache")


def test_types_of_the_training_code_hold(generated: Path) -> None:
    # without the packages: reading theirs takes long, and few of them have types
    packages = ["--no-site-packages", "--ignore-missing-imports"]
    judge(generated, "mypy", "--strict", "--cache-dir", os.devnull, *packages, "src")


def test_own_tests_pass(repository: Repository) -> None:
    command = [str(repository.python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=repository.path, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout) and "skipped" not in done.stdout
