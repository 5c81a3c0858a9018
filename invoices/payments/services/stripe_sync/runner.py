"""Running a sync: take the steps that are left, and write down why when it stops.

Each step is committed before and after its request, so that a process may die anywhere.
"""

import datetime as dt
import logging
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from billing.services.work import Busy, Claim, LeaseLost
from invoices.models import Invoice
from invoices.payments.models import StripeSync, StripeSyncStep
from invoices.payments.services.stripe_errors import (
    StripeMissing,
    StripeRefused,
    StripeUnavailable,
)
from invoices.payments.services.stripe_sync.alerts import (
    tell_finance_of_blocked,
    tell_finance_of_stuck,
)
from invoices.payments.services.stripe_sync.plan import ensure_sync, next_build, write_steps
from invoices.payments.services.stripe_sync.retries import SYNCS
from invoices.payments.services.stripe_sync.run import Blocked, Run, StartOver
from invoices.payments.services.stripe_sync.steps import HANDLERS

log = logging.getLogger(__name__)

Status = StripeSync.Status
Reason = StripeSync.Reason
Kind = StripeSyncStep.Kind
# What is not to be collected any more: its draft, if there is one, stays a draft.
_ENDED = (Invoice.Status.PAID, Invoice.Status.VOID, Invoice.Status.UNCOLLECTIBLE)
# So many failures in a row take about a day.
STUCK_AFTER = 30
MAX_BUILDS = 10
_BEFORE_FINALIZED = (Kind.DRAFT, Kind.ITEM, Kind.COMPARE, Kind.FINALIZE)


@dataclass(frozen=True)
class SyncResult:
    """How a sync stands after a run; `busy` when another process is at it or it is not its time."""

    invoice_id: UUID
    status: StripeSync.Status
    detail: str = ""
    next_attempt_at: dt.datetime | None = None
    busy: bool = False

    @property
    def done(self) -> bool:
        return self.status == Status.DONE


def sync_invoice(*, invoice_id: UUID, now: dt.datetime) -> SyncResult:
    """Bring the invoice into Stripe, as far as it goes now; again changes nothing.

    Never raises for what Stripe does or does not do: that is the result's, and the sync's row.
    Raises `NotFound` for an unknown invoice.
    """
    sync = ensure_sync(invoice_id=invoice_id, now=now)
    try:
        with SYNCS.claimed(invoice_id, now) as claim:
            _run(claim)
            return _result(claim.row)
    except Busy:
        return _result(sync, busy=sync.status == Status.WAITING)
    except LeaseLost:
        log.warning("the sync of invoice %s took longer than its lease", invoice_id)
        sync.refresh_from_db()
        return _result(sync, busy=True)


def _run(claim: Claim[StripeSync]) -> None:
    sync = claim.row
    while True:
        run = _prepare(claim)
        if run is None:
            return
        try:
            for step in run.steps:
                ended = step.status in (StripeSyncStep.Status.DONE, StripeSyncStep.Status.FAILED)
                if not ended and not _take(run, step):
                    return
        except StartOver as reason:
            log.warning("invoice %s: %s; starting over", sync.pk, reason)
            with transaction.atomic():
                claim.lease.renew(claim.clock())
                next_build(sync)
                sync.save(update_fields=["build"])
            continue
        claim.done()
        return


def _prepare(claim: Claim[StripeSync]) -> Run | None:
    """The run of the present build, its steps written; None when there is nothing to sync."""
    sync, now = claim.row, claim.clock()
    sync.invoice.refresh_from_db(fields=["status"])
    with transaction.atomic():
        claim.lease.renew(now)
        steps = list(sync.steps.filter(build=sync.build))
        finalized = any(
            step.kind == Kind.FINALIZE and step.status == StripeSyncStep.Status.DONE
            for step in steps
        )
        if sync.invoice.status in _ENDED and not finalized:
            # There is nothing to collect.
            claim.done()
            return None
        if not steps:
            write_steps(sync, sync.invoice, now=now)
            steps = list(sync.steps.filter(build=sync.build))
    run = Run(claim=claim, steps=steps)
    if not finalized:
        # What was equal some time ago may have been edited since.
        run.step(Kind.COMPARE).status = StripeSyncStep.Status.PENDING
    return run


def _take(run: Run, step: StripeSyncStep) -> bool:
    """Whether the sync may go on to its next step."""
    try:
        try:
            HANDLERS[step.kind](run, step)
        except StripeMissing as error:
            if step.kind in _BEFORE_FINALIZED and run.sync.build < MAX_BUILDS:
                raise StartOver(error.detail) from error
            raise
        except StripeRefused:
            # Somebody may have finalized the draft by hand: then there is nothing left to refuse.
            if step.kind not in (Kind.ITEM, Kind.FINALIZE) or run.fetch()["status"] == "draft":
                raise
            HANDLERS[step.kind](run, step)
    except StripeUnavailable as error:
        _wait(run, step, error.detail, at_least=error.retry_after)
    except Busy as error:
        _wait(run, step, str(error))
    except StripeRefused as error:
        _block(run, step, Reason.REFUSED, error.detail)
    except Blocked as blocked:
        _block(run, step, blocked.reason, blocked.detail)
    except (StartOver, LeaseLost):
        raise
    except Exception as error:
        # An answer nobody thought of stops one invoice, in sight of finance, and not the rest.
        log.exception("invoice %s: %s", run.sync.pk, step.kind)
        _wait(run, step, f"Unexpected {type(error).__name__}: {error}")
    else:
        return True
    return False


def _wait(run: Run, step: StripeSyncStep, detail: str, *, at_least: float | None = None) -> None:
    step.status = StripeSyncStep.Status.WAITING
    step.last_error = detail
    with transaction.atomic():
        run.claim.retry_later(detail, at_least=at_least)
        step.save(update_fields=["status", "last_error"])
        if run.sync.attempts >= STUCK_AFTER:
            tell_finance_of_stuck(run.invoice, run.sync, now=run.clock())
    log.warning("invoice %s waits at %s: %s", run.sync.pk, step.kind, detail)


def _block(run: Run, step: StripeSyncStep, reason: StripeSync.Reason, detail: str) -> None:
    step.status = StripeSyncStep.Status.BLOCKED
    step.last_error = detail
    step.key_spent = True
    with transaction.atomic():
        run.claim.block(reason, detail)
        step.save(update_fields=["status", "last_error", "key_spent"])
        tell_finance_of_blocked(run.invoice, run.sync, now=run.clock())
    log.error("invoice %s is blocked at %s (%s): %s", run.sync.pk, step.kind, reason, detail)


def _result(sync: StripeSync, *, busy: bool = False) -> SyncResult:
    status = StripeSync.Status(sync.status)
    return SyncResult(
        invoice_id=sync.pk,
        status=status,
        detail=sync.last_error,
        next_attempt_at=sync.next_attempt_at if status == Status.WAITING else None,
        busy=busy,
    )
