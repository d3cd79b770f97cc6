"""What the tests of checks share: mistakes to make, and the findings as the verb prints them."""

import re
from dataclasses import dataclass
from pathlib import Path

from aml.checks.repository import check as check_repository

JOB = "train-amlcompute.yml"
CPU = "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04"


@dataclass(frozen=True)
class Edit:
    """A mistake in a file of aml_config/: what stands there once, and what takes its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Case:
    """A mistake, the line where it is found (0: the whole file), and how the finding begins, as a pattern."""

    id: str
    edit: Edit
    line: int
    finding: str

    def assert_found(self, model: Path) -> None:
        """Make the mistake, and assert that it is found with its file and line."""
        replace(model / "aml_config" / self.edit.file, self.edit.old, self.edit.new)
        place = f"aml_config/{self.edit.file}" + (f":{self.line}" if self.line else "")
        findings = check(model)
        assert any(re.match(f"{re.escape(place)}: {self.finding}", one) for one in findings), findings


def check(root: Path, name: str | None = None) -> list[str]:
    """The findings as the verb prints them."""
    return [str(finding) for finding in check_repository(root, name)]


def replace(file: Path, old: str, new: str) -> None:
    """Change what stands in the file once."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8", newline="\n")
