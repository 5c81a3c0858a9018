"""PDFs that go with the evidence against a chargeback: the invoice, what was used, our terms."""

import datetime as dt
import logging
from pathlib import Path
from typing import Any

from django.conf import settings

from billing.formats import money
from billing.issuers import issuer_then
from invoices.document import period_range
from invoices.glyphs import printable
from invoices.models import Invoice
from invoices.payments.models import Chargeback, ChargebackFile
from invoices.payments.services.chargebacks.evidence import calls_of, utc_text
from invoices.pdf import STANDARDS, compile_pdf, render_invoice

log = logging.getLogger(__name__)
Field = ChargebackFile.Field
_TEMPLATE = settings.BASE_DIR / "templates" / "payments" / "evidence.typ"
# Stripe takes 5 MB a file, and banks about as much in all.
MAX_BYTES = 2 * 1024 * 1024
_PDF = b"%PDF-"
_MAX_CALLS = 200


def files_for(
    chargeback: Chargeback, said: dict[str, str], *, now: dt.datetime
) -> dict[Field, bytes]:
    """The PDFs by the names of Stripe's fields; `said` is the evidence in words."""
    files = {field: file_for(chargeback, field, said, now=now) for field in Field}
    return {field: content for field, content in files.items() if content}


def file_for(
    chargeback: Chargeback, field: Field, said: dict[str, str], *, now: dt.datetime
) -> bytes:
    """One of them; empty where there is none."""
    if field == Field.RECEIPT:
        return render_invoice(chargeback.invoice)
    if field == Field.SERVICE:
        return _service_paper(chargeback, said, now)
    return _terms(chargeback.invoice)


def terms_file(invoice: Invoice) -> Path | None:
    """Where the terms of the invoice's issuer are; None where none are given."""
    if not settings.TERMS_DIRECTORY:
        return None
    folder = Path(settings.TERMS_DIRECTORY)
    names = [invoice.issuing_entity.code] if invoice.issuing_entity else []
    found = (folder / f"{name}.pdf" for name in [*names, "terms"])
    return next((path for path in found if path.is_file()), None)


def _terms(invoice: Invoice) -> bytes:
    path = terms_file(invoice)
    if path is None:
        return b""
    content = path.read_bytes()
    if not content.startswith(_PDF) or len(content) > MAX_BYTES:
        # The rest of the evidence has a deadline; the page shows that the terms are not with it.
        log.error("%s is no PDF of at most %s bytes: it is left out", path, MAX_BYTES)
        return b""
    return content


def _calls(invoice: Invoice) -> dict[str, Any]:
    calls = calls_of(invoice)
    rows = [
        [
            utc_text(call.started_at),
            call.get_direction_display(),
            call.get_status_display(),
            f"{call.duration_seconds or 0:,} s",
            str(call.pk),
        ]
        for call in calls[:_MAX_CALLS]
    ]
    count = calls.count() if len(rows) == _MAX_CALLS else len(rows)
    shown = f"the first {len(rows):,} of {count:,}" if count > len(rows) else f"{count:,}"
    return {"title": f"Calls of the period, {shown}", "rows": rows}


def _service_paper(chargeback: Chargeback, said: dict[str, str], now: dt.datetime) -> bytes:
    invoice = chargeback.invoice
    document = {
        "issuer": printable(issuer_then(invoice.letterhead).name),
        "number": invoice.number,
        "facts": [
            ["Invoice", invoice.number],
            ["Billed to", printable(invoice.bill_to_name)],
            ["E-mail", printable(invoice.bill_to_email)],
            ["Billed for", period_range(invoice) or f"{invoice.issued_on:%d %B %Y}"],
            ["Amount disputed", money(chargeback.amount, chargeback.currency)],
            ["Charge", chargeback.charge_id or "–"],
            ["Dispute", chargeback.stripe_id],
            ["Made", f"{now.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"],
        ],
        "parts": [
            {"title": title, "lines": [printable(line) for line in said.get(name, "").splitlines()]}
            for title, name in (
                ("What was billed and used", "uncategorized_text"),
                ("Who signed in, and what they changed", "access_activity_log"),
            )
            if said.get(name)
        ],
        "calls": _calls(invoice),
    }
    return compile_pdf(_TEMPLATE, {"evidence": document}, int(now.timestamp()), standards=STANDARDS)
