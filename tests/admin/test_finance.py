"""Finance's first page and the month end's progress: sums by currency, troubles with a remedy."""

import datetime as dt
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from analytics.finance import attention, attention_rows, figures, progress
from analytics.finance.margins import Margin
from billing.models import BillingPeriod, User, Workspace
from billing.services.periods import open_period
from invoices.models import Invoice
from invoices.payments.models import ReconciliationRun, StripeSync
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_workspace
from tests.kit.staff import OCTOBER, finance_client, viewer_client
from tests.kit.usage import make_usage
from usage.models import UsageRollup

pytestmark = pytest.mark.django_db

NOVEMBER_1 = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _figures_worked_out_anew():
    cache.clear()
    yield
    cache.clear()


def spending(name: str, price: str, cost: str, *, currency: str = "USD") -> BillingPeriod:
    """The running period of a new workspace that has used so much."""
    workspace = make_workspace(name, currency=currency)
    period = open_period(workspace_id=workspace.pk, at=NOW, now=NOW)
    UsageRollup.objects.create(
        workspace=workspace,
        billing_period=period,
        slot=0,
        usage_date=NOW.date(),
        resource_type="call_minutes",
        provider="twilio",
        records=1,
        quantity=1,
        billed_quantity=1,
        final_cost=Decimal(price),
        total_cost=Decimal(cost),
    )
    return period


def block_close(workspace: Workspace) -> BillingPeriod:
    period = open_period(workspace_id=workspace.pk, at=OCTOBER, now=OCTOBER)
    period.close_error = "Tier 'starter' has no price in USD."
    period.close_failed_at = NOW
    period.save()
    return period


def home(client: Client) -> str:
    response = client.get(reverse("admin:index"))
    assert response.status_code == 200
    return response.content.decode()


def test_the_running_month_is_summed_by_currency_and_never_across():
    spending("Acme", "10.50", "8.00")
    spending("Globex", "20.25", "15.00")
    spending("Initech", "1000", "600", currency="JPY")

    found = figures.overview(now=NOW)

    dollars, yen = found.months

    assert (yen.currency, yen.revenue, yen.margin) == ("JPY", Decimal(8000), Decimal(400))
    assert (dollars.currency, dollars.workspaces) == ("USD", 2)
    assert dollars.usage == Decimal("30.75")
    assert dollars.fees == Decimal("98.00")
    assert dollars.revenue == Decimal("128.75")
    assert dollars.margin == Decimal("7.75")
    assert [row.currency for row in found.margins.by_provider] == ["USD", "JPY"]


def test_a_closed_month_is_not_part_of_the_running_one():
    make_invoice(make_workspace())

    assert figures.overview(now=NOW).months == []


def test_margins_by_provider_and_type_are_price_less_cost():
    acme = make_workspace()
    make_usage(acme, NOW, "10", "1")

    found = figures.overview(now=NOW).margins

    assert found.by_provider == [Margin("twilio", "USD", Decimal(12), Decimal(10))]
    assert found.by_provider[0].margin == Decimal(2)
    assert found.by_resource_type[0].name == "call_minutes"


def test_the_headline_is_the_sum_of_the_margins_below_it_while_usage_goes_on():
    acme = make_workspace()
    make_usage(acme, NOW, "10", "1", key="before")
    client = finance_client()
    first = home(client)
    make_usage(acme, NOW, "10", "1", key="after")

    # Sold by it all, by the provider, the type and the workspace: a minute old, all four.
    assert first.count("$12.00") == home(client).count("$12.00") == 4


def test_the_first_page_shows_the_sums_and_says_that_nothing_waits():
    spending("Acme", "10.50", "8.00")

    text = home(finance_client())

    assert "November so far, USD" in text
    assert "$59.50" in text
    assert "$2.50 (23.8%)" in text
    assert "Nothing waits for you" in text


def test_troubles_are_counted_and_listed_with_their_reason():
    acme = make_workspace()
    block_close(acme)
    globex_invoice = make_invoice(make_workspace("Globex"), status="overdue")
    StripeSync.objects.create(
        invoice=globex_invoice,
        status="blocked",
        blocked_reason="mismatch",
        last_error="5810 is not 5811",
    )

    client = finance_client()
    text = home(client)

    assert "Tier &#x27;starter&#x27; has no price in USD." in text
    assert "5810 is not 5811" in text
    assert [
        (m.count, m.title) for m in attention.attention_items(attention_rows.Moment.at(NOW))
    ] == [
        (1, "close failed"),
        (1, "piece of work blocked"),
        (1, "invoice overdue"),
    ]
    for item in attention.attention_items(attention_rows.Moment.at(NOW)):
        assert client.get(item.url).status_code == 200


def test_of_an_overdue_invoice_what_is_paid_is_no_longer_owed():
    invoice = make_invoice(make_workspace(), status="overdue")
    Invoice.objects.filter(pk=invoice.pk).update(amount_paid=20, amount_credited="1.34")

    text = home(finance_client())

    assert figures.overdue() == [figures.Owed("USD", 1, Decimal(40))]
    assert text.count("$40.00") == 2  # of all, and of the longest overdue


def test_a_failed_close_is_retried_from_the_first_page():
    client, period = finance_client(), block_close(make_workspace())
    address = reverse("admin:billing_billingperiod_retry_close", args=[period.pk])
    assert address in home(client)

    client.post(address, {"_form_submitted": "on"})

    period.refresh_from_db()
    assert period.status == "finalized"


def test_those_who_only_look_see_no_buttons():
    block_close(make_workspace())

    text = home(viewer_client())

    assert "Closes that failed" in text
    assert "retry_close" not in text
    assert "Compare now" not in text


def test_staff_without_the_rights_see_no_figures():
    spending("Acme", "10.50", "8.00")
    user = User.objects.create_user("sam@support.test", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_call"))
    client = Client()
    client.force_login(user, backend="billing.sign_in_backend.SignInBackend")

    assert "$59.50" not in home(client)
    assert client.get(reverse("finance:month_end")).status_code == 403


def test_the_first_page_costs_the_same_queries_with_one_workspace_or_many():
    client = finance_client()
    spending("Acme", "1", "1")
    block_close(Workspace.objects.get(name="Acme"))
    home(client)
    cache.delete("finance:overview:3")
    with CaptureQueriesContext(connection) as few:
        home(client)
    for name in ("Globex", "Initech", "Umbrella"):
        spending(name, "1", "1")
        block_close(Workspace.objects.get(name=name))

    cache.delete("finance:overview:3")
    with CaptureQueriesContext(connection) as many:
        home(client)

    assert len(many) == len(few)
    assert len(many) == 16


def test_the_last_comparison_with_stripe_is_shown():
    ReconciliationRun.objects.create(started_at=NOW, days=35, checked=120, healed=3)

    text = home(finance_client())

    assert "2026-11-22 09:00 UTC" in text
    assert "<dd>120</dd>" in text


# The month end


def test_progress_counts_the_periods_of_the_month_that_ended_last():
    make_invoice(make_workspace("Acme"), status="paid")
    StripeSync.objects.create(
        invoice=make_invoice(make_workspace("Globex")), status="done", finished_at=NOW
    )
    block_close(make_workspace("Initech"))
    due = make_workspace("Umbrella")
    open_period(workspace_id=due.pk, at=OCTOBER, now=OCTOBER)
    open_period(workspace_id=due.pk, at=NOW, now=NOW)

    found = progress.month_end(now=NOW)

    assert found.month == "October 2026"
    assert (found.periods, found.finalized, found.due, found.blocked) == (4, 2, 1, 1)
    assert found.share == 50
    assert (found.invoices, found.synced, found.paid) == (2, 1, 1)


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        # Auckland's October has ended, UTC's has not.
        (dt.datetime(2026, 10, 31, 11, 30, tzinfo=dt.UTC), "October 2026"),
        (dt.datetime(2026, 10, 30, 11, 30, tzinfo=dt.UTC), "September 2026"),
        (dt.datetime(2026, 11, 30, 0, 30, tzinfo=dt.UTC), "November 2026"),
        (dt.datetime(2027, 1, 1, 0, 30, tzinfo=dt.UTC), "December 2026"),
    ],
)
def test_the_month_end_is_the_one_within_a_day_or_the_last(moment, month):
    assert progress.month_end(now=moment).month == month


def test_a_period_in_its_grace_waits_and_is_not_due():
    open_period(workspace_id=make_workspace().pk, at=OCTOBER, now=OCTOBER)

    found = progress.month_end(now=NOVEMBER_1 + dt.timedelta(hours=22))

    assert (found.waiting, found.due) == (1, 0)


def test_the_progress_page_renews_itself_by_its_part():
    client = finance_client()
    open_period(workspace_id=make_workspace().pk, at=OCTOBER, now=OCTOBER)
    whole = client.get(reverse("finance:month_end")).content.decode()
    part = client.get(reverse("finance:month_end"), {"part": ""}).content.decode()

    assert 'hx-trigger="every 2s"' in whole
    assert "<html" not in part
    assert 'hx-trigger="every 2s"' in part


def test_starting_the_month_end_needs_the_right_and_a_post():
    address = reverse("finance:start_month_end")

    assert viewer_client().post(address).status_code == 403
    client = finance_client()
    assert client.get(address).status_code == 405
    assert client.post(address)["Location"] == reverse("finance:month_end")
