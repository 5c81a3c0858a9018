"""One comparison of all recent invoices with Stripe, healing what a lost webhook left behind."""

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone as clock

from billing.stripe_accounts import DEFAULT, AccountName, configured_accounts
from invoices.models import Invoice
from invoices.payments.models import Difference, ReconciliationRun
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
from invoices.payments.services.reconciliation.findings import (
    SOURCE,
    report_missing,
    store,
    store_healed,
    tell_finance,
)
from invoices.payments.services.refresh import apply_state, read_state
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeFailure, StripeMissing, StripeRefused
from invoices.payments.services.stripe_units import from_stripe_minor

log = logging.getLogger(__name__)

_STILL_OWED = (*Invoice.UNPAID, Invoice.Status.UNCOLLECTIBLE)
_BATCH = 100
# Clocks differ, and an invoice in Stripe is made after ours.
_MARGIN = dt.timedelta(days=2)


def reconcile(*, now: dt.datetime, days: int | None = None) -> list[Difference]:
    """Compare the invoices of the last `days` days, and all unpaid ones; what still differs.

    What Stripe knows better is taken over at once and stored as healed. Finance gets an e-mail
    when something is left. An account that cannot be read stops none of the others; then raises
    `StripeFailure`, and the run says so. Must not be called inside a transaction.
    """
    run = ReconciliationRun.objects.create(
        started_at=now, days=settings.RECONCILE_DAYS if days is None else days
    )
    read: list[AccountName] = []
    failure: StripeFailure | None = None
    try:
        for account in _accounts(run, now):
            try:
                _compare_account(run, account, now)
            except StripeFailure as error:
                said = error.detail if account == DEFAULT else f"{account}: {error.detail}"
                run.error = f"{run.error} {said}".strip()
                failure = failure or error
            else:
                read.append(account)
    finally:
        run.finished_at = max(clock.now(), now)
        run.save(update_fields=["checked", "healed", "error", "finished_at"])
    found = run.differences.filter(Difference.OPEN, account__in=read).select_related("invoice")
    left = list(found)
    with transaction.atomic():
        # What an earlier run found is found again above, or is no difference any more.
        Difference.objects.filter(Difference.OPEN, account__in=read).exclude(run=run).update(
            resolved_at=now, resolved_by="a later run"
        )
        if left:
            tell_finance(run, left, now)
    if failure is not None:
        raise failure
    return left


def _accounts(run: ReconciliationRun, now: dt.datetime) -> list[AccountName]:
    """Those of the settings, and those that invoices to compare are in: one that is not configured
    any more must not pass for compared."""
    known = configured_accounts()
    others = _to_compare(run, now).exclude(stripe_account__in=known).order_by("stripe_account")
    return [*known, *others.values_list("stripe_account", flat=True).distinct()]


def _to_compare(run: ReconciliationRun, now: dt.datetime) -> QuerySet[Invoice]:
    since = now - dt.timedelta(days=run.days)
    return Invoice.objects.filter(Q(issued_at__gte=since) | Q(status__in=_STILL_OWED))


def _compare_account(run: ReconciliationRun, account: AccountName, now: dt.datetime) -> None:
    """Page by page, so that memory does not grow with the number of invoices."""
    since = now - dt.timedelta(days=run.days)
    seen: set[str] = set()
    recent = stripe_client.every(
        account, "/v1/invoices", {"created": {"gte": int((since - _MARGIN).timestamp())}}
    )
    for page in _batches(recent):
        ids = [found["id"] for found in page]
        seen.update(ids)
        ours = {
            invoice.stripe_invoice_id: invoice
            for invoice in _with_parts(
                Invoice.objects.filter(stripe_account=account, stripe_invoice_id__in=ids)
            )
        }
        for found in page:
            if invoice := ours.get(found["id"]):
                _compare(run, invoice, found, now)
            else:
                _adopt_or_report(run, account, found, now)
    unseen = _with_parts(_to_compare(run, now).filter(stripe_account=account))
    for invoice in unseen.order_by("issued_at", "number").iterator(chunk_size=_BATCH):
        if invoice.stripe_invoice_id is None:
            report_missing(run, invoice, now)
        elif invoice.stripe_invoice_id not in seen:
            _compare_alone(run, invoice, now)
    _take_over_refunds(account, since, now)


def _with_parts(invoices: QuerySet[Invoice]) -> QuerySet[Invoice]:
    return invoices.select_related("workspace", "billing_period").prefetch_related("items", "taxes")


def _batches(found: Iterable[StripeObject]) -> Iterator[list[StripeObject]]:
    iterator = iter(found)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _adopt_or_report(
    run: ReconciliationRun, account: AccountName, found: StripeObject, now: dt.datetime
) -> None:
    """An invoice in Stripe that carries our id and is tied to none of ours."""
    invoice_id = id_in_metadata(found, "invoice_id")
    if invoice_id is None or found.get("status") in ("draft", "void"):
        return
    invoice = find_invoice(account, found)
    if invoice is None:
        other = Invoice.objects.filter(pk=invoice_id).first()
        store(
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
            account=account,
            invoice=other,
            stripe_invoice_id=found["id"],
        )
    elif invoice.stripe_invoice_id is None:
        apply_state(invoice, read_state(account, found), now=now, source=SOURCE)
        store_healed(
            run, invoice, Found(Difference.Kind.STATUS, invoice.status, found["status"]), now
        )


def _compare_alone(run: ReconciliationRun, invoice: Invoice, now: dt.datetime) -> None:
    """One that is older in Stripe than what was listed, or not there."""
    account, stripe_id = invoice.stripe_account, invoice.stripe_invoice_id or ""
    try:
        found = stripe_client.get(account, f"/v1/invoices/{stripe_id}")
    except StripeMissing:
        run.checked += 1
        store(
            run,
            [Found(Difference.Kind.MISSING_IN_STRIPE, invoice.status, "nothing")],
            account=account,
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
        state = read_state(invoice.stripe_account, found)
        apply_state(invoice, state, now=now, source=SOURCE)
        invoice.refresh_from_db(fields=["status", "carried_over"])
        differences += compare.payment_differences(invoice, state)
    differences += compare.status_difference(invoice, found)
    if (invoice.status, invoice.carried_over) != (before, carried_before):
        store_healed(run, invoice, Found(Difference.Kind.STATUS, before, str(found["status"])), now)
    elif compare.payments_known(invoice) != payments_before:
        store_healed(
            run,
            invoice,
            Found(
                Difference.Kind.PAYMENTS,
                str(payments_before),
                str(compare.payments_known(invoice)),
            ),
            now,
        )
    store(
        run,
        differences,
        account=invoice.stripe_account,
        invoice=invoice,
        stripe_invoice_id=found["id"],
    )


def _take_over_refunds(account: AccountName, since: dt.datetime, now: dt.datetime) -> None:
    """Refunds whose webhooks were lost; each is known by its id, so taking it again is nothing."""
    try:
        refunds = list(
            stripe_client.every(
                account, "/v1/refunds", {"created": {"gte": int(since.timestamp())}}
            )
        )
    except StripeRefused as error:
        log.info("refunds cannot be listed: %s", error)
        return
    for refund in refunds:
        charge_id = text(refund.get("charge"))
        invoice = find_paid_invoice(
            account,
            charge_id=charge_id,
            payment_intent_id=text(refund.get("payment_intent")),
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
