"""Attention items for finance: counts with a link to each list, and the newest of each."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.urls import reverse

from analytics.finance import costs, waiting_work
from billing.models import BillingPeriod
from billing.services.work import kinds
from invoices.models import Invoice
from invoices.payments.models import (
    CallDispute,
    Chargeback,
    Difference,
    ReconciliationRun,
    StripeSync,
)
from invoices.services.closing import due_periods

SHOWN = 8


@dataclass(frozen=True)
class AttentionItem:
    one: str
    many: str
    count: int
    url: str
    tone: str

    @property
    def title(self) -> str:
        return self.one if self.count == 1 else self.many


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


def last_reconciliation() -> ReconciliationRun | None:
    return ReconciliationRun.objects.order_by("-started_at").first()


def attention_items(*, now: dt.datetime) -> list[AttentionItem]:
    """Each kind of trouble with how often it is there; those that are not are left out."""
    periods = reverse("admin:billing_billingperiod_changelist")
    invoices = reverse("admin:invoices_invoice_changelist")
    differences = reverse("admin:payments_difference_changelist")
    drifted, sold_low = costs.attention_counts(now=now)
    due = BillingPeriod.objects.filter(due_periods(now=now), close_failed_at__isnull=True)
    found = [
        *_chargebacks(),
        AttentionItem(
            "close failed",
            "closes failed",
            blocked_periods().count(),
            f"{periods}?stage=blocked",
            "bad",
        ),
        AttentionItem(
            "period due to close",
            "periods due to close",
            due.count(),
            f"{periods}?stage=ended",
            "info",
        ),
        AttentionItem(
            "piece of work blocked",
            "pieces of work blocked",
            sum(waiting_work.counts(kinds(), Q(status="blocked")).values()),
            reverse("finance:waiting_work"),
            "bad",
        ),
        *_open_disputes(now),
        AttentionItem(
            "invoice overdue",
            "invoices overdue",
            overdue_invoices().count(),
            f"{invoices}?status__exact=overdue",
            "warn",
        ),
        AttentionItem(
            "void invoice to decide on",
            "void invoices to decide on",
            undecided_voids().count(),
            f"{invoices}?status__exact=void&undecided=yes",
            "bad",
        ),
        AttentionItem(
            "difference from Stripe",
            "differences from Stripe",
            Difference.objects.filter(Difference.OPEN).count(),
            f"{differences}?resolved_at__isempty=1",
            "bad",
        ),
        AttentionItem(
            "kind of usage sold below its least margin this week",
            "kinds of usage sold below their least margin this week",
            sold_low,
            reverse("finance:costs"),
            "warn",
        ),
        AttentionItem(
            "cost that differs from the cost card this week",
            "costs that differ from the cost card this week",
            drifted,
            reverse("finance:costs"),
            "warn",
        ),
    ]
    return [item for item in found if item.count]


def _chargebacks() -> list[AttentionItem]:
    """By the first deadline: whoever misses it has lost."""
    waiting = Chargeback.objects.filter(
        status__in=Chargeback.NEEDS_RESPONSE, closed_at__isnull=True, evidence__isnull=True
    ).order_by("due_by")
    first = waiting.first()
    if first is None:
        return []
    until = f"{first.due_by.day} {first.due_by:%B}" if first.due_by else "soon"
    return [
        AttentionItem(
            f"chargeback to answer by {until}",
            f"chargebacks to answer, the first by {until}",
            waiting.count(),
            reverse("admin:payments_chargeback_changelist"),
            "bad",
        )
    ]


def _open_disputes(now: dt.datetime) -> list[AttentionItem]:
    waiting = CallDispute.objects.filter(state=CallDispute.State.OPEN).order_by("opened_at")
    first = waiting.first()
    if first is None:
        return []
    days = (now - first.opened_at).days
    age = f"{days} day{'s' if days > 1 else ''} ago" if days else "today"
    return [
        AttentionItem(
            f"dispute of a call, opened {age}",
            f"disputes of calls, the oldest opened {age}",
            waiting.count(),
            f"{reverse('admin:payments_calldispute_changelist')}?state__exact=open",
            "warn" if days < 7 else "bad",
        )
    ]
