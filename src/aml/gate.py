"""The gate of aml register-model: a model's metrics against their limits and against those of the champion.

The champion of a model is the version that was promoted last (promotion.py), and before any promotion the last version
that the gate accepted. The verdict is stored with each version, as tags on this machine and as properties in the
workspace (both are called tags below), so that the champion can be compared when its run is gone.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from aml.errors import UserError

State = Literal["passed", "forced", "refused", "not judged", "not gated", "not asked"]
# How the metrics of the champion came about: measured on the same test data, scored again on those of the candidate, on
# data of which that is not known, or not comparable at all. Empty where nothing was compared.
Comparison = Literal["", "same data", "scored again", "data unknown", "impossible"]
EXIT_STATUS: dict[State, int] = {"not judged": 2, "refused": 3}  # 0 for the others, which register

# The names of the tags and properties.
VERDICT = "gate.verdict"
REASONS = "gate.reasons"
METRIC_COUNT = "gate.metrics"  # the number of stored metrics, to detect deleted ones
CHAMPION = "gate.champion"  # the version that was compared
CHAMPION_METRIC = "gate.champion."
COMPARISON = "gate.comparison"
TEST_DATA = "gate.test_data"  # SHA-256 of the rows that the metrics were measured on
METRIC = "metric."
PROMOTION = "champion.number"  # of a promotion: one more than all before, so the highest is that of the champion
RESERVED = ("gate.", METRIC, "champion.")
MAX_REASONS_LENGTH = 1000  # characters
MAX_METRIC_NAME = 200  # characters: with its prefix it must fit into MLflow's limit of 250


@dataclass(frozen=True)
class Metric:
    """A metric that the gate judges, and what it expects of it.

    Attributes:
        name: As the training code logs it.
        better: Which way is better, "higher" or "lower".
        limit: The worst value that is accepted; None for any.
        tolerance: By how much the value may be worse than the champion's, in the unit of the metric.

    """

    name: str
    better: Literal["higher", "lower"]
    limit: float | None = None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        """Validate the arguments. Raises ValueError."""
        if self.better not in ("higher", "lower"):
            raise ValueError(f"{self.name}: better={self.better!r}: should be 'higher' or 'lower'")
        if len(self.name) > MAX_METRIC_NAME:
            raise ValueError(f"{self.name}: the name should have at most {MAX_METRIC_NAME} characters")
        if self.limit is not None and not _is_finite(self.limit):
            raise ValueError(f"{self.name}: limit={self.limit!r}: should be a finite number, or None")
        if not (_is_finite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"{self.name}: tolerance={self.tolerance!r}: should be a number from 0")

    def reasons_against(self, candidate: Mapping[str, float], champion: Mapping[str, float] | None) -> list[str]:
        """Why a model with the metrics `candidate` should not be registered; an empty list accepts it.

        A champion without this metric is not compared.
        """
        if self.name not in candidate:
            logged = ", ".join(sorted(candidate)) or "none"
            return [f"{self.name} is missing: the run logged {logged}"]
        value = candidate[self.name]
        if not math.isfinite(value):
            return [f"{self.name} is {value}: not a finite number"]
        reasons = []
        if self.limit is not None and self._worse_by(value, self.limit) > 0:
            side = "below" if self.better == "higher" else "above"
            reasons.append(f"{self.name} {_distinct(value, self.limit)} is {side} its limit {self.limit:g}")
        reference = (champion or {}).get(self.name, math.nan)
        loss = self._worse_by(value, reference)
        rounding = 2 * math.ulp(max(abs(value), abs(reference)))  # 0.98 - 0.97 is a little more than 0.01
        if math.isfinite(reference) and loss > self.tolerance + rounding:
            reasons.append(
                f"{self.name} {_distinct(value, reference)} is worse than the champion's {_distinct(reference, value)} "
                f"by {_distinct(loss, self.tolerance)}; the tolerance is {self.tolerance:g}"
            )
        return reasons

    def _worse_by(self, value: float, reference: float) -> float:
        return reference - value if self.better == "higher" else value - reference


NOTES: dict[Comparison, str] = {
    "scored again": "scored again on this run's test data",
    "data unknown": "whether both had the same test data is not known",
}


@dataclass(frozen=True)
class Version:
    """A registered version of a model.

    Attributes:
        name: Its number.
        kept: What was kept when it was registered: its properties in the workspace, its tags on this machine.
        tags: What can be changed later.

    """

    name: str
    kept: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def promotion(self) -> int:
        """The number of its promotion; 0 when it never was promoted."""
        text = self.tags.get(PROMOTION, "")
        return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0  # somebody changed it: it does not count


@dataclass(frozen=True)
class Champion:
    """The version to compare with.

    Attributes:
        version: Its number.
        metrics: None when some were deleted from its tags.
        test_data: SHA-256 of the rows that they were measured on, where that is known.
        promoted: Whether somebody promoted it; else it is the last one that the gate accepted.

    """

    version: str
    metrics: dict[str, float] | None
    test_data: str | None = None
    promoted: bool = False

    def copy_metrics(self) -> dict[str, float]:
        """Its metrics. Raises UserError when some were deleted."""
        if self.metrics is None:
            lost = f"the metrics of the champion, version {self.version}, are gone from its tags"
            raise UserError(f"{lost}: restore them, or delete that version")
        return dict(self.metrics)


@dataclass(frozen=True)
class Verdict:
    """The verdict of the gate on a model, or on data.

    Attributes:
        state: "passed"; "forced": refused or not judged, and registered all the same; "refused"; "not judged": metrics
            were missing or the script failed; "not gated": the repository has no such script;
            "not asked": a dry run, which does not read the metrics of the workspace.
        metrics: The metrics of the candidate.
        champion: The champion that it was compared with; None for the first version.
        reasons: Why it was refused, or not judged.
        comparison: How the metrics of the champion came about.
        test_data: SHA-256 of the rows that the candidate was measured on, where the run kept them.

    """

    state: State = "not gated"
    metrics: Mapping[str, float] | None = None
    champion: Champion | None = None
    reasons: list[str] = field(default_factory=list)
    comparison: Comparison = ""
    test_data: str | None = None

    @property
    def may_register(self) -> bool:
        """Whether the model, or the data, may be registered."""
        return self.state not in EXIT_STATUS

    def to_tags(self) -> dict[str, str]:
        """The tags that the version gets; none when the repository has no gate."""
        if self.state in ("not gated", "not asked"):
            return {}
        tags: dict[str, str] = {VERDICT: self.state}
        if self.reasons:
            tags[REASONS] = "; ".join(self.reasons)[:MAX_REASONS_LENGTH]
        if self.metrics is not None:
            kept = store_metrics(self.metrics)
            tags |= {METRIC_COUNT: str(len(kept)), **kept}
        if self.test_data:
            tags[TEST_DATA] = self.test_data
        if self.champion:
            tags |= {CHAMPION: self.champion.version}
            tags |= store_metrics(self.champion.metrics or {}, CHAMPION_METRIC)
            tags |= {COMPARISON: self.comparison} if self.comparison else {}
        return tags

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> "Verdict":
        """The verdict that is stored in the tags of a version."""
        state = tags.get(VERDICT)
        if state not in ("passed", "forced"):
            return cls("not gated", read_metrics(tags))
        champion = None
        if CHAMPION in tags:
            champion = Champion(tags[CHAMPION], _numbers(tags, CHAMPION_METRIC))
        reasons = [tags[REASONS]] if REASONS in tags else []
        known = (word for word in get_args(Comparison) if word == tags.get(COMPARISON))
        how: Comparison = next(known, "")
        metrics, kept = read_metrics(tags), tags.get(TEST_DATA)
        return cls("forced" if state == "forced" else "passed", metrics, champion, reasons, how, kept)

    def report(self, **subject: object) -> dict[str, Any]:
        """The verdict on `subject` as a dict for JSON; NaN and infinity become strings."""
        champion = self.champion
        return {
            **subject,
            "verdict": self.state,
            "reasons": self.reasons,
            "metrics": _json(self.metrics),
            "test_data": self.test_data,
            "comparison": self.comparison,
            "champion": champion and {"version": champion.version, "metrics": _json(champion.metrics)},
        }

    def __str__(self) -> str:
        """The verdict in a line, with each metric and its difference to the champion's."""
        if not self.metrics and not self.champion:
            return self.state
        champion_metrics = (self.champion.metrics if self.champion else None) or {}
        if not self.champion:
            compared = "there is no champion yet"
        elif self.comparison == "impossible":
            compared, champion_metrics = f"not compared with version {self.champion.version}", {}
        elif champion_metrics.keys() & (self.metrics or {}).keys():
            note = NOTES.get(self.comparison)
            compared = f"compared with version {self.champion.version}" + (f" ({note})" if note else "")
        else:
            compared = f"not compared: version {self.champion.version} has none of these metrics"
        return f"{self.state}, {compared}: {with_differences(self.metrics or {}, champion_metrics)}".removesuffix(": ")


Gate = Callable[[Champion | None], Verdict]  # judges one candidate against the champion


@dataclass(frozen=True)
class Registration:
    """The result of a registration.

    Attributes:
        version: None when nothing was registered.
        new: False when the run and the path were registered before, and were not judged again.
        verdict: The verdict of the gate, now or when the version was registered.

    """

    version: str | None
    new: bool
    verdict: Verdict


def find_champion(versions: Iterable[Version]) -> Champion | None:
    """The champion among the versions of a model, the newest first; None when none passed and none was promoted."""
    everything = list(versions)
    last = max(everything, key=lambda one: one.promotion, default=None)  # the newest, of several with one number
    if last is None or not last.promotion:
        last = next((one for one in everything if one.kept.get(VERDICT) == "passed"), None)
    if last is None:
        return None
    metrics, count = read_metrics(last.kept), last.kept.get(METRIC_COUNT)
    never_counted = count is None and last.kept.get(VERDICT) != "passed"  # the gate had none, or was not asked
    whole = never_counted or count == str(len(metrics))
    return Champion(last.name, metrics if whole else None, last.kept.get(TEST_DATA), last.promotion > 0)


def store_metrics(metrics: Mapping[str, float], prefix: str = METRIC) -> dict[str, str]:
    """Metrics as tags, with all their digits."""
    return {prefix + key: repr(float(value)) for key, value in metrics.items() if len(key) <= MAX_METRIC_NAME}


def read_metrics(tags: Mapping[str, str]) -> dict[str, float]:
    """The metrics among the tags of a version."""
    return _numbers(tags, METRIC)


def user_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that the user has set."""
    return {key: value for key, value in tags.items() if not key.startswith(RESERVED)}


def with_differences(metrics: Mapping[str, float], others: Mapping[str, float]) -> str:
    """Metrics in one line, each with its difference to the same metric of `others`, if there is one."""
    return " ".join(
        f"{key}={value:.4g}" + (f" ({value - others[key]:+.3g})" if key in others else "")
        for key, value in metrics.items()
    )


def _numbers(tags: Mapping[str, str], prefix: str) -> dict[str, float]:
    found = {}
    for key, value in tags.items():
        if key.startswith(prefix):
            try:
                found[key.removeprefix(prefix)] = float(value)
            except ValueError:  # somebody changed it: it counts as missing
                continue
    return found


def _distinct(value: float, other: float) -> str:
    """Format `value` briefly, or in full if it would look equal to `other`."""
    short = f"{value:.4g}"
    return short if short != f"{other:.4g}" else repr(value)


def _json(metrics: Mapping[str, float] | None) -> dict[str, float | str] | None:
    if metrics is None:
        return None
    return {key: value if math.isfinite(value) else str(value) for key, value in metrics.items()}


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
