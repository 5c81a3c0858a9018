"""The rows that need a person in finance, each kind as a queryset, and how many there are."""

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings
from django.db.models import QuerySet

from analytics.finance import costs
from analytics.finance.counting import Counts, Rows
from billing.compiled import CompiledQuery
from billing.models import BillingPeriod, DurableWork, LimitAlert, ManualItem, Workspace
from billing.services.work import kinds
from invoices.models import CreditNote, Invoice, TrialInvoice
from invoices.payments.models import (
    AwaitedDecision,
    CallDispute,
    Chargeback,
    Difference,
    MonthRecord,
    ReconciliationRun,
    StripeSync,
)
from invoices.queries import cards_expiring_by, last_day_of_soon
from invoices.services.closing import due_periods, end_of_grace


def blocked_periods() -> QuerySet[BillingPeriod]:
    return (
        BillingPeriod.objects.filter(
            status=BillingPeriod.Status.CURRENT, close_failed_at__isnull=False
        )
        .select_related("workspace")
        .order_by("close_failed_at")
    )


def blocked_syncs() -> QuerySet[StripeSync]:
    """Those that no schedule will get out of their trouble."""
    return (
        StripeSync.objects.filter(status=StripeSync.Status.BLOCKED)
        .select_related("invoice__workspace")
        .order_by("requested_at")
    )


def overdue_invoices() -> QuerySet[Invoice]:
    return (
        Invoice.objects.filter(status=Invoice.Status.OVERDUE)
        .select_related("workspace")
        .order_by("due_date", "number")
    )


def undecided_voids() -> QuerySet[Invoice]:
    """Void, and nothing says whether their usage is billed anew."""
    return Invoice.objects.filter(Invoice.UNDECIDED)


def chargebacks_to_answer() -> QuerySet[Chargeback]:
    """By the first deadline: whoever misses it has lost."""
    return Chargeback.objects.filter(
        status__in=Chargeback.NEEDS_RESPONSE, closed_at__isnull=True, evidence__isnull=True
    ).order_by("due_by")


def chargebacks_to_decide() -> QuerySet[Chargeback]:
    """Lost, and nobody has said whether they are asked for again."""
    return Chargeback.objects.filter(status="lost", decision="", awaited__isnull=True)


def decisions_to_confirm() -> QuerySet[AwaitedDecision]:
    """Voids of credit notes and ends of chargebacks that one person has asked for."""
    return AwaitedDecision.objects.order_by("asked_at")


def months_to_confirm() -> QuerySet[MonthRecord]:
    """Signed off by one person; a month that was signed off anew waits once."""
    confirmed = MonthRecord.objects.filter(confirmed_at__isnull=False)
    return (
        MonthRecord.objects.filter(confirmed_at__isnull=True)
        .exclude(month__in=confirmed.values("month"))
        .order_by("month", "-signed_at")
        .distinct("month")
    )


def open_disputes() -> QuerySet[CallDispute]:
    return CallDispute.objects.filter(state=CallDispute.State.OPEN).order_by("opened_at")


def trials_to_approve() -> QuerySet[TrialInvoice]:
    """With `changes`, something came in since it was approved: it has to be looked at again."""
    return TrialInvoice.objects.filter(
        period__status=BillingPeriod.Status.CURRENT, approved_at__isnull=True
    )


def lines_to_approve() -> QuerySet[ManualItem]:
    return ManualItem.objects.filter(status=ManualItem.Status.WAITING)


def notes_to_approve() -> QuerySet[CreditNote]:
    return CreditNote.objects.filter(status=CreditNote.Status.DRAFT)


_last_reconciliation = CompiledQuery[ReconciliationRun](
    lambda: ReconciliationRun.objects.order_by("-started_at")[:1]
)


def last_reconciliation() -> ReconciliationRun | None:
    return _last_reconciliation.first()


def _to_close(ended_by: dt.datetime, *, needs_approval: bool) -> QuerySet[BillingPeriod]:
    due = due_periods(ended_by=ended_by, needs_approval=needs_approval)
    return BillingPeriod.objects.filter(due, close_failed_at__isnull=True)


def _counted(ended_by: dt.datetime, a_week_ago: dt.datetime, soon: dt.date) -> dict[str, Rows]:
    """What sources count, by the names that they look it up by."""
    decisions = decisions_to_confirm()
    at_limit = LimitAlert.objects.filter(
        kind=LimitAlert.Kind.LIMIT, period__status=BillingPeriod.Status.CURRENT
    )
    return {
        "chargebacks to answer": chargebacks_to_answer(),
        "chargebacks to decide": chargebacks_to_decide(),
        "disputes": open_disputes(),
        "closes failed": blocked_periods(),
        "due": _to_close(ended_by, needs_approval=False),
        "due, approved": _to_close(ended_by, needs_approval=True),
        "trials": trials_to_approve(),
        "trials changed": trials_to_approve().exclude(changes=[]),
        "lines": lines_to_approve(),
        "voids of notes": decisions.filter(credit_note__isnull=False),
        "ends of chargebacks": decisions.filter(chargeback__isnull=False),
        "notes": notes_to_approve(),
        "months": months_to_confirm(),
        "overdue": overdue_invoices(),
        "undecided": undecided_voids(),
        "differences": Difference.objects.filter(Difference.OPEN),
        "suspended": Workspace.objects.filter(status=Workspace.Status.SUSPENDED),
        "at limit": at_limit.order_by().values("workspace").distinct(),
        "cards": cards_expiring_by(soon),
        "drifted": costs.drifted_since(a_week_ago),
        "sold low": costs.sold_low_since(a_week_ago),
        **{
            f"{BLOCKED}{label}": kind.rows.filter(DurableWork.UNFINISHED, status="blocked")
            for label, kind in kinds().items()
        },
    }


BLOCKED = "blocked "
_WEEK = dt.timedelta(days=7)
_counts = Counts(_counted)


# Of these, what the month end shows.
month_end_counts = Counts(
    lambda: {
        "closes failed": blocked_periods(),
        "syncs blocked": blocked_syncs(),
        "differences": Difference.objects.filter(Difference.OPEN),
        "trials": trials_to_approve(),
        "trials changed": trials_to_approve().exclude(changes=[]),
    }
)


class Moment(NamedTuple):
    """What sources work from: the time, and how many rows of each kind there are."""

    now: dt.datetime
    counts: Mapping[str, int]

    @classmethod
    def at(cls, now: dt.datetime) -> "Moment":
        return cls(now, _counts(end_of_grace(now), now - _WEEK, last_day_of_soon(now)))

    @property
    def due(self) -> int:
        """Periods that are to be closed and have not failed."""
        return self.counts["due, approved" if settings.CLOSE_NEEDS_APPROVAL else "due"]

    @property
    def blocked(self) -> int:
        """Pieces of work of any kind."""
        return sum(count for name, count in self.counts.items() if name.startswith(BLOCKED))

    @property
    def blocked_syncs(self) -> int:
        return self.counts[f"{BLOCKED}{StripeSync._meta.label_lower}"]
