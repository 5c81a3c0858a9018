"""An exactness certificate as PDF: the words and numbers of its paper, set by a template."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings

from billing.formats import exact_money, money, quantity
from billing.issuers import issuer_then
from invoices.document import period_range
from invoices.glyphs import printable
from invoices.payments.services.proof.certificate import Certificate, CertifiedStep, Figure
from invoices.pdf import STANDARDS, compile_pdf

_TEMPLATE = settings.BASE_DIR / "templates" / "payments" / "certificate.typ"
_HEADLINES = {
    "proven": ("Proven", "Every step below agrees to the last digit.", "good"),
    "not_sealed_yet": (
        "Not sealed yet",
        "Every step below agrees. The records of a month are sealed some minutes after its close;"
        " a certificate that is made then has the seal.",
        "normal",
    ),
    "differs": ("Differs", "A step below does not agree. We are looking into it.", "bad"),
}


def certificate_filename(certificate: Certificate) -> str:
    return f"{certificate.invoice.number}-certificate.pdf"


def render_certificate(certificate: Certificate) -> bytes:
    """The certificate's PDF; its digest is that of its JSON."""
    document = _document(certificate)
    timestamp = int(certificate.made_at.timestamp())
    return compile_pdf(_TEMPLATE, {"certificate": document}, timestamp, standards=STANDARDS)


def _document(certificate: Certificate) -> dict[str, Any]:
    invoice, signed = certificate.invoice, certificate.as_json()
    title, note, tone = _HEADLINES[certificate.verdict]
    return {
        "issuer": printable(issuer_then(invoice.letterhead).name),
        "number": invoice.number,
        "title": title,
        "note": note,
        "tone": tone,
        "facts": [
            ["Invoice", invoice.number],
            ["Billed to", printable(invoice.bill_to_name)],
            ["Billing period", period_range(invoice)],
            ["Amount", money(invoice.amount, invoice.currency)],
            ["Exact sum", exact_money(invoice.exact_amount, invoice.currency)],
            ["Proved", f"{certificate.made_at:%Y-%m-%d %H:%M:%S} UTC"],
        ],
        "steps": [_step(step, invoice.currency) for step in certificate.steps],
        "seal": [[name, str(value)] for name, value in (certificate.seal or {}).items()],
        "digest": [
            ["Digest", signed["digest"]],
            ["Key", signed["key_id"]],
            ["Code", signed["mac"]],
        ],
    }


def _step(step: CertifiedStep, currency: str) -> dict[str, Any]:
    return {
        "title": step.title,
        "proves": f"{step.proves[:1].upper()}{step.proves[1:]}.",
        "passed": step.passed,
        "figures": [[figure.name, _shown(figure, currency)] for figure in step.figures],
        "residual": exact_money(Decimal(step.residual), currency),
    }


def _shown(figure: Figure, currency: str) -> str:
    """Amounts have a point, counts have none."""
    try:
        value = Decimal(figure.value)
    except InvalidOperation:
        return figure.value
    return exact_money(value, currency) if "." in figure.value else quantity(value)
