"""Collecting an invoice: its payment intent, the attempts at it, and what being paid means."""

from copy import deepcopy

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.resources.payments import attempt, cancel_intent, new_intent
from dev.stripe_sandbox.store import Object


def open_payment(ctx: Context, invoice: Object) -> None:
    """The payment intent an open invoice waits on, linked by an invoice payment."""
    intent = new_intent(
        ctx,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=f"Payment for Invoice {invoice['number']}",
        statement_descriptor=invoice["statement_descriptor"],
    )
    ctx.store.insert(
        ctx.new(
            "InvoicePayment",
            "inpay",
            amount_requested=invoice["amount_due"],
            currency=invoice["currency"],
            invoice=invoice["id"],
            is_default=True,
            payment={"payment_intent": intent["id"], "type": "payment_intent"},
            status="open",
        )
    )


def method_to_charge(ctx: Context, invoice: Object) -> Object | None:
    """The invoice's own method, else its customer's default one."""
    customer = ctx.get("customer", invoice["customer"])
    wanted = (
        invoice["default_payment_method"]
        or (_subscription_method(ctx, invoice))
        or customer["invoice_settings"]["default_payment_method"]
    )
    return ctx.store.find(wanted, "payment_method") if wanted else None


def charge_invoice(ctx: Context, invoice: Object, method: Object) -> Object:
    """Try once; a decline is counted, told by event, and raised as `ApiError` 402."""
    before = deepcopy(invoice)
    payment = default_payment(ctx, invoice)
    intent = ctx.get("payment_intent", payment["payment"]["payment_intent"])
    # A credit note, or money from elsewhere, may have lowered it since it was finalized.
    intent["amount"] = payment["amount_requested"] = invoice["amount_remaining"]
    ctx.store.save(payment)
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    try:
        attempt(ctx, intent, method)
    except ApiError as error:
        if not error.keep_effects:
            raise
        ctx.store.save(invoice)
        if error.error.get("decline_code") == "authentication_required":
            emit(ctx, "invoice.payment_action_required", invoice)
        emit(ctx, "invoice.payment_failed", invoice)
        emit(ctx, "invoice.updated", invoice, previous=before)
        raise
    return record_paid(ctx, invoice, before=before)


def record_paid(
    ctx: Context, invoice: Object, *, out_of_band: bool = False, before: Object | None = None
) -> Object:
    """Nothing remains: by a charge, outside of Stripe, or because nothing was due."""
    before = before or deepcopy(invoice)
    rest = invoice["amount_remaining"]
    invoice |= {
        "amount_paid": invoice["amount_paid"] + rest,
        "amount_paid_off_stripe": invoice["amount_paid_off_stripe"] + (rest if out_of_band else 0),
        "amount_remaining": 0,
        "attempted": True,
        "auto_advance": False,
        "status": "paid",
    }
    invoice["status_transitions"]["paid_at"] = ctx.now
    ctx.store.save(invoice)
    if invoice["amount_due"]:
        _settle_payment(ctx, invoice, rest, out_of_band=out_of_band or not rest)
    emit(ctx, "invoice.updated", invoice, previous=before)
    emit(ctx, "invoice.paid", invoice)
    if not out_of_band:
        emit(ctx, "invoice.payment_succeeded", invoice)
    return invoice


def default_payment(ctx: Context, invoice: Object) -> Object:
    payments = ctx.store.oldest_first("invoice_payment", lookup=invoice["id"])
    return next(payment for payment in payments if payment["is_default"])


def charge_of(ctx: Context, invoice: Object) -> Object | None:
    """The charge that paid the invoice; None if none did."""
    for payment in ctx.store.newest_first("invoice_payment", lookup=invoice["id"]):
        wanted = payment["payment"].get("payment_intent")
        intent = ctx.store.find(wanted, "payment_intent") if wanted else None
        if intent is not None and intent["status"] == "succeeded":
            return ctx.store.find(intent["latest_charge"], "charge")
    return None


def _settle_payment(ctx: Context, invoice: Object, amount: int, *, out_of_band: bool) -> None:
    payment = default_payment(ctx, invoice)
    if out_of_band:
        cancel_intent(ctx, payment["payment"]["payment_intent"], None)
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = ctx.now
        ctx.store.save(payment)
        return
    payment |= {"amount_paid": amount, "status": "paid"}
    payment["status_transitions"]["paid_at"] = ctx.now
    ctx.store.save(payment)
    emit(ctx, "invoice_payment.paid", payment)


def _subscription_method(ctx: Context, invoice: Object) -> str | None:
    if not invoice["parent"]:
        return None
    subscription = ctx.store.find(invoice["parent"]["subscription_details"]["subscription"])
    method: str | None = subscription["default_payment_method"] if subscription else None
    return method
