"""E-invoices of documents that are issued: checked before, kept with them, mailed and delivered."""

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path

import pytest
from django.urls import reverse
from facturx import get_level, get_xml_from_pdf
from lxml import etree
from pypdf import PdfReader
from pytest_django import Settings

from billing.models import BillingPeriod, Email, ManualItem, Workspace
from billing.services import work
from billing.services.workspaces import update_workspace
from invoices.einvoices import delivery
from invoices.models import CreditNote, EInvoice, EInvoiceDelivery, Invoice
from invoices.payments.services.credit_notes import credit_invoice
from invoices.pdf import render_credit_note, render_invoice
from invoices.services.closing import finalize_due_periods
from invoices.services.e_invoices import (
    DELIVERIES,
    EInvoiceInvalid,
    EInvoiceLost,
    Format,
    deliver_e_invoice,
    invoice_xml,
)
from invoices.services.mailing import mail_issued_invoice
from invoices.services.manual_items import Line, request_one_off
from invoices.services.reissuing import reissue_invoice
from tests.kit.api import ApiClient
from tests.kit.e_invoices import GERMAN_DETAILS, german_issuer, proved_by_hand, texts
from tests.kit.personas import make_period, member_client
from tests.kit.staff import finance_client
from tests.kit.taxes import FRENCH, GERMAN, checked, make_customer
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)


def used_in_october(workspace: Workspace) -> BillingPeriod:
    period = make_period(workspace, OCTOBER_5)
    make_usage(workspace, OCTOBER_5, "1", "10.28")
    return period


def closed(workspace: Workspace) -> Invoice:
    """Its October, with 12.336 of usage and a fee of 49.00."""
    used_in_october(workspace)
    summary = finalize_due_periods(now=NOVEMBER_3, workspace_id=workspace.pk)
    assert summary.failed == []
    return Invoice.objects.get(workspace=workspace)


def by_transfer(workspace: Workspace) -> Workspace:
    workspace.billing_settings.collection_method = "send_invoice"
    workspace.billing_settings.save()
    return workspace


def credited(invoice: Invoice) -> CreditNote:
    Invoice.objects.update(status="open")
    return credit_invoice(
        invoice_id=invoice.pk,
        total=Decimal("20.00"),
        reason="goodwill",
        explanation="Sorry for the noise",
        rest_to="credit",
        drafted_by="ann",
        now=NOVEMBER_3,
    )


def test_a_german_customer_gets_an_xrechnung_of_what_it_owes() -> None:
    german_issuer()
    acme = by_transfer(make_customer("Acme", tax_id=GERMAN, **GERMAN_DETAILS))
    invoice = closed(acme)
    kept = invoice.e_invoice
    assert (kept.format, kept.workspace) == ("xrechnung", acme)
    found = proved_by_hand(kept.xml)
    assert (found["net"], found["tax"], found["total"]) == (
        Decimal("61.34"),
        Decimal("11.65"),
        Decimal("72.99"),
    )
    for path, said in {
        "/*/cbc:ID": [invoice.number],
        "/*/cbc:BuyerReference": ["04011000-12345-03"],
        "/*/cbc:DueDate": ["2026-11-17"],
        "/*/cac:InvoicePeriod/cbc:StartDate": ["2026-10-01"],
        "/*/cac:InvoicePeriod/cbc:EndDate": ["2026-10-31"],
        "//cac:AccountingSupplierParty//cac:PartyTaxScheme/cbc:CompanyID": ["DE136695976"],
        "//cac:AccountingCustomerParty//cbc:EndpointID/@schemeID": ["EM"],
        "//cac:PayeeFinancialAccount/cbc:ID": ["DE75512108001245126199"],
        "//cbc:PaymentMeansCode": ["58"],
        "/*/cac:TaxTotal//cac:TaxCategory/cbc:ID": ["S"],
    }.items():
        assert texts(kept.xml, path) == said
    api = ApiClient("billing:read")
    answer = api.get(f"invoices/{invoice.pk}/e-invoice/")
    assert (answer["Content-Type"], answer.content.decode()) == (
        "application/xml; charset=utf-8",
        kept.xml,
    )
    other = api.get(f"invoices/{invoice.pk}/e-invoice/", format="facturx")
    assert other.status_code == 200, other.content
    cii = other.content.decode()
    assert proved_by_hand(cii)["total"] == Decimal("72.99")
    assert api.get(f"invoices/{invoice.pk}/e-invoice/", format="word").status_code == 400
    page = member_client(acme).get(reverse("invoices:e-invoice", args=[acme.pk, invoice.pk]))
    assert page.content.decode() == kept.xml
    mail_issued_invoice(invoice_id=invoice.pk, now=NOVEMBER_3)
    attached = Email.objects.get(kind="invoice_issued").attachments.order_by("filename")
    assert [each.filename for each in attached] == [
        f"{invoice.number}-xrechnung.xml",
        f"{invoice.number}.pdf",
    ]


def test_what_was_issued_stays_as_it_was_in_every_format() -> None:
    german_issuer()
    acme = make_customer("Acme", **GERMAN_DETAILS)
    invoice = closed(acme)
    kept = invoice.e_invoice.xml
    cii = invoice_xml(invoice, Format.FACTURX)
    changes = {"billing_name": "Else", "buyer_reference": "Other", "address_city": "Bonn"}
    update_workspace(workspace_id=acme.pk, changes=changes, now=NOVEMBER_3)
    invoice = Invoice.objects.get()
    assert invoice_xml(invoice, Format.XRECHNUNG) == kept
    assert invoice_xml(invoice, Format.FACTURX) == cii
    assert proved_by_hand(cii)["total"] == Decimal("72.99")


def test_reverse_charge_inside_of_the_pdf_and_its_credit_note() -> None:
    german_issuer()
    globex = make_customer(
        "Globex",
        country="FR",
        tax_id=FRENCH,
        address_city="Paris",
        e_invoice_format="facturx",
        issuing_entity="DE",
        order_number="PO 4711",
    )
    checked(globex)
    invoice = closed(globex)
    pdf = render_invoice(invoice)
    assert pdf == render_invoice(invoice)
    name, xml = get_xml_from_pdf(pdf)
    assert (name, xml.decode()) == ("factur-x.xml", invoice.e_invoice.xml)
    assert get_level(etree.fromstring(xml)) == "en16931"
    assert texts(xml.decode(), "//ram:ApplicableTradeTax/ram:ExemptionReasonCode") == [
        "VATEX-EU-AE"
    ]
    assert texts(xml.decode(), "//ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID") == [
        "PO 4711"
    ]
    root = PdfReader(io.BytesIO(pdf)).trailer["/Root"]
    assert root["/AF"][0]["/AFRelationship"] == "/Alternative"
    xmp = etree.fromstring(root["/Metadata"].get_data())
    fx = "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}"
    assert [xmp.findtext(f".//{fx}{name}") for name in ("DocumentType", "ConformanceLevel")] == [
        "INVOICE",
        "EN 16931",
    ]
    assert xmp.findtext(".//{http://www.aiim.org/pdfa/ns/id/}part") == "3"
    assert b"Factur-X PDFA Extension Schema" in root["/Metadata"].get_data()

    note = credited(invoice)
    name, xml = get_xml_from_pdf(render_credit_note(note))
    assert xml.decode() == note.e_invoice.xml
    assert proved_by_hand(note.e_invoice.xml)["total"] == Decimal("20.00")
    assert texts(note.e_invoice.xml, "//rsm:ExchangedDocument/ram:TypeCode") == ["381"]
    assert texts(note.e_invoice.xml, "//ram:InvoiceReferencedDocument/ram:IssuerAssignedID") == [
        invoice.number
    ]


def test_a_credit_note_is_downloaded_and_mailed_as_its_invoice_is() -> None:
    german_issuer()
    acme = make_customer("Acme", tax_id=GERMAN, **GERMAN_DETAILS)
    globex = make_customer("Globex")
    note = credited(closed(acme))
    kept, file = note.e_invoice.xml, f"{note.number}-xrechnung.xml"
    assert texts(kept, "/cn:CreditNote/cbc:ID") == [note.number]
    api = ApiClient("billing:read")
    owner, finance = member_client(acme), finance_client()
    addresses = {
        owner: reverse("invoices:credit-note-e-invoice", args=[acme.pk, note.pk]),
        finance: reverse("admin:invoices_creditnote_e_invoice", args=[note.pk]),
    }
    answers = [
        api.get(f"credit-notes/{note.pk}/e-invoice/"),
        *(client.get(url) for client, url in addresses.items()),
    ]
    for answer in answers:
        assert (answer["Content-Type"], answer["Content-Disposition"], answer.content.decode()) == (
            "application/xml; charset=utf-8",
            f'attachment; filename="{file}"',
            kept,
        )
    cii = api.get(f"credit-notes/{note.pk}/e-invoice/", format="facturx").content.decode()
    assert proved_by_hand(cii)["total"] == Decimal("20.00")
    assert api.get(f"credit-notes/{note.pk}/e-invoice/", format="word").status_code == 400
    pages = {
        owner: reverse("payments:credit-note", args=[acme.pk, note.pk]),
        finance: reverse("admin:invoices_creditnote_change", args=[note.pk]),
    }
    for client, url in pages.items():
        assert addresses[client] in client.get(url).content.decode()
    stranger = reverse("invoices:credit-note-e-invoice", args=[globex.pk, note.pk])
    assert member_client(globex).get(stranger).status_code == 404
    attached = Email.objects.get(kind="invoice_credit_note").attachments.order_by("filename")
    assert [each.filename for each in attached] == [file, f"{note.number}.pdf"]


def test_a_credit_note_comes_without_xml_to_who_wants_none_attached_or_has_it_in_the_pdf() -> None:
    german_issuer()
    for name, details in (
        ("Acme", {"e_invoice_attached": False}),
        ("Globex", {"e_invoice_format": "facturx"}),
    ):
        note = credited(closed(make_customer(name, tax_id=GERMAN, **{**GERMAN_DETAILS, **details})))
        told = Email.objects.get(kind="invoice_credit_note", workspace_id=note.workspace_id)
        assert [each.filename for each in told.attachments.all()] == [f"{note.number}.pdf"]


def test_an_older_credit_note_that_no_software_reads_any_more_says_so_on_its_page() -> None:
    german_issuer()
    acme = make_customer("Acme", **{**GERMAN_DETAILS, "e_invoice_format": "none"})
    note = credited(closed(acme))
    owner, finance = member_client(acme), finance_client()
    urls = {
        owner: reverse("invoices:credit-note-e-invoice", args=[acme.pk, note.pk]),
        finance: reverse("admin:invoices_creditnote_e_invoice", args=[note.pk]),
    }
    assert (
        urls[owner]
        not in owner.get(reverse("payments:credit-note", args=[acme.pk, note.pk])).content.decode()
    )
    for client, url in urls.items():
        assert texts(client.get(url).content.decode(), "/cn:CreditNote/cbc:ID") == [note.number]
    update_workspace(workspace_id=acme.pk, changes={"address_city": "Bonn"}, now=NOVEMBER_3)
    for client, url in urls.items():
        page = client.get(url, follow=True)
        assert "was issued without an e-invoice" in page.content.decode()
    answer = ApiClient("billing:read").get(f"credit-notes/{note.pk}/e-invoice/")
    assert (answer.status_code, answer.json()["code"]) == (409, "e_invoice_lost")


def test_an_invoice_that_breaks_a_rule_waits_alone_and_goes_on_when_it_is_mended(
    settings: Settings, django_capture_on_commit_callbacks
) -> None:
    settings.CELERY_TASK_ALWAYS_EAGER = True
    settings.FINANCE_EMAILS = ["finance@voice.test"]
    german_issuer()
    acme = make_customer("Acme", **{**GERMAN_DETAILS, "buyer_reference": ""})
    globex = make_customer("Globex", issuing_entity="DE")
    for workspace in (acme, globex):
        used_in_october(workspace)
    summary = finalize_due_periods(now=NOVEMBER_3)
    assert [each.workspace_id for each in summary.failed] == [acme.pk]
    assert Invoice.objects.get().workspace == globex
    reason = BillingPeriod.objects.get(workspace=acme, period_start__month=9).close_error
    assert "BR-DE-15" in reason
    assert "Mend the customer's buyer reference (Leitweg-ID)." in reason
    mail = Email.objects.get(recipients=["finance@voice.test"])
    assert "BR-DE-15" in mail.text
    with django_capture_on_commit_callbacks(execute=True):
        update_workspace(
            workspace_id=acme.pk, changes={"buyer_reference": "Room 12"}, now=NOVEMBER_3
        )
    invoice = Invoice.objects.get(workspace=acme)
    assert texts(invoice.e_invoice.xml, "/*/cbc:BuyerReference") == ["Room 12"]
    # Numbers have no gap: the one that waited took none.
    assert sorted(Invoice.objects.values_list("number", flat=True)) == [
        "INV-DE-2026-000001",
        "INV-DE-2026-000002",
    ]


def test_nothing_is_left_of_a_one_off_or_a_credit_note_that_breaks_a_rule() -> None:
    german_issuer()
    acme = make_customer("Acme", **GERMAN_DETAILS)
    invoice = closed(acme)
    Invoice.objects.update(status="open")
    Workspace.objects.update(buyer_reference="", address_city="")
    with pytest.raises(EInvoiceInvalid, match="BR-DE-15"):
        request_one_off(
            workspace_id=acme.pk,
            lines=[Line("charge", "Set-up", Decimal(100))],
            reason="Order",
            asked_by="ann",
            now=NOVEMBER_3,
        )
    assert not ManualItem.objects.exists()
    assert Invoice.objects.count() == 1
    # A credit note is to whom its invoice was, and needs nothing that has changed since.
    note = credit_invoice(
        invoice_id=invoice.pk,
        total=Decimal("20.00"),
        reason="goodwill",
        explanation="Sorry",
        rest_to="credit",
        drafted_by="ann",
        now=NOVEMBER_3,
    )
    assert texts(note.e_invoice.xml, "/*/cbc:BuyerReference") == ["04011000-12345-03"]
    EInvoice.objects.filter(invoice=invoice).update(
        parties={**invoice.e_invoice.parties, "buyer_reference": ""}
    )
    with pytest.raises(EInvoiceInvalid, match="BR-DE-15"):
        credit_invoice(
            invoice_id=invoice.pk,
            total=Decimal("1.00"),
            reason="goodwill",
            explanation="Sorry",
            rest_to="credit",
            drafted_by="ann",
            now=NOVEMBER_3,
        )
    assert CreditNote.objects.get() == note


def test_a_replacement_and_a_one_off_have_e_invoices_of_their_own() -> None:
    german_issuer()
    acme = make_customer("Acme", **GERMAN_DETAILS)
    void = closed(acme)
    Invoice.objects.update(status="void", voided_at=NOVEMBER_3, void_reason="Wrong address")
    again = reissue_invoice(invoice_id=void.pk, now=NOVEMBER_3, source="ann")
    assert texts(again.e_invoice.xml, "//cac:InvoiceDocumentReference/cbc:ID") == [void.number]
    one_off = request_one_off(
        workspace_id=acme.pk,
        lines=[
            Line("charge", "Set-up", Decimal(100)),
            Line("discount", "Welcome", Decimal(10)),
        ],
        reason="Order",
        asked_by="ann",
        now=NOVEMBER_3,
    ).invoice
    assert one_off is not None
    found = proved_by_hand(one_off.e_invoice.xml)
    assert (found["lines"], found["allowances"], found["total"]) == (
        Decimal(100),
        Decimal(10),
        Decimal("107.10"),
    )
    assert texts(one_off.e_invoice.xml, "//cbc:ActualDeliveryDate") == ["2026-11-03"]


def test_an_older_invoice_has_one_as_long_as_its_customer_is_who_it_was() -> None:
    german_issuer(registered=False)
    acme = make_customer("Acme", **{**GERMAN_DETAILS, "e_invoice_format": "none"})
    invoice = closed(acme)
    assert not EInvoice.objects.exists()
    xml = invoice_xml(invoice, Format.XRECHNUNG)
    assert proved_by_hand(xml)["total"] == Decimal("61.34")
    assert texts(xml, "/*/cac:TaxTotal//cac:TaxCategory/cbc:ID") == ["O"]
    update_workspace(workspace_id=acme.pk, changes={"address_city": "Bonn"}, now=NOVEMBER_3)
    with pytest.raises(EInvoiceLost):
        invoice_xml(Invoice.objects.get(), Format.XRECHNUNG)


@pytest.fixture
def dropped(settings: Settings, tmp_path: Path) -> Path:
    settings.E_INVOICE_DELIVERY = "invoices.einvoices.delivery.FileDrop"
    settings.E_INVOICE_DIRECTORY = str(tmp_path / "out")
    return tmp_path / "out"


def test_an_e_invoice_is_delivered_once_also_by_a_process_that_was_killed(
    dropped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    german_issuer()
    invoice = closed(make_customer("Acme", **GERMAN_DETAILS))
    pk = invoice.e_invoice.pk
    real = delivery.FileDrop.send

    class Killed(BaseException):
        pass

    def send_and_die(self: delivery.FileDrop, e_invoice: EInvoice) -> str:
        real(self, e_invoice)
        raise Killed

    monkeypatch.setattr(delivery.FileDrop, "send", send_and_die)
    with pytest.raises(Killed):
        deliver_e_invoice(e_invoice_id=pk, now=NOVEMBER_3)
    monkeypatch.setattr(delivery.FileDrop, "send", lambda *given: pytest.fail("sent twice"))
    assert deliver_e_invoice(e_invoice_id=pk, now=NOVEMBER_3) is False
    after = NOVEMBER_3 + work.lease_duration() + dt.timedelta(seconds=1)
    assert deliver_e_invoice(e_invoice_id=pk, now=after) is True
    row = EInvoiceDelivery.objects.get()
    (file,) = dropped.iterdir()
    assert (row.status, row.reference) == ("done", file.name)
    assert file.read_text(encoding="utf-8") == invoice.e_invoice.xml


def test_a_delivery_waits_for_a_side_that_is_down_and_stops_where_it_is_refused(
    dropped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    german_issuer()
    pk = closed(make_customer("Acme", **GERMAN_DETAILS)).e_invoice.pk

    def down(*given: object) -> str:
        raise delivery.Unavailable("503")

    def refused(*given: object) -> str:
        raise delivery.Refused("unknown receiver")

    monkeypatch.setattr(delivery.FileDrop, "send", down)
    assert deliver_e_invoice(e_invoice_id=pk, now=NOVEMBER_3) is False
    row = EInvoiceDelivery.objects.get()
    assert (row.status, row.attempts, row.last_error) == ("waiting", 1, "503")
    monkeypatch.setattr(delivery.FileDrop, "send", refused)
    later = NOVEMBER_3 + dt.timedelta(hours=1)
    assert deliver_e_invoice(e_invoice_id=pk, now=later) is False
    row.refresh_from_db()
    assert (row.status, row.blocked_reason) == ("blocked", "refused")
    assert row.about()[0].startswith("E-invoice of INV-DE-2026-")
    DELIVERIES.retry_now(pk, later)
    monkeypatch.undo()
    assert deliver_e_invoice(e_invoice_id=pk, now=later) is True
