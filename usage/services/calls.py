"""Recording of calls: created, updated, and counted (`call_rollups`)."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from billing.models import Workspace
from usage.models import Call, VoiceAgent
from usage.services.call_entries import CallEntry, check_call
from usage.services.call_rollups import CallChange, CallKind, add_to_rollups, count_call
from usage.services.ingest import RecordError


class CallsRecorded:
    """What became of each call; a call brought up to date counts as accepted."""

    def __init__(self, only_workspace: UUID | None) -> None:
        self.only_workspace = only_workspace
        self.accepted = 0
        self.duplicates = 0
        self.errors: list[RecordError] = []
        self.created: set[int] = set()
        self.calls: dict[int, Call] = {}


class _Placed(NamedTuple):
    """A call and its place in the request."""

    place: int
    call: Call


def record_calls(
    entries: Iterable[CallEntry | RecordError],
    *,
    now: dt.datetime,
    only_workspace: UUID | None = None,
) -> CallsRecorded:
    """Create or update calls, each in its place, all committed when this returns.

    The same call again is a duplicate, and so is news older than what is stored; other facts
    under the same id (workspace, direction, provider, start) are refused.
    """
    result = CallsRecorded(only_workspace)
    checked: list[_Placed] = []
    for index, entry in enumerate(entries):
        outcome = entry if isinstance(entry, RecordError) else check_call(index, entry, now)
        if isinstance(outcome, RecordError):
            result.errors.append(outcome)
        else:
            checked.append(_Placed(index, outcome))
    checked = _with_known_references(checked, result)
    # A call that stands in a batch twice is taken in the order of the batch.
    while checked:
        ids: set[UUID] = set()
        again: list[_Placed] = []
        round_: list[_Placed] = []
        for item in checked:
            (again if item.call.pk in ids else round_).append(item)
            ids.add(item.call.pk)
        checked = _store(round_, result) + again
    result.errors.sort(key=lambda error: error.index)
    return result


def _with_known_references(checked: list[_Placed], result: CallsRecorded) -> list[_Placed]:
    """Calls whose workspace and agent exist, with their hour on the workspace's clock."""
    wanted = {item.call.workspace_id for item in checked}
    if result.only_workspace is not None:
        wanted &= {result.only_workspace}
    workspaces = Workspace.objects.in_bulk(wanted)
    agents = dict(
        VoiceAgent.objects.filter(
            pk__in={item.call.agent_id for item in checked if item.call.agent_id}
        ).values_list("pk", "workspace_id")
    )
    kept, too_late = [], []
    for index, call in checked:
        workspace = workspaces.get(call.workspace_id)
        if workspace is None:
            refusal = ("unknown_workspace", "workspace_id", "There is no such workspace.")
        elif workspace.status == Workspace.Status.CLOSED:
            too_late.append(_Placed(index, call))
            continue
        elif call.agent_id and agents.get(call.agent_id) != call.workspace_id:
            refusal = ("unknown_agent", "agent_id", "There is no such agent in the workspace.")
        else:
            local = call.started_at.astimezone(workspace.zone)
            call.local_date, call.local_hour = local.date(), local.hour
            kept.append(_Placed(index, call))
            continue
        result.errors.append(RecordError(index, *refusal))
    _answer_retries(too_late, result)
    return kept


def _answer_retries(items: Sequence[_Placed], result: CallsRecorded) -> None:
    """Calls of closed workspaces: what is stored already is a duplicate, news are refused."""
    if not items:
        return
    stored = Call.objects.in_bulk([item.call.pk for item in items])
    for item in items:
        old = stored.get(item.call.pk)
        if old is None or (_is_same_call(old, item.call) and _is_news(old, item.call)):
            detail = "This workspace is closed."
            error = RecordError(item.place, "workspace_closed", "workspace_id", detail)
            result.errors.append(error)
        else:
            _answer_known(old, item, result)


def _store(items: Sequence[_Placed], result: CallsRecorded) -> list[_Placed]:
    """Write each call once; those that someone else inserted meanwhile come back to be retried."""
    lost: list[_Placed] = []
    with transaction.atomic():
        stored = {
            call.pk: call
            for call in Call.objects.filter(pk__in=[item.call.pk for item in items])
            .select_for_update()
            .order_by("pk")
        }
        changes: dict[CallKind, CallChange] = defaultdict(CallChange)
        new = sorted(
            (item for item in items if item.call.pk not in stored), key=lambda item: item.call.pk
        )
        inserted = _insert([item.call for item in new])
        for item in new:
            if item.call.pk not in inserted:
                lost.append(item)
                continue
            count_call(changes, item.call, 1)
            result.created.add(item.place)
            result.accepted += 1
            result.calls[item.place] = item.call
        updated = []
        for item in items:
            old = stored.get(item.call.pk)
            if old is not None and _bring_up_to_date(old, item, changes, result):
                updated.append(old)
        Call.objects.bulk_update(
            updated,
            ["status", "agent", "ended_at", "duration_seconds", "updated_at"],
            batch_size=1000,
        )
        add_to_rollups(changes)
    return lost


_INSERT = """
INSERT INTO usage_call (
    id, workspace_id, agent_id, direction, status, provider, started_at, ended_at,
    duration_seconds, local_date, local_hour, created_at, updated_at)
SELECT * FROM unnest(
    %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
    %s::timestamptz[], %s::numeric[], %s::date[], %s::int[], %s::timestamptz[], %s::timestamptz[])
ON CONFLICT DO NOTHING RETURNING id
"""
_COLUMNS = (
    "id workspace_id agent_id direction status provider started_at ended_at duration_seconds"
    " local_date local_hour created_at updated_at"
).split()


def _insert(calls: Sequence[Call]) -> set[UUID]:
    """Ids of the calls that were not there; written in the order of ids, so that batches cannot
    deadlock."""
    if not calls:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [[getattr(call, column) for call in calls] for column in _COLUMNS])
        return {row[0] for row in cursor}


def _bring_up_to_date(
    old: Call, item: _Placed, changes: dict[CallKind, CallChange], result: CallsRecorded
) -> bool:
    """Apply newer facts to the stored call; whether anything has to be saved."""
    new = item.call
    if not (_is_same_call(old, new) and _is_news(old, new)):
        _answer_known(old, item, result)
        return False
    count_call(changes, old, -1)
    old.status, old.ended_at = new.status, new.ended_at
    old.duration_seconds = new.duration_seconds
    old.agent_id = new.agent_id or old.agent_id
    old.updated_at = new.updated_at
    count_call(changes, old, 1)
    result.accepted += 1
    result.calls[item.place] = old
    return True


def _answer_known(old: Call, item: _Placed, result: CallsRecorded) -> None:
    """The same call, or what was true of it before, is a duplicate; anything else is refused."""
    if _is_same_call(old, item.call) and _is_old_news(old, item.call):
        result.duplicates += 1
        result.calls[item.place] = old
    elif result.only_workspace not in (None, old.workspace_id):
        # Whose it is is nobody else's to know.
        result.errors.append(RecordError(item.place, "not_found", "id", "There is no such call."))
    else:
        result.errors.append(_reused(item.place))


def _is_same_call(old: Call, new: Call) -> bool:
    fixed = ("workspace_id", "direction", "provider", "started_at")
    return all(getattr(old, name) == getattr(new, name) for name in fixed)


def _is_news(old: Call, new: Call) -> bool:
    """Whether `new` is later than what is stored: an end where there was none, or a later one."""
    if old.status == Call.Status.IN_PROGRESS:
        return new.status != Call.Status.IN_PROGRESS or (
            new.ended_at is not None and old.ended_at is None
        )
    if new.status == Call.Status.IN_PROGRESS or new.ended_at is None:
        return False
    return old.ended_at is None or new.ended_at > old.ended_at


def _is_old_news(old: Call, new: Call) -> bool:
    """Whether `new` says what is stored, or what was true before it."""
    if new.agent_id not in (None, old.agent_id):
        return False
    if new.status == Call.Status.IN_PROGRESS and old.status != Call.Status.IN_PROGRESS:
        return True
    if new.ended_at is None or (old.ended_at is not None and new.ended_at < old.ended_at):
        return new.ended_at is not None or new.status == old.status
    return (old.status, old.ended_at, old.duration_seconds) == (
        new.status,
        new.ended_at,
        new.duration_seconds,
    )


def _reused(index: int) -> RecordError:
    return RecordError(
        index, "idempotency_key_reused", "id", "This id was used before, for another call."
    )
