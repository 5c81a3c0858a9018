"""Verification of seals against the records as they are now, and against anchored heads."""

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
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
    seals = list(
        PeriodSeal.objects.filter(workspace_id=workspace_id)
        .select_related("billing_period__workspace")
        .order_by("sequence")
    )
    found: list[Finding] = []
    before = ""
    for expected, seal in enumerate(seals, start=1):
        found += [_finding(seal, detail) for detail in _flaws(seal, expected, before)]
        before = seal.digest
        found += [_finding(seal, detail) for detail in _changed_records(seal)]
    found += _flaws_of_head(workspace_id, seals)
    found += _flaws_of_anchors(workspace_id, seals, anchored or [])
    found += _unsealed(workspace_id, now)
    return found


def verify_period(*, period: BillingPeriod, now: dt.datetime) -> list[Finding]:
    """What is wrong with one period's seal, its sealed records, or its place in the chain."""
    seal = PeriodSeal.objects.filter(billing_period=period).first()
    if seal is None:
        return [each for each in _unsealed(period.workspace_id, now) if each.period_id == period.pk]
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


def _flaws_of_head(workspace_id: UUID, seals: list[PeriodSeal]) -> Iterator[Finding]:
    chain = SealChain.objects.filter(workspace_id=workspace_id).first()
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


def _unsealed(workspace_id: UUID, now: dt.datetime) -> Iterator[Finding]:
    periods = (
        BillingPeriod.objects.exclude(status=BillingPeriod.Status.CURRENT)
        .filter(workspace_id=workspace_id, seal__isnull=True, finalized_at__lt=now - WAITING)
        .select_related("workspace")
        .order_by("period_start")
    )
    for period in periods:
        detail = f"closed {period.finalized_at:%Y-%m-%d %H:%M} UTC and has no seal"
        yield Finding(workspace_id, period.label, detail, period.pk)
