"""Our invoices against what Stripe has told of its own: copies of dj-stripe, last comparison.

Stripe itself is asked by the reconciliation, each night or with `check_ledger --stripe`.
"""

from collections.abc import Iterator
from decimal import Decimal

from psycopg.types.json import Jsonb

from billing.money import CURRENCIES
from invoices.payments.models import Difference as StripeDifference
from invoices.payments.services.stripe_units import stripe_minor
from usage.services.ledger import LedgerDifference, Scope, rows

_TOTALS = """
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number,
       invoice.amount * (%(units)s::jsonb ->> invoice.currency)::numeric AS ours,
       invoice.currency, (copy.stripe_data ->> 'total')::numeric AS theirs,
       upper(copy.stripe_data ->> 'currency')
  FROM invoices_invoice AS invoice
  JOIN djstripe_invoice AS copy ON copy.id = invoice.stripe_invoice_id
 WHERE (invoice.amount * (%(units)s::jsonb ->> invoice.currency)::numeric
            <> (copy.stripe_data ->> 'total')::numeric
        OR invoice.currency <> upper(copy.stripe_data ->> 'currency'))
   AND (%(workspace)s::uuid IS NULL OR invoice.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR invoice.billing_period_id = %(period)s)
 ORDER BY 1, 2, 3
"""
_TIES = """
SELECT invoice.workspace_id, invoice.billing_period_id, invoice.number,
       invoice.stripe_invoice_id, period.stripe_invoice_id
  FROM invoices_invoice AS invoice
  JOIN billing_billingperiod AS period ON period.id = invoice.billing_period_id
 WHERE invoice.status <> 'void'
   AND invoice.stripe_invoice_id IS DISTINCT FROM period.stripe_invoice_id
   AND (%(workspace)s::uuid IS NULL OR invoice.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR invoice.billing_period_id = %(period)s)
 ORDER BY 1, 2, 3
"""


def stripe_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where an invoice in Stripe is not ours, or the last comparison left something open."""
    units = Jsonb({currency: stripe_minor(Decimal(1), currency) for currency in CURRENCIES})
    for workspace, period, number, *sides in rows(_TOTALS, scope, units=units):
        ours, currency, theirs, currency_ = sides
        detail = (
            f"{number} is {ours:.0f} {currency} in Stripe's units, in Stripe {theirs} {currency_}"
        )
        yield LedgerDifference("invoice and Stripe", workspace, period, detail)
    for workspace, period, number, ours, theirs in rows(_TIES, scope):
        detail = f"{number} is {ours or 'not'} in Stripe, its period says {theirs or 'none'}"
        yield LedgerDifference("invoice and Stripe", workspace, period, detail)
    left = StripeDifference.objects.filter(StripeDifference.OPEN).select_related("invoice", "run")
    if scope.workspace_id is not None:
        left = left.filter(invoice__workspace=scope.workspace_id)
    if scope.period is not None:
        left = left.filter(invoice__billing_period=scope.period)
    for found in left.order_by("kind", "pk"):
        invoice = found.invoice
        yield LedgerDifference(
            "invoice and Stripe",
            invoice.workspace_id if invoice else None,
            invoice.billing_period_id if invoice else None,
            f"{found}, as compared {found.run.started_at:%Y-%m-%d %H:%M} UTC",
        )
