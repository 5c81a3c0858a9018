"""Records whose key was there before: answered with what is stored, or refused.

Who a record is comes before whether it may be recorded: a retry is answered as one.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from uuid import UUID

from billing.models import Workspace
from billing.prepared import prepared_cursor
from usage.services.ingest.agents import agents_of_calls
from usage.services.ingest.entries import PricedRecord, RecordError, Stored

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
    with prepared_cursor() as cursor:
        if len(set(workspaces)) == 1:
            cursor.execute(_EXISTING, [workspaces[0], ids], prepare=True)
        else:
            cursor.execute(_EXISTING_OF_MANY, [workspaces, ids], prepare=True)
        stored = {row[0].hex: Stored(*row) for row in cursor}
    _ask_calls([each for each in records if each.call_id and each.id in stored], stored)
    for each in records:
        found = stored.get(each.id)
        if found is None:
            continue
        if each.agrees_with(found) and _same_currency(each, found):
            each.existing, each.refusal = found, None
        else:
            _refuse_key(each)


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


def answer_repeat(record: PricedRecord, first: PricedRecord, now: dt.datetime) -> None:
    """A key's later use in the same batch is answered as if it had come later."""
    if first.refusal is not None:
        record.refusal = RecordError(
            record.index, first.refusal.code, first.refusal.field, first.refusal.detail
        )
    elif record.same_payload(first) and _same_currency(record, first.as_stored(now)):
        record.existing = first.as_stored(now)
    else:
        _refuse_key(record)


def _same_currency(record: PricedRecord, stored: Stored) -> bool:
    """Whether a unit cost that was sent is in the currency of the stored one."""
    if not record.unit_cost_given or record.sent_currency == stored.cost_currency:
        return True
    if stored.cost_currency is not None:
        return False
    # The workspace's own one, which may have been named.
    own = Workspace.objects.values_list("currency", flat=True).get(pk=stored.workspace_id)
    return record.sent_currency == own


def _refuse_key(record: PricedRecord) -> None:
    record.refuse(
        "idempotency_key_reused", "idempotency_key", "This key was used before, for another record."
    )
