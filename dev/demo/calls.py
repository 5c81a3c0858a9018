"""A day's calls and the usage they leave behind, drawn from a seed.

Every day has a random source of its own, so that a call is the same whenever it is asked for:
loading again later repeats the days that are known and adds to them.
"""

import datetime as dt
import random
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from functools import cache
from typing import NamedTuple
from uuid import UUID, uuid5

from billing.months import Interval
from dev.demo.months import local_days
from dev.demo.personas import Company

# What a provider charges the platform, in US dollars, for a minute, a character or a gigabyte.
_USD = {
    "twilio": Decimal("0.0140"),
    "telnyx": Decimal("0.0070"),
    "deepgram": Decimal("0.0077"),
    "assemblyai": Decimal("0.0062"),
    "elevenlabs": Decimal("0.00018"),
    "cartesia": Decimal("0.000065"),
    "aws": Decimal("0.0230"),
}
# What they are known by; telephony and storage have none.
MODELS = {
    "deepgram": "nova-3",
    "assemblyai": "universal-2",
    "elevenlabs": "flash-v2.5",
    "cartesia": "sonic-2",
}
DEAR_VOICE = "multilingual-v2"
DEARER = Decimal(3)
# Providers' prices come in the currency that the workspace is billed in.
_RATES = {"USD": Decimal(1), "EUR": Decimal("0.86"), "GBP": Decimal("0.75"), "JPY": Decimal(154)}
# Weights of how calls end, by direction.
_ENDS = {
    "inbound": {"completed": 93, "failed": 3, "cancelled": 4},
    "outbound": {"completed": 76, "no_answer": 13, "busy": 6, "failed": 3, "cancelled": 2},
}
_MICRO = Decimal("0.000001")
_SECONDS_A_MINUTE = Decimal(60)
# A campaign right after midnight of each month's first day, so that no month begins empty.
_CAMPAIGN_CALLS = 24
_CAMPAIGN_EVERY = dt.timedelta(seconds=40)


class Use(NamedTuple):
    idempotency_key: str
    resource_type: str
    provider: str
    quantity: Decimal
    # None: as the cost card says.
    unit_cost: Decimal | None
    model: str = ""


class DemoCall(NamedTuple):
    """A call that has ended, with what it used."""

    id: UUID
    agent: int
    direction: str
    status: str
    started_at: dt.datetime
    seconds: Decimal
    uses: tuple[Use, ...]

    @property
    def ended_at(self) -> dt.datetime:
        return self.started_at + dt.timedelta(milliseconds=int(self.seconds * 1000))


def calls_of(
    company: Company, month: Interval, *, until: dt.datetime, seed: int
) -> Iterator[DemoCall]:
    """The month's calls that ended by `until`, day by day."""
    for day in local_days(month, company.zone):
        for call in _calls_of_day(company, day, seed):
            if call.ended_at <= until:
                yield call


@cache
def unit_cost(provider: str, currency: str) -> Decimal:
    return _USD[provider] * _RATES[currency]


def _calls_of_day(company: Company, day: dt.date, seed: int) -> Iterator[DemoCall]:
    draw = random.Random(f"{seed}/{company.slug}/{day}")  # noqa: S311 - repeatable on purpose
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=company.zone)
    if day.day == 1:
        for number in range(_CAMPAIGN_CALLS):
            started_at = midnight.astimezone(dt.UTC) + number * _CAMPAIGN_EVERY
            yield _call(company, draw, f"{day}/campaign/{number}", started_at, "outbound")
    for number in range(_count(company, day, draw)):
        hour = draw.choices(range(24), weights=company.hours.value)[0]
        local = midnight + dt.timedelta(hours=hour, seconds=draw.randrange(3600))
        direction = "inbound" if draw.randrange(100) < company.inbound_percent else "outbound"
        started_at = local.astimezone(dt.UTC)
        yield _call(company, draw, f"{day}/{number}", started_at, direction)


def _count(company: Company, day: dt.date, draw: random.Random) -> int:
    """How many calls a day has: fewer or more at weekends, a little growth through the month."""
    weight = company.weekend_percent if day.weekday() >= 5 else 100
    expected = company.calls_a_day * weight * (100 + day.day) / 10_000
    return max(0, round(draw.gauss(expected, expected**0.5)))


def _call(
    company: Company, draw: random.Random, name: str, started_at: dt.datetime, direction: str
) -> DemoCall:
    ends = _ENDS[direction]
    status = draw.choices(list(ends), weights=list(ends.values()))[0]
    call_id = uuid5(company.id, f"call/{name}")
    if status == "completed":
        # Most calls take two minutes, a few take twenty.
        milliseconds = min(max(int(draw.lognormvariate(11.7, 0.75)), 9_000), 2_400_000)
    else:
        milliseconds = draw.randrange(4_000, 28_000)
    seconds = Decimal(milliseconds).scaleb(-3)
    speaking = draw.randrange(35, 60)
    is_recorded = draw.randrange(100) < 70
    agent = draw.randrange(len(company.agents))
    uses = (
        tuple(_uses(company, call_id, agent, status, seconds, speaking, is_recorded))
        if status in ("completed", "failed")
        else ()
    )
    return DemoCall(call_id, agent, direction, status, started_at, seconds, uses)


def _uses(
    company: Company,
    call_id: UUID,
    agent: int,
    status: str,
    seconds: Decimal,
    speaking_percent: int,
    is_recorded: bool,
) -> Iterator[Use]:
    def use(resource_type: str, provider: str, quantity: Decimal) -> Use:
        model = MODELS.get(provider, "")
        cost: Decimal | None = unit_cost(provider, company.currency)
        if resource_type == "synthesis" and agent == company.dear_agent:
            model, cost = DEAR_VOICE, unit_cost(provider, company.currency) * DEARER
        if model and company.costs_in != company.currency:
            cost = None
        return Use(f"{call_id}/{resource_type}", resource_type, provider, quantity, cost, model)

    minutes = (seconds / _SECONDS_A_MINUTE).quantize(_MICRO)
    # One telephony provider bills the minutes that were begun, the other bills seconds.
    begun = (seconds / _SECONDS_A_MINUTE).to_integral_value(rounding=ROUND_CEILING)
    billed = begun if company.telephony == "twilio" else minutes
    yield use("call_minutes", company.telephony, billed)
    if status != "completed":
        return
    yield use("transcription", company.transcription, minutes)
    # The agent says some 14 characters a second while it speaks.
    characters = (seconds * 14 * speaking_percent / 100).to_integral_value()
    yield use("synthesis", company.synthesis, characters)
    if is_recorded:
        # 8 kHz, one byte a sample: 8,000 bytes a second.
        yield use("storage", "aws", (seconds * 8_000 / 10**9).quantize(_MICRO))
