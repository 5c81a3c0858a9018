"""Evidence against a chargeback, from our rows: the invoice, its usage, and who signed in when."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from django.conf import settings
from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from billing import months
from billing.formats import money, quantity
from billing.issuers import issuer_then
from billing.models import AuditEntry, Session, WorkspaceMember
from invoices.document import tax_rows
from invoices.document_parts import addressed_lines
from invoices.models import CreditNote, Invoice
from invoices.payments.models import CallDispute, Chargeback
from usage.models import Call
from usage.resources import resource_name

# Stripe takes 20,000 characters of each, and 150,000 in all.
MAX_CHARACTERS = 19_000
_MAX_LINES = 100


def evidence_for(chargeback: Chargeback) -> dict[str, str]:
    """By the names of Stripe's fields; fields without anything to say are left out."""
    invoice = chargeback.invoice
    parts = {
        "customer_name": invoice.bill_to_name,
        "customer_email_address": invoice.bill_to_email,
        "billing_address": _address(invoice),
        "service_date": _service_date(invoice),
        "product_description": f"Usage of voice agents, and the subscription to them, billed by"
        f" {issuer_then(invoice.letterhead).name} on invoice {invoice.number}.",
        "access_activity_log": "\n".join(_access(invoice)),
        "uncategorized_text": "\n".join(_account(invoice)),
    }
    return {name: text[:MAX_CHARACTERS] for name, text in parts.items() if text}


def _address(invoice: Invoice) -> str:
    return ", ".join(addressed_lines(invoice.bill_to_address))


def _service_date(invoice: Invoice) -> str:
    period = invoice.billing_period
    if period is None:
        return f"{invoice.issued_on:%Y-%m-%d}"
    zone = invoice.workspace.zone
    first, last = months.first_and_last_day(period.period_start, period.period_end, zone)
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _access(invoice: Invoice) -> Iterator[str]:
    """Sign-ins of the workspace's people that are still known, and what they changed."""
    people = WorkspaceMember.objects.filter(workspace=invoice.workspace_id).select_related("user")
    for member in people.order_by("user__email"):
        if member.user.last_login:
            last = utc_text(member.user.last_login)
            yield f"{member.user.email} ({member.role}) signed in last at {last}"
    sessions = Session.objects.filter(
        user__in=[member.user_id for member in people], signed_in_at__isnull=False
    ).select_related("user")
    for session in sessions.order_by("-signed_in_at")[:_MAX_LINES]:
        assert session.user is not None
        assert session.signed_in_at is not None
        at, place = utc_text(session.signed_in_at), f"{session.address} {session.browser}".strip()
        yield f"{at} {session.user.email}" + (f" from {place}" if place else "")
    emails = [member.user.email for member in people]
    changes = AuditEntry.objects.filter(workspace_id=invoice.workspace_id, actor__in=emails)
    for entry in changes.order_by("-at")[:_MAX_LINES]:
        yield f"{utc_text(entry.at)} {entry.actor} changed {entry.subject or entry.table}"


def _account(invoice: Invoice) -> Iterator[str]:
    """The receipt in words: lines, use in the month, what was disputed and given back before."""
    currency = invoice.currency
    total = money(invoice.amount, currency)
    yield f"Invoice {invoice.number} of {invoice.issued_on:%Y-%m-%d}, {total}:"
    for item in invoice.items.all()[:_MAX_LINES]:
        used = f", {_units(item.quantity, item.resource_type)}" if item.resource_type else ""
        yield f"- {item.description}{used}: {money(item.amount, currency)}"
    for tax, amount in tax_rows(invoice, list(invoice.taxes.all())):
        yield f"- {tax}: {amount}"
    yield from _use(invoice)
    disputes = CallDispute.objects.filter(workspace=invoice.workspace_id)
    counts = disputes.aggregate(
        all=Count("pk"), approved=Count("pk", filter=Q(state=CallDispute.State.APPROVED))
    )
    yield (
        f"Calls that the customer disputed with us: {counts['all']}, of these given back:"
        f" {counts['approved']}."
    )
    given = CreditNote.objects.filter(invoice=invoice, status=CreditNote.Status.ISSUED)
    total = given.aggregate(total=Sum("total"))["total"]
    if total:
        yield f"Credit notes for this invoice have given back {money(total, currency)}."


def _use(invoice: Invoice) -> Iterator[str]:
    period = invoice.billing_period
    if period is None:
        return
    calls = calls_of(invoice).aggregate(
        count=Count("pk"),
        first=Min("started_at"),
        last=Max("started_at"),
        seconds=Sum("duration_seconds"),
    )
    if calls["count"]:
        minutes = quantity((Decimal(calls["seconds"] or 0) / 60).quantize(Decimal(1)))
        yield (
            f"{quantity(calls['count'])} calls in the period, {minutes} minutes in all: the first"
            f" at {utc_text(calls['first'])}, the last at {utc_text(calls['last'])}."
        )
    sums = period.rollups.order_by().values_list("resource_type")
    for resource_type, records, amount in sums.annotate(Sum("records"), Sum("quantity")).order_by(
        "resource_type"
    ):
        used = _units(amount, resource_type)
        yield f"{resource_name(resource_type)}: {quantity(records)} usage records, {used}."


def _units(amount: Decimal, resource_type: str) -> str:
    return f"{quantity(amount)} {settings.RESOURCE_UNITS.get(resource_type, 'units')}"


def calls_of(invoice: Invoice) -> QuerySet[Call]:
    """Those of the month that it bills, in their order; none of an invoice between two closes."""
    period = invoice.billing_period
    if period is None:
        return Call.objects.none()
    return Call.objects.filter(
        workspace=invoice.workspace_id,
        started_at__gte=period.period_start,
        started_at__lt=period.period_end,
    ).order_by("started_at", "pk")


def utc_text(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
