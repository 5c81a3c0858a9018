"""Verification of seals against the records as they are now, and against anchored heads."""

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from billing.models import BillingPeriod
from usage.models import PeriodSeal, SealChain, SealFingerprints
from usage.services.sealing import canonical
from usage.services.sealing.seals import fingerprint_blocks

# So long after its close a period may wait for its seal.
WAITING = dt.timedelta(hours=2)
_MAX_NAMED = 20
_SIZE = canonical.FINGERPRINT_BYTES

_IDS = "SELECT id, fingerprint FROM ({records}) AS r ORDER BY id".format(  # noqa: S608 - constants of canonical
    records=canonical.RECORDS.format(what=f"id, {canonical.FINGERPRINT} AS fingerprint")
)
_WORKSPACES_AT_ONCE = 200
_RECORDS_AT_ONCE = 20_000
_DIGEST_OF_NOTHING = hashlib.sha256().hexdigest()
# Of many periods at once; `canonical.RECORDS` draws the line at the ends of each period, this at
# those of all: what has the sealed digest all the same is what was sealed.
_OF_THESE = "workspace_id = ANY(%(workspaces)s) AND billing_period_id = ANY(%(periods)s)"
_DIGESTS = f"""
SELECT billing_period_id,
       encode(sha256(string_agg(fingerprint, ''::bytea ORDER BY id)), 'hex')
  FROM (SELECT workspace_id, billing_period_id, id, {canonical.FINGERPRINT} AS fingerprint
          FROM usage_usagerecord
         WHERE {_OF_THESE} AND NOT late AND occurred_at >= %(start)s AND occurred_at < %(end)s
        UNION ALL
        SELECT workspace_id, billing_period_id, id, {canonical.FINGERPRINT}
          FROM usage_usagerecord WHERE {_OF_THESE} AND late) AS records
 GROUP BY workspace_id, billing_period_id
"""  # noqa: S608 - constants of canonical


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed; `period` is a month such as "October 2026"."""

    workspace_id: UUID
    period: str
    detail: str
    period_id: UUID | None = None

    def __str__(self) -> str:
        return f"workspace {self.workspace_id}, {self.period}: {self.detail}"


class Head(NamedTuple):
    """The end of a workspace's chain: what an anchor keeps outside of the database."""

    workspace_id: UUID
    length: int
    digest: str


def heads(*, workspace_id: UUID | None = None) -> list[Head]:
    chains = SealChain.objects.filter(length__gt=0).order_by("workspace_id")
    if workspace_id is not None:
        chains = chains.filter(workspace_id=workspace_id)
    return [Head(each.workspace_id, each.length, each.head) for each in chains]


def verify_chain(
    *, workspace_id: UUID, now: dt.datetime, anchored: list[Head] | None = None
) -> list[Finding]:
    """What is wrong with the workspace's seals, its sealed records, or its chain as `anchored`."""
    return list(verify_chains([workspace_id], now=now, anchored=anchored))


def verify_chains(
    workspace_ids: Sequence[UUID], *, now: dt.datetime, anchored: list[Head] | None = None
) -> Iterator[Finding]:
    """The same of many workspaces, one after the other; a few queries for some hundred of them."""
    for at in range(0, len(workspace_ids), _WORKSPACES_AT_ONCE):
        some = workspace_ids[at : at + _WORKSPACES_AT_ONCE]
        seals: dict[UUID, list[PeriodSeal]] = {}
        for seal in (
            PeriodSeal.objects.filter(workspace_id__in=some)
            .select_related("billing_period__workspace")
            .order_by("sequence")
        ):
            seals.setdefault(seal.workspace_id, []).append(seal)
        chains = {each.workspace_id: each for each in SealChain.objects.filter(pk__in=some)}
        waiting: dict[UUID, list[Finding]] = {}
        for finding in _unsealed(some, now):
            waiting.setdefault(finding.workspace_id, []).append(finding)
        as_sealed = _as_sealed([seal for chain in seals.values() for seal in chain])
        for workspace_id in some:
            its = seals.get(workspace_id, [])
            before = ""
            for expected, seal in enumerate(its, start=1):
                yield from (_finding(seal, detail) for detail in _flaws(seal, expected, before))
                before = seal.digest
                if seal.pk not in as_sealed:
                    yield from (_finding(seal, detail) for detail in _changed_records(seal))
            yield from _flaws_of_head(workspace_id, chains.get(workspace_id), its)
            yield from _flaws_of_anchors(workspace_id, its, anchored or [])
            yield from waiting.get(workspace_id, [])


def _as_sealed(seals: Sequence[PeriodSeal]) -> set[UUID]:
    """Which of the smaller ones have the digest of their records; the others are looked at one by
    one, which says what has changed."""
    found: set[UUID] = set()
    some: list[PeriodSeal] = []
    records = 0
    for seal in seals:
        if seal.records > _RECORDS_AT_ONCE:
            continue
        if records + seal.records > _RECORDS_AT_ONCE:
            found |= _with_their_digest(some)
            some, records = [], 0
        some.append(seal)
        records += seal.records
    return found | _with_their_digest(some)


def _with_their_digest(seals: Sequence[PeriodSeal]) -> set[UUID]:
    wanted = {seal.billing_period_id: seal for seal in seals}
    periods = [seal.billing_period for seal in seals]
    digests = dict.fromkeys(wanted, _DIGEST_OF_NOTHING)
    if not seals:
        return set()
    with canonical.reading() as cursor:
        values: dict[str, Any] = {
            "workspaces": [seal.workspace_id for seal in seals],
            "periods": list(wanted),
            "start": min(each.period_start for each in periods),
            "end": max(each.period_end for each in periods),
        }
        cursor.execute(_DIGESTS, values)
        digests |= dict(cursor.fetchall())
    return {seal.pk for key, seal in wanted.items() if digests[key] == seal.records_digest}


def verify_period(*, period: BillingPeriod, now: dt.datetime) -> list[Finding]:
    """What is wrong with one period's seal, its sealed records, or its place in the chain."""
    seal = PeriodSeal.objects.filter(billing_period=period).first()
    if seal is None:
        waiting = _unsealed([period.workspace_id], now)
        return [each for each in waiting if each.period_id == period.pk]
    seal.billing_period = period
    earlier = PeriodSeal.objects.filter(workspace=period.workspace_id, sequence__lt=seal.sequence)
    before = earlier.order_by("-sequence").first()
    expected, digest = (before.sequence + 1, before.digest) if before else (1, "")
    flaws = [*_flaws(seal, expected, digest), *_changed_records(seal)]
    return [_finding(seal, detail) for detail in flaws]


def _finding(seal: PeriodSeal, detail: str) -> Finding:
    return Finding(seal.workspace_id, seal.billing_period.label, detail, seal.billing_period_id)


def _flaws(seal: PeriodSeal, expected: int, before: str) -> Iterator[str]:
    if seal.sequence != expected:
        yield f"seal {expected} of the chain is missing; number {seal.sequence} comes next"
    elif seal.previous_digest != before:
        yield f"seal {seal.sequence} does not follow the one before it"
    if canonical.digest_of(seal) != seal.digest:
        yield f"seal {seal.sequence} has been changed: its text does not have its digest"
    detail = _mac_flaw(seal.digest, seal.key_id, seal.mac)
    if detail:
        yield f"seal {seal.sequence} {detail}"


def _mac_flaw(text: str, key_id: str, mac: str) -> str:
    key = canonical.key_ids().get(key_id)
    if key is None:
        return f"was made with key {key_id}, which is none of SEAL_KEYS"
    if not hmac.compare_digest(canonical.mac_of(text, key), mac):
        return f"was not made with key {key_id}: it has been changed or replaced"
    return ""


def _changed_records(seal: PeriodSeal) -> Iterator[str]:
    """Each record that differs, named as far as what is there allows."""
    digest, count = hashlib.sha256(), 0
    for content, records, _, _ in fingerprint_blocks(seal):
        digest.update(content)
        count += records
    if digest.hexdigest() == seal.records_digest:
        return
    sealed = _sealed_fingerprints(seal)
    if hashlib.sha256(b"".join(sealed)).hexdigest() != seal.records_digest:
        yield "the fingerprints kept with the seal have been changed too; no record can be named"
    else:
        yield from _name_differences(sealed, _present(seal))
    yield f"{count} records where {seal.records} were sealed, or other ones"


def _sealed_fingerprints(seal: PeriodSeal) -> list[bytes]:
    blocks = SealFingerprints.objects.filter(seal=seal).order_by("position")
    content = b"".join(bytes(block.content) for block in blocks)
    return [content[at : at + _SIZE] for at in range(0, len(content), _SIZE)]


def _present(seal: PeriodSeal) -> list[tuple[UUID, bytes]]:
    with canonical.reading() as cursor:
        cursor.execute(_IDS, canonical.values_of(seal))
        return [(record_id, bytes(fingerprint)) for record_id, fingerprint in cursor]


def _name_differences(sealed: list[bytes], present: list[tuple[UUID, bytes]]) -> Iterator[str]:
    """Both are in the order of ids, so what is missing lies between two that are still there."""
    known = set(sealed)
    strange = [record_id for record_id, fingerprint in present if fingerprint not in known]
    there = {fingerprint: record_id for record_id, fingerprint in present}
    missing = [at for at, fingerprint in enumerate(sealed) if fingerprint not in there]
    # A changed record leaves one fingerprint missing and one strange between the same neighbours.
    for record_id in strange[:_MAX_NAMED]:
        yield f"record {record_id} has been changed, or added after the seal"
    gone = len(missing) - len(strange)
    if gone > 0:
        yield f"{gone} of {len(sealed)} records are gone"
    for at in missing[:_MAX_NAMED]:
        before = _neighbour(sealed, there, at, -1)
        after = _neighbour(sealed, there, at, 1)
        yield (
            f"what was sealed as {sealed[at].hex()} is not there any more; in the order of ids it"
            f" stood {f'after {before}' if before else 'first'}"
            f"{f', before {after}' if after else ', last'}"
        )
    if max(len(strange), len(missing)) > _MAX_NAMED:
        yield f"{len(strange)} strange and {len(missing)} missing in all"


def _neighbour(sealed: list[bytes], there: dict[bytes, UUID], at: int, step: int) -> UUID | None:
    at += step
    while 0 <= at < len(sealed):
        if sealed[at] in there:
            return there[sealed[at]]
        at += step
    return None


def _flaws_of_head(
    workspace_id: UUID, chain: SealChain | None, seals: list[PeriodSeal]
) -> Iterator[Finding]:
    last = seals[-1] if seals else None
    where = "end of the chain"
    if chain is None or not chain.length:
        if last is not None:
            yield Finding(workspace_id, where, "there are seals, and the chain's end is not kept")
        return
    text = canonical.chain_text(chain.workspace_id, chain.length, chain.head)
    if detail := _mac_flaw(text, chain.key_id, chain.mac):
        yield Finding(workspace_id, where, f"it {detail}")
    if last is None or (last.sequence, last.digest) != (chain.length, chain.head):
        there = f"ends with seal {last.sequence}" if last else "has no seal"
        detail = f"it should end with seal {chain.length} ({chain.head}), and {there}"
        yield Finding(workspace_id, where, detail)


def _flaws_of_anchors(
    workspace_id: UUID, seals: list[PeriodSeal], anchored: list[Head]
) -> Iterator[Finding]:
    digests = {seal.sequence: seal.digest for seal in seals}
    for head in anchored:
        if head.workspace_id == workspace_id and digests.get(head.length) != head.digest:
            there = digests.get(head.length, "missing")
            detail = f"seal {head.length} was anchored as {head.digest}, and is {there}"
            yield Finding(workspace_id, "anchor", detail)


def _unsealed(workspace_ids: Sequence[UUID], now: dt.datetime) -> Iterator[Finding]:
    periods = (
        BillingPeriod.objects.exclude(status=BillingPeriod.Status.CURRENT)
        .filter(workspace_id__in=workspace_ids, seal__isnull=True, finalized_at__lt=now - WAITING)
        .select_related("workspace")
        .order_by("period_start")
    )
    for period in periods:
        detail = f"closed {period.finalized_at:%Y-%m-%d %H:%M} UTC and has no seal"
        yield Finding(period.workspace_id, period.label, detail, period.pk)
