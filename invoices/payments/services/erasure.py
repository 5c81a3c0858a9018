"""Erasing a workspace: who was behind it is forgotten, what was billed stays and stays proved."""

import datetime as dt
from typing import NamedTuple
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from djstripe.models import Event, WebhookEventTrigger

from billing.errors import Conflict, NotFound
from billing.models import BillingPeriod, DurableWork, Workspace
from billing.services import erasure
from invoices.models import EInvoice, Invoice, TaxCalculation
from invoices.payments.models import (
    CallDispute,
    ChargebackEvidence,
    ChargebackFile,
    StripeCustomer,
)
from usage.models import Budget, BudgetOptOut, UsageRollup, VoiceAgent


class CannotErase(Conflict):
    """It is not over: somebody has to be asked for money, or may still use it."""

    code = "cannot_erase"


class Erased(NamedTuple):
    people: int
    emails: int
    entries: int
    invoices: int
    # Invoices that tax law has us keep as they were issued, and when the last of them may go.
    kept: int
    kept_until: dt.date | None
    # Stripe's ids of what is to be deleted there, each with its account.
    stripe_customers: tuple[tuple[str, str], ...]


def erase_workspace(*, workspace_id: UUID, now: dt.datetime) -> Erased:
    """Take out what names people. Run again it takes what has come of age since.

    Raises NotFound, and CannotErase unless it is closed, invoiced and paid.
    """
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update().filter(pk=workspace_id).first()
        if workspace is None:
            raise NotFound(f"There is no workspace {workspace_id}.")
        _refuse_unfinished(workspace)
        # They name people and addresses, and nothing was billed by them.
        Budget.objects.filter(workspace=workspace).delete()
        BudgetOptOut.objects.filter(workspace=workspace).delete()
        people = erasure.erase_people(workspace, now=now)
        erasure.erase_details(workspace)
        emails = erasure.empty_emails(erasure.emails_of(workspace, people))
        _erase_disputes(workspace)
        # They say its address; what was billed by them has the amounts.
        TaxCalculation.objects.filter(workspace=workspace).delete()
        agents = list(VoiceAgent.objects.filter(workspace=workspace))
        for agent in agents:
            agent.name, agent.created_from = f"Agent {str(agent.pk)[:8]}", ""
        VoiceAgent.objects.bulk_update(agents, ["name", "created_from"])
        invoices, kept, until = _erase_old_invoices(workspace, now)
        customers = _forget_customers(workspace)
        entries = erasure.erase_from_audit_log(workspace.pk, people, [agent.pk for agent in agents])
    return Erased(len(people), emails, entries, invoices, kept, until, customers)


def _refuse_unfinished(workspace: Workspace) -> None:
    if workspace.status != Workspace.Status.CLOSED:
        raise CannotErase(f"{workspace} is {workspace.status}: close it first.")
    unpaid = Invoice.objects.filter(workspace=workspace, status__in=("draft", *Invoice.UNPAID))
    if numbers := list(unpaid.values_list("number", flat=True)):
        raise CannotErase(f"not paid, void or written off: {', '.join(sorted(numbers))}.")
    running = BillingPeriod.objects.filter(workspace=workspace, status="current")
    if UsageRollup.objects.filter(billing_period__in=running).exists():
        raise CannotErase(f"{workspace} has used something that is not invoiced yet.")


def _erase_disputes(workspace: Workspace) -> None:
    """Of calls, what their owners said; of payments, who was named to the bank, once it is told."""
    disputes = CallDispute.objects.filter(workspace=workspace)
    disputes.filter(state=CallDispute.State.WITHDRAWN).update(decided_by=erasure.ERASED)
    disputes.update(text=erasure.ERASED, opened_by=erasure.ERASED, facts={})
    told = ChargebackEvidence.objects.filter(
        ~DurableWork.UNFINISHED, chargeback__workspace=workspace
    )
    ChargebackFile.objects.filter(evidence__in=told).update(content=b"")
    told.update(evidence={}, params={}, last_error="")


def _erase_old_invoices(workspace: Workspace, now: dt.datetime) -> tuple[int, int, dt.date | None]:
    """Who they were addressed to, once nobody has to be shown that any more."""
    years = dt.timedelta(days=366 * settings.INVOICE_KEEP_YEARS)
    issued = Invoice.objects.filter(workspace=workspace).exclude(bill_to_name=erasure.ERASED)
    old = issued.filter(issued_at__lt=now - years)
    # They say it once more; so does what credits them.
    EInvoice.objects.filter(Q(invoice__in=old) | Q(credit_note__invoice__in=old)).delete()
    erased = old.update(
        bill_to_name=erasure.ERASED,
        bill_to_email="",
        bill_to_address="",
        bill_to_tax_id="",
        order_number="",
        custom_fields=[],
    )
    last = issued.order_by("-issued_at").first()
    return erased, issued.count(), (last.issued_at + years).date() if last else None


def _forget_customers(workspace: Workspace) -> tuple[tuple[str, str], ...]:
    """The copies of what Stripe has of it, and of what its webhooks said; its ids there."""
    ours = StripeCustomer.objects.filter(workspace=workspace)
    # As it was asked for: with name and address.
    ours.update(params={}, last_error="")
    known = tuple((row.stripe_id, row.account) for row in ours.order_by("account") if row.stripe_id)
    for stripe_id, _ in known:
        _forget_copies(stripe_id)
    return known


def _forget_copies(stripe_id: str) -> None:
    events = Event.objects.filter(
        Q(data__object__customer=stripe_id) | Q(data__object__id=stripe_id)
    )
    WebhookEventTrigger.objects.filter(event__in=events).delete()
    events.delete()
    for model in apps.get_app_config("djstripe").get_models():
        if any(field.name == "stripe_data" for field in model._meta.concrete_fields):
            whose = Q(stripe_data__customer=stripe_id) | Q(stripe_data__id=stripe_id)
            model._default_manager.filter(whose).delete()
