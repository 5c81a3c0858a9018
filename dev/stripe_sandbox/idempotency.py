"""Stripe's idempotency keys.

A key is good for one endpoint and one set of parameters.  What the endpoint answered under it,
errors and 500s too, is answered again (with ``Idempotent-Replayed: true``) for 24 hours by the
sandbox's clock; then the key is forgotten and the same request would be done anew.  While the
first request is still under way, a second with its key is refused (409).
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dev.stripe_sandbox.errors import ApiError
from dev.stripe_sandbox.store import Store, packed, unpacked

RETENTION_SECONDS = 24 * 60 * 60
MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class SavedAnswer:
    status: int
    body: bytes
    request_id: str


class InFlight:
    """The keys of the requests being answered right now."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, key: str | None) -> Iterator[None]:
        if key is None:
            yield
            return
        if len(key) > MAX_KEY_LENGTH:
            raise ApiError(
                400,
                f"Idempotency keys can be at most {MAX_KEY_LENGTH} characters long.",
                type="idempotency_error",
                saved=False,
            )
        with self._lock:
            if key in self._keys:
                raise ApiError(
                    409,
                    "There is currently another in-progress request using this Idempotent Key "
                    "(that probably means you submitted twice, and the other request is still "
                    f"going through): {key}. Please try again later.",
                    type="idempotency_error",
                    code="idempotency_key_in_use",
                    saved=False,
                )
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


def fingerprint(encoded_params: str) -> str:
    """Equal for equal parameters, in whatever order they were sent."""
    return hashlib.sha256("&".join(sorted(encoded_params.split("&"))).encode()).hexdigest()


def saved_answer(
    store: Store, *, key: str, method: str, path: str, params: str, now: int
) -> SavedAnswer | None:
    """What was answered under the key; None for a new or a forgotten one; or `ApiError` 400."""
    store.db.execute("DELETE FROM idempotency WHERE created <= ?", (now - RETENTION_SECONDS,))
    row = store.db.execute(
        "SELECT method, path, fingerprint, status, body, request_id FROM idempotency WHERE key = ?",
        (key,),
    ).fetchone()
    if row is None:
        return None
    if (row[0], row[1]) != (method, path):
        raise _mismatch(
            "Keys for idempotent requests can only be used for the same endpoint they were first "
            f"used for ('{path}' vs. '{row[1]}'). Try using a key other than '{key}' if you meant "
            "to execute a different request."
        )
    if row[2] != fingerprint(params):
        raise _mismatch(
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{key}' if you meant to execute a "
            "different request."
        )
    return SavedAnswer(row[3], unpacked(row[4]), row[5])


def save_answer(
    store: Store,
    answer: SavedAnswer,
    *,
    key: str,
    method: str,
    path: str,
    params: str,
    now: int,
) -> None:
    store.db.execute(
        "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            method,
            path,
            fingerprint(params),
            answer.status,
            packed(answer.body),
            answer.request_id,
            now,
        ),
    )


def _mismatch(message: str) -> ApiError:
    return ApiError(400, message, type="idempotency_error", saved=False)
