"""How prices of a whole period came to an invoice's line, in words for its page and paper."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from billing.formats import exact_money, quantity, word
from billing.languages import active_language
from billing.money import ZERO
from billing.phrases import phrase
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
        subject = ", ".join(map(word, meter["description"].partition(":")[0].split(", ")))
        prefix = "" if alone else f"{subject}, "
        for line in meter["lines"]:
            text = _line(line, currency)
            yield prefix + (_continued(text) if prefix else text)
    if rest:
        text = _("At the prices of single records: {amount}")
        yield text.format(amount=exact_money(rest, currency))


def _continued(text: str) -> str:
    """Within a sentence: German nouns keep their capital."""
    return text if active_language() == "de" else text[0].lower() + text[1:]


def _line(line: dict[str, Any], currency: str) -> str:
    amount = exact_money(Decimal(line["amount"]), currency)
    described = phrase(line["description"])
    if line["quantity"] is None:
        return f"{described}: {amount}"
    units = quantity(Decimal(line["quantity"]))
    flat = Decimal(line["flat"])
    if not Decimal(line["unit_price"]) and not flat:
        return _("{described}: {units} free").format(described=described, units=units)
    added = f" + {exact_money(flat, currency)}" if flat != ZERO else ""
    each = exact_money(Decimal(line["unit_price"]), currency)
    return f"{described}: {units} × {each}{added} = {amount}"
