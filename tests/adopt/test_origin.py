"""Where the package came from, as pip and uv record it."""

import json
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from adopt.sources import plant
from aml.adopt import adoption, origin, repository
from aml.errors import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIT = {"url": "https://github.com/org/aml-template", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}


def installed(folder: Path, record: object = None) -> Distribution:
    """The distribution as it is recorded in a folder of site-packages."""
    made = folder / "aml_template-1.2.dist-info"
    plant(made, {"METADATA": "Metadata-Version: 2.1\nName: aml-template\nVersion: 1.2\n"})
    if record:
        plant(made, {"direct_url.json": json.dumps(record)})
    return Distribution.at(made)


@pytest.mark.parametrize(
    ("record", "package"),
    [
        (None, "aml-template==1.2"),
        (GIT, f"git+https://github.com/org/aml-template@{COMMIT}"),
        (GIT | {"subdirectory": "tool"}, f"git+https://github.com/org/aml-template@{COMMIT}#subdirectory=tool"),
        (GIT | {"url": "ssh://git@host/org/t.git"}, f"git+ssh://git@host/org/t.git@{COMMIT}"),
        (GIT | {"url": "file:///srv/t.git"}, f"git+file:///srv/t.git@{COMMIT}"),
        ({"url": "https://host/t-1.2-py3-none-any.whl", "archive_info": {}}, "https://host/t-1.2-py3-none-any.whl"),
    ],
    ids=["index", "git", "git, folder", "ssh", "git on this machine", "wheel elsewhere"],
)
def test_the_package_comes_from_where_it_was_installed_from(tmp_path: Path, record: object, package: str) -> None:
    assert origin.package(installed(tmp_path, record)) == package


def test_cruft_is_told_the_commit_of_a_git_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert origin.commit(installed(tmp_path, GIT)) == (GIT["url"], COMMIT)
    assert origin.commit(installed(tmp_path, {"url": "https://host/t.whl", "archive_info": {}})) is None
    monkeypatch.setattr(origin, "commit", lambda: (GIT["url"], COMMIT))
    made = repository._generate({"project_name": "Credit risk", "project_slug": "credit-risk"}, tmp_path)
    record = json.loads((made / ".cruft.json").read_text(encoding="utf-8"))
    assert (record["template"], record["commit"]) == (GIT["url"], COMMIT)
    assert record["context"]["cookiecutter"]["_template"] == GIT["url"]


@pytest.mark.parametrize("info", [{"dir_info": {}}, {"dir_info": {"editable": True}}, {"archive_info": {}}])
def test_a_folder_or_a_wheel_is_named_by_its_path(tmp_path: Path, info: dict[str, object]) -> None:
    place = tmp_path / "a place é"
    place.touch()
    assert origin.package(installed(tmp_path, {"url": place.as_uri(), **info})) == str(place)


def test_a_place_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"aml was installed from .*gone\.whl, which is gone: install it again"):
        origin.package(installed(tmp_path, {"url": (tmp_path / "gone.whl").as_uri(), "archive_info": {}}))


@pytest.mark.parametrize(
    ("package", "requirement"),
    [
        ("aml-template==1.2", "aml-template[adopt]==1.2"),
        (f"git+https://host/t@{COMMIT}", f"aml-template[adopt] @ git+https://host/t@{COMMIT}"),
        (str(Path.cwd()), f"aml-template[adopt] @ {Path.cwd().as_uri()}"),
    ],
)
def test_the_extra_comes_from_the_same_place(monkeypatch: pytest.MonkeyPatch, package: str, requirement: str) -> None:
    monkeypatch.setattr(origin, "package", lambda: package)
    assert origin.requirement("adopt") == requirement


def test_the_extra_is_here_and_another_one_has_nothing() -> None:
    assert origin.missing("adopt") == origin.missing("other") == []


def test_the_template_is_told_where_the_package_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = plant(
        tmp_path / "template",
        {
            "cookiecutter.json": '{"project_slug": "", "package": "the default"}',
            adoption.SLUG + "/pin.txt": "{{ cookiecutter.package }}",
            adoption.SLUG + "/src/__pycache__/train.cpython-311.pyc": "",
        },
    )
    monkeypatch.setattr(repository, "template", lambda: template)
    made = repository._generate({"project_slug": "credit-risk"}, tmp_path)
    assert (made / "pin.txt").read_text(encoding="utf-8") == origin.package()
    assert not [*made.rglob("__pycache__")]
