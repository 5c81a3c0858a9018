"""Records whose key was there before: answered with what is stored, or refused.

Who a record is comes before whether it may be recorded: a retry is answered as one.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import connection

from billing.models import Workspace
from usage.services.ingest.agents import agents_of_calls
from usage.services.ingest.checking import PricedRecord, Stored
from usage.services.ingest.fields import FINAL
from usage.services.ingest.writing import as_stored

_STORED = """
SELECT id, workspace_id, call_id, resource_type, provider, quantity, unit_cost, total_cost,
       markup_percentage, final_cost, billing_period_id, late, idempotency_key, occurred_at,
       created_at, coalesce(billed_quantity, quantity), rate_id, model, cost_currency,
       exchange_rate, coalesce(cost_state, 'final'), agent_id
"""
_EXISTING = f"""
{_STORED}
  FROM usage_usagerecord WHERE workspace_id = %s::uuid AND id = ANY(%s::uuid[])
"""
_EXISTING_OF_MANY = f"""
{_STORED}
  FROM unnest(%s::uuid[], %s::uuid[]) AS asked (workspace, record)
  JOIN usage_usagerecord ON workspace_id = workspace AND id = record
"""


def answer_known(records: list[PricedRecord]) -> None:
    """Keys that were there before: duplicates where the payload agrees, else refused.

    A statement of its own, after the commit: it sees records that another transaction committed
    while this one waited for it. Keys that were not there are left as they are.
    """
    if not records:
        return
    ids, workspaces = [each.id for each in records], [each.workspace_id for each in records]
    # Not prepared: where records are on other servers, a plan is for the workspaces it is made for.
    with connection.cursor() as cursor:
        if len(set(workspaces)) == 1:
            cursor.execute(_EXISTING, [workspaces[0], ids])
        else:
            cursor.execute(_EXISTING_OF_MANY, [workspaces, ids])
        stored = {row[0].hex: Stored(*row) for row in cursor}
    _ask_calls([each for each in records if each.call_id and each.id in stored], stored)
    own = _own_currencies(each for each in records if each.id in stored)
    for each in records:
        found = stored.get(each.id)
        if found is None:
            continue
        if _agrees_with(each, found) and _same_currency(each, found, own):
            each.existing, each.refusal = found, None
        else:
            _refuse_key(each)


def _agrees_with(record: PricedRecord, stored: Stored) -> bool:
    """Whether the record that has its key says the same, but for the currency of its cost."""
    return (
        record.resource_type == stored.resource_type
        and record.provider == stored.provider
        and record.quantity == stored.quantity
        and (not record.unit_cost_given or record.unit_cost == stored.unit_cost)
        and (record.cost_state or FINAL) == stored.cost_state
        and _uuid(record.call_id) == stored.call_id
        and record.model == stored.model
        and (
            _uuid(record.agent_id) == stored.agent_id
            or (record.agent_of_call is not None and _uuid(record.agent_of_call) == stored.agent_id)
        )
        and (not record.occurred_at_given or record.occurred_at == stored.occurred_at)
    )


def _ask_calls(records: Iterable[PricedRecord], stored: Mapping[str, Stored]) -> None:
    """Who took the calls of records that were stored with another agent than they name now."""
    changed = [
        each
        for each in records
        if stored[each.id].agent_id != (UUID(each.agent_id) if each.agent_id else None)
    ]
    agents = agents_of_calls(changed)
    for each in changed:
        each.agent_of_call = agents.get(each.id)


def answer_repeats(
    records: Iterable[PricedRecord], firsts: Mapping[str, PricedRecord], now: dt.datetime
) -> None:
    """A key's later uses in the same batch are answered as if they had come later than the first
    one, which `firsts` has by its id."""
    repeats = [each for each in records if firsts[each.id] is not each]
    own = _own_currencies(repeats)
    for each in repeats:
        first = firsts[each.id]
        if first.refusal is not None:
            each.refuse(first.refusal.code, first.refusal.field, first.refusal.detail)
        elif _say_the_same(each, first) and _same_currency(each, as_stored(first, now), own):
            each.existing = as_stored(first, now)
        else:
            _refuse_key(each)


def _say_the_same(one: PricedRecord, other: PricedRecord) -> bool:
    """Whether two uses of one key say the same, but for the currency of their costs; a time or
    a unit cost left out agrees with any."""
    return (
        one.resource_type == other.resource_type
        and one.provider == other.provider
        and one.quantity == other.quantity
        and (
            not (one.unit_cost_given and other.unit_cost_given) or one.unit_cost == other.unit_cost
        )
        and one.cost_state == other.cost_state
        and _uuid(one.call_id) == _uuid(other.call_id)
        and one.agent_id == other.agent_id
        and one.model == other.model
        and (
            not (one.occurred_at_given and other.occurred_at_given)
            or one.occurred_at == other.occurred_at
        )
    )


def _own_currencies(records: Iterable[PricedRecord]) -> dict[UUID, str]:
    """Of the workspaces of those records that name the currency of their cost."""
    named = {each.workspace_id for each in records if each.sent_currency is not None}
    if not named:
        return {}
    return dict(Workspace.objects.filter(pk__in=named).values_list("pk", "currency"))


def _same_currency(record: PricedRecord, stored: Stored, own: Mapping[UUID, str]) -> bool:
    """Whether a unit cost that was sent is in the currency of the stored one; the workspace's own
    one may be named or not."""
    if not record.unit_cost_given or record.sent_currency == stored.cost_currency:
        return True
    return stored.cost_currency is None and record.sent_currency == own[stored.workspace_id]


def _refuse_key(record: PricedRecord) -> None:
    record.refuse(
        "idempotency_key_reused", "idempotency_key", "This key was used before, for another record."
    )


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
