"""The matrix: a test for each verb and kind of fault; each tries every request of the verb."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import get_args

import pytest

from standin.faults import Kind

from .bench import Bench, Verb
from .verbs import VERBS

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(os.name == "nt", reason="Windows has no fork, without which this takes hours"),
]
KINDS: list[Kind] = list(get_args(Kind))
CREATES = ("PUT", "control")


def affected(bench: Bench, verb: Verb, kind: Kind) -> list[int]:
    """The numbers of the verb's requests for which this kind makes a difference, from 1."""
    return [
        number
        for number, call in enumerate(bench.clean(verb).calls, 1)
        if kind != "404-after-create" or (call.method, call.kind) == CREATES
    ]


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_matrix(bench: Bench, verb: Verb, kind: Kind, record_property: Callable[[str, object], None]) -> None:
    requests = affected(bench, verb, kind)
    if not requests:
        pytest.skip("makes nothing that is read")
    outcomes = [bench.survive(verb, kind, number) for number in requests]
    tried = [outcome for outcome in outcomes if outcome.request]
    survived = [outcome for outcome in tried if not outcome.problem]
    for name, value in (
        ("verb", verb.name),
        ("kind", kind),
        ("tried", len(tried)),
        ("survived", len(survived)),
        ("again", sum(len(outcome.runs) > 1 for outcome in tried)),
    ):
        record_property(name, value)  # python dev.py faults makes a table of them
    assert tried, "no request met with the fault"
    failed = [str(outcome) for outcome in outcomes if outcome.problem]
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_no_secret_is_shown(bench: Bench, verb: Verb, kind: Kind) -> None:
    """With --debug, whatever goes wrong at whichever request, and at all later ones."""
    leaks = {number: bench.shown(verb, kind, number) for number in affected(bench, verb, kind)}
    assert not any(leaks.values()), leaks


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reset", "truncated", "500"])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_no_secret_of_storage_is_shown(bench: Bench, verb: Verb, kind: Kind) -> None:
    """A sample: storage fails."""
    first = [number for number, call in enumerate(bench.clean(verb).calls, 1) if call.kind == "blob"][:1]
    if not first:
        pytest.skip("asks storage for nothing")
    assert not bench.shown(verb, kind, first[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reset-after", "crash-after"])
@pytest.mark.parametrize("verb", [verb for verb in VERBS if not verb.reads], ids=lambda verb: verb.name)
def test_last_change(bench: Bench, verb: Verb, kind: Kind) -> None:
    """A sample: the answer to a verb's last change is lost, or the verb dies of it."""
    number = bench.clean(verb).last_change
    assert number or verb.name == "runs --azure download"
    outcome = bench.survive(verb, kind, number or len(bench.clean(verb).calls))
    if outcome.problem or not outcome.request:
        pytest.fail(str(outcome), pytrace=False)
