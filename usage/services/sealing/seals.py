"""Sealing of closed periods: outside the close's transaction, once each, in the order of a chain.

A closed period takes no record any more, so a seal may be made at any time after the close; the
sweep makes it within minutes. Killed at any point it leaves nothing, and the next run makes it.
"""

import datetime as dt
import hashlib
import logging
from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet, Sum

from billing.models import BillingPeriod, PeriodCounter
from usage.models import PeriodSeal, SealChain, SealFingerprints
from usage.services.sealing import canonical

log = logging.getLogger(__name__)

# A megabyte each.
BLOCK_RECORDS = 65_536
# What has been closed for longer and has no seal was sealed once and lost it, or never ran: a
# person decides (`verify_ledger --seal-missing`), since sealing would hide what was changed.
SWEEP_DAYS = 7
# A month end of thousands of workspaces is shared among several runs.
SWEEP_PERIODS = 2_000

_BLOCKS = """
SELECT string_agg(fingerprint, ''::bytea ORDER BY id), count(*), sum(total_cost), sum(final_cost)
  FROM (SELECT *, (row_number() OVER (ORDER BY id) - 1) / %(block)s AS block FROM ({records}) AS r
       ) AS numbered
 GROUP BY block ORDER BY block
""".format(  # noqa: S608 - constants of canonical
    records=canonical.RECORDS.format(
        what=f"id, total_cost, final_cost, {canonical.FINGERPRINT} AS fingerprint"
    )
)


class CannotSeal(Exception):
    """The records of a period are not what its counters say."""


def unsealed_periods(*, workspace_ids: Sequence[UUID]) -> list[UUID]:
    """Closed periods of these workspaces without a seal, in the order of time."""
    return list(_unsealed().filter(workspace_id__in=workspace_ids).values_list("pk", flat=True))


def _unsealed() -> "QuerySet[BillingPeriod]":
    closed = BillingPeriod.objects.exclude(status=BillingPeriod.Status.CURRENT)
    return closed.filter(seal__isnull=True).order_by("period_start", "pk")


def seal_closed_periods(*, now: dt.datetime) -> int:
    """Seal what was closed lately. How many seals were made; what cannot be sealed is logged."""
    lately = _unsealed().filter(finalized_at__gte=now - dt.timedelta(days=SWEEP_DAYS))
    made = 0
    for period_id in lately.values_list("pk", flat=True)[:SWEEP_PERIODS]:
        try:
            made += seal_period(period_id=period_id, now=now) is not None
        except CannotSeal:
            log.exception("a closed period cannot be sealed")
    return made


def seal_period(*, period_id: UUID, now: dt.datetime) -> PeriodSeal | None:
    """The period's new seal; None when it has one already.

    Raises `CannotSeal` for a period that is open, or whose records are not what it counted.
    """
    with transaction.atomic():
        period = BillingPeriod.objects.get(pk=period_id)
        chain = _locked_chain(period.workspace_id)
        if PeriodSeal.objects.filter(billing_period=period).exists():
            return None
        if period.is_current:
            raise CannotSeal(f"{period_id} is still open.")
        seal = PeriodSeal(
            workspace_id=period.workspace_id,
            billing_period=period,
            sequence=chain.length + 1,
            previous_digest=chain.head,
            records=0,
            total_cost=0,
            final_cost=0,
            sealed_at=now,
        )
        blocks = _read(seal)
        _compare_with_counters(seal)
        seal.digest = canonical.digest_of(seal)
        seal.key_id, key = next(iter(canonical.key_ids().items()))
        seal.mac = canonical.mac_of(seal.digest, key)
        seal.save(force_insert=True)
        for position, content in enumerate(blocks):
            SealFingerprints.objects.create(seal=seal, position=position, content=content)
        _move_head(chain, seal, key)
        return seal


def fingerprint_blocks(seal: PeriodSeal) -> Iterator[tuple]:
    """Fingerprints as they are now, in blocks: (bytes, records, total cost, price) each."""
    with canonical.reading() as cursor:
        cursor.execute(_BLOCKS, {"block": BLOCK_RECORDS, **canonical.values_of(seal)})
        for content, *sums in cursor:
            yield bytes(content), *sums


def _locked_chain(workspace_id: UUID) -> SealChain:
    SealChain.objects.get_or_create(workspace_id=workspace_id)
    return SealChain.objects.select_for_update().get(workspace_id=workspace_id)


def _read(seal: PeriodSeal) -> list[bytes]:
    """The period's fingerprints in blocks; fills in the seal's sums and digest."""
    digest = hashlib.sha256()
    blocks = []
    for content, records, total_cost, final_cost in fingerprint_blocks(seal):
        digest.update(content)
        blocks.append(content)
        seal.records += records
        seal.total_cost += total_cost
        seal.final_cost += final_cost
    seal.records_digest = digest.hexdigest()
    return blocks


def _compare_with_counters(seal: PeriodSeal) -> None:
    counted = PeriodCounter.objects.filter(period=seal.billing_period_id).aggregate(
        records=Sum("records", default=0),
        total_cost=Sum("total_cost", default=0),
        final_cost=Sum("final_cost", default=0),
    )
    found = {"records": seal.records, "total_cost": seal.total_cost, "final_cost": seal.final_cost}
    if found != counted:
        raise CannotSeal(f"period {seal.billing_period_id} has {found}, and counted {counted}")


def _move_head(chain: SealChain, seal: PeriodSeal, key: bytes) -> None:
    chain.length = seal.sequence
    chain.head = seal.digest
    chain.key_id = seal.key_id
    text = canonical.chain_text(chain.workspace_id, chain.length, chain.head)
    chain.mac = canonical.mac_of(text, key)
    chain.save()
