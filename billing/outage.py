"""What is done while an outside service takes connections and says nothing.

Each piece of work that asks it would wait for a time-out, and a few workers that wait are all
there are: mails to a silent server would hold up limits and invoices. So after one time-out it is
not asked for a while; then one piece of work is let through, and the others follow once that has
an answer. Kept in the cache, for all processes. A service that refuses or closes connections costs
nobody time and is no matter of this.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import cache

log = logging.getLogger(__name__)
PAUSE_SECONDS = 60
# After so long without another time-out it counts as well again.
_REMEMBERED_SECONDS = 3600


class Silent(OSError):
    """It did not answer a moment ago, and is not asked now."""


class Outage:
    """Of one service, by the name it has in messages."""

    def __init__(self, service: str) -> None:
        self.service = service
        name = service.lower().replace(" ", "-")
        self._seen = f"outage-seen:{name}"
        self._paused = f"outage:{name}"

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask it inside. Raises `Silent`, without asking, while it is left alone."""
        was_seen = cache.get(self._seen) is not None
        # `add` lets one through: the others find the pause that this begins.
        if was_seen and not cache.add(self._paused, 1, PAUSE_SECONDS):
            raise Silent(f"{self.service} did not answer a moment ago and is left alone for now.")
        try:
            yield
        except Exception as error:
            if timed_out(error):
                self._begin()
            elif was_seen:
                self.end()
            raise
        if was_seen:
            self.end()

    def end(self) -> None:
        """It may be asked at once."""
        cache.delete_many([self._seen, self._paused])

    def _begin(self) -> None:
        log.warning("%s does not answer: left alone for %d s", self.service, PAUSE_SECONDS)
        cache.set(self._seen, 1, _REMEMBERED_SECONDS)
        cache.set(self._paused, 1, PAUSE_SECONDS)


def timed_out(error: BaseException | None) -> bool:
    """Whether a time-out is behind an error, whatever a library has made of it."""
    while error is not None:
        if isinstance(error, TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False
