"""The list of e-invoices: which are delivered, which failed and why, and their files."""

import pytest

from billing.models import DurableWork
from invoices.models import CreditNote, EInvoice, EInvoiceDelivery, Invoice
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace
from tests.kit.staff import finance_client

pytestmark = pytest.mark.django_db
_LIST = "/admin/invoices/einvoice/"


def keep(name: str, **delivery: str) -> EInvoice:
    document: Invoice | CreditNote = make_invoice(make_workspace(name))
    kept = EInvoice.objects.create(
        workspace=document.workspace,
        invoice=document,
        format="peppol",
        parties={},
        xml=f"<Invoice>{name}</Invoice>",
        rules="Peppol BIS 3.0",
    )
    if delivery:
        EInvoiceDelivery.objects.create(
            e_invoice=kept, requested_at=NOVEMBER_2, next_attempt_at=NOVEMBER_2, **delivery
        )
    return kept


def test_finance_finds_what_failed_and_why() -> None:
    client = finance_client()
    keep("Acme")
    failed = keep(
        "Globex",
        status=DurableWork.Status.BLOCKED,
        blocked_reason=DurableWork.Reason.REFUSED,
        last_error="PEPPOL-EN16931-R010: the buyer has no electronic address",
    )
    everything = client.get(_LIST).content.decode()
    assert "Acme" in everything
    assert "not sent on" in everything
    found = client.get(_LIST, {"delivery": "failed", "document": "invoice"}).content.decode()
    assert failed.number in found
    assert "Acme" not in found.split("<table", 1)[1].split("</table>", 1)[0]
    page = client.get(f"{_LIST}{failed.pk}/change/").content.decode()
    assert "PEPPOL-EN16931-R010" in page


def test_the_file_and_the_list_are_taken_along() -> None:
    client, kept = finance_client(), keep("Acme")
    file = client.get(f"{_LIST}{kept.pk}/xml/")
    assert file.content == b"<Invoice>Acme</Invoice>"
    assert f"{kept.number}-peppol.xml" in file["Content-Disposition"]
    exported = client.get(_LIST, {"_file": "csv"})
    rows = b"".join(exported) if exported.streaming else exported.content
    assert kept.number in rows.decode()
