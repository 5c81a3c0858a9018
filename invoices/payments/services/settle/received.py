"""Money as it comes: what a payment pays, what is over, and an invoice that it settles in full.

A payment is a fact, whoever tells of it. It pays the invoices it is for; what no invoice takes is
the customer's credit. Sums and limits are the database's (`payments_add_allocation`).
"""

import datetime as dt
from decimal import ROUND_FLOOR, Decimal

from billing.formats import money
from billing.money import ZERO, charge_step
from billing.services.notifications import notify_finance
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import Payment, PaymentAllocation, PaymentEntry
from invoices.payments.services.settle.credit import add_credit
from invoices.services.history import record

Status = Invoice.Status
Way = Payment.Way


def allocate(
    payment: Payment, invoice: Invoice, amount: Decimal, *, now: dt.datetime
) -> PaymentAllocation | None:
    """Have `payment` pay up to `amount` of a locked invoice; None where it pays nothing.

    In the steps in which invoices are asked for: a fils that no card takes stays with the payment.
    """
    step = charge_step(invoice.currency)
    most = min(amount, invoice.amount_open, payment.amount_left)
    paid = (most / step).to_integral_value(rounding=ROUND_FLOOR) * step
    if paid <= 0 or invoice.status == Status.VOID:
        return None
    allocation = PaymentAllocation.objects.create(
        payment=payment, invoice=invoice, amount=paid, created_at=now
    )
    # As the database has added it up.
    payment.refresh_from_db(fields=["amount_allocated"])
    invoice.refresh_from_db(fields=["amount_paid"])
    return allocation


def note_part_payment(allocation: PaymentAllocation, *, now: dt.datetime, source: str) -> None:
    """What a part payment does to its locked invoice's status and history; not the last one's."""
    invoice, payment = allocation.invoice, allocation.payment
    if invoice.status == Status.OPEN:
        invoice.status = Status.PARTLY_PAID
        invoice.save(update_fields=["status", "updated_at"])
    paid = money(allocation.amount, invoice.currency)
    left = money(invoice.amount_open, invoice.currency)
    way = payment.get_way_display()
    reference = f" ({payment.reference})" if payment.reference else ""
    record(
        invoice,
        InvoiceEvent.Kind.PAYMENT,
        at=now,
        source=source,
        detail=f"{paid} by {way}{reference}; {left} is still open.",
    )


def keep_what_is_over(payment: Payment, *, now: dt.datetime, source: str) -> Decimal:
    """What the payment has paid no invoice with becomes the customer's credit."""
    left = payment.amount_left
    if left <= 0:
        return ZERO
    add_credit(
        workspace_id=payment.workspace_id,
        currency=payment.currency,
        amount=left,
        payment=payment,
        on=payment.received_on,
        now=now,
        source=source,
    )
    payment.refresh_from_db(fields=["amount_to_credit"])
    return left


def settle_rest(invoice: Invoice, *, at: dt.datetime, now: dt.datetime, source: str) -> None:
    """Stripe says that a locked invoice is paid: what is open of it is one payment by Stripe.

    Which charge that was is told apart from it (`book_stripe_payment`), before or after.
    """
    if invoice.amount_open <= 0:
        return
    payment = Payment.objects.create(
        workspace_id=invoice.workspace_id,
        way=Way.STRIPE,
        currency=invoice.currency,
        amount=invoice.amount_open,
        received_on=at.astimezone(dt.UTC).date(),
        recorded_by=source[:254],
        created_at=now,
    )
    allocate(payment, invoice, invoice.amount_open, now=now)


def book_stripe_payment(
    invoice: Invoice, entry: PaymentEntry, *, now: dt.datetime, source: str
) -> Payment | None:
    """The payment behind a charge that paid a locked invoice; once, however often it is told.

    What is charged with it for earlier invoices that were too small is theirs (`carried_in`).
    """
    known = Payment.objects.filter(entry=entry).first()
    if known is not None or entry.amount <= 0:
        return known
    amount = max(entry.amount - invoice.carried_in, ZERO)
    payment = (
        Payment.objects.select_for_update()
        .filter(allocations__invoice=invoice, way=Way.STRIPE, entry__isnull=True)
        .order_by("created_at")
        .first()
    )
    if payment is None:
        payment = Payment(
            workspace_id=invoice.workspace_id,
            way=Way.STRIPE,
            currency=invoice.currency,
            amount=amount,
            received_on=entry.occurred_at.astimezone(dt.UTC).date(),
            recorded_by=source[:254],
            created_at=now,
        )
    payment.entry = entry
    payment.reference = (entry.charge_id or entry.payment_intent_id or entry.stripe_id)[:140]
    payment.amount = max(amount, payment.amount_allocated)
    if payment.amount <= 0:
        return None
    payment.save()
    if invoice.status not in (Status.PAID, Status.VOID):
        allocate(payment, invoice, payment.amount_left, now=now)
    over = keep_what_is_over(payment, now=now, source=source)
    if over:
        _tell_finance_of_overpayment(invoice, payment, over, now=now)
    return payment


def _tell_finance_of_overpayment(
    invoice: Invoice, payment: Payment, over: Decimal, *, now: dt.datetime
) -> None:
    text = f"{money(over, payment.currency)} came for it beyond what was open."
    record(
        invoice, InvoiceEvent.Kind.CONFLICT, at=now, source=payment.recorded_by[:200], detail=text
    )
    notify_finance(
        key=f"overpaid:{payment.pk}",
        subject=f"Invoice {invoice.number} was overpaid",
        paragraphs=[
            text,
            "It is the customer's credit now, and pays their next invoice, unless you pay it out.",
        ],
        facts=[("Invoice", invoice.number), ("Payment", payment.reference or str(payment.pk))],
        about=invoice,
        now=now,
    )
