"""Two closed months whose records can be sealed."""

import datetime as dt

from billing.models import Workspace
from invoices.services.closing import finalize_due_periods
from tests.kit.personas import make_workspace
from tests.kit.usage import make_usage
from usage.models import UsageRecord
from usage.services.voiding import void_record

OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
NOVEMBER_8 = dt.datetime(2026, 11, 8, 12, tzinfo=dt.UTC)
DECEMBER_3 = dt.datetime(2026, 12, 3, 12, tzinfo=dt.UTC)


def make_closed_months() -> Workspace:
    """Two closed months: October with three records, November with a late and a voided one."""
    acme = make_workspace("Acme")
    make_usage(acme, OCTOBER_5, "3.25", "0.0125", key="call-1")
    make_usage(acme, OCTOBER_5, "10", "0.01", key='quote " backslash \\ 日本')
    make_usage(acme, OCTOBER_5, "2", "0.5", key="call-3", resource_type="storage")
    finalize_due_periods(now=NOVEMBER_3)
    make_usage(acme, OCTOBER_5, "1", "0.02", key="late", now=NOVEMBER_8)
    make_usage(acme, NOVEMBER_8, "7", "0.02", key="mistake")
    mistake = UsageRecord.objects.get(idempotency_key="mistake")
    void_record(
        workspace_id=mistake.workspace_id,
        record_id=mistake.pk,
        reason="test call",
        now=NOVEMBER_8,
    )
    finalize_due_periods(now=DECEMBER_3)
    return acme
