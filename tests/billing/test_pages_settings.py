"""The settings an owner may change, and those nobody changes here."""

from decimal import Decimal

import pytest
from django.urls import reverse

from billing.models import Workspace, WorkspaceBillingSettings
from tests.kit.personas import make_workspace, member_client

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
