"""E-invoices of invoices: checked before these are issued, kept with them, and mailed."""

import io
from decimal import Decimal

import pytest
from django.urls import reverse
from facturx import get_level, get_xml_from_pdf
from lxml import etree
from pypdf import PdfReader
from pytest_django import Settings

from billing.models import BillingPeriod, Email, ManualItem, Workspace
from billing.services.workspaces import update_workspace
from invoices.models import CreditNote, EInvoice, Invoice
from invoices.pdf import render_credit_note, render_invoice
from invoices.services.closing import finalize_due_periods
from invoices.services.e_invoices import EInvoiceInvalid, EInvoiceLost, Format, invoice_xml
from invoices.services.mailing import mail_issued_invoice
from invoices.services.manual_items import request_one_off
from invoices.services.manual_lines import ManualLine
from invoices.services.reissuing import reissue_invoice
from tests.kit.api import ApiClient
from tests.kit.e_invoices import (
    GERMAN_DETAILS,
    NOVEMBER_3,
    closed_october,
    credited,
    german_issuer,
    proved_by_hand,
    texts,
    used_in_october,
)
from tests.kit.personas import member_client
from tests.kit.taxes import FRENCH, GERMAN, checked, make_customer

pytestmark = pytest.mark.django_db


def by_transfer(workspace: Workspace) -> Workspace:
    workspace.billing_settings.collection_method = "send_invoice"
    workspace.billing_settings.save()
    return workspace


def test_a_german_customer_gets_an_xrechnung_of_what_it_owes() -> None:
    german_issuer()
    acme = by_transfer(make_customer("Acme", tax_id=GERMAN, **GERMAN_DETAILS))
    invoice = closed_october(acme)
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
    invoice = closed_october(acme)
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
    invoice = closed_october(globex)
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
    invoice = closed_october(acme)
    Workspace.objects.update(buyer_reference="", address_city="")
    with pytest.raises(EInvoiceInvalid, match="BR-DE-15"):
        request_one_off(
            workspace_id=acme.pk,
            lines=[ManualLine("charge", "Set-up", Decimal(100))],
            reason="Order",
            asked_by="ann",
            now=NOVEMBER_3,
        )
    assert not ManualItem.objects.exists()
    assert Invoice.objects.count() == 1
    # A credit note is to whom its invoice was, and needs nothing that has changed since.
    note = credited(invoice)
    assert texts(note.e_invoice.xml, "/*/cbc:BuyerReference") == ["04011000-12345-03"]
    EInvoice.objects.filter(invoice=invoice).update(
        parties={**invoice.e_invoice.parties, "buyer_reference": ""}
    )
    with pytest.raises(EInvoiceInvalid, match="BR-DE-15"):
        credited(invoice, "1.00")
    assert CreditNote.objects.get() == note


def test_a_replacement_and_a_one_off_have_e_invoices_of_their_own() -> None:
    german_issuer()
    acme = make_customer("Acme", **GERMAN_DETAILS)
    void = closed_october(acme)
    Invoice.objects.update(status="void", voided_at=NOVEMBER_3, void_reason="Wrong address")
    again = reissue_invoice(invoice_id=void.pk, now=NOVEMBER_3, source="ann")
    assert texts(again.e_invoice.xml, "//cac:InvoiceDocumentReference/cbc:ID") == [void.number]
    one_off = request_one_off(
        workspace_id=acme.pk,
        lines=[
            ManualLine("charge", "Set-up", Decimal(100)),
            ManualLine("discount", "Welcome", Decimal(10)),
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
    invoice = closed_october(acme)
    assert not EInvoice.objects.exists()
    xml = invoice_xml(invoice, Format.XRECHNUNG)
    assert proved_by_hand(xml)["total"] == Decimal("61.34")
    assert texts(xml, "/*/cac:TaxTotal//cac:TaxCategory/cbc:ID") == ["O"]
    update_workspace(workspace_id=acme.pk, changes={"address_city": "Bonn"}, now=NOVEMBER_3)
    with pytest.raises(EInvoiceLost):
        invoice_xml(Invoice.objects.get(), Format.XRECHNUNG)
