"""The proof reads frozen e-invoices anew: their totals are the documents'."""

import re

import pytest

from billing.models import Workspace
from invoices.models import EInvoice, Invoice
from invoices.payments.services import proof
from tests.kit.by_force import changed_by_force
from tests.kit.e_invoices import (
    GERMAN_DETAILS,
    NOVEMBER_3,
    closed_october,
    credited,
    german_issuer,
)
from tests.kit.taxes import GERMAN, make_customer
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db
STEPS = tuple(step for step in proof.STEPS if step.name == "e_invoices")
# Where each form says what: net, tax, gross, due, currency and number.
TOTALS = {
    "xrechnung": {
        "net": "TaxExclusiveAmount",
        "tax": "TaxAmount",
        "gross": "TaxInclusiveAmount",
        "due": "PayableAmount",
        "currency": "DocumentCurrencyCode",
        "number": "ID",
    },
    "facturx": {
        "net": "TaxBasisTotalAmount",
        "tax": "TaxTotalAmount",
        "gross": "GrandTotalAmount",
        "due": "DuePayableAmount",
        "currency": "InvoiceCurrencyCode",
        "number": "ID",
    },
}


def found(scope: Scope) -> list[str]:
    return [str(each) for each in proof.prove(scope, now=NOVEMBER_3, steps=STEPS).results[0].found]


def billed_and_credited(name: str, e_invoice_format: str) -> Workspace:
    """72.99 billed with 11.65 of tax, and 11.90 of it credited."""
    details = {**GERMAN_DETAILS, "e_invoice_format": e_invoice_format}
    acme = make_customer(name, tax_id=GERMAN, **details)
    credited(closed_october(acme), "11.90")
    return acme


def changed(xml: str, element: str, *, to: str) -> str:
    """The first element of that name that is the document's own says something else."""
    head = xml.find("ExchangedDocument>") if "CrossIndustryInvoice" in xml else 0
    before, rest = (xml[:head], xml[head:]) if element == "ID" else ("", xml)
    text, count = re.subn(rf"(:{element}\b[^>]*>)[^<]*<", rf"\g<1>{to}<", rest, count=1)
    assert count == 1, element
    return before + text


def test_a_total_that_an_e_invoice_says_otherwise_is_named_in_both_forms() -> None:
    german_issuer()
    made = {name: billed_and_credited(name, name) for name in TOTALS}
    globex = make_customer("Globex")
    assert EInvoice.objects.count() == 4
    assert found(Scope()) == []
    wrong = []
    for kept in EInvoice.objects.select_related("invoice", "credit_note"):
        acme = made[kept.format]
        for what, element in TOTALS[kept.format].items():
            to = {"currency": "SEK", "number": "INV-1"}.get(what, "0.01")
            EInvoice.objects.filter(pk=kept.pk).update(xml=changed(kept.xml, element, to=to))
            differences = found(Scope(acme.pk))
            says = f"for its {what}, its e-invoice says {to}"
            one = differences[0] if len(differences) == 1 else ""
            if kept.number not in one or says not in one:
                wrong.append(f"{kept} {what}: {differences}")
            assert found(Scope(globex.pk)) == []
        EInvoice.objects.filter(pk=kept.pk).update(xml=kept.xml)
    assert wrong == []
    assert found(Scope()) == []


def test_a_document_that_was_changed_after_its_e_invoice_is_named_on_its_month() -> None:
    german_issuer()
    acme = billed_and_credited("Acme", "xrechnung")
    invoice = Invoice.objects.get()
    note = invoice.credit_notes.get()
    period = invoice.billing_period
    assert period is not None
    with changed_by_force(
        "UPDATE invoices_invoice SET amount = amount + 0.01, net = net + 0.01",
        "UPDATE invoices_creditnote SET total = total + 0.01, net = net + 0.01,"
        " to_open = to_open + 0.01",
    ):
        result = proof.prove(Scope.of_period(period), now=NOVEMBER_3, steps=STEPS).results[0]
        kept = [(each.workspace_id, each.period_id, each.detail) for each in result.found]
    assert sorted(kept) == sorted(
        (acme.pk, period.pk, f"{number} has {ours} for its {name}, its e-invoice says {theirs}")
        for number, amounts in (
            (invoice.number, (("net", "61.350", "61.34"), ("gross", "73.000", "72.99"))),
            (note.number, (("net", "10.010", "10.00"), ("gross", "11.910", "11.90"))),
        )
        for name, ours, theirs in (*amounts, ("due", *amounts[1][1:]))
    )
    assert found(Scope.of_period(period)) == []


@pytest.mark.parametrize("xml", ["<Invoice", "<Invoice/>", "word"])
def test_an_e_invoice_that_cannot_be_read_is_named_and_stops_nothing(xml: str) -> None:
    german_issuer()
    billed_and_credited("Acme", "xrechnung")
    invoice = Invoice.objects.get()
    EInvoice.objects.filter(invoice=invoice).update(xml=xml)
    (difference,) = found(Scope())
    assert f"{invoice.number} has an e-invoice that cannot be read" in difference
    certificate = proof.certify(invoice, now=NOVEMBER_3)
    (step,) = (step for step in certificate.steps if step.name == "e_invoices")
    assert (step.passed, certificate.verdict) == (False, "differs")
