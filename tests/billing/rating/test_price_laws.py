"""What must hold for every price, whatever its numbers."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.money import EXACT, ZERO
from billing.rating import (
    CostPlus,
    Graduated,
    Increment,
    Package,
    Part,
    PerUnit,
    RecordPrice,
    Tier,
    Volume,
    adjustment,
    billed_quantity,
    list_amount,
    list_unit_price,
    price_as_json,
    quote,
    read_price,
)
from billing.rating.periods import net_grows_within_list, period_amount

quantities = st.decimals(min_value=0, max_value=100_000, places=6)
prices = st.decimals(min_value=0, max_value=10, places=10)
# Whose product with a quantity has no more decimals than a record keeps.
short_prices = st.decimals(min_value=0, max_value=10, places=4)
flats = st.decimals(min_value=0, max_value=100, places=2)
sizes = st.decimals(min_value="0.000001", max_value=10_000, places=6)


@st.composite
def tiers(draw, *, flat=flats, falling=False, price=prices):
    ends = sorted(set(draw(st.lists(sizes, max_size=5))))
    unit_prices = [draw(price) for _ in range(len(ends) + 1)]
    if falling:
        unit_prices.sort(reverse=True)
    return tuple(
        Tier(end, unit_price, draw(flat))
        for end, unit_price in zip([*ends, None], unit_prices, strict=True)
    )


included = st.one_of(st.just(ZERO), quantities)
no_flat = st.just(ZERO)
per_unit = st.builds(PerUnit, unit_price=prices, included=included)
graduated = st.builds(Graduated, tiers=tiers(), included=included)
package = st.builds(Package, size=sizes, price=flats, included=included)
by_unit = st.one_of(
    per_unit, graduated, package, st.builds(Volume, tiers=tiers(), included=included)
)
# Prices whose records never add more than their list price.
bounded = st.one_of(
    st.builds(PerUnit, unit_price=short_prices, included=included),
    st.builds(Graduated, tiers=tiers(flat=no_flat, price=short_prices), included=included),
    st.builds(
        Volume, tiers=tiers(flat=no_flat, falling=True, price=short_prices), included=included
    ),
)
increments = st.one_of(
    st.none(), st.builds(Increment, first=sizes, step=st.decimals("0.01", 100, places=2))
)
limits = st.one_of(st.none(), flats)


@settings(max_examples=60)
@given(st.one_of(per_unit, graduated, package), quantities, quantities)
def test_more_never_costs_less(price, quantity, more):
    assert period_amount(price, quantity + more) >= period_amount(price, quantity)


@settings(max_examples=60)
@given(st.builds(Graduated, tiers=tiers()), st.lists(quantities, min_size=1, max_size=6))
def test_tiers_telescope(price, parts):
    """The steps from one quantity to the next add up to the whole, wherever they are taken."""
    total = before = ZERO
    reached = ZERO
    for part in parts:
        reached += part
        after = period_amount(price, reached)
        total += after - before
        before = after

    assert total == period_amount(price, reached)
    inside = [
        period_amount(Graduated(tiers=price.tiers), min(reached, tier.up_to or reached))
        for tier in price.tiers
    ]
    assert max(inside) == total


@settings(max_examples=60)
@given(by_unit, st.lists(quantities, min_size=1, max_size=6))
def test_the_lines_are_the_whole(price, sizes_of_records):
    parts = [Part(quantity, 1) for quantity in sizes_of_records]
    result = quote(price, parts)

    assert sum((line.amount for line in result.lines), ZERO) == result.amount
    assert result.listed + result.adjustment == result.amount
    assert result.amount == period_amount(price, sum(sizes_of_records, ZERO))
    for line in result.lines:
        assert line.amount == line.quantity * line.unit_price + line.flat


@settings(max_examples=60)
@given(
    st.one_of(
        st.builds(PerUnit, unit_price=prices, included=included, increment=increments,
                  fixed=flats, min_amount=limits),
        st.builds(Graduated, tiers=tiers(), included=included, increment=increments,
                  fixed=flats, max_amount=limits),
        st.builds(CostPlus, markup_percentage=st.decimals(0, 999, places=4), included=included,
                  increment=increments, fixed=flats, min_amount=limits),
    ),
    st.lists(st.builds(Part, quantity=quantities, records=st.integers(1, 9), cost=flats),
             min_size=1, max_size=4),
)  # fmt: skip
def test_the_lines_are_the_whole_whatever_records_add(price, parts):
    result = quote(price, parts)

    with localcontext(EXACT):
        assert sum((line.amount for line in result.lines), ZERO) == result.amount
    assert result.amount >= 0


@settings(max_examples=60)
@given(by_unit, quantities)
def test_no_unit_costs_more_than_the_list_price(price, quantity):
    """But for what is added once: flat amounts, and a package that is started."""
    unit_price = list_unit_price(price)
    once = sum((tier.flat for tier in getattr(price, "tiers", ())), getattr(price, "price", ZERO))

    assert period_amount(price, quantity) <= unit_price * quantity + once


@settings(max_examples=60)
@given(bounded, quantities, quantities)
def test_where_it_is_said_a_record_adds_no_more_than_its_list_price(price, quantity, more):
    assert net_grows_within_list(price)
    unit_price = list_unit_price(price)
    added = period_amount(price, quantity + more) - period_amount(price, quantity)

    assert added <= unit_price * more
    assert adjustment(price, billed=quantity, listed=unit_price * quantity) <= 0


@settings(max_examples=60)
@given(by_unit, quantities)
def test_what_is_taken_back_in_another_month_is_never_more_than_it_cost(price, quantity):
    assert 0 >= period_amount(price, -quantity) >= -period_amount(price, quantity)


@settings(max_examples=60)
@given(st.builds(Increment, first=sizes, step=sizes), quantities)
def test_an_increment_never_bills_less_nor_a_whole_step_more(increment, quantity):
    billed = billed_quantity(increment, quantity)

    assert billed >= quantity
    if quantity > increment.first:
        assert billed - quantity < increment.step
        assert (billed - increment.first) % increment.step == 0


@pytest.mark.parametrize("model", [PerUnit, CostPlus])
def test_zero_units_cost_nothing(model):
    terms = {"unit_price": Decimal(1)} if model is PerUnit else {"markup_percentage": Decimal(1)}
    price = model(fixed=Decimal(1), min_amount=Decimal(2), **terms)

    assert quote(price, [Part(ZERO, 5)]).amount == 0


from_cost = st.builds(
    CostPlus,
    markup_percentage=st.decimals(0, 999, places=4),
    increment=increments,
    min_amount=limits,
)


@settings(max_examples=60)
@given(st.one_of(by_unit, from_cost))
def test_every_price_is_read_back_as_it_was_written(price):
    assert read_price(price_as_json(price)) == price


@given(
    st.one_of(
        st.builds(PerUnit, unit_price=prices, increment=increments, fixed=flats, min_amount=limits),
        st.builds(
            CostPlus,
            markup_percentage=st.decimals(0, 999, places=4),
            increment=increments,
            fixed=flats,
            max_amount=limits,
        ),
    ),
    quantities,
    prices,
)
def test_a_record_is_written_with_its_list_price(price, quantity, unit_cost):
    charged, total_cost, final_cost = RecordPrice(price).amounts(quantity, unit_cost)

    billed = billed_quantity(price.increment, quantity)
    with localcontext(EXACT):
        listed = list_amount(price, billed=billed, cost=billed * unit_cost)
        assert final_cost == listed.quantize(Decimal("1E-10"))
        assert total_cost == (quantity * unit_cost).quantize(Decimal("1E-10"))
    assert (quantity if charged is None else charged) == billed
