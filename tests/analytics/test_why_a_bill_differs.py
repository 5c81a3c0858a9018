"""Why a bill is different: read from rollups, to the cent; each step leads to what it is about."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.urls import reverse

from analytics.bill_comparison import compare_bills, sentence
from analytics.bridge import Driver
from billing.models import BillingPeriod, Email, Workspace
from billing.queries import with_totals
from billing.services.workspaces import update_billing_settings
from invoices.services.mailing import mail_issued_invoice
from invoices.services.manual_items import add_manual_item
from invoices.services.manual_lines import ManualLine
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_agent, make_period, make_workspace, member_client
from tests.kit.usage import make_call, make_usage

pytestmark = pytest.mark.django_db
OCTOBER = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)
DECEMBER = dt.datetime(2026, 12, 2, 12, tzinfo=dt.UTC)


@pytest.fixture
def acme() -> Workspace:
    where = make_workspace("Acme")
    update_billing_settings(
        workspace_id=where.pk, changes={"markup_percentage": 0}, now=OCTOBER - dt.timedelta(days=9)
    )
    return where


def two_months(acme: Workspace) -> tuple[BillingPeriod, BillingPeriod]:
    """October: 2 calls of 10 minutes at 0.20. November: 3 of 12 at 0.25, and a new agent's."""
    for _ in range(2):
        make_usage(acme, OCTOBER, "10", "0.20", call_id=make_call(acme, OCTOBER))
    for _ in range(3):
        make_usage(acme, NOVEMBER, "12", "0.25", call_id=make_call(acme, NOVEMBER))
    desk = make_agent(acme, "Front desk")
    call = make_call(acme, NOVEMBER, agent=desk)
    make_usage(acme, NOVEMBER, "7", "1", call_id=call, agent_id=str(desk.pk))
    return make_period(acme, OCTOBER), make_period(acme, NOVEMBER)


def both(*periods: BillingPeriod) -> list[BillingPeriod]:
    found = with_totals(BillingPeriod.objects.filter(pk__in=[each.pk for each in periods]))
    return list(found.prefetch_related("invoices").order_by("period_start"))


def amounts(before: BillingPeriod, now: BillingPeriod, at: dt.datetime) -> dict[Driver, Decimal]:
    compared = compare_bills(*both(before, now), at=at)
    assert sum(compared.amounts) == compared.difference
    return {
        change.step: amount
        for change, amount in zip(compared.changes, compared.amounts, strict=True)
        if amount
    }


def test_closed_months_differ_by_volume_length_price_and_a_new_agent(acme: Workspace) -> None:
    october, november = two_months(acme)
    issue_invoice(october)
    issue_invoice(november)
    assert amounts(october, november, DECEMBER) == {
        Driver.NEW_AGENTS: Decimal("7.00"),
        Driver.VOLUME: Decimal("2.00"),  # one call of 10 minutes at 0.20
        Driver.LENGTH: Decimal("1.20"),  # 3 x 2 minutes at 0.20
        Driver.PRICES: Decimal("1.80"),  # 36 minutes at 0.05
    }


def test_late_usage_is_a_step_of_its_own(acme: Workspace) -> None:
    october, november = two_months(acme)
    issue_invoice(october)
    make_usage(acme, OCTOBER, "30", "1", now=NOVEMBER)
    assert amounts(october, november, DECEMBER)[Driver.LATE] == Decimal("30.00")


def test_a_running_month_is_compared_with_the_same_days(acme: Workspace) -> None:
    october, november = two_months(acme)
    make_usage(acme, OCTOBER + dt.timedelta(days=15), "100", "1")
    on_the_sixth = NOVEMBER + dt.timedelta(days=1)
    compared = compare_bills(*both(october, november), at=on_the_sixth)
    assert compared.before.last == dt.date(2026, 10, 6)
    # 49 of the subscription on both sides: 4.00 and 16.00 of usage.
    assert compared.difference == Decimal("12.00")


def test_the_sentence_names_the_largest_reasons(acme: Workspace) -> None:
    october, november = two_months(acme)
    issue_invoice(october)
    issue_invoice(november)
    assert sentence(compare_bills(*both(october, november), at=DECEMBER)) == (
        "That is $12.00 more than October 2026: New agents +$7.00,"
        " Number of calls and uses +$2.00, Prices +$1.80."
    )


def test_the_page_leads_from_each_step_to_its_calls(acme: Workspace) -> None:
    october, november = two_months(acme)
    issue_invoice(october)
    invoice = issue_invoice(november)
    client = member_client(acme)
    answer = client.get(reverse("analytics:compare", args=[acme.pk]), {"period": str(november.pk)})
    page = re.sub(r"\s+", " ", answer.content.decode())
    assert "+$12.00 <small>$53.00 → $65.00</small>" in page
    assert "4 calls, 2 before" in page
    calls = reverse("usage:calls", args=[acme.pk])
    agent = acme.agents.get()
    assert (
        f'<a href="{calls}?day_from=2026-11-01&amp;day_to=2026-11-30&amp;agent={agent.pk}'
        '&amp;sort=-price">New agents</a>' in page
    )
    assert "Front desk +$7.00" in page
    shown = client.get(reverse("invoices:detail", args=[acme.pk, invoice.pk])).content.decode()
    assert f"/compare/?period={november.pk}" in shown


def test_a_charge_of_the_earlier_month_alone_leads_to_the_earlier_invoice(acme: Workspace) -> None:
    october, november = two_months(acme)
    line = ManualLine("charge", "Set-up", Decimal(90))
    add_manual_item(
        workspace_id=acme.pk, line=line, reason="As agreed", asked_by="fay", now=OCTOBER
    )
    first = issue_invoice(october)
    issue_invoice(november)
    page = member_client(acme).get(
        reverse("analytics:compare", args=[acme.pk]), {"period": str(november.pk)}
    )
    rows = {row.label: (row.amount, row.detail, row.link) for row in page.context["rows"]}
    assert rows["Other charges and credits"] == (
        "\u2212$90.00",
        "Set-up \u2212$90.00",
        reverse("invoices:detail", args=[acme.pk, first.pk]),
    )


def test_any_two_months_are_compared_and_anothers_are_not_found(acme: Workspace) -> None:
    october, november = two_months(acme)
    client = member_client(acme)
    page = reverse("analytics:compare", args=[acme.pk])
    backwards = client.get(page, {"period": str(october.pk), "with": str(november.pk)})
    assert backwards.status_code == 200
    theirs = make_period(make_workspace("Globex"), OCTOBER)
    assert client.get(page, {"period": str(theirs.pk)}).status_code == 404
    assert client.get(page, {"with": str(theirs.pk)}).status_code == 404


def test_with_one_month_there_is_nothing_to_compare_with(acme: Workspace) -> None:
    make_period(acme, OCTOBER)
    page = member_client(acme).get(reverse("analytics:compare", args=[acme.pk]))
    assert "Nothing to compare with yet" in page.content.decode()


@pytest.mark.parametrize("calls", [1, 20])
def test_the_page_takes_as_many_queries_for_one_call_as_for_twenty(
    acme: Workspace, calls: int, django_assert_num_queries: object
) -> None:
    make_usage(acme, OCTOBER, "10", "0.20")
    for _ in range(calls):
        make_usage(acme, NOVEMBER, "12", "0.25", call_id=make_call(acme, NOVEMBER))
    make_period(acme, OCTOBER)
    client = member_client(acme)
    page = reverse("analytics:compare", args=[acme.pk])
    client.get(page)
    # Session, user, memberships; periods, with which counts now, and their terms; spend; calls;
    # agents and models of each month.
    with django_assert_num_queries(9):
        client.get(page)


def test_an_invoices_mail_says_in_a_sentence_why_it_is_different(acme: Workspace) -> None:
    october, november = two_months(acme)
    first, second = issue_invoice(october), issue_invoice(november)
    for invoice in (first, second):
        Email.objects.filter(kind="invoice_issued").delete()
        mail_issued_invoice(invoice_id=invoice.pk, now=DECEMBER)
        mail = Email.objects.get(kind="invoice_issued")
        said = "That is $12.00 more than October 2026: New agents +$7.00"
        assert (said in mail.text) == (invoice == second)
        assert (said in mail.html) == (invoice == second)
