"""Durable work of every kind: found when due, claimed under a lease, tried again, blocked, ended.

Each kind of work is a model (`DurableWork`) with one `WorkKind`, made where its service is. A row
is worked on by one process at a time, without a transaction held open while it does: the row says
who has it and until when. Taking it is one UPDATE, which PostgreSQL lets one caller win; every
later write renews the lease, and fails when it was lost meanwhile. A killed process keeps others
out until its lease runs out, no longer. `docs/adr/0001-stripe-sync-leases.md` weighs this against
advisory locks.
"""

import datetime as dt
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from billing.errors import Conflict, NotFound
from billing.models.work import DurableWork
from billing.queue import enqueue

Clock = Callable[[], dt.datetime]
Row = TypeVar("Row", bound=DurableWork)
Status = DurableWork.Status
Reason = DurableWork.Reason
# How long work may lie in the queue before it is put there again.
IN_QUEUE = dt.timedelta(minutes=30)


class Busy(Exception):
    """Another process works on the row, or it is not to be worked on now."""

    def __init__(self, row: str) -> None:
        super().__init__(f"{row} is being worked on, or it is not its turn.")


class LeaseLost(Exception):
    """It took longer than the lease, and somebody else may have gone on."""


class NothingToRetry(Conflict):
    """It is done, or has ended."""

    code = "nothing_to_retry"


class CannotGiveUp(Conflict):
    """It is being worked on, has ended, or is of a kind that must not be given up."""

    code = "cannot_give_up"


@dataclass(frozen=True)
class Lease:
    model: type[DurableWork]
    pk: UUID
    token: UUID

    def renew(self, now: dt.datetime) -> None:
        """Call it first in each transaction that writes what the lease protects."""
        kept = self.model._default_manager.filter(pk=self.pk, lease_token=self.token).update(
            lease_expires_at=now + lease_duration()
        )
        if not kept:
            raise LeaseLost(f"{self.model.__name__} {self.pk}")

    def release(self) -> None:
        self.model._default_manager.filter(pk=self.pk, lease_token=self.token).update(
            lease_token=None, lease_expires_at=None
        )


@dataclass(frozen=True)
class Claim(Generic[Row]):
    """A row that this process tries now, and how the try ends: one of the methods, called once.

    Where the work was asked for anew during the try (`requested_at` moved), the try's end is not
    written: it waits for its next one.
    """

    kind: "WorkKind[Row]"
    row: Row
    lease: Lease
    clock: Clock

    def done(self) -> None:
        self._end(status=Status.DONE, finished_at=self.clock(), attempts=0, last_error="")

    def fail(self, error: str) -> None:
        """It has ended without success, and nobody tries it again."""
        self._end(status=Status.FAILED, finished_at=self.clock(), last_error=error)

    def block(self, reason: DurableWork.Reason, error: str) -> None:
        """Only a person, or a change of what it is about, can help it on."""
        self._end(status=Status.BLOCKED, blocked_reason=reason, last_error=error)

    def retry_later(self, error: str, *, at_least: float | None = None) -> None:
        """After a wait that grows with each try; blocked where the kind ends its tries."""
        most = self.kind.max_attempts
        if most is not None and self.row.attempts >= most:
            self.block(Reason.EXHAUSTED, error)
        else:
            wait = self.kind.wait(self.row.attempts, at_least)
            self._end(next_attempt_at=self.clock() + wait, last_error=error)

    def worked(self) -> None:
        """A part of it worked, inside the caller's transaction: this try is the first since."""
        if self.row.attempts > 1:
            self.row.attempts = 1
            self.row.save(update_fields=["attempts"])

    def _end(self, **fields: Any) -> None:
        with transaction.atomic():
            self.lease.renew(self.clock())
            written = self.kind.rows.filter(
                pk=self.row.pk, requested_at=self.row.requested_at
            ).update(**fields)
        if written:
            for name, value in fields.items():
                setattr(self.row, name, value)
        else:
            self.row.refresh_from_db()


class WorkKind(Generic[Row]):
    """A kind of work and its rules.

    `task` is started by name with a row's key. Waits between tries double from `first_wait` to
    `longest_wait`; after `max_attempts` the row is blocked, without it is tried for ever.
    """

    def __init__(
        self,
        model: type[Row],
        *,
        task: str,
        first_wait: dt.timedelta,
        longest_wait: dt.timedelta,
        max_attempts: int | None = None,
        may_be_given_up: bool = False,
        try_again: Callable[[UUID, dt.datetime], object] | None = None,
    ) -> None:
        self.model = model
        self.task = task
        self.first_wait = first_wait
        self.longest_wait = longest_wait
        self.max_attempts = max_attempts
        self.may_be_given_up = may_be_given_up
        self.try_again = try_again or self.retry_now
        _KINDS[model._meta.label_lower] = self

    @property
    def rows(self) -> Any:
        return self.model._default_manager

    def start(self, pk: UUID) -> None:
        """Have it tried once the surrounding transaction has committed; the sweep finds it too."""
        transaction.on_commit(lambda: enqueue(self.task, str(pk)))

    def due(self, *, now: dt.datetime, limit: int = 500) -> list[UUID]:
        """Rows to be tried now, marked as queued so that each is named once.

        Lost messages, dead brokers and killed processes all end here.
        """
        with transaction.atomic():
            found = list(
                self.rows.select_for_update(skip_locked=True)
                .filter(
                    Q(queued_at__isnull=True) | _is_over("queued_at", now - IN_QUEUE, IN_QUEUE),
                    _is_free(now),
                    status=Status.WAITING,
                    next_attempt_at__lte=now,
                )
                .order_by("next_attempt_at")
                .values_list("pk", flat=True)[:limit]
            )
            self.rows.filter(pk__in=found).update(queued_at=now)
        return found

    @contextmanager
    def claimed(self, pk: UUID, now: dt.datetime) -> Iterator[Claim[Row]]:
        """Try a row that is due. Raises `Busy` when it is not, or another process tries it."""
        clock = running_clock(now)
        due = Q(status=Status.WAITING, next_attempt_at__lte=now)
        with self._held(pk, clock, due, attempts=F("attempts") + 1, queued_at=None) as lease:
            claim = Claim(self, self.model.with_subjects().get(pk=pk), lease, clock)
            try:
                yield claim
            except (Busy, LeaseLost):
                raise
            except Exception as error:
                # A fault of ours must not be tried again and again without a pause.
                claim.retry_later(f"Unexpected {type(error).__name__}: {error}")
                raise

    @contextmanager
    def held(self, pk: UUID, clock: Clock) -> Iterator[Lease]:
        """Hold a row's lease, due or not. Raises `Busy` when another process does."""
        with self._held(pk, clock, Q()) as lease:
            yield lease

    @contextmanager
    def _held(self, pk: UUID, clock: Clock, which: Q, **changes: Any) -> Iterator[Lease]:
        """A process that is being killed does not give the lease back: `Exception` only."""
        lease = Lease(self.model, pk, uuid4())
        now = clock()
        taken = (
            self.rows.filter(which, pk=pk)
            .filter(_is_free(now))
            .update(lease_token=lease.token, lease_expires_at=now + lease_duration(), **changes)
        )
        if not taken:
            raise Busy(f"{self.model._meta.verbose_name} {pk}")
        try:
            yield lease
        except Exception:
            lease.release()
            raise
        lease.release()

    def wait(self, attempts: int, at_least: float | None = None) -> dt.timedelta:
        """How long to wait after so many tries in vain: a random half to the whole of the longest.

        Never less than `at_least` seconds, which the other side has asked for.
        """
        longest = min(self.longest_wait, self.first_wait * 2 ** min(attempts - 1, 20))
        # Spreads load; nothing to guess.
        share = random.uniform(0.5, 1)  # noqa: S311
        return dt.timedelta(seconds=at_least or 0) + longest * share

    def retry_now(self, pk: UUID, now: dt.datetime) -> Row:
        """Let a row that waits or is blocked be tried at once, as a person asks.

        Raises `NotFound` and `NothingToRetry`.
        """
        with transaction.atomic():
            row: Row = self.locked(pk)
            if row.status not in (Status.WAITING, Status.BLOCKED):
                raise NothingToRetry(f"{row} has ended: there is nothing to try again.")
            self.reset(row, now)
            return row

    def reset(self, row: Row, now: dt.datetime, **changes: Any) -> None:
        """As new, and started, inside the caller's transaction, which has locked `row`."""
        fields = {
            "status": Status.WAITING,
            "blocked_reason": "",
            "attempts": 0,
            "last_error": "",
            "next_attempt_at": now,
            "queued_at": None,
            "finished_at": None,
            **changes,
        }
        for name, value in fields.items():
            setattr(row, name, value)
        row.save(update_fields=list(fields))
        self.start(row.pk)

    def give_up(self, pk: UUID, now: dt.datetime) -> Row:
        """End a row that nobody is at work on without success. Raises `CannotGiveUp`."""
        with transaction.atomic():
            row: Row = self.locked(pk)
            at_work = row.lease_expires_at is not None and row.lease_expires_at > now
            if not self.may_be_given_up or at_work or row.status not in ("waiting", "blocked"):
                raise CannotGiveUp(f"{row} cannot be given up now.")
            row.status, row.blocked_reason, row.finished_at = Status.FAILED, "", now
            row.save(update_fields=["status", "blocked_reason", "finished_at"])
            return row

    def locked(self, pk: UUID) -> Row:
        row: Row | None = self.rows.select_for_update().filter(pk=pk).first()
        if row is None:
            raise NotFound(f"There is no {self.model._meta.verbose_name} {pk}.")
        return row


_KINDS: dict[str, WorkKind[Any]] = {}


def kinds() -> dict[str, WorkKind[Any]]:
    """Every kind of work there is, by its model's label."""
    return dict(_KINDS)


def start_due_work(*, now: dt.datetime) -> int:
    """Queue every piece of work that is due, of whatever kind; how many."""
    started = 0
    for kind in _KINDS.values():
        for pk in kind.due(now=now):
            enqueue(kind.task, str(pk))
            started += 1
    return started


def _is_free(now: dt.datetime) -> Q:
    return Q(lease_token__isnull=True) | _is_over("lease_expires_at", now, lease_duration())


def _is_over(field: str, limit: dt.datetime, longest: dt.timedelta) -> Q:
    """Before `limit`, or so long after it that only a clock which was ahead can have written it:
    a wait never begins with more than `longest`, and machines' clocks differ by less than that."""
    return Q(**{f"{field}__lte": limit}) | Q(**{f"{field}__gt": limit + 2 * longest})


def lease_duration() -> dt.timedelta:
    """Longer than any one request over the network takes, with its turn in line."""
    longest = max(
        settings.STRIPE_TIMEOUT_SECONDS,
        settings.EMAIL_TIMEOUT,
        settings.VIES_TIMEOUT_SECONDS,
        settings.WEBHOOK_TIMEOUT_SECONDS,
    )
    return dt.timedelta(seconds=3 * longest + 30)


def running_clock(now: dt.datetime) -> Clock:
    """`now` and what has passed since, for work that goes on for a while."""
    started = time.monotonic()
    return lambda: now + dt.timedelta(seconds=time.monotonic() - started)
