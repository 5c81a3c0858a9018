"""Payment records: money that came outside of Stripe, and what invoice it is put to."""

from copy import deepcopy
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid, refuse_unsupported
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.money import check_amount, check_currency, formatted
from dev.stripe_sandbox.resources.collection import record_paid
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("POST", "/v1/payment_records/report_payment", "PaymentRecordReportPaymentParams")
def report(ctx: Context, params: dict[str, Any]) -> Object:
    refuse_unsupported(params, "failed", "shipping_details", "customer_presence")
    requested, details = params["amount_requested"], params["payment_method_details"]
    currency = check_currency(requested["currency"])
    value = check_amount(requested["value"], currency)
    if value <= 0:
        raise invalid("Invalid positive integer", param="amount_requested[value]")
    if params.get("outcome") != "guaranteed" or "guaranteed" not in params:
        raise invalid("The sandbox takes guaranteed payments only.", param="outcome")
    if params["initiated_at"] > ctx.now + 300:
        raise invalid("initiated_at must be in the past.", param="initiated_at")
    amount = {"currency": currency, "value": value}
    nothing = {"currency": currency, "value": 0}
    record = ctx.new(
        "PaymentRecord",
        "pr",
        amount=amount,
        amount_authorized=amount,
        amount_canceled=nothing,
        amount_failed=nothing,
        amount_guaranteed=amount,
        amount_refunded=nothing,
        amount_requested=amount,
        customer_details=params.get("customer_details"),
        description=params.get("description"),
        metadata=merged({}, params.get("metadata")),
        payment_method_details={"type": "custom", **details},
        processor_details=params.get("processor_details"),
        reported_by="self",
    )
    ctx.store.insert(record)
    return record


@route("GET", "/v1/payment_records/{id}", "PaymentRecordRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("payment_record", identifier)


@route("GET", "/v1/payment_records", "PaymentRecordListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    after, before = params.get("created_after"), params.get("created_before")
    return page(
        ctx,
        "payment_record",
        params,
        url="/v1/payment_records",
        keep=lambda record: (
            (after is None or record["created"] > after)
            and (before is None or record["created"] < before)
        ),
    )


@route("POST", "/v1/invoices/{id}/attach_payment", "InvoiceAttachPaymentParams")
def attach(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    refuse_unsupported(params, "payment_intent")
    invoice = ctx.get("invoice", identifier)
    record = ctx.get("payment_record", params.get("payment_record") or "", param="payment_record")
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"You can't attach a payment to an invoice that is {invoice['status']}.")
    if any(
        payment["payment"].get("payment_record") == record["id"]
        for payment in ctx.store.newest_first("invoice_payment")
    ):
        raise invalid("This payment record is already attached to an invoice.")
    value = record["amount"]["value"]
    if record["amount"]["currency"] != invoice["currency"] or value > invoice["amount_remaining"]:
        raise invalid(
            f"The payment ({formatted(value, invoice['currency'])}) is more than remains of the "
            f"invoice ({formatted(invoice['amount_remaining'], invoice['currency'])}).",
            param="payment_record",
        )
    payment = ctx.new(
        "InvoicePayment",
        "inpay",
        amount_paid=value,
        amount_requested=value,
        currency=invoice["currency"],
        invoice=invoice["id"],
        is_default=False,
        payment={"payment_record": record["id"], "type": "payment_record"},
        status="paid",
    )
    payment["status_transitions"]["paid_at"] = ctx.now
    ctx.store.insert(payment)
    before = deepcopy(invoice)
    invoice["amount_paid"] += value
    invoice["amount_paid_off_stripe"] += value
    invoice["amount_remaining"] -= value
    ctx.store.save(invoice)
    emit(ctx, "invoice_payment.paid", payment)
    if invoice["amount_remaining"] == 0:
        return record_paid(ctx, invoice, out_of_band=True, before=before)
    emit(ctx, "invoice.updated", invoice, previous=before)
    return invoice
