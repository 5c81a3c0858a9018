"""The cache: Redis, or nothing while it cannot be reached.

What is kept in it can be worked out again, or counted by each process alone. So a Redis that is
down, or hangs, is an empty cache; after a failure it is left alone for a while, or every request
would wait for a time-out of its own.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, ClassVar

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0


class ForgivingRedisCache(RedisCache):
    """Answers as an empty cache would; `incr` as for a key that is not there (`ValueError`)."""

    # Until when each server is left alone; of the process, since each thread has its own cache.
    _paused: ClassVar[dict[str, float]] = {}

    def _ask(self, ask: Callable[..., Any], otherwise: Any, *args: Any, **kwargs: Any) -> Any:
        server = str(self._servers)  # type: ignore[attr-defined]
        if time.monotonic() < self._paused.get(server, 0):
            return otherwise
        try:
            return ask(*args, **kwargs)
        except (RedisError, OSError) as error:
            self._paused[server] = time.monotonic() + _PAUSE_SECONDS
            log.warning("the cache cannot be reached, done without for a while: %s", error)
            return otherwise

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(super().add, True, *args, **kwargs)

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return self._ask(super().get, default, key, default, version)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(super().set, None, *args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(super().touch, False, *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(super().delete, False, *args, **kwargs)

    def get_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(super().get_many, {}, *args, **kwargs)

    def set_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(super().set_many, [], *args, **kwargs)

    def delete_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(super().delete_many, None, *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(super().has_key, False, *args, **kwargs)

    def incr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        counted: int | None = self._ask(super().incr, None, key, delta, version)
        if counted is None:
            raise ValueError(f"{key!r} is not in the cache.")
        return counted
