"""Where things are in a YAML file; ruamel.yaml, which keeps lines too, is the oracle."""

from __future__ import annotations

import io
import re
import string
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from aml.errors import UserError
from aml.jobfile.document import Document

KEYS = st.text(string.ascii_letters + "-_ é漢", min_size=1, max_size=8).map(str.strip).filter(bool)
VALUES = st.recursive(
    st.none() | st.integers() | st.booleans() | st.text(string.printable + "é漢🚀", max_size=90),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "job.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def places(node: Any, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Each value of a file that ruamel.yaml has read, and its line: that of its key in a mapping."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    lines: Any = getattr(node, "lc", None)
    for key, value in entries:
        line = lines.key(key)[0] if isinstance(node, dict) else lines.item(key)[0]
        yield (*keys, key), line + 1
        yield from places(value, (*keys, key))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), flow=st.booleans(), before=st.integers(0, 3))
def test_each_value_has_the_line_that_ruamel_says(
    tmp_path: Path, content: dict[str, Any], flow: bool, before: int
) -> None:
    text = "# comment\n" * before + yaml.safe_dump(content, default_flow_style=flow, allow_unicode=True)
    document = Document(write(tmp_path, text))
    assert document.data == content
    oracle = YAML().load(io.StringIO(text))
    for keys, line in places(oracle):
        assert document.line(*keys) == line, (keys, text)
        assert document.line(*keys, "absent", 7) == line  # the deepest part that exists
    assert document.line("absent") == 1


def test_the_last_of_two_equal_keys_counts(tmp_path: Path) -> None:
    document = Document(write(tmp_path, "name: a\nname: b\n"))
    assert (document.data["name"], document.line("name")) == ("b", 2)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert Document(write(tmp_path, b"\xef\xbb\xbfname: a\r\n")).data == {"name": "a"}


def test_a_message_says_where_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "inputs:\n  data:\n    path: x\n")
    monkeypatch.chdir(tmp_path)
    assert str(Document(path).where("inputs", "data", "path")) == "job.yml:3"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "job.yml:1: should be a YAML mapping of keys and values"),
        (b"- a\n", "job.yml:1: should be a YAML mapping of keys and values"),
        (b"just text\n", "job.yml:1: should be a YAML mapping of keys and values"),
        (b"a: 1\n\tb: 2\n", "job.yml:2: not YAML: found character '\\t' that cannot start any token"),
        (b"a: 1\nb: [1,\n", "job.yml:3: not YAML: expected the node content, but found '<stream end>'"),
        (b"a: 1\n---\nb: 2\n", "job.yml:2: not YAML: but found another document"),
        (b"a: !!python/object:os.system x\n", "job.yml:1: not YAML: could not determine a constructor"),
        (b"a: 2026-13-45\n", "job.yml:1: not YAML: month must be in 1..12"),
        (b"a: \xff\n", "job.yml: not UTF-8 (invalid start byte): save it as UTF-8"),
    ],
)
def test_what_is_no_job_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    path = write(tmp_path, content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refusal:
        Document(path)
    assert str(refusal.value).startswith(message)


LAUGHS = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"b{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGES = "a: &a0 {x: 1}\n" + "".join(
    f"b{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}], k{i}: 1}}\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (LAUGHS, 5, "more than 20000 values"),
        (MERGES, 5, "more than 20000 values"),
        ("a: " + "[" * 3000, 1, "more than 50 levels"),
        ("a: " + "[" * 3000 + "]" * 3000, 1, "more than 50 levels"),
        ("a: " + "[\n" * 3000, 50, "more than 50 levels"),
        ("a: " + "{a: " * 3000, 1, "more than 50 levels"),
        ("a:\n " + "- " * 3000 + "x", 2, "more than 50 levels"),
        ("".join(" " * level + "k:\n" for level in range(2000)), 50, "more than 50 levels"),
        ("a: &a [*a]\n", 1, "*a stands inside of itself"),
        ("a: &a {b: {c: *a}}\n", 1, "*a stands inside of itself"),
        ("a:\n" + "- x\n" * 20001, 20001, "more than 20000 values"),
    ],
    ids=["aliases", "merges", "open", "closed", "lines", "mappings", "lists", "blocks", "itself", "inner", "long"],
)
def test_a_file_that_would_take_forever_is_refused_at_once(tmp_path: Path, content: str, line: int, says: str) -> None:
    path = write(tmp_path, content)
    begin = time.process_time()
    with pytest.raises(UserError, match=rf"job.yml:{line}: not YAML: {re.escape(says)}"):
        Document(path)
    assert time.process_time() - begin < 5


def test_aliases_and_merges_are_read_as_yaml_has_them(tmp_path: Path) -> None:
    document = Document(write(tmp_path, "a: &a {x: 1, y: [2]}\nb: {<<: *a, x: 3}\nc: *a\n"))
    assert document.data == {"a": {"x": 1, "y": [2]}, "b": {"x": 3, "y": [2]}, "c": {"x": 1, "y": [2]}}
    assert document.line("b", "x") == 2


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "absent.yml", tmp_path):
        with pytest.raises(UserError, match=rf"^{path.name if path != tmp_path else '.'}: "):
            Document(path)
