"""Invoices and periods against the payments, refunds and credit notes that Stripe has told of."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from billing.money import CURRENCIES
from invoices.payments.services.ledger.settlements import settlement_differences
from invoices.payments.services.stripe_units import stripe_minor
from usage.services.ledger import LedgerDifference, Scope, rows

# Events of one payment come one by one: what one of them has just changed may wait for the next.
_PAID = """
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number, invoice.status,
       period.status, invoice.amount + invoice.carried_in, invoice.amount_refunded,
       coalesce(entry.payments, 0), coalesce(entry.paid, 0), coalesce(entry.charges_refunded, 0),
       coalesce(entry.refunded, 0), coalesce(entry.failed_refunds, 0),
       greatest(coalesce(entry.credited, 0), invoice.amount_credited),
       invoice.credit_used + coalesce(outside.amount, 0),
       coalesce(over.amount, 0), coalesce(lost.amount, 0),
       CASE WHEN copy.id IS NULL OR EXISTS (
                 SELECT FROM payments_paymentallocation AS share
                   JOIN payments_payment AS payment ON payment.id = share.payment_id
                  WHERE share.invoice_id = invoice.id AND payment.way <> 'stripe')
                 OR invoice.credit_used > 0 OR lost.amount > 0
            THEN NULL
            ELSE (copy.stripe_data ->> 'amount_paid')::numeric
                 / (%(units)s::jsonb ->> invoice.currency)::numeric END,
       invoice.updated_at < now() - interval '2 minutes',
       invoice.paid_at IS NOT DISTINCT FROM period.paid_at
  FROM invoices_invoice AS invoice
  LEFT JOIN billing_billingperiod AS period ON period.id = invoice.billing_period_id
  LEFT JOIN djstripe_invoice AS copy ON copy.id = invoice.stripe_invoice_id
  LEFT JOIN (SELECT invoice_id,
                    count(*) FILTER (WHERE kind = 'payment') AS payments,
                    sum(amount) FILTER (
                        WHERE kind = 'payment' AND status IN ('paid', 'succeeded')) AS paid,
                    sum(amount_refunded) FILTER (WHERE kind = 'payment') AS charges_refunded,
                    sum(amount) FILTER (
                        WHERE kind = 'refund' AND status NOT IN ('failed', 'canceled'))
                        AS refunded,
                    count(*) FILTER (
                        WHERE kind = 'refund' AND status IN ('failed', 'canceled'))
                        AS failed_refunds,
                    sum(amount) FILTER (WHERE kind = 'credit_note' AND status <> 'void')
                        AS credited
               FROM payments_paymententry GROUP BY invoice_id) AS entry
    ON entry.invoice_id = invoice.id
  LEFT JOIN (SELECT invoice_id, sum(asked_again) AS amount FROM payments_chargeback
              GROUP BY invoice_id) AS lost ON lost.invoice_id = invoice.id
  LEFT JOIN (SELECT share.invoice_id, sum(share.amount) AS amount
               FROM payments_paymentallocation AS share
               JOIN payments_payment AS payment ON payment.id = share.payment_id
               LEFT JOIN payments_paymentreversal AS reversal ON reversal.payment_id = payment.id
              WHERE payment.way <> 'stripe' AND reversal.id IS NULL
              GROUP BY share.invoice_id) AS outside
    ON outside.invoice_id = invoice.id
  LEFT JOIN (SELECT entry.invoice_id, sum(payment.amount_to_credit) AS amount
               FROM payments_payment AS payment
               JOIN payments_paymententry AS entry ON entry.id = payment.entry_id
              GROUP BY entry.invoice_id) AS over ON over.invoice_id = invoice.id
 WHERE invoice.status <> 'void'
   AND (%(workspace)s::uuid IS NULL OR invoice.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR invoice.billing_period_id = %(period)s)
 ORDER BY 1, 2, 3
"""
# What a period is called while its invoice is so.
_PERIODS = {
    "draft": "finalized",
    "open": "finalized",
    "partly_paid": "finalized",
    "overdue": "overdue",
    "uncollectible": "overdue",
    "paid": "paid",
}


class PaidInvoice(NamedTuple):
    """An invoice with what is known of its money. `amount_paid` is by Stripe's copy, None where
    there is none or money came another way, `paid_elsewhere`, with the customer's credit;
    `overpaid` is what became credit of charges for it; `lost` was charged back for good and is
    asked for again; `is_settled` where nothing is on its way."""

    workspace_id: UUID
    period_id: UUID | None
    number: str
    status: str
    period_status: str | None
    charged: Decimal
    amount_refunded: Decimal
    payments: int
    paid: Decimal
    charges_refunded: Decimal
    refunded: Decimal
    failed_refunds: int
    credited: Decimal
    paid_elsewhere: Decimal
    overpaid: Decimal
    lost: Decimal
    amount_paid: Decimal | None
    is_settled: bool
    same_paid_at: bool


def payment_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where an invoice's payments and refunds do not make up what it says, or its period."""
    yield from settlement_differences(scope)
    units = Jsonb({currency: stripe_minor(Decimal(1), currency) for currency in CURRENCIES})
    for row in rows(_PAID, scope, units=units):
        invoice = PaidInvoice(*row)
        for flaw in payment_flaws(invoice):
            yield LedgerDifference(
                "invoice and payments",
                invoice.workspace_id,
                invoice.period_id,
                f"{invoice.number} {flaw}",
            )


def payment_flaws(invoice: PaidInvoice) -> Iterator[str]:
    """What about one invoice's money does not fit together; no database."""
    is_paid = invoice.status == "paid"
    if invoice.period_id is None:
        pass  # it is no month's
    elif _PERIODS[invoice.status] != invoice.period_status:
        yield f"is {invoice.status}, its period is {invoice.period_status}"
    elif is_paid and not invoice.same_paid_at:
        yield "was paid at another time than its period"
    # What was paid another way than through Stripe, or with a later invoice, has no payment.
    if is_paid and invoice.payments:
        least = invoice.charged - invoice.credited - invoice.paid_elsewhere
        if not least <= invoice.paid <= invoice.charged + invoice.overpaid:
            yield f"is paid with {invoice.charged}, its payments add up to {invoice.paid}"
    kept = invoice.paid - invoice.lost
    if not is_paid and invoice.is_settled and 0 < invoice.charged <= kept:
        yield f"is {invoice.status}, its payments add up to {invoice.paid} of {invoice.charged}"
    if is_paid and invoice.is_settled and invoice.amount_paid and not invoice.payments:
        yield f"is paid with {invoice.amount_paid.normalize():f} in Stripe, and no payment is known"
    known = min(max(invoice.charges_refunded, invoice.refunded), invoice.charged)
    if known != invoice.amount_refunded:
        yield f"says that {invoice.amount_refunded} was refunded, its refunds add up to {known}"
    elif (
        invoice.refunded
        and invoice.charges_refunded != invoice.refunded
        and not invoice.failed_refunds
        and invoice.charges_refunded
    ):
        yield (
            f"had refunds of {invoice.refunded}, its charges say that {invoice.charges_refunded}"
            " was given back"
        )
