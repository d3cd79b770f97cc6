"""Optional parts of a command: which stay, which go, and which azure-ai-ml would refuse."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aml.jobfile.document import Document
from aml.jobfile.job import Job
from aml.jobfile.references import resolve_optional


def job_of(folder: Path, command: str, **inputs: object) -> Job:
    path = folder / "job.yml"
    path.write_text(yaml.safe_dump({"command": command, "inputs": inputs}), encoding="utf-8")
    return Job(Document(path))


@pytest.mark.parametrize(
    ("command", "resolved"),
    [
        ("run $[[--rate ${{inputs.rate}}]] on", "run --rate ${{inputs.rate}} on"),
        ("run $[[--rate ${{ inputs.rate }}]]", "run --rate ${{ inputs.rate }}"),
        ("run $[[--more ${{inputs.more}}]] on", "run  on"),
        ("run $[[--more ${{ inputs.more }}]]", "run "),
        ("run $[[--a ${{inputs.rate}}]] $[[--b ${{inputs.more}}]]", "run --a ${{inputs.rate}} "),
        ("run $[[--verbose]]", "run --verbose"),
        ('run $[[--rate="${{inputs.rate}}"]]', 'run --rate="${{inputs.rate}}"'),
        ("run $[[\n  --rate ${{inputs.rate}}\n]]", "run \n  --rate ${{inputs.rate}}\n"),
        ("if [[ -n $x ]]; then echo ${x[1]}; fi", "if [[ -n $x ]]; then echo ${x[1]}; fi"),
    ],
)
def test_a_part_counts_when_its_input_is_given(command: str, resolved: str) -> None:
    assert resolve_optional(command, {"rate"}) == resolved


@pytest.mark.filterwarnings("ignore")
@given(
    before=st.text("ab-. =\"'\n", max_size=6),
    name=st.sampled_from(["rate", "more"]),
    after=st.sampled_from(["", " ", '"']),
)
def test_an_input_may_be_missing_where_azure_ai_ml_accepts_it(
    tmp_path_factory: pytest.TempPathFactory, before: str, name: str, after: str
) -> None:
    from azure.ai.ml.entities._job._input_output_helpers import validate_inputs_for_command
    from azure.ai.ml.exceptions import ValidationException

    command = f"run $[[{before}${{{{inputs.{name}}}}}{after}]]"
    job = job_of(tmp_path_factory.mktemp("job"), command, rate=1)
    try:
        validate_inputs_for_command(command, {"rate": 1})
        accepted = True
    except ValidationException:
        accepted = False
    assert (job.undefined(job.command) is None) == accepted
