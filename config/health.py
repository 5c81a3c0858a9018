"""Addresses for load balancers and for whoever starts the server.

`/healthz`: this process answers. `/readyz`: it can also do its work. Both are
open to anyone and say no more than which part fails.
"""

import logging
from collections.abc import Callable

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
_BROKER_SECONDS = 2


@require_safe
@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """200 `{"status": "ok"}`."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 when every part is fine, else 503; each part is `ok` or `failing`."""
    parts: dict[str, Callable[[], None]] = {
        "database": _ask_database,
        "broker": _ask_broker,
        "migrations": _check_migrations,
    }
    states = {name: "ok" if _is_fine(name, check) else "failing" for name, check in parts.items()}
    is_ready = "failing" not in states.values()
    return JsonResponse(
        {"status": "ok" if is_ready else "failing", **states}, status=200 if is_ready else 503
    )


class NotMigrated(Exception):
    """The code is newer than the tables."""


def _is_fine(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except (DatabaseError, OperationalError, RedisError, OSError, NotMigrated) as error:
        log.warning("not ready: %s: %s", name, error)
        return False
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


urlpatterns = [path("healthz", alive), path("readyz", ready)]
