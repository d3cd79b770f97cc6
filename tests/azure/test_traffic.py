"""Names of deployments, shares of the traffic, and when two answers are the same: by their rules, for any input."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aml.azure import traffic
from aml.azure.deploy import deployment_name, same
from aml.errors import UserError
from aml.jobfile.deployment import ModelReference

NAMES = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}", fullmatch=True)  # of models
VERSIONS = st.integers(1, 10**9).map(str)
# azure-ai-ml 1.35, constants/_endpoint.py: NAME_REGEX_PATTERN, MIN_NAME_LENGTH, MAX_NAME_LENGTH
ACCEPTED = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")


@given(NAMES, VERSIONS, st.integers(1, 20))
def test_the_name_of_a_deployment_is_one(name: str, version: str, number: int) -> None:
    made = deployment_name(ModelReference(name, version), number)
    assert ACCEPTED.fullmatch(made) and 3 <= len(made) <= 32, made


@given(st.tuples(NAMES, VERSIONS), st.tuples(NAMES, VERSIONS))
def test_each_model_has_a_name_of_its_own(one: tuple[str, str], other: tuple[str, str]) -> None:
    if one != other:
        assert deployment_name(ModelReference(*one)) != deployment_name(ModelReference(*other))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("demo-model", "demo-model-3"),
        ("a_b", "a-b-[0-9a-f]{4}-3"),
        ("2024", "m-2024-[0-9a-f]{4}-3"),
        ("x" * 40, "x{25}-[0-9a-f]{4}-3"),
    ],
)
def test_a_name_is_readable(name: str, made: str) -> None:
    assert re.fullmatch(made, deployment_name(ModelReference(name, "3")))


@given(st.dictionaries(NAMES, st.integers(1, 100), min_size=1, max_size=5), st.integers(1, 100), NAMES)
def test_shares_make_a_hundred_and_keep_the_proportion(before: dict[str, int], percent: int, name: str) -> None:
    others = {one: part for one, part in before.items() if one != name}
    if percent < 100 and not others:
        with pytest.raises(UserError, match="no other deployment answers"):
            traffic.share(before, name, percent)
        return
    after = traffic.share(before, name, percent)
    assert after[name] == percent and sum(after.values()) == 100
    assert after.keys() <= {name, *others}
    for one, part in others.items():
        exact = (100 - percent) * part / sum(others.values())
        assert abs(after.get(one, 0) - exact) <= 1


@given(st.recursive(st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.booleans() | st.none(), st.lists))
def test_an_answer_is_the_same_as_itself(answer: object) -> None:
    assert same(answer, answer)


@pytest.mark.parametrize(
    ("there", "here", "are"),
    [
        ([0.1 + 0.2], [0.3], True),
        ([1], [1.0], True),
        ([0.3], [0.31], False),
        ([True], [1], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (["x"], ["x", "x"], False),
        ({"a": ["x"]}, {"a": ["y"]}, False),
        (None, [None], False),
    ],
)
def test_two_answers(there: object, here: object, are: bool) -> None:
    assert same(there, here) is are
