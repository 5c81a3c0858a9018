"""Reports of revenue, recurring and unbilled, and of margins: worked numbers and as-of dates."""

from decimal import Decimal

import pytest
from django.db import connection

from tests.kit.invoices import issue_invoice, make_invoice
from tests.kit.personas import make_agent, make_period, make_workspace
from tests.kit.reports import NOW, OCTOBER, at, charge, credit, day, rows_of, void
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db


def test_revenue_is_the_lines_of_invoices_less_credit_notes_by_month() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex", currency="EUR")
    october = make_invoice(acme, amount="100.00")
    make_invoice(acme, month=11, amount="49.00")
    make_invoice(globex, amount="60.00")
    credit(october, "20.00", "2026-11-05")
    void(make_invoice(globex, month=11, amount="500.00"), "2026-11-20")

    found = [
        (row["customer"], f"{row['month']:%b}", row["currency"], row["fees"], row["usage"],
         row["credit_notes"], row["revenue"])
        for row in rows_of("revenue")
    ]  # fmt: skip

    assert found == [
        ("Globex", "Oct", "EUR", 49, 11, 0, 60),
        ("Acme", "Oct", "USD", 49, 51, 0, 100),
        ("Acme", "Nov", "USD", 49, 0, -20, 29),
    ]
    # Before it was void, and before the note was made.
    then = {
        (row["customer"], row["month"].month): row["revenue"]
        for row in rows_of("revenue", as_of=day("2026-11-04"))
    }
    assert then == {
        ("Globex", 10): 60,
        ("Globex", 11): 500,
        ("Acme", 10): 100,
        ("Acme", 11): 49,
    }


def test_top_and_falling_customers_are_compared_with_as_many_months_before() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    make_invoice(acme, month=9, amount="100.00")
    make_invoice(acme, month=10, amount="60.00")
    make_invoice(globex, month=10, amount="80.00")
    october = {"first": day("2026-10-01"), "last": day("2026-10-31")}

    top = [
        (row["customer"], row["revenue"], row["before"])
        for row in rows_of("top-customers", **october)
    ]
    falling = [
        (row["customer"], row["change"], row["changed"])
        for row in rows_of("falling-customers", **october)
    ]

    assert top == [("Globex", 80, 0), ("Acme", 60, 100)]
    assert falling == [("Acme", -40, Decimal("-0.4"))]


def test_recurring_revenue_moves_by_what_is_new_grows_shrinks_and_goes() -> None:
    acme, globex, initech = (make_workspace(name) for name in ("Acme", "Globex", "Initech"))
    for workspace, prices in (
        (acme, ("49", "99", "99")),
        (globex, (None, "49", "20")),
        (initech, ("30", None, None)),
    ):
        for month, price in zip((7, 8, 9), prices, strict=True):
            if price:
                last = {7: 31, 8: 31, 9: 30}[month]
                invoice = make_invoice(workspace, month=month, amount="49.00")
                charge(invoice, f"2026-0{month}-01", f"2026-0{month}-{last}", price, last)

    rows = rows_of("recurring", first=day("2026-08-01"), last=day("2026-09-30"))
    found = [
        (row["opening"], row["new"], row["expansion"], row["contraction"], row["churn"],
         row["closing"], row["customers"])
        for row in rows
    ]  # fmt: skip

    assert found == [(79, 49, 50, 0, -30, 148, 2), (148, 0, 0, -29, 0, 119, 2)]
    changes = rows_of("recurring-changes", first=day("2026-08-01"), last=day("2026-08-31"))
    assert [(row["customer"], row["kind"], row["change"]) for row in changes] == [
        ("Acme", "Expansion", 50),
        ("Globex", "New", 49),
        ("Initech", "Churn", -30),
    ]


def test_a_fee_by_the_year_recurs_with_a_twelfth_in_each_of_its_months() -> None:
    acme = make_workspace("Acme")
    charge(make_invoice(acme, month=7, amount="49.00"), "2026-07-01", "2027-06-30", "120", 365)

    [row] = rows_of("recurring", first=day("2026-09-01"), last=day("2026-09-30"))

    assert (row["opening"], row["new"], row["closing"]) == (10, 0, 10)


def test_unbilled_is_what_was_used_by_that_day_in_months_that_were_not_closed() -> None:
    acme = make_workspace("Acme", timezone="UTC")
    make_usage(acme, at("2026-10-10"), "10", "1")
    make_usage(acme, at("2026-10-20"), "5", "1")
    period = make_period(acme, OCTOBER)
    issue_invoice(period)  # on 2 November

    [then] = rows_of("unbilled", as_of=day("2026-10-15"))
    assert (then["usage"], then["besides"], then["total"], then["state"]) == (
        12, 49, 61, "Running",
    )  # fmt: skip
    [ended] = rows_of("unbilled", as_of=day("2026-11-01"))[:1]
    assert (ended["usage"], ended["total"], ended["state"]) == (18, 67, "Ended, not closed")
    now = rows_of("unbilled", as_of=NOW.date())
    assert [(row["month"], row["usage"]) for row in now] == [(day("2026-11-01"), 0)]


def test_a_void_invoice_that_nobody_decided_on_is_unbilled() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, amount="61.34")
    void(invoice, "2026-11-10")

    [row] = [row for row in rows_of("unbilled") if row["besides"] == Decimal("61.34")]

    assert row["state"] == f"{invoice.number} is void, to be decided"


def test_margins_come_to_the_same_by_each_dimension_and_to_the_records() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    agent = make_agent(acme, "Rita")
    make_usage(acme, OCTOBER, "10", "1", agent_id=str(agent.pk), model="nova-3")
    make_usage(acme, OCTOBER, "3", "1", model="nova-3", provider="deepgram")
    make_usage(acme, OCTOBER, "5", "1")
    make_usage(globex, OCTOBER, "2", "1", resource_type="transcription", provider="deepgram")
    october = {"first": day("2026-10-01"), "last": day("2026-10-31")}

    by = {
        key: rows_of(f"margin-by-{key}", **october)
        for key in ("customer", "agent", "provider", "model", "type")
    }

    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(final_cost), sum(total_cost), count(*) FROM usage_usagerecord")
        whole = cursor.fetchone()
    assert whole == (24, 20, 4)
    for key, rows in by.items():
        sums = tuple(sum(row[name] for row in rows) for name in ("price", "cost", "records"))
        assert (key, sums) == (key, whole)
    assert [(row["customer"], row["agent"], row["margin"]) for row in by["agent"]] == [
        ("Acme", "Rita", 2),
        ("Acme", None, Decimal("1.6")),
        ("Globex", None, Decimal("0.4")),
    ]
    assert [(row["model"], row["price"]) for row in by["model"]] == [
        ("nova-3", Decimal("15.6")),
        (None, Decimal("8.4")),
    ]
