"""E-invoices of credit notes: to whom their invoices were, downloaded and mailed as theirs are."""

from decimal import Decimal

import pytest
from django.urls import reverse

from billing.models import Email
from billing.services.workspaces import update_workspace
from invoices.services.e_invoices import Format, credit_note_xml
from tests.kit.api import ApiClient
from tests.kit.e_invoices import (
    GERMAN_DETAILS,
    NOVEMBER_3,
    closed_october,
    credited,
    german_issuer,
    proved_by_hand,
    texts,
)
from tests.kit.personas import member_client
from tests.kit.staff import finance_client
from tests.kit.taxes import GERMAN, make_customer

pytestmark = pytest.mark.django_db


def test_a_credit_note_is_downloaded_and_mailed_as_its_invoice_is() -> None:
    german_issuer()
    acme = make_customer("Acme", tax_id=GERMAN, **GERMAN_DETAILS)
    globex = make_customer("Globex")
    note = credited(closed_october(acme))
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
        note = credited(
            closed_october(make_customer(name, tax_id=GERMAN, **{**GERMAN_DETAILS, **details}))
        )
        told = Email.objects.get(kind="invoice_credit_note", workspace_id=note.workspace_id)
        assert [each.filename for each in told.attachments.all()] == [f"{note.number}.pdf"]


def test_an_older_credit_note_that_no_software_reads_any_more_says_so_on_its_page() -> None:
    german_issuer()
    acme = make_customer("Acme", **{**GERMAN_DETAILS, "e_invoice_format": "none"})
    note = credited(closed_october(acme))
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


def test_one_that_was_issued_without_is_to_whom_its_invoice_was() -> None:
    german_issuer()
    acme = make_customer("Acme", **GERMAN_DETAILS)
    invoice = closed_october(acme)
    changes = {"e_invoice_format": "none", "address_city": "Bonn"}
    update_workspace(workspace_id=acme.pk, changes=changes, now=NOVEMBER_3)
    note = credited(invoice)
    xml = credit_note_xml(note, Format.XRECHNUNG)
    city = "//cac:AccountingCustomerParty//cac:PostalAddress/cbc:CityName"
    assert texts(xml, city) == ["Berlin"]
