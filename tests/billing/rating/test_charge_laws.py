"""Laws of fees, discounts and commitments, for any terms and any usage."""

import datetime as dt
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from billing.rating.bills import charged, period_charges
from billing.rating.charges import (
    AddOnTerms,
    ChargeKind,
    ChargeScope,
    CommitmentTerms,
    DiscountTerms,
    PeriodTerms,
    TierSince,
    TierTerms,
)
from billing.rating.fees import subscription_fees
from billing.rating.proration import Span, share

NOVEMBER = Span(dt.date(2026, 11, 1), dt.date(2026, 12, 1))
TINY = Decimal("1E-8")
money = st.decimals("0", "99999", places=2)
days = st.dates(dt.date(2026, 9, 1), dt.date(2027, 1, 31))
scopes = st.sampled_from(list(ChargeScope))
discounts = st.one_of(
    st.builds(
        lambda percentage, of: DiscountTerms("", "D", percentage, None, of),
        st.decimals("0.0001", "100", places=4),
        scopes,
    ),
    st.builds(
        lambda amount, of: DiscountTerms("", "D", None, amount, of),
        st.decimals("0.01", "99999", places=2),
        scopes,
    ),
)
add_ons = st.builds(
    lambda name, quantity, price, starts_on, daily: AddOnTerms(
        "", name, quantity, price, starts_on, None, daily
    ),
    st.text("abc", min_size=1, max_size=2),
    st.decimals("0.001", "999", places=3),
    money,
    days,
    st.booleans(),
)
agreed = st.builds(
    lambda fee, daily, on, extra, off, minimum: PeriodTerms(
        NOVEMBER,
        True,
        (TierSince(on, TierTerms("1", "pro", fee, daily=daily)),),
        tuple(extra),
        tuple(off),
        minimum,
    ),
    money,
    st.booleans(),
    days,
    st.lists(add_ons, max_size=3),
    st.lists(discounts, max_size=4),
    st.none()
    | st.builds(
        lambda amount, of: CommitmentTerms("", amount, "USD", of),
        st.decimals("0.01", "99999", places=2),
        st.sampled_from([ChargeScope.USAGE, ChargeScope.USAGE_AND_FEES]),
    ),
)
usage = st.decimals("-99999", "99999", places=10)


@given(fee=money, cuts=st.sets(st.integers(1, 29), max_size=6))
def test_the_days_of_a_month_add_up_to_its_fee(fee, cuts):
    edges = [0, *sorted(cuts), 30]
    parts = [share(fee, until - first, 30) for first, until in pairwise(edges)]
    assert abs(sum(parts) - fee) < TINY


@given(fee=money, day=st.integers(1, 30), later=st.integers(1, 30))
def test_more_days_never_cost_less(fee, day, later):
    assert share(fee, min(day, later), 30) <= share(fee, max(day, later), 30) <= fee


@given(on=st.integers(2, 30), old=money, new=money)
def test_a_change_by_days_costs_between_the_two_fees(on, old, new):
    charges = subscription_fees(
        NOVEMBER,
        [
            TierSince(dt.date(2026, 3, 1), TierTerms("1", "old", old, daily=True)),
            TierSince(dt.date(2026, 11, on), TierTerms("2", "new", new, daily=True)),
        ],
    )
    total = sum((charge.amount for charge in charges), Decimal(0))
    assert min(old, new) - TINY <= total <= max(old, new) + TINY


@given(terms=agreed, used=usage)
def test_discounts_never_take_more_than_there_is(terms, used):
    sums = charged(period_charges(terms, used))
    fees = sums[ChargeKind.SUBSCRIPTION] + sums[ChargeKind.ADD_ON]
    assert -max(used, Decimal(0)) - fees <= sums[ChargeKind.DISCOUNT] <= 0


@given(terms=agreed, used=usage)
def test_at_least_the_commitment_is_paid_and_no_more_than_it_is_missing(terms, used):
    charges = period_charges(terms, used)
    sums = charged(charges)
    missing = sums[ChargeKind.COMMITMENT]
    if terms.commitment is None:
        assert missing == 0
        return
    assert 0 <= missing <= terms.commitment.amount
    if used >= 0:
        assert used + sum(sums.values()) >= terms.commitment.amount
    if missing:
        (line,) = [charge for charge in charges if charge.kind == ChargeKind.COMMITMENT]
        assert missing == min(terms.commitment.amount, terms.commitment.amount - line.base)


@given(terms=agreed, used=usage, more=st.decimals("0", "9999", places=10))
def test_more_usage_never_lowers_the_total(terms, used, more):
    def total(amount: Decimal) -> Decimal:
        return amount + sum((charge.amount for charge in period_charges(terms, amount)), Decimal(0))

    assert total(used) <= total(used + more) + TINY


@given(terms=agreed, used=usage)
def test_each_line_follows_from_its_own_columns(terms, used):
    """What `check_ledger` recomputes of lines that were frozen."""
    for charge in period_charges(terms, used):
        match charge.kind:
            case ChargeKind.DISCOUNT:
                off = charge.unit_price
                if charge.percentage is not None:
                    off = share(charge.base * charge.percentage, 1, 100)
                assert charge.amount == -min(charge.base, off) < 0
            case ChargeKind.COMMITMENT:
                missing = max(charge.unit_price - charge.base, Decimal(0))
                assert charge.amount == min(charge.unit_price, missing) > 0
            case _:
                whole = charge.quantity * charge.unit_price
                assert charge.amount == share(whole, charge.days, charge.of_days) > 0
