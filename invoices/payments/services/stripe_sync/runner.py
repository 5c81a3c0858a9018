"""Running a sync: take the steps that are left, and write down why when it stops.

Each step is committed before and after its request, so that a process may die anywhere. The states
of a sync: pending -> (waiting ->)* done, or blocked until a person retries it.
"""

import datetime as dt
import logging
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from invoices.models import Invoice
from invoices.payments.models import StripeSync, StripeSyncStep
from invoices.payments.services import leases
from invoices.payments.services.leases import Busy, Clock, Lease, LeaseLost
from invoices.payments.services.stripe_errors import (
    StripeMissing,
    StripeNotConfigured,
    StripeRefused,
    StripeUnavailable,
)
from invoices.payments.services.stripe_requests import backoff
from invoices.payments.services.stripe_sync.alerts import (
    tell_finance_of_blocked,
    tell_finance_of_stuck,
)
from invoices.payments.services.stripe_sync.plan import ensure_sync, next_build, write_steps
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
    next_try_at: dt.datetime | None = None
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
    if sync.status in (Status.DONE, Status.BLOCKED) or sync.next_try_at > now:
        return _result(sync, busy=sync.status not in (Status.DONE, Status.BLOCKED))
    clock = leases.running_clock(now)
    try:
        with leases.held(StripeSync, invoice_id, clock) as lease:
            sync.refresh_from_db()
            if sync.status not in (Status.DONE, Status.BLOCKED):
                _run(sync, lease, clock)
            return _result(sync)
    except Busy:
        return _result(sync, busy=True)
    except LeaseLost:
        log.warning("the sync of invoice %s took longer than its lease", invoice_id)
        sync.refresh_from_db()
        return _result(sync, busy=True)


def _run(sync: StripeSync, lease: Lease, clock: Clock) -> None:
    while True:
        run = _prepare(sync, lease, clock)
        if run is None:
            return
        try:
            for step in run.steps:
                if step.status not in (StripeSyncStep.Status.DONE, StripeSyncStep.Status.FAILED):
                    _take(run, step)
                    if sync.status != Status.PENDING:
                        return
        except StartOver as reason:
            log.warning("invoice %s: %s; starting over", sync.pk, reason)
            with transaction.atomic():
                lease.renew(clock())
                next_build(sync)
                sync.save(update_fields=["build"])
            continue
        _finish(run)
        return


def _prepare(sync: StripeSync, lease: Lease, clock: Clock) -> Run | None:
    """The run of the present build, its steps written; None when there is nothing to sync."""
    now = clock()
    invoice = Invoice.objects.select_related("workspace", "billing_period__workspace").get(
        pk=sync.pk
    )
    with transaction.atomic():
        lease.renew(now)
        steps = list(sync.steps.filter(build=sync.build))
        finalized = any(
            step.kind == Kind.FINALIZE and step.status == StripeSyncStep.Status.DONE
            for step in steps
        )
        if invoice.status in _ENDED and not finalized:
            sync.status = Status.DONE
            sync.done_at = now
            sync.last_error = f"The invoice is {invoice.status}: there is nothing to collect."
            sync.save(update_fields=["status", "done_at", "last_error"])
            return None
        if not steps:
            write_steps(sync, invoice, now=now)
            steps = list(sync.steps.filter(build=sync.build))
        sync.status = Status.PENDING
        sync.queued_at = None
        sync.save(update_fields=["status", "queued_at"])
    run = Run(sync=sync, invoice=invoice, lease=lease, clock=clock, steps=steps)
    if not finalized:
        # What was equal some time ago may have been edited since.
        run.step(Kind.COMPARE).status = StripeSyncStep.Status.PENDING
    return run


def _take(run: Run, step: StripeSyncStep) -> None:
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
        _wait(run, step, error.detail, retry_after=error.retry_after)
    except (Busy, StripeNotConfigured) as error:
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


def _wait(run: Run, step: StripeSyncStep, detail: str, *, retry_after: float | None = None) -> None:
    sync, now = run.sync, run.clock()
    sync.status = Status.WAITING
    sync.failures += 1
    sync.last_error = detail
    sync.next_try_at = now + backoff(sync.failures, retry_after)
    step.status = StripeSyncStep.Status.WAITING
    step.last_error = detail
    with transaction.atomic():
        run.lease.renew(now)
        sync.save(update_fields=["status", "failures", "last_error", "next_try_at"])
        step.save(update_fields=["status", "last_error"])
        if sync.failures == STUCK_AFTER:
            tell_finance_of_stuck(run.invoice, sync, now=now)
    log.warning("invoice %s waits at %s: %s", sync.pk, step.kind, detail)


def _block(run: Run, step: StripeSyncStep, reason: StripeSync.Reason, detail: str) -> None:
    sync, now = run.sync, run.clock()
    sync.status = Status.BLOCKED
    sync.reason = reason
    sync.last_error = detail
    step.status = StripeSyncStep.Status.BLOCKED
    step.last_error = detail
    step.key_spent = True
    with transaction.atomic():
        run.lease.renew(now)
        sync.save(update_fields=["status", "reason", "last_error"])
        step.save(update_fields=["status", "last_error", "key_spent"])
        tell_finance_of_blocked(run.invoice, sync, now=now)
    log.error("invoice %s is blocked at %s (%s): %s", sync.pk, step.kind, reason, detail)


def _finish(run: Run) -> None:
    sync, now = run.sync, run.clock()
    sync.status = Status.DONE
    sync.done_at = now
    sync.last_error = ""
    with transaction.atomic():
        run.lease.renew(now)
        sync.save(update_fields=["status", "done_at", "last_error"])


def _result(sync: StripeSync, *, busy: bool = False) -> SyncResult:
    status = StripeSync.Status(sync.status)
    waits = status in (Status.PENDING, Status.WAITING)
    return SyncResult(
        invoice_id=sync.pk,
        status=status,
        detail=sync.last_error,
        next_try_at=sync.next_try_at if waits else None,
        busy=busy,
    )
