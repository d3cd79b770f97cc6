"""The scripts of the repository: loaded by their path, asked, and judged without being run."""

import hashlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aml import policy
from aml.errors import ServiceError, UserError
from aml.gate import Champion, Verdict
from support import GENERATED

GOOD = {"test_accuracy": 0.99, "test_f1_macro": 0.98}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository that has nothing but its shipped gate; the working folder is another one."""
    (tmp_path / "r" / "scripts").mkdir(parents=True)
    (tmp_path / "r" / "src").mkdir()
    write(tmp_path / "r", (GENERATED / "scripts" / "register_model.py").read_text(encoding="utf-8"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    yield tmp_path / "r"
    sys.modules.pop("rules", None)


def write(root: Path, text: str) -> None:
    (root / "scripts" / "register_model.py").write_text(text, encoding="utf-8")


def judge(root: Path, metrics: dict[str, float], champion: Champion | None = None, force: bool = False) -> Verdict:
    return policy.ModelGate(root, lambda: metrics, force)(champion)


def test_the_shipped_gate_lets_the_example_through_and_refuses_a_worse_one(root: Path) -> None:
    assert judge(root, GOOD) == Verdict("passed", GOOD)
    champion = Champion("1", GOOD)
    assert judge(root, {**GOOD, "loss": 1}, champion).state == "passed"
    assert judge(root, {"test_accuracy": 0.95, "test_f1_macro": 0.5}, champion) == Verdict(
        "refused",
        {"test_accuracy": 0.95, "test_f1_macro": 0.5},
        champion,
        [
            "test_accuracy 0.95 is worse than the champion's 0.99 by 0.04; the tolerance is 0.01",
            "test_f1_macro 0.5 is below its limit 0.85",
            "test_f1_macro 0.5 is worse than the champion's 0.98 by 0.48; the tolerance is 0.02",
        ],
        "data unknown",
    )
    assert judge(root, {}, champion).state == "refused"
    assert judge(root, {"test_accuracy": float("nan"), "test_f1_macro": 1}).state == "refused"


def test_forcing_registers_and_keeps_the_reasons(root: Path) -> None:
    forced = judge(root, {}, force=True)
    assert forced.state == "forced" and forced.may_register and len(forced.reasons) == 2
    assert judge(root, GOOD, force=True).state == "passed"  # there was nothing to force


def test_what_cannot_be_judged_is_neither_passed_nor_refused(root: Path) -> None:
    lost = judge(root, GOOD, Champion("4", None))
    assert lost.state == "not judged" and not lost.may_register
    assert lost.reasons == [
        "the metrics of the champion, version 4, are gone from its tags: restore them, or delete that version"
    ]

    def unreadable() -> dict[str, float]:
        raise UserError("the store is gone")

    assert policy.ModelGate(root, unreadable)(None) == Verdict("not judged", None, None, ["the store is gone"])
    assert policy.ModelGate(root, unreadable, force=True)(None).state == "forced"


VALUES = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.none() | st.floats() | st.just(0.5), max_size=3)
TOLERANT = """
import json
from aml.gate import Metric
TEST_DATA = "outputs/rows"
METRICS = [Metric("a", better="higher", limit=0, tolerance=0.5), Metric("b", better="lower")]

def reasons_against(candidate, champion):
    return [reason for metric in METRICS for reason in metric.reasons_against(candidate, champion)]

def score(model, test_data):
    return json.loads(model.read_text())
"""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(candidate=VALUES, stored=VALUES, again=VALUES, force=st.booleans())
def test_a_champion_that_is_scored_again_is_compared_by_that_alone(
    root: Path, candidate: dict[str, Any], stored: dict[str, Any], again: dict[str, Any], force: bool
) -> None:
    """Missing values, ties, NaN and infinity, both directions: as if it had had these metrics from the start."""
    candidate, stored, again = (
        {key: value for key, value in one.items() if value is not None} for one in (candidate, stored, again)
    )
    write(root, TOLERANT)
    rows, model = root / "rows", root / "model"
    rows.write_text("1", encoding="utf-8")
    model.write_text(json.dumps(again), encoding="utf-8")
    digest = hashlib.sha256(b"1").hexdigest()

    def ask(champion: Champion) -> Verdict:
        return policy.ModelGate(root, lambda: candidate, force, lambda *_: rows, lambda *_: model)(champion)

    scored = ask(Champion("4", stored, "another"))
    assert scored.test_data == digest
    if candidate.keys() & again.keys():
        as_if = ask(Champion("4", again, digest))
        assert (scored.comparison, as_if.comparison) == ("scored again", "same data")
        assert (scored.state, scored.reasons) == (as_if.state, as_if.reasons)
        assert scored.champion is not None and repr(scored.champion.metrics) == repr(again)
    else:
        assert scored.comparison == "impossible" and scored.state == ("forced" if force else "refused")
        assert "score returned none of the metrics" in scored.reasons[-1]
    unknown = policy.ModelGate(root, lambda: candidate, force)(Champion("4", stored, "another"))
    same = ask(Champion("4", stored, digest))
    assert unknown.comparison == "data unknown" and unknown.test_data is None
    assert (unknown.state, unknown.reasons) == (same.state, same.reasons)


def test_a_workspace_that_does_not_answer_is_no_verdict(root: Path) -> None:
    rows = root / "rows"
    rows.write_text("1", encoding="utf-8")

    def busy(version: str, folder: Path) -> Path:
        raise ServiceError("busy", 503, "ServerBusy")

    with pytest.raises(ServiceError, match="busy"):
        policy.ModelGate(root, lambda: GOOD, True, lambda *_: rows, busy)(Champion("4", GOOD, "another"))


def test_without_the_script_there_is_no_policy(root: Path) -> None:
    (root / "scripts" / "register_model.py").unlink()
    assert judge(root, {}) == policy.judge_data(root, root) == Verdict("not gated")


def test_metrics_of_a_run_are_read_when_the_gate_is_asked_and_not_before(root: Path) -> None:
    asked = iter([GOOD])
    gate = policy.ModelGate(root, lambda: next(asked))
    assert gate(None).state == "passed"
    assert list(asked) == []


def test_the_script_imports_the_training_code_and_leaves_nothing(root: Path) -> None:
    (root / "src" / "rules.py").write_text("LIMIT = 0.5\n", encoding="utf-8")
    write(
        root,
        "from dataclasses import dataclass\nfrom rules import LIMIT\n\n\n@dataclass\nclass Rule:\n    low: float\n\n\n"
        "def reasons_against(candidate, champion):\n    candidate['more'] = 1\n"
        "    return ['low'] * (candidate['a'] < Rule(LIMIT).low)\n",
    )
    path = list(sys.path)
    assert judge(root, {"a": 0.5}) == Verdict("passed", {"a": 0.5})
    assert judge(root, {"a": 0.4}).reasons == ["low"]
    assert sys.path == path and "register_model" not in sys.modules
    assert sorted(file.name for file in root.rglob("*.pyc")) == []


def test_an_edit_counts_at_once(root: Path) -> None:
    """Also one of the same length, in the same second."""
    for word in ("one", "two"):
        write(root, f"def reasons_against(candidate, champion):\n    return ['{word}']\n")
        assert judge(root, {}).reasons == [word]


FUNCTION = "def reasons_against(candidate, champion):\n"
NOT_A_LIST = ": it should return a list of strings, an empty one to accept"
WRONG = {
    "syntax": ("x = 1\nif:\n", 2, "SyntaxError: invalid syntax (register_model.py, line 2)"),
    "null byte": ("x = 1\n\0", 1, "SyntaxError: source code string cannot contain null bytes"),
    "import": ("\nimport nowhere\n", 2, "ModuleNotFoundError: No module named 'nowhere'"),
    "key": (
        f"{FUNCTION}    return low(candidate)\n\ndef low(candidate):\n    return candidate['a']\n",
        5,
        "KeyError: 'a'",
    ),
    "exit": (f"import sys\n{FUNCTION}    sys.exit('no')\n", 3, "SystemExit: no"),
    "metric": (
        "from aml.gate import Metric\n\nMetric('a', better='up')\n",
        3,
        "ValueError: a: better='up': should be 'higher' or 'lower'",
    ),
    "limit": (
        "from aml.gate import Metric\n\nMetric('a', better='higher', limit='0.9')\n",
        3,
        "ValueError: a: limit='0.9': should be a finite number, or None",
    ),
    "parameters": (
        "\n\ndef reasons_against(candidate):\n    return []\n",
        3,
        "TypeError: reasons_against() takes 1 positional argument but 2 were given",
    ),
    "none": (f"\n{FUNCTION}    pass\n", 2, f"reasons_against returned None{NOT_A_LIST}"),
    "text": (f"{FUNCTION}    return 'bad'\n", 1, f"reasons_against returned 'bad'{NOT_A_LIST}"),
    "truth": (f"{FUNCTION}    return [False]\n", 1, f"reasons_against returned [False]{NOT_A_LIST}"),
    "absent": (
        "x = 1\n",
        1,
        "function reasons_against(candidate, champion) is missing; aml register-model calls it",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_in_the_script_shows_its_own_line(case: str, root: Path) -> None:
    text, line, says = WRONG[case]
    write(root, text)
    verdict = judge(root, GOOD)
    assert verdict.state == "not judged"
    assert verdict.reasons == [f"{Path('..') / 'r' / 'scripts' / 'register_model.py'}:{line}: {says}"]
    assert judge(root, GOOD, force=True).state == "forced"


def test_an_error_in_the_training_code_shows_the_line_there(root: Path) -> None:
    (root / "src" / "rules.py").write_text("\ndef rule():\n    raise ValueError('odd')\n", encoding="utf-8")
    write(root, f"import rules\n{FUNCTION}    rules.rule()\n")
    (reason,) = judge(root, GOOD).reasons
    assert reason == f"{Path('..') / 'r' / 'src' / 'rules.py'}:3: ValueError: odd"


def test_a_module_of_the_training_code_takes_no_other_module_s_place(root: Path) -> None:
    (root / "src" / "colorsys.py").write_text("MINE = True\n", encoding="utf-8")
    write(root, f"{FUNCTION}    import colorsys\n    return [] if colorsys.MINE else ['no']\n")
    sys.modules.pop("colorsys", None)
    assert judge(root, GOOD).state == "passed"
    assert not hasattr(importlib.import_module("colorsys"), "MINE")
