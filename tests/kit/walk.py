"""Walking the calendar from outside: the HTTP API, the schedule, Stripe's webhooks and pages."""

import datetime as dt
import hashlib
import hmac
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import time_machine
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.test import Client, TestCase
from djstripe.models import WebhookEndpoint

from billing.models import User
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments.models import StripeCustomer
from invoices.payments.services import stripe_client
from tests.kit.api import ApiClient


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


_browser = urllib.request.build_opener(_NoRedirect)
START = dt.datetime(2027, 12, 31, tzinfo=dt.UTC)
# What only tidies up, or is asked for by its command where a test is about it; the proof of all
# that was done stands at the end of each walk (`prove`).
_NOT_WALKED = {"payments.prune", "payments.reconcile", "payments.prove_ledger"}


class Walk:
    """The time, the system as others see it, and Stripe.

    The system's clock stands still between two steps; the sandbox's is put to the same time.
    Tests that begin with the same steps take them once, and go on by `resumed`.
    """

    def __init__(self, sandbox: SandboxProcess, start: dt.datetime) -> None:
        self.sandbox = sandbox
        self._traveller = time_machine.travel(start, tick=False)
        self._heard_at = int(start.timestamp())
        self._delivered: set[str] = set()
        self._stripe = Client()

    def __enter__(self) -> Self:
        self._clock = self._traveller.start()
        self._set_stripes_clock()
        with self.committed():
            call_command("register_stripe_webhook", url="https://billing.example", verbosity=0)
            # Nobody serves that address: `hear_from_stripe` delivers.
            self.sandbox.pause_webhooks()
            self.api = ApiClient()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left_at = self.now
        self._traveller.stop()

    @contextmanager
    def resumed(self) -> Iterator[Self]:
        """From where the block was left, as if nothing of what happens in here had been.

        The sandbox has to remember that moment; the database is the caller's.
        """
        heard_at, delivered = self._heard_at, self._delivered.copy()
        self.sandbox.recall()
        with time_machine.travel(self._left_at, tick=False) as self._clock:
            yield self
        self._heard_at, self._delivered = heard_at, delivered

    @property
    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def go_to(self, at: dt.datetime | str) -> None:
        """Move on, and let the schedule run there."""
        at = dt.datetime.fromisoformat(at) if isinstance(at, str) else at
        assert at >= self.now, "time goes forward"
        self._clock.move_to(at, tick=False)
        self._set_stripes_clock()
        self.tick()

    def tick(self) -> None:
        """Everything that the schedule starts, once; then what Stripe has to say."""
        for entry in settings.CELERY_BEAT_SCHEDULE.values():
            if entry["task"] not in _NOT_WALKED:
                with self.committed():
                    current_app.tasks[entry["task"]].delay()
        self.hear_from_stripe()

    def prove(self) -> None:
        """That all amounts add up; raises `CommandError` where they do not."""
        call_command("check_ledger", verbosity=0)

    @contextmanager
    def committed(self) -> Iterator[None]:
        """What happens on commit happens, though the test's own transaction is never committed."""
        with TestCase.captureOnCommitCallbacks(execute=True):
            yield

    def workspace(self, name: str, **facts: str) -> UUID:
        """On the starter tier, in dollars, in Berlin, unless `facts` say otherwise."""
        slug = name.lower()
        body = {
            "id": str(uuid4()),
            "name": name,
            "owner_email": f"owner@{slug}.test",
            "tier": "starter",
            "currency": "USD",
            "timezone": "Europe/Berlin",
            **facts,
        }
        with self.committed():
            return UUID(self._answer(self.api.post("workspaces/", body), 201)["id"])

    def terms(self, workspace: UUID, **terms: Any) -> None:
        path = f"workspaces/{workspace}/billing-settings/"
        stored = self._answer(self.api.get(path), 200)
        with self.committed():
            self._answer(self.api.put(path, {**stored, **terms}), 200)

    def agent(self, workspace: UUID, name: str = "Front desk") -> str:
        body = {"workspace_id": str(workspace), "name": name, "status": "live"}
        with self.committed():
            return str(self._answer(self.api.post("agents/", body), 201)["id"])

    def agent_state(self, agent: str) -> tuple[str, str | None]:
        found = self._answer(self.api.get(f"agents/{agent}/"), 200)
        return found["status"], found["paused_reason"]

    def use(self, *records: Mapping[str, Any]) -> dict[str, Any]:
        """Post records; each has a key of its own unless it brings one."""
        body = {"records": [{"idempotency_key": str(uuid4()), **record} for record in records]}
        with self.committed():
            account = self._answer(self.api.post("usage/batch/", body), 200)
        assert account["rejected"] == 0, account["errors"]
        return account

    def void_all(self, workspace: UUID, *, reason: str) -> None:
        records = self._answer(self.api.get("usage/", workspace_id=workspace), 200)["results"]
        for record in records:
            with self.committed():
                self._answer(self.api.post(f"usage/{record['id']}/void/", {"reason": reason}), 201)

    def admission(self, workspace: UUID) -> dict[str, Any]:
        return self._answer(self.api.get(f"workspaces/{workspace}/admission/"), 200)

    def summary(self, workspace: UUID) -> dict[str, Any]:
        return self._answer(self.api.get(f"workspaces/{workspace}/usage-summary/"), 200)

    def periods(self, workspace: UUID) -> list[dict[str, Any]]:
        """Oldest first."""
        found = self._answer(self.api.get("billing-periods/", workspace_id=workspace), 200)
        return sorted(found["results"], key=lambda period: period["period_start"])

    def invoices(self, workspace: UUID) -> list[dict[str, Any]]:
        """Oldest first."""
        found = self._answer(self.api.get("invoices/", workspace_id=workspace), 200)
        return sorted(found["results"], key=lambda invoice: invoice["invoice_number"])

    def lines(self, invoice: dict[str, Any]) -> list[tuple[str, str]]:
        return [(item["description"], item["amount"]) for item in invoice["items"]]

    def status_of(self, workspace: UUID) -> str:
        return str(self._answer(self.api.get(f"workspaces/{workspace}/"), 200)["status"])

    def give_card(self, workspace: UUID, card: str) -> None:
        """As an owner does: from the owner's page to Stripe's, and back."""
        owner = Client()
        owner.force_login(
            User.objects.get(memberships__workspace=workspace),
            backend="billing.sign_in_backend.SignInBackend",
        )
        with self.committed():
            leads_to = owner.post(f"/w/{workspace}/payment-method/")["Location"]
        form = urllib.parse.urlencode({"card": card}).encode()
        try:
            with _browser.open(leads_to, data=form) as page:
                raise AssertionError(page.read().decode())
        except urllib.error.HTTPError as redirect:
            back = urllib.parse.urlsplit(redirect.headers["Location"])
        with self.committed():
            assert owner.get(f"{back.path}?{back.query}").status_code == 302
        self.hear_from_stripe()

    def attach_in_stripe(self, workspace: UUID, card: str) -> None:
        """As finance does in Stripe's dashboard, without choosing it as the default."""
        customer = StripeCustomer.objects.get(workspace=workspace).stripe_id
        stripe_client.post(DEFAULT, f"/v1/payment_methods/{card}/attach", {"customer": customer})
        self.hear_from_stripe()

    def lose_events(self, what: Callable[[], object]) -> None:
        """Do something in Stripe of which no event arrives."""
        what()
        since = {"created": {"gte": self._heard_at}}
        self._delivered |= {
            event["id"] for event in stripe_client.every(DEFAULT, "/v1/events", since)
        }

    def pay_on_page(self, invoice: dict[str, Any], card: str) -> None:
        """Open Stripe's page of the invoice and pay there."""
        form = urllib.parse.urlencode({"card": card}).encode()
        with urllib.request.urlopen(invoice["hosted_invoice_url"], data=form) as response:
            assert response.status == 200
        self.hear_from_stripe()

    def refund(self, invoice: dict[str, Any], amount_minor: int) -> None:
        """As finance does in Stripe's dashboard."""
        (payment,) = stripe_client.get(
            DEFAULT, "/v1/invoice_payments", {"invoice": invoice["stripe_invoice_id"]}
        )["data"]
        intent = payment["payment"]["payment_intent"]
        stripe_client.post(
            DEFAULT, "/v1/refunds", {"payment_intent": intent, "amount": amount_minor}
        )
        self.hear_from_stripe()

    def hear_from_stripe(self) -> None:
        """Deliver what the sandbox has sent by now, in order, each signed by Stripe."""
        endpoint = WebhookEndpoint.objects.get()
        since = {"created": {"gte": self._heard_at}}
        events = [
            event
            for event in stripe_client.every(DEFAULT, "/v1/events", since)
            if event["id"] not in self._delivered and event["type"] in endpoint.enabled_events
        ]
        self._heard_at = int(self.now.timestamp())
        for event in reversed(events):
            self._delivered.add(event["id"])
            with self.committed():
                self._deliver(endpoint, json.dumps(event).encode())

    def _deliver(self, endpoint: WebhookEndpoint, body: bytes) -> None:
        answer = self._stripe.post(
            urllib.parse.urlsplit(endpoint.url).path,
            data=body,
            content_type="application/json",
            headers={"Stripe-Signature": signature(body, endpoint.secret, self.now)},
        )
        assert answer.status_code == 200, answer.content

    def _set_stripes_clock(self) -> None:
        behind = int(self.now.timestamp()) - self.sandbox.control("GET", "health")["now"]
        self.sandbox.advance(behind)

    def _answer(self, response: Any, status: int) -> dict[str, Any]:
        assert response.status_code == status, response.content
        answer: dict[str, Any] = json.loads(response.content)
        return answer


def signature(body: bytes, secret: str, at: dt.datetime) -> str:
    timestamp = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={digest.hexdigest()}"
