"""The sync needs few endpoints, so that it works against any server that speaks Stripe's API."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from invoices.payments.services.stripe_client import configure_sdk
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.bare_stripe import BareStripe, bare_stripe
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def stripe(settings: Settings) -> Iterator[BareStripe]:
    with bare_stripe() as server:
        settings.STRIPE_API_BASE = server.url
        settings.STRIPE_SECRET_KEY = "sk_test_bare00000000000000000000"
        settings.STRIPE_MAX_REQUESTS_PER_SECOND = 0
        configure_sdk()
        yield server


def test_a_server_with_the_barest_objects_gets_the_invoice_and_is_paid(stripe: BareStripe) -> None:
    invoice = make_invoice(make_workspace("Acme"), status="draft")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    (made,) = stripe.of("invoices")
    assert (made["total"], made["status"]) == (6134, "paid")
    assert (made["currency"], made["auto_advance"]) == ("usd", "false")
    assert [each["amount"] for each in stripe.of("invoiceitems")] == [4900, 1234]
    invoice.refresh_from_db()
    assert (invoice.status, invoice.stripe_invoice_id) == ("paid", made["id"])
    assert invoice.hosted_invoice_url == made["hosted_invoice_url"]


def test_a_second_invoice_goes_to_the_same_customer(stripe: BareStripe) -> None:
    acme = make_workspace("Acme")
    for month in (9, 10):
        invoice = make_invoice(acme, status="draft", month=month, collection_method="send_invoice")
        assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    assert len(stripe.of("customers")) == 1
    assert [made["status"] for made in stripe.of("invoices")] == ["open", "open"]
    # What else dj-stripe would like to know does not stand in the way.
    assert set(stripe.unknown) <= {"GET /v1/account"}
