"""Agents of records: which are whose, and who took the calls."""

from collections.abc import Iterable

from billing.prepared import array, prepared_cursor
from usage.models import VoiceAgent
from usage.services.ingest.checking import PricedRecord

# Which agents are whose: they stay for ever, and with their workspace.
_agents: dict[str, str] = {}
_MAX_AGENTS = 100_000


def strangers_of(records: Iterable[PricedRecord]) -> list[PricedRecord]:
    """Those that name an agent that their workspace does not have."""
    unsure = [
        each
        for each in records
        if each.agent_id is not None and _agents.get(each.agent_id) != each.workspace_id
    ]
    if unsure:
        if len(_agents) > _MAX_AGENTS:
            _agents.clear()
        asked = {each.agent_id for each in unsure if each.agent_id is not None}
        found = VoiceAgent.objects.filter(pk__in=asked).values_list("pk", "workspace_id")
        _agents.update((agent.hex, workspace.hex) for agent, workspace in found)
    return [each for each in unsure if _agents.get(each.agent_id or "") != each.workspace_id]


_AGENTS_OF_CALLS = """
SELECT replace(asked.id::text, '-', ''), replace(call.agent_id::text, '-', '')
  FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS asked (id, call_id, workspace_id)
  JOIN usage_call AS call ON call.id = asked.call_id
 WHERE call.agent_id IS NOT NULL AND (call.workspace_id = asked.workspace_id) IS TRUE
"""


def agents_of_calls(records: Iterable[PricedRecord]) -> dict[str, str]:
    """Who took the calls of the records, where that is known: by the record's id."""
    asked = [each for each in records if each.call_id is not None]
    if not asked:
        return {}
    columns = [
        array([each.id for each in asked]),
        array([each.call_id or "" for each in asked]),
        array([each.workspace_id for each in asked]),
    ]
    with prepared_cursor() as cursor:
        cursor.execute(_AGENTS_OF_CALLS, columns, prepare=True)
        return dict(cursor)
