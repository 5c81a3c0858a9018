"""Unit costs of records by the cost card, or in another currency than their workspace's.

Found when a record is priced, since the card and the exchange rates hold for days of the
workspace's clock.
"""

from decimal import Decimal
from typing import NamedTuple

from django.conf import settings

from billing.costs import CostBook, CostInForce
from billing.money import EXACT
from billing.rating import converted
from usage.services.ingest.checking import PricedRecord

_HUNDRED = Decimal(100)


class UnitCost(NamedTuple):
    """`exact` is in the workspace's currency. `drifts_from` is the row of the cost card that the
    cost which was sent, in `currency`, differs from by more than the tolerance."""

    exact: Decimal
    currency: str
    drifts_from: CostInForce | None


def unit_cost_of(
    record: PricedRecord, book: CostBook | None, own_currency: str, usage_date: str
) -> UnitCost | None:
    """What a unit of the record costs; None: it is refused. The record keeps its cost, the
    currency and the rate."""
    card = None
    if book is not None:
        card = book.cost_for(
            record.workspace_id,
            usage_date,
            record.resource_type,
            record.provider,
            record.model or "",
        )
    if record.unit_cost_given:
        currency = record.sent_currency or own_currency
    elif card is None:
        detail = "The cost card says nothing for this provider, type and day: send a unit_cost."
        record.refuse("no_cost", "unit_cost", detail)
        return None
    else:
        currency = card.currency
        record.unit_cost, record.unit_cost_text = card.unit_cost, card.text
    exact = _converted(record.unit_cost, currency, own_currency, book, usage_date)
    if exact is None:
        detail = f"There is no rate from {currency} to {own_currency} of that day or its week."
        record.refuse("no_exchange_rate", "cost_currency", detail)
        return None
    if currency == own_currency:
        record.cost_currency = record.exchange_rate = None
    else:
        assert book is not None
        record.cost_currency = currency
        record.exchange_rate = str(book.exchange_rate(currency, own_currency, usage_date))
    if card is None or not record.unit_cost_given:
        return UnitCost(exact, currency, None)
    if card.currency == currency:
        drifts = _differs(record.unit_cost, card.unit_cost)
    else:
        by_card = _converted(card.unit_cost, card.currency, own_currency, book, usage_date)
        drifts = by_card is None or _differs(exact, by_card)
    return UnitCost(exact, currency, card if drifts else None)


def _converted(
    amount: Decimal, currency: str, own_currency: str, book: CostBook | None, usage_date: str
) -> Decimal | None:
    """An amount in the workspace's currency; None where no rate is known."""
    if currency == own_currency:
        return amount
    rate = None if book is None else book.exchange_rate(currency, own_currency, usage_date)
    return None if rate is None else converted(amount, rate)


def _differs(sent: Decimal, card: Decimal) -> bool:
    """Whether a unit cost is further from the cost card's than the tolerance allows."""
    if sent == card:
        return False
    allowed = EXACT.multiply(card, settings.COST_TOLERANCE_PERCENTAGE)
    return EXACT.multiply(abs(EXACT.subtract(sent, card)), _HUNDRED) > allowed
