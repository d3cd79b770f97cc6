"""The gate of aml register-model: a model's metrics against their limits and against those of the champion.

The champion of a model is the last version that the gate let through. What the gate said is kept with each version, in
the form of tags here and of properties in the workspace: so the champion can be compared when its run is gone.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aml.errors import UserError

State = Literal["passed", "forced", "refused", "not judged", "not gated"]
EXIT_STATUS: dict[State, int] = {"not judged": 2, "refused": 3}  # 0 for the others, which register

# The names of the tags and properties.
VERDICT = "gate.verdict"
REASONS = "gate.reasons"
COUNT = "gate.metrics"  # how many metrics were kept, so that it shows when some were taken away
CHAMPION = "gate.champion"  # the version that was compared
CHAMPION_METRIC = "gate.champion."
METRIC = "metric."
RESERVED = ("gate.", METRIC)
LONGEST = 1000  # letters of the reasons that are kept
LONGEST_NAME = 200  # of a metric that is kept: with what comes before it, it has to fit into MLflow's 250


@dataclass(frozen=True)
class Metric:
    """A metric that counts, and what is expected of it.

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
        """Refuse what would let every model through. Raises ValueError."""
        if self.better not in ("higher", "lower"):
            raise ValueError(f"{self.name}: better={self.better!r}: should be 'higher' or 'lower'")
        if self.limit is not None and not math.isfinite(self.limit):
            raise ValueError(f"{self.name}: limit={self.limit!r}: should be a finite number, or None")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"{self.name}: tolerance={self.tolerance!r}: should be a number from 0")

    def reasons_against(self, candidate: Mapping[str, float], champion: Mapping[str, float] | None) -> list[str]:
        """Why a model with the metrics `candidate` should not be registered; nothing when it should.

        A champion that has no such metric, as before the metric was introduced, is not compared.
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
            reasons.append(f"{self.name} {_apart(value, self.limit)} is {side} its limit {self.limit:g}")
        before = (champion or {}).get(self.name, math.nan)
        loss = self._worse_by(value, before)
        rounding = 2 * math.ulp(max(abs(value), abs(before)))  # 0.98 - 0.97 is a little more than 0.01
        if math.isfinite(before) and loss > self.tolerance + rounding:
            reasons.append(
                f"{self.name} {_apart(value, before)} is worse than the champion's {_apart(before, value)} "
                f"by {_apart(loss, self.tolerance)}; the tolerance is {self.tolerance:g}"
            )
        return reasons

    def _worse_by(self, value: float, other: float) -> float:
        return other - value if self.better == "higher" else value - other


@dataclass(frozen=True)
class Champion:
    """The last version that the gate let through. `metrics` is None when they were taken away from the version."""

    version: str
    metrics: dict[str, float] | None

    def copy_metrics(self) -> dict[str, float]:
        """Its metrics. Raises UserError when they were taken away."""
        if self.metrics is None:
            raise UserError(f"the metrics of the champion, version {self.version}, are gone from its tags")
        return dict(self.metrics)


@dataclass(frozen=True)
class Verdict:
    """What the gate said of a model, or of data.

    Attributes:
        state: "passed"; "forced": refused or not judged, and registered all the same; "refused"; "not judged": there
            was something missing; "not gated": the repository has no script that judges.
        metrics: Those of the candidate.
        champion: What it was compared with; None for the first version.
        reasons: Those against, or why it was not judged.

    """

    state: State = "not gated"
    metrics: Mapping[str, float] | None = None
    champion: Champion | None = None
    reasons: list[str] = field(default_factory=list)

    @property
    def registers(self) -> bool:
        """Whether the model, or the data, may be registered."""
        return self.state not in EXIT_STATUS

    def stored(self) -> dict[str, str]:
        """The tags, or properties, that the version gets; none when the repository has no gate."""
        if self.state == "not gated":
            return {}
        stored: dict[str, str] = {VERDICT: self.state}
        if self.reasons:
            stored[REASONS] = "; ".join(self.reasons)[:LONGEST]
        if self.metrics is not None:
            kept = store_metrics(self.metrics)
            stored |= {COUNT: str(len(kept)), **kept}
        if self.champion:
            stored |= {CHAMPION: self.champion.version}
            stored |= store_metrics(self.champion.metrics or {}, CHAMPION_METRIC)
        return stored

    @classmethod
    def read(cls, stored: Mapping[str, str]) -> "Verdict":
        """The verdict that a version was stored with."""
        state = stored.get(VERDICT)
        if state not in ("passed", "forced"):
            return cls("not gated", read_metrics(stored))
        champion = None
        if CHAMPION in stored:
            champion = Champion(stored[CHAMPION], _numbers(stored, CHAMPION_METRIC))
        reasons = [stored[REASONS]] if REASONS in stored else []
        return cls("forced" if state == "forced" else "passed", read_metrics(stored), champion, reasons)

    def report(self, **subject: object) -> dict[str, Any]:
        """The verdict on `subject` as JSON holds it: a number that JSON does not know is its name as text."""
        champion = self.champion
        return {
            **subject,
            "verdict": self.state,
            "reasons": self.reasons,
            "metrics": _json(self.metrics),
            "champion": champion and {"version": champion.version, "metrics": _json(champion.metrics)},
        }

    def __str__(self) -> str:
        """The verdict in a line, with each metric and its difference to the champion's."""
        if not self.metrics and not self.champion:
            return self.state
        compared = f"compared with version {self.champion.version}" if self.champion else "there is no champion yet"
        known = (self.champion.metrics if self.champion else None) or {}
        return f"{self.state}, {compared}: {compare(self.metrics or {}, known)}".removesuffix(": ")


Gate = Callable[[Champion | None], Verdict]  # judges one candidate against the champion


@dataclass(frozen=True)
class Registration:
    """What came of registering a model.

    Attributes:
        version: None when nothing was registered.
        new: False when the run and the path were registered before, and so were not judged again.
        verdict: What the gate says of it, or said of it then.

    """

    version: str | None
    new: bool
    verdict: Verdict


def find_champion(versions: Iterable[tuple[str, Mapping[str, str]]]) -> Champion | None:
    """The champion among the versions of a model: each with what it was stored with, the newest first."""
    for version, stored in versions:
        if stored.get(VERDICT) == "passed":
            metrics = read_metrics(stored)
            return Champion(version, metrics if stored.get(COUNT) == str(len(metrics)) else None)
    return None


def store_metrics(metrics: Mapping[str, float], prefix: str = METRIC) -> dict[str, str]:
    """Metrics as tags or properties, with all their digits."""
    return {prefix + key: repr(float(value)) for key, value in metrics.items() if len(key) <= LONGEST_NAME}


def read_metrics(stored: Mapping[str, str]) -> dict[str, float]:
    """The metrics among the tags or properties of a version."""
    return _numbers(stored, METRIC)


def visible(stored: Mapping[str, str]) -> dict[str, str]:
    """The tags that are the user's own."""
    return {key: value for key, value in stored.items() if not key.startswith(RESERVED)}


def compare(metrics: Mapping[str, float], others: Mapping[str, float]) -> str:
    """Metrics in a line, each with its difference to the same one of `others` where there is one."""
    return " ".join(
        f"{key}={value:.4g}" + (f" ({value - others[key]:+.3g})" if key in others else "")
        for key, value in metrics.items()
    )


def _numbers(stored: Mapping[str, str], prefix: str) -> dict[str, float]:
    found = {}
    for key, value in stored.items():
        if key.startswith(prefix):
            try:
                found[key.removeprefix(prefix)] = float(value)
            except ValueError:  # somebody changed it: it counts as missing
                continue
    return found


def _apart(value: float, other: float) -> str:
    """The number, short unless it would look like the other one then."""
    short = f"{value:.4g}"
    return short if short != f"{other:.4g}" else repr(value)


def _json(metrics: Mapping[str, float] | None) -> dict[str, float | str] | None:
    if metrics is None:
        return None
    return {key: value if math.isfinite(value) else str(value) for key, value in metrics.items()}
