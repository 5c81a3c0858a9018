"""Finance's first page, what needs a person, one customer's page, and the search."""

import datetime as dt
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.urls import reverse

from analytics.finance import attention, checklist, figures, search, trends
from invoices.models import Invoice
from invoices.services.closing.finalize import finalize_period
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_period, make_workspace
from tests.kit.staff import finance_client
from tests.kit.usage import make_call, make_usage
from usage.models import ProviderHeartbeat

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _worked_out_anew() -> None:
    cache.clear()


def test_so_far_includes_what_was_closed_early() -> None:
    acme = make_workspace("Acme", timezone="UTC")
    make_usage(acme, NOW - dt.timedelta(days=2), "10", "1")
    finalize_period(period_id=make_period(acme).pk, now=NOW, force=True)
    make_usage(acme, NOW + dt.timedelta(minutes=1), "5", "1")

    [month] = figures.overview(now=NOW + dt.timedelta(minutes=2)).months

    assert (month.workspaces, month.usage, month.cost) == (1, 18, 15)


def test_charts_are_the_reports_numbers_in_each_currency() -> None:
    make_invoice(make_workspace("Acme"), amount="100.00", due_date=dt.date(2026, 11, 1))
    make_invoice(make_workspace("Globex", currency="EUR"), month=9, amount="60.00")

    found = {each.key: each for each in trends.trends(now=NOW, currencies=["USD", "EUR"])}

    revenue = {bar.label: bar.value for bar in found["revenue-USD"].bars}
    assert (len(revenue), revenue["Oct 2026"], revenue["Sep 2026"]) == (13, 100, 0)
    owed = {bar.label: bar.value for bar in found["ageing-USD"].bars}
    assert owed["1–30 days"] == 100
    assert [key for key in found if key.startswith("revenue")] == ["revenue-USD", "revenue-EUR"]


def test_bars_below_zero_hang_from_the_line() -> None:
    columns, zero = trends.bars({"up": Decimal(30), "down": Decimal(-10)})

    assert zero == 75
    assert [(bar.top, bar.height) for bar in columns] == [(0, 75), (75, 25)]


def test_whoever_knows_of_something_adds_it_to_what_needs_a_person() -> None:
    def disputes(now: dt.datetime) -> list[attention.AttentionItem]:
        return [attention.AttentionItem("dispute", "disputes", 2, "/", "bad")]

    attention.needs_a_person(disputes)
    try:
        assert "disputes" in [item.title for item in attention.attention_items(now=NOW)]
    finally:
        attention._SOURCES.remove(disputes)


def test_a_customers_page_has_everything_and_leads_to_it() -> None:
    acme = make_workspace("Acme", timezone="UTC")
    make_usage(acme, NOW, "10", "1")
    invoice = make_invoice(acme, amount="100.00", due_date=dt.date(2026, 11, 1))
    make_invoice(make_workspace("Globex"), amount="7.00")

    page = finance_client().get(reverse("finance:customer", args=[acme.pk]))

    text = page.content.decode()
    assert invoice.number in text
    assert "owner@acme.test" in text
    assert reverse("admin:billing_workspace_change", args=[acme.pk]) in text
    assert "$7.00" not in text
    assert [row["open"] for row in page.context["owed"]] == [100]
    assert page.context["period"].live_subtotal == 12
    assert "<main" in text


def test_the_search_finds_by_number_customer_mail_amount_and_call() -> None:
    acme = make_workspace("Acme", timezone="UTC")
    call = make_call(acme, NOW)
    make_usage(acme, NOW, "10", "1", call_id=call)
    invoice = make_invoice(acme, amount="1234.50")
    Invoice.objects.filter(pk=invoice.pk).update(billing_period=make_period(acme))
    client = finance_client()
    request = client.get(reverse("admin:index")).wsgi_request

    def titles(term: str) -> list[str]:
        return [result.title for result in search.found(request, term.lower())]

    assert titles(invoice.number) == [invoice.number]
    assert "Acme" in titles("owner@acme.test")
    assert titles("1,234.50") == [invoice.number]
    assert invoice.number in titles(str(call))
    assert len(titles(str(call))) == 3  # the invoice that bills it, the call, and its usage
    assert titles("nothing at all") == []


def test_the_steps_of_a_month_end_are_worked_out_and_not_ticked() -> None:
    acme = make_workspace("Acme", timezone="UTC")
    last_month = NOW.replace(day=1) - dt.timedelta(days=10)
    make_usage(acme, last_month, "10", "1")
    period = make_period(acme, last_month)

    def states() -> dict[str, str]:
        return {step.title: step.state for step in checklist.checklist(now=NOW)}

    before = states()
    assert (before["Closed"], before["Proved"]) == ("open", "open")
    assert before["Usage has come in"] == "open"  # nothing since the month ended
    ProviderHeartbeat.objects.create(source="usage", provider="twilio", at=NOW)
    finalize_period(period_id=period.pk, now=NOW)
    after = states()
    assert (after["Usage has come in"], after["Closed"], after["In Stripe"]) == (
        "done",
        "done",
        "open",
    )
    page = finance_client().get(reverse("finance:month_end")).content.decode()
    assert "Not since the last close." in page
