"""Promotion by itself: which version is the champion after any history, and two who promote at any moments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aml.errors import UserError
from aml.gate import PROMOTION, Champion, Verdict, Version, find_champion, user_tags
from aml.promotion import HELD, MAX_INTERVALS, NotPassed, Promoted, find_version, held, promote

STATES = ("passed", "forced", "not gated")
VALUES = st.dictionaries(st.sampled_from("ab"), st.floats(), max_size=2)
GATED = st.lists(st.tuples(st.sampled_from(STATES), VALUES), min_size=1, max_size=5)


class Kept:
    """The versions of a model in memory, number 1 first in `kept`; tags are kept apart, as in a workspace."""

    def __init__(self, states: Sequence[tuple[Any, dict[str, float]]]) -> None:
        self.kept = {str(number): Verdict(*one).to_tags() for number, one in enumerate(states, 1)}
        self.tags: dict[str, dict[str, str]] = {number: {"stage": "test"} for number in self.kept}
        self.writes = 0

    def read(self) -> list[Version]:
        return [Version(number, self.kept[number], dict(self.tags[number])) for number in reversed(self.kept)]

    def set_tags(self, version: Version, tags: Mapping[str, str]) -> None:
        self.tags[version.name] = dict(tags)
        self.writes += 1

    def open(self) -> list[str]:
        """The versions whose time as champion has no end."""
        return [number for number, tags in self.tags.items() if held(tags) and not held(tags)[-1][1]]


@given(states=GATED, order=st.lists(st.integers(0, 4), max_size=8))
def test_the_champion_is_the_version_that_was_promoted_last(
    states: list[tuple[Any, dict[str, float]]], order: list[int]
) -> None:
    """In any order, again and again; before any promotion it is the last one that passed."""
    model = Kept(states)
    passed = [str(number) for number, (state, _) in enumerate(states, 1) if state == "passed"]
    expected = passed[-1] if passed else None
    times: dict[str, list[str]] = {}
    for moment, at in enumerate(order):
        wanted = str(at % len(states) + 1)
        before = find_champion(model.read())
        done = promote(model, "birds", wanted, f"t{moment}", force=True)
        again = before is not None and before.promoted and before.version == wanted
        assert done.new != again and done.version == wanted
        earlier = None if before and before.version == wanted else before
        assert repr(done.before) == repr(earlier)  # which takes a NaN for equal to a NaN
        if not again:
            times.setdefault(wanted, []).append(f"t{moment}")
        expected = wanted
        assert model.open() == [wanted]
    found = find_champion(model.read())
    assert (found and found.version) == expected
    assert found is None or found.promoted == bool(order)
    assert {number: [start for start, _ in held(tags)] for number, tags in model.tags.items() if held(tags)} == times
    ends = [end for tags in model.tags.values() for _, end in held(tags) if end]
    starts = sorted(start for begun in times.values() for start in begun)
    assert sorted(ends) == starts[1:]  # each time ends when the next one begins
    assert all(user_tags(tags) == {"stage": "test"} for tags in model.tags.values())


@given(states=GATED, order=st.lists(st.integers(0, 4), min_size=1, max_size=6), data=st.data())
def test_a_champion_that_is_deleted_leaves_its_place_to_the_one_before(
    states: list[tuple[Any, dict[str, float]]], order: list[int], data: st.DataObject
) -> None:
    model = Kept(states)
    promoted = [str(at % len(states) + 1) for at in order]
    for moment, wanted in enumerate(promoted):
        promote(model, "birds", wanted, f"t{moment}", force=True)
    gone = data.draw(st.sets(st.sampled_from(sorted(model.kept))))
    left = [one for one in model.read() if one.name not in gone]
    last = next((number for number in reversed(promoted) if number not in gone), None)
    passed = next((one.name for one in left if one.kept.get("gate.verdict") == "passed"), None)
    found = find_champion(left)
    assert (found and found.version) == (last or passed)


@given(states=GATED)
def test_without_a_version_the_newest_one_that_passed(states: list[tuple[Any, dict[str, float]]]) -> None:
    versions = Kept(states).read()
    passed = [str(number) for number, (state, _) in enumerate(states, 1) if state == "passed"]
    if passed:
        assert find_version(versions, "birds", None).name == passed[-1]
    else:
        with pytest.raises(UserError, match="no version of model birds passed the gate: name one"):
            find_version(versions, "birds", None)


def test_what_is_not_there_or_did_not_pass() -> None:
    model = Kept([("passed", {"a": 1.0}), ("forced", {"a": 0.5})])
    model.kept["2"] |= {"gate.reasons": "a is worse"}
    with pytest.raises(UserError, match="model birds has no version 3; there are 2, 1"):
        promote(model, "birds", "3", "now")
    with pytest.raises(UserError, match="model birds has no version: aml register-model -n birds"):
        promote(Kept([]), "birds", None, "now")
    with pytest.raises(NotPassed) as refused:
        promote(model, "birds", "2", "now")
    assert str(refused.value).splitlines() == [
        "the gate did not let version 2 of model birds pass:",
        "  a is worse",
    ]
    assert model.writes == 0
    assert promote(model, "birds", "2", "now", force=True) == Promoted("2", Champion("1", {"a": 1.0}), True, "forced")
    assert not promote(model, "birds", "2", "later").new  # it is the champion already, so the gate is not asked
    assert model.writes == 1


@given(st.text(max_size=20) | st.sampled_from(["", "-1", "1.5", "²", "99999999999999999999"]), st.text(max_size=40))
def test_tags_that_somebody_wrote_by_hand_do_no_harm(number: str, text: str) -> None:
    model = Kept([("passed", {}), ("passed", {})])
    model.tags["1"] |= {PROMOTION: number, HELD: text}
    promote(model, "birds", "2", "now")
    found = find_champion(model.read())
    assert found is not None and found.version == "2" and held(model.tags["2"]) == [("now", "")]


def test_the_history_does_not_grow_without_end() -> None:
    model = Kept([("passed", {}), ("passed", {})])
    for moment in range(3 * MAX_INTERVALS):
        promote(model, "birds", str(moment % 2 + 1), f"2026-11-27T10:{moment:02}:00Z")
    assert all(len(held(tags)) <= MAX_INTERVALS and len(tags[HELD]) <= 256 for tags in model.tags.values())
    assert held(model.tags["2"])[-1] == (f"2026-11-27T10:{3 * MAX_INTERVALS - 1}:00Z", "")


@given(
    states=st.lists(st.sampled_from(["passed", "forced"]), min_size=1, max_size=4),
    change=st.sampled_from([PROMOTION, HELD]),
)
def test_the_metrics_of_what_was_promoted_are_its_own(states: list[Any], change: str) -> None:
    model = Kept([(state, {"a": float(number)}) for number, state in enumerate(states)])
    model.kept["1"] = {}  # from before there was a gate
    promote(model, "birds", "1", "now", force=True)
    assert find_champion(model.read()) == Champion("1", {}, None, promoted=True)
    model.tags["1"].pop(change)
    promote(model, "birds", str(len(states)), "later", force=True)
    found = find_champion(model.read())
    assert found is not None and found.metrics == ({"a": len(states) - 1.0} if len(states) > 1 else {})


# Two at once


class Turns:
    """The same versions for two, whose steps are taken in a given order."""

    def __init__(self, model: Kept, order: list[int]) -> None:
        self.model = model
        self.order = order
        self.done = [False, False]
        self.changed = threading.Condition()

    def _mine(self, who: int) -> bool:
        while self.order and self.done[self.order[0]]:
            self.order.pop(0)
        return not self.order or self.order[0] == who

    def take(self, who: int, step: Callable[[], Any]) -> Any:
        with self.changed:
            assert self.changed.wait_for(lambda: self._mine(who), timeout=30)
            found = step()
            if self.order:
                self.order.pop(0)
            self.changed.notify_all()
            return found

    def leave(self, who: int) -> None:
        with self.changed:
            self.done[who] = True
            self.changed.notify_all()


class Seat:
    """One of the two."""

    def __init__(self, turns: Turns, who: int) -> None:
        self.turns = turns
        self.who = who

    def read(self) -> list[Version]:
        found: list[Version] = self.turns.take(self.who, self.turns.model.read)
        return found

    def set_tags(self, version: Version, tags: Mapping[str, str]) -> None:
        self.turns.take(self.who, lambda: self.turns.model.set_tags(version, tags))


def at_once(model: Kept, wanted: tuple[str, str], order: list[int]) -> list[Promoted | UserError]:
    """How two promotions end whose steps come in this order."""
    turns = Turns(model, list(order))
    ends: list[Any] = [None, None]

    def act(who: int) -> None:
        try:
            ends[who] = promote(Seat(turns, who), "birds", wanted[who], f"now{who}")
        except UserError as error:
            ends[who] = error
        finally:
            turns.leave(who)

    both = [threading.Thread(target=act, args=(who,)) for who in (0, 1)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    return ends


@settings(max_examples=500)
@given(
    order=st.lists(st.integers(0, 1), max_size=12),
    wanted=st.tuples(st.sampled_from("123"), st.sampled_from("123")),
    promoted=st.sampled_from(["", "1", "3"]),
)
def test_of_two_at_once_each_learns_the_truth(order: list[int], wanted: tuple[str, str], promoted: str) -> None:
    """All orders but those in which one promotes again what the other is just demoting: see _demote_others."""
    assume(promoted not in wanted)
    model = Kept([("passed", {})] * 3)
    if promoted:
        promote(model, "birds", promoted, "before")
    ends = at_once(model, wanted, order)
    champion = find_champion(model.read())
    assert champion is not None and champion.version in wanted
    succeeded = [version for version, end in zip(wanted, ends, strict=True) if isinstance(end, Promoted)]
    assert champion.version in succeeded  # whoever has the champion was told so
    assert model.open() == [champion.version]
    for version, end in zip(wanted, ends, strict=True):
        if isinstance(end, UserError):
            assert f"version {champion.version} " in str(end) and str(end).endswith(f"version {version} is not")
    assert all(user_tags(tags) == {"stage": "test"} for tags in model.tags.values())


def test_of_two_at_the_same_moment_the_newer_version_stays() -> None:
    """Both read before either writes, and both write before either reads again."""
    model = Kept([("passed", {})] * 3)
    promote(model, "birds", "1", "before")
    first, second = at_once(model, ("2", "3"), [0, 1, 0, 1, 0, 1])
    assert isinstance(second, Promoted)
    assert str(first) == (
        "model birds: somebody promoted version 3 at the same moment: that is the champion, and version 2 is not"
    )
    assert model.open() == ["3"] and held(model.tags["2"]) == [("now0", "now1")]
    assert held(model.tags["1"]) == [("before", "now1")]


def test_one_that_is_promoted_right_after() -> None:
    model = Kept([("passed", {})] * 3)
    first, second = at_once(model, ("3", "2"), [0, 0, 1, 1, 1, 1])
    assert isinstance(second, Promoted) and second.before is not None and second.before.version == "3"
    assert "somebody promoted version 2 right after it" in str(first) and model.open() == ["2"]


@pytest.mark.parametrize("after", [1, 2])
def test_what_was_interrupted_is_completed(after: int) -> None:
    class Broken(Kept):
        def set_tags(self, version: Version, tags: Mapping[str, str]) -> None:
            super().set_tags(version, tags)
            if self.writes == after + 1:
                raise KeyboardInterrupt

    model = Broken([("passed", {})] * 2)
    promote(model, "birds", "1", "t1")
    with pytest.raises(KeyboardInterrupt):
        promote(model, "birds", "2", "t2")
    assert not promote(model, "birds", "2", "t3").new
    assert held(model.tags["1"]) == [("t1", "t2")] and held(model.tags["2"]) == [("t2", "")]
    written = model.writes
    promote(model, "birds", "2", "t4")
    assert model.writes == written
