"""Telling finance of a push that needs them; inside the caller's transaction."""

import datetime as dt

from billing.formats import money
from invoices.models import Invoice, InvoicePush
from invoices.services.notices import tell_finance


def tell_finance_of_parked(invoice: Invoice, push: InvoicePush, *, now: dt.datetime) -> None:
    tell_finance(
        # Parked again after a retry is news again.
        key=f"push:{push.pk}:parked:{now.isoformat(timespec='seconds')}",
        subject=f"Invoice {invoice.number} is not in Stripe: {push.get_reason_display()}",
        paragraphs=[
            push.last_error,
            "It was not sent to the customer. Retry it in the admin once the cause is put right.",
        ],
        facts=_facts(invoice),
        about=invoice,
        now=now,
    )


def tell_finance_of_stuck(invoice: Invoice, push: InvoicePush, *, now: dt.datetime) -> None:
    tell_finance(
        key=f"push:{push.pk}:{push.build}:stuck",
        subject=f"Invoice {invoice.number} does not get through to Stripe",
        paragraphs=[
            f"{push.failures} tries in a row have failed. The last one said: {push.last_error}",
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
