"""Amounts that other billing systems' own tests expect: what is priced, and what it costs.

`same`: ours, exactly. `rounded`: they round to cents where we keep the exact amount until the
invoice. `by_policy`: they charge for zero units (docs/pricing.md says why we do not).
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.money import from_minor, to_minor
from billing.rating import Part, quote, read_price, shared_evenly

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
def test_zero_units_cost_nothing_here(case):
    assert amount_of(case) == Decimal(case["ours"]) != Decimal(case["amount"])
