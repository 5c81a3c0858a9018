"""What Stripe does by itself as time passes: each minute, and when the clock is put forward."""

from contextlib import suppress

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError
from dev.stripe_sandbox.events import emit
from dev.stripe_sandbox.resources.invoice_lifecycle import finalize
from dev.stripe_sandbox.resources.subscriptions import end_subscription
from dev.stripe_sandbox.store import Object


def catch_up(ctx: Context) -> None:
    for invoice in list(ctx.store.oldest_first("invoice")):
        if _is_to_be_finalized(ctx, invoice):
            # Nobody waits for an answer: what went wrong is told by event.
            with suppress(ApiError):
                finalize(ctx, invoice)
        if _is_newly_overdue(ctx, invoice):
            invoice["_told_overdue"] = True
            ctx.store.save(invoice)
            emit(ctx, "invoice.overdue", invoice)
    for subscription in list(ctx.store.oldest_first("subscription")):
        ends = subscription["cancel_at"]
        if subscription["status"] != "canceled" and ends is not None and ends <= ctx.now:
            end_subscription(ctx, subscription)


def _is_to_be_finalized(ctx: Context, invoice: Object) -> bool:
    at = invoice["automatically_finalizes_at"]
    return invoice["status"] == "draft" and at is not None and at <= ctx.now


def _is_newly_overdue(ctx: Context, invoice: Object) -> bool:
    due = invoice["due_date"]
    late = invoice["status"] == "open" and due is not None and due <= ctx.now
    return late and not invoice.get("_told_overdue")
