"""Starting tasks by their names.

A service must not import the tasks that call services, so it names what is to be done; a test
holds every name to a task that exists.
"""

import logging
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


def enqueue(name: str, *args: Any, countdown: float = 0) -> None:
    """Start the task `name` soon, or after `countdown` seconds.

    Inside a transaction call it by `transaction.on_commit`. A broker that is down loses nothing:
    the sweep of such work finds it.
    """
    try:
        current_app.signature(name, args=args).apply_async(countdown=countdown)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("could not queue %s%r, its sweep will: %s", name, args, error)
