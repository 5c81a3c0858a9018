"""Celery's scheduler, for clocks that are set back.

It waits until an entry's last run, and its place in the queue of next runs, are far enough away:
by a clock that was a day ahead it would stand still for a day.
"""

import datetime as dt
import logging
from typing import Any

from celery.beat import PersistentScheduler

log = logging.getLogger(__name__)
_CLOCKS_DIFFER = dt.timedelta(minutes=1)


class Scheduler(PersistentScheduler):
    """What is due was asked of the database, so that a run too many does nothing."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        ahead = [
            entry
            for entry in self.schedule.values()
            if entry.last_run_at and entry.last_run_at > entry.default_now() + _CLOCKS_DIFFER
        ]
        if ahead:
            log.warning("the clock was set back: %d entries count from now", len(ahead))
            for entry in ahead:
                entry.last_run_at = entry.default_now()
            self._heap = None
        return super().tick(*args, **kwargs)
