"""What `/metrics` says of Stripe's webhooks: how late they are, and when one last came."""

from collections.abc import Iterator

from django.utils import timezone as clock
from djstripe.models import Event, WebhookEventTrigger
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from invoices.payments.models import Difference, ReconciliationRun

# Of the last ones: by the primary key, whatever the tables hold.
_LAST = 50


class Webhooks(Collector):
    """Read when asked for: the last few rows of each table."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = clock.now()
        last = WebhookEventTrigger.objects.order_by("-pk").values_list("created", "valid")[:_LAST]
        valid = [created for created, is_valid in last if is_valid]
        yield GaugeMetricFamily(
            "payments_webhook_age_seconds",
            "Time since Stripe's last webhook; 0 where there was none.",
            value=(now - max(valid)).total_seconds() if valid else 0,
        )
        yield GaugeMetricFamily(
            "payments_webhook_refused",
            f"Of the last {_LAST} webhooks, those that were refused.",
            value=len(last) - len(valid),
        )
        events = Event.objects.order_by("-djstripe_id").values_list("created", "djstripe_created")
        lags = [(here - there).total_seconds() for there, here in events[:_LAST] if there]
        yield GaugeMetricFamily(
            "payments_webhook_lag_seconds",
            f"From an event at Stripe to its arrival here, the longest of the last {_LAST}.",
            value=max(0.0, *lags) if lags else 0,
        )
        yield GaugeMetricFamily(
            "payments_differences",
            "Differences from Stripe that the last comparison left.",
            value=Difference.objects.filter(Difference.OPEN, run=_last_run()).count(),
        )


def _last_run() -> ReconciliationRun | None:
    return ReconciliationRun.objects.filter(finished_at__isnull=False).first()
