"""Figures carry exact numbers as text, and a table that says the same."""

import datetime as dt
import json
from decimal import Decimal

import plotly.graph_objects as go

from analytics import figures

DAYS = [dt.date(2026, 11, day) for day in range(1, 31)]
FIRST, SECOND, THIRD = DAYS[:3]


def test_spend_by_day_stacks_the_largest_type_first_and_its_table_adds_up() -> None:
    chart = figures.spend_by_day(
        days=DAYS,
        by_type={
            "synthesis": {FIRST: Decimal("0.1000000000")},
            "call_minutes": {FIRST: Decimal("1.0050000000"), THIRD: Decimal("2.0000000000")},
        },
        currency="USD",
        usage="/usage/",
    )
    assert [bar["name"] for bar in chart.figure["data"]] == ["Call Minutes", "Voice Synthesis"]
    assert chart.figure["data"][0]["y"][:3] == ["1.0050000000", 0, "2.0000000000"]
    assert chart.table.head == ["Day", "Call Minutes", "Voice Synthesis", "Total"]
    assert chart.table.rows == [
        ["1 Nov 2026", "$1.01", "$0.10", "$1.11"],
        ["3 Nov 2026", "$2.00", "$0.00", "$2.00"],
    ]
    assert chart.table.foot == ["Total", "$3.01", "$0.10", "$3.11"]
    assert chart.summary.endswith("The most was $2.00 on 3 Nov 2026.")


def test_no_float_and_no_theme_of_plotly_reaches_the_page() -> None:
    chart = figures.spend_by_day(
        days=DAYS,
        by_type={"storage": {FIRST: Decimal("0.3333333333")}},
        currency="JPY",
        usage="/usage/",
    )
    text = json.dumps(chart.figure)
    assert '"0.3333333333"' in text
    assert "template" not in chart.figure["layout"]
    assert chart.figure["layout"]["yaxis"]["tickprefix"] == "¥"


def test_more_types_than_can_be_told_apart_are_drawn_as_other() -> None:
    by_type = {f"type_{n}": {FIRST: Decimal(10 - n)} for n in range(9)}
    chart = figures.spend_by_day(days=DAYS, by_type=by_type, currency="USD", usage="/usage/")
    assert len(chart.figure["data"]) == 8
    assert chart.figure["data"][-1]["name"] == "Other"
    # The two smallest, 3 and 2.
    assert chart.table.foot[-2:] == ["$5.00", "$54.00"]


def test_built_in_types_keep_their_colour_whatever_else_is_drawn() -> None:
    numbers = figures.colour_numbers(["gpu_seconds", "storage", "call_minutes"])
    assert (numbers["call_minutes"], numbers["storage"], numbers["gpu_seconds"]) == (1, 4, 5)


def test_calls_by_day_counts_each_status() -> None:
    chart = figures.calls_by_day(
        days=DAYS, by_status={"failed": {SECOND: 1}, "completed": {FIRST: 1200, SECOND: 3}}
    )
    assert chart.table.rows == [
        ["1 Nov 2026", "1,200", "0", "1,200"],
        ["2 Nov 2026", "3", "1", "4"],
    ]
    assert chart.table.foot == ["Total", "1,203", "1", "1,204"]


def test_peak_hours_have_all_24_and_name_the_busiest() -> None:
    chart = figures.peak_hours(by_hour={9: 4, 14: 31}, timezone="Asia/Kathmandu")
    assert len(chart.table.rows) == 24
    assert chart.table.rows[14] == ["14:00", "31"]
    assert "31, start at 14:00" in chart.summary
    assert chart.note == "When calls start, Asia/Kathmandu time"


def test_spend_to_date_runs_beside_the_period_before_and_stops_today() -> None:
    chart = figures.spend_to_date(
        days=DAYS,
        totals=[Decimal(1), Decimal(2), Decimal(3)],
        before=[Decimal(2)] * 31,
        before_name="October 2026",
        limit=Decimal(50),
        at_end=Decimal(60),
        currency="EUR",
    )
    lines = {line["name"]: line for line in chart.figure["data"]}
    assert lines["This period"]["y"] == ["1", "3", "6"]
    assert lines["Forecast"]["x"] == ["2026-11-03", "2026-11-30"]
    assert lines["Forecast"]["y"] == ["6", "60"]
    assert len(lines["October 2026"]["y"]) == 30
    assert chart.table.rows[-1] == ["3 Nov 2026", "€6.00", "€6.00"]


def test_the_table_of_spend_to_date_stays_at_the_total_of_a_shorter_month_before() -> None:
    days = [dt.date(2026, 3, day) for day in range(1, 32)]
    chart = figures.spend_to_date(
        days=days,
        totals=[Decimal(1)] * 31,
        before=[Decimal(1)] * 28,
        before_name="February 2026",
        limit=None,
        at_end=None,
        currency="USD",
    )
    assert chart.table.rows[-1] == ["31 Mar 2026", "$31.00", "$28.00"]


def test_each_kind_of_figure_is_one_that_plotly_takes() -> None:
    amounts = {FIRST: Decimal("1.5"), THIRD: Decimal("2.25")}
    shared = {"days": DAYS, "by_type": {"storage": amounts}, "currency": "USD", "usage": "/u/"}
    made = [
        figures.spend_by_day(**shared),
        figures.spend_by_month(**shared),
        figures.calls_by_day(days=DAYS, by_status={"completed": {FIRST: 3}}),
        figures.peak_hours(by_hour={9: 4}, timezone="UTC"),
        figures.spend_to_date(
            days=DAYS,
            totals=[Decimal("1.5"), Decimal("3")],
            before=[Decimal(1)] * 30,
            before_name="October 2026",
            limit=Decimal(50),
            at_end=Decimal(40),
            currency="USD",
        ),
    ]
    for chart in made:
        # Raises for a property, or a value of one, that there is not.
        assert len(go.Figure(chart.figure).data) == len(chart.figure["data"]) > 0
