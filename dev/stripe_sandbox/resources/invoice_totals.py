"""An invoice's amounts, from its lines and the customer's balance."""

from copy import deepcopy

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.money import minimum_charge
from dev.stripe_sandbox.store import Object


def recompute(ctx: Context, invoice: Object, *, tell: bool = True) -> Object:
    """Bring a draft's totals up to its lines and save it; ``tell`` as ``invoice.updated``."""
    before = deepcopy(invoice)
    lines = list(ctx.store.oldest_first("line_item", lookup=invoice["id"]))
    total = sum(line["amount"] for line in lines)
    invoice |= {
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
        "starting_balance": _balance(ctx, invoice),
    }
    due = max(0, total + invoice["starting_balance"])
    invoice |= {"amount_due": due, "amount_remaining": due}
    if invoice != before:
        ctx.store.save(invoice)
        if tell:
            emit(ctx, "invoice.updated", invoice, previous=before)
    return invoice


def due_and_ending_balance(invoice: Object) -> tuple[int, int]:
    """What is to be paid now, and what is left on the customer's balance, in minor units.

    A balance below zero is credit and pays first. Less than the minimum Stripe charges (50 cents)
    is not charged: it goes onto the balance, to be paid with a later invoice.
    """
    owed = invoice["total"] + invoice["starting_balance"]
    if owed < minimum_charge(invoice["currency"]):
        return 0, owed
    return owed, 0


def _balance(ctx: Context, invoice: Object) -> int:
    customer = ctx.store.find(invoice["customer"], "customer")
    return int(customer.get("balance") or 0) if customer else 0
