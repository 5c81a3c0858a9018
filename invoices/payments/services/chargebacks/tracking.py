"""What Stripe says of a chargeback, kept: never backwards from its end, in whatever order."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from billing.formats import money
from billing.services.notifications import notify_finance
from invoices.models import Invoice
from invoices.payments.models import Chargeback
from invoices.services.history import locked_invoice


def note_chargeback(
    *,
    invoice_id: UUID,
    stripe_id: str,
    amount: Decimal,
    status: str,
    reason: str,
    charge_id: str,
    due_by: dt.datetime | None,
    opened_at: dt.datetime,
    now: dt.datetime,
) -> Chargeback | None:
    """The chargeback as it is now; None where there is nothing to keep. Again changes nothing."""
    if amount <= 0:
        return None
    with locked_invoice(invoice_id) as invoice:
        known = Chargeback.objects.filter(stripe_id=stripe_id).first()
        is_over = status in Chargeback.OVER
        if known is None:
            known = Chargeback.objects.create(
                workspace=invoice.workspace,
                invoice=invoice,
                stripe_id=stripe_id,
                charge_id=charge_id,
                currency=invoice.currency,
                amount=amount,
                reason=reason[:60],
                status=status[:40],
                due_by=due_by,
                opened_at=opened_at,
                closed_at=now if is_over else None,
            )
            if not is_over:
                _tell_new(known, invoice, now)
            return known
        if known.closed_at is not None:
            return known  # events come in any order, and an end is an end
        known.status, known.reason = status[:40], reason[:60] or known.reason
        known.amount, known.due_by = amount, due_by or known.due_by
        known.closed_at = now if is_over else None
        known.save(update_fields=["status", "reason", "amount", "due_by", "closed_at"])
        if is_over:
            _tell_over(known, invoice, now)
        return known


def _tell_new(chargeback: Chargeback, invoice: Invoice, now: dt.datetime) -> None:
    deadline = (
        f"{chargeback.due_by.day} {chargeback.due_by:%B %Y, %H:%M} UTC"
        if chargeback.due_by
        else "as Stripe says"
    )
    notify_finance(
        key=f"chargeback:{chargeback.stripe_id}",
        subject=f"A payment of invoice {invoice.number} is charged back: answer by {deadline}",
        paragraphs=[
            "The cardholder's bank has taken the money back for now. What speaks for it is put"
            " together on its page: look at it and send it.",
        ],
        facts=[
            ("Invoice", invoice.number),
            ("Amount", money(chargeback.amount, chargeback.currency)),
            ("Reason", chargeback.reason.replace("_", " ")),
            ("Deadline", deadline),
        ],
        about=chargeback,
        now=now,
    )


def _tell_over(chargeback: Chargeback, invoice: Invoice, now: dt.datetime) -> None:
    said = {
        "won": "The bank decided for us: the money is back.",
        "lost": "The bank decided for the cardholder: the money is lost. Decide on its page"
        " whether the invoice is asked for again, or the loss is written off.",
    }
    notify_finance(
        key=f"chargeback:{chargeback.stripe_id}:{chargeback.status}",
        subject=f"The chargeback of invoice {invoice.number} is {chargeback.status}"[:200],
        paragraphs=[said.get(chargeback.status, "It has ended, and no money is taken back.")],
        facts=[("Amount", money(chargeback.amount, chargeback.currency))],
        about=chargeback,
        now=now,
    )
