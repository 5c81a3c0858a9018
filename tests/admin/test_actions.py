"""What finance may do from the admin, when, and what those who only look may not."""

from decimal import Decimal

import pytest
from adminkit import (
    NOW,
    OCTOBER,
    a_row_of_everything,
    customer,
    finance,
    invoice_of,
    superuser,
    viewer,
)
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from billing.models import BillingPeriod, Email, ServiceKey, TierPrice, User, Workspace
from billing.services.keys import create_key, find_key
from billing.services.periods import open_period
from invoices.models import Invoice, InvoiceAction
from usage.models import VoiceAgent

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today(time_machine):
    time_machine.move_to(NOW, tick=False)


def press(client: Client, model: str, action: str, pk: object, **fields: object):
    """Confirm the dialog of an action on a detail page."""
    address = reverse(f"admin:{model}_{action}", args=[pk])
    return client.post(address, {"_form_submitted": "on", **fields})


def page(client: Client, model: str, pk: object) -> str:
    return client.get(reverse(f"admin:{model}_change", args=[pk])).content.decode()


def said(client: Client, response) -> str:
    return client.get(response["Location"]).content.decode()


def october_of(workspace: Workspace) -> BillingPeriod:
    return open_period(workspace_id=workspace.pk, at=OCTOBER, now=OCTOBER)


# Periods


def test_an_ended_period_is_finalized_and_its_invoice_named():
    client, acme = finance(), customer()
    period = october_of(acme)

    response = press(client, "billing_billingperiod", "finalize", period.pk)

    period.refresh_from_db()
    assert period.status == "finalized"
    text = said(client, response)
    assert "October 2026 of Acme is finalized: $49.00." in text
    assert "INV-2026-000001" in text


def test_opening_the_dialog_changes_nothing():
    client, period = finance(), october_of(customer())

    client.get(reverse("admin:billing_billingperiod_finalize", args=[period.pk]))

    period.refresh_from_db()
    assert period.status == "current"


def test_a_running_period_is_finalized_only_when_that_is_meant():
    client, acme = finance(), customer()
    period = open_period(workspace_id=acme.pk, at=NOW, now=NOW)

    refused = press(client, "billing_billingperiod", "finalize", period.pk)
    period.refresh_from_db()
    assert period.status == "current"
    assert "Switch this on to close it now" in refused.content.decode()

    press(client, "billing_billingperiod", "finalize", period.pk, force="on")
    period.refresh_from_db()
    assert period.status == "finalized"


def test_a_finalized_period_has_no_button_any_more():
    client, invoice = finance(), invoice_of(customer())

    assert "Finalize now" not in page(client, "billing_billingperiod", invoice.billing_period_id)
    refused = press(client, "billing_billingperiod", "finalize", invoice.billing_period_id)
    assert refused.status_code == 403


def test_a_failed_close_says_why_and_is_retried_once_it_is_mended():
    client, acme = finance(), customer()
    period = october_of(acme)
    price = TierPrice.objects.get(tier=acme.tier, currency="USD")
    price.delete()
    BillingPeriod.objects.filter(pk=period.pk).update(
        close_error="No price in USD.", close_failed_at=NOW
    )
    text = page(client, "billing_billingperiod", period.pk)
    assert "No price in USD." in text
    assert "Retry the close" in text

    press(client, "billing_billingperiod", "retry_close", period.pk)
    period.refresh_from_db()
    assert period.status == "current"

    TierPrice.objects.create(tier=acme.tier, currency="USD", monthly_fee=Decimal("49.00"))
    press(client, "billing_billingperiod", "retry_close", period.pk)
    period.refresh_from_db()
    assert period.status == "finalized"
    assert period.subscription_fee == Decimal("49.00")


def test_many_periods_are_finalized_at_once_and_running_ones_refused():
    client = finance()
    acme, globex = october_of(customer("Acme")), october_of(customer("Globex"))
    running = open_period(workspace_id=acme.workspace_id, at=NOW, now=NOW)
    address = reverse("admin:billing_billingperiod_changelist")

    response = client.post(
        address,
        {"action": "finalize_selected", "_selected_action": [acme.pk, globex.pk, running.pk]},
        follow=True,
    )

    assert set(BillingPeriod.objects.filter(status="finalized")) == {acme, globex}
    assert "The period ends at 2026-12-01" in response.content.decode()


# Invoices


@pytest.mark.parametrize(
    ("action", "status"),
    [("mark_as_paid", "paid"), ("void", "void"), ("write_off", "uncollectible")],
)
def test_an_invoice_that_stripe_does_not_have_is_settled_here(action, status):
    client, invoice = finance(), invoice_of(customer())

    response = press(client, "invoices_invoice", action, invoice.pk)

    invoice.refresh_from_db()
    assert invoice.status == status
    assert "done." in said(client, response)
    asked = InvoiceAction.objects.get()
    assert asked.actor is not None
    assert asked.actor.email == "fay@finance.test"


def test_one_that_stripe_has_is_asked_of_stripe_first(django_capture_on_commit_callbacks):
    client, invoice = finance(), invoice_of(customer())
    Invoice.objects.update(stripe_invoice_id="in_1")

    with django_capture_on_commit_callbacks() as callbacks:
        press(client, "invoices_invoice", "void", invoice.pk)

    invoice.refresh_from_db()
    assert invoice.status == "open"
    assert InvoiceAction.objects.get().status == "pending"
    assert len(callbacks) == 1


@pytest.mark.parametrize("action", ["retry_the_payment", "mark_as_paid", "write_off", "void"])
def test_a_paid_invoice_offers_nothing(action):
    client, invoice = finance(), invoice_of(customer(), status="paid")

    assert press(client, "invoices_invoice", action, invoice.pk).status_code == 403
    invoice.refresh_from_db()
    assert invoice.status == "paid"


def test_the_pdf_is_served_and_shows_the_number():
    client, invoice = finance(), invoice_of(customer())

    response = client.get(reverse("admin:invoices_invoice_pdf", args=[invoice.pk]))

    assert response["Content-Type"] == "application/pdf"
    assert 'filename="INV-2026-000001.pdf"' in response["Content-Disposition"]
    assert response.content.startswith(b"%PDF-")


# Workspaces, prices, keys, e-mails


def test_a_limit_below_the_spend_pauses_the_agents_at_once():
    client, acme = finance(), customer()
    open_period(workspace_id=acme.pk, at=NOW, now=NOW).counters.filter(slot=0).update(
        final_cost=Decimal(90)
    )

    agent = VoiceAgent.objects.create(workspace=acme, name="Desk", status="live")

    response = client.post(
        reverse("admin:billing_workspace_change", args=[acme.pk]),
        workspace_form(acme, **{"billing_settings-0-usage_limit_monthly": "80"}),
    )

    assert response.status_code == 302, response.context["errors"]
    acme.billing_settings.refresh_from_db()
    assert acme.billing_settings.usage_limit_monthly == Decimal(80)
    agent.refresh_from_db()
    assert (agent.status, agent.paused_reason) == ("paused", "usage_limit")


def test_a_currency_with_usage_in_it_cannot_be_changed_and_the_page_says_so():
    client, acme = finance(), customer()
    open_period(workspace_id=acme.pk, at=NOW, now=NOW)

    response = client.post(
        reverse("admin:billing_workspace_change", args=[acme.pk]),
        workspace_form(acme, name="Acme Renamed", currency="EUR"),
    )

    acme.refresh_from_db()
    assert (acme.name, acme.currency) == ("Acme", "USD")
    assert "The currency cannot change any more" in said(client, response)


def test_a_suspension_by_hand_takes_effect():
    client, acme = finance(), customer()
    invoice_of(acme)

    client.post(
        reverse("admin:billing_workspace_change", args=[acme.pk]),
        workspace_form(acme, status="suspended"),
    )

    acme.refresh_from_db()
    assert (acme.status, acme.suspension_reason) == ("suspended", "manual")


def test_a_workspace_is_made_with_its_owner_and_terms():
    client = finance()
    tier = customer().tier

    client.post(
        reverse("admin:billing_workspace_add"),
        {
            "name": "Globex",
            "owner_email": "hank@globex.test",
            "tier": tier.pk,
            "currency": "EUR",
            "timezone": "Europe/Berlin",
        },
    )

    globex = Workspace.objects.get(name="Globex")
    assert globex.members.get().email == "hank@globex.test"
    assert globex.billing_settings.payment_terms_days == 14


@pytest.mark.parametrize(
    ("currency", "fee", "why"),
    [
        ("JPY", "7000.5", "The smallest amount of JPY is 1."),
        ("XXX", "1", "XXX is not a currency that can be billed."),
        ("CHF", "-1", "greater than or equal to 0"),
    ],
)
def test_a_price_that_cannot_be_charged_is_refused(currency, fee, why):
    client, tier = finance(), customer().tier

    response = client.post(
        reverse("admin:billing_subscriptiontier_change", args=[tier.pk]),
        {
            "description": "",
            "prices-TOTAL_FORMS": 1,
            "prices-INITIAL_FORMS": 0,
            "prices-0-tier": tier.pk,
            "prices-0-currency": currency,
            "prices-0-monthly_fee": fee,
        },
    )

    assert why in response.content.decode()


def test_the_price_of_a_paying_workspace_cannot_be_deleted():
    client, tier = finance(), customer().tier
    price = tier.prices.get(currency="USD")

    response = client.post(
        reverse("admin:billing_subscriptiontier_change", args=[tier.pk]),
        {
            "description": "",
            "prices-TOTAL_FORMS": 1,
            "prices-INITIAL_FORMS": 1,
            "prices-0-id": price.pk,
            "prices-0-tier": tier.pk,
            "prices-0-currency": "USD",
            "prices-0-monthly_fee": "49",
            "prices-0-DELETE": "on",
        },
    )

    assert "its price must stay" in response.content.decode()
    assert tier.prices.filter(currency="USD").exists()


def test_a_new_keys_secret_is_shown_once_and_works():
    client = finance()

    response = client.post(
        reverse("admin:billing_servicekey_add"),
        {"name": "Ingest", "scopes": ["usage:write", "usage:read"], "workspace": ""},
    )

    secret = response.context["secret"]
    assert secret in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    key = find_key(secret=secret, now=NOW)
    assert key is not None
    assert key.scopes == ["usage:read", "usage:write"]
    assert secret not in page(client, "billing_servicekey", key.pk)


def test_a_revoked_key_stops_and_offers_no_second_revocation():
    client = finance()
    key, secret = create_key(name="Ingest", scopes=["usage:write"], now=NOW)

    press(client, "billing_servicekey", "revoke", key.pk)

    assert find_key(secret=secret, now=NOW) is None
    assert press(client, "billing_servicekey", "revoke", key.pk).status_code == 403


def test_a_failed_email_is_sent_again(django_capture_on_commit_callbacks):
    client = finance()
    a_row_of_everything()
    email = Email.objects.get(subject="About Acme")
    Email.objects.filter(pk=email.pk).update(status="failed", attempts=8, last_error="full")

    with django_capture_on_commit_callbacks() as callbacks:
        press(client, "billing_email", "send_again", email.pk)

    email.refresh_from_db()
    assert (email.status, email.attempts, email.last_error) == ("queued", 0, "")
    assert callbacks


def test_an_email_is_read_with_its_attachment_and_its_html_is_harmless():
    client = finance()
    a_row_of_everything()
    email = Email.objects.get(subject="About Acme")

    text = page(client, "billing_email", email.pk)

    assert "Text of it" in text
    assert '<iframe sandbox=""' in text
    attachment = email.attachments.get()
    response = client.get(reverse("admin:billing_email_attachment", args=[attachment.pk]))
    assert b"".join(response.streaming_content) == b"%PDF-"


# Those who only look


@pytest.mark.parametrize(
    ("model", "action"),
    [
        ("billing_billingperiod", "finalize"),
        ("billing_billingperiod", "retry_close"),
        ("invoices_invoice", "retry_the_payment"),
        ("invoices_invoice", "retry_the_push"),
        ("invoices_invoice", "mark_as_paid"),
        ("invoices_invoice", "write_off"),
        ("invoices_invoice", "void"),
        ("billing_servicekey", "revoke"),
        ("billing_email", "send_again"),
    ],
)
def test_those_who_only_look_cannot_act(model, action):
    acme = a_row_of_everything()
    pk = {
        "billing_billingperiod": acme.periods.get(status="current").pk,
        "invoices_invoice": Invoice.objects.get().pk,
        "billing_servicekey": ServiceKey.objects.get().pk,
        "billing_email": Email.objects.get(subject="About Acme").pk,
    }[model]

    assert press(viewer(), model, action, pk, force="on").status_code == 403
    assert Invoice.objects.get().status == "open"
    assert acme.periods.filter(status="current").exists()


@pytest.mark.parametrize("model", ["billing_workspace", "billing_subscriptiontier"])
def test_those_who_only_look_cannot_save(model):
    acme = a_row_of_everything()
    pk = {"billing_workspace": acme.pk, "billing_subscriptiontier": acme.tier_id}[model]

    response = viewer().post(reverse(f"admin:{model}_change", args=[pk]), {"name": "Changed"})

    assert response.status_code == 403


@pytest.mark.parametrize(
    "model",
    ["billing_billingperiod", "invoices_invoice", "usage_usagerecord", "billing_email"],
)
def test_nobody_edits_or_deletes_what_is_frozen(model):
    acme = a_row_of_everything()
    pk = {
        "billing_billingperiod": acme.periods.first().pk,
        "invoices_invoice": Invoice.objects.get().pk,
        "usage_usagerecord": "00000000-0000-0000-0000-000000000000",
        "billing_email": Email.objects.first().pk,
    }[model]
    client = superuser()

    for name in ("change", "delete"):
        response = client.post(reverse(f"admin:{model}_{name}", args=[pk]), {"post": "yes"})
        assert response.status_code in (302, 403)
    assert Invoice.objects.count() == 1
    assert client.get(reverse(f"admin:{model}_add")).status_code == 403


def test_finance_cannot_make_itself_superuser():
    client = finance()

    assert client.get(reverse("admin:billing_user_add")).status_code == 403
    me = User.objects.get(email="fay@finance.test")
    response = client.post(
        reverse("admin:billing_user_change", args=[me.pk]), {"is_superuser": "on"}
    )
    assert response.status_code == 403


def workspace_form(workspace: Workspace, **changes: object) -> dict[str, object]:
    """The workspace's page as it was shown, with some fields changed."""
    terms = workspace.billing_settings
    member = workspace.memberships.get()
    form: dict[str, object] = {
        "name": workspace.name,
        "status": workspace.status,
        "tier": workspace.tier_id,
        "currency": workspace.currency,
        "timezone": workspace.timezone,
        "billing_email": workspace.billing_email,
        "billing_settings-TOTAL_FORMS": 1,
        "billing_settings-INITIAL_FORMS": 1,
        "billing_settings-0-workspace": workspace.pk,
        "billing_settings-0-alert_threshold_percentage": terms.alert_threshold_percentage,
        "billing_settings-0-auto_pause_on_limit": "on",
        "billing_settings-0-collection_method": terms.collection_method,
        "billing_settings-0-payment_terms_days": terms.payment_terms_days,
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": member.pk,
        "memberships-0-workspace": workspace.pk,
        "memberships-0-user": member.user_id,
        "memberships-0-role": member.role,
        "invoices-TOTAL_FORMS": workspace.invoices.count(),
        "invoices-INITIAL_FORMS": workspace.invoices.count(),
    }
    for number, invoice in enumerate(workspace.invoices.all()):
        form[f"invoices-{number}-id"] = invoice.pk
        form[f"invoices-{number}-workspace"] = workspace.pk
    return {**form, **changes}


def test_the_builtins_come_with_the_finance_group():
    call_command("ensure_builtins")

    group = Group.objects.get(name="finance")
    codenames = set(group.permissions.values_list("codename", flat=True))
    assert {"view_usagerecord", "change_invoice", "change_billingperiod"} <= codenames
    assert "view_event" in codenames
    assert (
        not {"view_apikey", "change_user", "add_user", "change_group", "delete_workspace"}
        & codenames
    )
