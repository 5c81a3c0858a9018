"""A rate as one flat row of texts, as spreadsheets and forms have it, and in words.

Tiers are written one after the other: `up to 1000: 0.02; above: 0.015 + 5`.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from billing.decimals import NotExact, exact_decimal
from billing.formats import exact_money, quantity
from billing.pricing import Matched
from billing.rating import (
    CostPlus,
    Fault,
    Graduated,
    InvalidPrice,
    Package,
    PerUnit,
    Price,
    Tier,
    Volume,
    price_as_json,
    read_price,
)
from billing.services.rate_card_rules import NewRate
from billing.services.sheets import BadRow
from billing.text import RESOURCE_TYPE

COLUMNS = (
    "resource_type", "provider", "model", "price_model", "amount", "size", "tiers", "included",
    "increment_first", "increment_step", "fixed", "min_amount", "max_amount",
    "min_margin_percentage",
)  # fmt: skip
MODELS = {
    "cost_plus": "Cost plus",
    "per_unit": "Per unit",
    "graduated": "Graduated tiers",
    "volume": "Volume tiers",
    "package": "Package",
}
# Which key of a price the column `amount` is.
_AMOUNT = {"cost_plus": "markup_percentage", "per_unit": "unit_price", "package": "price"}
_TIER = re.compile(
    r"(?:up\s+to\s+)?(?P<up_to>[0-9.,]+|above|then)\s*:\s*(?P<price>[0-9.]+)"
    r"(?:\s*\+\s*(?P<flat>[0-9.]+))?",
    re.IGNORECASE,
)


def rate_of(row: Mapping[str, str]) -> NewRate:
    """The rate that a row says; empty columns say nothing. Raises `BadRow`."""
    cells = {column: (row.get(column) or "").strip() for column in COLUMNS}
    faults: list[tuple[str, str]] = []
    price = None
    try:
        price = read_price(_price_json(cells))
    except InvalidPrice as error:
        faults += [(_column(cells, fault), fault.detail) for fault in error.faults]
    except BadRow as error:
        faults += error.faults
    margin: Decimal | None = None
    if text := cells["min_margin_percentage"]:
        try:
            margin = exact_decimal(text, integer_digits=3, decimals=4)
        except NotExact as error:
            faults.append(("min_margin_percentage", error.detail))
    match = Matched(cells["resource_type"], cells["provider"], cells["model"])
    if match.resource_type and not RESOURCE_TYPE.fullmatch(match.resource_type):
        faults.append(("resource_type", "Must be of a-z, 0-9 and _, beginning with a letter."))
    for column in ("provider", "model"):
        if len(cells[column]) > 64:
            faults.append((column, "At most 64 characters."))
    if faults or price is None:
        raise BadRow(faults)
    return NewRate(match, price, margin)


def _price_json(cells: Mapping[str, str]) -> dict[str, Any]:
    model = cells["price_model"] or ("cost_plus" if cells["amount"] else "")
    price: dict[str, Any] = {"model": model}
    if cells["amount"]:
        price[_AMOUNT.get(model, "amount")] = cells["amount"]
    if cells["tiers"]:
        price["tiers"] = list(_tiers(cells["tiers"]))
    for column in ("size", "included", "fixed", "min_amount", "max_amount"):
        if cells[column]:
            price[column] = cells[column]
    if cells["increment_first"] or cells["increment_step"]:
        price["increment"] = {
            "first": cells["increment_first"] or None,
            "step": cells["increment_step"] or None,
        }
    return price


def _tiers(text: str) -> Iterator[dict[str, Any]]:
    parts = [part.strip() for part in re.split(r"[;\n]", text) if part.strip()]
    for number, part in enumerate(parts, start=1):
        match = _TIER.fullmatch(part)
        if match is None:
            detail = f"Tier {number} is not understood: write it as up to 1000: 0.02 + 5"
            raise BadRow([("tiers", detail)])
        is_open = match["up_to"].lower() in ("above", "then")
        tier = {
            "up_to": None if is_open else match["up_to"].replace(",", ""),
            "unit_price": match["price"],
        }
        if match["flat"]:
            tier["flat"] = match["flat"]
        yield tier


def _column(cells: Mapping[str, str], fault: Fault) -> str:
    """The column that a fault of the price is about."""
    first, *rest = fault.pointer.removeprefix("/").split("/")
    if first == "increment":
        return f"increment_{rest[0]}" if rest else "increment_step"
    if first in ("", "model"):
        return "price_model"
    return first if first in COLUMNS else "amount"


def row_of(match: Matched, price: Price, min_margin: Decimal | None) -> dict[str, str]:
    """The row that says a rate; `rate_of` reads it back."""
    shown = price_as_json(price)
    increment = shown.get("increment", {})
    row = dict.fromkeys(COLUMNS, "") | match._asdict()
    row["price_model"] = price.model
    if price.model in _AMOUNT:
        row["amount"] = shown[_AMOUNT[price.model]]
    row["tiers"] = "; ".join(_tier_text(tier) for tier in shown.get("tiers", ()))
    for column in ("size", "included", "fixed", "min_amount", "max_amount"):
        row[column] = shown.get(column, "")
    row["increment_first"] = increment.get("first", "")
    row["increment_step"] = increment.get("step", "")
    row["min_margin_percentage"] = "" if min_margin is None else f"{min_margin.normalize():f}"
    return row


def _tier_text(tier: Mapping[str, Any]) -> str:
    begin = "above" if tier["up_to"] is None else f"up to {tier['up_to']}"
    flat = f" + {tier['flat']}" if "flat" in tier else ""
    return f"{begin}: {tier['unit_price']}{flat}"


def in_words(price: Price, currency: str) -> str:
    """A price as a contract says it: "$0.12 a unit, billed in steps of 0.1"."""

    def money(amount: Decimal) -> str:
        return exact_money(amount, currency)

    match price:
        case CostPlus():
            parts = [f"cost plus {quantity(price.markup_percentage)}%"]
        case PerUnit():
            parts = [f"{money(price.unit_price)} a unit"]
        case Package():
            parts = [f"{money(price.price)} for every {quantity(price.size)} begun"]
        case Graduated(tiers=tiers):
            parts = ["units " + _tiers_in_words(tiers, currency)]
        case Volume(tiers=tiers):
            parts = ["all units " + _tiers_in_words(tiers, currency)]
        case _:
            raise TypeError(price.model)
    if price.fixed:
        parts.append(f"plus {money(price.fixed)} a record")
    if price.included:
        parts.append(f"{quantity(price.included)} included each month")
    if price.increment:
        first, step = quantity(price.increment.first), quantity(price.increment.step)
        parts.append(
            f"billed in steps of {step}"
            if first == step
            else f"billed for at least {first}, then in steps of {step}"
        )
    if price.min_amount is not None:
        parts.append(f"at least {money(price.min_amount)} a record")
    if price.max_amount is not None:
        parts.append(f"at most {money(price.max_amount)} a record")
    return ", ".join(parts)


def _tiers_in_words(tiers: tuple[Tier, ...], currency: str) -> str:
    said = []
    for tier in tiers:
        begin = "then" if tier.up_to is None else f"up to {quantity(tier.up_to)}"
        flat = f" plus {exact_money(tier.flat, currency)} once" if tier.flat else ""
        said.append(f"{begin} {exact_money(tier.unit_price, currency)}{flat}")
    return "; ".join(said)
