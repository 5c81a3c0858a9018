"""A rate card for what the benchmark records, among many rates for what it does not."""

import datetime as dt

from billing.models import RateCard
from billing.pricing import Matched
from billing.rating import read_price
from billing.services.price_assignments import assign_card
from billing.services.rate_card_rules import NewRate
from billing.services.rate_cards import create_card, publish_version
from dev.benchmarks.records import KINDS

_ANY = NewRate(Matched("", "", ""), read_price({"model": "cost_plus", "markup_percentage": "15"}))


def pay_by_card(*, rates: int, tier: str, currency: str, now: dt.datetime) -> None:
    """Have the workspaces of a tier pay by a card of so many rates, increments among them.

    A card that an earlier run made is used as it is.
    """
    name = f"Bench {rates}"
    if RateCard.objects.filter(name=name).exists():
        return
    prices = [
        read_price({"model": "per_unit", "unit_price": "0.12", "increment": {"step": "0.1"}}),
        read_price({"model": "per_unit", "unit_price": "0.0003"}),
    ]
    wanted = [Matched(kind, provider, "") for kind, provider, _ in KINDS]
    wanted += [Matched(f"other_{number}", "", "") for number in range(rates - len(wanted) - 1)]
    card = create_card(
        name=name,
        currency=currency,
        rates=[*(NewRate(match, prices[at % 2]) for at, match in enumerate(wanted)), _ANY],
        now=now,
    )
    # As if agreed two days ago: what is recorded may lie an hour back, on another day.
    agreed_at = now - dt.timedelta(days=2)
    day = agreed_at.date() + dt.timedelta(days=1)
    publish_version(version_id=card.versions.get().pk, effective_from=day, now=agreed_at)
    assign_card(card_id=card.pk, tier=tier, starts_on=day, now=agreed_at)
