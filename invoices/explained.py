"""How prices of a whole period came to an invoice's line, in words for its page and paper."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from billing.formats import exact_money, quantity
from billing.money import ZERO
from invoices.models import InvoiceItem


def explained(item: InvoiceItem, currency: str) -> list[str]:
    """One text for each tier, package or allowance; empty where records' prices say all."""
    if not item.meters:
        return []
    return list(_texts(item, currency))


def _texts(item: InvoiceItem, currency: str) -> Iterator[str]:
    rest = item.exact_amount
    alone = len(item.meters) == 1
    for meter in item.meters:
        rest -= Decimal(meter["amount"])
        prefix = "" if alone else f"{meter['description'].partition(':')[0]}, "
        for line in meter["lines"]:
            text = _line(line, currency)
            yield prefix + (text[0].lower() + text[1:] if prefix else text)
    if rest:
        yield f"At the prices of single records: {exact_money(rest, currency)}"


def _line(line: dict[str, Any], currency: str) -> str:
    amount = exact_money(Decimal(line["amount"]), currency)
    if line["quantity"] is None:
        return f"{line['description']}: {amount}"
    units = quantity(Decimal(line["quantity"]))
    flat = Decimal(line["flat"])
    if not Decimal(line["unit_price"]) and not flat:
        return f"{line['description']}: {units} free"
    added = f" + {exact_money(flat, currency)}" if flat != ZERO else ""
    each = exact_money(Decimal(line["unit_price"]), currency)
    return f"{line['description']}: {units} × {each}{added} = {amount}"
