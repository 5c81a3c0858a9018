"""The pace of requests to Stripe that all processes share."""

import time

import pytest
from pytest_django import Settings

from billing.stripe_accounts import DEFAULT
from invoices.payments.services import rate_limit
from invoices.payments.services.rate_limit import wait_for_turn


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[float]:
    """What would have been slept, in seconds; a line of its own at 10 requests a second."""
    slept: list[float] = []
    monkeypatch.setattr(rate_limit.time, "sleep", slept.append)
    monkeypatch.setattr(rate_limit, "_KEY", f"billing:test:{time.monotonic_ns()}")
    settings.STRIPE_MAX_REQUESTS_PER_SECOND = 10
    return slept


def test_after_a_burst_of_a_second_each_request_waits_its_turn(waits: list[float]) -> None:
    for _ in range(40):
        wait_for_turn(DEFAULT)
    # Ten go at once; the thirtieth after them waits three seconds, less what passed meanwhile.
    assert 0 < len(waits) <= 30
    assert 0 < max(waits) <= 3.0


def test_without_a_limit_nobody_waits(waits: list[float], settings: Settings) -> None:
    settings.STRIPE_MAX_REQUESTS_PER_SECOND = 0
    for _ in range(40):
        wait_for_turn(DEFAULT)
    assert waits == []


def test_redis_being_down_holds_up_no_payment(waits: list[float], settings: Settings) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9"}}
    for _ in range(40):
        wait_for_turn(DEFAULT)
    assert waits == []
