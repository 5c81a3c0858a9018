"""What the demo's workspaces pay by: one contract of each kind that a price list can say.

Made as if agreed when last month began, since prices never reach back; making them again changes
nothing.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing import months
from billing.models import AddOn, Commitment, Coupon, PriceOverride, RateCard
from billing.pricing import Matched
from billing.rating import read_price
from billing.services.coupons import create_coupon
from billing.services.exchange_rates import NewExchangeRate, set_exchange_rates
from billing.services.price_assignments import add_override, assign_card
from billing.services.provider_costs import NewCost, set_costs
from billing.services.rate_card_rules import NewRate
from billing.services.rate_cards import create_card, publish_version
from billing.services.terms import add_add_on, add_commitment, redeem_coupon
from dev.demo.calls import DEAR_VOICE, DEARER, MODELS, unit_cost
from dev.demo.months import demo_months, local_days
from dev.demo.personas import Company

_COST_PLUS = {"model": "cost_plus", "markup_percentage": "20"}


def set_prices(company: Company, *, now: dt.datetime) -> None:
    """The company's contract; those without one pay their costs and a markup."""
    agree = _CONTRACTS.get(company.slug)
    if agree is not None:
        last = demo_months(now, company.zone).last
        # Whole or not at all: a load that was interrupted goes on where it was.
        with transaction.atomic():
            agree(company, last.start, months.local_date(last.start, company.zone))


def set_costs_in_dollars(personas: Sequence[Company], *, now: dt.datetime) -> None:
    """What providers charge those whose costs come in another currency than their bills."""
    for company in personas:
        if company.costs_in == company.currency:
            continue
        span = demo_months(now, company.zone)
        days = [*local_days(span.last, company.zone), *local_days(span.this, company.zone)]
        set_exchange_rates(
            rates=[
                # Rates move a little, up and down through a week.
                NewExchangeRate(
                    company.costs_in,
                    company.currency,
                    day,
                    Decimal("0.8600") + Decimal(day.toordinal() % 7) * Decimal("0.0015"),
                )
                for day in days
            ],
            now=now,
        )
        set_costs(
            costs=[
                NewCost(
                    provider=provider,
                    resource_type=resource_type,
                    model=model,
                    unit_cost=unit_cost(provider, company.costs_in) * factor,
                    currency=company.costs_in,
                    starts_on=days[0],
                    workspace_id=company.id,
                )
                for resource_type, provider, model, factor in (
                    ("transcription", company.transcription, MODELS[company.transcription], 1),
                    ("synthesis", company.synthesis, MODELS[company.synthesis], 1),
                    ("synthesis", company.synthesis, DEAR_VOICE, DEARER),
                )
            ],
            now=now,
        )


def _minutes_with_an_allowance(company: Company, at: dt.datetime, day: dt.date) -> None:
    """0.12 a minute billed 30/6, a thousand of them included, and phone numbers by the month."""
    _use_card(
        company,
        "Voice 1,000",
        [
            _rate(
                {
                    "model": "per_unit",
                    "unit_price": "0.12",
                    "included": "1000",
                    "increment": {"first": "0.5", "step": "0.1"},
                },
                "call_minutes",
            ),
            _rate({"model": "cost_plus", "markup_percentage": "15"}, "transcription"),
            _rate({"model": "per_unit", "unit_price": "0.00027"}, "synthesis"),
            _rate(_COST_PLUS),
        ],
        at,
        day,
    )
    if not AddOn.objects.filter(workspace=company.id).exists():
        add_add_on(
            workspace_id=company.id,
            name="Phone numbers",
            quantity=Decimal(3),
            unit_price=Decimal("2.00"),
            starts_on=day,
            now=at,
        )
    # Its telephony costs more than was agreed with the provider: finance sees the difference.
    agreed = NewCost(
        provider=company.telephony,
        resource_type="call_minutes",
        unit_cost=Decimal("0.0130"),
        currency=company.currency,
        starts_on=day,
        workspace_id=company.id,
    )
    set_costs(costs=[agreed], now=at)


def _tiers_with_a_commitment(company: Company, at: dt.datetime, day: dt.date) -> None:
    """Minutes get cheaper as the month goes on, and at least 60,000 is paid for usage."""
    _use_card(
        company,
        "Growth",
        [
            _rate(
                {
                    "model": "graduated",
                    "tiers": [
                        {"up_to": "1000", "unit_price": "9"},
                        {"up_to": "3000", "unit_price": "7.5"},
                        {"up_to": None, "unit_price": "6"},
                    ],
                },
                "call_minutes",
            ),
            _rate(_COST_PLUS),
        ],
        at,
        day,
    )
    if not Commitment.objects.filter(workspace=company.id).exists():
        add_commitment(workspace_id=company.id, amount=Decimal(60_000), starts_on=day, now=at)


def _better_price_from_mid_month(company: Company, at: dt.datetime, day: dt.date) -> None:
    """A price of its own for voices from the sixteenth of last month on."""
    if not PriceOverride.objects.filter(workspace=company.id).exists():
        add_override(
            workspace_id=company.id,
            rate=_rate({"model": "cost_plus", "markup_percentage": "8"}, "synthesis"),
            starts_on=day.replace(day=16),
            reason="Agreed by telephone for a second year",
            now=at,
        )


def _voice_by_the_character(company: Company, at: dt.datetime, day: dt.date) -> None:
    """A price that suits the usual voice; the agent with the dearer one loses money by it."""
    if not PriceOverride.objects.filter(workspace=company.id).exists():
        add_override(
            workspace_id=company.id,
            rate=_rate({"model": "per_unit", "unit_price": "0.000075"}, "synthesis", margin="10"),
            starts_on=day,
            reason="A fixed price by the character, as in the offer",
            now=at,
        )


def _coupon(company: Company, at: dt.datetime, day: dt.date) -> None:
    """A tenth off for three months."""
    if not Coupon.objects.filter(code="WELCOME10").exists():
        create_coupon(code="WELCOME10", name="Welcome", percentage=Decimal(10), periods=3, now=at)
        redeem_coupon(workspace_id=company.id, code="WELCOME10", now=at)


_CONTRACTS: dict[str, Callable[[Company, dt.datetime, dt.date], None]] = {
    "bluebird": _minutes_with_an_allowance,
    "kranich": _voice_by_the_character,
    "hanami": _tiers_with_a_commitment,
    "southerly": _better_price_from_mid_month,
    "foxglove": _coupon,
}


def _use_card(
    company: Company, name: str, rates: Sequence[NewRate], at: dt.datetime, day: dt.date
) -> None:
    if RateCard.objects.filter(name=name).exists():
        return
    card = create_card(name=name, currency=company.currency, rates=rates, now=at)
    publish_version(version_id=card.versions.get().pk, effective_from=day, now=at)
    assign_card(card_id=card.pk, workspace_id=company.id, starts_on=day, now=at)


def _rate(price: dict[str, Any], resource_type: str = "", *, margin: str = "") -> NewRate:
    return NewRate(
        Matched(resource_type, "", ""), read_price(price), Decimal(margin) if margin else None
    )
