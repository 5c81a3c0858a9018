"""The steps of a sync, written down before the first of them is taken."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from billing.errors import NotFound
from invoices.models import Invoice
from invoices.payments.models import StripeSync, StripeSyncStep
from invoices.payments.services.stripe_sync.params import StripeLine, lines_of

Kind = StripeSyncStep.Kind


def ensure_sync(*, invoice_id: UUID, now: dt.datetime) -> StripeSync:
    """The invoice's sync, begun if it was not. Raises `NotFound`."""
    if not Invoice.objects.filter(pk=invoice_id).exists():
        raise NotFound(f"There is no invoice {invoice_id}.")
    sync, _ = StripeSync.objects.get_or_create(
        invoice_id=invoice_id, defaults={"requested_at": now, "next_attempt_at": now}
    )
    return sync


def begin_syncs(*, invoice_ids: Sequence[UUID], now: dt.datetime) -> None:
    """Write the syncs of new invoices, inside the transaction that issues them: none is lost."""
    StripeSync.objects.bulk_create(
        [StripeSync(invoice_id=pk, requested_at=now, next_attempt_at=now) for pk in invoice_ids],
        ignore_conflicts=True,
    )


def stripe_lines(invoice: Invoice) -> dict[str, StripeLine]:
    """The lines of an invoice by subject, in their order; frozen with the invoice."""
    return {
        line.subject: line
        for line in lines_of(invoice, list(invoice.items.all()), list(invoice.taxes.all()))
    }


def write_steps(sync: StripeSync, invoice: Invoice, *, now: dt.datetime) -> None:
    """Write the steps of the sync's present build, inside the caller's transaction."""
    turns: list[tuple[Kind, str]] = [(Kind.CUSTOMER, "")]
    if sync.build > 1:
        turns.append((Kind.DISCARD, ""))
    turns.append((Kind.DRAFT, ""))
    turns += [(Kind.ITEM, subject) for subject in stripe_lines(invoice)]
    turns += [(Kind.COMPARE, ""), (Kind.FINALIZE, ""), (Kind.REPORT, "")]
    turns.append((Kind.SEND if invoice.collection_method == "send_invoice" else Kind.PAY, ""))
    StripeSyncStep.objects.bulk_create(
        [
            StripeSyncStep(
                sync=sync,
                build=sync.build,
                position=position,
                kind=kind,
                subject=subject,
                created_at=now,
            )
            for position, (kind, subject) in enumerate(turns, start=1)
        ]
    )


def next_build(sync: StripeSync) -> None:
    """Leave the present build behind; the next run writes the steps of the new one.

    Inside the caller's transaction, which saves `sync`.
    """
    StripeSyncStep.objects.filter(sync=sync, build=sync.build).exclude(
        status=StripeSyncStep.Status.DONE
    ).update(status=StripeSyncStep.Status.ABANDONED)
    sync.build += 1
