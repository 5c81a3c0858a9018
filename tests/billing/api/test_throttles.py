"""Requests counted where nobody may wait for Redis."""

import time
from types import SimpleNamespace

import pytest

from billing.api.callers import TooManyRequests, check_rate, forget_counts
from tests.kit.personas import NOW


def ask_until_refused(service: SimpleNamespace, *, limit: int) -> None:
    """Ninety times at most: too few to reach the limit by themselves."""
    for _ in range(90):
        check_rate(service, limit=limit)
        time.sleep(0.2)


def test_what_is_counted_in_the_background_is_told_to_other_processes(time_machine):
    time_machine.move_to(NOW, tick=False)  # no new minute begins
    service = SimpleNamespace(auth=None, user=SimpleNamespace(pk="background"))
    for _ in range(100):
        check_rate(service, limit=100, in_background=True)
    with pytest.raises(TooManyRequests):
        check_rate(service, limit=100, in_background=True)

    forget_counts()  # as another process, which knows only what Redis does

    with pytest.raises(TooManyRequests):
        ask_until_refused(service, limit=100)
