"""Deliver events to the webhook endpoints, signed and retried, in background threads.

``Stripe-Signature: t=<unix>,v1=<hex>`` with HMAC-SHA256 of ``"<t>.<body>"`` under the endpoint's
secret.  ``t`` is the real time of the attempt, whatever the sandbox's clock says, because the
receiver checks it against its own.
"""

import functools
import hashlib
import hmac
import http.client
import logging
import ssl
import threading
import time
from urllib.parse import SplitResult, urlsplit

import msgspec

from dev.stripe_sandbox.store import Object, Store

logger = logging.getLogger(__name__)

WORKERS = 8
TIMEOUT_SECONDS = 20
STOP_SECONDS = 2.0
RETRY_DELAYS = (1, 2, 5, 15, 60, 300, 1800, 7200, 21600)

_TakenUp = tuple[int, str, str, int]


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the ``Stripe-Signature`` header."""
    signed = str(timestamp).encode() + b"." + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Deliveries:
    """The queue is the store's ``delivery`` table, so a restart goes on where it stopped."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._wakeup = threading.Condition()
        self._taken: set[int] = set()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._run, name=f"deliveries-{number}", daemon=True)
            for number in range(WORKERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._wakeup:
            self._stopped = True
            self._wakeup.notify_all()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def wake(self) -> None:
        with self._wakeup:
            self._wakeup.notify_all()

    def idle(self) -> bool:
        """Whether nothing is due or under way now (later retries do not count)."""
        with self._wakeup:
            return not self._taken and self._due(time.time()) is None

    def _run(self) -> None:
        while True:
            with self._wakeup:
                taken = None if self._stopped else self._take()
                while taken is None:
                    if self._stopped:
                        return
                    self._wakeup.wait(timeout=0.25)
                    taken = None if self._stopped else self._take()
            try:
                self._attempt(*taken)
            except Exception:
                logger.exception("Delivery %s could not be attempted", taken[0])
                time.sleep(1)
            finally:
                with self._wakeup:
                    self._taken.discard(taken[0])

    def _take(self) -> _TakenUp | None:
        due = self._due(time.time())
        if due is not None:
            self._taken.add(due[0])
        return due

    def _due(self, now: float) -> _TakenUp | None:
        if self.store.setting("deliveries_paused", "no") == "yes":
            return None
        with self.store.lock:
            rows: list[_TakenUp] = self.store.db.execute(
                "SELECT id, event, endpoint, attempts FROM delivery"
                " WHERE state = 'pending' AND next_attempt <= ?"
                " ORDER BY next_attempt, id LIMIT ?",
                (now, WORKERS + 1),
            ).fetchall()
        return next((row for row in rows if row[0] not in self._taken), None)

    def _attempt(self, delivery: int, event_id: str, endpoint_id: str, attempts: int) -> None:
        with self.store.lock:
            event = self.store.find(event_id, "event")
            endpoint = self.store.find(endpoint_id, "webhook_endpoint")
        status: int | None = None
        if event is not None and endpoint is not None and endpoint["status"] == "enabled":
            status = _post(endpoint, msgspec.json.encode(event))
            delivered = status is not None and 200 <= status < 300
            given_up = not delivered and attempts >= len(RETRY_DELAYS)
            state = "delivered" if delivered else "failed" if given_up else "pending"
        else:
            state = "dropped"
        delay = RETRY_DELAYS[min(attempts, len(RETRY_DELAYS) - 1)]
        with self.store.transaction():
            self.store.db.execute(
                "UPDATE delivery SET state = ?, attempts = attempts + 1, last_status = ?,"
                " next_attempt = ? WHERE id = ?",
                (state, status, time.time() + delay, delivery),
            )
            if state != "pending":
                self._no_longer_pending(event_id)

    def _no_longer_pending(self, event_id: str) -> None:
        event = self.store.find(event_id, "event")
        if event is not None:
            event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
            self.store.save(event)


def _connection(url: SplitResult) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        return http.client.HTTPSConnection(
            host, url.port, timeout=TIMEOUT_SECONDS, context=_trusted()
        )
    return http.client.HTTPConnection(host, url.port, timeout=TIMEOUT_SECONDS)


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Read once: the machine's certificates take tens of milliseconds."""
    return ssl.create_default_context()


def _post(endpoint: Object, body: bytes) -> int | None:
    """The status the endpoint answered; None if it could not be reached."""
    url = urlsplit(endpoint["url"])
    connection = _connection(url)
    target = url.path + (f"?{url.query}" if url.query else "")
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (sandbox)",
        "Accept": "*/*",
        "Stripe-Signature": signature(endpoint["_secret"], int(time.time()), body),
    }
    try:
        connection.request("POST", target or "/", body=body, headers=headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as error:
        logger.info("Webhook endpoint %s did not answer: %s", endpoint["url"], error)
        return None
    else:
        return response.status
    finally:
        connection.close()
