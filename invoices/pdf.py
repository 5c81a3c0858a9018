"""Invoices as PDF: tagged, archivable (PDF/A-3b), with their fonts inside.

The template gets the invoice as JSON and sets strings as they are: a name can never become markup.
"""

import json
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import typst
from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext

from billing.issuers import issuer_of, issuer_then
from billing.languages import in_language
from billing.links import page_url
from billing.models import Workspace
from invoices.credit_note_document import credit_note_document
from invoices.document import as_preview, invoice_document
from invoices.einvoices.embedding import named_facturx
from invoices.glyphs import FONTS, has_numbers
from invoices.models import CreditNote, EInvoice, Invoice, InvoiceItem, InvoiceTax
from invoices.queries import lacks_payment_method

log = logging.getLogger(__name__)
_TEMPLATE = settings.BASE_DIR / "templates" / "invoices" / "invoice.typ"
_Standard = Literal["a-3b", "ua-1"]
STANDARDS: Sequence[_Standard] = ("a-3b", "ua-1")


def render_invoice(invoice: Invoice) -> bytes:
    """The invoice's PDF as its rows say now; the same rows give the same bytes.

    Reads the items, the period and the workspace (prefetch them when there are many invoices).
    """
    with in_language(invoice.language):
        document = invoice_document(
            invoice,
            list(invoice.items.all()),
            issuer=issuer_then(invoice.letterhead),
            units=settings.RESOURCE_UNITS,
            add_method_at=page_url("invoices:list", invoice.workspace_id)
            if lacks_payment_method(invoice)
            else "",
        )
        return render_document(
            document, timestamp=int(invoice.issued_at.timestamp()), xml=_facturx_of(invoice)
        )


def render_preview(
    invoice: Invoice,
    items: Sequence[InvoiceItem],
    taxes: Sequence[InvoiceTax],
    *,
    tax_status: str = "known",
) -> bytes:
    """The paper of an invoice that is not issued, with "Preview" across it."""
    issuer = issuer_of(invoice.issuing_entity)
    with in_language(invoice.language):
        document = invoice_document(
            invoice, items, issuer=issuer, units=settings.RESOURCE_UNITS, taxes=taxes
        )
        return render_document(
            as_preview(document, invoice, tax_status=tax_status),
            timestamp=int(invoice.issued_at.timestamp()),
        )


def render_credit_note(note: CreditNote) -> bytes:
    """The PDF of an issued credit note; the same rows give the same bytes."""
    assert note.issued_at is not None
    with in_language(note.invoice.language):
        document = credit_note_document(
            note,
            list(note.items.select_related("item")),
            list(note.taxes.all()),
            invoice_taxes=list(note.invoice.taxes.all()),
            issuer=issuer_then(note.letterhead),
        )
        return render_document(
            document, timestamp=int(note.issued_at.timestamp()), xml=_facturx_of(note)
        )


def _facturx_of(document: Invoice | CreditNote) -> str:
    """The XML that it was issued with and that belongs inside of its PDF; empty without one."""
    kept = EInvoice.of(document)
    if kept is None or kept.format != Workspace.EInvoiceFormat.FACTURX:
        return ""
    return kept.xml


def render_document(document: dict[str, Any], *, timestamp: int, xml: str = "") -> bytes:
    """What `document` says, set by the invoice's template; with `xml` inside, as Factur-X."""
    if has_numbers(json.dumps({**document, "logo": []})):
        note = gettext(
            "A character above that this paper has no letterform for is printed as its Unicode"
            " number, as [U+13000]."
        )
        document = {**document, "notes": [*document["notes"], note]}
    inputs = {"invoice": document, **({"facturx": xml} if xml else {})}
    try:
        pdf = compile_pdf(_TEMPLATE, inputs, timestamp, standards=STANDARDS)
        return named_facturx(pdf) if xml else pdf
    except typst.TypstError as error:
        # A document must never fail for a name, and never look archivable when it is not.
        log.error("%s is not PDF/A: %s", document["number"], error.message)  # noqa: TRY400
        note = gettext("This copy is not archivable (PDF/A): a character cannot be set.")
        document["notes"].append(note)
        return compile_pdf(_TEMPLATE, {"invoice": document}, timestamp, standards=())


def pdf_response(pdf: bytes, filename: str, *, inline: bool = False) -> HttpResponse:
    """A file to keep; `inline`, one that a browser may show."""
    disposition = "inline" if inline else "attachment"
    return HttpResponse(
        pdf,
        content_type="application/pdf",
        headers={"Content-Disposition": f'{disposition}; filename="{filename}"'},
    )


def xml_response(xml: str, filename: str) -> HttpResponse:
    """An e-invoice as a file to keep."""
    return HttpResponse(
        xml,
        content_type="application/xml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def invoice_filename(invoice: Invoice) -> str:
    return f"{invoice.number}.pdf"


def compile_pdf(
    template: Path, inputs: dict[str, Any], timestamp: int, *, standards: Sequence[_Standard]
) -> bytes:
    """A template set with its `inputs`, each as JSON; the same ones give the same bytes."""
    # A compiler is not thread-safe, so each call has its own; the fonts, the costly part, are.
    compiler = typst.Compiler(input=template, root=template.parent, font_paths=_fonts())
    pdf = compiler.compile(
        format="pdf",
        sys_inputs={name: json.dumps(value) for name, value in inputs.items()},
        pdf_standards=list(standards),
        timestamp=timestamp,
    )
    assert isinstance(pdf, bytes)
    return pdf


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS])
