"""Closing billing periods from the admin, and what a close that fails says."""

from decimal import Decimal

import pytest
from django.urls import reverse

from billing.models import BillingPeriod, TierPrice
from billing.services.periods import open_period
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_period, make_workspace
from tests.kit.staff import OCTOBER, change_page, finance_client, page_after, press, previewed

pytestmark = pytest.mark.django_db


def test_an_ended_period_is_finalized_and_its_invoice_named():
    client, acme = finance_client(), make_workspace()
    period = make_period(acme, OCTOBER)

    response = press(client, "billing_billingperiod", "finalize", period.pk)

    period.refresh_from_db()
    assert period.status == "finalized"
    text = page_after(client, response)
    assert "October 2026 of Acme is finalized: $49.00." in text
    assert "INV-2026-000001" in text


def test_opening_the_dialog_changes_nothing():
    client, period = finance_client(), make_period(make_workspace(), OCTOBER)

    client.get(reverse("admin:billing_billingperiod_finalize", args=[period.pk]))

    period.refresh_from_db()
    assert period.status == "current"


def test_a_running_period_is_finalized_only_when_that_is_meant():
    client, acme = finance_client(), make_workspace()
    period = open_period(workspace_id=acme.pk, at=NOW, now=NOW)

    refused = press(client, "billing_billingperiod", "finalize", period.pk)
    period.refresh_from_db()
    assert period.status == "current"
    assert "Switch this on to close it now" in refused.content.decode()

    press(client, "billing_billingperiod", "finalize", period.pk, force="on")
    period.refresh_from_db()
    assert period.status == "finalized"


def test_a_finalized_period_has_no_button_any_more():
    client, invoice = finance_client(), make_invoice(make_workspace())

    assert "Finalize now" not in change_page(
        client, "billing_billingperiod", invoice.billing_period_id
    )
    refused = press(client, "billing_billingperiod", "finalize", invoice.billing_period_id)
    assert refused.status_code == 403


def test_a_failed_close_says_why_and_is_retried_once_it_is_mended():
    client, acme = finance_client(), make_workspace()
    period = make_period(acme, OCTOBER)
    price = TierPrice.objects.get(tier=acme.tier, currency="USD")
    price.delete()
    BillingPeriod.objects.filter(pk=period.pk).update(
        close_error="No price in USD.", close_failed_at=NOW
    )
    text = change_page(client, "billing_billingperiod", period.pk)
    assert "No price in USD." in text
    assert "Retry the close" in text

    press(client, "billing_billingperiod", "retry_close", period.pk)
    period.refresh_from_db()
    assert period.status == "current"

    TierPrice.objects.create(tier=acme.tier, currency="USD", fee=Decimal("49.00"))
    press(client, "billing_billingperiod", "retry_close", period.pk)
    period.refresh_from_db()
    assert period.status == "finalized"
    assert period.subscription_fee == Decimal("49.00")


def test_many_periods_are_finalized_at_once_and_running_ones_refused():
    client = finance_client()
    acme, globex = (make_period(make_workspace(name), OCTOBER) for name in ("Acme", "Globex"))
    running = open_period(workspace_id=acme.workspace_id, at=NOW, now=NOW)
    address = reverse("admin:billing_billingperiod_changelist")

    page, confirm = previewed(client, address, "finalize_selected", [acme, globex, running])

    assert "2 of 3: $98.00" in page
    assert "The period ends at 2026-11-30" in page
    assert not BillingPeriod.objects.exclude(status="current").exists()
    confirm()
    assert set(BillingPeriod.objects.filter(status="finalized")) == {acme, globex}
