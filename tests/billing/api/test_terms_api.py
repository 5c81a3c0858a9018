"""Add-ons, commitments, discounts and coupons over the API."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from billing.models import BillingPeriod, Coupon, Discount, Workspace
from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.personas import NOW, make_period, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def acme() -> Workspace:
    workspace = make_workspace()
    make_period(workspace)
    return workspace


def of(workspace: Workspace, what: str) -> str:
    return f"workspaces/{workspace.pk}/{what}/"


def test_an_add_on_from_its_beginning_to_its_end(acme: Workspace):
    caller = ApiClient("terms:write")
    made = caller.post(
        of(acme, "add-ons"), {"name": "Phone numbers", "quantity": 5, "unit_price": "1.5"}
    )
    assert made.status_code == 201
    row = made.json()
    assert {**row, "id": None, "created_at": None} == {
        "id": None,
        "name": "Phone numbers",
        "quantity": "5",
        "unit_price": "1.50",
        "proration": "none",
        "starts_on": "2026-11-22",
        "ends_on": None,
        "created_at": None,
    }
    again = caller.post(
        of(acme, "add-ons"), {"name": "Phone numbers", "quantity": "9", "unit_price": "1.5"}
    )
    assert refusal(again) == (409, "overlaps")

    ended = caller.patch(f"{of(acme, 'add-ons')}{row['id']}/", {"ends_on": "2026-12-10"})
    assert ended.json()["ends_on"] == "2026-12-10"
    assert caller.get(of(acme, "add-ons")).json()["results"] == [ended.json()]


def test_what_a_running_month_comes_to_follows_at_once(acme: Workspace):
    caller = ApiClient("terms:write", "billing:read", "usage:read")
    caller.post(
        of(acme, "add-ons"),
        {"name": "Numbers", "quantity": "3", "unit_price": "2", "proration": "daily"},
    )
    caller.post(of(acme, "commitments"), {"amount": "200", "starts_on": "2026-11-01"})
    caller.post(of(acme, "discounts"), {"name": "Launch", "percentage": "50", "applies_to": "fees"})

    period = BillingPeriod.objects.get()
    shown = caller.get(f"billing-periods/{period.pk}/").json()
    names = ("subscription_fee", "add_on_fees", "discounts", "commitment_shortfall", "total_amount")
    assert {name: shown[name] for name in names} == {
        "subscription_fee": "49.00",
        "add_on_fees": "1.8000000000",
        "discounts": "-25.4000000000",
        "commitment_shortfall": "200.0000000000",
        "total_amount": "225.4000000000",
    }
    assert [(line["kind"], line["description"], line["amount"]) for line in shown["charges"]] == [
        ("subscription", "Monthly Subscription", "49.0000000000"),
        ("add_on", "Numbers, 22-30 November, 9 of 30 days", "1.8000000000"),
        ("discount", "Launch, 50% off fees", "-25.4000000000"),
        (
            "commitment",
            "Minimum commitment of 200 USD on usage, not used",
            "200.0000000000",
        ),
    ]
    summary = caller.get(of(acme, "usage-summary")).json()
    assert {name: summary[name] for name in names} == {name: shown[name] for name in names}


def test_a_discount_lasts_for_so_many_months(acme: Workspace):
    caller = ApiClient("terms:write")
    body = {"name": "Launch", "amount": "10", "periods": 3, "starts_on": "2026-12-01"}
    row = caller.post(of(acme, "discounts"), body).json()
    assert (row["starts_on"], row["ends_on"]) == ("2026-12-01", "2027-03-01")
    assert (row["amount"], row["percentage"], row["applies_to"]) == (
        "10.00",
        None,
        "usage_and_fees",
    )
    ended = caller.patch(f"{of(acme, 'discounts')}{row['id']}/", {"ends_on": "2027-01-01"})
    assert ended.json()["ends_on"] == "2027-01-01"
    never = caller.patch(f"{of(acme, 'discounts')}{row['id']}/", {"ends_on": "2026-12-01"})
    assert never.json()["ends_on"] == "2026-12-01"


@pytest.mark.parametrize(
    ("what", "body", "expected"),
    [
        ("add-ons", {"name": "N", "quantity": "0", "unit_price": "1"}, (400, "too_small")),
        ("add-ons", {"name": "N", "quantity": "1", "unit_price": "-1"}, (400, "too_small")),
        (
            "add-ons",
            {"name": "N", "quantity": "1", "unit_price": "1", "starts_on": "2026-10-31"},
            (400, "in_the_past"),
        ),
        (
            "add-ons",
            {"name": "N", "quantity": "1", "unit_price": "1", "proration": "hourly"},
            (400, "invalid_choice"),
        ),
        ("commitments", {"amount": "0"}, (400, "too_small")),
        ("commitments", {"amount": "10.005"}, (400, "not_in_charge_steps")),
        (
            "commitments",
            {"amount": "10", "starts_on": "2026-12-15"},
            (400, "not_the_first_of_a_month"),
        ),
        (
            "commitments",
            {"amount": "10", "starts_on": "2027-02-01", "ends_on": "2027-01-01"},
            (400, "ends_before_its_start"),
        ),
        ("commitments", {"amount": "10", "covers": "fees"}, (400, "invalid_choice")),
        ("discounts", {"name": "D"}, (400, "invalid")),
        ("discounts", {"name": "D", "percentage": "5", "amount": "5"}, (400, "invalid")),
        ("discounts", {"name": "D", "percentage": "100.0001"}, (400, "out_of_range")),
        ("discounts", {"name": "D", "percentage": "0"}, (400, "out_of_range")),
        ("discounts", {"name": "D", "amount": "0"}, (400, "too_small")),
        ("discounts", {"name": "D", "amount": "1" * 41}, (400, "too_large")),
        ("discounts", {"percentage": "5"}, (400, "required")),
        ("discounts", {"name": "D", "percentage": "5", "periods": 0}, (400, "min_value")),
        (
            "discounts",
            {"name": "D", "percentage": "5", "periods": 1, "ends_on": "2027-01-01"},
            (400, "invalid"),
        ),
        (
            "discounts",
            {"name": "D", "percentage": "5", "periods": 1200, "starts_on": "9950-01-01"},
            (400, "out_of_range"),
        ),
        ("discounts", {"coupon": "NONE"}, (400, "unknown_coupon")),
        ("discounts", {"coupon": "NONE", "percentage": "5"}, (400, "given_by_the_coupon")),
        ("discounts", {"coupon": "NONE", "rebate": "5"}, (400, "unknown_field")),
    ],
)
def test_bad_terms_are_refused_with_their_field(acme: Workspace, what, body, expected):
    answer = ApiClient("terms:write").post(of(acme, what), body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["errors"][0]["code"]) == expected
    assert problem["errors"][0]["pointer"]
    rows = [acme.add_ons.count(), acme.commitments.count(), acme.discounts.count()]
    assert rows == [0, 0, 0]


def test_a_closed_month_is_not_reached(acme: Workspace):
    caller = ApiClient("terms:write")
    row = caller.post(of(acme, "commitments"), {"amount": "10"}).json()
    BillingPeriod.objects.update(status="finalized", finalized_at=NOW)
    address = f"{of(acme, 'commitments')}{row['id']}/"
    assert refusal(caller.patch(address, {"ends_on": "2026-11-01"})) == (400, "in_the_past")
    assert caller.patch(address, {"ends_on": "2026-12-01"}).status_code == 200
    assert refusal(caller.patch(address, {"ends_on": "2027-01-01"})) == (409, "has_ended")


def test_another_workspaces_rows_are_not_there(acme: Workspace):
    globex = make_workspace("Globex")
    make_period(globex)
    row = ApiClient("terms:write").post(of(acme, "commitments"), {"amount": "10"}).json()
    bound = ApiClient("terms:write", workspace_id=globex.pk)
    assert bound.get(of(acme, "commitments")).status_code == 404
    through = f"{of(globex, 'commitments')}{row['id']}/"
    assert bound.patch(through, {"ends_on": "2027-01-01"}).status_code == 404


COUPON = {"code": "Welcome-1", "name": "Welcome", "percentage": "10", "applies_to": "fees"}


def test_a_coupon_is_made_listed_limited_and_redeemed(acme: Workspace):
    finance, caller = ApiClient("prices:write"), ApiClient("terms:write")
    made = finance.post("coupons/", {**COUPON, "periods": 2, "max_redemptions": 1})
    assert made.status_code == 201
    coupon = made.json()
    assert (coupon["code"], coupon["percentage"], coupon["redemptions"]) == ("WELCOME-1", "10", 0)
    assert refusal(finance.post("coupons/", COUPON)) == (409, "already_exists")

    redeemed = caller.post(of(acme, "discounts"), {"coupon": "welcome-1"})
    assert redeemed.status_code == 201
    assert {name: redeemed.json()[name] for name in ("coupon", "name", "starts_on", "ends_on")} == {
        "coupon": "WELCOME-1",
        "name": "Welcome",
        "starts_on": "2026-11-01",
        "ends_on": "2027-01-01",
    }
    again = caller.post(of(acme, "discounts"), {"coupon": "welcome-1"})
    assert refusal(again) == (409, "already_redeemed")
    globex = make_workspace("Globex")
    used_up = caller.post(of(globex, "discounts"), {"coupon": "welcome-1"})
    assert refusal(used_up) == (409, "coupon_used_up")

    address = f"coupons/{coupon['id']}/"
    assert refusal(finance.patch(address, {"percentage": "50"})) == (400, "invalid")
    ended = finance.patch(address, {"max_redemptions": None, "expires_at": "2026-11-22T08:00:00Z"})
    assert (ended.json()["max_redemptions"], ended.json()["redemptions"]) == (None, 1)
    expired = caller.post(of(globex, "discounts"), {"coupon": "welcome-1"})
    assert refusal(expired) == (409, "coupon_expired")
    assert finance.get("coupons/").json()["results"] == [ended.json()]


def test_an_amount_is_of_its_currency():
    make_coupon = {"code": "TEN", "name": "Ten", "amount": "10", "currency": "EUR"}
    assert ApiClient("prices:write").post("coupons/", make_coupon).status_code == 201
    answer = ApiClient("terms:write").post(of(make_workspace(), "discounts"), {"coupon": "TEN"})
    assert refusal(answer) == (400, "other_currency")


def test_a_bound_key_sees_no_codes_and_makes_none(acme: Workspace):
    ApiClient("prices:write").post("coupons/", COUPON)
    bound = ApiClient("prices:write", "terms:write", workspace_id=acme.pk)
    assert bound.get("coupons/").json()["results"] == []
    assert bound.get(f"coupons/{Coupon.objects.get().pk}/").status_code == 404
    assert bound.post("coupons/", {**COUPON, "code": "X"}).status_code == 403
    assert bound.post(of(acme, "discounts"), {"coupon": "WELCOME-1"}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_eight_workspaces_redeem_the_last_three_at_once():
    ApiClient("prices:write").post("coupons/", {**COUPON, "max_redemptions": 3})
    workspaces = [make_workspace(f"W{number}") for number in range(8)]
    caller = ApiClient("terms:write")

    def redeem(workspace: Workspace) -> int:
        try:
            return caller.post(of(workspace, "discounts"), {"coupon": "WELCOME-1"}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(redeem, workspaces))

    assert found == [201] * 3 + [409] * 5
    assert Discount.objects.count() == Coupon.objects.get().redemptions == 3


def test_the_currency_stays_once_amounts_are_agreed_in_it():
    acme = make_workspace()
    ApiClient("terms:write").post(of(acme, "commitments"), {"amount": "10"})
    answer = ApiClient("workspaces:write").patch(f"workspaces/{acme.pk}/", {"currency": "EUR"})
    assert refusal(answer) == (409, "currency_in_use")


def test_days_are_those_of_the_workspaces_clock():
    kiribati = make_workspace(timezone="Pacific/Kiritimati")
    make_period(kiribati, dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC))
    row = ApiClient("terms:write").post(
        of(kiribati, "add-ons"), {"name": "N", "quantity": "1", "unit_price": "1"}
    )
    # The period that is open begins with December there: nothing before it can be charged.
    assert row.json()["starts_on"] == "2026-12-01"
