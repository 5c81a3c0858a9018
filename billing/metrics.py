"""What `/metrics` says of the clock: wrong ones stop closes, and should be seen before they do."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from billing import clocks


class Clocks(Collector):
    """Of the machine and the process that answer."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "billing_clock_difference_seconds",
            "How far this machine's clock is ahead of the database's; below 0: behind it.",
            value=clocks.ahead_of_the_database().total_seconds(),
        )
        yield GaugeMetricFamily(
            "billing_clock_set_seconds",
            "By how much this machine's clock was set since the process began.",
            value=clocks.set_by().total_seconds(),
        )
