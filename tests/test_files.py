"""Where a file with a name from elsewhere may be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aml.errors import UserError
from aml.files import inside, is_of_git

OUTSIDE = ["..", "../x", "a/../../x", "a/../b", "/x", "/etc/passwd", ".", "", "a/..", "link/x"]
WINDOWS = ["C:/x", "C:x", "..\\x", "\\x", "//server/share/x"]  # lead out there alone
OF_GIT = [".git", ".git/hooks/post-checkout", "a/.GIT/config", "a/.git", ".git /x", ".git./x", "GIT~1/x"]
OF_GIT += [".g\u200cit/x", "a\\.git\\x", ".git::$INDEX_ALLOCATION/x", ".git:x"]


@pytest.mark.parametrize("name", [*OUTSIDE, *(WINDOWS if os.name == "nt" else [])])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if name.startswith("link"):
        try:
            (folder / "link").symlink_to(tmp_path)
        except OSError:
            pytest.skip("no links here")
    with pytest.raises(UserError, match="leads out of"):
        inside(folder, name)


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b.txt", "c d", "/", "~", "...", "a..b"]), min_size=1))
def test_what_is_accepted_is_inside(parts: list[str]) -> None:
    folder = Path("folder").resolve()
    try:
        path = inside(folder, "/".join(parts))
    except UserError:
        return
    assert Path(os.path.normpath(path)).is_relative_to(folder) and Path(os.path.normpath(path)) != folder


@pytest.mark.parametrize("name", OF_GIT)
def test_what_git_takes_for_its_own(name: str) -> None:
    assert is_of_git(name)


@pytest.mark.parametrize("name", [".gitignore", "git", "a.git/x", ".github/x", "outputs/model.pkl", ".gitattributes"])
def test_what_git_does_not_take_for_its_own(name: str) -> None:
    assert not is_of_git(name)
