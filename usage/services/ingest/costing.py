"""What a record costs the platform: as sent, or as the cost card says, in which currency.

Found when it is priced, since the card and the rates hold for days of the workspace's clock.
"""

from decimal import Decimal
from typing import NamedTuple

from django.conf import settings

from billing.costs import CostInForce
from billing.money import EXACT
from billing.rating import converted
from usage.services.ingest.entries import PricedRecord
from usage.services.ingest.pricing_terms import PricingTerms

_HUNDRED = Decimal(100)


class UnitCost(NamedTuple):
    """`exact` is in the workspace's currency. `drifts_from` is the row of the cost card that the
    cost which was sent, in `currency`, differs from by more than the tolerance."""

    exact: Decimal
    currency: str
    drifts_from: CostInForce | None


def unit_cost_of(record: PricedRecord, terms: PricingTerms, usage_date: str) -> UnitCost | None:
    """What a unit of the record costs; None: it is refused. The record keeps its cost, the
    currency and the rate."""
    book = terms.costs
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
        currency = record.sent_currency or terms.currency
    elif card is None:
        detail = "The cost card says nothing for this provider, type and day: send a unit_cost."
        record.refuse("no_cost", "unit_cost", detail)
        return None
    else:
        currency = card.currency
        record.unit_cost, record.unit_cost_text = card.unit_cost, card.text
    exact = _in_own_currency(record.unit_cost, currency, terms, usage_date)
    if exact is None:
        detail = f"There is no rate from {currency} to {terms.currency} of that day or its week."
        record.refuse("no_exchange_rate", "cost_currency", detail)
        return None
    if currency == terms.currency:
        record.cost_currency = record.exchange_rate = None
    else:
        assert book is not None
        record.cost_currency = currency
        record.exchange_rate = str(book.exchange_rate(currency, terms.currency, usage_date))
    if card is None or not record.unit_cost_given:
        return UnitCost(exact, currency, None)
    if card.currency == currency:
        drifts = differs(record.unit_cost, card.unit_cost)
    else:
        by_card = _in_own_currency(card.unit_cost, card.currency, terms, usage_date)
        drifts = by_card is None or differs(exact, by_card)
    return UnitCost(exact, currency, card if drifts else None)


def _in_own_currency(
    amount: Decimal, currency: str, terms: PricingTerms, usage_date: str
) -> Decimal | None:
    """An amount in the workspace's currency; None where no rate is known."""
    if currency == terms.currency:
        return amount
    if terms.costs is None:
        return None
    rate = terms.costs.exchange_rate(currency, terms.currency, usage_date)
    return None if rate is None else converted(amount, rate)


def differs(sent: Decimal, card: Decimal) -> bool:
    """Whether a unit cost is further from the cost card's than the tolerance allows."""
    if sent == card:
        return False
    allowed = EXACT.multiply(card, settings.COST_TOLERANCE_PERCENTAGE)
    return EXACT.multiply(abs(EXACT.subtract(sent, card)), _HUNDRED) > allowed
