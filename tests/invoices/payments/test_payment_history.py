"""The owner's payment history and the zip of a year: what is in them, and whom it is not for."""

import datetime as dt
import io
import zipfile
from decimal import Decimal

import pytest
from django.test import Client

from invoices.models import EInvoice, Invoice
from invoices.payments.models import PaymentEntry
from invoices.payments.services import payment_history
from invoices.payments.services.receiving import PaymentShare, record_payment
from invoices.payments.services.settle import note_payment_failure
from invoices.payments.services.taking_back import take_back_payment
from invoices.services import year_archive
from tests.kit.api import ApiClient
from tests.kit.credit_notes import issue_note
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace, member_client

pytestmark = pytest.mark.django_db
NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)


def acme():
    """A card declined on the 3rd, 70.00 by bank on the 4th for 61.34, 20.00 credited on the 5th,
    5.00 given back on the 6th and another refund that failed."""
    workspace = make_workspace("Acme")
    invoice = make_invoice(workspace)
    note_payment_failure(
        invoice_id=invoice.pk,
        at=dt.datetime(2026, 11, 3, 9, tzinfo=dt.UTC),
        now=NOVEMBER_5,
        source="Stripe",
        key="charge-1",
        detail="Your card was declined.",
    )
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
    for number, status in enumerate(("succeeded", "failed"), start=6):
        PaymentEntry.objects.create(
            invoice=invoice,
            kind="refund",
            stripe_id=f"re_{number}",
            amount=Decimal("5.00"),
            status=status,
            occurred_at=dt.datetime(2026, 11, number, 9, tzinfo=dt.UTC),
        )
    return workspace, invoice


def lines_of(client: Client, workspace) -> list[str]:
    file = client.get(f"/w/{workspace.pk}/payments.csv")
    return file.getvalue().decode().splitlines()[1:]


def test_each_movement_has_its_date_way_amount_and_invoices():
    workspace, invoice = acme()
    lines = lines_of(member_client(workspace), workspace)

    assert [line for line in lines if "redit" not in line] == [
        f"2026-11-07,Refund failed,Stripe,re_7,0,USD,{invoice.number},5.000 was asked for.",
        f"2026-11-06,Refund,Stripe,re_6,-5.000,USD,{invoice.number},",
        f"2026-11-04,Payment,Bank transfer,'=SEPA,70.000,USD,{invoice.number},",
        f"2026-11-03,Payment failed,Stripe,,0,USD,{invoice.number},"
        "61.340 was asked for. Your card was declined.",
    ]
    credit = sorted(line.split(",")[1:5:3] for line in lines if "redit" in line)
    assert credit == [
        ["Credit from a credit note", "20.000"],
        ["Overpayment kept as credit", "8.660"],
    ]


def test_the_page_goes_through_all_of_them_by_cursor(monkeypatch, django_assert_num_queries):
    workspace, invoice = acme()
    monkeypatch.setattr(payment_history, "_PAGE_SIZE", 2)
    client = member_client(workspace)
    address = f"/w/{workspace.pk}/payments/"
    pages, query = [], ""
    while True:
        page = client.get(address + query)
        pages.append([line.what for line in page.context["page"].rows])
        if page.context["page"].next is None:
            break
        query = f"?cursor={page.context['page'].next}"
    assert [len(page) for page in pages] == [2, 2, 2]
    assert [pages[0], pages[-1]] == [
        ["Refund failed", "Refund"],
        ["Payment", "Payment failed"],
    ]
    back = client.get(f"{address}?cursor={page.context['page'].previous}")
    assert [line.what for line in back.context["page"].rows] == pages[1]
    text = client.get(address + query).content.decode()
    assert f'/w/{workspace.pk}/invoices/{invoice.pk}/">INV-2026-000001</a>' in text
    assert "$61.34 not paid" in text
    assert client.get(f"{address}?cursor=nonsense").status_code == 200
    # Session, user, memberships, eight tables, the invoices of payments (2), two of years.
    with django_assert_num_queries(15):
        client.get(address)


def test_a_payment_taken_back_says_why_and_another_workspace_has_none_of_it():
    workspace, _ = acme()
    globex = make_workspace("Globex")
    payment = record_payment(
        workspace_id=workspace.pk,
        amount=Decimal("3.00"),
        way="other",
        received_on=dt.date(2026, 11, 5),
        reference="cash",
        recorded_by="fiona",
        now=NOVEMBER_5,
    )
    take_back_payment(
        payment_id=payment.pk, reason="Was Globex's", taken_back_by="fiona", now=NOVEMBER_5
    )
    client = member_client(workspace)
    assert any(
        "Payment taken back,Another way,cash,-3.000" in row for row in lines_of(client, workspace)
    )
    empty = member_client(globex).get(f"/w/{globex.pk}/payments/").content.decode()
    assert "No payments yet" in empty
    assert "SEPA" not in empty


def zipped(response) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))


def test_a_year_is_one_zip_of_all_its_documents_in_bounded_memory(monkeypatch):
    workspace, invoice = acme()
    note = invoice.credit_notes.get()
    EInvoice.objects.create(
        workspace=workspace, invoice=invoice, format="xrechnung", parties={}, xml="<Invoice/>"
    )
    # On Acme's clock, Berlin's, 31 December 23:30 UTC is the next year.
    turn = dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)
    later = make_invoice(workspace, month=11, issued_at=turn)
    monkeypatch.setattr(year_archive, "_PAGE", 1)
    rendered = []
    monkeypatch.setattr(
        year_archive, "render_invoice", lambda each: rendered.append(each.number) or b"%PDF" * 1000
    )
    client = member_client(workspace)

    parts = iter(client.get(f"/w/{workspace.pk}/invoices.zip?year=2027").streaming_content)
    assert rendered == []
    next(parts)
    assert rendered == [later.number]

    archive = zipped(client.get(f"/w/{workspace.pk}/invoices.zip?year=2026"))
    assert archive.testzip() is None
    assert archive.namelist() == [
        f"{invoice.number}.pdf",
        f"{invoice.number}-xrechnung.xml",
        f"{note.number}.pdf",
    ]
    assert archive.read(f"{invoice.number}-xrechnung.xml") == b"<Invoice/>"
    assert archive.read(f"{note.number}.pdf").startswith(b"%PDF")
    years = client.get(f"/w/{workspace.pk}/payments/").context["years"]
    assert years == [2027, 2026]


def test_a_year_without_documents_says_so():
    workspace, _ = acme()
    client = member_client(workspace)
    for year, said in (("2019", "No documents were issued in 2019."), ("19x", "between 2000")):
        page = client.get(f"/w/{workspace.pk}/invoices.zip?year={year}", follow=True)
        assert said in page.content.decode()
    empty = make_workspace("Globex")
    page = member_client(empty).get(f"/w/{empty.pk}/invoices.zip", follow=True)
    assert "No invoice has been issued yet." in page.content.decode()


def test_services_get_the_same_zip():
    workspace, invoice = acme()
    api = ApiClient("billing:read")
    path = f"workspaces/{workspace.pk}/invoices.zip"
    latest = zipped(api.get(path))
    assert f"{invoice.number}.pdf" in latest.namelist()
    assert latest.read(f"{invoice.number}.pdf").startswith(b"%PDF")
    assert api.get(f"{path}?year=2019").json()["detail"] == "No documents were issued in 2019."
    assert api.get(f"{path}?year=2019").status_code == 404
    for wrong in ("year=1", "year=two", "year=99999999999999", "year=020265", "jahr=2026"):
        refused = api.get(f"{path}?{wrong}")
        named = [each["parameter"] for each in refused.json()["errors"]]
        assert (refused.status_code, named) == (400, [wrong.split("=")[0]])
    assert Invoice.objects.count() == 1
