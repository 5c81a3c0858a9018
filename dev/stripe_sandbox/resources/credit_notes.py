"""Credit notes: less to pay on an open invoice, or money back on a paid one."""

from copy import deepcopy
from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid, refuse_unsupported
from dev.stripe_sandbox.events import emit, save_and_emit
from dev.stripe_sandbox.lists import page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.money import check_amount, formatted
from dev.stripe_sandbox.resources.collection import charge_of, record_paid
from dev.stripe_sandbox.resources.fields import assign
from dev.stripe_sandbox.resources.refunds import refund_charge
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("POST", "/v1/credit_notes", "CreditNoteCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    refuse_unsupported(params, "shipping_cost")
    invoice = ctx.get("invoice", params["invoice"], param="invoice")
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise invalid(
            f"You can only create a credit note for an invoice that is open or paid; this one is "
            f"{invoice['status']}.",
            param="invoice",
        )
    lines = [_line(ctx, invoice, line) for line in params.get("lines", [])]
    amount = sum(line["amount"] for line in lines) if lines else params.get("amount", 0)
    if amount != params.get("amount", amount) or amount <= 0:
        raise invalid("The credit note's amount must be positive and equal its lines' sum.")
    check_amount(amount, invoice["currency"])
    paid = invoice["status"] == "paid"
    left = _creditable(ctx, invoice, paid=paid)
    if amount > left:
        raise invalid(
            f"The credit note's amount ({formatted(amount, invoice['currency'])}) exceeds what is "
            f"left to credit on the invoice ({formatted(left, invoice['currency'])}).",
            param="amount",
        )
    note = _new(ctx, invoice, params, amount=amount, paid=paid)
    ctx.store.insert(note)
    for line in lines or [_whole_line(ctx, amount)]:
        ctx.store.insert({**line, "credit_note": note["id"]})
    if paid:
        _give_back(ctx, invoice, note, params)
    else:
        _reduce(ctx, invoice, amount)
    ctx.store.save(note)
    emit(ctx, "credit_note.created", note)
    return note


@route("GET", "/v1/credit_notes/{id}", "CreditNoteRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("credit_note", identifier)


@route("GET", "/v1/credit_notes", "CreditNoteListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    return page(
        ctx,
        "credit_note",
        params,
        url="/v1/credit_notes",
        customer=params.get("customer"),
        lookup=params.get("invoice"),
    )


@route("GET", "/v1/credit_notes/{id}/lines", "CreditNoteListLinesParams")
def lines_of(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    ctx.get("credit_note", identifier)
    url = f"/v1/credit_notes/{identifier}/lines"
    return page(ctx, "credit_note_line_item", params, url=url, lookup=identifier, oldest_first=True)


@route("POST", "/v1/credit_notes/{id}", "CreditNoteUpdateParams")
def update(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    note = ctx.get("credit_note", identifier)
    before = deepcopy(note)
    assign(note, params, "memo")
    if "metadata" in params:
        note["metadata"] = merged(note["metadata"], params["metadata"])
    return save_and_emit(ctx, "credit_note.updated", note, before)


@route("POST", "/v1/credit_notes/{id}/void", "CreditNoteVoidCreditNoteParams")
def void(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    note = ctx.get("credit_note", identifier)
    invoice = ctx.get("invoice", note["invoice"])
    if note["status"] == "void" or note["type"] != "pre_payment" or invoice["status"] != "open":
        raise invalid("You can only void a credit note of an invoice that is still open.")
    note |= {"status": "void", "voided_at": ctx.now}
    ctx.store.save(note)
    _reduce(ctx, invoice, -note["amount"])
    emit(ctx, "credit_note.voided", note)
    return note


def _new(
    ctx: Context, invoice: Object, params: dict[str, Any], *, amount: int, paid: bool
) -> Object:
    number = ctx.store.count("credit_note", lookup=invoice["id"]) + 1
    note = ctx.new(
        "CreditNote",
        "cn",
        amount=amount,
        currency=invoice["currency"],
        customer=invoice["customer"],
        effective_at=params.get("effective_at", ctx.now),
        invoice=invoice["id"],
        memo=params.get("memo"),
        metadata=merged({}, params.get("metadata")),
        number=f"{invoice['number']}-CN-{number:02d}",
        post_payment_amount=amount if paid else 0,
        pre_payment_amount=0 if paid else amount,
        reason=params.get("reason"),
        refunds=[],
        status="issued",
        subtotal=amount,
        subtotal_excluding_tax=amount,
        total=amount,
        total_excluding_tax=amount,
        total_taxes=[],
        type="post_payment" if paid else "pre_payment",
    )
    del note["lines"]
    note["pdf"] = f"/pages/invoices/{invoice['id']}/pdf"
    return note


def _creditable(ctx: Context, invoice: Object, *, paid: bool) -> int:
    if not paid:
        return int(invoice["amount_remaining"])
    return int(invoice["amount_paid"] - invoice["post_payment_credit_notes_amount"])


def _reduce(ctx: Context, invoice: Object, amount: int) -> None:
    before = deepcopy(invoice)
    invoice["pre_payment_credit_notes_amount"] += amount
    invoice["amount_due"] -= amount
    invoice["amount_remaining"] -= amount
    ctx.store.save(invoice)
    if invoice["amount_remaining"] == 0:
        record_paid(ctx, invoice, before=before)
    else:
        emit(ctx, "invoice.updated", invoice, previous=before)


def _give_back(ctx: Context, invoice: Object, note: Object, params: dict[str, Any]) -> None:
    """Refund, credit to the balance, or outside of Stripe; together the note's amount."""
    refunded, credited = params.get("refund_amount", 0), params.get("credit_amount", 0)
    linked = [
        (ctx.get("refund", given["refund"], param="refunds"), given.get("amount_refunded"))
        for given in params.get("refunds", [])
    ]
    by_refunds = sum(amount or refund["amount"] for refund, amount in linked)
    outside = params.get("out_of_band_amount", 0)
    if refunded + credited + by_refunds + outside != note["amount"]:
        raise invalid(
            "The sum of refund_amount, credit_amount, out_of_band_amount and refunds must equal "
            f"the credit note's amount ({note['amount']}).",
            param="refund_amount",
        )
    note["out_of_band_amount"] = outside or None
    if refunded:
        charge = charge_of(ctx, invoice)
        if charge is None:
            raise invalid("The invoice has no charge to refund.", param="refund_amount")
        linked.append((refund_charge(ctx, charge, amount=refunded), refunded))
    note["refunds"] = [
        {
            "amount_refunded": amount or refund["amount"],
            "payment_record_refund": None,
            "refund": refund["id"],
            "type": "refund",
        }
        for refund, amount in linked
    ]
    if credited:
        customer = ctx.get("customer", invoice["customer"])
        customer["balance"] -= credited
        ctx.store.save(customer)
    before = deepcopy(invoice)
    invoice["post_payment_credit_notes_amount"] += note["amount"]
    save_and_emit(ctx, "invoice.updated", invoice, before)


def _line(ctx: Context, invoice: Object, given: dict[str, Any]) -> Object:
    refuse_unsupported(given, "tax_amounts", "tax_rates", "unit_amount_decimal")
    quantity, unit = given.get("quantity", 1), given.get("unit_amount")
    amount = given.get("amount", quantity * unit if unit is not None else None)
    source = None
    if given["type"] == "invoice_line_item":
        source = ctx.get("line_item", given.get("invoice_line_item", ""), param="lines")
        if source["invoice"] != invoice["id"]:
            raise invalid(f"The line {source['id']} is not on this invoice.", param="lines")
        amount = source["amount"] if amount is None else amount
    if amount is None:
        raise invalid("A line needs an amount or a unit_amount.", param="lines")
    return ctx.new(
        "CreditNoteLineItem",
        "cnli",
        amount=amount,
        description=given.get("description") or (source or {}).get("description"),
        invoice_line_item=source["id"] if source else None,
        metadata=merged({}, given.get("metadata")),
        quantity=quantity,
        taxes=[],
        type=given["type"],
        unit_amount=unit if unit is not None else amount,
    )


def _whole_line(ctx: Context, amount: int) -> Object:
    return ctx.new(
        "CreditNoteLineItem",
        "cnli",
        amount=amount,
        description="Credit",
        metadata={},
        quantity=1,
        taxes=[],
        unit_amount=amount,
    )
