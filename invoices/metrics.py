"""What waits or has failed, as Prometheus gauges: the same from whichever process is asked."""

import datetime as dt
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count, Min
from django.utils import timezone as clock
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from billing.models import BillingPeriod, DurableWork
from billing.services.work import kinds
from invoices.models import Invoice


class Backlog(Collector):
    """Read when asked for, along partial indexes and small counts."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = clock.now()
        ended = now - dt.timedelta(hours=settings.BILLING_GRACE_HOURS)
        open_periods = BillingPeriod.objects.filter(
            status=BillingPeriod.Status.CURRENT, period_end__lte=ended
        )
        yield GaugeMetricFamily(
            "billing_periods_due",
            "Billing periods whose grace has passed and that are not closed.",
            value=open_periods.count(),
        )
        yield GaugeMetricFamily(
            "billing_periods_due_oldest_seconds",
            "How long the longest of them has been due.",
            value=_age(ended, open_periods.aggregate(first=Min("period_end"))["first"]),
        )
        yield GaugeMetricFamily(
            "billing_periods_blocked",
            "Billing periods whose close failed and waits for finance.",
            value=open_periods.exclude(close_error="").count(),
        )
        work = GaugeMetricFamily(
            "billing_work",
            "E-mails, syncs and other work that is not finished.",
            labels=["kind", "status"],
        )
        oldest = GaugeMetricFamily(
            "billing_work_oldest_seconds",
            "Time since the oldest of them was asked for.",
            labels=["kind"],
        )
        for kind in kinds().values():
            name = kind.model._meta.model_name
            first = kind.rows.filter(DurableWork.UNFINISHED).aggregate(first=Min("requested_at"))
            oldest.add_metric([name], _age(now, first["first"]))
            counted = dict(
                kind.rows.filter(DurableWork.UNFINISHED)
                .order_by()
                .values_list("status")
                .annotate(Count("pk"))
            )
            for status in (DurableWork.Status.WAITING, DurableWork.Status.BLOCKED):
                work.add_metric([name, status], counted.get(status, 0))
        yield work
        yield oldest
        invoices = GaugeMetricFamily("billing_invoices", "Invoices by status.", labels=["status"])
        by_status = dict(Invoice.objects.order_by().values_list("status").annotate(Count("pk")))
        for each in Invoice.Status:
            invoices.add_metric([each], by_status.get(each, 0))
        yield invoices


def _age(now: dt.datetime, then: dt.datetime | None) -> float:
    return 0 if then is None else (now - then).total_seconds()
