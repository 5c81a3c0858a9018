"""Reads about invoices: the usage records behind a line, and that they add up to it exactly."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from billing import months
from billing.compiled import CompiledQuery
from billing.models import BillingPeriod, Workspace
from billing.money import ZERO
from billing.stripe_accounts import DEFAULT, AccountName
from invoices.models import (
    CreditNote,
    CreditNoteItem,
    Invoice,
    InvoiceEvent,
    InvoiceItem,
    PaymentMethod,
)
from usage.models import UsageRecord

_invoices = CompiledQuery[Invoice](
    lambda period_id: Invoice.objects.filter(billing_period_id=period_id)
)


def invoice_of(period: BillingPeriod) -> Invoice | None:
    """The invoice that bills a period: of several the one that is not void, else the latest.

    Reads `period.invoices`, from its prefetch where there is one.
    """
    known = getattr(period, "_prefetched_objects_cache", {}).get("invoices")
    ranked = sorted(
        _invoices(period.pk) if known is None else known,
        key=lambda invoice: (invoice.status != Invoice.Status.VOID, invoice.issued_at),
    )
    return ranked[-1] if ranked else None


def in_order(events: Iterable[InvoiceEvent]) -> list[InvoiceEvent]:
    """Events as they happened. Stripe tells whole seconds: within one, as they were written."""
    return sorted(events, key=lambda event: (event.at.replace(microsecond=0), event.created_at))


def records_behind(item: InvoiceItem) -> QuerySet[UsageRecord]:
    """The records that were billed on `item`; none for a subscription or a credit.

    They are found by when they occurred, within the period or, for late usage, within the month
    the item is about: the index on workspace and time serves both.
    """
    times = _times_of(item)
    if times is None:
        return UsageRecord.objects.none()
    records = UsageRecord.objects.filter(
        workspace_id=item.invoice.workspace_id,
        billing_period_id=item.invoice.billing_period_id,
        occurred_at__gte=times.start,
        occurred_at__lt=times.end,
    )
    # A line of late usage is about everything of its month.
    return records.filter(resource_type=item.resource_type) if item.resource_type else records


def _times_of(item: InvoiceItem) -> months.Interval | None:
    period = item.invoice.billing_period
    if period is None:
        return None
    if item.kind == InvoiceItem.Kind.USAGE:
        return months.Interval(period.period_start, period.period_end)
    if item.kind == InvoiceItem.Kind.LATE_USAGE and item.usage_month:
        zone = item.invoice.workspace.zone
        start = months.midnight(item.usage_month, zone)
        end = months.midnight(months.first_of_next_month(item.usage_month), zone)
        # A period that was opened after later ones had closed bills their late usage too.
        return months.Interval(
            start, min(end, period.period_start) if start < period.period_start else end
        )
    return None


_periods_of_call = CompiledQuery[tuple[UUID, str, bool, dt.date]](
    lambda workspace_id, call_id: (
        UsageRecord.objects.filter(workspace_id=workspace_id, call_id=call_id)
        .order_by()
        .values_list("billing_period_id", "resource_type", "late", "usage_date")
        .distinct()
    )
)
_usage_items = CompiledQuery[InvoiceItem](
    lambda workspace_id, *period_ids: (
        InvoiceItem.objects.filter(
            invoice__workspace_id=workspace_id,
            invoice__billing_period__in=period_ids,
            kind__in=[InvoiceItem.Kind.USAGE, InvoiceItem.Kind.LATE_USAGE],
        )
        .exclude(invoice__status=Invoice.Status.VOID)
        .select_related("invoice")
        .order_by("invoice__issued_at", "position")
    )
)


def items_billing(workspace_id: UUID, call_id: UUID) -> list[InvoiceItem]:
    """The lines of live invoices that bill the call's records, with their invoices.

    Two queries; the second one not where its months have no invoice yet.
    """
    used = set(_periods_of_call(workspace_id, call_id))
    period_ids = {period_id for period_id, *_ in used}
    items = _usage_items(workspace_id, *period_ids) if period_ids else []
    return [item for item in items if any(_bills(item, *facts) for facts in used)]


def _bills(
    item: InvoiceItem, period_id: UUID, resource_type: str, late: bool, day: dt.date
) -> bool:
    if item.invoice.billing_period_id != period_id or item.resource_type not in ("", resource_type):
        return False
    if item.kind == InvoiceItem.Kind.USAGE:
        return not late
    return late and item.usage_month == day.replace(day=1)


@dataclass(frozen=True)
class LineProof:
    """`listed` is the sum of the records' list prices; `exact` that, the item's adjustment, and
    what credit notes gave back of its reversals; `residual` is what rounding to minor units made
    of it."""

    records: int
    listed: Decimal
    credited: Decimal
    exact: Decimal
    residual: Decimal


def proof_of(item: InvoiceItem) -> LineProof:
    sums = records_behind(item).order_by().aggregate(records=Count("pk"), cost=Sum("final_cost"))
    listed = sums["cost"] or ZERO
    credited = ZERO
    if item.kind == InvoiceItem.Kind.LATE_USAGE:
        given = CreditNoteItem.objects.filter(
            credit_note__status=CreditNote.Status.ISSUED,
            period=item.invoice.billing_period_id,
            usage_month=item.usage_month,
        )
        credited = given.aggregate(total=Sum("taken_over", default=ZERO))["total"]
    exact = listed + item.adjustment + credited
    return LineProof(sums["records"], listed, credited, exact, item.amount - exact)


def with_standing(invoices: QuerySet[Invoice]) -> QuerySet[Invoice]:
    """Each with `declined`, a payment for it failed, and `has_method`, there is one to charge."""
    failed = InvoiceEvent.objects.filter(
        invoice=OuterRef("pk"), kind=InvoiceEvent.Kind.PAYMENT_FAILED
    )
    methods = PaymentMethod.objects.filter(
        workspace=OuterRef("workspace_id"), stripe_account=OuterRef("stripe_account")
    )
    return invoices.annotate(declined=Exists(failed), has_method=Exists(methods))


# So many days before its last one a card is said to expire.
EXPIRES_SOON = 30


def expiring_cards(*, now: dt.datetime, within: int = EXPIRES_SOON) -> QuerySet[PaymentMethod]:
    """Cards that are charged and expire so soon, or have; the first to do so first. Not those in
    an account that the workspace's issuer has left."""
    return cards_expiring_by((now + dt.timedelta(days=within)).date())


def last_day_of_soon(now: dt.datetime) -> dt.date:
    """By which cards expire soon, unless somebody says otherwise."""
    return (now + dt.timedelta(days=EXPIRES_SOON)).date()


def _of_today() -> QuerySet[PaymentMethod]:
    """Those in the account that their workspace's next invoices are collected by."""
    # An alias: in the filter itself it would leave out workspaces without an entity.
    today = Coalesce("workspace__issuing_entity__stripe_account", Value(DEFAULT))
    cards = PaymentMethod.objects.alias(account_today=today)
    return cards.filter(stripe_account=F("account_today"))


def cards_expiring_by(day: dt.date) -> QuerySet[PaymentMethod]:
    return (
        _of_today()
        .filter(
            expires_on__lte=day,
            workspace__billing_settings__collection_method="charge_automatically",
        )
        .exclude(workspace__status=Workspace.Status.CLOSED)
        .order_by("expires_on", "workspace_id")
    )


_expiring_card = CompiledQuery[PaymentMethod](
    lambda day, workspace_id: cards_expiring_by(day).filter(workspace=workspace_id)[:1]
)
_card_of_today = CompiledQuery[PaymentMethod](
    lambda workspace_id: _of_today().filter(workspace=workspace_id)
)
_card = CompiledQuery[PaymentMethod](
    lambda workspace_id, account: PaymentMethod.objects.filter(
        workspace=workspace_id, stripe_account=account
    )
)


def expiring_card_of(workspace_id: UUID, *, now: dt.datetime) -> PaymentMethod | None:
    return _expiring_card.first((now + dt.timedelta(days=EXPIRES_SOON)).date(), workspace_id)


def current_card_of(workspace_id: UUID) -> PaymentMethod | None:
    """What its next invoices are charged to, with when its card expires; None for nothing."""
    return _card_of_today.first(workspace_id)


def card_of(workspace_id: UUID, account: AccountName) -> PaymentMethod | None:
    """How the workspace pays in the account, with when its card expires; None for nothing."""
    return _card.first(workspace_id, account)


def lacks_payment_method(invoice: Invoice) -> bool:
    """Whether it is to be charged automatically and there is nothing to charge."""
    return (
        invoice.is_charged_automatically
        and invoice.status in (Invoice.Status.DRAFT, *Invoice.UNPAID)
        and not invoice.carried_over
        and card_of(invoice.workspace_id, invoice.stripe_account) is None
    )
