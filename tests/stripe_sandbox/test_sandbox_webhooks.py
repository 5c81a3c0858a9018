import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from dev.stripe_sandbox.testing import SandboxProcess


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; answers the statuses of ``answers`` in turn, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        self.arrived = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def wait_for(self, count: int) -> list[tuple[bytes, str]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, timeout=15)
            return list(self.received)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.arrived:
            self.server.received.append((body, self.headers["Stripe-Signature"]))
            status = self.server.answers.pop(0) if self.server.answers else 200
            self.server.arrived.notify_all()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def register(
    client: stripe.StripeClient, receiver: Receiver, *events: str
) -> stripe.WebhookEndpoint:
    params: Any = {"url": receiver.url, "enabled_events": list(events) or ["*"]}
    return client.v1.webhook_endpoints.create(params)


def test_a_delivery_is_signed_with_the_secret_shown_once(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    endpoint = register(client, receiver, "customer.created")
    acme = client.v1.customers.create({"name": "Acme"})
    [(body, signature)] = receiver.wait_for(1)
    assert endpoint.secret
    event = stripe.Webhook.construct_event(body, signature, endpoint.secret)
    assert (event.type, event.data.object["id"]) == ("customer.created", acme.id)
    assert event.api_version == stripe.api_version
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_other")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id)


def test_only_the_enabled_events_are_delivered_and_to_each_endpoint(
    client: stripe.StripeClient, receiver: Receiver, sandbox: SandboxProcess
) -> None:
    register(client, receiver, "customer.updated")
    register(client, receiver, "customer.updated", "customer.deleted")
    acme = client.v1.customers.create({"name": "Acme"})
    client.v1.customers.update(acme.id, {"name": "Acme GmbH"})
    sandbox.wait_for_webhooks()
    assert len(receiver.received) == 2


def test_an_update_tells_what_changed(client: stripe.StripeClient, receiver: Receiver) -> None:
    endpoint = register(client, receiver, "customer.updated")
    acme = client.v1.customers.create({"name": "Acme"})
    client.v1.customers.update(acme.id, {"name": "Acme GmbH"})
    [(body, signature)] = receiver.wait_for(1)
    event = stripe.Webhook.construct_event(body, signature, str(endpoint.secret))
    assert event.data.previous_attributes.to_dict() == {"name": "Acme"}


def test_a_refused_delivery_is_tried_again(
    client: stripe.StripeClient, receiver: Receiver, sandbox: SandboxProcess
) -> None:
    receiver.answers = [500]
    register(client, receiver, "customer.created")
    client.v1.customers.create({"name": "Acme"})
    first, second = receiver.wait_for(2)
    assert first[0] == second[0]
    sandbox.wait_for_webhooks()
    [delivery] = sandbox.deliveries()
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)


def test_deliveries_wait_while_paused_and_an_event_is_resent_at_will(
    client: stripe.StripeClient, receiver: Receiver, sandbox: SandboxProcess
) -> None:
    register(client, receiver, "customer.created")
    sandbox.pause_webhooks()
    client.v1.customers.create({"name": "Acme"})
    sandbox.wait_for_webhooks()
    assert receiver.received == []
    sandbox.resume_webhooks()
    receiver.wait_for(1)
    [event] = client.v1.events.list({"type": "customer.created"}).data
    sandbox.resend(event.id, times=5)
    receiver.wait_for(6)


def test_deliveries_can_be_lost(
    client: stripe.StripeClient, receiver: Receiver, sandbox: SandboxProcess
) -> None:
    register(client, receiver, "customer.created")
    sandbox.pause_webhooks()
    client.v1.customers.create({"name": "Acme"})
    sandbox.drop_deliveries()
    sandbox.resume_webhooks()
    sandbox.wait_for_webhooks()
    assert receiver.received == []
    assert [delivery["state"] for delivery in sandbox.deliveries()] == ["dropped"]


def test_a_disabled_or_deleted_endpoint_hears_nothing(
    client: stripe.StripeClient, receiver: Receiver, sandbox: SandboxProcess
) -> None:
    disabled, deleted = register(client, receiver), register(client, receiver)
    client.v1.webhook_endpoints.update(disabled.id, {"disabled": True})
    client.v1.webhook_endpoints.delete(deleted.id)
    client.v1.customers.create({"name": "Acme"})
    sandbox.wait_for_webhooks()
    assert receiver.received == []


def test_an_event_stripe_does_not_have_is_refused(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=r"enabled_events\[0\]|must be one of"):
        register(client, receiver, "workspace.created")
