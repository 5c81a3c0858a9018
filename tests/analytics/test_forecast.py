"""Worked forecasts for November 2026 in UTC: 30 days, seen at noon of the 11th."""

import datetime as dt
from decimal import Decimal

from analytics.forecast import Forecast, MeterPace, change, forecast
from billing.rating import read_price

NOVEMBER = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DECEMBER = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
NOON_OF_THE_11TH = dt.datetime(2026, 11, 11, 12, tzinfo=dt.UTC)


def at(now: dt.datetime, spend: str, days: list[str], limit: str | None = None) -> Forecast | None:
    return forecast(
        spend=Decimal(spend),
        full_days=[Decimal(day) for day in days],
        limit=Decimal(limit) if limit else None,
        period_start=NOVEMBER,
        period_end=DECEMBER,
        now=now,
    )


def test_the_pace_is_the_mean_of_the_last_seven_full_days() -> None:
    seen = at(NOON_OF_THE_11TH, "75", ["1", "1", "1", "10", "10", "10", "10", "10", "10", "10"])
    assert seen is not None
    assert seen.per_day == Decimal(10)
    # 75 so far, and 19.5 days to go at 10 a day.
    assert seen.at_end == Decimal(270)
    assert seen.limit_reached_at is None


def test_on_the_first_day_the_pace_is_that_of_the_hours_so_far() -> None:
    seen = at(dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC), "5", [])
    assert seen is not None
    assert seen.per_day == Decimal(20)
    assert seen.at_end == Decimal(600)


def test_the_limit_is_reached_when_the_rest_is_used_up() -> None:
    seen = at(NOON_OF_THE_11TH, "100", ["10"] * 10, limit="150")
    assert seen is not None
    assert seen.limit_reached_at == dt.datetime(2026, 11, 16, 12, tzinfo=dt.UTC)


def test_a_limit_beyond_the_end_of_the_period_is_not_reached_in_it() -> None:
    seen = at(NOON_OF_THE_11TH, "100", ["10"] * 10, limit="295")
    assert seen is not None
    assert seen.limit_reached_at is None


def test_a_limit_that_a_cheaper_volume_tier_leads_back_from_is_reached_on_the_way() -> None:
    """100 minutes a day at 1.00 up to 1,500, then all at 0.50: 1,500 on the day they are used up,
    less a moment later, and 1,475 at the end."""
    price = read_price(
        {
            "model": "volume",
            "tiers": [{"up_to": "1500", "unit_price": "1"}, {"up_to": None, "unit_price": "0.5"}],
        }
    )
    days = [Decimal(100)] * 10
    meter = MeterPace(price, Decimal(1000), Decimal(1000), [(day, day) for day in days])

    def reached(limit: str) -> dt.datetime | None:
        seen = forecast(
            spend=Decimal(1000),
            full_days=days,
            limit=Decimal(limit),
            period_start=NOVEMBER,
            period_end=DECEMBER,
            now=NOON_OF_THE_11TH,
            meters=[meter],
        )
        assert seen is not None
        assert seen.at_end == Decimal(1475)
        return seen.limit_reached_at

    assert reached("1400") == dt.datetime(2026, 11, 15, 12, tzinfo=dt.UTC)
    assert reached("1480") == dt.datetime(2026, 11, 16, 7, 12, tzinfo=dt.UTC)
    assert reached("1500") == dt.datetime(2026, 11, 16, 12, tzinfo=dt.UTC)
    assert reached("1501") is None


def test_a_limit_that_is_behind_is_not_forecast() -> None:
    seen = at(NOON_OF_THE_11TH, "100", ["10"] * 10, limit="90")
    assert seen is not None
    assert seen.limit_reached_at is None


def test_a_week_without_usage_forecasts_what_was_spent() -> None:
    seen = at(NOON_OF_THE_11TH, "30", ["10", "10", "10", *["0"] * 7], limit="40")
    assert seen == Forecast(Decimal(0), Decimal(30), None)


def test_nothing_is_said_without_spend_or_outside_the_period() -> None:
    assert at(NOON_OF_THE_11TH, "0", ["0"] * 10) is None
    assert at(DECEMBER, "100", ["10"] * 30) is None
    assert at(NOVEMBER, "100", []) is None


def test_change_is_relative_to_what_was_before() -> None:
    assert change(Decimal(125), Decimal(100)) == Decimal("0.25")
    assert change(Decimal(50), Decimal(100)) == Decimal("-0.5")
    assert change(Decimal(5), Decimal(0)) is None
