"""Invoice payments: how much of an invoice which payment intent paid."""

from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.lists import equals, page
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object


@route("GET", "/v1/invoice_payments/{id}", "InvoicePaymentRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("invoice_payment", identifier)


@route("GET", "/v1/invoice_payments", "InvoicePaymentListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    """By ``invoice``, or from a payment intent back to its invoice (``payment``)."""
    wanted = params.get("payment") or {}
    status = equals(params, "status")

    def keep(payment: Object) -> bool:
        return status(payment) and all(
            wanted.get(name) in (None, payment["payment"].get(name))
            for name in ("payment_intent", "payment_record")
        )

    return page(
        ctx,
        "invoice_payment",
        params,
        url="/v1/invoice_payments",
        lookup=params.get("invoice"),
        keep=keep,
    )
