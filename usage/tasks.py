"""Background work of usage."""

from celery import shared_task
from django.utils import timezone as clock

from usage.services import limits


@shared_task(name="usage.sweep_limits")
def sweep_limits() -> None:
    limits.sweep_limits(now=clock.now())
