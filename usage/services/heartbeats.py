"""Heartbeats of providers: rows that say when usage, or calls, of each last arrived.

Once a minute and process, whatever arrives: `noted` says for which that is over.
"""

import datetime as dt
import logging
import time
from collections.abc import Iterable

from django.db import DatabaseError

from usage.models import ProviderHeartbeat

log = logging.getLogger(__name__)
SECONDS = 60.0
# When each was last noted, by `time.monotonic`.
noted: dict[tuple[str, str], float] = {}
# A process remembers no more; whoever sends other names all the time pays for it.
_MAX_NOTED = 1000


def note(source: ProviderHeartbeat.Source, providers: Iterable[str], *, now: dt.datetime) -> None:
    """It never undoes what has arrived, and fails by itself."""
    moment = time.monotonic()
    last = moment - SECONDS
    due = sorted(each for each in providers if noted.get((source, each), last) <= last)
    if not due:
        return
    if len(noted) > _MAX_NOTED:
        noted.clear()
    noted.update({(source, provider): moment for provider in due})
    try:
        ProviderHeartbeat.objects.bulk_create(
            [ProviderHeartbeat(source=source, provider=each, at=now) for each in due],
            update_conflicts=True,
            unique_fields=["source", "provider"],
            update_fields=["at"],
        )
    except DatabaseError:
        log.warning("heartbeats of %s were not noted", ", ".join(due), exc_info=True)
