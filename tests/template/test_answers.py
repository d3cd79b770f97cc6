"""Answers: the bad ones are refused together and without harm, the others arrive in every file as they were typed."""

import importlib.util
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from cookiecutter.exceptions import FailedHookException
from cookiecutter.generate import generate_context
from cookiecutter.hooks import run_script_with_context
from cookiecutter.main import cookiecutter
from cookiecutter.prompt import prompt_for_config
from cookiecutter.utils import create_env_with_context
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader
from jinja2.exceptions import UndefinedError

from aml.jobfile import names
from support import GENERATED, TEMPLATE

Answers = dict[str, Any]


def load_hook(name: str) -> ModuleType:
    """The hook as a module, which runs nothing by itself: its one line of Jinja is the last."""
    spec = importlib.util.spec_from_file_location(name, TEMPLATE / "hooks" / f"{name}.py")
    assert spec and spec.loader
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


pre_gen = load_hook("pre_gen_project")
post_gen = load_hook("post_gen_project")


def literal(text: str) -> str:
    """A Jinja expression for the text: cookiecutter renders what it is given, only what is typed stays as it is."""
    return "{{ '" + text.encode("unicode_escape").decode("ascii").replace("'", r"\'") + "' }}"


def typed(**texts: str) -> Answers:
    """All variables of the template, as if these answers had been typed at the prompt."""
    expressions = {name: literal(text) for name, text in texts.items()}
    context = generate_context(str(TEMPLATE / "cookiecutter.json"), extra_context=expressions)
    return dict(prompt_for_config(context, no_input=True))


DEFAULTS = typed()
VISIBLE = [name for name in DEFAULTS if not name.startswith("_")]
TEXTS = [name for name in VISIBLE if name not in ("serving", "ci")]  # they are chosen: cookiecutter takes nothing else
environment = create_env_with_context({"cookiecutter": DEFAULTS})
environment.loader = FileSystemLoader(GENERATED)


def rendered(answers: Answers) -> Callable[[str], str]:
    return lambda path: environment.get_template(path).render(cookiecutter=answers)


def problems(**texts: str) -> list[str]:
    return list(pre_gen.problems({**DEFAULTS, **texts}))


def assert_unharmed(read: Callable[[str], str], answers: Answers) -> None:
    """Every file that holds an answer gives back what was answered, when what it is made for reads it."""
    slug = answers["project_slug"]
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert (project["name"], project["description"]) == (slug, answers["description"])

    local = yaml.safe_load(read("aml_config/train-local.yml"))
    cluster = yaml.safe_load(read("aml_config/train-amlcompute.yml"))
    for job in (local, cluster):
        assert (job["experiment_name"], job["description"]) == (slug, answers["description"])
    assert cluster["compute"] == f"azureml:{answers['compute_name']}"
    assert cluster["inputs"]["data"]["path"] == f"azureml:{slug}-data@latest"
    compute = yaml.safe_load(read("aml_config/compute.yml"))
    assert (compute["name"], compute["size"]) == (answers["compute_name"], answers["compute_size"])
    assert yaml.safe_load(read("aml_config/data.yml"))["name"] == f"{slug}-data"
    assert yaml.safe_load(read("aml_config/train-conda.yml"))["name"] == f"{slug}-env"

    workspace = ("subscription_id", "resource_group", "workspace_name")
    assert json.loads(read("aml_config/config.json")) == {name: answers[name] for name in workspace}

    # cruft hands the recorded answers to cookiecutter, which renders them
    recorded = json.loads(read(".cruft.json"))["context"]["cookiecutter"]
    again = prompt_for_config(generate_context(str(TEMPLATE / "cookiecutter.json"), extra_context=recorded), True)
    rendered_here = [name for name in VISIBLE if name != "package"]  # which the hook records, in pip's form
    assert {name: again[name] for name in rendered_here} == {name: answers[name] for name in rendered_here}


def assert_introduced(read: Callable[[str], str], answers: Answers) -> None:
    lines = read("README.md").split("\n")  # splitlines() knows more line ends than Markdown does
    assert lines[:3] == [f"# {answers['project_name']}", "", answers["description"]]


# Rules

UUID = "01234567-89ab-CDEF-0123-456789abcdef"
ACCEPTED = [
    ("project_name", "x"),
    ("project_name", "Zoë's 🚀 model"),
    ("description", "a" * 2000),
    ("project_slug", "abc"),
    ("project_slug", "a" * 32),
    ("project_slug", "m0-1"),
    ("project_slug", "pip-model"),
    ("subscription_id", names.NOT_SET),
    ("subscription_id", UUID),
    ("resource_group", "_"),
    ("resource_group", "a" * 90),
    ("resource_group", ".(Größe)_1-x"),
    ("workspace_name", "0ab"),
    ("workspace_name", "a" * 33),
    ("workspace_name", "My_workspace-"),
    ("compute_name", "abc"),
    ("compute_name", "a" * 24),
    ("compute_name", "cpu-cluster1"),
    ("compute_name", "cpu-1-a"),
    ("compute_size", "Standard_DS3_v2"),
    ("compute_size", "STANDARD_D2"),
    ("compute_size", "standard_nc6s_v3"),
    ("compute_size", "Standard_M416-208ms_v2"),
    ("compute_size", "Standard_NC24ads_A100_v4"),
]
REFUSED = [
    ("project_name", ""),
    ("project_name", " \u3000"),
    ("project_name", "two\nlines"),
    ("project_name", "tab\tulator"),
    ("project_name", "nul\0"),
    ("description", ""),
    ("package", " "),
    ("description", "next\x85line"),
    ("description", "line\u2028separator"),
    ("description", "paragraph\u2029separator"),
    ("description", "half a pair \ud83d"),
    ("description", "noncharacter \uffff"),
    ("description", "noncharacter \U0001fffe"),
    ("project_slug", ""),
    ("project_slug", "ab"),
    ("project_slug", "a" * 33),
    ("project_slug", "a" * 300),
    ("project_slug", "Demo"),
    ("project_slug", "3d-model"),
    ("project_slug", "demo-"),
    ("project_slug", "demo_model"),
    ("project_slug", "demo model"),
    ("project_slug", "demo\n"),
    ("project_slug", "dämo"),
    ("project_slug", ".."),
    ("project_slug", "x/../.."),
    ("project_slug", "con"),
    ("project_slug", "aux"),
    ("project_slug", "com1"),
    ("project_slug", "lpt0"),
    ("project_slug", "aml"),
    ("project_slug", "numpy"),
    ("project_slug", "scikit-learn"),
    ("subscription_id", ""),
    ("subscription_id", UUID[:-1]),
    ("subscription_id", UUID + "0"),
    ("subscription_id", UUID.replace("-", "")),
    ("subscription_id", "{" + UUID + "}"),
    ("subscription_id", UUID + "\n"),
    ("subscription_id", "g" + UUID[1:]),
    ("resource_group", ""),
    ("resource_group", "group."),
    ("resource_group", "a" * 91),
    ("resource_group", "my group"),
    ("resource_group", 'a"b'),
    ("workspace_name", "ab"),
    ("workspace_name", "a" * 34),
    ("workspace_name", "-abc"),
    ("workspace_name", "a.bc"),
    ("compute_name", "ab"),
    ("compute_name", "a" * 25),
    ("compute_name", "cpu-cluster-1"),
    ("compute_name", "1-cpu"),
    ("compute_name", "cpu_cluster"),
    ("compute_size", ""),
    ("compute_size", "DS3_v2"),
    ("compute_size", "Standard_"),
    ("compute_size", "Standard DS3 v2"),
    ("compute_size", "Standard_DS3_v2 "),
]


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_value_is_accepted(name: str, value: str) -> None:
    assert problems(**{name: value}) == []


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_value_is_refused_with_its_name_and_itself(name: str, value: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.split()[0] == name
    assert ascii(value) in problem


def test_default_answers_are_accepted() -> None:
    assert problems() == []


@pytest.mark.parametrize("device", ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), "lpt1", "lpt9"])
def test_windows_device_names_are_refused(device: str) -> None:
    (problem,) = problems(project_slug=device)
    assert "device" in problem


def canonical(distribution: str) -> str:
    """The name as pip compares it: https://packaging.python.org/specifications/name-normalization."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", distribution)[0]).lower()  # type: ignore[index]


def test_names_of_the_packages_that_the_repository_installs_are_refused() -> None:
    read = rendered(DEFAULTS)
    package = tomllib.loads((TEMPLATE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = [*package["dependencies"], *package["optional-dependencies"]["adopt"]]
    installed += tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]
    for dependency in yaml.safe_load(read("aml_config/train-conda.yml"))["dependencies"]:
        installed += dependency["pip"] if isinstance(dependency, dict) else [dependency]
    names = {canonical(name) for name in installed} - {"python"}
    assert {"azureml-mlflow", "pyyaml", "pip"} <= names
    assert names <= pre_gen.PACKAGES


@pytest.mark.parametrize("slug", ["scikit--learn", "mlflow---skinny"])
def test_other_spellings_of_a_package_are_refused(slug: str) -> None:
    """Pip takes them for the same name."""
    (problem,) = problems(project_slug=slug)
    assert "package" in problem


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("subscription_id", "subscription_id"),
        ("resource_group", "resource_group"),
        ("workspace_name", "workspace_name"),
        ("compute_name", "compute"),
    ],
)
def test_hook_and_command_line_have_the_same_rules(answer: str, rule: str) -> None:
    assert pre_gen.RULES[answer] == tuple(names.RULES[rule])


@settings(deadline=None, max_examples=30)
@given(st.from_regex(pre_gen.RULES["project_slug"][0], fullmatch=True))
def test_slug_fits_every_name_made_of_it(slug: str) -> None:
    answers = typed(project_slug=slug)
    for variable in ("__model", "__data", "__environment"):
        assert names.RULES["asset"].accepts(answers[variable])
    assert names.RULES["experiment"].accepts(answers["__experiment"])


def test_all_bad_answers_are_in_one_message_with_value_rule_and_example() -> None:
    bad = {
        "project_name": "",
        "project_slug": "Demo_Model",
        "description": "two\nlines",
        "subscription_id": "none",
        "resource_group": "group.",
        "workspace_name": "w",
        "compute_name": "cpu-cluster-1",
        "compute_size": "big",
    }
    heading, *lines = pre_gen.refusal({**DEFAULTS, **bad}).split("\n")
    assert heading == "Nothing was generated. Please correct:"
    by_name = {line.split()[0]: line for line in lines}
    assert by_name.keys() == bad.keys() and len(lines) == len(bad)
    for name, value in bad.items():
        assert ascii(value) in by_name[name]
        assert re.search(r"should be .+, such as \S+", by_name[name])
    for name, (_, rule, _) in pre_gen.RULES.items():
        assert rule in by_name[name]
    assert by_name["project_slug"].endswith("such as demo-model")
    assert by_name["compute_name"].endswith("such as cpu-cluster1")


def test_good_answers_are_not_refused() -> None:
    assert pre_gen.refusal(DEFAULTS) is None


# Hostile text

FRAGMENTS = [
    *"\"'\\`:#%&*!|>@?-~=,;[](){}<>$/\n\r\t\0 \x85\u2028\u2029\u200d\u202e\ufeff\ud83d\ufdd0\uffff\U0001fffeé🚀",
    *"{{ }} {% %} {# #} {{{ {{% {{7*7}} {%raw%} {%endraw%} {%if%} ${{inputs.data}} $(id) $HOME %PATH%".split(" "),
    *r"""\" \' \n \u0041 \x41 ''' [x] --- ... %YAML <<: <script> </a> &amp; &#34; --> ../""".split(" "),
    *(
        "{{ 7*7 }}",
        "{% raw %}",
        ": ",
        " #",
        "- ",
        "? ",
        "&a *a",
        "!!python/object:x ",
        "= 1",
        '"\n',
        '"""',
        "👩\u200d🚀",
    ),
]
# What YAML takes for something else than text
WORDS = "null Null NULL true True yes Yes off OFF no on 1e3 0x10 1_0 2001-01-01 .inf".split()
hostile = st.lists(st.sampled_from(FRAGMENTS) | st.sampled_from(WORDS) | st.characters(), max_size=8).map("".join)
# By itself, most hostile text is refused: this is what goes through.
WRITABLE = [text for text in FRAGMENTS if all(map(pre_gen.writable, text))]
kept = st.lists(st.sampled_from(WRITABLE) | st.characters(), min_size=1, max_size=8).map("".join)
property_test = settings(deadline=None, max_examples=100)


def accepted(name: str) -> st.SearchStrategy[str]:
    return st.from_regex(pre_gen.RULES[name][0], fullmatch=True) | st.sampled_from(WORDS)


one_answer = st.sampled_from(TEXTS).flatmap(
    lambda name: st.tuples(st.just(name), hostile | accepted(name) if name in pre_gen.RULES else hostile)
)


@property_test
@given(st.tuples(kept, kept))
@example(("{{ 7*7 }}", "{% raw %}"))
@example(('"""', "trailing backslash \\"))
@example(("\ufeff", "\ufeffx"))
def test_free_text_arrives_unharmed_unless_refused(texts: tuple[str, str]) -> None:
    answers = typed(project_name=texts[0], project_slug="demo-model", description=texts[1])
    assert (answers["project_name"], answers["description"]) == texts
    if not pre_gen.problems(answers):
        assert_unharmed(rendered(answers), answers)


@property_test
@given(kept, kept)
def test_free_text_stands_in_the_readme_as_it_was_typed(name: str, description: str) -> None:
    answers = typed(project_name=name, project_slug="demo-model", description=description)
    if not pre_gen.problems(answers):
        assert_introduced(rendered(answers), answers)


@property_test
@given(one_answer)
def test_any_answer_arrives_unharmed_unless_refused(answer: tuple[str, str]) -> None:
    try:
        answers = typed(**dict([answer]))
    except UndefinedError as refusal:
        said = "project_slug (is a folder name, not a path|should be 3-32 lower-case letters, digits and dashes)"
        assert re.search(said, str(refusal))  # noqa: PT017  # most answers are not refused
    else:
        if not pre_gen.problems(answers):
            assert_unharmed(rendered(answers), answers)


@pytest.mark.parametrize("name", ["project_slug", "compute_name"])
@pytest.mark.parametrize("word", ["null", "true", "yes", "off"])
def test_word_that_yaml_takes_for_something_else_stays_a_name(name: str, word: str) -> None:
    answers = typed(**{name: word})
    assert pre_gen.problems(answers) == []
    assert_unharmed(rendered(answers), answers)


@property_test
@given(one_answer)
@example(("project_slug", "NumPy"))
@example(("project_slug", "CON"))
@example(("project_slug", "scikit_learn"))
@example(("compute_name", "cpu-cluster-1"))
@example(("resource_group", "my group."))
def test_suggested_example_passes_the_rule(answer: tuple[str, str]) -> None:
    name, value = answer
    for problem in problems(**{name: value}):
        suggestion = problem.rsplit(", such as ", 1)[1]
        assert problems(**{name: suggestion}) == []


@property_test
@given(st.text() | hostile, st.sampled_from(sorted(pre_gen.RULES)))
def test_corrected_value_fits_the_pattern(value: str, name: str) -> None:
    pattern, _, suggestion = pre_gen.RULES[name]
    assert re.fullmatch(pattern, suggestion)
    assert re.fullmatch(pattern, pre_gen.corrected(value, pattern, suggestion))


def test_record_of_the_answers_is_ascii() -> None:
    """Cruft reads it in the encoding of the machine, on Windows not always UTF-8."""
    answers = typed(project_name="Größe 🚀", description="🚀 é", resource_group="Größe")
    assert rendered(answers)(".cruft.json").isascii()


# Through cookiecutter


Generate = Callable[..., "subprocess.CompletedProcess[str]"]


def read_from(folder: Path) -> Callable[[str], str]:
    # bytes: a line end should arrive as it is
    return lambda path: (folder / path).read_bytes().decode("utf-8")


EVERYTHING = (
    r"""a "b" 'c' \d \\ \u0041 \n : # % & * ! | > @ ` - ? [e] {f} ~ = '''g''' \"\"\" """
    '"""h""" {{ 7*7 }} {% raw %} {% endraw %} {# i #} {{{ {{% ${{inputs.data}} $HOME $(id) %PATH% '
    "<b>&amp;&#34;</b> --> é e\u0301 🚀 👩\u200d🚀 \u202e\u200f x\\"
)


@pytest.mark.parametrize(
    "text", [EVERYTHING, "{{ 7*7 }}", '- "', "trailing \\"], ids=["everything", "jinja", "quote", "backslash"]
)
def test_text_typed_at_the_prompt_arrives_unharmed(text: str, generate: Generate, tmp_path: Path) -> None:
    done = generate(tmp_path / "out", typed=[text, "demo-model", text])
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / "demo-model"
    answers = {**DEFAULTS, "project_name": text, "description": text}
    assert_unharmed(read_from(folder), answers)
    assert "__pycache__" not in [path.name for path in folder.rglob("*")]


def test_text_typed_at_the_prompt_stands_in_the_readme(generate: Generate, tmp_path: Path) -> None:
    done = generate(tmp_path / "out", typed=[EVERYTHING, "demo-model", EVERYTHING])
    assert done.returncode == 0, done.stderr
    answers = {"project_name": EVERYTHING, "description": EVERYTHING}
    assert_introduced(read_from(tmp_path / "out" / "demo-model"), answers)


def test_every_answer_typed_at_the_prompt_arrives(generate: Generate, tmp_path: Path) -> None:
    texts = ["Größe", "groesse", "x", UUID, "rg.(Größe)", "w_s-1", "gpu1", "Standard_NC6s_v3"]
    done = generate(tmp_path / "out", typed=[*texts, "2", "2", "aml-template>=0.1"])
    assert done.returncode == 0, done.stderr
    answers = dict(zip(VISIBLE, [*texts, "none", "azure-devops", "aml-template>=0.1"], strict=True))
    assert_unharmed(read_from(tmp_path / "out" / "groesse"), answers)


def test_what_is_no_choice_is_refused(generate: Generate, tmp_path: Path) -> None:
    done = generate(tmp_path / "out", "serving=batch")
    assert done.returncode != 0
    assert "batch provided for choice variable serving, but the choices are ['online', 'none']" in done.stderr
    assert not (tmp_path / "out").exists()


def python_payload(mark: Path) -> str:
    return f"__import__('os').mkdir('{mark.as_posix()}')"


def jinja_payload(mark: Path) -> str:
    return "{{ cycler.__init__.__globals__.os.mkdir('" + mark.as_posix() + "') }}"


def payloads(mark: Path) -> list[str]:
    """Texts that would make a folder `mark`, were any of them taken for code."""
    code = python_payload(mark)
    return [
        jinja_payload(mark),
        '"""));' + code + "#",
        '\\"""));' + code + "#",
        '""" + str(' + code + ') + r"""',
        "'''));" + code + "#",
        f'$(mkdir "{mark.as_posix()}")',
        f'"; mkdir "{mark.as_posix()}" #',
        f'" & mkdir "{mark.as_posix()}" & "',
        f'!!python/object/apply:os.mkdir ["{mark.as_posix()}"]',
    ]


def test_payloads_work_where_text_is_taken_for_code(tmp_path: Path) -> None:
    Environment().from_string(jinja_payload(tmp_path / "jinja")).render()  # noqa: S701  # it is no page
    assert (tmp_path / "jinja").is_dir()
    exec('x = (len(r"""' + payloads(tmp_path / "python")[1])  # noqa: S102  # so it would be executed
    assert (tmp_path / "python").is_dir()


def test_nothing_in_a_typed_answer_is_executed(generate: Generate, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    text = " ".join(payloads(mark))
    done = generate(tmp_path / "out", typed=[text, "demo-model", text])
    assert done.returncode == 0, done.stderr
    assert "Workspace settings" in done.stdout  # so both hooks ran
    assert not mark.exists()


@pytest.mark.parametrize("number", range(9))
def test_nothing_in_an_answer_is_executed_by_the_hook_that_judges_it(
    number: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "executed"
    answers = {**DEFAULTS, **dict.fromkeys(VISIBLE, payloads(mark)[number])}
    with pytest.raises(FailedHookException):
        run_script_with_context(TEMPLATE / "hooks" / "pre_gen_project.py", tmp_path, {"cookiecutter": answers})
    assert not mark.exists()
    refused = [line.split()[0] for line in capfd.readouterr().err.split("\n")[1:] if line]
    assert refused == list(pre_gen.RULES)  # the two free texts are fine, and the package is the other hook's


def test_nothing_in_an_answer_is_executed_by_the_hook_that_says_how_to_go_on(
    bake: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, mark = bake(), tmp_path / "executed"
    model = " ".join(payloads(mark))  # would have been refused before
    source = {"_template": str(TEMPLATE), "_repo_dir": str(TEMPLATE), "_output_dir": str(folder.parent)}
    context = {"cookiecutter": {**DEFAULTS, **source, "__model": model}}
    run_script_with_context(TEMPLATE / "hooks" / "post_gen_project.py", folder, context)
    assert f"register-model -n {model}" in capfd.readouterr().out
    assert not mark.exists()


def test_refusal_through_pytest_cookies_leaves_nothing(
    cookies: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = cookies.bake({"compute_name": "cpu-cluster-1", "resource_group": "group."})
    assert result.exit_code == -1
    assert isinstance(result.exception, FailedHookException)
    message = capfd.readouterr().err
    assert "compute_name 'cpu-cluster-1' should be" in message
    assert "resource_group 'group.' should be" in message
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not list(tmp_path.rglob("demo-model"))


def test_refusal_at_the_prompt_ends_with_a_status_and_leaves_nothing(generate: Generate, tmp_path: Path) -> None:
    done = generate(tmp_path, typed=["Größe 🚀", "con", "", "no uuid"])
    assert done.returncode != 0
    message = done.stderr.split("Traceback")[0]
    assert "project_slug 'con' is a name that Windows keeps for a device, such as con-model" in message
    assert "subscription_id 'no uuid' should be a UUID" in message
    assert list(tmp_path.iterdir()) == []


def test_refusal_leaves_an_existing_folder_alone(generate: Generate, tmp_path: Path) -> None:
    precious = tmp_path / "demo-model" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("kept")
    done = generate(tmp_path, "--overwrite-if-exists", "compute_size=big")
    assert done.returncode != 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [precious]


def test_existing_folder_is_not_written_into(generate: Generate, tmp_path: Path) -> None:
    (tmp_path / "demo-model").mkdir()
    done = generate(tmp_path)
    assert done.returncode != 0
    assert list((tmp_path / "demo-model").iterdir()) == []


# Names that are paths


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """home/projects/here with a file in each, `here` being the working folder. Nothing above home may be in reach."""
    folder = tmp_path / "a" / "b" / "c" / "home" / "projects" / "here"
    folder.mkdir(parents=True)
    for place in (folder, folder.parent, folder.parent.parent):
        (place / "precious.txt").write_text(place.name)
    monkeypatch.chdir(folder)
    return folder.parent.parent


def contents(folder: Path) -> dict[str, str | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") if path.is_file() else None
        for path in folder.rglob("*")
    }


def generate_named(slug: str, overwrite: bool, config: Path) -> None:
    cookiecutter(
        str(TEMPLATE),
        no_input=True,
        extra_context={"project_slug": literal(slug)},
        overwrite_if_exists=overwrite,
        config_file=str(config),
    )


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "slug", ["x/../..", "..", "../new", "../../home", "a/b", "a\\b", "..\\..", "C:x", "{here}/b", "."]
)
def test_path_is_refused_before_any_folder_exists(
    slug: str, overwrite: bool, home: Path, _cookiecutter_config_file: Path
) -> None:
    before = contents(home)
    slug = slug.format(here=Path.cwd().as_posix())
    with pytest.raises(UndefinedError, match="project_slug is a folder name, not a path"):
        generate_named(slug, overwrite, _cookiecutter_config_file)
    assert contents(home) == before


@pytest.mark.parametrize("slug", ["", "a" * 300, " ", ".. ", "...", "~", "nul\0"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_odd_folder_name_leaves_nothing(
    slug: str, overwrite: bool, home: Path, _cookiecutter_config_file: Path
) -> None:
    before = contents(home)
    with pytest.raises(Exception):  # noqa: B017, PT011  # cookiecutter's own, the system's, or the hook's refusal
        generate_named(slug, overwrite, _cookiecutter_config_file)
    assert contents(home) == before


@pytest.mark.parametrize("letter", ["a", "ö"])
def test_long_folder_name_is_refused_in_words(letter: str, home: Path, _cookiecutter_config_file: Path) -> None:
    before = contents(home)
    with pytest.raises(UndefinedError, match="project_slug should be 3-32 lower-case letters, digits and dashes"):
        generate_named(letter * 300, False, _cookiecutter_config_file)
    assert contents(home) == before


@pytest.mark.parametrize("slug", ["x/../..", ".."])
def test_path_typed_at_the_prompt_is_refused_without_harm(slug: str, generate: Generate, home: Path) -> None:
    before = contents(home)
    done = generate(Path.cwd() / "new", typed=["Demo", slug])
    assert done.returncode != 0
    assert "project_slug is a folder name, not a path: use letters, digits and dashes" in done.stderr
    assert contents(home) == before


def test_name_without_letters_is_refused_in_words(generate: Generate, tmp_path: Path) -> None:
    """Its derived folder name is empty."""
    done = generate(tmp_path, typed=["🚀"])
    assert done.returncode != 0
    assert "project_slug" in done.stderr
    assert list(tmp_path.iterdir()) == []
