"""Deliveries of the same event that overlap: each event is handled exactly once."""

import http.client
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from djstripe.models import Event, WebhookEndpoint
from pytest_django.live_server_helper import LiveServer

from invoices.models import InvoiceEvent
from invoices.payments.models import HandledEvent
from invoices.payments.webhooks.events import Outcome, StripeEvent
from invoices.payments.webhooks.handlers import HANDLERS
from tests.kit.deliveries import about, endpoint, signature
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = 100
AT_ONCE = 6


def test_100_events_delivered_6_times_at_once_are_handled_once_each(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = make_invoice(make_workspace("Acme"), stripe_invoice_id="in_1")

    def count(event: StripeEvent) -> Outcome:
        """An effect that shows each time it runs: a line in the history without a key."""
        InvoiceEvent.objects.create(invoice=invoice, kind="reminded", at=event.now, source=event.id)
        return Outcome("counted")

    monkeypatch.setitem(HANDLERS, "invoice.sent", count)
    here = endpoint()
    statuses = _deliver_overlapping(
        live_server, here, [about("invoice.sent") for _ in range(EVENTS)]
    )
    assert statuses == Counter({200: EVENTS * AT_ONCE})
    effects = Counter(InvoiceEvent.objects.values_list("source", flat=True))
    assert len(effects) == EVENTS
    assert set(effects.values()) == {1}
    assert HandledEvent.objects.count() == Event.objects.count() == EVENTS


def _deliver_overlapping(
    server: LiveServer, here: WebhookEndpoint, events: list[dict[str, Any]]
) -> Counter[int]:
    """Each event from six connections that wait for each other; the statuses answered."""
    address = urlsplit(server.url)
    path = urlsplit(here.url).path
    together = threading.Barrier(AT_ONCE)

    def deliver_all() -> list[int]:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        statuses = []
        for event in events:
            body = json.dumps(event).encode()
            headers = {
                "Content-Type": "application/json",
                "Stripe-Signature": signature(body),
            }
            together.wait(timeout=60)
            connection.request("POST", path, body=body, headers=headers)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        return statuses

    with ThreadPoolExecutor(AT_ONCE) as pool:
        senders = [pool.submit(deliver_all) for _ in range(AT_ONCE)]
        return Counter(status for sender in senders for status in sender.result())
