"""aml workspace: shows the settings, changes them, and refuses what is malformed."""

import json
import re

from support import Repository

UUID = "01234567-89ab-cdef-0123-456789abcdef"


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
