"""Meters: what tiers, packages and included units make of the sums of list prices."""

import datetime as dt
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import recorded_rates
from billing.money import EXACT, ZERO
from billing.pricing import Matched, RatePrice
from billing.rating import Price, RecordPrice, read_price
from usage.queries.meters import RateSum, meters_from, shared_out

D = Decimal
OCTOBER, SEPTEMBER = dt.date(2026, 10, 1), dt.date(2026, 9, 1)
GRADUATED = {
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0.02"}, {"up_to": None, "unit_price": "0.015"}],
}
VOLUME = {**GRADUATED, "model": "volume"}
INCLUDED = {"model": "per_unit", "unit_price": "0.12", "included": "1000"}


@pytest.fixture
def known(monkeypatch):
    """Gives a price a rate's id, without a database."""
    prices: dict[UUID, RatePrice] = {}
    monkeypatch.setattr(recorded_rates, "_prices", prices)

    def rate(price: dict | Price, *match: str) -> UUID:
        rate_id = uuid4()
        read = read_price(price) if isinstance(price, dict) else price
        prices[rate_id] = RatePrice(Matched(*(*match, "", "", "")[:3]), read)
        return rate_id

    return rate


def amounts(meters) -> list[tuple[Decimal, Decimal, Decimal]]:
    return [(each.billed, each.adjustment, each.net) for each in meters]


def test_graduated_tiers_take_off_what_the_highest_price_was_too_much(known):
    minutes = known(GRADUATED, "call_minutes", "twilio")

    (meter,) = meters_from([RateSum(minutes, None, D(1500), D(30))])

    assert meter.description == "Call Minutes, Twilio: graduated tiers"
    assert (meter.adjustment, meter.net) == (D("-2.5"), D("27.5"))
    assert [(each.description, each.quantity, each.amount) for each in meter.lines] == [
        ("Units up to 1,000", D(1000), D(20)),
        ("Units above 1,000", D(500), D("7.5")),
    ]


def test_included_units_are_counted_as_they_are_used(known):
    minutes = known(INCLUDED, "call_minutes")

    (meter,) = meters_from([RateSum(minutes, None, D(612), D("73.44"))])
    assert (meter.included, meter.included_used, meter.net) == (D(1000), D(612), D(0))

    (meter,) = meters_from([RateSum(minutes, None, D(1012), D("121.44"))])
    assert (meter.included_used, meter.net) == (D(1000), D("1.44"))
    assert meter.description == "Call Minutes: 1,000 included"


def test_late_usage_adds_what_it_makes_of_the_months_own(known):
    """One meter of the month that bills them: 900 of its own, then 200 of October, 100 of
    September; 1,000 are free."""
    minutes = known(INCLUDED, "call_minutes")

    meters = meters_from(
        [
            RateSum(minutes, SEPTEMBER, D(100), D(12)),
            RateSum(minutes, None, D(900), D(108)),
            RateSum(minutes, OCTOBER, D(200), D(24)),
        ]
    )

    by_month = {meter.late_month: meter for meter in meters}
    assert amounts([by_month[None], by_month[OCTOBER], by_month[SEPTEMBER]]) == [
        (D(900), D(-108), D(0)),
        (D(200), D(-12), D(12)),
        (D(100), D(0), D(12)),
    ]
    assert by_month[OCTOBER].description.endswith("(late usage, October 2026)")
    assert [(each.description, each.quantity, each.amount) for each in by_month[OCTOBER].lines] == [
        ("Included, of 1,000", D(100), D(0)),
        ("Units", D(100), D(12)),
    ]
    assert [meter.included_used for meter in by_month.values()] == [D(900), D(100), D(0)]


def test_late_usage_that_reaches_another_price_for_all_units_takes_off_the_former_one(known):
    minutes = known(VOLUME, "call_minutes")

    own, late = meters_from(
        [RateSum(minutes, None, D(1000), D(20)), RateSum(minutes, OCTOBER, D(100), D(2))]
    )

    assert (own.net, late.net) == (D(20), D("-3.5"))
    assert [(each.description, each.quantity, each.amount) for each in late.lines] == [
        ("All units above 1,000", D(1100), D("16.5")),
        ("All units up to 1,000", D(-1000), D(-20)),
    ]


def test_a_month_that_takes_back_more_than_it_used_owes_what_those_units_cost(known):
    minutes = known(GRADUATED, "call_minutes")

    (meter,) = meters_from([RateSum(minutes, None, D(-100), D(-2))])

    assert (meter.adjustment, meter.net) == (D(0), D(-2))


def test_prices_of_single_records_have_no_meter(known):
    plain = known({"model": "per_unit", "unit_price": "0.12"}, "call_minutes")

    assert meters_from([RateSum(plain, None, D(100), D(12))]) == []


def test_what_each_record_adds_is_a_line_of_its_own(known):
    with_fee = known({**INCLUDED, "fixed": "0.01"}, "call_minutes")

    # 30 records of 40 minutes.
    (meter,) = meters_from([RateSum(with_fee, None, D(1200), D("144.30"))])

    assert meter.net == D("24.30")
    assert [(each.description, each.amount) for each in meter.lines] == [
        ("Included, of 1,000", D(0)),
        ("Units", D(24)),
        ("Fixed amounts of 0.01 a record", D("0.30")),
    ]


def test_included_units_at_cost_plus_take_off_their_share(known):
    speech = known({"model": "cost_plus", "markup_percentage": "15", "included": "25"}, "speech")

    (meter,) = meters_from([RateSum(speech, None, D(100), D("11.50"))])

    assert (meter.adjustment, meter.net) == (D("-2.875"), D("8.625"))
    assert [(each.description, each.amount) for each in meter.lines] == [
        ("At list price", D("11.50")),
        ("Included, of 25", D("-2.875")),
    ]


def test_shares_of_an_adjustment_add_up_to_it():
    shares = shared_out(D("-10"), {"a": D(1), "b": D(1), "c": D(1)})

    assert shares == {"a": D("-3.3333333333"), "b": D("-3.3333333333"), "c": D("-3.3333333334")}
    assert shared_out(D(5), {"a": ZERO, "b": ZERO}) == {"a": ZERO, "b": D(5)}


# Laws: whatever the price, the parts of a meter are what its whole is.
quantities = st.decimals(0, 100_000, places=6)
unit_prices = st.decimals(0, 10, places=10)


@st.composite
def prices(draw) -> Price:
    ends = sorted(draw(st.sets(st.decimals("0.000001", 10_000, places=6), max_size=4)))
    tiers = [
        {
            "up_to": None if end is None else f"{end:f}",
            "unit_price": f"{draw(unit_prices):f}",
            "flat": f"{draw(st.sampled_from(['0', '5', '0.01']))}",
        }
        for end in [*ends, None]
    ]
    said = draw(
        st.sampled_from(
            [
                {"model": "graduated", "tiers": tiers},
                {"model": "volume", "tiers": tiers},
                {"model": "package", "size": "100", "price": "2.50"},
                {"model": "per_unit", "unit_price": f"{draw(unit_prices):f}", "included": "1000"},
                {"model": "cost_plus", "markup_percentage": "15", "included": "50"},
            ]
        )
    )
    more = draw(
        st.sampled_from([{}, {"included": "100.5"}, {"fixed": "0.002"}, {"min_amount": "0.01"}])
    )
    return read_price({**said, **more})


@settings(max_examples=150, deadline=None)
@given(
    prices(),
    st.lists(
        st.tuples(quantities, st.sampled_from([None, OCTOBER, SEPTEMBER]), st.booleans()),
        min_size=1,
        max_size=8,
    ),
)
def test_the_parts_of_a_meter_add_up_to_its_whole(price, uses):
    """Records, some of them taken back, of three months: net is the sum of list prices and the
    adjustment; the parts by month add up to the whole; each part's lines are its net."""
    rate_id = uuid4()
    recorded_rates._prices[rate_id] = RatePrice(Matched("call_minutes", "", ""), price)
    record = RecordPrice(price)
    sums: dict = {}
    for quantity, month, taken_back in uses:
        _, _, listed = record.amounts(quantity, D("0.0125"))
        for sign in (1, -1) if taken_back else (1,):
            billed, so_far = sums.get(month, (ZERO, ZERO))
            sums[month] = billed + sign * quantity, so_far + sign * listed

    parts = meters_from([RateSum(rate_id, month, *each) for month, each in sums.items()])
    billed = sum((each[0] for each in sums.values()), ZERO)
    listed = sum((each[1] for each in sums.values()), ZERO)
    (whole,) = meters_from([RateSum(rate_id, None, billed, listed)])

    assert sum((each.adjustment for each in parts), ZERO) == whole.adjustment
    assert sum((each.billed for each in parts), ZERO) == billed
    for meter in [*parts, whole]:
        assert meter.net == meter.listed + meter.adjustment
        total = ZERO
        for line in meter.lines:
            total = EXACT.add(total, line.amount)
        assert total == meter.net
