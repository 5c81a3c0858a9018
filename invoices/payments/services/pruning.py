"""Forgetting old comparisons with Stripe and old proofs: each night has a newer one."""

import datetime as dt

from invoices.payments.models import ProofRun, ReconciliationRun

KEEP_RUNS = dt.timedelta(days=400)


def prune_runs(*, now: dt.datetime) -> int:
    """Delete runs of long ago with what they found, never the last of their kind; how many rows."""
    deleted = 0
    for model in (ReconciliationRun, ProofRun):
        last = list(model.objects.order_by("-started_at").values_list("pk", flat=True)[:1])
        old = model.objects.filter(started_at__lt=now - KEEP_RUNS)
        deleted += old.exclude(pk__in=last).delete()[0]
    return deleted
