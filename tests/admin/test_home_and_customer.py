"""Finance's first page, what needs a person, one customer's page, and the search."""

import datetime as dt
import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.urls import reverse

from analytics.finance import (
    attention,
    attention_rows,
    checklist,
    figures,
    progress,
    search,
    trends,
)
from billing.models import BillingPeriod, User
from billing.services.price_assignments import assign_card
from invoices.models import Invoice
from invoices.payments.models import (
    CallDispute,
    Chargeback,
    CreditNoteSync,
    PaymentEntry,
    StripeCustomer,
)
from invoices.services.closing.finalize import finalize_period
from tests.kit import prices
from tests.kit.credit_notes import issue_note
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_period, make_workspace, signed_in_client
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
    def disputes(moment: attention_rows.Moment) -> list[attention.AttentionItem]:
        return [attention.AttentionItem("dispute", "disputes", 2, "/", "bad")]

    attention.needs_a_person(disputes)
    try:
        found = attention.attention_items(attention_rows.Moment.at(NOW))
        assert "disputes" in [item.title for item in found]
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
    shown = [shown for _, _, shown in page.context["so_far"]]
    assert shown == [Decimal("12.00"), Decimal("49.00")]
    assert page.context["period"].live_subtotal == 12
    assert "<main" in text


def test_a_name_in_the_list_of_workspaces_leads_to_all_about_it_and_another_link_to_its_form(
    django_user_model: type[User],
) -> None:
    """Where a field waits for what is picked, and for whoever sees no figures, to the form."""
    acme, client = make_workspace("Acme"), finance_client()
    everything = reverse("finance:customer", args=[acme.pk])
    form = reverse("admin:billing_workspace_change", args=[acme.pk])
    workspaces = reverse("admin:billing_workspace_changelist")
    of_name = re.compile(r'<th[^>]*><a href="([^"?]*)[^>]*>Acme</a>')

    page = client.get(workspaces).content.decode()
    assert of_name.findall(page) == [everything]
    assert f'href="{form}"' in page
    assert of_name.findall(client.get(f"{workspaces}?_popup=1").content.decode()) == [form]

    support = django_user_model.objects.create_user("sam@support.test", is_staff=True)
    support.user_permissions.add(Permission.objects.get(codename="view_workspace"))
    page = signed_in_client(support).get(workspaces).content.decode()
    assert of_name.findall(page) == [form]


def test_what_a_month_consists_of_adds_up_to_its_total_as_shown() -> None:
    """Each by itself would be 0.00 and 49.00, of a total of 49.01."""
    acme = make_workspace("Acme", timezone="UTC")
    make_usage(acme, NOW, "1", "0.004")
    BillingPeriod.objects.filter(workspace=acme).update(reversals_credited=Decimal("0.0002"))

    page = finance_client().get(reverse("finance:customer", args=[acme.pk]))

    shown = [shown for _, _, shown in page.context["so_far"]]
    assert (sum(shown), page.context["period"].live_total) == (
        Decimal("49.01"),
        Decimal("49.0050"),
    )


def test_a_customers_page_names_the_rate_cards_in_force_and_whose_they_are() -> None:
    acme = make_workspace("Acme")
    prices.use(prices.published(name="Special"), acme.pk)
    assign_card(
        card_id=prices.published(name="Usual").pk,
        tier=acme.tier.name,
        starts_on=NOW.date(),
        now=NOW,
    )
    client = finance_client()

    page = client.get(reverse("finance:customer", args=[acme.pk]))

    assert [(each.card.name, each.tier_id is None) for each in page.context["cards"]] == [
        ("Special", True),
        ("Usual", False),
    ]
    assert "Usual</a> (of its tier)" in page.content.decode()


def test_a_customers_page_says_what_of_theirs_waits_for_a_person() -> None:
    """And nothing of another's."""
    for name in ("Acme", "Globex"):
        workspace = make_workspace(name)
        invoice = make_invoice(workspace, amount="100.00")
        Chargeback.objects.create(
            workspace=workspace, invoice=invoice, stripe_id=f"du_{name}", currency="USD",
            amount=25, status="needs_response", opened_at=NOW, due_by=NOW + dt.timedelta(days=7),
        )  # fmt: skip
        CallDispute.objects.create(
            workspace=workspace, call_id=uuid4(), reason="dropped", text="It broke off.",
            currency="USD", price=1, opened_by="owner", opened_at=NOW,
        )  # fmt: skip

    page = finance_client().get(reverse("finance:customer", args=[workspace.pk]))

    tasks = page.context["tasks"]
    assert [task.text for task in tasks] == [
        f"A chargeback over $25.00 is to be answered by {NOW + dt.timedelta(days=7):%Y-%m-%d %H:%M}"
        " UTC",
        f"A call is disputed since {NOW:%Y-%m-%d}: broke off",
    ]
    for task in tasks:
        assert page.client.get(task.url).status_code == 200


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
    assert titles(str(call)[:8]) == titles(str(call))
    assert titles("nothing at all") == []

    PaymentEntry.objects.create(
        invoice=invoice,
        kind="payment",
        stripe_id="ch_Paid1",
        payment_intent_id="pi_Paid1",
        amount=Decimal("1234.50"),
        occurred_at=NOW,
    )
    StripeCustomer.objects.create(
        workspace=acme, stripe_id="cus_Acme1", status="done", finished_at=NOW
    )
    note = issue_note(invoice, "20.00")
    sync = CreditNoteSync.objects.create(credit_note=note)
    sync.steps.create(position=1, kind="note", amount=20, stripe_id="cn_Note1")
    assert titles("ch_Paid1") == titles("pi_Paid1") == [invoice.number]
    assert titles("cus_Acme1") == ["Acme", invoice.number]
    assert titles("cn_Note1") == [invoice.number, note.number]
    assert titles("20.00") == [note.number]
    assert titles("cus_Other") == []


def test_the_search_takes_the_same_queries_for_one_row_or_six(
    django_assert_num_queries: Any,
) -> None:
    request = finance_client().get(reverse("admin:index")).wsgi_request
    for month in range(1, 7):
        make_invoice(make_workspace(f"Acme {month}"), month=month)
        # Permissions are read once for the request's user.
        if month == 1:
            search.found(request, "acme")
        if month in (1, 6):
            with django_assert_num_queries(6):
                assert len(search.found(request, "acme")) >= 2 * month


def steps(of: progress.MonthEnd) -> list[checklist.ChecklistItem]:
    return checklist.checklist(of, attention_rows.month_end_counts(), now=NOW)


def test_what_is_void_or_written_off_does_not_keep_a_month_from_being_paid() -> None:
    for name, status in (("Acme", "paid"), ("Globex", "void"), ("Initech", "uncollectible")):
        invoice = make_invoice(make_workspace(name), month=10, status=status)
        BillingPeriod.objects.filter(pk=invoice.billing_period_id).update(
            period_end=progress.month_boundary(NOW)
        )

    of = progress.month_end(now=NOW)
    [paid] = [
        step
        for step in checklist.checklist(of, attention_rows.month_end_counts(), now=NOW)
        if step.title == "Paid"
    ]

    assert (of.invoices, of.paid, of.written_off) == (2, 1, 1)
    assert (paid.state, paid.detail) == ("done", "1 of 1 invoices")


def test_the_steps_of_a_month_end_are_worked_out_and_not_ticked() -> None:
    acme = make_workspace("Acme", timezone="UTC")
    last_month = NOW.replace(day=1) - dt.timedelta(days=10)
    make_usage(acme, last_month, "10", "1")
    period = make_period(acme, last_month)

    def states() -> dict[str, str]:
        of = progress.month_end(now=NOW)
        return {
            step.title: step.state
            for step in checklist.checklist(of, attention_rows.month_end_counts(), now=NOW)
        }

    before = states()
    assert {before[step] for step in ("Closed", "In Stripe", "Mailed", "Paid", "Proved")} == {
        "open"  # not done, although nothing is there yet
    }
    assert before["Usage has come in"] == "open"  # nothing since the month ended
    ProviderHeartbeat.objects.create(source="usage", provider="twilio", at=NOW)
    finalize_period(period_id=period.pk, now=NOW)
    after = states()
    assert (after["Usage has come in"], after["Closed"], after["In Stripe"]) == (
        "done",
        "done",
        "open",
    )
    client = finance_client()
    page = client.get(reverse("finance:month_end")).content.decode()
    assert "Not since the last close." in page
    # What the page asks for while a close is under way has the steps too.
    part = client.get(reverse("finance:month_end"), {"part": ""}).content.decode()
    assert "Not since the last close." in part
    assert "<html" not in part


def test_finances_pages_take_so_many_queries(django_assert_num_queries: Any) -> None:
    acme = make_workspace("Acme")
    make_usage(acme, NOW, "10", "1")
    client = finance_client()
    pages = {reverse("finance:customer", args=[acme.pk]): 15, reverse("finance:month_end"): 15}
    for page, queries in pages.items():
        client.get(page)  # what a process asks once
        with django_assert_num_queries(queries):
            client.get(page)
