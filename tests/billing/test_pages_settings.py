"""The settings an owner may change, and those nobody changes here."""

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone as clock

from billing.models import Workspace, WorkspaceBillingSettings
from tests.kit.personas import make_agent, make_workspace, member_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
LIMITS = {
    "form": "limits",
    "usage_limit_monthly": "500",
    "alert_threshold_percentage": "75.5",
    "auto_pause_on_limit": "on",
}
DETAILS = {
    "form": "details",
    "billing_email": "bills@acme.test",
    "billing_name": "Acme GmbH",
    "address_line1": "Torstraße 1",
    "address_postal_code": "10119",
    "address_city": "Berlin",
    "address_country": "de",
    "tax_id": "DE136695976",
}


def terms_of(where: Workspace) -> WorkspaceBillingSettings:
    return WorkspaceBillingSettings.objects.get(workspace=where)


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_owners_and_admins_change_the_limit(role: str) -> None:
    acme = make_workspace("Acme")
    page = reverse("billing:settings", args=[acme.pk])
    answer = member_client(acme, role=role).post(page, LIMITS, follow=True)
    assert "Limits saved." in answer.content.decode()
    terms = terms_of(acme)
    assert terms.usage_limit_monthly == Decimal(500)
    assert terms.alert_threshold_percentage == Decimal("75.5")
    assert terms.auto_pause_on_limit is True


def test_an_empty_limit_means_none() -> None:
    acme = make_workspace("Acme", usage_limit_monthly="500")
    page = reverse("billing:settings", args=[acme.pk])
    member_client(acme).post(page, {**LIMITS, "usage_limit_monthly": ""})
    assert terms_of(acme).usage_limit_monthly is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("usage_limit_monthly", "-1", "greater than or equal to 0"),
        ("usage_limit_monthly", "NaN", "Enter a number."),
        ("alert_threshold_percentage", "101", "less than or equal to 100"),
        ("alert_threshold_percentage", "", "This field is required."),
    ],
)
def test_a_limit_that_cannot_be_is_refused_at_its_field(
    field: str, value: str, message: str
) -> None:
    acme = make_workspace("Acme", usage_limit_monthly="500")
    page = reverse("billing:settings", args=[acme.pk])
    answer = member_client(acme).post(page, {**LIMITS, field: value})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert message in text
    assert f'id="id_{field}_error"' in text
    assert terms_of(acme).alert_threshold_percentage == Decimal(80)


def test_a_viewer_sees_the_settings_and_may_not_change_them() -> None:
    acme = make_workspace("Acme")
    page = reverse("billing:settings", args=[acme.pk])
    viewer = member_client(acme, role="viewer")
    assert "Save limits" not in viewer.get(page).content.decode()
    assert viewer.post(page, LIMITS).status_code == 403
    assert terms_of(acme).usage_limit_monthly is None


def test_markup_and_terms_are_not_an_owners_to_change() -> None:
    acme = make_workspace("Acme")
    page = reverse("billing:settings", args=[acme.pk])
    forged = {"markup_percentage": "0", "payment_terms_days": "365", "tier": "free"}
    member_client(acme).post(page, {**LIMITS, **forged})
    terms = terms_of(acme)
    assert terms.usage_limit_monthly == Decimal(500)
    assert terms.markup_percentage is None
    assert terms.payment_terms_days == 14


def test_billing_details_are_saved_for_the_next_invoice() -> None:
    acme = make_workspace("Acme")
    page = reverse("billing:settings", args=[acme.pk])
    answer = member_client(acme).post(page, DETAILS, follow=True)
    assert "Billing details saved." in answer.content.decode()
    acme.refresh_from_db()
    assert acme.billing_email == "bills@acme.test"
    assert acme.billing_name == "Acme GmbH"
    assert acme.address_country == "DE"
    assert acme.name == "Acme"


@pytest.mark.parametrize(
    ("field", "value"), [("billing_email", "nobody"), ("address_country", "Germany")]
)
def test_billing_details_that_cannot_be_are_refused(field: str, value: str) -> None:
    acme = make_workspace("Acme")
    page = reverse("billing:settings", args=[acme.pk])
    answer = member_client(acme).post(page, {**DETAILS, field: value})
    assert answer.status_code == 422
    acme.refresh_from_db()
    assert acme.billing_email == "owner@acme.test"
    assert acme.address_city == ""


def test_anothers_settings_do_not_exist() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    page = reverse("billing:settings", args=[globex.pk])
    client = member_client(acme)
    assert client.get(page).status_code == 404
    assert client.post(page, LIMITS).status_code == 404
    assert terms_of(globex).usage_limit_monthly is None


def test_a_parameter_given_twice_is_refused_on_a_page() -> None:
    acme = make_workspace("Acme")
    client = member_client(acme)
    for name in ("usage:records", "usage:calls", "usage:agents", "invoices:list"):
        page = reverse(name, args=[acme.pk])
        assert client.get(f"{page}?status=a&status=b").status_code == 400
        assert client.get(page).status_code == 200


def spending_acme() -> Workspace:
    """120 spent this month, without a limit; two agents are live and one is paused by hand."""
    acme = make_workspace("Acme")
    now = clock.now()
    make_usage(acme, now, "100", "1")
    for name, status, why in (
        ("Desk", "live", None),
        ("Sales", "live", None),
        ("Old", "paused", "manual"),
    ):
        make_agent(acme, name, status, why)
    return acme


@pytest.mark.parametrize(
    ("limit", "question"),
    [
        ("120", "$120.00 is spent this period already, and $120.00 is not more than that"),
        ("0", "A limit of 0 lets nothing be used"),
    ],
)
def test_a_limit_that_stops_everything_is_asked_about_before_it_is_saved(
    limit: str, question: str
) -> None:
    acme = spending_acme()
    page, client = reverse("billing:settings", args=[acme.pk]), member_client(acme)
    sent = {**LIMITS, "usage_limit_monthly": limit}

    asked = client.post(page, sent)
    assert asked.status_code == 422
    text = asked.content.decode()
    assert question in text
    assert "live agents are paused at once" in text
    assert 'name="confirmed" value="yes"' in text
    assert terms_of(acme).usage_limit_monthly is None

    saved = client.post(page, {**sent, "confirmed": "yes"}, follow=True)
    assert "Limits saved. 2 agents were paused now." in saved.content.decode()
    assert terms_of(acme).usage_limit_monthly == Decimal(limit)

    raised = client.post(page, {**LIMITS, "usage_limit_monthly": "500"}, follow=True)
    assert "Limits saved. 2 agents came back." in raised.content.decode()


def test_a_limit_with_room_is_saved_without_a_question() -> None:
    acme = spending_acme()
    page = reverse("billing:settings", args=[acme.pk])
    answer = member_client(acme).post(
        page, {**LIMITS, "usage_limit_monthly": "120.01"}, follow=True
    )
    assert "Limits saved.</div>" in answer.content.decode()
    assert terms_of(acme).usage_limit_monthly == Decimal("120.01")
