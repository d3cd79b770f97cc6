"""What others wrote does not reach the terminal as it is: names, tags, metrics, files, a server's text."""

import re
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aml.cli import main as cli
from aml.console import one_line, print_safely, printable, say
from aml.jobfile.document import Document
from aml.jobfile.job import Job
from aml.local import mlflow_store, runs

EVIL = "\x1b]0;title\x07\x1b[2J\x1b[31mred\x9b1m\r\b\u202egpj.exe\u2028next"
RED = re.compile(r"\x1b\[[0-9;:]*m")


@given(st.text())
def test_nothing_but_tab_and_newline_is_left_of_what_controls(text: str) -> None:
    left = printable(text)
    # Unicode's categories: controls, surrogates, separators of lines and paragraphs
    assert not [
        letter for letter in left if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") and letter not in "\t\n"
    ]
    assert printable(left) == left
    assert "\n" not in one_line(text) and "\t" not in one_line(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs", "M"])))
def test_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == one_line(text) == text


@given(st.text(st.sampled_from("\x1b[];01m\x07aK\r\n")))
def test_colours_stay_where_they_are_asked_for(text: str) -> None:
    shown = printable(text, colours=True)
    assert RED.findall(shown) == RED.findall(text)
    assert "\x1b" not in RED.sub("", shown) and "\r" not in shown


def test_both_streams_are_safe(capsys: pytest.CaptureFixture[str]) -> None:
    say(EVIL)
    print_safely(EVIL)
    said = capsys.readouterr()
    escaped = r"\x1b]0;title\x07\x1b[2J\x1b[31mred\x9b1m\r\x08\u202egpj.exe\u2028next" + "\n"
    assert said.err == said.out == escaped


def test_what_a_job_names_is_shown_safely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "aml_config").mkdir()
    evil = EVIL + "\n  status  finished\t"
    data = {"command": "true", "display_name": evil, "experiment_name": evil, "description": evil, "tags": {"t": evil}}
    (tmp_path / "job.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    run = runs.start(tmp_path, Job(Document(tmp_path / "job.yml")), Path)
    mlflow_store.update_run(run.stored, metrics={"loss\x1b[2J": 1.0}, params={"p\x1b[2J": evil})
    (run.folder / "a\x1b[2J.txt").touch()
    runs.finish(tmp_path, run, "finished")
    for arguments in (["runs"], ["runs", "show"], ["runs", "show", "\x1b[2J"], ["runs", "--sort", "\x1b[2J"]):
        cli.main(arguments)
    said = capsys.readouterr()
    assert said.out.count("finished\n") == 1  # the run's own status, which no name repeats
    assert r"a\x1b[2J.txt" in said.out and r"loss\x1b[2J" in said.out
    assert not re.search(r"[^\x20-\x7e\n]", said.out + said.err)
