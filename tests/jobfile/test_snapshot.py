"""What of a job's code travels: azure-ai-ml's own walk is the judge."""

import errno
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aml.azure import blobs
from aml.errors import UserError
from aml.jobfile import snapshot
from support import Repository

# Few names, so that rules meet files.
NAMES = st.sampled_from(["a", "b", "ab", "a.py", "b.py", "outputs", ".env", "ä b"])
TREES = st.sets(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=12)
PARTS = NAMES | st.sampled_from(["*", "**", "*.py", "a*", "?", "[ab]", "[!a].py", "\\a"])
RULES = st.builds(
    lambda sign, root, parts, end: sign + root + "/".join(parts) + end,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/", "**/"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/**", "/*", "  "]),
) | st.sampled_from(["", "# a", "\\#a", "\\!a", "*", "/"])
RULES = RULES.filter(lambda rule: not re.fullmatch(r"!?/(\*\*/)+", rule))  # all folders for git, none for azure-ai-ml


def plant(folder: Path, tree: set[str]) -> None:
    """Make the files of `tree`; where a name is a file and a folder, the file comes first and stays."""
    for name in sorted(tree):
        path = folder / name
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name, encoding="utf-8")


def ours(folder: Path) -> set[str]:
    return {file.as_posix() for file in snapshot.files(folder)}


def theirs(folder: Path) -> set[str]:
    """The files that azure-ai-ml would upload."""
    from azure.ai.ml._utils._asset_utils import get_ignore_file, get_upload_files_from_folder

    return {place for _, place in get_upload_files_from_folder(folder, ignore_file=get_ignore_file(folder))}  # type: ignore[str-unpack]  # its annotation is wrong: these are pairs


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.mark.filterwarnings("ignore")
@settings(deadline=None, max_examples=300)
@given(tree=TREES, rules=st.lists(RULES, max_size=4), name=st.sampled_from([".amlignore", ".gitignore"]))
@example({"a/b.py", "a/b/c", "ab"}, ["*", "!*/", "!*.py"], ".amlignore")
@example({"outputs/a", "b/outputs/a", "b/outputs.py"}, ["/outputs/"], ".amlignore")
@example({"outputs/a", "outputs/b"}, ["outputs/", "!outputs/a"], ".amlignore")
@example({"a/b/ab/a", "b"}, ["a/**/a"], ".gitignore")
@example({"a/b", "b/a/b", "ab"}, ["/*", "!/a"], ".amlignore")
def test_the_same_files_travel_as_with_azure_ai_ml(scratch: Path, tree: set[str], rules: list[str], name: str) -> None:
    with tempfile.TemporaryDirectory(dir=scratch) as made:
        folder = Path(made).resolve()
        plant(folder, tree)
        (folder / name).write_text("\n".join(rules), encoding="utf-8")
        assert ours(folder) == theirs(folder)


def test_amlignore_replaces_gitignore(tmp_path: Path) -> None:
    plant(tmp_path, {"a", "b"})
    (tmp_path / ".gitignore").write_text("a\n")
    assert ours(tmp_path) == {"b", ".gitignore"}
    (tmp_path / ".amlignore").write_text("b\n")
    assert ours(tmp_path) == {"a", ".amlignore", ".gitignore"}


def test_only_the_rules_of_the_folder_itself_count(tmp_path: Path) -> None:
    plant(tmp_path, {"src/a", "src/part/a"})
    for folder in (tmp_path, tmp_path / "src" / "part"):
        (folder / ".amlignore").write_text("a\n")
    assert ours(tmp_path / "src") == {"a", "part/a", "part/.amlignore"}


@pytest.mark.parametrize("line", ["!", "a\\"])
def test_a_rule_that_cannot_be_read_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / ".amlignore").write_text(f"a\n{line}\n")
    with pytest.raises(UserError, match=r"\.amlignore: Invalid git pattern"):
        ours(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="a link takes rights there")
def test_links_are_followed_and_a_link_that_leads_back_is_not(tmp_path: Path) -> None:
    plant(tmp_path, {"code/part/a", "elsewhere/b", "elsewhere/c/d"})
    code = tmp_path / "code"
    (code / "file").symlink_to(tmp_path / "elsewhere" / "b")
    (code / "folder").symlink_to(tmp_path / "elsewhere")
    (code / "again").symlink_to("part")
    (code / "broken").symlink_to("nothing")
    (code / "part" / "back").symlink_to(code)
    (tmp_path / "elsewhere" / "c" / "loop").symlink_to(tmp_path / "elsewhere")
    assert ours(code) == {"part/a", "again/a", "file", "folder/b", "folder/c/d"}
    snapshot.copy(code, snapshot.files(code), tmp_path / "copy")
    assert len([path for path in (tmp_path / "copy").rglob("*") if path.is_file()]) == 5
    assert (tmp_path / "copy" / "file").read_text() == "elsewhere/b"
    assert not any(path.is_symlink() for path in (tmp_path / "copy").rglob("*"))


@pytest.mark.skipif(os.name == "nt", reason="a link takes rights there")
def test_links_that_lead_outside_are_named(tmp_path: Path) -> None:
    plant(tmp_path, {"code/part/a", "code/ignored/b", "elsewhere/b", "elsewhere/c/d", "elsewhere/code"})
    code = tmp_path / "code"
    (code / ".amlignore").write_text("ignored/\n*.secret\n", encoding="utf-8")
    (code / "file").symlink_to(tmp_path / "elsewhere" / "b")
    (code / "part" / "folder").symlink_to("../../elsewhere")
    (tmp_path / "elsewhere" / "more").symlink_to(tmp_path / "elsewhere" / "c")
    (code / "within").symlink_to("part")
    (code / "broken").symlink_to(tmp_path / "nothing")
    (code / "ignored" / "c").symlink_to(tmp_path / "elsewhere")
    (code / "a.secret").symlink_to(tmp_path / "elsewhere" / "b")
    found = {path.as_posix() for path in snapshot.links_outside(code)}
    assert found == {"file", "part/folder", "within/folder"}


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
@pytest.mark.parametrize("name", [".amlignore", ".gitignore"])
def test_rules_that_are_no_text_are_refused(tmp_path: Path, name: str, encoding: str) -> None:
    (tmp_path / name).write_bytes("données/\n".encode(encoding))
    with pytest.raises(UserError, match=rf"{re.escape(name)}: not UTF-8: save it as UTF-8"):
        ours(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
def test_a_name_that_is_no_text_is_refused_where_it_would_travel(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).touch()
    with pytest.raises(UserError, match=r"caf.*\.csv: its name is not UTF-8, .* or name it in .*\.amlignore"):
        ours(tmp_path)
    (tmp_path / ".amlignore").write_text("*.csv\n", encoding="utf-8")
    assert ours(tmp_path) == {".amlignore"}


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_cannot_be_read_is_refused_where_it_would_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Root reads everything, so the system's answer is played."""
    plant(tmp_path, {"a", "locked/b"})
    closed = str(tmp_path / ("locked" if what == "folder" else "a"))
    access, scandir = os.access, os.scandir

    def refuse(path: str) -> "Iterator[os.DirEntry[str]]":
        if str(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", closed)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != closed and access(path, mode))
    with pytest.raises(UserError, match=r"(locked|a): .*cannot be read|locked: Permission denied"):
        ours(tmp_path)
    (tmp_path / ".amlignore").write_text("locked/\na\n", encoding="utf-8")
    assert ours(tmp_path) == {".amlignore"}


def test_what_cannot_travel_leaves_no_run(repository: Repository) -> None:
    (repository.path / "src" / ".amlignore").write_bytes("é".encode("utf-16"))
    refused = repository.submit("true", code="src", status=2).stderr
    assert refused == f"aml: {Path('src', '.amlignore')}: not UTF-8: save it as UTF-8\n"
    assert not (repository.path / "runs").exists()


@pytest.mark.skipif(os.name == "nt", reason="a link takes rights there")
def test_a_link_that_leads_outside_is_said(repository: Repository) -> None:
    (repository.path / "src" / "table").symlink_to(repository.path / "sample-data")
    said = repository.submit("true", code="src").stderr
    there = (repository.path / "sample-data").resolve()
    assert f"src/table: a link that leads out of the code: what is at {there} travels with it\n" in said


def test_a_whole_codebase_travels_without_runs_git_and_environments(tmp_path: Path) -> None:
    """Whatever is ignored, as the local path copies it and as it is uploaded."""
    stays = {
        ".git/config",
        "venv/pyvenv.cfg",
        "venv/lib/a.py",
        *(f"models/{model}/{name}" for model in ("one", "two") for name in ("runs/a/code/a.py", "mlruns/0/meta.yaml")),
    }
    travels = {
        ".amlignore",
        "birds/train.py",
        "models/one/aml_config/a.yml",
        "models/two/aml_config/a.yml",
        "runs/a.py",
    }
    plant(tmp_path, stays | travels)
    (tmp_path / ".amlignore").write_text("*.pyc\n!*.py\n")
    assert blobs.content(tmp_path)[0].keys() == travels
    assert ours(tmp_path) == travels


def test_runs_are_left_out_when_the_whole_repository_is_the_code(repository: Repository) -> None:
    (repository.path / ".amlignore").touch()  # .gitignore would name them
    for _ in range(2):
        repository.submit("python -c pass", code=".")
    for run in (repository.path / "runs").iterdir():
        names = {path.name for path in (run / "code").iterdir()}
        assert {"src", "aml_config", "job.yml"} <= names
        assert not names & {"runs", "mlruns"}


def test_a_later_edit_does_not_change_the_code_of_a_run(repository: Repository) -> None:
    script = repository.path / "src" / "train.py"
    script.write_text("print('first')")
    repository.submit("python train.py", code="src")
    script.write_text("print('second')")
    (code,) = (repository.path / "runs").glob("*/code")
    assert (code / "train.py").read_text() == "print('first')"
