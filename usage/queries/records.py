"""Look-ups of usage records by an id, without the workspace that leads their every index.

A record's primary key is (workspace, id), so that the table can be partitioned by workspace: an id
alone says nothing about where it lies. Whoever knows the workspace names it, which costs one
descent of one index. Here every workspace that the caller may see is tried, an index descent each
(some 2 µs, times the partitions): for a person's click or a correction, never for each use.
"""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from billing.id_ranges import IdRange
from billing.models import Workspace
from usage.models import UsageRecord
from usage.queries.meters import metered_prices, price_kind, subject_of

_CHUNK = 1_000


def records_between(ids: IdRange, *, workspace_ids: Sequence[UUID] | None) -> dict[UUID, UUID]:
    """The workspace of each of these records, by its id."""
    found: dict[UUID, UUID] = {}
    for records in _chunks(ids.of("pk"), workspace_ids):
        found |= dict(records.values_list("pk", "workspace_id"))
    return found


def find_record(record_id: UUID, *, workspace_ids: Sequence[UUID] | None) -> UsageRecord | None:
    """The record with this id in one of the workspaces; None for these means every one."""
    for records in _chunks(Q(pk=record_id), workspace_ids):
        if (record := records.first()) is not None:
            return record
    return None


def workspaces_with_calls(call_ids: IdRange, *, workspace_ids: Sequence[UUID] | None) -> list[UUID]:
    """Which of the workspaces have usage of some calls, as a rule one of one call;
    None means of every one."""
    found: list[UUID] = []
    for records in _chunks(call_ids.of("call"), workspace_ids):
        found += records.values_list("workspace_id", flat=True).distinct()
    return found


def whole_period_prices(records: "QuerySet[UsageRecord]") -> list[str]:
    """Which of the records' prices depend on their whole period, in words; as a rule none.

    Those records show list prices: what tiers, packages and included units make of these is known
    of a period, and shared out to no single record.
    """
    rate_ids = records.order_by().exclude(rate_id=None).values_list("rate_id", flat=True)
    return whole_period_prices_of(rate_ids.distinct())


def whole_period_prices_of(rate_ids: Iterable[UUID | None]) -> list[str]:
    """The same, by the rates of the records."""
    prices = metered_prices({each for each in rate_ids if each is not None})
    return sorted(f"{subject_of(rate)}: {price_kind(rate.price)}" for rate in prices.values())


def _chunks(wanted: Q, workspace_ids: Sequence[UUID] | None) -> "Iterator[QuerySet[UsageRecord]]":
    if workspace_ids is None:
        workspace_ids = list(Workspace.objects.order_by().values_list("pk", flat=True))
    for start in range(0, len(workspace_ids), _CHUNK):
        some = workspace_ids[start : start + _CHUNK]
        records = UsageRecord.objects.order_by()
        # One workspace as one value, which the planner sends to one partition.
        yield (
            records.filter(wanted, workspace=some[0])
            if len(some) == 1
            else records.filter(wanted, workspace__in=some)
        )
