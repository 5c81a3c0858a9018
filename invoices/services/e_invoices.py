"""E-invoices of documents: checked before they are issued, and frozen with them.

A document whose e-invoice breaks a rule is not issued: `EInvoiceInvalid` names the rule and what to
mend, and rolls back whatever the document was issued with.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from billing.errors import Conflict, Invalid
from billing.issuers import issuer_of, issuer_then
from billing.languages import in_language
from billing.models import Workspace
from billing.queue import enqueue
from invoices.bill_to import bill_to
from invoices.einvoices.checking import RULES_NAMED, broken_rules
from invoices.einvoices.content import credit_note_terms, invoice_terms
from invoices.einvoices.mending import said
from invoices.einvoices.parties import Parties, parties_of
from invoices.einvoices.terms import Terms
from invoices.einvoices.writing import Format, xml_of
from invoices.models import CreditNote, EInvoice, Invoice, InvoiceItem, InvoiceTax, TaxDecision
from invoices.queries import lacks_payment_method
from invoices.services.e_invoice_delivery import begin_delivery
from invoices.services.taxing import DocumentTax, decision_row, tax_rows

# The real ones are given out last; no rule looks at more than that there is one.
_PROVISIONAL = "INV-0000-000000"


class EInvoiceInvalid(Conflict):
    """The e-invoice breaks rules; nothing is issued."""

    code = "e_invoice_invalid"


class EInvoiceLost(Conflict):
    """It was issued without one, and its customer's details have changed since."""

    code = "e_invoice_lost"


class Draft(NamedTuple):
    """An invoice that is about to be written, with all that its e-invoice is made of."""

    invoice: Invoice
    items: Sequence[InvoiceItem]
    tax: DocumentTax | None


class _Checked(NamedTuple):
    invoice: Invoice
    items: Sequence[InvoiceItem]
    taxes: Sequence[InvoiceTax]
    parties: Parties


def checked_drafts(drafts: Iterable[Draft]) -> list[_Checked]:
    """Those whose customers get e-invoices, held against the rules. Raises `EInvoiceInvalid`.

    Before numbers are taken, for which other closes would wait.
    """
    return [_checked(draft) for draft in drafts if _wanted(draft.invoice.workspace) is not None]


def freeze_e_invoices(checked: Sequence[_Checked], now: dt.datetime) -> None:
    """Keep the e-invoices of invoices that have their numbers now, and have them delivered."""
    if not checked:
        return
    rows = [
        _row(
            each.invoice.workspace,
            _invoice_terms(each.invoice, each.items, each.taxes, each.parties),
            each.parties,
            now,
            invoice=each.invoice,
        )
        for each in checked
    ]
    EInvoice.objects.bulk_create(rows)
    begin_delivery(rows, now)


def freeze_credit_note(note: CreditNote, now: dt.datetime) -> None:
    """Check and keep the e-invoice of a credit note that is being issued, where its customer gets
    them. Raises `EInvoiceInvalid`."""
    wanted = _wanted(note.workspace)
    if wanted is None:
        return
    parties = _parties_of_note(note)
    terms = _note_terms(note, parties)
    _refuse_broken(note.workspace, wanted, xml_of(wanted, terms))
    row = _row(note.workspace, terms, parties, now, credit_note=note)
    row.save(force_insert=True)
    begin_delivery([row], now)


def invoice_xml(invoice: Invoice, wanted: Format) -> str:
    """An issued invoice in any format; the one it was issued with is as it was then.

    Raises `EInvoiceInvalid` and `EInvoiceLost`.
    """
    kept = EInvoice.of(invoice)
    if kept is not None and kept.format == wanted:
        return kept.xml
    parties = kept.parties if kept is not None else _parties_unchanged(invoice)
    terms = _invoice_terms(invoice, list(invoice.items.all()), list(invoice.taxes.all()), parties)
    return _valid(invoice.workspace, wanted, terms)


def credit_note_xml(note: CreditNote, wanted: Format) -> str:
    """As `invoice_xml`, of an issued credit note."""
    kept = EInvoice.of(note)
    if kept is not None and kept.format == wanted:
        return kept.xml
    # One that was issued without is still to whom its invoice was.
    kept = kept or EInvoice.of(note.invoice)
    parties = kept.parties if kept is not None else _parties_unchanged(note.invoice)
    return _valid(note.workspace, wanted, _note_terms(note, parties))


def chosen_format(workspace: Workspace, asked: str = "") -> Format:
    """The format that is asked for, else the customer's own; XRechnung where it has none.

    Raises `Invalid`.
    """
    if not asked:
        return _wanted(workspace) or Format.XRECHNUNG
    known = [each for each in Format if each != Format.NONE]
    if asked not in known:
        raise Invalid(f"One of {', '.join(known)} is expected.", field="format")
    return Format(asked)


def close_blocked_months() -> None:
    """Months of customers with e-invoices that could not be closed are tried again: what was
    mended may be the issuer's."""
    waiting = (
        Workspace.objects.exclude(e_invoice_format=Format.NONE)
        .filter(periods__status="current", periods__close_failed_at__isnull=False)
        .distinct()
    )
    for pk in waiting.values_list("pk", flat=True):
        enqueue("invoices.close_workspaces", [str(pk)], True)


def _wanted(workspace: Workspace) -> Format | None:
    wanted = Format(workspace.e_invoice_format)
    return None if wanted == Format.NONE else wanted


def _checked(draft: Draft) -> _Checked:
    invoice, items, tax = draft
    taxes = tax_rows(invoice, tax) if tax else []
    parties = parties_of(
        invoice.workspace,
        issuer_of(invoice.issuing_entity),
        decision_row(invoice, tax) if tax else None,
        lacks_payment_method=lacks_payment_method(invoice),
    )
    wanted = Format(invoice.workspace.e_invoice_format)
    number, invoice.number = invoice.number, invoice.number or _PROVISIONAL
    try:
        xml = xml_of(wanted, _invoice_terms(invoice, items, taxes, parties))
    finally:
        invoice.number = number
    _refuse_broken(invoice.workspace, wanted, xml)
    return _Checked(invoice, items, taxes, parties)


def _row(
    workspace: Workspace,
    terms: Terms,
    parties: Parties,
    now: dt.datetime,
    *,
    invoice: Invoice | None = None,
    credit_note: CreditNote | None = None,
) -> EInvoice:
    wanted = Format(workspace.e_invoice_format)
    return EInvoice(
        workspace=workspace,
        invoice=invoice,
        credit_note=credit_note,
        format=wanted,
        parties=parties,
        xml=xml_of(wanted, terms),
        rules=RULES_NAMED[wanted],
        created_at=now,
    )


def _invoice_terms(
    invoice: Invoice,
    items: Sequence[InvoiceItem],
    taxes: Sequence[InvoiceTax],
    parties: Parties,
) -> Terms:
    with in_language(invoice.language):
        return invoice_terms(invoice, items, taxes, parties)


def _note_terms(note: CreditNote, parties: Parties) -> Terms:
    with in_language(note.invoice.language):
        return credit_note_terms(
            note,
            list(note.items.select_related("item")),
            list(note.taxes.all()),
            list(note.invoice.taxes.all()),
            parties,
        )


def _parties_of_note(note: CreditNote) -> Parties:
    """Those of its invoice, by whose tax it goes; who they are now where that one had none."""
    kept = EInvoice.of(note.invoice)
    return kept.parties if kept is not None else _parties_now(note.invoice)


def _parties_unchanged(invoice: Invoice) -> Parties:
    """Who they are now, if they are still who the invoice is addressed to."""
    now = bill_to(invoice.workspace)
    kept = ("bill_to_name", "bill_to_address", "bill_to_tax_id")
    if any(now[name] != getattr(invoice, name) for name in kept):
        raise EInvoiceLost(
            f"{invoice.number} was issued without an e-invoice, and name, address or tax number of"
            " its customer have changed since."
        )
    return _parties_now(invoice)


def _parties_now(invoice: Invoice) -> Parties:
    """The issuer is the one of its letterhead, as it was then."""
    decision = TaxDecision.objects.filter(invoice=invoice).first()
    return parties_of(
        invoice.workspace,
        issuer_then(invoice.letterhead),
        decision,
        lacks_payment_method=lacks_payment_method(invoice),
    )


def _valid(workspace: Workspace, wanted: Format, terms: Terms) -> str:
    xml = xml_of(wanted, terms)
    _refuse_broken(workspace, wanted, xml)
    return xml


def _refuse_broken(workspace: Workspace, wanted: Format, xml: str) -> None:
    broken = broken_rules(wanted, xml)
    if broken:
        raise EInvoiceInvalid(
            f"The e-invoice ({wanted.label}) of {workspace.name} breaks rules. {said(broken)}"
        )
