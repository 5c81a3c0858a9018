"""Charged automatically, and there is nothing to charge: whatever comes later pays."""

import io
from uuid import UUID

import pytest
from django.core import mail
from django.test import Client
from pypdf import PdfReader

from billing.models import User
from invoices.models import Invoice
from invoices.payments.models import InvoiceAction, StripeCustomer
from invoices.pdf import render_invoice
from tests.kit.stripe_side import give_card
from tests.kit.walk import Walk

NO_METHOD = "There is no payment method"


def begin(walk: Walk) -> UUID:
    """On the starter tier since January 2028, closed on 2 February, never having saved a card."""
    walk.go_to("2028-01-03T09:00:00+01:00")
    workspace = walk.workspace("Acme")
    walk.tick()
    walk.go_to("2028-02-02T00:05:00+01:00")
    return workspace


@pytest.fixture
def walk(begun_walk: Walk) -> Walk:
    return begun_walk


def customer_of(workspace: UUID) -> str:
    return StripeCustomer.objects.get(workspace=workspace).stripe_id


def status(walk: Walk, workspace: UUID) -> str:
    (invoice,) = walk.invoices(workspace)
    return str(invoice["status"])


def owners_page(workspace: UUID, rest: str = "") -> str:
    owner = Client()
    owner.force_login(
        User.objects.get(memberships__workspace=workspace),
        backend="billing.sign_in_backend.SignInBackend",
    )
    return owner.get(f"/w/{workspace}/invoices/{rest}").content.decode()


def test_mail_paper_and_page_say_that_there_is_none_and_where_one_is_added(
    walk: Walk, acme: UUID
) -> None:
    (issued,) = [sent for sent in mail.outbox if "from Voice Platform" in sent.subject]
    assert NO_METHOD in issued.body
    assert f"/w/{acme}/invoices/" in issued.body
    assert "charged automatically: there is nothing to do" not in issued.body
    invoice = Invoice.objects.get()
    paper = PdfReader(io.BytesIO(render_invoice(invoice))).pages[0].extract_text()
    assert NO_METHOD in " ".join(paper.split())
    assert NO_METHOD in owners_page(acme)
    detail = owners_page(acme, f"{invoice.pk}/")
    assert "Not charged: no payment method" in detail
    assert "Charged as soon as there is a payment method" in detail


def test_a_card_saved_on_the_owners_page_pays_at_once(walk: Walk, acme: UUID) -> None:
    assert status(walk, acme) == "open"
    walk.give_card(acme, "pm_card_visa")
    assert status(walk, acme) == "paid"
    page = owners_page(acme)
    assert NO_METHOD not in page
    assert "Charged to Visa ending in 4242" in page
    assert InvoiceAction.objects.count() == 1


def test_a_card_chosen_in_stripe_pays_at_once(walk: Walk, acme: UUID) -> None:
    give_card(customer_of(acme))
    walk.hear_from_stripe()
    assert status(walk, acme) == "paid"


def test_a_card_that_is_only_saved_in_stripe_is_used(walk: Walk, acme: UUID) -> None:
    walk.attach_in_stripe(acme, "pm_card_visa")
    assert status(walk, acme) == "paid"


def test_a_good_card_after_a_decline_pays_and_ends_the_suspension(walk: Walk, acme: UUID) -> None:
    walk.give_card(acme, "pm_card_chargeCustomerFail")
    assert status(walk, acme) == "overdue"
    assert walk.status_of(acme) == "suspended"
    give_card(customer_of(acme))
    walk.hear_from_stripe()
    assert status(walk, acme) == "paid"
    assert walk.status_of(acme) == "active"


def test_an_event_that_was_lost_is_made_up_for_by_the_schedule(walk: Walk, acme: UUID) -> None:
    walk.lose_events(lambda: give_card(customer_of(acme)))
    assert status(walk, acme) == "open"
    walk.go_to("2028-02-03T00:20:00+01:00")
    assert status(walk, acme) == "paid"


def test_the_schedule_charges_on_its_days_and_once_each(walk: Walk, acme: UUID) -> None:
    walk.give_card(acme, "pm_card_chargeCustomerFail")
    for hour in ("00:20", "05:20", "23:20"):
        walk.go_to(f"2028-02-05T{hour}:00+01:00")
    asked = InvoiceAction.objects.order_by("requested_at").values_list("requested_by", "status")
    # When the card was saved, and on the first day that has come of 1, 3, 5, 7, 14, 21 and 28.
    assert list(asked) == [("new payment method", "failed"), ("schedule", "failed")]
    assert InvoiceAction.objects.latest("requested_at").key == "charge:3"


def test_another_workspaces_card_pays_nothing_here(walk: Walk, acme: UUID) -> None:
    globex = walk.workspace("Globex")
    walk.give_card(globex, "pm_card_visa")
    assert status(walk, acme) == "open"
