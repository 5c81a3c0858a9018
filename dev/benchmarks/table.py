"""One table for everything that is measured of ingest."""

from dataclasses import dataclass

HEAD = (
    f"{'work':<26}{'size':>6}{'conc':>5}{'held':>11}{'rate/s':>10}{'of COPY':>9}"
    f"{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'web':>6}{'pg':>6}{'client':>7}"
    f"{'us each':>9}{'stolen':>8}"
)


@dataclass
class Line:
    """One row of the table. `rate` is records (or requests) a second; CPU is in cores; `stolen` is
    the share of all cores' time that the machine below gave to others meanwhile."""

    work: str
    size: int
    concurrency: int
    preloaded: int
    rate: float
    of_copy: float | None
    p50_ms: float
    p95_ms: float
    p99_ms: float
    web_cpu: float
    postgres_cpu: float
    client_cpu: float
    stolen: float
    failures: int

    @property
    def microseconds_each(self) -> float:
        """CPU a record or request, of the web processes and of PostgreSQL together."""
        return (self.web_cpu + self.postgres_cpu) / self.rate * 1e6 if self.rate else 0.0

    def __str__(self) -> str:
        share = f"{self.of_copy:.0%}" if self.of_copy is not None else ""
        return (
            f"{self.work:<26}{self.size:>6}{self.concurrency:>5}{self.preloaded:>11,}"
            f"{self.rate:>10,.0f}{share:>9}{self.p50_ms:>9.2f}{self.p95_ms:>9.2f}"
            f"{self.p99_ms:>9.2f}{self.web_cpu:>6.2f}{self.postgres_cpu:>6.2f}"
            f"{self.client_cpu:>7.2f}{self.microseconds_each:>9.0f}{self.stolen:>8.0%}"
        )
