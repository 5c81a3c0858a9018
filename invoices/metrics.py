"""What waits or has failed, as Prometheus gauges: the same from whichever process is asked."""

import datetime as dt
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count
from django.utils import timezone as clock
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from billing.models import BillingPeriod, Email
from invoices.models import Invoice


class Backlog(Collector):
    """Read when asked for, along partial indexes and small counts."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        ended = clock.now() - dt.timedelta(hours=settings.BILLING_GRACE_HOURS)
        open_periods = BillingPeriod.objects.filter(
            status=BillingPeriod.Status.CURRENT, period_end__lte=ended
        )
        yield GaugeMetricFamily(
            "billing_periods_due",
            "Billing periods whose grace has passed and that are not closed.",
            value=open_periods.count(),
        )
        yield GaugeMetricFamily(
            "billing_periods_blocked",
            "Billing periods whose close failed and waits for finance.",
            value=open_periods.exclude(close_error="").count(),
        )
        emails = GaugeMetricFamily("billing_emails", "E-mails not sent yet.", labels=["status"])
        unsent = (Email.Status.QUEUED, Email.Status.FAILED)
        counted = dict(
            Email.objects.filter(status__in=unsent)
            .order_by()
            .values_list("status")
            .annotate(Count("pk"))
        )
        for status in unsent:
            emails.add_metric([status], counted.get(status, 0))
        yield emails
        invoices = GaugeMetricFamily("billing_invoices", "Invoices by status.", labels=["status"])
        by_status = dict(Invoice.objects.order_by().values_list("status").annotate(Count("pk")))
        for each in Invoice.Status:
            invoices.add_metric([each], by_status.get(each, 0))
        yield invoices
