"""Steps from one bill to another: worked cases, and what holds for any two bills."""

from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from analytics.bridge import BilledMonth, Driver, UsageCell, bridge, in_cents

DESK, SALES = UUID(int=1), UUID(int=2)


def cell(
    amount: str,
    *,
    records: int = 10,
    quantity: str = "100",
    agent: UUID | None = None,
    kind: str = "call_minutes",
    provider: str = "twilio",
    model: str | None = None,
) -> UsageCell:
    return UsageCell(agent, kind, provider, model, records, Decimal(quantity), Decimal(amount))


def steps(before: BilledMonth, now: BilledMonth) -> dict[Driver, Decimal]:
    return {each.step: Decimal(str(float(each.amount))) for each in bridge(before, now)}


def test_more_calls_that_are_longer_and_dearer() -> None:
    before = BilledMonth([cell("20", records=10, quantity="100")])
    # 10 -> 15 calls of 10 -> 12 minutes at 0.20 -> 0.25.
    now = BilledMonth([cell("45", records=15, quantity="180")])
    assert steps(before, now) == {
        Driver.VOLUME: Decimal(10),  # 5 calls x 10 minutes x 0.20
        Driver.LENGTH: Decimal(6),  # 15 calls x 2 minutes x 0.20
        Driver.PRICES: Decimal(9),  # 180 minutes x 0.05
    }


def test_half_of_it_through_a_cheaper_provider_and_the_rest_by_a_dearer_model() -> None:
    before = BilledMonth([
        cell("20", quantity="100", provider="a", model="x"),
        cell("5", quantity="50", provider="b"),
    ])  # fmt: skip
    now = BilledMonth([
        # 75 minutes through a, of which 25 by its new model at 0.60; 75 through b.
        cell("10", records=5, quantity="50", provider="a", model="x"),
        cell("15", records=5, quantity="25", provider="a", model="y"),
        cell("7.5", records=10, quantity="75", provider="b"),
    ])  # fmt: skip
    # The average price was 25 / 150; a's 0.20, b's 0.10: 75 x 0.20 + 75 x 0.10 - 25.
    assert steps(before, now) == {Driver.PROVIDERS: Decimal("-2.5"), Driver.MODELS: Decimal(10)}


def test_agents_that_came_and_went_are_named_with_all_that_they_used() -> None:
    before = BilledMonth([cell("20"), cell("7", agent=DESK)])
    now = BilledMonth([cell("20"), cell("9", agent=SALES, quantity="30")])
    assert steps(before, now) == {Driver.NEW_AGENTS: Decimal(9), Driver.GONE_AGENTS: Decimal(-7)}
    assert [change.largest(3) for change in bridge(before, now)] == [
        [((SALES, "", "", None), Fraction(9))],
        [((DESK, "", "", None), Fraction(-7))],
    ]


def test_parts_that_go_the_other_way_are_named_too() -> None:
    """Minutes -8 of a step of -5 would not be understood without the characters' +3."""
    before = BilledMonth([cell("20"), cell("10", kind="synthesis")])
    now = BilledMonth([cell("12", quantity="60"), cell("13", quantity="130", kind="synthesis")])
    (length,) = bridge(before, now)
    minutes, characters = (None, "call_minutes", "", None), (None, "synthesis", "", None)
    assert length.largest(3) == [(minutes, Fraction(-8)), (characters, Fraction(3))]
    assert length.main() == minutes


def test_what_else_is_on_a_bill_is_compared_line_by_line() -> None:
    before = BilledMonth([cell("20")], {Driver.FEE: Decimal(49), Driver.ALLOWANCE: Decimal(-5)})
    now = BilledMonth(
        [cell("20")],
        {Driver.FEE: Decimal(99), Driver.ALLOWANCE: Decimal(-5), Driver.TAX: Decimal("7.10")},
    )
    assert steps(before, now) == {Driver.FEE: Decimal(50), Driver.TAX: Decimal("7.1")}


def test_cents_add_up_to_the_difference_of_the_bills_as_shown() -> None:
    before = BilledMonth([cell("1.005", kind="a"), cell("1.005", kind="b")])
    now = BilledMonth(
        [cell("1.008", kind="a", quantity="101"), cell("1.008", kind="b", records=11)]
    )
    # 2.01 and 2.016: as shown, 2.01 and 2.02.
    shown = in_cents(bridge(before, now), Decimal("0.01"), "USD")
    assert sum(shown) == Decimal("0.01")


amounts = st.decimals(min_value=-50, max_value=500, places=10, allow_nan=False)
quantities = st.decimals(min_value=-5, max_value=500, places=6, allow_nan=False)
cells = st.builds(
    UsageCell,
    st.sampled_from([None, DESK, SALES]),
    st.sampled_from(["call_minutes", "synthesis"]),
    st.sampled_from(["twilio", "telnyx"]),
    st.sampled_from([None, "x", "y"]),
    st.integers(0, 20),
    quantities,
    amounts,
)
others = st.dictionaries(
    st.sampled_from([Driver.LATE, Driver.ALLOWANCE, Driver.FEE, Driver.DISCOUNTS, Driver.TAX]),
    amounts,
)
bills = st.builds(BilledMonth, st.lists(cells, max_size=12), others)


def exact_total(bill: BilledMonth) -> Fraction:
    lines = [*(each.amount for each in bill.cells), *bill.other.values()]
    return sum(map(Fraction, lines), Fraction())


@given(bills, bills)
def test_the_steps_add_up_to_the_difference_exactly(before: BilledMonth, now: BilledMonth) -> None:
    changes = bridge(before, now)
    whole = sum((change.amount for change in changes), Fraction())
    assert whole == exact_total(now) - exact_total(before)


@given(bills)
def test_a_bill_does_not_differ_from_itself(bill: BilledMonth) -> None:
    assert all(change.amount == 0 for change in bridge(bill, bill))


@given(st.lists(cells, max_size=12).map(BilledMonth), st.integers(2, 5))
def test_so_many_times_the_same_uses_are_volume_alone(bill: BilledMonth, times: int) -> None:
    more = BilledMonth(
        [
            each._replace(
                records=each.records * times,
                quantity=each.quantity * times,
                amount=each.amount * times,
            )
            for each in bill.cells
        ]
    )
    assert all(change.step == Driver.VOLUME or change.amount == 0 for change in bridge(bill, more))


@given(bills, bills)
def test_back_is_as_far_as_there(before: BilledMonth, now: BilledMonth) -> None:
    there = sum((change.amount for change in bridge(before, now)), Fraction())
    back = sum((change.amount for change in bridge(now, before)), Fraction())
    assert there == -back


@given(bills, bills)
def test_cents_lose_nothing(before: BilledMonth, now: BilledMonth) -> None:
    difference = (now.total - before.total).quantize(Decimal("0.01"))
    changes = bridge(before, now)
    if changes:
        assert sum(in_cents(changes, difference, "USD")) == difference
