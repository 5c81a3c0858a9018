"""Sealing of closed months, and their verification, in seconds a million records."""

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.models import BillingPeriod
from usage.services import sealing


@dataclass
class Sealing:
    """One period: seconds to seal it and to verify its workspace's chain afterwards."""

    records: int
    seal_seconds: float
    verify_seconds: float
    findings: int


def measure_sealing(*, period_ids: Sequence[UUID], now: dt.datetime) -> list[Sealing]:
    """Seal these closed periods, each by itself."""
    found = []
    for period in BillingPeriod.objects.filter(pk__in=period_ids):
        began = time.perf_counter()
        seal = sealing.seal_period(period_id=period.pk, now=now)
        sealed = time.perf_counter()
        if seal is None:
            raise RuntimeError(f"period {period.pk} had been sealed before it was measured")
        findings = sealing.verify_chain(workspace_id=period.workspace_id, now=now)
        found.append(
            Sealing(
                records=seal.records,
                seal_seconds=sealed - began,
                verify_seconds=time.perf_counter() - sealed,
                findings=len(findings),
            )
        )
    return found
