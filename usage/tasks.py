"""Background work of usage."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone as clock

from usage.services import (
    budget_checks,
    budget_notifications,
    call_prices,
    limits,
    sealing,
    weekly_summaries,
)


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


@shared_task(name="usage.check_budgets")
def check_budgets() -> None:
    budget_checks.check_budgets(now=clock.now())


@shared_task(name="usage.deliver_budget_webhook")
def deliver_budget_webhook(event_id: str) -> None:
    budget_notifications.deliver(event_id=UUID(event_id), now=clock.now())


@shared_task(name="usage.mail_weekly_summaries")
def mail_weekly_summaries() -> None:
    weekly_summaries.mail_weekly_summaries(now=clock.now())
