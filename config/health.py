"""Addresses for load balancers and for whoever starts the server.

`/healthz`: this process answers. `/readyz`: it can also do its work. Both are
open to anyone and say no more than which part fails.
"""

import logging

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """200 `{"status": "ok"}`."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database and the cache answer, else 503; each part is `ok` or `failing`."""
    parts = {"database": _database_answers(), "cache": _cache_answers()}
    is_ready = all(parts.values())
    body = {name: "ok" if answers else "failing" for name, answers in parts.items()}
    return JsonResponse(
        {"status": "ok" if is_ready else "failing", **body}, status=200 if is_ready else 503
    )


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.warning("The database does not answer", exc_info=True)
        return False
    return True


def _cache_answers() -> bool:
    try:
        cache.get("ready")
    except (RedisError, OSError):
        logger.warning("The cache does not answer", exc_info=True)
        return False
    return True


urlpatterns = [path("healthz", alive), path("readyz", ready)]
