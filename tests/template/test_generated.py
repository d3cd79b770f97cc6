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

from aml.errors import UserError
from aml.jobfile import settings as workspace
from aml.jobfile.names import NOT_SET
from support import ENVIRONMENT, GENERATED, TEMPLATE, Repository

WITH_ANSWERS = {
    ".cruft.json",
    "README.md",
    "aml_config/compute.yml",
    "aml_config/config.json",
    "aml_config/data.yml",
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


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


# Files


def test_files_are_these(generated: Path) -> None:
    assert files(generated) == FILES


def test_it_is_small(generated: Path) -> None:
    lines = [line for file in FILES if not file.endswith(".csv") for line in (generated / file).open(encoding="utf-8")]
    assert len(FILES) <= 20
    assert len(lines) <= 600
    assert len((generated / "README.md").read_text(encoding="utf-8").splitlines()) <= 65


def test_folders_are_those_of_the_files(generated: Path) -> None:
    folders = {path.relative_to(generated).as_posix() for path in generated.rglob("*") if path.is_dir()}
    assert folders == {PurePosixPath(file).parent.as_posix() for file in FILES} - {"."}


@pytest.mark.parametrize("file", sorted(FILES - WITH_ANSWERS))
def test_file_without_answers_is_the_template_s_own(file: str, generated: Path) -> None:
    assert (generated / file).read_bytes() == (GENERATED / file).read_bytes()


@pytest.mark.parametrize("file", sorted(WITH_ANSWERS))
def test_file_with_answers_is_rendered(file: str, generated: Path) -> None:
    assert (generated / file).read_bytes() != (GENERATED / file).read_bytes()


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
    assert len(visible) <= 8
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
    assert re.search(r"^  resource_group +rg-1 +confirmed: in form only, not looked up in Azure$", said, re.MULTILINE)
    assert re.search(
        r"^  workspace_name +aml-demo +confirmed: in form only, not looked up in Azure$", said, re.MULTILINE
    )
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
    ]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert [command for command in commands if command not in readme] == []


def test_hook_says_nothing_of_attaching_when_everything_is_set(
    bake: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    bake(subscription_id=UUID)
    said = capfd.readouterr().out
    assert re.search(
        rf"^  subscription_id +{UUID} +not confirmed: not signed in to Azure: run `az login`", said, re.MULTILINE
    )
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


# Settings


@pytest.fixture
def root(generated: Path, tmp_path: Path) -> Path:
    """A repository of which only the settings matter."""
    (tmp_path / "aml_config").mkdir()
    settings = (generated / "aml_config" / "config.json").read_text(encoding="utf-8")
    (tmp_path / "aml_config" / "config.json").write_text(settings, encoding="utf-8")
    return tmp_path


def states(root: Path) -> dict[str, str]:
    return {finding.setting: finding.state for finding in workspace.confirm(root)}


def write_settings(root: Path, settings: object) -> None:
    text = settings if isinstance(settings, str) else json.dumps(settings)
    (root / "aml_config" / "config.json").write_text(text, encoding="utf-8")


def read_settings(root: Path) -> Any:
    return json.loads((root / "aml_config" / "config.json").read_text(encoding="utf-8"))


def test_attached_settings_are_written_and_confirmed(root: Path) -> None:
    workspace.attach(root, {"subscription_id": UUID, "resource_group": "Größe"})
    assert read_settings(root) == {"subscription_id": UUID, "resource_group": "Größe", "workspace_name": "aml-demo"}
    assert set(states(root).values()) == {"confirmed"}
    assert files(root) == {"aml_config/config.json"}


def test_attaching_keeps_other_keys_and_their_order(root: Path) -> None:
    write_settings(root, {"tenant": {"a": [1]}, **read_settings(root), "x": None})
    workspace.attach(root, {"workspace_name": "other"})
    assert list(read_settings(root).items()) == [
        ("tenant", {"a": [1]}),
        ("subscription_id", "00000000-0000-0000-0000-000000000000"),
        ("resource_group", "aml-demo"),
        ("workspace_name", "other"),
        ("x", None),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"subscription_id": "none"},
        {"subscription_id": UUID, "resource_group": "group."},
        {"workspace_name": "ab", "subscription_id": UUID},
    ],
)
def test_attaching_a_malformed_value_changes_nothing(changes: dict[str, str], root: Path) -> None:
    before = (root / "aml_config" / "config.json").read_bytes()
    with pytest.raises(UserError, match=r"should be .+, such as .+"):
        workspace.attach(root, changes)
    assert (root / "aml_config" / "config.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "\ufeff{'a': 1}"])
def test_attaching_all_settings_mends_an_unreadable_file(text: str, root: Path) -> None:
    write_settings(root, text)
    changes = {"subscription_id": UUID, "resource_group": "rg", "workspace_name": "ws1"}
    with pytest.raises(UserError, match="name all settings"):
        workspace.attach(root, {"subscription_id": UUID})
    assert (root / "aml_config" / "config.json").read_text(encoding="utf-8") == text
    workspace.attach(root, changes)
    assert read_settings(root) == changes


def test_attaching_to_a_file_that_lacks_another_setting_is_no_fault(root: Path) -> None:
    write_settings(root, {"resource_group": "rg"})
    workspace.attach(root, {"subscription_id": UUID})
    assert read_settings(root) == {"resource_group": "rg", "subscription_id": UUID}
    assert states(root)["workspace_name"] == "not set"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "subscription_id": "x"\n  "resource_group": "y"\n}', r"config\.json:3: not JSON"),
        ("", r"config\.json:1: not JSON"),
        ("[1]", r"config\.json:1: should be a mapping of subscription_id, resource_group, workspace_name"),
    ],
)
def test_unreadable_settings_are_refused_with_file_and_line(text: str, message: str, root: Path) -> None:
    write_settings(root, text)
    with pytest.raises(UserError, match=message) as refusal:
        workspace.report(root)
    assert "aml workspace attach -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE" in str(refusal.value)


def test_settings_in_another_encoding_are_refused(root: Path) -> None:
    (root / "aml_config" / "config.json").write_bytes('{"resource_group": "Größe"}'.encode("latin-1"))
    with pytest.raises(UserError, match=r"config\.json:1: "):
        workspace.report(root)


def test_missing_settings_file_is_refused(root: Path) -> None:
    (root / "aml_config" / "config.json").unlink()
    with pytest.raises(UserError, match=r"config\.json: .+ aml workspace attach"):
        workspace.report(root)


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (None, "not confirmed"),
        (5, "not confirmed"),
        (["rg"], "not confirmed"),
        ("group.", "not confirmed"),
        ("", "not set"),
        ("rg", "confirmed"),
    ],
)
def test_state_of_a_value(value: object, state: str, root: Path) -> None:
    write_settings(root, {**read_settings(root), "resource_group": value})
    assert states(root)["resource_group"] == state
    lines, worst = workspace.report(root)
    assert worst == ("not set" if state == "confirmed" else state)  # the subscription is not set
    (line,) = [line for line in lines if line.startswith("  resource_group")]
    assert state in line
    assert state != "not confirmed" or "1-90 letters, digits and - _ . ( ), not ending with a dot" in line


def test_nearest_shadow_is_named(root: Path) -> None:
    assert states(root)["config.json"] == "confirmed"
    write_settings(root, {**read_settings(root), "subscription_id": UUID})
    inner = root / "models" / "one"
    (inner / "aml_config").mkdir(parents=True)
    write_settings(inner, read_settings(root))
    for folder in (root, root / "models"):
        (folder / ".azureml").mkdir()
        (folder / ".azureml" / "config.json").write_text("{}")
    finding = workspace.confirm(inner)[0]
    assert finding.state == "not confirmed"
    assert str(root / "models" / ".azureml" / "config.json") in finding.why
    assert workspace.report(inner)[1] == "not confirmed"
    assert str(root / ".azureml" / "config.json") in workspace.confirm(root)[0].why


@pytest.mark.parametrize("form", ["v2", "v1"])
def test_settings_that_the_models_of_a_codebase_share(form: str, root: Path) -> None:
    """The portal's own config.json, or what v1's attach wrote, at the root of the codebase."""
    shared = {"subscription_id": UUID, "resource_group": "ours", "workspace_name": "team"}
    scope = f"/subscriptions/{UUID}/resourceGroups/ours/providers/Microsoft.MachineLearningServices/workspaces/team"
    (root / ".azureml").mkdir()
    text = json.dumps(shared if form == "v2" else {"Id": None, "Scope": scope})
    (root / ".azureml" / "config.json").write_text(text)
    models = [root / "models" / name for name in ("one", "two")]
    for model in models:
        (model / "aml_config").mkdir(parents=True)
    write_settings(models[0], {"subscription_id": NOT_SET, "resource_group": "x", "workspace_name": "y"})
    for model in models:  # one has settings that are not set, the other has none
        assert {key: workspace.read(model)[key] for key in shared} == shared
        assert set(states(model).values()) == {"confirmed"}
    workspace.attach(models[0], {"workspace_name": "own"})  # from now on this model has its own
    assert read_settings(models[0]) == workspace.read(models[0]) == {**shared, "workspace_name": "own"}
    assert workspace.read(models[1])["workspace_name"] == "team"
    assert (root / ".azureml" / "config.json").read_text() == text


def test_workspace_command_shows_changes_and_refuses(repository: Repository) -> None:
    config = repository.path / "aml_config" / "config.json"
    assert re.search(r"subscription_id .+ not set\n", repository.aml("workspace").stdout)

    before = config.read_bytes()
    refused = repository.aml("workspace", "attach", "-s", "no-uuid", status=2)
    assert refused.stderr.startswith("aml: subscription_id 'no-uuid': should be a UUID")
    assert "Traceback" not in refused.stderr
    assert config.read_bytes() == before
    assert "attach what?" in repository.aml("workspace", "attach", status=2).stderr

    attached = repository.aml("workspace", "attach", "-s", UUID, "-w", "other", cwd=repository.path / "src", status=1)
    assert re.search(rf"subscription_id +{UUID} +not confirmed: not signed in", attached.stdout)
    assert json.loads(config.read_text(encoding="utf-8")) == {
        "subscription_id": UUID,
        "resource_group": "aml-demo",
        "workspace_name": "other",
    }

    config.write_text(config.read_text(encoding="utf-8").replace("other", "o"), encoding="utf-8")
    wrong = repository.aml("workspace", status=1)
    assert re.search(r"workspace_name +o +not confirmed: should be 3-33 letters", wrong.stdout)

    config.write_text("{\n", encoding="utf-8")
    unreadable = repository.aml("workspace", status=2)
    assert re.match(r"aml: .+config\.json:2: not JSON", unreadable.stderr)


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
