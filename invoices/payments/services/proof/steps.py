"""Steps of the proof, from usage records to payments: each has a name and one check."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from billing.models import BillingPeriod
from invoices.payments.services.ledger import (
    history_differences,
    payment_differences,
    stripe_differences,
)
from invoices.services.ledger import (
    adjustment_differences,
    e_invoice_differences,
    invoice_differences,
    item_differences,
    reversal_differences,
    tax_differences,
    total_differences,
)
from usage.services.ledger import (
    LedgerDifference,
    Scope,
    call_differences,
    counter_differences,
    record_differences,
    rollup_differences,
)


class Since(IntEnum):
    """How far a period has to be for a step to say something about it."""

    RECORDED = 0
    CLOSED = 1
    BILLED = 2


@dataclass(frozen=True, slots=True)
class Step:
    """`find` yields what does not agree in a scope: all, a workspace, or one of its periods."""

    name: str
    title: str
    proves: str
    find: Callable[[Scope], Iterable[LedgerDifference]]
    since: Since

    def applies_to(self, period: BillingPeriod, *, is_billed: bool) -> bool:
        reached = Since.RECORDED if period.is_current else Since.CLOSED
        return self.since <= (Since.BILLED if is_billed else reached)


# In the order of the money: each step rests on the one before it. A kind of document or amount
# that comes to be has its step here.
STEPS = (
    Step(
        "records",
        "Usage records",
        "nothing can change them, each costs what its own terms make, and those of closed months"
        " are the ones that were sealed",
        record_differences,
        Since.RECORDED,
    ),
    Step(
        "rollups",
        "Rollups",
        "sums by day, type, provider, rate, agent and model are those of the records",
        rollup_differences,
        Since.RECORDED,
    ),
    Step(
        "counters",
        "Counters",
        "the running totals that limits are compared with are the sums of the rollups",
        counter_differences,
        Since.RECORDED,
    ),
    Step(
        "adjustments",
        "Adjustments",
        "tiers, packages and included units, worked out anew, come to what the close has frozen",
        adjustment_differences,
        Since.CLOSED,
    ),
    Step(
        "totals",
        "Totals",
        "a closed month is its rollups, adjustments, fees, discounts, lines by hand and credit",
        total_differences,
        Since.CLOSED,
    ),
    Step(
        "reversals",
        "Late reversals",
        "what credit notes give back of usage that was taken back is that of its records, each"
        " once, and no other month is lowered by it",
        reversal_differences,
        Since.RECORDED,
    ),
    Step(
        "items",
        "Invoice items",
        "each line, made anew from the sums, is the one that was billed",
        item_differences,
        Since.BILLED,
    ),
    Step(
        "invoices",
        "Invoices",
        "each is the sum of its lines and its month's total rounded once; none is missing, and"
        " numbers have no gap",
        invoice_differences,
        Since.CLOSED,
    ),
    Step(
        "taxes",
        "Tax",
        "net and tax are those of the lines and of their rates",
        tax_differences,
        Since.BILLED,
    ),
    Step(
        "e_invoices",
        "E-invoices",
        "number, currency, net, tax, gross and amount due in the XML are those of the invoice or"
        " credit note",
        e_invoice_differences,
        Since.BILLED,
    ),
    Step(
        "stripe",
        "Stripe",
        "the invoice that Stripe asks for is ours",
        stripe_differences,
        Since.BILLED,
    ),
    Step(
        "payments",
        "Payments",
        "what was paid and given back makes up what invoices and months say",
        payment_differences,
        Since.BILLED,
    ),
    Step(
        "calls",
        "Calls",
        "calls and minutes by hour are those of the calls",
        call_differences,
        Since.RECORDED,
    ),
    Step(
        "history",
        "History",
        "documents, payments, months, and the terms that bills are made by are what their logged"
        " changes have made of them",
        history_differences,
        Since.RECORDED,
    ),
)
