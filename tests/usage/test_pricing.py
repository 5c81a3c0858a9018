"""Pricing and money: worked numbers."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import (
    allocate,
    charge_step,
    from_minor,
    to_charge_minor,
    without_exponent,
)
from billing.months import month_of
from billing.rating import markup_factor, rate

D = Decimal


@pytest.mark.parametrize(
    ("quantity", "unit_cost", "markup", "total", "final"),
    [
        ("3.25", "0.0125", "20", "0.0406250000", "0.0487500000"),
        ("0", "0.0125", "20", "0E-10", "0E-10"),
        ("1", "1", "0", "1.0000000000", "1.0000000000"),
        # A tie goes to the even neighbour: 0.5 and 1.5 units of the tenth decimal.
        ("0.5", "0.0000000001", "0", "0E-10", "0E-10"),
        ("1.5", "0.0000000001", "0", "2E-10", "2E-10"),
        ("2.5", "0.0000000001", "0", "2E-10", "2E-10"),
        # The price comes from the exact product, 2.333331E-10, not from the rounded cost 2E-10,
        # which times 1.2 would round to 2E-10.
        ("0.333333", "0.0000000007", "20", "2E-10", "3E-10"),
        ("999999999999.999999", "0.0000000001", "33.3333", "100.0000000000", "133.3333000000"),
    ],
)
def test_a_record_is_priced_half_even_to_ten_places(quantity, unit_cost, markup, total, final):
    total_cost, final_cost = rate(D(quantity), D(unit_cost), markup_factor(D(markup)))

    assert str(total_cost) == str(D(total).quantize(D("1E-10")))
    assert str(final_cost) == str(D(final).quantize(D("1E-10")))


@pytest.mark.parametrize(
    ("exact", "currency", "expected"),
    [
        (["49", "9.1048"], "USD", [4900, 910]),
        # 0.999 is 1.00: of equal remainders the first gets the missing cent.
        (["0.333", "0.333", "0.333"], "USD", [34, 33, 33]),
        (["0.005"], "USD", [1]),
        (["0.0049"], "USD", [0]),
        (["10.4", "10.4", "10.4"], "JPY", [11, 10, 10]),
        # Cards take two of the dinar's three decimals: 20.987 is charged as 20.990.
        (["20.987"], "KWD", [20990]),
        (["1.0025", "1.0025"], "KWD", [1010, 1000]),
        # Crowns of Iceland have no fraction.
        (["6505.49"], "ISK", [6505]),
        (["6505.3", "0.2"], "ISK", [6506, 0]),
        (["10", "-3.333"], "USD", [1000, -333]),
        (["1.666", "1.666", "1.668"], "USD", [167, 166, 167]),
        ([], "USD", []),
    ],
)
def test_items_get_their_cents_by_largest_remainder(exact, currency, expected):
    assert allocate([D(amount) for amount in exact], currency) == expected


@given(
    st.lists(st.decimals(min_value=-1000, max_value=100_000, places=10), min_size=1, max_size=30),
    st.sampled_from(["USD", "JPY", "KWD", "ISK", "UGX"]),
)
def test_items_always_add_up_and_none_moves_by_a_whole_step(exact, currency):
    parts = allocate(exact, currency)
    step = charge_step(currency)

    assert sum(parts) == to_charge_minor(sum(exact), currency)
    for amount, part in zip(exact, parts, strict=True):
        assert abs(from_minor(part, currency) - amount) < step
        assert from_minor(part, currency) % step == 0


def test_small_amounts_are_written_without_an_exponent():
    assert without_exponent(D("1E-7")) == "0.0000001"


@pytest.mark.parametrize(
    ("at", "zone", "start", "end"),
    [
        ("2026-01-31T23:30:00+00:00", "Europe/Berlin", "2026-01-31T23:00", "2026-02-28T23:00"),
        ("2024-02-29T12:00:00+00:00", "UTC", "2024-02-01T00:00", "2024-03-01T00:00"),
        # New York leaves daylight saving time on 1 November 2026.
        ("2026-11-15T00:00:00+00:00", "America/New_York", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("2026-10-31T18:30:00+00:00", "Asia/Kathmandu", "2026-10-31T18:15", "2026-11-30T18:15"),
        ("2026-12-31T23:59:59+00:00", "UTC", "2026-12-01T00:00", "2027-01-01T00:00"),
        # Asuncion once skipped midnight of 1 October 2023: the month begins when the clock does.
        ("2023-10-05T00:00:00+00:00", "America/Asuncion", "2023-10-01T04:00", "2023-11-01T03:00"),
    ],
)
def test_months_begin_and_end_on_the_local_clock(at, zone, start, end):
    month = month_of(dt.datetime.fromisoformat(at), ZoneInfo(zone))

    assert month.start.strftime("%Y-%m-%dT%H:%M") == start
    assert month.end.strftime("%Y-%m-%dT%H:%M") == end
