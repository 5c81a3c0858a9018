"""Each kind of step: what it asks of Stripe, how it finds what an earlier try did."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.db import transaction

from billing.queue import enqueue
from invoices.models import Invoice
from invoices.payments.models import StripeSync, StripeSyncStep
from invoices.payments.services import lookups, mirror, settle, stripe_client
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.reporting import has_unreported, report_payments
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import CardDeclined, StripeMissing, StripeRefused
from invoices.payments.services.stripe_requests import perform
from invoices.payments.services.stripe_sync.params import draft_params, item_params
from invoices.payments.services.stripe_sync.run import Blocked, Run, StartOver

Reason = StripeSync.Reason
# As whose news the invoice's history tells what happened.
SOURCE = "the sync to Stripe"


def find_customer(run: Run, step: StripeSyncStep) -> None:
    """Taken again after a refusal, so that changed details are in Stripe before what needs them."""
    run.begin(step)
    known = step.stripe_id
    customer_id = ensure_customer(
        workspace_id=run.invoice.workspace_id, account=run.account, now=run.clock()
    )
    if known not in ("", customer_id):
        raise StartOver(f"The customer is {customer_id} now, no longer {known}")
    run.done(step, customer_id)


def discard_drafts(run: Run, step: StripeSyncStep) -> None:
    """Delete the drafts of earlier builds, whatever customer they are for."""
    run.begin(step)
    for found in _ours(run):
        if found["status"] == "draft" and _build(found) != run.sync.build:
            try:
                stripe_client.delete(run.account, f"/v1/invoices/{found['id']}")
            except StripeMissing:
                continue
    run.done(step)


def make_draft(run: Run, step: StripeSyncStep) -> None:
    run.latest = _perform(
        run,
        step,
        path="/v1/invoices",
        params=lambda: draft_params(
            run.invoice,
            customer_id=run.customer_id,
            number=_number(run),
            build=run.sync.build,
            now=run.clock(),
        ),
        look_up=lambda: _adoptable(run),
        look_first=run.sync.build > 1,
    )
    run.done(step, run.latest["id"])


def add_item(run: Run, step: StripeSyncStep) -> None:
    if run.known()["status"] != "draft":
        # Finalized by an earlier try or by hand; the comparison tells whether it is right.
        run.done(step)
        return
    line = run.lines[step.subject]
    item = _perform(
        run,
        step,
        path="/v1/invoiceitems",
        params=lambda: item_params(
            run.invoice,
            line,
            customer_id=run.customer_id,
            stripe_invoice_id=run.stripe_invoice_id,
        ),
        look_up=lambda: run.items_in_stripe.get(step.subject),
    )
    run.done(step, item["id"])


def compare_total(run: Run, step: StripeSyncStep) -> None:
    """`total` and not `amount_due`, which a balance or the smallest charge changes."""
    run.begin(step)
    found = run.fetch()
    if found["status"] in ("void", "uncollectible"):
        raise Blocked(Reason.CHANGED, f"{found['id']} is {found['status']} in Stripe.")
    currency = run.invoice.currency
    if found["total"] != run.expected_total or found["currency"] != currency.lower():
        raise Blocked(
            Reason.MISMATCH,
            f"Stripe's total of {found['id']} is {found['total']} {found['currency'].upper()}, "
            f"ours is {run.expected_total} {currency} (in minor units).",
        )
    run.done(step, found["id"])


def finalize(run: Run, step: StripeSyncStep) -> None:
    if run.known()["status"] == "draft":
        run.latest = _perform(
            run,
            step,
            path=f"{run.path}/finalize",
            params=dict,
            look_up=lambda: _no_longer(run, "draft"),
        )
    found = run.known()
    now = run.clock()
    with transaction.atomic():
        # Locks workspace, period and invoice before the sync, as everything does.
        settle.mark_open(
            invoice_id=run.invoice.pk,
            stripe_invoice_id=found["id"],
            hosted_invoice_url=found.get("hosted_invoice_url") or "",
            now=now,
            source=SOURCE,
        )
        settle.note_carried_in(
            invoice_id=run.invoice.pk, amount=settle.carried_in(found, run.invoice.currency)
        )
        run.lease.renew(now)
        run.note_done(step, found["id"])
    mirror.keep_invoice(run.account, found)
    _settle_if_paid(run, found)


def report(run: Run, step: StripeSyncStep) -> None:
    """Credit that was used for it, and what was paid of it already: Stripe charges the rest."""
    run.begin(step)
    _report_payments(run)
    run.done(step)


def send(run: Run, step: StripeSyncStep) -> None:
    """Have Stripe mail it, which it cannot always do: the customer has it from us as well."""
    if run.known()["status"] == "open":
        try:
            run.latest = _perform(
                run,
                step,
                path=f"{run.path}/send",
                params=dict,
                look_up=lambda: _no_longer(run, "open"),
            )
        except StripeRefused as error:
            run.failed(step, error.detail)
            return
    run.done(step)


def pay(run: Run, step: StripeSyncStep) -> None:
    """Charge the customer's card. A decline is an answer, not a failure of the sync.

    What follows from it comes with Stripe's webhook, like all other news of payments.
    """
    if run.known()["status"] == "open":
        _report_payments(run)  # what was paid since the step before
    if run.known()["status"] == "open" and _is_owed(run):
        try:
            run.latest = _perform(
                run,
                step,
                path=f"{run.path}/pay",
                params=dict,
                look_up=lambda: _no_longer(run, "open"),
            )
        except StripeRefused as error:
            run.failed(step, error.detail)
            _settle_if_paid(run, run.fetch())
            if not isinstance(error, CardDeclined):
                _note_no_payment_method(run)
            return
    run.done(step)
    _settle_if_paid(run, run.known())


HANDLERS: dict[str, Callable[[Run, StripeSyncStep], None]] = {
    StripeSyncStep.Kind.CUSTOMER: find_customer,
    StripeSyncStep.Kind.DISCARD: discard_drafts,
    StripeSyncStep.Kind.DRAFT: make_draft,
    StripeSyncStep.Kind.ITEM: add_item,
    StripeSyncStep.Kind.COMPARE: compare_total,
    StripeSyncStep.Kind.FINALIZE: finalize,
    StripeSyncStep.Kind.REPORT: report,
    StripeSyncStep.Kind.SEND: send,
    StripeSyncStep.Kind.PAY: pay,
}


def _perform(
    run: Run,
    step: StripeSyncStep,
    *,
    path: str,
    params: Callable[[], dict[str, Any]],
    look_up: Callable[[], StripeObject | None],
    look_first: bool = False,
) -> StripeObject:
    return perform(
        step,
        account=run.account,
        lease=run.lease,
        clock=run.clock,
        key=run.key(step),
        path=path,
        params=params,
        look_up=look_up,
        look_first=look_first,
    )


def _ours(run: Run) -> list[StripeObject]:
    """What carries our invoice's id, of every customer that any build was for."""
    customers = (
        StripeSyncStep.objects.filter(sync=run.sync, kind=StripeSyncStep.Kind.CUSTOMER)
        .exclude(stripe_id="")
        .order_by("build")
        .values_list("stripe_id", flat=True)
    )
    return lookups.invoices_of(
        run.account,
        invoice_id=run.invoice.pk,
        customer_ids=dict.fromkeys([*customers, run.customer_id]),
    )


def _adoptable(run: Run) -> StripeObject | None:
    """What an earlier try made: first what is finalized, then the draft of this build."""
    ours = _ours(run)
    finalized = [found for found in ours if found["status"] not in ("draft", "void")]
    if len(finalized) > 1:
        ids = ", ".join(found["id"] for found in finalized)
        raise Blocked(Reason.CHANGED, f"Stripe has more than one finalized invoice: {ids}.")
    if finalized:
        return finalized[0]
    # A void one of an earlier build is what somebody wanted replaced.
    return next((found for found in ours if _build(found) == run.sync.build), None)


def _number(run: Run) -> str:
    """Our number; Stripe does not give it twice, not even to what replaces a voided invoice."""
    number = run.invoice.number
    if run.sync.build > 1 and any(found.get("number") == number for found in _ours(run)):
        return f"{number}-{run.sync.build}"
    return number


def _build(found: StripeObject) -> int:
    text = (found.get("metadata") or {}).get("build", "")
    return int(text) if text.isdecimal() else 0


def _report_payments(run: Run) -> None:
    if has_unreported(run.invoice.pk):
        report_payments(invoice_id=run.invoice.pk, now=run.clock())
        _settle_if_paid(run, run.fetch())


def _no_longer(run: Run, status: str) -> StripeObject | None:
    found = run.fetch()
    return found if found["status"] != status else None


def _is_owed(run: Run) -> bool:
    """Whether it still is: it may have been paid or written off between two tries."""
    run.invoice.refresh_from_db(fields=["status"])
    return run.invoice.status in Invoice.UNPAID


def _note_no_payment_method(run: Run) -> None:
    """Stripe had nothing to charge; saving a card charges the invoice then."""
    settle.note_no_payment_method(invoice_id=run.invoice.pk, now=run.clock(), source=SOURCE)
    # Unless it refused for another reason, or a card was saved this moment.
    enqueue("payments.refresh_payment_method", str(run.invoice.workspace_id), run.account)


def _settle_if_paid(run: Run, found: StripeObject) -> None:
    if found["status"] != "paid":
        return
    now = run.clock()
    paid_at = (found.get("status_transitions") or {}).get("paid_at")
    run.invoice.refresh_from_db(fields=["status"])
    settle.note_paid_in_stripe(
        run.invoice,
        found,
        paid_at=dt.datetime.fromtimestamp(paid_at, dt.UTC) if paid_at else now,
        now=now,
        source=SOURCE,
    )
