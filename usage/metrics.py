"""What `/metrics` asks the database of usage: when each provider was last heard of.

What became of records is counted where they arrive (`usage/api/hot.py`).
"""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Max
from django.utils import timezone as clock
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from usage.models import ProviderHeartbeat

# Labels stay few, whatever is sent as a provider.
_PROVIDERS = 100
_REMEMBERED = dt.timedelta(days=30)


class Heartbeats(Collector):
    """Read when asked for: a few rows."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        recent = ProviderHeartbeat.objects.filter(at__gte=clock.now() - _REMEMBERED)
        usage = GaugeMetricFamily(
            "usage_provider_last_record_timestamp_seconds",
            "When a provider's usage last arrived, to the minute.",
            labels=["provider"],
        )
        for each in recent.filter(source=ProviderHeartbeat.Source.USAGE).order_by("-at")[
            :_PROVIDERS
        ]:
            usage.add_metric([each.provider], each.at.timestamp())
        yield usage
        last = recent.filter(source=ProviderHeartbeat.Source.CALLS).aggregate(at=Max("at"))["at"]
        yield GaugeMetricFamily(
            "usage_last_call_timestamp_seconds",
            "When a call was last reported, to the minute; 0 for not within a month.",
            value=last.timestamp() if last else 0,
        )
