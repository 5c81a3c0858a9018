"""Recording a batch of usage: price, write, count, check limits, commit; each record's outcome."""

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from operator import attrgetter
from uuid import UUID

from django.db import OperationalError, connection, transaction

from billing.clocks import check_clock
from billing.services.periods import mark_metered, open_period
from usage.services.distribution import records_are_distributed
from usage.services.ingest.agents import strangers_of
from usage.services.ingest.checking import PricedRecord, Stored
from usage.services.ingest.findings import count_findings
from usage.services.ingest.known import answer_known, answer_repeats
from usage.services.ingest.parsing import RecordError
from usage.services.ingest.pricing import Priced, PricingTerms, price_records, unknown_workspace
from usage.services.ingest.pricing_terms import MAX_AGE_SECONDS, read_pricing_terms
from usage.services.ingest.writing import (
    LimitsNear,
    PricingTermsChanged,
    SomeAreKnown,
    Written,
    as_stored,
    write,
)
from usage.services.ingest.writing_apart import write_apart
from usage.services.limits import check_limits, spread_slot_allowance

# Each try meets a price or a period that changed a moment ago; more than a few in a row means that
# something else is wrong.
_MAX_TRIES = 8
_DEADLOCK = "40P01"
_TIMES_REFUSED = {"in_the_future", "too_old"}
# Whose terms are kept at a time.
_MAX_WORKSPACES = 20_000


class PricingTermsCache:
    """Pricing terms from one batch to the next, in one process.

    They may be out of date at any time: whoever writes by them has the database compare their
    versions and their periods in the same statement, and reads again when it refuses. Only what
    can be compared is kept: a workspace that is missing or closed is asked for each time.
    """

    def __init__(self) -> None:
        self._terms: dict[str, PricingTerms] = {}

    def of(self, workspace_ids: Sequence[str]) -> tuple[dict[str, PricingTerms], bool]:
        """Pricing terms by workspace id, and whether all of them were read just now."""
        # Row versions tell apart what was committed, not the steps of a transaction under way.
        if connection.in_atomic_block:
            return read_pricing_terms(workspace_ids), True
        oldest = time.monotonic() - MAX_AGE_SECONDS
        found: dict[str, PricingTerms] = {}
        missing: list[str] = []
        for workspace_id in workspace_ids:
            terms = self._terms.get(workspace_id)
            if terms is None or terms.read_at < oldest:
                missing.append(workspace_id)
            else:
                found[workspace_id] = terms
        if missing:
            found |= self.read(missing)
        return found, len(missing) == len(workspace_ids)

    def read(self, workspace_ids: Sequence[str]) -> dict[str, PricingTerms]:
        """Terms as they are now, kept from here on; unknown workspaces are missing."""
        read = read_pricing_terms(workspace_ids)
        if connection.in_atomic_block:
            return read
        if len(self._terms) + len(read) > _MAX_WORKSPACES:
            self._terms.clear()
        for workspace_id, terms in read.items():
            if terms.is_closed:
                self._terms.pop(workspace_id, None)
            else:
                self._terms[workspace_id] = terms
        return read


_terms_cache = PricingTermsCache()


class RecordOutcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


class Recorded:
    """What became of each record; `errors` in the order of their places, earlier refusals
    among them."""

    def __init__(
        self, records: Sequence[PricedRecord], created_at: dt.datetime, refused: list[RecordError]
    ) -> None:
        self._candidates = records
        self._created_at = created_at
        here = [each.refusal for each in records if each.refusal is not None]
        self.errors = sorted(refused + here, key=lambda error: error.index)
        self.duplicates = sum(each.existing is not None for each in records)
        self.accepted = len(records) - len(here) - self.duplicates

    def answer(self, position: int) -> tuple[RecordOutcome, Stored] | RecordError:
        """Of the record at `position` in the sequence that was given."""
        record = self._candidates[position]
        if record.refusal is not None:
            return record.refusal
        outcome = RecordOutcome.ACCEPTED if record.existing is None else RecordOutcome.DUPLICATE
        return outcome, as_stored(record, self._created_at)


def record_usage(
    records: Sequence[PricedRecord],
    *,
    now: dt.datetime,
    only_workspace: str | None = None,
    refused: Iterable[RecordError] = (),
    with_agents: bool = True,
) -> Recorded:
    """Write what is new, all or nothing; when this returns, it is committed.

    `only_workspace` (32 hex digits) hides every other workspace, as for a key bound to one.
    Without `with_agents` the answers do not know what only the calls say of agents.
    Raises `django.db.Error` when the database fails; nothing is written then.
    """
    wanted = records
    if only_workspace is not None:
        wanted = [each for each in records if each.workspace_id == only_workspace]
        if len(wanted) != len(records):
            for each in records:
                if each.workspace_id != only_workspace:
                    each.refusal = unknown_workspace(each.index)
    # Who a record is comes before whether it may be recorded: a retry is answered as one.
    if unfit := [each for each in wanted if each.refusal is not None]:
        answer_known(unfit)
        if any(each.refusal and each.refusal.code in _TIMES_REFUSED for each in unfit):
            check_clock()  # our own, before the sender's is blamed
        wanted = [each for each in wanted if each.refusal is None and each.existing is None]
    firsts = {each.id: each for each in reversed(wanted)}
    # As in the database's keys: neighbours go to the same pages of its indexes.
    new = sorted(firsts.values(), key=attrgetter("id"))
    new.sort(key=attrgetter("workspace_id"))
    if new:
        _record_new(new, now, with_agents=with_agents)
    if len(firsts) != len(wanted):
        answer_repeats(wanted, firsts, now)
    return Recorded(records, now, list(refused))


def _record_new(records: list[PricedRecord], now: dt.datetime, *, with_agents: bool) -> None:
    workspaces = sorted({each.workspace_id for each in records})
    named = [each for each in records if each.agent_id is not None]
    strangers = {each.id for each in strangers_of(named)} if named else set[str]()
    terms, just_read = _terms_cache.of(workspaces)
    # Kept for this batch: another one may ease a limit meanwhile, by less than this one needs.
    near = frozenset(period for each in terms.values() for period in each.near)
    all_new = True
    for _ in range(_MAX_TRIES):
        priced = price_records(records, terms, strangers)
        if priced.unusual and not just_read:
            # A period may have been opened or closed since, or a markup lowered: what is late, has
            # no period or costs too much shows only in terms of this moment.
            terms, just_read = _terms_cache.read(workspaces), True
            continue
        if priced.missing:
            for (workspace_id, *_), at in sorted(priced.missing.items()):
                open_period(workspace_id=UUID(workspace_id), at=at, now=now)
            terms = _terms_cache.read(workspaces)
            continue
        if priced.unmarked:
            mark_metered(priced.unmarked)
            for owner in terms.values():
                owner.metered |= priced.unmarked
        near |= priced.unbounded
        try:
            written = _write(
                priced, terms, now, all_new=all_new, near=near, with_agents=with_agents
            )
        except SomeAreKnown:
            all_new = False
        except PricingTermsChanged:
            terms, just_read = _terms_cache.read(workspaces), True
        except LimitsNear as found:
            near |= found.periods
        except OperationalError as error:
            # A deadlock is undone whole and may be tried again, unless more was undone with it.
            sqlstate = getattr(error.__cause__, "sqlstate", None)
            if sqlstate != _DEADLOCK or connection.in_atomic_block:
                raise
        else:
            break
    else:
        raise RuntimeError("prices and billing periods kept changing while usage was recorded")
    if len(priced.records) != len(records):
        # Recorded before the workspace was closed, or its markup raised, it is known all the same.
        answer_known([each for each in records if each.refusal is not None])
    if written.ids is not None:
        answer_known([each for each in priced.records if each.id not in written.ids])
    if written.agents:
        for each in priced.records:
            each.agent_of_call = written.agents.get(each.id)


def _write(
    priced: Priced,
    terms: Mapping[str, PricingTerms],
    now: dt.datetime,
    *,
    all_new: bool,
    near: frozenset[str],
    with_agents: bool,
) -> Written:
    """Write and count; where a period's limit is `near`, or finance should look at something, in
    one transaction with what follows from it. Raises `LimitsNear`, `SomeAreKnown` and
    `PricingTermsChanged`."""
    if not priced.records:
        return Written(0, None, {})
    checked = {
        workspace_id: mine
        for workspace_id, each in terms.items()
        if near and (mine := near.intersection(period.id for period in each.periods))
    }
    periods = frozenset[str]().union(*checked.values())
    # The statement is a transaction by itself when nothing follows it.
    in_transaction: AbstractContextManager[None] = nullcontext()
    is_apart = records_are_distributed()
    if checked or any(priced.findings) or connection.in_atomic_block or is_apart:
        in_transaction = transaction.atomic()
    with in_transaction:
        written = (write_apart if is_apart else write)(
            priced.records,
            terms,
            created_at=now,
            all_new=all_new,
            checked=periods,
            with_agents=with_agents,
        )
        if checked and written.new:
            check_limits(workspace_ids=list(checked), now=now)
            far = spread_slot_allowance(periods)
            for workspace_id, mine in checked.items():
                terms[workspace_id].near = mine - far
        if any(priced.findings):
            count_findings(priced.findings.of(written.ids), now=now)
    return written
