"""What finance changes of workspaces and prices, and what takes effect at once."""

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse

from billing.models import AuditEntry, Workspace
from billing.services.periods import open_period
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_workspace, signed_in_client
from tests.kit.staff import finance_client, page_after, workspace_address, workspace_form
from usage.models import VoiceAgent

pytestmark = pytest.mark.django_db


def test_a_limit_below_the_spend_pauses_the_agents_at_once():
    client, acme = finance_client(), make_workspace()
    open_period(workspace_id=acme.pk, at=NOW, now=NOW).counters.filter(slot=0).update(
        final_cost=Decimal(90)
    )

    agent = VoiceAgent.objects.create(workspace=acme, name="Desk", status="live")

    response = client.post(
        workspace_address(acme, "billing_settings"),
        workspace_form(
            acme, "billing_settings", **{"billing_settings-0-usage_limit_monthly": "80"}
        ),
    )

    assert response.status_code == 302, response.context["errors"]
    acme.billing_settings.refresh_from_db()
    assert acme.billing_settings.usage_limit_monthly == Decimal(80)
    agent.refresh_from_db()
    assert (agent.status, agent.paused_reason) == ("paused", "usage_limit")


def test_a_currency_with_usage_in_it_cannot_be_changed_and_the_page_says_so():
    client, acme = finance_client(), make_workspace()
    open_period(workspace_id=acme.pk, at=NOW, now=NOW)

    response = client.post(
        workspace_address(acme),
        workspace_form(acme, name="Acme Renamed", currency="EUR"),
    )

    acme.refresh_from_db()
    assert (acme.name, acme.currency) == ("Acme", "USD")
    assert "The currency cannot change any more" in page_after(client, response)


def test_a_suspension_by_hand_takes_effect():
    client, acme = finance_client(), make_workspace()
    make_invoice(acme)

    client.post(
        workspace_address(acme),
        workspace_form(acme, status="suspended"),
    )

    acme.refresh_from_db()
    assert (acme.status, acme.suspension_reason) == ("suspended", "manual")


def test_each_tab_of_a_workspace_has_its_own_form_and_going_on_stays_in_it():
    client, acme = finance_client(), make_workspace()
    address = workspace_address(acme, "memberships")

    page = client.get(address).content.decode()
    assert f'href="{workspace_address(acme)}"' in page
    assert f'href="{workspace_address(acme, "discounts")}"' in page
    assert 'name="memberships-0-role"' in page
    assert 'name="currency"' not in page
    saved = client.post(
        address,
        workspace_form(
            acme,
            "memberships",
            **{"memberships-0-role": "viewer", "reason": "Left the firm", "_continue": "on"},
        ),
    )

    assert saved["Location"].endswith("?part=memberships")
    assert acme.memberships.get().role == "viewer"
    assert AuditEntry.objects.filter(reason="Left the firm", workspace_id=acme.pk).exists()
    general = client.get(workspace_address(acme, "nonsense")).content.decode()
    assert 'name="currency"' in general
    assert 'name="memberships-0-role"' not in general


def test_a_tab_asks_why_and_offers_to_save_where_there_is_something_to_edit():
    client, acme = finance_client(), make_workspace()
    asked = ('name="reason"', 'name="_save"', 'name="_continue"')

    for part in ("billing_settings", "memberships", "discounts"):
        page = client.get(workspace_address(acme, part)).content.decode()
        assert [part, *(each in page for each in asked)] == [part, True, True, True]
        assert 'name="_addanother"' not in page, part
    for part in ("invoices", "credit"):
        page = client.get(workspace_address(acme, part)).content.decode()
        assert f'href="{workspace_address(acme, part)}"' in page
        assert [part, *(each in page for each in asked)] == [part, False, False, False]


def test_the_history_of_a_row_begins_with_its_last_change():
    client, acme = finance_client(), make_workspace()
    for reference in ("Cost centre 1", "Cost centre 2"):
        client.post(workspace_address(acme), workspace_form(acme, buyer_reference=reference))
    first, second = LogEntry.objects.order_by("pk")

    page = client.get(reverse("admin:billing_workspace_history", args=[acme.pk]))
    assert list(page.context["action_list"]) == [second, first]


def test_who_may_not_see_a_table_of_a_workspace_has_no_tab_of_it(django_user_model):
    acme = make_workspace()
    user = django_user_model.objects.create_user("sue@support.test", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_workspace"))
    client = signed_in_client(user)

    page = client.get(workspace_address(acme, "memberships")).content.decode()
    assert "part=" not in page
    assert "memberships-0" not in page


def test_a_workspace_is_made_with_its_owner_and_terms():
    client = finance_client()
    tier = make_workspace().tier

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
        ("JPY", "7000.5", "JPY is charged in steps of 1."),
        ("ISK", "6505.5", "ISK is charged in steps of 1."),
        ("KWD", "15.005", "KWD is charged in steps of 0.010."),
        ("XXX", "1", "XXX is not a currency that can be billed."),
        ("CHF", "-1", "greater than or equal to 0"),
    ],
)
def test_a_price_that_cannot_be_charged_is_refused(currency, fee, why):
    client, tier = finance_client(), make_workspace().tier

    response = client.post(
        reverse("admin:billing_subscriptiontier_change", args=[tier.pk]),
        {
            "description": "",
            "prices-TOTAL_FORMS": 1,
            "prices-INITIAL_FORMS": 0,
            "prices-0-tier": tier.pk,
            "prices-0-currency": currency,
            "prices-0-fee": fee,
        },
    )

    assert why in response.content.decode()


def test_the_price_of_a_paying_workspace_cannot_be_deleted():
    client, tier = finance_client(), make_workspace().tier
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
            "prices-0-fee": "49",
            "prices-0-DELETE": "on",
        },
    )

    assert "its price must stay" in response.content.decode()
    assert tier.prices.filter(currency="USD").exists()
