"""Telling finance of a sync that needs them; inside the caller's transaction."""

import datetime as dt

from billing.formats import money
from billing.services.notifications import notify_finance
from invoices.models import Invoice
from invoices.payments.models import StripeSync


def tell_finance_of_blocked(invoice: Invoice, sync: StripeSync, *, now: dt.datetime) -> None:
    reason = sync.get_blocked_reason_display().lower()
    notify_finance(
        # Blocked again after a retry is news again.
        key=f"sync:{sync.pk}:blocked:{now.isoformat(timespec='seconds')}",
        subject=f"Invoice {invoice.number} is not in Stripe: {reason}",
        paragraphs=[
            sync.last_error,
            "It was not sent to the customer. Retry it in the admin once the cause is put right.",
        ],
        facts=_facts(invoice),
        about=invoice,
        now=now,
    )


def tell_finance_of_stuck(invoice: Invoice, sync: StripeSync, *, now: dt.datetime) -> None:
    notify_finance(
        key=f"sync:{sync.pk}:{sync.build}:stuck",
        subject=f"Invoice {invoice.number} does not get through to Stripe",
        paragraphs=[
            f"{sync.attempts} tries in a row have failed. The last one said: {sync.last_error}",
            "It is tried again every hour.",
        ],
        facts=_facts(invoice),
        about=invoice,
        now=now,
    )


def _facts(invoice: Invoice) -> list[tuple[str, str]]:
    return [
        ("Invoice", invoice.number),
        ("Workspace", invoice.workspace.name),
        ("Amount", money(invoice.amount, invoice.currency)),
    ]
