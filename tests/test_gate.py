"""The rules of the gate, against a second formulation of them in whole numbers, and what is kept with a version."""

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aml.gate import (
    RESERVED,
    Champion,
    Metric,
    Verdict,
    Version,
    find_champion,
    read_metrics,
    store_metrics,
    user_tags,
    with_differences,
)

Better = Literal["higher", "lower"]
BETTER = st.sampled_from(["higher", "lower"])
THOUSANDTHS = st.integers(-2000, 2000)  # values that a float holds only approximately
NOT_FINITE = st.sampled_from([math.nan, math.inf, -math.inf])
NAMES = st.text("abcde_/ .-", min_size=1, max_size=8)
METRICS = st.dictionaries(NAMES, st.floats(), max_size=4)


def judge(metric: Metric, value: float | None, before: float | None = None) -> list[str]:
    """The reasons against a model with that value of the metric; None for a missing value, or no champion."""
    candidate = {"other": 1.0} if value is None else {"other": 1.0, metric.name: value}
    return metric.reasons_against(candidate, None if before is None else {metric.name: before})


@given(better=BETTER, value=THOUSANDTHS, limit=THOUSANDTHS)
def test_the_first_model_is_judged_by_the_limit_alone(better: Better, value: int, limit: int) -> None:
    reasons = judge(Metric("m", better=better, limit=limit / 1000), value / 1000)
    assert bool(reasons) == (value < limit if better == "higher" else value > limit)
    assert all("m " in reason and "limit" in reason for reason in reasons)


@given(better=BETTER, value=THOUSANDTHS, before=THOUSANDTHS, tolerance=st.integers(0, 500))
def test_a_model_may_be_worse_than_the_champion_by_the_tolerance(
    better: Better, value: int, before: int, tolerance: int
) -> None:
    """In thousandths, where 980 - 970 is exactly 10, although 0.98 - 0.97 is not exactly 0.01."""
    reasons = judge(Metric("m", better=better, tolerance=tolerance / 1000), value / 1000, before / 1000)
    loss = before - value if better == "higher" else value - before
    assert bool(reasons) == (loss > tolerance)


@given(better=BETTER, value=st.floats(allow_nan=False, allow_infinity=False), tolerance=st.floats(0, 1e9))
def test_a_tie_passes(better: Better, value: float, tolerance: float) -> None:
    assert judge(Metric("m", better=better, limit=value, tolerance=tolerance), value, value) == []


@given(better=BETTER, value=NOT_FINITE, before=st.none() | st.floats(), limit=st.none() | THOUSANDTHS)
def test_what_is_no_finite_number_is_refused(
    better: Better, value: float, before: float | None, limit: int | None
) -> None:
    (reason,) = judge(Metric("m", better=better, limit=limit), value, before)
    assert reason == f"m is {value}: not a finite number"


@given(better=BETTER, before=st.none() | st.floats())
def test_a_missing_metric_is_refused_with_what_was_logged(better: Better, before: float | None) -> None:
    assert judge(Metric("m", better=better), None, before) == ["m is missing: the run logged other"]
    assert Metric("m", better=better).reasons_against({}, None) == ["m is missing: the run logged none"]


@given(better=BETTER, value=THOUSANDTHS, before=NOT_FINITE)
def test_a_champion_without_a_usable_number_is_not_compared(better: Better, value: int, before: float) -> None:
    metric = Metric("m", better=better, limit=0)
    assert judge(metric, value, before) == metric.reasons_against({"m": value}, {}) == judge(metric, value)


@given(value=st.floats(allow_nan=False), before=st.floats(), limit=THOUSANDTHS, tolerance=st.integers(0, 500))
def test_both_directions_are_mirror_images(value: float, before: float, limit: int, tolerance: int) -> None:
    higher = judge(Metric("m", better="higher", limit=limit, tolerance=tolerance), value, before)
    lower = judge(Metric("m", better="lower", limit=-limit, tolerance=tolerance), -value, -before)
    assert len(higher) == len(lower)


@given(better=BETTER, value=st.floats(-1e3, 1e3), before=st.floats(-1e3, 1e3), gain=st.floats(0, 1e3))
def test_a_better_value_has_no_more_reasons_against_it(
    better: Better, value: float, before: float, gain: float
) -> None:
    metric = Metric("m", better=better, limit=0.5, tolerance=0.1)
    improved = value + gain if better == "higher" else value - gain
    assert len(judge(metric, improved, before)) <= len(judge(metric, value, before))


def test_numbers_that_would_look_the_same_are_written_out() -> None:
    assert judge(Metric("m", better="higher", limit=0.9), 0.8999999) == ["m 0.8999999 is below its limit 0.9"]
    assert judge(Metric("m", better="lower", limit=3, tolerance=0.25), 3.5, 2.5) == [
        "m 3.5 is above its limit 3",
        "m 3.5 is worse than the champion's 2.5 by 1; the tolerance is 0.25",
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"better": "more"}, "m: better='more': should be 'higher' or 'lower'"),
        ({"limit": math.nan}, "m: limit=nan: should be a finite number, or None"),
        ({"tolerance": math.nan}, "m: tolerance=nan: should be a number from 0"),
        ({"tolerance": -0.1}, "m: tolerance=-0.1: should be a number from 0"),
        ({"tolerance": math.inf}, "m: tolerance=inf: should be a number from 0"),
    ],
)
def test_a_metric_that_would_let_everything_through_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match="m: ") as refused:
        Metric("m", **{"better": "higher", **options})
    assert str(refused.value) == says


# What is kept with a version


def here(number: str, tags: Mapping[str, str]) -> Version:
    """A version of this machine, where all is kept in tags."""
    return Version(number, tags, tags)


def same(metrics: Mapping[str, float] | None, others: Mapping[str, float] | None) -> bool:
    """Equal, and a NaN is equal to a NaN."""
    return repr(metrics) == repr(others)


@given(metrics=METRICS, champion=st.none() | METRICS, reasons=st.lists(st.text(min_size=1), max_size=2))
def test_a_verdict_is_read_as_it_was_stored(
    metrics: dict[str, float], champion: dict[str, float] | None, reasons: list[str]
) -> None:
    compared = None if champion is None else Champion("3", champion)
    verdict = Verdict("forced" if reasons else "passed", metrics, compared, reasons)
    stored = verdict.to_tags()
    assert all(key.startswith(RESERVED) and isinstance(value, str) for key, value in stored.items())
    read = Verdict.from_tags({"stage": "live", **stored})
    assert read.state == verdict.state and same(read.metrics, metrics)
    assert (read.champion is None) == (champion is None)
    assert read.champion is None or (read.champion.version == "3" and same(read.champion.metrics, champion))
    assert "; ".join(reasons)[:1000] == "; ".join(read.reasons)
    assert user_tags({"stage": "live", **stored}) == {"stage": "live"}


@given(metrics=METRICS)
def test_metrics_are_stored_with_all_their_digits(metrics: dict[str, float]) -> None:
    assert same(read_metrics(store_metrics(metrics)), metrics)


def test_a_metric_whose_name_is_too_long_to_keep_is_not_counted() -> None:
    stored = Verdict("passed", {"a" * 236: 1.0, "b" * 200: 2.0}, Champion("1", {"c" * 240: 1.0})).to_tags()
    assert max(map(len, stored)) <= 250
    assert find_champion([here("1", stored)]) == Champion("1", {"b" * 200: 2.0})


def test_an_ungated_version_has_no_tags_of_the_gate() -> None:
    assert Verdict().to_tags() == {}
    assert Verdict.from_tags({"stage": "live"}).state == "not gated"
    assert Verdict.from_tags({"gate.verdict": "anything"}).state == "not gated"


@given(
    st.lists(st.sampled_from(["passed", "forced", "not gated"]), max_size=8),
    st.dictionaries(st.sampled_from("ab"), st.floats(0, 1)),
)
def test_the_champion_is_the_last_version_that_passed(states: list[Any], metrics: dict[str, float]) -> None:
    stored = [Verdict(state, {**metrics, "n": number}).to_tags() for number, state in enumerate(states)]
    newest_first = [here(str(number), tags) for number, tags in enumerate(stored)][::-1]
    passed = [number for number, state in enumerate(states) if state == "passed"]
    expected = Champion(str(passed[-1]), {**metrics, "n": passed[-1]}) if passed else None
    assert find_champion(newest_first) == expected


@pytest.mark.parametrize("change", [{"metric.a": "x"}, {"metric.a": None}, {"metric.c": "1"}, {"gate.metrics": None}])
def test_a_champion_whose_numbers_were_changed_has_none(change: dict[str, str | None]) -> None:
    stored: dict[str, Any] = {**Verdict("passed", {"a": 1.0, "b": 2.0}).to_tags(), **change}
    kept = {key: value for key, value in stored.items() if value is not None}
    assert find_champion([here("2", {}), here("1", kept)]) == Champion("1", None)


@given(metrics=METRICS, champion=st.none() | METRICS)
def test_a_report_is_json_that_every_reader_knows(metrics: dict[str, float], champion: dict[str, float] | None) -> None:
    compared = None if champion is None else Champion("3", champion)
    report = Verdict("refused", metrics, compared, ["bad"]).report(model="birds", version=None)
    read = json.loads(json.dumps(report, allow_nan=False))
    assert read == report and read["verdict"] == "refused" and read["model"] == "birds"
    assert {key: float(value) for key, value in read["metrics"].items()}.keys() == metrics.keys()


def test_a_verdict_in_a_line() -> None:
    assert str(Verdict()) == "not gated"
    assert str(Verdict("passed", {"a": 0.5})) == "passed, there is no champion yet: a=0.5"
    compared = Verdict("forced", {"a": 0.5, "b": 2.0}, Champion("3", {"a": 0.75}), ["bad"])
    assert str(compared) == "forced, compared with version 3: a=0.5 (-0.25) b=2"
    assert with_differences({"a": 1.0}, {}) == "a=1"
    assert str(Verdict("passed", {"a": 1.0}, Champion("3", {"b": 1.0}))) == (
        "passed, not compared: version 3 has none of these metrics: a=1"
    )
