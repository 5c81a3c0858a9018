"""Background work of usage."""

from celery import shared_task
from django.utils import timezone as clock

from usage.services import call_prices, limits, sealing


@shared_task(name="usage.sweep_limits")
def sweep_limits() -> None:
    limits.sweep_limits(now=clock.now())


@shared_task(name="usage.seal_closed_periods")
def seal_closed_periods() -> None:
    sealing.seal_closed_periods(now=clock.now())


@shared_task(name="usage.anchor_heads")
def anchor_heads() -> None:
    sealing.anchor_heads(now=clock.now())


@shared_task(name="usage.price_calls")
def price_calls() -> None:
    call_prices.price_calls(now=clock.now())


@shared_task(name="usage.price_calls_again")
def price_calls_again() -> None:
    call_prices.price_calls_again(now=clock.now())
