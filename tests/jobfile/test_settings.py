"""The workspace settings: which file holds them, whether they are well-formed, changing them."""

import json
from pathlib import Path
from typing import Any

import pytest

from aml.cli.workspace import report
from aml.errors import UserError
from aml.jobfile import settings
from aml.jobfile.names import NOT_SET

UUID = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of which only the settings matter, with those of default answers."""
    (tmp_path / "aml_config").mkdir()
    write_settings(tmp_path, {"subscription_id": NOT_SET, "resource_group": "aml-demo", "workspace_name": "aml-demo"})
    return tmp_path


def states(root: Path) -> dict[str, str]:
    return {finding.setting: finding.state for finding in settings.confirm(root)}


def write_settings(root: Path, content: object) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (root / "aml_config" / "config.json").write_text(text, encoding="utf-8")


def read_settings(root: Path) -> Any:
    return json.loads((root / "aml_config" / "config.json").read_text(encoding="utf-8"))


def test_attached_settings_are_written_and_confirmed(root: Path) -> None:
    settings.attach(root, {"subscription_id": UUID, "resource_group": "Größe"})
    assert read_settings(root) == {"subscription_id": UUID, "resource_group": "Größe", "workspace_name": "aml-demo"}
    assert set(states(root).values()) == {"confirmed"}
    assert [path.name for path in root.rglob("*")] == ["aml_config", "config.json"]


def test_attaching_keeps_other_keys_and_their_order(root: Path) -> None:
    write_settings(root, {"tenant": {"a": [1]}, **read_settings(root), "x": None})
    settings.attach(root, {"workspace_name": "other"})
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
        settings.attach(root, changes)
    assert (root / "aml_config" / "config.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "\ufeff{'a': 1}"])
def test_attaching_all_settings_mends_an_unreadable_file(text: str, root: Path) -> None:
    write_settings(root, text)
    changes = {"subscription_id": UUID, "resource_group": "rg", "workspace_name": "ws1"}
    with pytest.raises(UserError, match="name all settings"):
        settings.attach(root, {"subscription_id": UUID})
    assert (root / "aml_config" / "config.json").read_text(encoding="utf-8") == text
    settings.attach(root, changes)
    assert read_settings(root) == changes


def test_attaching_to_a_file_that_lacks_another_setting_is_no_fault(root: Path) -> None:
    write_settings(root, {"resource_group": "rg"})
    settings.attach(root, {"subscription_id": UUID})
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
        report(root)
    assert "aml workspace attach -s SUBSCRIPTION -g RESOURCE_GROUP -w WORKSPACE" in str(refusal.value)


def test_settings_in_another_encoding_are_refused(root: Path) -> None:
    (root / "aml_config" / "config.json").write_bytes('{"resource_group": "Größe"}'.encode("latin-1"))
    with pytest.raises(UserError, match=r"config\.json:1: "):
        report(root)


def test_missing_settings_file_is_refused(root: Path) -> None:
    (root / "aml_config" / "config.json").unlink()
    with pytest.raises(UserError, match=r"config\.json: .+ aml workspace attach"):
        report(root)


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
    lines, worst = report(root)
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
    finding = settings.confirm(inner)[0]
    assert finding.state == "not confirmed"
    assert str(root / "models" / ".azureml" / "config.json") in finding.why
    assert report(inner)[1] == "not confirmed"
    assert str(root / ".azureml" / "config.json") in settings.confirm(root)[0].why


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
        assert {key: settings.read(model)[key] for key in shared} == shared
        assert set(states(model).values()) == {"confirmed"}
    settings.attach(models[0], {"workspace_name": "own"})  # from now on this model has its own
    assert read_settings(models[0]) == settings.read(models[0]) == {**shared, "workspace_name": "own"}
    assert settings.read(models[1])["workspace_name"] == "team"
    assert (root / ".azureml" / "config.json").read_text() == text
