"""Running a push: take the steps that are left, and write down why when it stops.

Each step is committed before and after its request, so that a process may die anywhere. The states
of a push: pending -> (waiting ->)* done, or parked until a person retries it.
"""

import datetime as dt
import logging
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from invoices.models import Invoice, InvoicePush, PushStep
from invoices.services import leases
from invoices.services.leases import Busy, Clock, Lease, LeaseLost
from invoices.services.push.alerts import tell_finance_of_parked, tell_finance_of_stuck
from invoices.services.push.plan import ensure_push, next_build, write_steps
from invoices.services.push.run import Parked, Run, StartOver
from invoices.services.push.steps import HANDLERS
from invoices.services.stripe_errors import (
    StripeMissing,
    StripeNotConfigured,
    StripeRefused,
    StripeUnavailable,
)
from invoices.services.stripe_requests import backoff

log = logging.getLogger(__name__)

Status = InvoicePush.Status
Reason = InvoicePush.Reason
Kind = PushStep.Kind
# What is not to be collected any more: its draft, if there is one, stays a draft.
_ENDED = (Invoice.Status.PAID, Invoice.Status.VOID, Invoice.Status.UNCOLLECTIBLE)
# So many failures in a row take about a day.
STUCK_AFTER = 30
MAX_BUILDS = 10
_BEFORE_FINALIZED = (Kind.DRAFT, Kind.ITEM, Kind.COMPARE, Kind.FINALIZE)


@dataclass(frozen=True)
class PushResult:
    """How a push stands after a run; `busy` when another process is at it or it is not its time."""

    invoice_id: UUID
    status: InvoicePush.Status
    detail: str = ""
    next_try_at: dt.datetime | None = None
    busy: bool = False

    @property
    def done(self) -> bool:
        return self.status == Status.DONE


def push_invoice(*, invoice_id: UUID, now: dt.datetime) -> PushResult:
    """Bring the invoice into Stripe, as far as it goes now; again changes nothing.

    Never raises for what Stripe does or does not do: that is the result's, and the push's row.
    Raises `NotFound` for an unknown invoice.
    """
    push = ensure_push(invoice_id=invoice_id, now=now)
    if push.status in (Status.DONE, Status.PARKED) or push.next_try_at > now:
        return _result(push, busy=push.status not in (Status.DONE, Status.PARKED))
    clock = leases.running_clock(now)
    try:
        with leases.held(InvoicePush, invoice_id, clock) as lease:
            push.refresh_from_db()
            if push.status not in (Status.DONE, Status.PARKED):
                _run(push, lease, clock)
            return _result(push)
    except Busy:
        return _result(push, busy=True)
    except LeaseLost:
        log.warning("the push of invoice %s took longer than its lease", invoice_id)
        push.refresh_from_db()
        return _result(push, busy=True)


def _run(push: InvoicePush, lease: Lease, clock: Clock) -> None:
    while True:
        run = _prepare(push, lease, clock)
        if run is None:
            return
        try:
            for step in run.steps:
                if step.status not in (PushStep.Status.DONE, PushStep.Status.FAILED):
                    _take(run, step)
                    if push.status != Status.PENDING:
                        return
        except StartOver as reason:
            log.warning("invoice %s: %s; starting over", push.pk, reason)
            with transaction.atomic():
                lease.renew(clock())
                next_build(push)
                push.save(update_fields=["build"])
            continue
        _finish(run)
        return


def _prepare(push: InvoicePush, lease: Lease, clock: Clock) -> Run | None:
    """The run of the present build, its steps written; None when there is nothing to push."""
    now = clock()
    invoice = Invoice.objects.select_related("workspace", "billing_period__workspace").get(
        pk=push.pk
    )
    with transaction.atomic():
        lease.renew(now)
        steps = list(push.steps.filter(build=push.build))
        finalized = any(
            step.kind == Kind.FINALIZE and step.status == PushStep.Status.DONE for step in steps
        )
        if invoice.status in _ENDED and not finalized:
            push.status = Status.DONE
            push.done_at = now
            push.last_error = f"The invoice is {invoice.status}: there is nothing to collect."
            push.save(update_fields=["status", "done_at", "last_error"])
            return None
        if not steps:
            write_steps(push, invoice, now=now)
            steps = list(push.steps.filter(build=push.build))
        push.status = Status.PENDING
        push.queued_at = None
        push.save(update_fields=["status", "queued_at"])
    run = Run(push=push, invoice=invoice, lease=lease, clock=clock, steps=steps)
    if not finalized:
        # What was equal some time ago may have been edited since.
        run.step(Kind.COMPARE).status = PushStep.Status.PENDING
    return run


def _take(run: Run, step: PushStep) -> None:
    try:
        try:
            HANDLERS[step.kind](run, step)
        except StripeMissing as error:
            if step.kind in _BEFORE_FINALIZED and run.push.build < MAX_BUILDS:
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
        _park(run, step, Reason.REFUSED, error.detail)
    except Parked as parked:
        _park(run, step, parked.reason, parked.detail)
    except (StartOver, LeaseLost):
        raise
    except Exception as error:
        # An answer nobody thought of stops one invoice, in sight of finance, and not the rest.
        log.exception("invoice %s: %s", run.push.pk, step.kind)
        _wait(run, step, f"Unexpected {type(error).__name__}: {error}")


def _wait(run: Run, step: PushStep, detail: str, *, retry_after: float | None = None) -> None:
    push, now = run.push, run.clock()
    push.status = Status.WAITING
    push.failures += 1
    push.last_error = detail
    push.next_try_at = now + backoff(push.failures, retry_after)
    step.status = PushStep.Status.WAITING
    step.last_error = detail
    with transaction.atomic():
        run.lease.renew(now)
        push.save(update_fields=["status", "failures", "last_error", "next_try_at"])
        step.save(update_fields=["status", "last_error"])
        if push.failures == STUCK_AFTER:
            tell_finance_of_stuck(run.invoice, push, now=now)
    log.warning("invoice %s waits at %s: %s", push.pk, step.kind, detail)


def _park(run: Run, step: PushStep, reason: InvoicePush.Reason, detail: str) -> None:
    push, now = run.push, run.clock()
    push.status = Status.PARKED
    push.reason = reason
    push.last_error = detail
    step.status = PushStep.Status.PARKED
    step.last_error = detail
    step.key_spent = True
    with transaction.atomic():
        run.lease.renew(now)
        push.save(update_fields=["status", "reason", "last_error"])
        step.save(update_fields=["status", "last_error", "key_spent"])
        tell_finance_of_parked(run.invoice, push, now=now)
    log.error("invoice %s is parked at %s (%s): %s", push.pk, step.kind, reason, detail)


def _finish(run: Run) -> None:
    push, now = run.push, run.clock()
    push.status = Status.DONE
    push.done_at = now
    push.last_error = ""
    with transaction.atomic():
        run.lease.renew(now)
        push.save(update_fields=["status", "done_at", "last_error"])


def _result(push: InvoicePush, *, busy: bool = False) -> PushResult:
    status = InvoicePush.Status(push.status)
    waits = status in (Status.PENDING, Status.WAITING)
    return PushResult(
        invoice_id=push.pk,
        status=status,
        detail=push.last_error,
        next_try_at=push.next_try_at if waits else None,
        busy=busy,
    )
