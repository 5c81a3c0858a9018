"""Notes of what has arrived, after its commit: counts for `/metrics`, heartbeats of providers.

A provider is noted once a minute and process, whatever arrives.
"""

import datetime as dt
import logging
import time
from collections.abc import Iterable, Sequence

from django.db import DatabaseError
from prometheus_client import Counter

from usage.models import ProviderHeartbeat
from usage.services.calls import CallsRecorded
from usage.services.ingest import PricedRecord, Recorded

log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 60.0
# A process remembers no more; whoever sends other names all the time pays for it.
_MAX_NOTED = 1000
_noted: dict[tuple[str, str], float] = {}

_RECORDS = Counter("usage_records", "Usage records sent, by what became of them.", ["outcome"])
_ACCEPTED, _DUPLICATE, _REFUSED = map(_RECORDS.labels, ("accepted", "duplicate", "refused"))
_REFUSALS = Counter("usage_refusals", "Usage records refused, by the reason's code.", ["code"])
_CALLS = Counter("usage_calls", "Calls reported, news of known ones too.")


def note_usage(
    recorded: Recorded, records: Sequence[PricedRecord], *, refused: list[str], now: dt.datetime
) -> None:
    """`refused` has the code of each refusal."""
    _ACCEPTED.inc(recorded.accepted)
    _DUPLICATE.inc(recorded.duplicates)
    _REFUSED.inc(len(refused))
    for code in refused:
        _REFUSALS.labels(code).inc()
    # Whose usage is refused, or comes once more, is not heard of: nothing of it is billed.
    new = {each.provider for each in records if each.refusal is None and each.existing is None}
    _note_heartbeats(ProviderHeartbeat.Source.USAGE, new, now)


def note_calls(result: CallsRecorded, *, now: dt.datetime) -> None:
    _CALLS.inc(result.accepted)
    providers = {call.provider for call in result.calls.values()}
    _note_heartbeats(ProviderHeartbeat.Source.CALLS, providers, now)


def _note_heartbeats(
    source: ProviderHeartbeat.Source, providers: Iterable[str], now: dt.datetime
) -> None:
    """It never undoes what has arrived, and fails by itself."""
    moment = time.monotonic()
    due = sorted(
        provider
        for provider in providers
        if moment - _noted.get((source, provider), -HEARTBEAT_SECONDS) >= HEARTBEAT_SECONDS
    )
    if not due:
        return
    if len(_noted) > _MAX_NOTED:
        _noted.clear()
    _noted.update({(source, provider): moment for provider in due})
    try:
        ProviderHeartbeat.objects.bulk_create(
            [ProviderHeartbeat(source=source, provider=each, at=now) for each in due],
            update_conflicts=True,
            unique_fields=["source", "provider"],
            update_fields=["at"],
        )
    except DatabaseError:
        log.warning("heartbeats of %s were not noted", ", ".join(due), exc_info=True)
