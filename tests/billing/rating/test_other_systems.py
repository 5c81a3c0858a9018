"""Amounts that other billing systems' own tests expect: what is priced, and what it costs.

`same`: ours, exactly. `rounded`: they round to cents where we keep the exact amount until the
invoice. `by_policy`: they charge otherwise on purpose, and so do we (docs/pricing.md).
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.money import allocate, from_minor, to_minor
from billing.rating import Part, quote, read_price, shared_evenly
from billing.rating.commitments import shortfall

CASES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "other_systems.json").read_text()
)


def _named(case: dict[str, Any]) -> str:
    sizes = case.get("quantity") or case.get("quantities") or case.get("each_alone")
    return f"{case['system']} {case['price']['model']} {sizes}"


def amount_of(case: dict[str, Any]) -> Decimal:
    price = read_price(case["price"])
    if "each_alone" in case:
        parts = [quote(price, [Part(Decimal(each), 1)]) for each in case["each_alone"]]
        return sum((part.amount for part in parts), Decimal(0))
    if "quantities" in case:
        return quote(price, [Part(Decimal(each), 1) for each in case["quantities"]]).amount
    return quote(price, shared_evenly(Decimal(case["quantity"]), case.get("records", 1))).amount


@pytest.mark.parametrize("case", CASES["same"], ids=_named)
def test_the_amount_is_the_same(case):
    assert amount_of(case) == Decimal(case["amount"])


@pytest.mark.parametrize("case", CASES["rounded"], ids=_named)
def test_the_amount_is_the_same_once_it_is_rounded(case):
    assert from_minor(to_minor(amount_of(case), "USD"), "USD") == Decimal(case["amount"])


@pytest.mark.parametrize("case", CASES["by_policy"], ids=_named)
def test_it_is_charged_otherwise_here(case):
    assert amount_of(case) == Decimal(case["ours"]) != Decimal(case["amount"])


def test_a_sum_is_rounded_once_and_not_line_by_line():
    # flexprice: 30.99, 0.06 and 102.13.
    assert sum(allocate([Decimal("10.333333")] * 3, "USD")) == 3100
    assert sum(allocate([Decimal(f"0.01{n}") for n in range(1, 6)], "USD")) == 7
    lines = ["10.333", "20.666", "30.999", "15.15", "24.975"]
    assert sum(allocate([Decimal(line) for line in lines], "USD")) == 10212


def test_of_equal_fractions_the_earlier_line_gets_the_cent():
    # OpenMeter gives it by the order of keys: 0.01, 0.02, 0.02.
    assert allocate([Decimal("0.05") / 3] * 3, "USD") == [2, 2, 1]


def test_what_is_missing_of_a_commitment_is_rounded_with_the_invoice():
    # flexprice: 1499.
    assert to_minor(shortfall(Decimal(10000), Decimal("8500.5")), "JPY") == 1500
