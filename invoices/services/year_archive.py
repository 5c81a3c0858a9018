"""All documents of a year in one zip: PDFs of invoices and credit notes, and their e-invoices.

It is made while it is sent: a document is rendered, packed, handed on and forgotten.
"""

import datetime as dt
import zipfile
from collections.abc import Iterator
from itertools import chain
from typing import TypeVar

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _

from billing.errors import Invalid, NotFound
from billing.keyset import Keyset
from billing.models import Workspace
from invoices.models import CreditNote, EInvoice, Invoice
from invoices.pdf import render_credit_note, render_invoice

_IN_ORDER = Keyset(("issued_at", "id"))
# So many are read at once, with their lines.
_PAGE = 20
_FIRST, _LAST = 2000, 9998
_Rows = TypeVar("_Rows", "QuerySet[Invoice]", "QuerySet[CreditNote]")


def years_of_documents(workspace: Workspace) -> list[int]:
    """The years in which documents were issued, on the workspace's clock; latest first."""
    invoices, notes = _documents(workspace)
    found = {
        each.year
        for rows in (invoices, notes)
        for each in rows.order_by().datetimes("issued_at", "year", tzinfo=workspace.zone)
    }
    return sorted(found, reverse=True)


def asked_year(typed: str, workspace: Workspace) -> int:
    """The year that was typed; without, the latest one with documents. Raises `Invalid` for what is
    no year, `NotFound` where there is none with documents."""
    if typed:
        is_number = typed.isascii() and typed.isdigit() and len(typed) == len(str(_LAST))
        if not (is_number and _FIRST <= int(typed) <= _LAST):
            raise Invalid(f"A year between {_FIRST} and {_LAST} is expected.", field="year")
        return int(typed)
    years = years_of_documents(workspace)
    if not years:
        raise NotFound(_("No invoice has been issued yet."))
    return years[0]


def year_archive(workspace: Workspace, year: int) -> StreamingHttpResponse:
    """The zip, while it is made. Raises `NotFound` for a year without documents."""
    all_invoices, all_notes = _documents(workspace)
    invoices = _of_year(all_invoices, year, workspace)
    notes = _of_year(all_notes, year, workspace)
    if not (invoices.exists() or notes.exists()):
        raise NotFound(_("No documents were issued in {year}.").format(year=year))
    return StreamingHttpResponse(
        _packed(chain(_files(invoices, workspace), _files(notes, workspace))),
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="invoices-{year}.zip"'},
    )


def _documents(workspace: Workspace) -> tuple[QuerySet[Invoice], QuerySet[CreditNote]]:
    return (
        Invoice.objects.filter(workspace=workspace)
        .select_related("workspace", "billing_period__workspace", "letterhead")
        .prefetch_related("items", "taxes"),
        CreditNote.objects.filter(CreditNote.NUMBERED, workspace=workspace)
        .select_related("workspace", "invoice__billing_period", "letterhead")
        .prefetch_related("taxes", "invoice__taxes"),
    )


def _of_year(rows: _Rows, year: int, workspace: Workspace) -> _Rows:
    begin, end = (dt.datetime(each, 1, 1, tzinfo=workspace.zone) for each in (year, year + 1))
    return rows.filter(issued_at__gte=begin, issued_at__lt=end)


_File = tuple[str, dt.datetime, bytes]


def _files(
    documents: "QuerySet[Invoice] | QuerySet[CreditNote]", workspace: Workspace
) -> Iterator[_File]:
    """The name, time and bytes of each file."""
    for document in _IN_ORDER.walk(documents, limit=_PAGE):
        issued_at = document.issued_at.astimezone(workspace.zone)
        is_invoice = isinstance(document, Invoice)
        pdf = render_invoice(document) if is_invoice else render_credit_note(document)
        yield f"{document.number}.pdf", issued_at, pdf
        kept = EInvoice.of(document)
        if kept is not None:
            yield f"{document.number}-{kept.format}.xml", issued_at, kept.xml.encode()


class _Outbox:
    """What was written since it was last taken; a zip that is written to it never looks back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes, /) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Nothing is kept anywhere else."""

    def close(self) -> None:
        """There is nothing to close."""

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def _packed(files: Iterator[_File]) -> Iterator[bytes]:
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, at, content in files:
            facts = zipfile.ZipInfo(name, date_time=at.timetuple()[:6])
            facts.compress_type = zipfile.ZIP_DEFLATED
            facts.external_attr = 0o644 << 16
            archive.writestr(facts, content)
            yield outbox.take()
    yield outbox.take()
