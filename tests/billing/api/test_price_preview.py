"""POST /api/v1/prices/preview/."""

import pytest

from tests.kit.api import ApiClient, problem_of, refusal

pytestmark = pytest.mark.django_db

PATH = "prices/preview/"


def previewed(**body):
    response = ApiClient("billing:read").post(PATH, body)
    assert response.status_code == 200, response.content
    return response.json()


def test_minutes_beyond_what_is_included():
    shown = previewed(
        price={"model": "per_unit", "unit_price": "0.12", "included": "1000"},
        quantity="1234.5",
        currency="USD",
        cost="10.00",
    )

    assert shown == {
        "amount": "28.1400000000",
        "lines": [
            {
                "description": "Included, of 1,000",
                "quantity": "1000",
                "unit_price": "0",
                "flat": "0",
                "amount": "0.0000000000",
            },
            {
                "description": "Units",
                "quantity": "234.5",
                "unit_price": "0.12",
                "flat": "0",
                "amount": "28.1400000000",
            },
        ],
        "price": {"model": "per_unit", "unit_price": "0.12", "included": "1000"},
        "currency": "USD",
        "rounded": "28.14",
        "billed_quantity": "1234.5",
        "list_amount": "148.1400000000",
        "adjustment": "-120.0000000000",
        "margin": "18.1400000000",
    }


@pytest.mark.parametrize(
    ("body", "amount"),
    [
        (
            {
                "price": {"model": "cost_plus", "markup_percentage": "20", "fixed": "0.002"},
                "quantity": "1234.5",
                "cost": "10.00",
                "records": 3,
            },
            "12.0060000000",
        ),
        # A number is its text; the amount keeps every decimal it has.
        (
            {
                "price": {"model": "per_unit", "unit_price": 0.00000000000001},
                "quantity": 10,
            },
            "0.0000000000001",
        ),
        ({"price": {"model": "cost_plus", "markup_percentage": 20}, "cost": 1}, "1.2000000000"),
        (
            {
                "price": {"model": "per_unit", "unit_price": "0.0299", "fixed": "2",
                          "min_amount": "2.5", "max_amount": "12"},
                "quantities": ["10", "80", "10000"],
            },
            "18.8920000000",
        ),
        # Ten records of a tenth each, billed for half a unit.
        (
            {
                "price": {"model": "per_unit", "unit_price": "1",
                          "increment": {"first": "0.5", "step": "0.1"}},
                "quantity": "1",
                "records": 10,
            },
            "5.0000000000",
        ),
        ({"price": {"model": "package", "size": "100", "price": "2"}, "quantity": "0"},
         "0.0000000000"),
        ({"price": {"model": "per_unit", "unit_price": "1"}, "quantity": "0", "records": 0},
         "0.0000000000"),
    ],
)  # fmt: skip
def test_an_amount_is_exact(body, amount):
    assert previewed(**body)["amount"] == amount


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, [("/price", "required")]),
        ({"price": None, "quantity": "1"}, [("/price", "null")]),
        ({"price": "0.12", "quantity": "1"}, [("/price", "invalid_type")]),
        (
            {
                "price": {
                    "model": "graduated",
                    "tiers": [
                        {"up_to": "5", "unit_price": "-1"},
                        {"up_to": "5", "unit_price": "1", "from": "5"},
                        {"up_to": "9", "unit_price": "1"},
                    ],
                },
                "quantity": "-1",
            },
            [
                ("/price/tiers/0/unit_price", "negative"),
                ("/price/tiers/1/from", "unknown_field"),
                ("/price/tiers/1/up_to", "tiers_not_rising"),
                ("/price/tiers/2/up_to", "last_tier_not_open"),
                ("/quantity", "too_small"),
            ],
        ),
        (
            {"price": {"model": "per_unit", "unit_price": "1" * 41}, "quantity": "1"},
            [("/price/unit_price", "too_large")],
        ),
        ({"price": {"model": "per_unit", "unit_price": "1"}}, [("/quantity", "required")]),
        (
            {"price": {"model": "cost_plus", "markup_percentage": "1"}, "quantity": "1"},
            [("/cost", "required")],
        ),
        (
            {
                "price": {"model": "per_unit", "unit_price": "1"},
                "quantity": "1",
                "quantities": ["1"],
            },
            [("/quantity", "not_both")],
        ),
        (
            {"price": {"model": "per_unit", "unit_price": "1"}, "quantity": "1", "records": 0},
            [("/records", "too_small")],
        ),
        (
            {"price": {"model": "per_unit", "unit_price": "1"}, "quantity": "1", "currency": "XXX"},
            [("/currency", "unknown_currency")],
        ),
        (
            {"price": {"model": "per_unit", "unit_price": "1"}, "quantity": "1", "units": "1"},
            [("/units", "unknown_field")],
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(body, faults):
    response = ApiClient("billing:read").post(PATH, body)

    assert response.status_code == 400
    shown = problem_of(response)["errors"]
    assert sorted((error["pointer"], error["code"]) for error in shown) == sorted(faults)


def test_it_asks_for_a_key_that_reads_bills_or_writes_prices():
    body = {"price": {"model": "per_unit", "unit_price": "1"}, "quantity": "1"}

    assert ApiClient("prices:write").post(PATH, body).status_code == 200
    assert refusal(ApiClient("usage:write").post(PATH, body)) == (403, "missing_scope")
