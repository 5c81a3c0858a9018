"""Shares of fees by days, beside what other billing systems' own tests expect.

All count days of the calendar, with the day of a change on the new side. `by_policy` are those that
do not: months of 30 days, and fees charged whole for no days at all (docs/pricing.md).
"""

import datetime as dt
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.money import from_minor, to_minor
from billing.rating.charges import AddOnTerms, TierSince, TierTerms
from billing.rating.fees import add_on_fees, subscription_fees
from billing.rating.proration import Span, part_text, share, span_text

CASES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "prorations_elsewhere.json").read_text()
)
NOVEMBER = Span(dt.date(2026, 11, 1), dt.date(2026, 12, 1))


def span(days: list[str]) -> Span:
    return Span(*map(dt.date.fromisoformat, days))


def in_cents(amount: Decimal, currency: str = "USD") -> Decimal:
    return from_minor(to_minor(amount, currency), currency)


def _named(case: dict[str, Any]) -> str:
    return f"{case['system']} {' '.join(str(value) for value in list(case.values())[1:])}"


@pytest.mark.parametrize("case", CASES["shares"], ids=_named)
def test_a_share_is_what_others_expect(case):
    whole = span(case["whole"])
    part = span(case["part"]).within(whole)
    found = share(Decimal(case["fee"]), part.days, whole.days)
    if "places" in case:
        found = found.quantize(Decimal(1).scaleb(-case["places"]), rounding=ROUND_HALF_UP)
    else:
        found = in_cents(found, case["currency"])
    assert found == Decimal(case["amount"])


@pytest.mark.parametrize("case", CASES["tier_changes"], ids=_named)
def test_what_others_credit_and_charge_at_a_change_is_two_lines_here(case):
    cycle, on = span(case["cycle"]), dt.date.fromisoformat(case["on"])
    old = TierTerms("1", "old", Decimal(case["old"]), daily=True)
    new = TierTerms("2", "new", Decimal(case["new"]), daily=True)

    *before, after = subscription_fees(cycle, [TierSince(cycle.first, old), TierSince(on, new)])

    assert in_cents(after.amount) == Decimal(case["debit"])
    used = sum((charge.amount for charge in before), Decimal(0))
    assert in_cents(old.fee - used) == Decimal(case["credit"])


@pytest.mark.parametrize("case", CASES["quantities"], ids=_named)
def test_a_quantity_that_changes_is_charged_by_days(case):
    cycle, on = span(case["cycle"]), dt.date.fromisoformat(case["on"])
    price = Decimal(case["unit_price"])

    def seats(quantity: str, starts_on: dt.date, ends_on: dt.date | None) -> AddOnTerms:
        return AddOnTerms("", "Seats", Decimal(quantity), price, starts_on, ends_on, daily=True)

    def total(*rows: AddOnTerms) -> Decimal:
        return sum((charge.amount for charge in add_on_fees(cycle, rows)), Decimal(0))

    changed = total(seats(case["before"], cycle.first, on), seats(case["after"], on, None))
    unchanged = total(seats(case["before"], cycle.first, None))
    assert in_cents(changed - unchanged) == Decimal(case["difference"])


@pytest.mark.parametrize("case", CASES["by_policy"], ids=_named)
def test_days_are_those_of_the_calendar_and_none_cost_nothing(case):
    part = span(case["part"])
    if case["whole"] is None:
        # Their cycles begin on the fifteenth.
        begins = part.first.replace(day=15)
        whole = Span(begins, (begins + dt.timedelta(days=31)).replace(day=15))
    else:
        whole = span(case["whole"])
    ours = share(Decimal(case["fee"]), part.within(whole).days, whole.days)
    if whole.days == 30 and case["why"] == "months of 30 days":
        assert ours.quantize(Decimal("1E-9")) == Decimal(case["amount"])
    else:
        assert ours.quantize(Decimal("1E-9")) != Decimal(case["amount"])


def test_a_span_says_its_days():
    assert span_text(Span(dt.date(2026, 11, 16), dt.date(2026, 12, 1))) == "16-30 November"
    assert span_text(Span(dt.date(2026, 11, 16), dt.date(2026, 11, 17))) == "16 November"
    assert span_text(Span(dt.date(2026, 10, 30), dt.date(2026, 11, 3))) == "30 October - 2 November"
    year = Span(dt.date(2026, 11, 3), dt.date(2027, 11, 3))
    assert span_text(year) == "3 November 2026 - 2 November 2027"
    assert part_text("Pro", NOVEMBER, NOVEMBER) == "Pro"


def test_a_day_is_a_day_where_the_clock_changes():
    """October has 745 hours in Berlin, and 31 days."""
    october = Span(dt.date(2026, 10, 1), dt.date(2026, 11, 1))
    assert share(Decimal(31), Span(dt.date(2026, 10, 25), october.until).days, october.days) == 7
