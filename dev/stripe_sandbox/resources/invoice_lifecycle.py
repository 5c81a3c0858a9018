"""An invoice's way: draft -> open -> paid, void or uncollectible."""

from copy import deepcopy
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError, invalid
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.resources.collection import (
    charge_invoice,
    method_to_charge,
    open_payment,
    record_paid,
)
from dev.stripe_sandbox.resources.invoice_totals import due_and_ending_balance
from dev.stripe_sandbox.resources.invoices import take_customer_details
from dev.stripe_sandbox.resources.payment_methods import belonging_to
from dev.stripe_sandbox.resources.payments import cancel_intent
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("POST", "/v1/invoices/{id}/finalize", "InvoiceFinalizeInvoiceParams")
def finalize_endpoint(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    invoice = ctx.get("invoice", identifier)
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        )
    if "auto_advance" in params:
        invoice["auto_advance"] = params["auto_advance"]
    return finalize(ctx, invoice)


@route("POST", "/v1/invoices/{id}/send", "InvoiceSendInvoiceParams")
def send(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    invoice = ctx.get("invoice", identifier)
    if invoice["status"] == "draft":
        invoice = finalize(ctx, invoice)
    elif invoice["status"] not in ("open", "paid"):
        raise invalid(f"You can't send an invoice that is {invoice['status']}.")
    if invoice["collection_method"] != "send_invoice" and invoice["status"] != "paid":
        raise invalid(
            "You can only manually send an invoice if its collection method is 'send_invoice'."
        )
    emit(ctx, "invoice.sent", invoice)
    return invoice


@route("POST", "/v1/invoices/{id}/pay", "InvoicePayParams")
def pay(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    invoice = ctx.get("invoice", identifier)
    out_of_band, chosen = params.get("paid_out_of_band"), params.get("payment_method")
    if invoice["status"] == "draft":
        invoice = finalize(ctx, invoice, collect=False)
    if invoice["status"] == "paid":
        if invoice["amount_due"] == 0 and invoice["attempt_count"] == 0:
            return invoice
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "void":
        raise invalid("This invoice is void and can not be paid.")
    if out_of_band:
        return record_paid(ctx, invoice, out_of_band=True)
    method = (
        belonging_to(ctx, chosen, invoice["customer"], param="payment_method")
        if chosen
        else method_to_charge(ctx, invoice)
    )
    if method is None:
        raise invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please attach "
            "a PaymentMethod and make it the default, or pass one with `payment_method`."
        )
    return charge_invoice(ctx, invoice, method)


@route("POST", "/v1/invoices/{id}/void", "InvoiceVoidInvoiceParams")
def void(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return _end(ctx, identifier, "void", "voided", "voided_at", ("open", "uncollectible"))


@route("POST", "/v1/invoices/{id}/mark_uncollectible", "InvoiceMarkUncollectibleParams")
def mark_uncollectible(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return _end(
        ctx,
        identifier,
        "uncollectible",
        "marked_uncollectible",
        "marked_uncollectible_at",
        ("open",),
    )


def finalize(ctx: Context, invoice: Object, *, collect: bool = True) -> Object:
    """Freeze a draft: its number, its amounts and its pages; and charge it if it advances.

    A declined automatic charge leaves it open and is told by event, not by this answer.
    """
    before = deepcopy(invoice)
    customer = ctx.store.find(invoice["customer"], "customer")
    if customer is None or customer.get("deleted"):
        invoice["last_finalization_error"] = {
            "code": "customer_deleted",
            "message": "The customer has been deleted.",
            "type": "invalid_request_error",
        }
        invoice["automatically_finalizes_at"] = None
        ctx.store.save(invoice)
        emit(ctx, "invoice.finalization_failed", invoice, previous=before)
        raise ApiError(400, "The customer has been deleted.", keep_effects=True)
    take_customer_details(ctx, invoice, customer)
    if invoice["number"] is None:
        sequence = customer["next_invoice_sequence"]
        invoice["number"] = f"{customer['invoice_prefix']}-{sequence:04d}"
        customer["next_invoice_sequence"] = sequence + 1
    invoice["starting_balance"] = customer["balance"]
    due, ending_balance = due_and_ending_balance(invoice)
    customer["balance"] = ending_balance
    customer["currency"] = customer["currency"] or invoice["currency"]
    ctx.store.save(customer)
    page = f"/pages/invoices/{invoice['id']}"
    invoice |= {
        "automatically_finalizes_at": None,
        "amount_due": due,
        "amount_remaining": due,
        "effective_at": invoice["effective_at"] or ctx.now,
        "ending_balance": ending_balance,
        "hosted_invoice_url": page,
        "invoice_pdf": f"{page}/pdf",
        "status": "open",
    }
    invoice["status_transitions"]["finalized_at"] = ctx.now
    ctx.store.save(invoice)
    if due:
        open_payment(ctx, invoice)
    emit(ctx, "invoice.finalized", invoice)
    emit(ctx, "invoice.updated", invoice, previous=before)
    if not due:
        return record_paid(ctx, invoice)
    if collect and invoice["auto_advance"]:
        return advance(ctx, invoice)
    return invoice


def advance(ctx: Context, invoice: Object) -> Object:
    """What Stripe does by itself with an open invoice: charge it, or e-mail it."""
    if invoice["collection_method"] == "send_invoice":
        emit(ctx, "invoice.sent", invoice)
        return invoice
    method = method_to_charge(ctx, invoice)
    if method is None:
        before = deepcopy(invoice)
        invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
        ctx.store.save(invoice)
        emit(ctx, "invoice.payment_failed", invoice)
        emit(ctx, "invoice.updated", invoice, previous=before)
        return invoice
    try:
        return charge_invoice(ctx, invoice, method)
    except ApiError as error:
        if not error.keep_effects:
            raise
        return invoice


def _end(
    ctx: Context, identifier: str, status: str, verb: str, stamp: str, allowed: tuple[str, ...]
) -> Object:
    invoice = ctx.get("invoice", identifier)
    if invoice["status"] not in allowed:
        raise invalid(
            f"Only an invoice that is {' or '.join(allowed)} can be {verb.replace('_', ' ')}; this "
            f"one is {invoice['status']}."
        )
    before = deepcopy(invoice)
    invoice |= {"status": status, "auto_advance": False}
    invoice["status_transitions"][stamp] = ctx.now
    if status == "void":
        invoice["amount_remaining"] = 0
        for payment in list(ctx.store.newest_first("invoice_payment", lookup=identifier)):
            if payment["status"] == "open":
                payment["status"] = "canceled"
                payment["status_transitions"]["canceled_at"] = ctx.now
                ctx.store.save(payment)
                cancel_intent(ctx, payment["payment"]["payment_intent"], "void_invoice")
    ctx.store.save(invoice)
    emit(ctx, f"invoice.{verb}", invoice, previous=before)
    emit(ctx, "invoice.updated", invoice, previous=before)
    return invoice
