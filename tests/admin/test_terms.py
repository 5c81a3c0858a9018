"""Add-ons, commitments, discounts and coupons in the hands of finance."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import (
    AddOn,
    AuditEntry,
    Commitment,
    Coupon,
    Discount,
    SubscriptionTier,
    Workspace,
)
from billing.services import terms
from tests.kit.personas import NOW, make_period, make_workspace
from tests.kit.staff import finance_client, workspace_address, workspace_form

pytestmark = pytest.mark.django_db
NOVEMBER, DECEMBER = dt.date(2026, 11, 1), dt.date(2026, 12, 1)


@pytest.fixture(autouse=True)
def _today(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def finance() -> Client:
    return finance_client()


@pytest.fixture
def acme() -> Workspace:
    workspace = make_workspace()
    make_period(workspace)
    return workspace


def saved(finance: Client, acme: Workspace, **changes: object) -> Any:
    """The tab whose table they are in."""
    part = next(iter(changes)).split("-")[0]
    return finance.post(workspace_address(acme, part), workspace_form(acme, part, **changes))


def new(formset: str, **facts: object) -> dict[str, object]:
    row = {f"{formset}-0-{name}": fact for name, fact in facts.items()}
    return {f"{formset}-TOTAL_FORMS": 1, **row}


def test_terms_are_added_on_the_page_of_the_workspace(finance: Client, acme: Workspace):
    for rows in (
        new("add_ons", name="Phone numbers", quantity="5", unit_price="1.5", proration="daily"),
        new("commitments", amount="200", covers="usage", starts_on="2026-12-01"),
        new("discounts", name="Launch", percentage="25", applies_to="usage", periods="2"),
    ):
        answer = saved(finance, acme, **rows)
        assert answer.status_code == 302, answer.context["errors"]

    numbers, minimum, launch = AddOn.objects.get(), Commitment.objects.get(), Discount.objects.get()
    assert (numbers.quantity, numbers.unit_price, numbers.starts_on) == (
        5,
        Decimal("1.5"),
        NOW.date(),
    )
    assert (minimum.amount, minimum.starts_on, minimum.ends_on) == (200, DECEMBER, None)
    assert (launch.percentage, launch.starts_on, launch.ends_on) == (
        25,
        NOVEMBER,
        dt.date(2027, 1, 1),
    )
    tables = {"billing_addon", "billing_commitment", "billing_discount"}
    entries = AuditEntry.objects.filter(table__in=tables, workspace_id=acme.pk)
    assert {(entry.table, entry.actor) for entry in entries} == {
        (table, "fay@finance.test") for table in tables
    }


def test_a_coupon_is_redeemed_on_the_page_of_the_workspace(finance: Client, acme: Workspace):
    make_coupon(finance, code="welcome", name="Welcome", percentage="10", applies_to="fees")

    answer = saved(finance, acme, **new("discounts", code="Welcome", applies_to="usage"))

    assert answer.status_code == 302, answer.context["errors"]
    assert Discount.objects.get().coupon == Coupon.objects.get(code="WELCOME", redemptions=1)
    assert Discount.objects.get().applies_to == "fees"


@pytest.mark.parametrize(
    ("name", "facts", "said"),
    [
        (
            "commitments",
            {"amount": "200", "covers": "usage", "starts_on": "2026-12-02"},
            "The first day of a month is expected",
        ),
        ("commitments", {"amount": "0.001", "covers": "usage"}, "charged in steps of 0.01"),
        (
            "add_ons",
            {
                "name": "N",
                "quantity": "1",
                "unit_price": "1",
                "proration": "none",
                "starts_on": "2026-10-31",
            },
            "Months before 2026-11-01 are closed",
        ),
        ("discounts", {"name": "D", "applies_to": "usage"}, "Either a percentage or an amount"),
        (
            "discounts",
            {"name": "D", "percentage": "101", "applies_to": "usage"},
            "less than or equal to 100",
        ),
        ("discounts", {"percentage": "10", "applies_to": "usage"}, "A name is expected"),
        ("discounts", {"code": "NONE", "applies_to": "usage"}, "There is no coupon"),
        (
            "discounts",
            {"code": "NONE", "percentage": "10", "applies_to": "usage"},
            "A coupon says by itself what it gives",
        ),
    ],
)
def test_what_is_refused_stands_on_the_page_and_nothing_is_saved(
    finance: Client, acme: Workspace, name: str, facts: dict[str, str], said: str
):
    answer = saved(finance, acme, **new(name, **facts))

    assert answer.status_code == 200
    assert said in answer.content.decode().replace("&#x27;", "'")
    assert [model.objects.count() for model in (AddOn, Commitment, Discount)] == [0, 0, 0]


def test_a_row_is_ended_and_otherwise_fixed(finance: Client, acme: Workspace):
    row = terms.add_commitment(workspace_id=acme.pk, amount=Decimal(200), now=NOW)
    shown = {"id": row.pk, "workspace": acme.pk, "amount": "5", "covers": "usage"}
    form = {**new("commitments", **shown, starts_on="2026-11-01"), "commitments-INITIAL_FORMS": 1}

    answer = saved(finance, acme, **form, **{"commitments-0-ends_on": "2027-01-01"})

    assert answer.status_code == 302, answer.context["errors"]
    row.refresh_from_db()
    assert (row.amount, row.ends_on) == (200, dt.date(2027, 1, 1))


def make_coupon(finance: Client, **facts: object) -> Any:
    return finance.post(reverse("admin:billing_coupon_add"), {"currency": "", **facts})


def test_a_coupon_is_made_and_only_its_limits_change(finance: Client):
    made = make_coupon(
        finance,
        code="welcome",
        name="Welcome",
        amount="10",
        currency="usd",
        applies_to="usage_and_fees",
        periods="1",
        max_redemptions="500",
    )
    assert made.status_code == 302, made.context["errors"]
    coupon = Coupon.objects.get(code="WELCOME", currency="USD", max_redemptions=500)

    page = finance.get(reverse("admin:billing_coupon_change", args=[coupon.pk])).content.decode()
    assert 'name="amount"' not in page
    assert 'name="max_redemptions"' in page
    finance.post(
        reverse("admin:billing_coupon_change", args=[coupon.pk]),
        {
            "max_redemptions": "1",
            "amount": "99",
            "discounts-TOTAL_FORMS": 0,
            "discounts-INITIAL_FORMS": 0,
        },
    )
    coupon.refresh_from_db()
    assert (coupon.max_redemptions, coupon.amount) == (1, 10)
    listed = finance.get(reverse("admin:billing_coupon_changelist")).content.decode()
    assert "$10.00 off" in listed
    assert "0 of 1" in listed


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"code": "A B", "percentage": "5"}, "Capital letters, digits"),
        ({"code": "A"}, "Either a percentage or an amount"),
        ({"code": "A", "amount": "5"}, "is not a currency"),
        ({"code": "A", "percentage": "5", "currency": "USD"}, "A percentage is of any currency"),
        ({"code": "A", "amount": "0.005", "currency": "USD"}, "in steps of 0.01"),
    ],
)
def test_a_bad_coupon_is_refused_beside_its_field(finance: Client, facts, said: str):
    answer = make_coupon(finance, name="C", applies_to="fees", **facts)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Coupon.objects.exists()


def test_the_interval_of_a_tier_is_fixed_once_a_workspace_is_on_it(finance: Client):
    starter = make_workspace().tier
    page = finance.get(reverse("admin:billing_subscriptiontier_change", args=[starter.pk]))
    assert 'name="interval"' not in page.content.decode()
    assert 'name="proration"' in page.content.decode()

    made = finance.post(
        reverse("admin:billing_subscriptiontier_add"),
        {
            "name": "pro_yearly",
            "description": "",
            "interval": "year",
            "proration": "none",
            "prices-TOTAL_FORMS": 1,
            "prices-INITIAL_FORMS": 0,
            "prices-0-currency": "USD",
            "prices-0-fee": "1990",
        },
    )
    assert made.status_code == 302, made.context["errors"]
    assert SubscriptionTier.objects.get(name="pro_yearly").interval == "year"
    listed = finance.get(reverse("admin:billing_subscriptiontier_changelist")).content.decode()
    assert "$1,990.00 a year" in listed
