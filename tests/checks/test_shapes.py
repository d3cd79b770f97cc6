"""The fields of files: those that azure-ai-ml loads are known."""

from pathlib import Path

import pytest

from checks.models import check, replace


@pytest.mark.parametrize("file", ["data.yml", "train-local.yml"])
def test_every_field_that_the_sdk_loads_is_known(model: Path, file: str) -> None:
    setting = "auto_delete_setting: {condition: created_greater_than, value: 7d}"
    path = model / "aml_config" / file
    if file == "data.yml":
        path.write_text(path.read_text(encoding="utf-8") + setting + "\n", encoding="utf-8")
    else:
        replace(path, "environment:\n", f"environment:\n  {setting}\n")
    assert not [finding for finding in check(model) if "unknown field" in finding]
