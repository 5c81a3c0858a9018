"""The next invoice as it would be now, and that the close makes the same."""

import datetime as dt
from decimal import Decimal

import pytest
import time_machine
from django.urls import reverse

from billing.issuers import Issuer
from billing.models import BillingPeriod
from billing.services.terms import add_discount
from invoices.document import as_preview, invoice_document
from invoices.models import Invoice, InvoiceTax
from invoices.services.closing import finalize_period
from invoices.services.preview import upcoming_invoice
from tests.kit.api import ApiClient, refusal
from tests.kit.papers import words_of
from tests.kit.personas import make_workspace, member_client
from tests.kit.prices import per_unit, published, rate, use
from tests.kit.taxes import make_customer, register
from tests.kit.usage import make_usage
from usage.models import UsageRecord
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db
D = Decimal
NOVEMBER_1 = dt.date(2026, 11, 1)
OCTOBER_20 = dt.datetime(2026, 10, 20, 12, tzinfo=dt.UTC)
NOVEMBER_25 = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
DECEMBER_3 = dt.datetime(2026, 12, 3, 12, tzinfo=dt.UTC)


@pytest.fixture
def acme():
    """1,201.5 minutes at 0.12, of which 1,000 are included: 24.18; a tenth off, and 49.00."""
    acme = make_workspace("Acme", now=OCTOBER_20)
    included = rate(per_unit("0.12", included="1000"), "call_minutes")
    use(
        published(included, now=OCTOBER_20, day=NOVEMBER_1), acme.pk, day=NOVEMBER_1, now=OCTOBER_20
    )
    add_discount(
        workspace_id=acme.pk,
        name="Welcome",
        percentage=D(10),
        applies_to="usage",
        starts_on=NOVEMBER_1,
        now=OCTOBER_20,
    )
    make_usage(acme, NOVEMBER_25, "1201.5", "0.01", key="minutes")
    return acme


def lines(items) -> list[tuple[str, Decimal]]:
    return [(item.description, item.amount) for item in items]


def test_it_says_what_the_close_then_says(acme):
    preview = upcoming_invoice(workspace_id=acme.pk, now=NOVEMBER_25)

    assert lines(preview.items) == [
        ("Monthly Subscription", D("49.00")),
        ("Call Minutes", D("24.18")),
        ("Welcome, 10% off usage", D("-2.42")),
    ]
    assert (preview.invoice.amount, preview.is_billed) == (D("70.76"), True)
    assert not Invoice.objects.filter(billing_period=preview.period).exists()
    assert BillingPeriod.objects.get(pk=preview.period.pk).is_current

    finalize_period(period_id=preview.period.pk, now=DECEMBER_3)
    invoice = Invoice.objects.get(billing_period=preview.period)
    assert lines(invoice.items.all()) == lines(preview.items)
    assert invoice.exact_amount == preview.invoice.exact_amount


def test_what_is_owed_back_is_no_invoice_and_goes_to_the_month_after_it(acme):
    period = upcoming_invoice(workspace_id=acme.pk, now=NOVEMBER_25).period
    finalize_period(period_id=period.pk, now=DECEMBER_3)
    record = UsageRecord.objects.get(idempotency_key="minutes")
    acme.tier.prices.update(fee=0)
    void_record(workspace_id=acme.pk, record_id=record.pk, reason="wrong", now=DECEMBER_3)

    preview = upcoming_invoice(workspace_id=acme.pk, now=DECEMBER_3)

    assert preview.period.label == "December 2026"
    assert preview.closing.total < 0
    assert not preview.is_billed


def test_a_workspace_without_an_open_month_is_shown_the_one_that_runs():
    globex = make_workspace("Globex", now=NOVEMBER_25)
    BillingPeriod.objects.filter(workspace=globex).delete()

    preview = upcoming_invoice(workspace_id=globex.pk, now=NOVEMBER_25)

    assert lines(preview.items) == [("Monthly Subscription", D("49.00"))]
    assert not BillingPeriod.objects.filter(workspace=globex).exists()


@time_machine.travel(NOVEMBER_25, tick=False)
def test_over_http_as_json_and_pdf(acme):
    api = ApiClient("billing:read")
    path = f"workspaces/{acme.pk}/upcoming-invoice/"

    body = api.get(path).json()

    assert (body["status"], body["amount"], body["is_billed"]) == ("preview", "70.76", True)
    assert body["items"][1]["meters"][0]["quantity"] == "1201.5"
    assert "id" not in body["items"][0]
    assert api.get(path, billing_period_id=body["billing_period_id"]).json() == body
    paper = words_of(api.get(f"{path}pdf/").content)
    assert "Preview" in paper
    assert "This is not an invoice" in paper
    assert "$70.76" in paper
    assert "Amount due" not in paper
    other = make_workspace("Globex")
    bound = ApiClient("billing:read", workspace_id=other.pk)
    assert refusal(bound.get(path)) == (404, "not_found")
    assert refusal(api.get(path, billing_period_id=str(other.pk))) == (404, "not_found")
    assert refusal(api.get(path, billing_period_id="x"))[0] == 400
    assert refusal(ApiClient("usage:read").get(path)) == (403, "missing_scope")


@time_machine.travel(NOVEMBER_25, tick=False)
def test_its_owner_reads_it_and_takes_the_paper(acme):
    client = member_client(acme)

    page = client.get(reverse("invoices:upcoming", args=[acme.pk])).content.decode()

    assert "This is not an invoice." in page
    assert "$70.76" in page
    paper = client.get(reverse("invoices:upcoming-pdf", args=[acme.pk]))
    assert "Preview" in words_of(paper.content)
    other = make_workspace("Globex")
    assert client.get(reverse("invoices:upcoming", args=[other.pk])).status_code == 404


@time_machine.travel(NOVEMBER_25, tick=False)
def test_tax_is_shown_as_it_would_be_charged():
    register()
    globex = make_customer("Globex")
    make_usage(globex, NOVEMBER_25, "1", "10.28")
    api = ApiClient("billing:read")

    body = api.get(f"workspaces/{globex.pk}/upcoming-invoice/").json()

    assert (body["net"], body["tax"], body["amount"]) == ("61.34", "11.65", "72.99")
    assert [(tax["rate"], tax["tax"]) for tax in body["taxes"]] == [("19", "11.65")]
    paper = words_of(api.get(f"workspaces/{globex.pk}/upcoming-invoice/pdf/").content)
    assert "€11.65" in paper
    page = member_client(globex).get(reverse("invoices:upcoming", args=[globex.pk]))
    assert "€11.65" in page.content.decode()
    assert not InvoiceTax.objects.exists()


@time_machine.travel(NOVEMBER_25, tick=False)
def test_the_paper_stresses_the_total_also_where_the_tax_is_in_it():
    register()
    globex = make_customer("Globex")
    globex.billing_settings.prices_include_tax = True
    globex.billing_settings.save()
    preview = upcoming_invoice(workspace_id=globex.pk, now=NOVEMBER_25)
    issuer = Issuer(name="Voice", email="billing@voice.test")

    whole = invoice_document(
        preview.invoice, preview.items, issuer=issuer, units={}, taxes=preview.taxes
    )

    assert [
        (row["label"], row["amount"], row["strong"])
        for row in as_preview(whole, preview.invoice)["totals"]
    ] == [
        ("Total EUR", "€49.00", True),
        ("Includes VAT 19% on €41.18", "€7.82", False),
    ]


def test_a_month_that_could_not_be_closed_has_no_preview_and_says_so(acme):
    acme.periods.get().counters.update(records=7)
    client = member_client(acme)

    page = client.get(reverse("invoices:upcoming", args=[acme.pk]))

    assert "There is no preview now" in page.content.decode()
    paper = client.get(reverse("invoices:upcoming-pdf", args=[acme.pk]))
    assert (paper.status_code, paper["Location"]) == (302, page.request["PATH_INFO"])
    answer = ApiClient("billing:read").get(f"workspaces/{acme.pk}/upcoming-invoice/")
    assert refusal(answer) == (409, "ledger_differs")
