"""Disputes: opened by a test card or through the control plane, closed by either side."""

from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.lists import equals, page
from dev.stripe_sandbox.metadata import merged
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object

_OPEN = ("needs_response", "under_review")
_PURPOSE = "dispute_evidence"
# What of the evidence is the id of a file.
_FILES = frozenset(
    (
        "cancellation_policy customer_communication customer_signature"
        " duplicate_charge_documentation receipt refund_policy service_documentation"
        " shipping_documentation uncategorized_file"
    ).split()
)


@route("GET", "/v1/disputes/{id}", "DisputeRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("dispute", identifier)


@route("GET", "/v1/disputes", "DisputeListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    return page(
        ctx,
        "dispute",
        params,
        url="/v1/disputes",
        lookup=params.get("charge"),
        keep=equals(params, "payment_intent"),
    )


@route("POST", "/v1/disputes/{id}", "DisputeUpdateParams")
def update(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    dispute = ctx.get("dispute", identifier)
    evidence = params.get("evidence") or {}
    for name in _FILES & evidence.keys():
        if evidence[name] and ctx.get("file", evidence[name], param=name)["purpose"] != _PURPOSE:
            raise invalid(f"{evidence[name]} was not uploaded as {_PURPOSE}.", param=name)
    dispute["evidence"] |= evidence
    if "metadata" in params:
        dispute["metadata"] = merged(dispute["metadata"], params["metadata"])
    if params.get("submit", True) and params.get("evidence") and dispute["status"] in _OPEN:
        dispute["status"] = "under_review"
        dispute["evidence_details"] |= {"has_evidence": True, "submission_count": 1}
    ctx.store.save(dispute)
    emit(ctx, "charge.dispute.updated", dispute)
    return dispute


@route("POST", "/v1/disputes/{id}/close", "DisputeCloseParams")
def close(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    """The merchant gives in: the dispute is lost."""
    return end_dispute(ctx, ctx.get("dispute", identifier), status="lost")


def open_dispute(ctx: Context, charge: Object, *, reason: str) -> Object:
    """The cardholder takes the whole charge back."""
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise invalid("Only a charge that succeeded can be disputed, and only once.")
    dispute = ctx.new(
        "Dispute",
        "du",
        amount=charge["amount"],
        charge=charge["id"],
        currency=charge["currency"],
        is_charge_refundable=False,
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="needs_response",
    )
    dispute["evidence_details"]["due_by"] = ctx.now + 9 * 86_400
    ctx.store.insert(dispute)
    charge["disputed"] = True
    ctx.store.save(charge)
    emit(ctx, "charge.dispute.created", dispute)
    emit(ctx, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def end_dispute(ctx: Context, dispute: Object, *, status: str) -> Object:
    """``status`` is ``won`` (the money comes back) or ``lost``."""
    if dispute["status"] not in _OPEN:
        raise invalid("This dispute is already closed.", code="dispute_already_closed")
    before = dict(dispute)
    dispute["status"] = status
    ctx.store.save(dispute)
    if status == "won":
        emit(ctx, "charge.dispute.funds_reinstated", dispute)
    emit(ctx, "charge.dispute.closed", dispute, previous=before)
    return dispute
