"""Noting that a provider is heard of: once a minute and process, whatever arrives."""

import datetime as dt
import logging
import time
from collections.abc import Iterable

from django.db import DatabaseError

from usage.models import ProviderHeartbeat

log = logging.getLogger(__name__)
SECONDS = 60.0
# A process remembers no more; whoever sends other names all the time pays for it.
_MAX_NOTED = 1000
_noted: dict[tuple[str, str], float] = {}


def note(source: ProviderHeartbeat.Source, providers: Iterable[str], *, now: dt.datetime) -> None:
    """After the commit of what arrived: it never undoes that, and fails by itself."""
    moment = time.monotonic()
    due = sorted(
        provider
        for provider in set(providers)
        if moment - _noted.get((source, provider), -SECONDS) >= SECONDS
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
