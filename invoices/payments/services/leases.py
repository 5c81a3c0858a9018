"""One process at a time works on a row, without a transaction held open while it does.

The row says who has it and until when. Taking it is one UPDATE, which PostgreSQL lets one caller
win; every later write renews it, and fails when it has been lost meanwhile. A killed process keeps
others out until its lease runs out, no longer. `docs/adr/0001-push-leases.md` weighs this against
advisory locks.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import Q

from invoices.payments.models import StripeCustomer, StripeSync

Leasable = StripeSync | StripeCustomer
Clock = Callable[[], dt.datetime]


class Busy(Exception):
    """Another process works on the row."""

    def __init__(self, row: str) -> None:
        super().__init__(f"{row} is being worked on.")


class LeaseLost(Exception):
    """It took longer than the lease, and somebody else may have gone on."""


@dataclass(frozen=True)
class Lease:
    model: type[Leasable]
    pk: UUID
    token: UUID

    def renew(self, now: dt.datetime) -> None:
        """Call it first in each transaction that writes what the lease protects."""
        kept = self.model.objects.filter(pk=self.pk, lease_token=self.token).update(
            lease_expires_at=now + duration()
        )
        if not kept:
            raise LeaseLost(f"{self.model.__name__} {self.pk}")

    def release(self) -> None:
        self.model.objects.filter(pk=self.pk, lease_token=self.token).update(
            lease_token=None, lease_expires_at=None
        )


def duration() -> dt.timedelta:
    """Longer than any one request to Stripe takes, with its turn in line."""
    return dt.timedelta(seconds=3 * settings.STRIPE_TIMEOUT_SECONDS + 30)


@contextmanager
def held(model: type[Leasable], pk: UUID, clock: Clock) -> Iterator[Lease]:
    """Hold the row's lease. Raises `Busy` when another process does.

    A process that is being killed does not give it back, nor does this for what is no `Exception`.
    """
    lease = Lease(model, pk, uuid4())
    now = clock()
    taken = (
        model.objects.filter(pk=pk)
        .filter(Q(lease_token__isnull=True) | Q(lease_expires_at__lte=now))
        .update(lease_token=lease.token, lease_expires_at=now + duration())
    )
    if not taken:
        raise Busy(f"{model._meta.verbose_name} {pk}")
    try:
        yield lease
    except Exception:
        lease.release()
        raise
    lease.release()


def running_clock(now: dt.datetime) -> Clock:
    """`now` and what has passed since, for work that goes on for a while."""
    started = time.monotonic()
    return lambda: now + dt.timedelta(seconds=time.monotonic() - started)
