"""What is shown together adds up, whatever fractions of a cent the exact amounts have."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.urls import reverse

from analytics.queries import PeriodTotals, Spend, SpendRow
from analytics.shown import ADJUSTMENTS, ShownAmounts
from billing.money import apportion
from tests.kit.personas import make_workspace, member_client
from tests.kit.usage import make_usage

D = Decimal
DAY = dt.date(2026, 11, 1)


def spend(*costs: str) -> Spend:
    """One use of another resource and provider a day, from 1 November on."""
    return Spend(
        SpendRow(DAY + dt.timedelta(days=turn), f"kind_{turn}", f"maker_{turn}", D(1), D(cost))
        for turn, cost in enumerate(costs)
    )


def test_three_thirds_of_a_cent_more_are_shared_out_by_largest_remainder():
    used = spend("10.004", "20.004", "30.004")
    shown = ShownAmounts(used, PeriodTotals(used.total, D("49.00")), "USD")

    assert shown.total == D("109.01")
    assert shown.usage == D("60.01")
    assert list(shown.by_type.values()) == [D("10.01"), D("20.00"), D("30.00")]
    assert sum(shown.by_provider.values()) == D("60.01")
    assert sum(shown.by_day([DAY + dt.timedelta(days=turn) for turn in range(3)])) == D("60.01")


def test_a_credit_and_yen_are_parts_of_the_same_total():
    used = spend("100.6", "200.7")
    shown = ShownAmounts(used, PeriodTotals(used.total, D(7000), credit=D("-0.5")), "JPY")

    assert (shown.fee, shown.usage, shown.credit, shown.total) == (D(7000), D(302), D(-1), D(7301))


def test_what_prices_add_to_the_records_is_a_part_of_its_own():
    used = spend("10.004")
    shown = ShownAmounts(used, PeriodTotals(D("8.001")), "USD")

    assert shown.by_type == {"kind_0": D("10.00"), ADJUSTMENTS: D("-2.00")}
    assert shown.usage == sum(shown.by_provider.values()) == D("8.00")


def test_a_resource_type_and_a_provider_may_be_called_adjustments():
    used = Spend([SpendRow(DAY, "adjustments", "adjustments", D(1), D("10.00"))])
    shown = ShownAmounts(used, PeriodTotals(D("8.00")), "USD")

    assert sorted(shown.by_type.values()) == sorted(shown.by_provider.values()) == [-2, 10]
    assert shown.total == shown.usage == D("8.00")
    assert shown.shared_out({"adjustments": D("10.00")}) == {"adjustments": 10, ADJUSTMENTS: -2}


@pytest.mark.parametrize(
    ("parts", "total", "shares"),
    [
        (["1.004", "1.004"], "2.01", [101, 100]),
        (["1.004", "1.004"], "2.00", [100, 100]),
        (["-0.006", "0.004"], "0.00", [0, 0]),
        ([], "0.00", []),
    ],
)
def test_parts_of_a_rounded_amount_add_up_to_it(parts, total, shares):
    assert apportion([D(part) for part in parts], D(total), "USD") == shares


@pytest.mark.django_db
def test_the_overviews_headline_is_the_sum_of_each_breakdown(time_machine):
    now = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
    time_machine.move_to(now, tick=False)
    acme = make_workspace()
    for turn in range(11):  # more than a breakdown lists
        at = now - dt.timedelta(days=turn)
        kind = {"resource_type": f"kind_{turn}", "provider": f"maker_{turn}"}
        make_usage(acme, at, "1", f"1{turn}.3704", now=now, **kind)

    page = member_client(acme).get(reverse("analytics:dashboard", args=[acme.pk]))

    context = page.context
    headline = context["bill"].amounts.usage
    assert f"${headline}" in page.content.decode()
    for name in ("by_type", "by_provider"):
        rows = context[name].rows
        assert rows[-1].label == "4 others"
        assert sum(D(row.cells[0].removeprefix("$")) for row in rows) == headline
    table = context["spend_by_day"].table
    amount = re.compile(r"\$([\d.]+)")
    days = [[D(amount.fullmatch(cell)[1]) for cell in row[1:]] for row in table.rows]
    assert all(sum(row[:-1]) == row[-1] for row in days)
    assert D(amount.fullmatch(table.foot[-1])[1]) == sum(row[-1] for row in days) == headline
    assert context["spend_to_date"].table.rows[-1][1] == f"${headline}"
