"""The customer's statement: worked balances, files, and days that are none."""

import datetime as dt
import io
from decimal import Decimal

import pytest
from pypdf import PdfReader

from billing.models import User
from invoices.payments.models import PaymentEntry
from invoices.payments.services.receiving import PaymentShare, record_payment
from invoices.payments.services.settle.credit import credit_balance
from invoices.payments.services.settle.received import book_stripe_payment
from invoices.payments.services.statements import statement
from tests.kit.api import ApiClient
from tests.kit.credit_notes import issue_note
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace, signed_in_client

pytestmark = pytest.mark.django_db
NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)


def acme():
    """61.34 billed on the 2nd, 70.00 paid on the 4th, 20.00 credited on the 5th."""
    workspace = make_workspace("Acme")
    invoice = make_invoice(workspace)
    record_payment(
        workspace_id=workspace.pk,
        amount=Decimal("70.00"),
        way="bank_transfer",
        received_on=dt.date(2026, 11, 4),
        reference="=SEPA",
        shares=[PaymentShare(invoice.pk)],
        recorded_by="fiona",
        now=NOVEMBER_5,
    )
    issue_note(invoice)
    return workspace


def test_balances_follow_each_other_and_end_with_the_credit():
    workspace = acme()
    made = statement(workspace, first=dt.date(2026, 11, 3), last=dt.date(2026, 11, 30))
    assert made.opening == Decimal("61.34")
    moved = [(line.text, line.amount, line.balance) for line in made.lines]
    assert moved == [
        ("Payment, bank transfer", Decimal("-70.00"), Decimal("-8.66")),
        ("Credit note", Decimal("-20.00"), Decimal("-28.66")),
    ]
    assert made.closing == -credit_balance(workspace.pk, "USD") == Decimal("-28.66")


def test_what_happened_on_one_day_stands_in_the_order_in_which_it_happens():
    workspace = make_workspace("Globex")
    invoice = make_invoice(workspace, issued_at=NOVEMBER_5)
    record_payment(
        workspace_id=workspace.pk,
        amount=Decimal("61.34"),
        way="bank_transfer",
        received_on=NOVEMBER_5.date(),
        reference="SEPA 1",
        shares=[PaymentShare(invoice.pk)],
        recorded_by="fiona",
        now=NOVEMBER_5,
    )
    issue_note(invoice, rest_to="out_of_band")

    made = statement(workspace, first=NOVEMBER_5.date(), last=NOVEMBER_5.date())

    assert [(line.text, line.balance) for line in made.lines] == [
        ("Invoice", Decimal("61.34")),
        ("Payment, bank transfer", Decimal("0.00")),
        ("Credit note", Decimal("-20.00")),
        ("Sent back", Decimal("0.00")),
    ]


def test_a_payment_through_stripe_comes_on_the_day_of_the_workspaces_clock():
    """At 20:00 in London it is the 6th in Kathmandu, where its invoice was issued that day."""
    workspace = make_workspace("Annapurna", timezone="Asia/Kathmandu")
    evening = dt.datetime(2026, 11, 5, 20, tzinfo=dt.UTC)
    invoice = make_invoice(workspace, issued_at=evening)
    entry = PaymentEntry.objects.create(
        invoice=invoice, kind="payment", stripe_id="ch_1", amount=invoice.amount,
        occurred_at=evening,
    )  # fmt: skip
    book_stripe_payment(invoice, entry, now=evening, source="test")

    made = statement(workspace, first=NOVEMBER_5.date(), last=dt.date(2026, 11, 6))

    assert [(line.day.day, line.text, line.balance) for line in made.lines] == [
        (6, "Invoice", Decimal("61.34")),
        (6, "Payment, Stripe", Decimal("0.00")),
    ]


def test_owners_read_it_as_page_csv_and_pdf():
    workspace = acme()
    client = signed_in_client(User.objects.get(memberships__workspace=workspace))
    days = "?first=2026-11-01&last=2026-11-30"
    page = client.get(f"/w/{workspace.pk}/statement/{days}").content.decode()
    assert "−$28.66" in page
    file = client.get(f"/w/{workspace.pk}/statement/csv/{days}")
    rows = file.getvalue().decode().splitlines()
    assert rows[2] == "2026-11-02,Invoice,INV-2026-000001,61.340,61.340,USD"
    assert "'=SEPA" in rows[3]
    assert rows[-1] == "2026-11-30,Closing balance,,,-28.660,USD"
    pdf = client.get(f"/w/{workspace.pk}/statement/pdf/{days}").content
    made_on = PdfReader(io.BytesIO(pdf)).metadata.creation_date
    assert made_on == dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
    far_days = ("first=1960-01-01&last=1961-01-01", "first=9999-01-01&last=9999-12-31")
    for far in (*far_days, "last=0001-01-01"):
        for form in ("", "pdf/"):
            assert client.get(f"/w/{workspace.pk}/statement/{form}?{far}").status_code == 200
    for wrong in ("?first=x", "?first=2026-12-01&last=2026-11-01", "?first=0001-01-01"):
        assert client.get(f"/w/{workspace.pk}/statement/{wrong}").status_code == 404


def test_services_read_it_as_json_and_files():
    workspace = acme()
    api = ApiClient("billing:read")
    path = f"workspaces/{workspace.pk}/statement/"
    days = "?first=2026-10-01&last=2026-12-31"
    said = api.get(path + days).json()
    assert (said["opening"], said["closing"]) == ("0.00", "-28.66")
    assert [line["amount"] for line in said["lines"]] == ["61.34", "-70.00", "-20.00"]
    csv = b"".join(api.get(f"{path}csv/{days}").streaming_content).decode()
    assert "'=SEPA" in csv
    assert api.get(f"{path}pdf/{days}").content.startswith(b"%PDF")
    assert api.get(path + "?last=0001-01-01").json()["lines"] == []
    for bad in ("first=yesterday", "first=2026-12-02&last=2026-12-01", "day=2026-12-01"):
        refused = api.get(f"{path}?{bad}")
        named = [each["parameter"] for each in refused.json()["errors"]]
        assert (refused.status_code, named) == (400, [bad.split("=")[0]])
