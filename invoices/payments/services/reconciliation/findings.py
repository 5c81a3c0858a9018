"""What a run of the reconciliation has found: kept as rows, and told to finance."""

import datetime as dt
from collections.abc import Iterable

from billing.services.notifications import notify_finance
from billing.stripe_accounts import AccountName
from invoices.models import Invoice
from invoices.payments.models import Difference, ReconciliationRun, StripeSync
from invoices.payments.services.reconciliation.compare import Found

SOURCE = "reconciliation"


# A sync is normally done within seconds of the close; one that is younger is under way.
_SYNC_TAKES = dt.timedelta(hours=1)


def report_missing(run: ReconciliationRun, invoice: Invoice, now: dt.datetime) -> None:
    if invoice.status != Invoice.Status.DRAFT or now - invoice.issued_at < _SYNC_TAKES:
        return
    sync = StripeSync.objects.filter(pk=invoice.pk).first()
    why = sync.last_error if sync and sync.last_error else "not sent"
    store(
        run,
        [
            Found(
                Difference.Kind.MISSING_IN_STRIPE,
                invoice.status,
                why[:200],
                Difference.Remedy.SYNC,
            )
        ],
        account=invoice.stripe_account,
        invoice=invoice,
    )


def store(
    run: ReconciliationRun,
    differences: Iterable[Found],
    *,
    account: AccountName,
    invoice: Invoice | None,
    stripe_invoice_id: str = "",
) -> None:
    Difference.objects.bulk_create(
        [
            Difference(
                run=run,
                account=account,
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


def store_healed(run: ReconciliationRun, invoice: Invoice, found: Found, now: dt.datetime) -> None:
    run.healed += 1
    Difference.objects.create(
        run=run,
        account=invoice.stripe_account,
        invoice=invoice,
        stripe_invoice_id=invoice.stripe_invoice_id or "",
        kind=found.kind,
        ours=found.ours[:200],
        theirs=found.theirs[:200],
        resolved_at=now,
        resolved_by=SOURCE,
    )


def tell_finance(run: ReconciliationRun, left: list[Difference], now: dt.datetime) -> None:
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
