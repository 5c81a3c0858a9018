"""Starting tasks by their names.

A service must not import the tasks that call services, so it names what is to be done; a test
holds every name to a task that exists.

Nobody waits for the broker: what is to be queued is published by a thread of its own, since a
broker that hangs would hold up the request, or the batch of usage, that something follows from.
"""

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from billing.errors import BillingError

log = logging.getLogger(__name__)
_FAILURES = (OperationalError, RedisError, OSError)
# After a failure nothing is published for a while: each try may take a time-out.
_PAUSE_SECONDS = 10.0


class BrokerUnavailable(BillingError):
    status = 503
    code = "unavailable"


class _Publisher:
    """Publishes in order, in one thread; drops what comes while the broker cannot be reached."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publisher")
        self._paused_until = 0.0

    def submit(self, name: str, args: tuple[Any, ...], countdown: float) -> None:
        self._thread.submit(self._publish, name, args, countdown)

    def _publish(self, name: str, args: tuple[Any, ...], countdown: float) -> None:
        if time.monotonic() < self._paused_until:
            return
        try:
            _send(name, args, countdown)
        except _FAILURES as error:
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            log.warning(
                "could not queue %s%r (%s): its sweep will, as it will what comes in %.0f s",
                name,
                args,
                error,
                _PAUSE_SECONDS,
            )
        except Exception:
            log.exception("could not queue %s%r, its sweep will", name, args)


_publisher = _Publisher()
# A thread does not come along into a new process.
os.register_at_fork(after_in_child=_publisher.begin)


def enqueue(name: str, *args: Any, countdown: float = 0) -> None:
    """Start the task `name` soon, or after `countdown` seconds.

    Inside a transaction call it by `transaction.on_commit`. A broker that is down, or a process
    that ends too soon, loses nothing: the sweep of such work finds it.
    """
    if current_app.conf.task_always_eager:
        _send(name, args, countdown)
    else:
        _publisher.submit(name, args, countdown)


def enqueue_for_sure(name: str, *args: Any) -> None:
    """Start what no sweep would find, or raise `BrokerUnavailable`."""
    try:
        _send(name, args, 0)
    except _FAILURES as error:
        log.warning("could not queue %s%r: %s", name, args, error)
        raise BrokerUnavailable("Redis cannot be reached: nothing was started.") from error


def _send(name: str, args: tuple[Any, ...], countdown: float) -> None:
    current_app.signature(name, args=args).apply_async(countdown=countdown)
