"""Job files: references filled in as the shell needs them, --set, and what is said of a file that is wrong."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aml.errors import UserError
from aml.jobfile.document import Document
from aml.jobfile.job import Job, load
from aml.jobfile.quoting import quote_for_bash

BASH = shutil.which("bash")
SPECIAL = " \t\n\r'\"$`\\*?!#;&|(){}[]<>~=%^"
# Every letter that a path may hold, and more often those that a shell reads as something else.
LETTERS = st.sampled_from(SPECIAL) | st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PLACES = [
    "{}",
    '"{}"',
    "'{}'",
    "--data={}/part",
    '--data="{}/part"',
    "\"a b\"'c d'{}",
    "'it'\"'\"'s '{}",
    "'it'\"'\"'s {}'",
    '"\\"{}\\" \\\\{}"',
    "\\\"{}\\'{}",
    "'\\'{}'{}'",
    '"$(echo "hi")`echo he`"{}',
]


def job_of(folder: Path, **data: Any) -> Job:
    path = folder / "job.yml"
    path.write_text(yaml.safe_dump({"command": "true", **data}), encoding="utf-8")
    return Job(Document(path))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    inputs = {"data": {"path": "data"}, "words": "two words", "rate": 0.1}
    return job_of(tmp_path_factory.mktemp("job"), inputs=inputs, outputs={"model": None})


@pytest.mark.skipif(not BASH, reason="bash is not installed")
@settings(deadline=None)
@given(paths=st.lists(st.text(LETTERS), min_size=1, max_size=10))
def test_bash_reads_a_path_as_it_is_wherever_it_stands(job: Job, paths: list[str]) -> None:
    asked = [(place, path) for path in paths for place in PLACES]
    script = ""
    for place, path in asked:
        command = job.fill_in(place.replace("{}", "${{inputs.data}}"), {"inputs.data": path}, quote_for_bash)
        plain = place.replace("{}", "PATH")  # says what bash makes of the place itself
        script += f"printf '%s\\0' {command}\nprintf '%s\\0' {plain}\n"
    done = subprocess.run([str(BASH)], input=script.encode(), stdout=subprocess.PIPE, check=True)
    words = done.stdout.decode().split("\0")
    assert words[:-1:2] == [plain.replace("PATH", path) for plain, (_, path) in zip(words[1::2], asked, strict=True)]


def test_a_literal_goes_in_as_it_is_and_a_path_is_protected(job: Job) -> None:
    values = {"inputs.data": "my data", "inputs.words": "two words", "outputs.model": "my model"}
    command = "train ${{inputs.data}} ${{inputs.words}} -o ${{outputs.model}}"
    assert job.fill_in(command, values, quote_for_bash) == "train 'my data' two words -o 'my model'"
    assert job.fill_in(command, values) == "train my data two words -o my model"


@pytest.mark.parametrize("reference", ["${{inputs.words}}", "${{ inputs.words }}", "${{\tinputs.words}}"])
def test_references_may_be_spaced(job: Job, reference: str) -> None:
    assert job.fill_in(f"echo {reference}!", {"inputs.words": "hi"}) == "echo hi!"


@pytest.mark.parametrize("text", ["$x ${x} ${#x} {{inputs.words}} ${inputs.words} $${ {inputs.words} }"])
def test_what_is_no_reference_stays(job: Job, text: str) -> None:
    assert job.fill_in(text, {}, quote_for_bash) == text


def test_a_value_that_looks_like_a_reference_is_not_filled_in(job: Job) -> None:
    assert job.fill_in("${{inputs.words}}", {"inputs.words": "${{inputs.rate}}"}) == "${{inputs.rate}}"


@pytest.mark.filterwarnings("ignore")
def test_literals_are_written_as_azure_ai_ml_sends_them(tmp_path: Path) -> None:
    from azure.ai.ml import load_job
    from azure.ai.ml.entities._job._input_output_helpers import to_rest_dataset_literal_inputs

    inputs = {"yes": True, "no": "false", "n": 3, "rate": 0.1, "small": 1e-05, "large": 1e20, "text": "a b", "one": "1"}
    job = job_of(tmp_path, inputs=inputs, environment="azureml:e:1", compute="local")
    loaded = load_job(job.document.path)._to_job()  # type: ignore[attr-defined]  # of command jobs
    sent = to_rest_dataset_literal_inputs(loaded.inputs, job_type="command")
    assert job.literals() == {name: value["value"] for name, value in sent.items()}


@pytest.mark.parametrize(
    ("assignment", "keys", "value"),
    [
        ("inputs.rate=200", ("inputs", "rate"), "200"),
        ("inputs.rate=1.5", ("inputs", "rate"), "1.5"),
        ("inputs.words=0123", ("inputs", "words"), "0123"),
        ("inputs.words=a=b c", ("inputs", "words"), "a=b c"),
        ("inputs.words=", ("inputs", "words"), ""),
        ("inputs.words=[", ("inputs", "words"), "["),
        ("inputs.words=2024-13-45", ("inputs", "words"), "2024-13-45"),
        ("inputs.data.path=../other", ("inputs", "data", "path"), "../other"),
        ("limits.timeout=60", ("limits", "timeout"), 60),
        ("command=echo hi; true", ("command",), "echo hi; true"),
        ("tags.team=blue", ("tags", "team"), "blue"),
    ],
)
def test_set_changes_a_value_or_adds_one(tmp_path: Path, assignment: str, keys: tuple[str, ...], value: object) -> None:
    job = job_of(tmp_path, inputs={"rate": 1, "words": "x", "data": {"path": "data"}}, tags=None)
    job.set(assignment)
    found: Any = job.data
    for key in keys:
        found = found[key]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("inputs.rate", "write --set KEY=VALUE"),
        ("=3", "write --set KEY=VALUE"),
        ("inputs.rates=3", "no input rates; did you mean rate?"),
        ("inputs.other=3", "no input other (known: rate)"),
        ("command.x=3", "command holds a value, not a mapping"),
        ("inputs.rate.x=3", "rate holds a value, not a mapping"),
        ("inputs=3", "inputs should be a mapping"),
        ("command=echo key: value", "needs a command"),
        ("type=sweep", "type sweep: only command jobs"),
    ],
)
def test_set_that_does_not_fit_is_refused(tmp_path: Path, assignment: str, says: str) -> None:
    job_of(tmp_path, inputs={"rate": 1})
    with pytest.raises(UserError) as refused:
        load(str(tmp_path / "job.yml"), tmp_path, [assignment])
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("${{inputs.dat}}", "${{inputs.dat}}: inputs has no dat; did you mean data?"),
        ("${{ outputs.other }}", "${{ outputs.other }}: outputs has no other (known: model)"),
        ("${{search_space.rate}}", "a command job knows inputs and outputs only"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named_with_the_nearest(job: Job, text: str, says: str) -> None:
    assert says in str(job.undefined(f"echo ${{{{inputs.words}}}} {text}"))
    assert job.undefined("echo ${{inputs.words}}") is None


@pytest.mark.parametrize("text", ["${{inputs.data.path}}", "${{parent.inputs.data}}"])
def test_any_other_expression_is_refused_too(job: Job, text: str) -> None:
    assert job.undefined(f"echo {text}")


def test_c_takes_a_name_or_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, other = tmp_path / "model", tmp_path / "other"
    for folder in (root / "aml_config", other):
        folder.mkdir(parents=True)
    job_of(root / "aml_config", command="by name")
    job_of(other, command="by path")
    monkeypatch.chdir(other)
    assert load("job", root).data["command"] == "by name"
    assert load("job.yml", root).data["command"] == "by path"
    assert load(str(other / "job.yml"), root).data["command"] == "by path"


def test_an_unknown_name_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "aml_config").mkdir()
    job_of(tmp_path / "aml_config")
    (tmp_path / "aml_config" / "data.yml").write_text("path: data\n")
    with pytest.raises(UserError, match="-c jobs: no such runconfig; aml_config/ has job;"):
        load("jobs", tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("code: src\ntype: pipeline\n", 2, "type pipeline: only command jobs"),
        ("code: src\n\ninputs: 3\ncommand: x\n", 3, "inputs should be a mapping"),
        ("command: x\nlimits:\n  timeout: 1h\n", 3, "timeout should be a number of seconds"),
        ("code: src\n", 1, "needs a command"),
        ("code: src\ncommand:\n  - x\n", 2, "needs a command"),
        ("command: x\n code: src\n", 2, "not YAML"),
        ("command: ]\n", 1, "not YAML"),
        ("# nothing\n- x\n", 1, "should be a YAML mapping"),
        ("", 1, "should be a YAML mapping"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("job.yml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        load("job.yml", tmp_path)
    assert str(refused.value).startswith(f"job.yml:{line}: ")
    assert says in str(refused.value)


def test_set_refuses_a_field_that_no_job_has(tmp_path: Path) -> None:
    job = job_of(tmp_path, inputs={"max_iter": 1})
    with pytest.raises(UserError, match=r"--set max_iter: a job has no such field; did you mean inputs.max_iter\?"):
        job.set("max_iter=200")


@pytest.mark.parametrize(
    "command",
    [
        "# don't\ncat ${{inputs.data}}",
        'cat "$(ls ${{inputs.data}})"',
        'cat "$(ls "${{inputs.data}}")"',
        "(cat ${{inputs.data}})",
        "echo it\\'s; cat ${{inputs.data}}",
    ],
)
def test_a_path_with_blanks_survives_comments_and_substitutions(tmp_path: Path, command: str) -> None:
    data = tmp_path / "a b"
    data.write_text(str(tmp_path / "a b"))
    job = job_of(tmp_path, command=command, inputs={"data": {"path": "a b"}})
    text = job.fill_in(job.data["command"], {"inputs.data": str(data)}, quote_for_bash)
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == str(data), done.stderr


@pytest.mark.parametrize("kind", ["inputs", "outputs"])
def test_a_name_that_would_lead_out_of_the_run_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UserError, match=r"name '../../evil': should be letters"):
        job_of(tmp_path, **{kind: {"../../evil": {"type": "uri_folder", "path": "x"}}})
