"""Promotion: a version of a model becomes the champion, by tags that anybody may change who may register.

Each promotion has a number, one more than all before, and the version with the highest one is the champion: so a single
change of a single version makes it the champion, and at no time are there two, or none. That the one before was demoted
is history, which is written afterwards. Nothing locks a workspace, so two may write the same number: then the newer
version is the champion, and who promoted the other one learns that.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aml.errors import UserError
from aml.gate import PROMOTION, VERDICT, Champion, State, Verdict, Version, find_champion

HELD = "champion.held"  # when it was the champion: START/END of each time; the last one is open while it is
_INTERVAL = re.compile(r"([^\s/]+)/([^\s/]*)")
MAX_INTERVALS = 6  # the last ones are kept: a tag of Azure has at most 256 characters


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
    intervals = [*((start, end or now) for start, end in held(version.tags)), (now, "")][-MAX_INTERVALS:]
    model.set_tags(version, {**version.tags, PROMOTION: str(number), HELD: _text(intervals)})
    _require_last(model, name, version.name, number)
    return Promoted(version.name, before, True, verdict.state)


def _require_last(model: Versions, name: str, version: str, number: int) -> None:
    """Demote all others, and raise UserError when somebody else's version is the champion after all."""
    versions = model.read()
    written = next((one for one in versions if one.name == version), None)
    champion = find_champion(versions)
    if champion is None or written is None or written.promotion < number:
        raise UserError(f"model {name}: the promotion of version {version} is not to be seen yet: run it again")
    _demote_others(model, versions, next(one for one in versions if one.name == champion.version))
    if champion.version != version:
        last = max(one.promotion for one in versions)
        when = "at the same moment" if last == number else "right after it"
        raise UserError(
            f"model {name}: somebody promoted version {champion.version} {when}: that is the champion, "
            f"and version {version} is not"
        )


def _demote_others(model: Versions, versions: Iterable[Version], champion: Version) -> None:
    """End the time of each version that was promoted before the champion, when that one's began.

    The tags of a version can only be written all at once: should somebody promote such a version again between this
    read and this write, theirs would be lost.
    """
    since = held(champion.tags)[-1][0] if held(champion.tags) else ""
    for one in versions:
        times = held(one.tags)
        if one.name != champion.name and one.promotion and times and not times[-1][1]:
            start = times[-1][0]
            model.set_tags(one, {**one.tags, HELD: _text([*times[:-1], (start, max(start, since))])})


def _text(intervals: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{start}/{end}" for start, end in intervals)
