"""What each event of Stripe's does to invoices, periods and workspaces."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.utils import timezone as clock
from djstripe.models import Event, WebhookEndpoint, WebhookEventTrigger
from pytest_django import Settings

from billing.models import Email, SubscriptionTier, Workspace
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.models import Chargeback, HandledEvent, StripeCustomer
from invoices.payments.webhooks.handlers import HANDLED_EVENTS
from invoices.payments.webhooks.pruning import prune
from tests.kit.deliveries import about, endpoint, event, post
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace
from usage.models import VoiceAgent

pytestmark = pytest.mark.django_db


@pytest.fixture
def here(db: None) -> WebhookEndpoint:
    cache.clear()
    return endpoint()


@pytest.fixture
def acme(db: None) -> Workspace:
    return make_workspace("Acme", billing_email="billing@acme.test")


@pytest.fixture
def invoice(acme: Workspace) -> Invoice:
    return make_invoice(acme, stripe_invoice_id="in_1")


def deliver(here: WebhookEndpoint, payload: dict[str, Any], *, status: int = 200) -> None:
    answer = post(here.djstripe_uuid, payload)
    assert answer.status_code == status, answer.content


def state(invoice: Invoice) -> tuple[str, str, str]:
    stored = Invoice.objects.select_related("billing_period", "workspace").get(pk=invoice.pk)
    return stored.status, stored.billing_period.status, stored.workspace.status


def outcome(payload: dict[str, Any]) -> str:
    return HandledEvent.objects.get(event_id=payload["id"]).outcome


def test_paid_is_paid_at_stripes_time(here: WebhookEndpoint, invoice: Invoice) -> None:
    deliver(here, about("invoice.paid", status_transitions={"paid_at": 1_762_300_800}))
    assert state(invoice) == ("paid", "paid", "active")
    invoice.refresh_from_db()
    assert invoice.paid_at == dt.datetime(2025, 11, 5, tzinfo=dt.UTC)


def test_a_failed_payment_suspends_and_a_later_one_reactivates(
    here: WebhookEndpoint, invoice: Invoice
) -> None:
    deliver(here, about("invoice.payment_failed", attempt_count=1))
    assert state(invoice) == ("overdue", "overdue", "suspended")
    deliver(here, about("invoice.paid"))
    assert state(invoice) == ("paid", "paid", "active")


def test_agents_stop_with_the_suspension_and_go_on_with_the_payment(
    here: WebhookEndpoint, invoice: Invoice, acme: Workspace
) -> None:
    agent = VoiceAgent.objects.create(workspace=acme, name="Reception", status="live")
    deliver(here, about("invoice.payment_failed"))
    agent.refresh_from_db()
    assert (agent.status, agent.paused_reason) == ("paused", "suspended")
    deliver(here, about("invoice.paid"))
    agent.refresh_from_db()
    assert (agent.status, agent.paused_reason) == ("live", None)


def test_a_failure_that_arrives_after_the_payment_changes_nothing(
    here: WebhookEndpoint, invoice: Invoice
) -> None:
    deliver(here, about("invoice.paid"))
    deliver(here, about("invoice.payment_failed", attempt_count=1))
    assert state(invoice) == ("paid", "paid", "active")


def test_the_same_event_again_is_answered_and_handled_no_more(
    here: WebhookEndpoint, invoice: Invoice
) -> None:
    failed = about("invoice.payment_failed")
    for _ in range(3):
        deliver(here, failed)
    assert InvoiceEvent.objects.filter(kind="payment_failed").count() == 1
    assert WebhookEventTrigger.objects.filter(processed=True).count() == 3
    assert Event.objects.count() == 1


def test_finalized_opens_a_draft_and_gives_it_its_page(
    here: WebhookEndpoint, acme: Workspace
) -> None:
    draft = make_invoice(acme, status="draft")
    deliver(
        here,
        about(
            "invoice.finalized",
            "in_9",
            metadata={"invoice_id": str(draft.pk)},
            hosted_invoice_url="https://pay.example/in_9",
        ),
    )
    draft.refresh_from_db()
    assert (draft.status, draft.stripe_invoice_id) == ("open", "in_9")
    assert draft.hosted_invoice_url == "https://pay.example/in_9"


def test_a_payment_heard_of_before_the_sync_noted_the_counterpart_counts(
    here: WebhookEndpoint, acme: Workspace
) -> None:
    draft = make_invoice(acme, status="draft")
    deliver(here, about("invoice.paid", "in_9", metadata={"invoice_id": str(draft.pk)}))
    draft.refresh_from_db()
    assert (draft.status, draft.stripe_invoice_id) == ("paid", "in_9")


def test_voided_and_uncollectible_and_overdue_have_their_effects(
    here: WebhookEndpoint, acme: Workspace
) -> None:
    july, august, september = (
        make_invoice(acme, month=month, stripe_invoice_id=f"in_{month}") for month in (7, 8, 9)
    )
    deliver(here, about("invoice.voided", "in_7"))
    deliver(here, about("invoice.marked_uncollectible", "in_8"))
    deliver(here, about("invoice.overdue", "in_9"))
    assert state(july) == ("void", "finalized", "active")
    assert state(august) == ("uncollectible", "overdue", "active")
    assert state(september) == ("overdue", "overdue", "active")


def test_finance_hears_of_an_invoice_that_stripe_could_not_finalize(
    here: WebhookEndpoint, invoice: Invoice, settings: Settings
) -> None:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    error = {"message": "The customer's address is needed for tax."}
    deliver(here, about("invoice.finalization_failed", last_finalization_error=error))
    told = InvoiceEvent.objects.get(kind="finalization_failed")
    assert told.detail == "The customer's address is needed for tax."
    assert told.kind in told.FOR_STAFF_ONLY
    assert "address is needed" in Email.objects.get(kind="finance").text


def test_an_invoice_that_is_not_ours_is_answered_and_noted(here: WebhookEndpoint) -> None:
    payload = about("invoice.paid", "in_foreign")
    deliver(here, payload)
    assert outcome(payload) == "invoice in_foreign is not ours"


def test_an_invoice_of_ours_that_is_not_stored_yet_is_asked_for_again(
    here: WebhookEndpoint, acme: Workspace
) -> None:
    invoice_id = uuid4()
    payload = about("invoice.paid", "in_9", metadata={"invoice_id": str(invoice_id)})
    deliver(here, payload, status=503)
    assert not HandledEvent.objects.exists()
    late = make_invoice(acme, status="draft")
    Invoice.objects.filter(pk=late.pk).delete()
    late.pk = invoice_id
    late.save(force_insert=True)
    deliver(here, payload)
    assert state(late)[0] == "paid"


def test_an_invoice_of_another_installation_is_not_asked_for_for_ever(
    here: WebhookEndpoint,
) -> None:
    payload = about("invoice.paid", "in_9", metadata={"invoice_id": str(uuid4())})
    payload["created"] -= 7_200
    deliver(here, payload)
    assert outcome(payload) == "invoice in_9 is not ours"


@pytest.mark.parametrize("type", [*HANDLED_EVENTS, "invoice.created", "no.such.type"])
def test_every_event_about_unknown_things_is_answered(here: WebhookEndpoint, type: str) -> None:
    deliver(here, event(type, {"id": "x_1"}))
    deliver(here, event(type, {}))
    deliver(
        here,
        event(
            type,
            {
                "id": 5,
                "invoice": 5,
                "customer": ["x"],
                "metadata": "text",
                "payment": "x",
                "payment_intent": {"id": None},
                "amount": "much",
                "status_transitions": [],
            },
            created="yesterday",
            request="req_1",
        ),
    )


def pay_by_card(here: WebhookEndpoint) -> None:
    deliver(
        here,
        event(
            "invoice_payment.paid",
            {
                "id": "inpay_1",
                "object": "invoice_payment",
                "invoice": "in_1",
                "amount_paid": 6134,
                "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
            },
        ),
    )
    deliver(here, about("invoice.paid"))


def charge(**fields: Any) -> dict[str, Any]:
    return {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 6134, **fields}


def test_a_refund_shows_on_the_invoice_that_its_charge_paid(
    here: WebhookEndpoint, invoice: Invoice
) -> None:
    pay_by_card(here)
    deliver(here, event("charge.refunded", charge(amount_refunded=1000)))
    deliver(
        here,
        event(
            "refund.created",
            {
                "id": "re_1",
                "object": "refund",
                "amount": 1000,
                "charge": "ch_1",
                "payment_intent": "pi_1",
                "status": "succeeded",
                "reason": "requested_by_customer",
            },
        ),
    )
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_refunded) == ("paid", Decimal("10.00"))
    refund = invoice.payment_entries.get(stripe_id="re_1")
    assert (refund.amount, refund.status) == (Decimal("10.00"), "succeeded")
    payment = invoice.payment_entries.get(kind="payment")
    assert (payment.payment_intent_id, payment.amount_refunded) == ("pi_1", Decimal("10.00"))


def test_an_older_total_of_refunds_never_lowers_a_newer_one(
    here: WebhookEndpoint, invoice: Invoice
) -> None:
    pay_by_card(here)
    deliver(here, event("charge.refunded", charge(amount_refunded=6134)))
    deliver(here, event("charge.refunded", charge(amount_refunded=1000)))
    invoice.refresh_from_db()
    assert invoice.amount_refunded == Decimal("61.34")


def test_a_failed_refund_is_taken_back(here: WebhookEndpoint, invoice: Invoice) -> None:
    pay_by_card(here)
    refund = {"id": "re_1", "object": "refund", "amount": 1000, "payment_intent": "pi_1"}
    deliver(here, event("refund.created", {**refund, "status": "pending"}))
    deliver(here, event("refund.failed", {**refund, "status": "failed"}))
    invoice.refresh_from_db()
    assert invoice.amount_refunded == Decimal("0.00")


def test_a_dispute_shows_on_the_invoice_and_finance_is_told(
    here: WebhookEndpoint, invoice: Invoice, settings: Settings
) -> None:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    pay_by_card(here)
    dispute = {
        "id": "dp_1",
        "object": "dispute",
        "amount": 6134,
        "charge": "ch_1",
        "payment_intent": "pi_1",
        "reason": "fraudulent",
    }
    deliver(here, event("charge.dispute.created", {**dispute, "status": "needs_response"}))
    deliver(here, event("charge.dispute.closed", {**dispute, "status": "lost"}))
    assert invoice.payment_entries.get(kind="dispute").status == "lost"
    known = Chargeback.objects.get()
    assert (known.invoice, known.status, known.amount) == (invoice, "lost", Decimal("61.34"))
    # That it began, and how it ended.
    assert Email.objects.filter(kind="finance").count() == 2


def test_a_credit_note_shows_on_the_invoice_until_it_is_voided(
    here: WebhookEndpoint, invoice: Invoice
) -> None:
    note = {"id": "cn_1", "object": "credit_note", "invoice": "in_1", "total": 500}
    deliver(here, event("credit_note.created", {**note, "status": "issued"}))
    deliver(here, event("credit_note.voided", {**note, "status": "void"}))
    stored = invoice.payment_entries.get(kind="credit_note")
    assert (stored.amount, stored.status) == (Decimal("5.00"), "void")


def stripe_customer(workspace: Workspace, stripe_id: str = "cus_1") -> None:
    StripeCustomer.objects.create(workspace=workspace, stripe_id=stripe_id)


def test_the_end_of_a_subscription_leads_to_the_free_tier_and_its_owners_are_told(
    here: WebhookEndpoint, acme: Workspace
) -> None:
    stripe_customer(acme)
    running = make_invoice(acme).billing_period
    ended = {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "canceled"}
    deliver(here, event("customer.subscription.deleted", ended))
    deliver(here, event("customer.subscription.deleted", ended))
    acme.refresh_from_db()
    assert acme.tier.name == "free"
    running.refresh_from_db()
    assert running.tier.name == "starter"
    mail = Email.objects.get(kind="subscription_ended")
    assert mail.recipients == ["billing@acme.test", "owner@acme.test"]
    assert "free plan" in mail.text


def test_the_end_of_a_subscription_finds_its_workspace_by_our_metadata(
    here: WebhookEndpoint, acme: Workspace
) -> None:
    ended = {"id": "sub_1", "customer": "cus_9", "metadata": {"workspace_id": str(acme.pk)}}
    deliver(here, event("customer.subscription.deleted", ended))
    acme.refresh_from_db()
    assert acme.tier.name == "free"


def test_finance_is_told_where_the_free_tier_has_no_price(
    here: WebhookEndpoint, acme: Workspace, settings: Settings
) -> None:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    stripe_customer(acme)
    SubscriptionTier.objects.get(name="free").prices.filter(currency="USD").delete()
    deliver(here, event("customer.subscription.deleted", {"id": "sub_1", "customer": "cus_1"}))
    acme.refresh_from_db()
    assert acme.tier.name == "starter"
    assert "has no price in USD" in Email.objects.get(kind="finance").text


def test_a_customer_deleted_in_stripe_is_forgotten(
    here: WebhookEndpoint, acme: Workspace, settings: Settings
) -> None:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    stripe_customer(acme)
    deliver(here, event("customer.deleted", {"id": "cus_1", "object": "customer"}))
    assert StripeCustomer.objects.get(workspace=acme).stripe_id is None
    assert Email.objects.get(kind="finance").subject == "The Stripe customer of Acme was deleted"


def test_old_deliveries_and_receipts_are_forgotten(here: WebhookEndpoint, invoice: Invoice) -> None:
    deliver(here, about("invoice.paid"))
    now = clock.now()
    assert prune(now=now)["deliveries"] == 0
    assert prune(now=now + dt.timedelta(days=61))["deliveries"] == 1
    assert HandledEvent.objects.exists()
    assert prune(now=now + dt.timedelta(days=401))["receipts"] == 1
    assert not Event.objects.exists()
