"""The trial close: every ended month as it would be billed, compared with the month before.

Where `CLOSE_NEEDS_APPROVAL` is on a month closes only after its trial was approved, by the rule for
ordinary ones or by a person, and only as what was approved.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from billing.models import BillingPeriod
from billing.money import ZERO
from invoices.models import Invoice, TrialInvoice
from invoices.services.closing.approval import changes_between, digest_of, snapshot_of
from invoices.services.closing.sums import CannotClose, Closing
from invoices.services.preview import ended_closings
from invoices.services.taxing import amounts_of

log = logging.getLogger(__name__)
CHUNK = 200
Kind = TrialInvoice.Kind
# What needs nobody to look at it.
_ORDINARY = (Kind.USUAL, Kind.NOTHING)


@dataclass
class TrialSummary:
    """How many periods were tried, how many of these wait to be approved, how many failed."""

    tried: int = 0
    waiting: int = 0
    failed: int = 0


def trial_close(*, now: dt.datetime, workspace_id: UUID | None = None) -> TrialSummary:
    """Try every month that has ended and is not closed. Killed anywhere and run again, each period
    has one trial; what was approved stays so while its bill is the same."""
    ended = BillingPeriod.objects.filter(status=BillingPeriod.Status.CURRENT, period_end__lte=now)
    if workspace_id is not None:
        ended = ended.filter(workspace=workspace_id)
    workspaces = list(
        ended.order_by("workspace_id").values_list("workspace_id", flat=True).distinct()
    )
    summary = TrialSummary()
    for start in range(0, len(workspaces), CHUNK):
        _try(workspaces[start : start + CHUNK], now, summary)
    return summary


def _try(workspace_ids: Sequence[UUID], now: dt.datetime, summary: TrialSummary) -> None:
    try:
        closings = ended_closings(workspace_ids, now)
    except (InterfaceError, OperationalError):
        raise  # no workspace is to blame for that
    except Exception as error:
        # Whatever it is, its close fails too and says so to finance; the others go on.
        if len(workspace_ids) == 1:
            is_known = isinstance(error, CannotClose)
            log.warning(
                "no trial of workspace %s: %s", *workspace_ids, error, exc_info=not is_known
            )
            summary.failed += 1
            return
        for workspace_id in workspace_ids:
            _try([workspace_id], now, summary)
        return
    _keep(closings, now)
    waiting = TrialInvoice.objects.filter(
        period__in=[closing.period.pk for closing in closings], approved_at__isnull=True
    )
    summary.tried += len(closings)
    summary.waiting += waiting.count()


def _keep(closings: Sequence[Closing], now: dt.datetime) -> None:
    before = _last_months(closings)
    with transaction.atomic():
        # Locked in order of their keys: trials run twice at once follow each other.
        known = {
            trial.period_id: trial
            for trial in TrialInvoice.objects.select_for_update()
            .filter(period__in=[closing.period.pk for closing in closings])
            .order_by("pk")
        }
        made = []
        for closing in closings:
            trial = known.get(closing.period.pk)
            snapshot = snapshot_of(closing)
            digest = digest_of(snapshot)
            status = closing.tax_status
            if trial is not None and trial.digest == digest:
                if trial.tax_status == status:
                    continue
                if trial.approved_at is not None:
                    # What was estimated is known now, and the same.
                    trial.tax_status = status
                    trial.save(update_fields=["tax_status"])
                    continue
            made.append(_trial(closing, snapshot, digest, trial, before, now))
        TrialInvoice.objects.bulk_create(
            made,
            update_conflicts=True,
            unique_fields=["period"],
            update_fields=[
                "made_at", "kind", "currency", "amount", "previous_amount", "digest", "snapshot",
                "changes", "tax_status", "approved_by", "approved_at",
            ],
        )  # fmt: skip
        _let_close([trial.period_id for trial in made if trial.approved_at is not None])


def _trial(
    closing: Closing,
    snapshot: dict[str, object],
    digest: str,
    earlier: TrialInvoice | None,
    before: dict[tuple[UUID, dt.datetime], Decimal],
    now: dt.datetime,
) -> TrialInvoice:
    period = closing.period
    billed = amounts_of(sum(closing.amounts, ZERO), closing.tax)["amount"]
    amount = billed if closing.is_billed else ZERO
    previous = before.get((period.workspace_id, period.period_start))
    kind = kind_of(amount, previous)
    # Without its tax nobody knows what it comes to.
    by_rule = kind in _ORDINARY and closing.tax_status != "unknown"
    changes = []
    if earlier is not None and (earlier.approved_at is not None or earlier.changes):
        # From what was approved on: what came since the last trial follows what came before it.
        known = earlier.changes if earlier.approved_at is None else []
        changes = [*known, *changes_between(earlier.snapshot, snapshot)]
    return TrialInvoice(
        period=period,
        made_at=now,
        kind=kind,
        currency=period.workspace.currency,
        amount=amount,
        previous_amount=previous,
        digest=digest,
        snapshot=snapshot,
        changes=changes,
        tax_status=closing.tax_status,
        approved_by=_rule() if by_rule else "",
        approved_at=now if by_rule else None,
    )


def kind_of(amount: Decimal, previous: Decimal | None) -> str:
    """How an amount compares with that of the month before."""
    if not previous:
        return Kind.NEW if amount else Kind.NOTHING
    if not amount:
        return Kind.GONE
    share = (amount - previous) / previous * 100
    if share > settings.TRIAL_CHANGE_PERCENTAGE:
        return Kind.UP
    return Kind.DOWN if share < -settings.TRIAL_CHANGE_PERCENTAGE else Kind.USUAL


def _rule() -> str:
    return f"the rule for changes of at most {settings.TRIAL_CHANGE_PERCENTAGE} %"


def _last_months(closings: Iterable[Closing]) -> dict[tuple[UUID, dt.datetime], Decimal]:
    """What the month that ended when each begins was invoiced."""
    periods = [closing.period for closing in closings]
    rows = (
        Invoice.objects.filter(
            workspace__in={period.workspace_id for period in periods},
            kind=Invoice.Kind.PERIOD,
            billing_period__period_end__in={period.period_start for period in periods},
        )
        .exclude(status=Invoice.Status.VOID)
        .order_by()
        .values_list("workspace_id", "billing_period__period_end", "amount")
    )
    return {(workspace, end): amount for workspace, end, amount in rows}


def approve(*, seen: Mapping[UUID, str], by: str, now: dt.datetime) -> list[BillingPeriod]:
    """Approve what waits of these periods, as it was seen: by the digest of each one's trial. One
    that was tried again meanwhile and comes to something else is left to be looked at. Those
    approved are returned."""
    with transaction.atomic():
        trials = list(
            TrialInvoice.objects.select_for_update(of=("self",))
            .select_related("period__workspace")
            .filter(
                period__in=list(seen),
                approved_at__isnull=True,
                period__status=BillingPeriod.Status.CURRENT,
            )
            .order_by("pk")
        )
        approved = [trial for trial in trials if trial.digest == seen[trial.period_id]]
        for trial in approved:
            trial.approved_by, trial.approved_at = by, now
            trial.save(update_fields=["approved_by", "approved_at"])
        _let_close([trial.period_id for trial in approved])
    return [trial.period for trial in approved]


def _let_close(period_ids: Sequence[UUID]) -> None:
    """What was refused for want of an approval, or for another bill than that, may close now."""
    BillingPeriod.objects.filter(pk__in=period_ids, close_failed_at__isnull=False).update(
        close_error="", close_failed_at=None
    )
