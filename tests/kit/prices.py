"""Rate cards for tests: short ways to make, publish and assign them."""

import datetime as dt
from typing import Any
from uuid import UUID

from billing.models import PriceOverride, RateCard, RateCardVersion
from billing.pricing import Matched
from billing.rating import read_price
from billing.services import price_assignments, rate_cards
from billing.services.rate_card_rules import NewRate
from tests.kit.personas import NOW

ANY = ("", "", "")


def per_unit(unit_price: str, **more: Any) -> dict[str, Any]:
    return {"model": "per_unit", "unit_price": unit_price, **more}


def cost_plus(markup: str, **more: Any) -> dict[str, Any]:
    return {"model": "cost_plus", "markup_percentage": markup, **more}


def rate(price: dict[str, Any], *match: str) -> NewRate:
    """A price for a resource type, a provider and a model, as far as they are named."""
    return NewRate(Matched(*(*match, "", "", "")[:3]), read_price(price))


def card(*rates: NewRate, name: str = "Voice", currency: str = "USD") -> RateCard:
    """A card with a draft; a rate for any at cost plus 15 % unless there is one."""
    if not any(each.match == ANY for each in rates):
        rates = (*rates, rate(cost_plus("15")))
    return rate_cards.create_card(name=name, currency=currency, rates=list(rates), now=NOW)


def publish(on: RateCard, *, day: dt.date | None = None, now: dt.datetime = NOW) -> RateCardVersion:
    """The card's last draft, from `day` on (default: the day of `now`)."""
    draft = on.versions.filter(status="draft").latest("number")
    return rate_cards.publish_version(
        version_id=draft.pk, effective_from=day or now.date(), now=now
    )


def published(
    *rates: NewRate, now: dt.datetime = NOW, day: dt.date | None = None, **facts: Any
) -> RateCard:
    made = card(*rates, **facts)
    publish(made, now=now, day=day)
    return made


def use(
    on: RateCard, workspace_id: UUID, *, day: dt.date | None = None, now: dt.datetime = NOW
) -> None:
    """From `day` on the workspace pays by the card."""
    price_assignments.assign_card(
        card_id=on.pk, workspace_id=workspace_id, starts_on=day or now.date(), now=now
    )


def override(
    workspace_id: UUID, price: NewRate, *, now: dt.datetime = NOW, **facts: Any
) -> PriceOverride:
    facts = {"starts_on": now.date(), "reason": "The contract of 2026", **facts}
    return price_assignments.add_override(workspace_id=workspace_id, rate=price, now=now, **facts)
