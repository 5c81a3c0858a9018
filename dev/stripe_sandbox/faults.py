"""Faults to order: what goes wrong with which of the next requests.

| kind              | the work  | the answer                                        |
|-------------------|-----------|---------------------------------------------------|
| `drop_before`     | not done  | the connection is closed                          |
| `drop_after`      | done      | the connection is closed                          |
| `500_before`      | not done  | 500, not saved under the key                      |
| `500_after`       | done      | 500, not saved: the key alone would do it again   |
| `saved_500`       | not done  | 500, saved under the key and replayed             |
| `saved_500_after` | done      | 500, saved under the key and replayed             |
| `429`             | not done  | 429, not saved                                    |
| `delay`           | done      | after `seconds` or once the faults are cleared;   |
|                   |           | the key is in use until then                      |
"""

import re
import threading
from dataclasses import asdict, dataclass
from typing import Any

KINDS = frozenset(
    "drop_before drop_after 500_before 500_after saved_500 saved_500_after 429 delay".split()
)


@dataclass
class InjectedFault:
    """A rule. ``path`` is a regular expression searched in the path, ``count`` its uses left."""

    kind: str
    path: str = "/v1/"
    method: str = ""
    count: int = 1
    skip: int = 0
    seconds: float = 0.0

    def matches(self, method: str, path: str) -> bool:
        if self.count <= 0 or (self.method and self.method != method):
            return False
        return re.search(self.path, path) is not None


class Faults:
    """The rules in force; the first that matches a request is used up by it."""

    def __init__(self) -> None:
        self._rules: list[InjectedFault] = []
        self._lock = threading.Condition()
        self._cleared = 0

    def add(self, rule: dict[str, Any]) -> InjectedFault:
        """Raise `ValueError` for a rule that could never work."""
        try:
            fault = InjectedFault(**rule)
            re.compile(fault.path)
        except (TypeError, re.error) as error:
            raise ValueError(f"Not a fault rule: {error}") from error
        if fault.kind not in KINDS:
            raise ValueError(f"Unknown kind {fault.kind!r}; one of {', '.join(sorted(KINDS))}")
        with self._lock:
            self._rules.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()
            self._cleared += 1
            self._lock.notify_all()

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def wait(self, seconds: float) -> None:
        """Hold a request back for so long, or until the faults are cleared."""
        with self._lock:
            cleared = self._cleared
            self._lock.wait_for(lambda: self._cleared > cleared, timeout=seconds)

    def take(self, method: str, path: str) -> InjectedFault | None:
        with self._lock:
            for rule in self._rules:
                if not rule.matches(method, path):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                rule.count -= 1
                return rule
        return None
