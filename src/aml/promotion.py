"""Promotion: a version of a model becomes the champion, by tags that anybody may change who may register.

Each promotion has a number, one more than all before, and the version with the highest one is the champion: so a single
change of a single version makes it the champion, and at no time are there two, or none. That the one before was demoted
is history, which is written afterwards. Nothing locks a workspace, so two may write the same number: then the newer
version is the champion, and the other one's tags are put back.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aml.errors import UserError
from aml.gate import PROMOTION, VERDICT, Champion, State, Verdict, Version, find_champion

HELD = "champion.held"  # when it was the champion: START/END of each time; the last one is open while it is
_INTERVAL = re.compile(r"([^\s/]+)/([^\s/]*)")
MAX_INTERVALS = 20  # the last ones are kept: a tag is no place for a long text


class Versions(Protocol):
    """The versions of a model, on this machine or in a workspace."""

    def read(self) -> Sequence[Version]:
        """All of them, the newest first."""

    def set_tags(self, version: Version, tags: Mapping[str, str]) -> None:
        """Give a version these tags in the place of its own."""


class NotPassed(UserError):
    """The gate did not let the version pass: whoever promotes it has to say so."""


@dataclass(frozen=True)
class Promoted:
    """What a promotion did.

    Attributes:
        version: The champion.
        before: The champion before; None when that was none, or the same version.
        new: False when it was the promoted one already.
        state: What the gate said of it when it was registered.

    """

    version: str
    before: Champion | None
    new: bool
    state: State


def held(tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """The times when a version was the champion: start and end of each, the end empty while it is."""
    return _INTERVAL.findall(tags.get(HELD, ""))


def find_version(versions: Sequence[Version], name: str, wanted: str | None) -> Version:
    """The version of the model `name` to promote: the one `wanted`, or the newest one that passed the gate.

    Raises UserError when there is none.
    """
    if not versions:
        raise UserError(f"model {name} has no version: aml register-model -n {name}")
    if wanted:
        found = next((one for one in versions if one.name == wanted), None)
        if found is None:
            known = ", ".join(one.name for one in versions)
            raise UserError(f"model {name} has no version {wanted}; there are {known}")
        return found
    passed = next((one for one in versions if one.kept.get(VERDICT) == "passed"), None)
    if passed is None:
        raise UserError(f"no version of model {name} passed the gate: name one, as in aml promote {name}:VERSION")
    return passed


def promote(model: Versions, name: str, wanted: str | None, now: str, force: bool = False) -> Promoted:
    """Make a version of the model `name` the champion, `now`; what was interrupted is completed.

    Raises NotPassed when the gate did not let it pass, without `force`, and UserError when the version is not there, or
    when somebody else promotes another one at the same moment.
    """
    versions = model.read()
    version = find_version(versions, name, wanted)
    champion = find_champion(versions)
    verdict = Verdict.from_tags(version.kept)
    if champion and champion.promoted and champion.version == version.name:
        _demote_others(model, versions, version)
        return Promoted(version.name, None, False, verdict.state)
    if verdict.state == "forced" and not force:
        why = "".join(f"\n  {reason}" for reason in verdict.reasons)
        raise NotPassed(f"the gate did not let version {version.name} of model {name} pass:{why}")
    before = champion if champion and champion.version != version.name else None
    number = 1 + max(one.promotion for one in versions)
    intervals = [*held(version.tags), (now, "")][-MAX_INTERVALS:]
    model.set_tags(version, {**version.tags, PROMOTION: str(number), HELD: _text(intervals)})
    _require_first(model, name, version, number)
    return Promoted(version.name, before, True, verdict.state)


def _require_first(model: Versions, name: str, version: Version, number: int) -> None:
    """Demote all others, unless somebody else was faster: then the version gets its former tags, and UserError."""
    versions = model.read()
    written = next((one for one in versions if one.name == version.name), None)
    champion = find_champion(versions)
    if champion and champion.version == version.name and written:
        _demote_others(model, versions, written)
        return
    if champion is None or written is None or written.promotion != number:
        raise UserError(f"model {name}: version {version.name} is not what was written: run it again")
    others = [one for one in versions if one.name == champion.version]
    if others[0].promotion > number:
        raise UserError(f"model {name}: version {champion.version} was promoted right after version {version.name}")
    model.set_tags(written, version.tags)
    raise UserError(
        f"model {name}: somebody promoted version {champion.version} at the same moment, and it is the champion; "
        f"version {version.name} is as it was"
    )


def _demote_others(model: Versions, versions: Iterable[Version], champion: Version) -> None:
    """End the time of each version that was promoted before the champion, when that one's began."""
    since = held(champion.tags)[-1][0] if held(champion.tags) else ""
    for one in versions:
        times = held(one.tags)
        if one.name != champion.name and 0 < one.promotion <= champion.promotion and times and not times[-1][1]:
            closed = [*times[:-1], (times[-1][0], since or times[-1][0])]
            model.set_tags(one, {**one.tags, HELD: _text(closed)})


def _text(intervals: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{start}/{end}" for start, end in intervals)
