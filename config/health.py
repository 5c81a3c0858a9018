"""Addresses for load balancers and for whoever starts the server.

`/healthz`: this process answers. `/readyz`: it can also do its work. Both are
open to anyone and say no more than which part fails.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from celery import current_app
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
_BROKER_SECONDS = 1
_LIMIT_SECONDS = 1.5


@require_safe
@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """200 `{"status": "ok"}`."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 when every part is fine, else 503; each part is `ok` or `failing`."""
    states = readiness()
    return JsonResponse(states, status=200 if states["status"] == "ok" else 503)


def readiness() -> dict[str, str]:
    """What `/readyz` says, within two seconds: a part that has not answered by then is failing.

    Each is asked by a thread of its own, one at a time: a part that hangs holds no more than that.
    """
    with _lock:
        for name, check in _CHECKS.items():
            if name not in _asked or _asked[name].done():
                _asked[name] = _threads.submit(_is_fine, name, check)
        asked = dict(_asked)
    wait(asked.values(), timeout=_LIMIT_SECONDS)
    states = {
        name: "ok" if answer.done() and answer.result() else "failing"
        for name, answer in asked.items()
    }
    is_ready = "failing" not in states.values()
    return {"status": "ok" if is_ready else "failing", **states}


class NotMigrated(Exception):
    """The code is newer than the tables."""


def _is_fine(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except (DatabaseError, OperationalError, RedisError, OSError, NotMigrated) as error:
        log.warning("not ready: %s: %s", name, error)
        return False
    finally:
        connection.close()
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_broker() -> None:
    with current_app.connection_for_write(connect_timeout=_BROKER_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=_BROKER_SECONDS)


_seen_migrated: set[str] = set()


def _check_migrations() -> None:
    """What was once applied stays so while this process runs: looked up until then."""
    name = str(connection.settings_dict["NAME"])
    if name in _seen_migrated:
        return
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        steps = ", ".join(f"{step.app_label}.{step.name}" for step, _ in missing)
        raise NotMigrated(f"not applied: {steps}")
    _seen_migrated.add(name)


_CHECKS: dict[str, Callable[[], None]] = {
    "database": _ask_database,
    "broker": _ask_broker,
    "migrations": _check_migrations,
}
_asked: dict[str, Future[bool]] = {}
_lock = threading.Lock()
_threads = ThreadPoolExecutor(len(_CHECKS), thread_name_prefix="readiness")


urlpatterns = [path("healthz", alive), path("readyz", ready)]
