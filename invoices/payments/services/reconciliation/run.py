"""One comparison of all recent invoices with Stripe, healing what a lost webhook left behind."""

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone as clock

from billing.services.notifications import notify_finance
from invoices.models import Invoice
from invoices.payments.models import Difference, ReconciliationRun, StripeSync
from invoices.payments.services import settle, stripe_client
from invoices.payments.services.payloads import (
    find_invoice,
    find_paid_invoice,
    id_in_metadata,
    minor,
    text,
    time_of,
)
from invoices.payments.services.reconciliation import compare
from invoices.payments.services.reconciliation.compare import Found
from invoices.payments.services.refresh import apply_state, read_state
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeFailure, StripeMissing, StripeRefused
from invoices.payments.services.stripe_units import from_stripe_minor

log = logging.getLogger(__name__)

SOURCE = "reconciliation"
_STILL_OWED = (*Invoice.UNPAID, Invoice.Status.UNCOLLECTIBLE)
# A sync is normally done within seconds of the close; one that is younger is under way.
_SYNC_TAKES = dt.timedelta(hours=1)
_BATCH = 100
# Clocks differ, and an invoice in Stripe is made after ours.
_MARGIN = dt.timedelta(days=2)


def reconcile(*, now: dt.datetime, days: int | None = None) -> list[Difference]:
    """Compare the invoices of the last `days` days, and all unpaid ones; what still differs.

    What Stripe knows better is taken over at once and stored as healed. Finance gets an e-mail
    when something is left. Raises `StripeFailure` where Stripe cannot be read; the run then says
    so. Must not be called inside a transaction.
    """
    run = ReconciliationRun.objects.create(
        started_at=now, days=settings.RECONCILE_DAYS if days is None else days
    )
    try:
        _compare_all(run, now)
    except StripeFailure as error:
        run.error = error.detail
        raise
    finally:
        run.finished_at = max(clock.now(), now)
        run.save(update_fields=["checked", "healed", "error", "finished_at"])
    left = list(run.differences.filter(Difference.OPEN).select_related("invoice"))
    with transaction.atomic():
        # What an earlier run found is found again above, or is no difference any more.
        Difference.objects.filter(Difference.OPEN).exclude(run=run).update(
            resolved_at=now, resolved_by="a later run"
        )
        if left:
            _tell_finance(run, left, now)
    return left


def _compare_all(run: ReconciliationRun, now: dt.datetime) -> None:
    """Page by page, so that memory does not grow with the number of invoices."""
    since = now - dt.timedelta(days=run.days)
    seen: set[str] = set()
    recent = stripe_client.every(
        "/v1/invoices", {"created": {"gte": int((since - _MARGIN).timestamp())}}
    )
    for page in _batches(recent):
        ids = [found["id"] for found in page]
        seen.update(ids)
        ours = {
            invoice.stripe_invoice_id: invoice
            for invoice in _invoices().filter(stripe_invoice_id__in=ids)
        }
        for found in page:
            if invoice := ours.get(found["id"]):
                _compare(run, invoice, found, now)
            else:
                _adopt_or_report(run, found, now)
    unseen = _invoices().filter(Q(issued_at__gte=since) | Q(status__in=_STILL_OWED))
    for invoice in unseen.order_by("issued_at", "number").iterator(chunk_size=_BATCH):
        if invoice.stripe_invoice_id is None:
            _report_missing(run, invoice, now)
        elif invoice.stripe_invoice_id not in seen:
            _compare_alone(run, invoice, now)
    _take_over_refunds(since, now)


def _invoices() -> QuerySet[Invoice]:
    return Invoice.objects.select_related("workspace", "billing_period").prefetch_related(
        "items", "taxes"
    )


def _batches(found: Iterable[StripeObject]) -> Iterator[list[StripeObject]]:
    iterator = iter(found)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _adopt_or_report(run: ReconciliationRun, found: StripeObject, now: dt.datetime) -> None:
    """An invoice in Stripe that carries our id and is tied to none of ours."""
    invoice_id = id_in_metadata(found, "invoice_id")
    if invoice_id is None or found.get("status") in ("draft", "void"):
        return
    invoice = find_invoice(found)
    if invoice is None:
        other = Invoice.objects.filter(pk=invoice_id).first()
        _store(
            run,
            [
                Found(
                    Difference.Kind.UNKNOWN_HERE,
                    f"{other.number} is {other.stripe_invoice_id}" if other else "nothing",
                    f"{found['id']} is {found.get('status')}",
                    # Only where ours is another one is it certain that nobody owes this.
                    Difference.Remedy.VOID_IN_STRIPE
                    if other and found.get("status") != "paid"
                    else "",
                )
            ],
            invoice=other,
            stripe_invoice_id=found["id"],
        )
    elif invoice.stripe_invoice_id is None:
        apply_state(invoice, read_state(found), now=now, source=SOURCE)
        _store_healed(
            run, invoice, Found(Difference.Kind.STATUS, invoice.status, found["status"]), now
        )


def _compare_alone(run: ReconciliationRun, invoice: Invoice, now: dt.datetime) -> None:
    """One that is older in Stripe than what was listed, or not there."""
    stripe_id = invoice.stripe_invoice_id or ""
    try:
        found = stripe_client.get(f"/v1/invoices/{stripe_id}")
    except StripeMissing:
        run.checked += 1
        _store(
            run,
            [Found(Difference.Kind.MISSING_IN_STRIPE, invoice.status, "nothing")],
            invoice=invoice,
            stripe_invoice_id=stripe_id,
        )
    else:
        _compare(run, invoice, found, now)


def _compare(
    run: ReconciliationRun, invoice: Invoice, found: StripeObject, now: dt.datetime
) -> None:
    run.checked += 1
    differences = [
        *compare.total_differences(invoice, found),
        *compare.item_differences(invoice, found),
    ]
    before, carried_before = invoice.status, invoice.carried_over
    payments_before = compare.payments_known(invoice)
    if not compare.same_status(invoice, found) or compare.needs_payments(invoice, found):
        state = read_state(found)
        apply_state(invoice, state, now=now, source=SOURCE)
        invoice.refresh_from_db(fields=["status", "carried_over"])
        differences += compare.payment_differences(invoice, state)
    differences += compare.status_difference(invoice, found)
    if (invoice.status, invoice.carried_over) != (before, carried_before):
        _store_healed(
            run, invoice, Found(Difference.Kind.STATUS, before, str(found["status"])), now
        )
    elif compare.payments_known(invoice) != payments_before:
        _store_healed(
            run,
            invoice,
            Found(
                Difference.Kind.PAYMENTS,
                str(payments_before),
                str(compare.payments_known(invoice)),
            ),
            now,
        )
    _store(run, differences, invoice=invoice, stripe_invoice_id=found["id"])


def _report_missing(run: ReconciliationRun, invoice: Invoice, now: dt.datetime) -> None:
    if invoice.status != Invoice.Status.DRAFT or now - invoice.issued_at < _SYNC_TAKES:
        return
    sync = StripeSync.objects.filter(pk=invoice.pk).first()
    why = sync.last_error if sync and sync.last_error else "not sent"
    _store(
        run,
        [
            Found(
                Difference.Kind.MISSING_IN_STRIPE,
                invoice.status,
                why[:200],
                Difference.Remedy.SYNC,
            )
        ],
        invoice=invoice,
    )


def _take_over_refunds(since: dt.datetime, now: dt.datetime) -> None:
    """Refunds whose webhooks were lost; each is known by its id, so taking it again is nothing."""
    try:
        refunds = list(
            stripe_client.every("/v1/refunds", {"created": {"gte": int(since.timestamp())}})
        )
    except StripeRefused as error:
        log.info("refunds cannot be listed: %s", error)
        return
    for refund in refunds:
        charge_id = text(refund.get("charge"))
        invoice = find_paid_invoice(
            charge_id=charge_id, payment_intent_id=text(refund.get("payment_intent"))
        )
        if invoice is not None:
            settle.note_refund(
                invoice_id=invoice.pk,
                refund_id=refund["id"],
                charge_id=charge_id,
                amount=from_stripe_minor(minor(refund.get("amount")), invoice.currency),
                status=text(refund.get("status")) or "pending",
                reason=text(refund.get("reason")),
                at=time_of(refund.get("created"), default=now),
                now=now,
                source=SOURCE,
            )


def _store(
    run: ReconciliationRun,
    differences: Iterable[Found],
    *,
    invoice: Invoice | None,
    stripe_invoice_id: str = "",
) -> None:
    Difference.objects.bulk_create(
        [
            Difference(
                run=run,
                invoice=invoice,
                stripe_invoice_id=stripe_invoice_id,
                kind=found.kind,
                ours=found.ours[:200],
                theirs=found.theirs[:200],
                remedy=found.remedy,
            )
            for found in differences
        ]
    )


def _store_healed(run: ReconciliationRun, invoice: Invoice, found: Found, now: dt.datetime) -> None:
    run.healed += 1
    Difference.objects.create(
        run=run,
        invoice=invoice,
        stripe_invoice_id=invoice.stripe_invoice_id or "",
        kind=found.kind,
        ours=found.ours[:200],
        theirs=found.theirs[:200],
        resolved_at=now,
        resolved_by=SOURCE,
    )


def _tell_finance(run: ReconciliationRun, left: list[Difference], now: dt.datetime) -> None:
    shown = left[:50]
    notify_finance(
        key=f"reconciliation:{run.pk}",
        subject=f"{len(left)} difference{'' if len(left) == 1 else 's'} between Stripe and us",
        paragraphs=[
            f"{run.checked} invoices were compared with Stripe, {run.healed} were brought up to "
            "date. These need a look:",
            *(f"{difference}." for difference in shown),
            *([f"And {len(left) - len(shown)} more."] if len(left) > len(shown) else []),
        ],
        about=run,
        now=now,
    )
