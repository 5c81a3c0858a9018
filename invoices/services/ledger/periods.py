"""Closed periods of a check, some at a time, so that memory does not grow with their number."""

from collections.abc import Iterator
from typing import Any

from billing.models import BillingPeriod
from usage.services.ledger import Scope

_CHUNK = 500


def closed_periods(scope: Scope, **which: Any) -> Iterator[list[BillingPeriod]]:
    """With their workspaces, in the order of their keys."""
    closed = BillingPeriod.objects.filter(**which).exclude(status=BillingPeriod.Status.CURRENT)
    if scope.workspace_id is not None:
        closed = closed.filter(workspace=scope.workspace_id)
    if scope.period is not None:
        closed = closed.filter(pk=scope.period.pk)
    ids = list(closed.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), _CHUNK):
        some = BillingPeriod.objects.filter(pk__in=ids[start : start + _CHUNK])
        yield list(some.select_related("workspace").order_by("pk"))
