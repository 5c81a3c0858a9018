"""Price models: worked numbers."""

from decimal import Decimal

import pytest

from billing.rating import (
    Increment,
    Part,
    adjustment,
    billed_quantity,
    list_unit_price,
    price_as_json,
    quote,
    read_price,
    shared_evenly,
)
from billing.rating.periods import net_grows_within_list

D = Decimal
STAIRS = {
    "model": "graduated",
    "tiers": [
        {"up_to": "1000", "unit_price": "0.02"},
        {"up_to": "5000", "unit_price": "0.015", "flat": "5"},
        {"up_to": None, "unit_price": "0.01"},
    ],
}
VOLUME = {**STAIRS, "model": "volume"}


@pytest.mark.parametrize(
    ("price", "quantity", "amount"),
    [
        ({"model": "per_unit", "unit_price": "0.12"}, "1234.5", "148.14"),
        ({"model": "per_unit", "unit_price": "0.12", "included": "1000"}, "1234.5", "28.14"),
        ({"model": "per_unit", "unit_price": "0.12", "included": "1000"}, "999.999999", "0"),
        # The end of a tier is in it, and compared exactly.
        (STAIRS, "1000", "20"),
        (STAIRS, "1000.000001", "25.000000015"),
        (STAIRS, "5000", "85"),
        (STAIRS, "6000", "95"),
        (STAIRS, "0", "0"),
        (VOLUME, "1000", "20"),
        (VOLUME, "1000.000001", "20.000000015"),
        (VOLUME, "5000.1", "50.001"),
        (VOLUME, "0", "0"),
        # What is included is taken first: the tiers begin behind it.
        ({**STAIRS, "included": "500"}, "1500", "20"),
        ({**VOLUME, "included": "500"}, "1500", "20"),
        ({"model": "package", "size": "100", "price": "2"}, "100", "2"),
        ({"model": "package", "size": "100", "price": "2"}, "100.000001", "4"),
        ({"model": "package", "size": "0.5", "price": "2"}, "1.2", "6"),
        ({"model": "package", "size": "100", "price": "2", "included": "50"}, "151", "4"),
        ({"model": "per_unit", "unit_price": "0.000000000000000001"}, "1", "1E-18"),
    ],
)
def test_a_period_costs(price, quantity, amount):
    assert quote(read_price(price), [Part(D(quantity), 1)]).amount == D(amount)


@pytest.mark.parametrize(
    ("first", "step", "quantity", "billed"),
    [
        # 30/6, in minutes.
        ("0.5", "0.1", "0", "0"),
        ("0.5", "0.1", "0.000001", "0.5"),
        ("0.5", "0.1", "0.5", "0.5"),
        ("0.5", "0.1", "0.500001", "0.6"),
        ("0.5", "0.1", "0.61", "0.7"),
        ("0.5", "0.1", "-0.61", "-0.7"),
        # 60/60, 6/6 and 1/1, the last in seconds.
        ("1", "1", "1.01", "2"),
        ("0.1", "0.1", "0.25", "0.3"),
        ("1", "1", "59.2", "60"),
        ("0", "0.1", "0.05", "0.1"),
    ],
)
def test_a_record_is_billed_in_increments(first, step, quantity, billed):
    assert billed_quantity(Increment(D(first), D(step)), D(quantity)) == D(billed)


CALLS = ("0.2", "0.61", "3", "0")


@pytest.mark.parametrize(
    ("price", "amount"),
    [
        # 0.5 + 0.7 + 3.0 minutes; the call of no length costs nothing, not even the minimum.
        ({"increment": {"first": "0.5", "step": "0.1"}}, "0.504"),
        ({"fixed": "0.01"}, "0.4872"),
        ({"min_amount": "0.1"}, "0.56"),
        ({"max_amount": "0.3"}, "0.3972"),
        ({"min_amount": "0.1", "max_amount": "0.3"}, "0.5"),
        ({"included": "1"}, "0.3372"),
        ({"included": "1", "fixed": "0.01"}, "0.3672"),
        # With a minimum, each record is as free as its units: 3.81 minutes of which 1 is.
        ({"included": "1", "min_amount": "0.1"}, "0.4130183728"),
        ({"included": "10", "min_amount": "0.1"}, "0"),
    ],
)
def test_records_of_their_own_size(price, amount):
    price = read_price({"model": "per_unit", "unit_price": "0.12", **price})

    assert quote(price, [Part(D(size), 1) for size in CALLS]).amount == D(amount)


@pytest.mark.parametrize(
    ("price", "amount"),
    [
        ({"markup_percentage": "20"}, "12"),
        ({"markup_percentage": "20", "fixed": "0.002"}, "12.006"),
        ({"markup_percentage": "0.5"}, "10.05"),
        ({"markup_percentage": "0", "min_amount": "5"}, "15"),
        ({"markup_percentage": "20", "included": "30"}, "8.4"),
        # 40 and 30 units a record at a cost of 0.1 each.
        ({"markup_percentage": "20", "increment": {"first": "40", "step": "1"}}, "14.4"),
    ],
)
def test_a_price_from_the_cost(price, amount):
    price = read_price({"model": "cost_plus", **price})

    assert quote(price, shared_evenly(D(100), 3, D(10))).amount.quantize(D("1E-10")) == D(
        amount
    ).quantize(D("1E-10"))


def test_the_lines_say_how_an_amount_came_about():
    price = read_price({**STAIRS, "included": "500", "fixed": "0.01"})

    result = quote(price, shared_evenly(D("2000"), 20))

    assert [
        (line.description, line.quantity, line.unit_price, line.flat, line.amount)
        for line in result.lines
    ] == [
        ("Included, of 500", D(500), 0, 0, 0),
        ("Units up to 1,000", D(1000), D("0.02"), 0, D(20)),
        ("Units above 1,000 up to 5,000", D(500), D("0.015"), D(5), D("12.5")),
        ("Fixed amount a record", D(20), D("0.01"), 0, D("0.2")),
    ]
    assert (result.amount, result.listed, result.adjustment) == (D("32.7"), D("40.2"), D("-7.5"))


@pytest.mark.parametrize(
    ("price", "unit_price", "is_bounded"),
    [
        ({"model": "per_unit", "unit_price": "0.12", "included": "9"}, "0.12", True),
        ({"model": "per_unit", "unit_price": "0.12", "min_amount": "9"}, "0.12", True),
        ({"model": "per_unit", "unit_price": "1", "included": "9", "max_amount": "9"}, "1", False),
        (STAIRS, "0.02", False),
        (
            {
                "model": "graduated",
                "tiers": [
                    {"up_to": "5", "unit_price": "1"},
                    {"up_to": None, "unit_price": "2"},
                ],
            },
            "2",
            True,
        ),
        (
            {
                "model": "volume",
                "tiers": [
                    {"up_to": "5", "unit_price": "1"},
                    {"up_to": None, "unit_price": "2"},
                ],
            },
            "2",
            False,
        ),
        # Records keep ten decimals: such units may be rounded down in each of many.
        ({"model": "per_unit", "unit_price": "0.00003", "included": "1"}, "0.00003", False),
        # A third of a cent, rounded up.
        ({"model": "package", "size": "3", "price": "0.01"}, "0.0033333334", False),
    ],
)
def test_the_list_price_is_the_highest_that_a_unit_can_have(price, unit_price, is_bounded):
    price = read_price(price)

    assert list_unit_price(price) == D(unit_price)
    assert net_grows_within_list(price) is is_bounded


def test_a_month_that_takes_back_more_than_it_used_owes_what_those_units_cost():
    included = read_price({"model": "per_unit", "unit_price": "0.12", "included": "1000"})
    stairs = read_price(STAIRS)

    # A record of the month before, within what was free: nothing was paid, nothing comes back.
    assert adjustment(included, billed=D(-100), listed=D(-12)) == D(12)
    # 1,000 at 0.02 and 200 at 0.015; the flat amount was for the month that entered the tier.
    assert adjustment(stairs, billed=D(-1200), listed=D(-24)) == D(1)


@pytest.mark.parametrize(
    "price",
    [
        {"model": "cost_plus", "markup_percentage": "20", "fixed": "0.002"},
        {"model": "per_unit", "unit_price": "0.12", "increment": {"first": "0.5", "step": "0.1"}},
        STAIRS,
        {**VOLUME, "included": "500"},
        {"model": "package", "size": "100", "price": "2", "min_amount": "1", "max_amount": "9"},
    ],
)
def test_a_price_is_written_as_it_was_read(price):
    assert price_as_json(read_price(price)) == price


def test_equal_prices_are_written_alike():
    assert price_as_json(
        read_price(
            {"model": "per_unit", "unit_price": Decimal("1.20"), "fixed": 0, "included": None}
        )
    ) == {"model": "per_unit", "unit_price": "1.2"}
