"""Worked forecasts for November 2026 in UTC: 30 days, seen at noon of the 11th."""

import datetime as dt
from decimal import Decimal

from analytics.forecast import Forecast, change, forecast

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
