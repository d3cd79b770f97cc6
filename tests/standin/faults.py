"""Faults by rule: the k-th request that fits a rule meets with throttling, an error, a broken connection or a delay.

    service.faults.add("429", method="PUT", path=r"/jobs/")            # the first PUT of a job is throttled
    service.faults.add("reset", path=r"blob\\.core", nth=3, times=2)    # requests 3 and 4 for blobs
    service.faults.add("crash-after", method="PUT", path=r"/codes/", action=process.kill)

| kind | what the client sees |
|---|---|
| 429, 503, 500 | that status, in the service's own error shape, with Retry-After (429 and 503) |
| 401-expired | 401, as for a token that ran out |
| reset | the connection breaks before anything is done |
| reset-after | it is done, and the connection breaks before the answer |
| truncated | it is done, and half of the answer comes, as if that were all |
| slow | it is done at once, the answer comes `seconds` later |
| crash-after | it is done, `action` is called (say, to kill the client), and the connection breaks |
| 404-after-create | it is done, and the next two reads of what it made find nothing, as while it is being replicated |

The last one is ResourceNotFound of learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-retryon.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal[
    "429", "503", "500", "401-expired", "reset", "reset-after", "truncated", "slow", "crash-after", "404-after-create"
]
REPLICATION = 2  # reads that find nothing


@dataclass
class Rule:
    kind: Kind
    method: str
    path: re.Pattern[str]
    nth: int
    times: int
    seconds: float
    action: Callable[[], object] | None
    polls: re.Pattern[str] | None = None
    seen: int = 0
    polled: set[str] = field(default_factory=set)
    #: "PUT host/path" of the requests that met with it.
    hits: list[str] = field(default_factory=list)


class Faults:
    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._unseen: dict[str, int] = {}  # what was made, and how many reads will not find it
        self._lock = threading.Lock()

    def add(
        self,
        kind: Kind,
        *,
        method: str = ".*",
        path: str = "",
        nth: int = 1,
        times: int = 1,
        seconds: float = 1.0,
        action: Callable[[], object] | None = None,
        polls: re.Pattern[str] | None = None,
    ) -> Rule:
        """Add a rule. `path` is searched in host and path; the nth fitting request and the next ones, `times` in all.

        Of requests for the same address that `polls` is found in, only the first fits: how many there are depends on
        how fast the machine is. `seconds` is the delay of "slow" and the Retry-After of "429" and "503".
        """
        if kind not in get_args(Kind):
            raise ValueError(f"no such fault: {kind}")
        rule = Rule(kind, method.upper(), re.compile(path, re.IGNORECASE), nth, times, seconds, action, polls)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()
            self._unseen.clear()

    def hide(self, place: str) -> None:
        """Let the next reads of host and path find nothing."""
        with self._lock:
            self._unseen[place] = REPLICATION

    def is_hidden(self, method: str, place: str) -> bool:
        """Whether this request is one of those reads."""
        with self._lock:
            left = self._unseen.get(place, 0) if method == "GET" else 0
            if left:
                self._unseen[place] = left - 1
        return left > 0

    def meet(self, method: str, host: str, path: str) -> Rule | None:
        """The rule that this request meets with, if any; every rule that fits counts it."""
        met = None
        with self._lock:
            for rule in self._rules:
                if not re.fullmatch(rule.method, method, re.IGNORECASE) or not rule.path.search(host + path):
                    continue
                if rule.polls and rule.polls.search(path):
                    if path in rule.polled:
                        continue
                    rule.polled.add(path)
                rule.seen += 1
                if met is None and rule.nth <= rule.seen < rule.nth + rule.times:
                    rule.hits.append(f"{method} {host}{path}")
                    met = rule
        return met
