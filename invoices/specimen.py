"""A document that was never issued, to look at an issuing entity's letterhead in a language."""

import datetime as dt
from decimal import Decimal

from django.conf import settings

from billing.issuers import issuer_of
from billing.languages import in_language
from billing.models import BillingPeriod, IssuingEntity, Workspace, WorkspaceBillingSettings
from billing.rating.fees import MONTHLY
from invoices.document import invoice_document
from invoices.models import Invoice, InvoiceItem
from invoices.pdf import render_document

_ISSUED = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
# kind, description, resource type, quantity, unit price, amount
_LINES = (
    ("subscription", MONTHLY, "", "1", "49", "49.00"),
    ("usage", "Call Minutes", "call_minutes", "1812.5", "0.0375", "67.97"),
    ("usage", "Voice Synthesis", "synthesis", "1250000", "0.00006", "75.00"),
    ("late_usage", "Late usage, September 2026", "", "1", "8.03", "8.03"),
)


def render_specimen(entity: IssuingEntity, language: str) -> bytes:
    """An invoice in its first account's currency, unsaved and marked as a preview."""
    issuer = issuer_of(entity)
    currency = issuer.bank_accounts[0].currency if issuer.bank_accounts else "EUR"
    workspace = Workspace(name="Acme GmbH", currency=currency, timezone="UTC", language=language)
    period = BillingPeriod(
        workspace=workspace,
        period_start=dt.datetime(2026, 10, 1, tzinfo=dt.UTC),
        period_end=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    )
    invoice = Invoice(
        workspace=workspace,
        billing_period=period,
        number=f"{entity.series}-2026-000000",
        currency=currency,
        net=Decimal(200),
        amount=Decimal(200),
        exact_amount=Decimal(200),
        status=Invoice.Status.OPEN,
        collection_method=WorkspaceBillingSettings.CollectionMethod.SEND_INVOICE,
        payment_terms_days=14,
        issued_at=_ISSUED,
        due_date=dt.date(2026, 11, 16),
        language=language,
        order_number="4500012345",
        custom_fields=[[name, "1234"] for name in entity.custom_fields],
        bill_to_name="Acme GmbH",
        bill_to_email="billing@acme.example",
        bill_to_address="Hauptstra\N{LATIN SMALL LETTER SHARP S}e 1\n10827 Berlin\nDE",
        bill_to_tax_id="DE136695976",
    )
    items = [
        InvoiceItem(
            invoice=invoice,
            position=position,
            kind=kind,
            description=description,
            resource_type=resource_type,
            quantity=Decimal(quantity),
            unit_price=Decimal(price),
            exact_amount=Decimal(amount),
            amount=Decimal(amount),
        )
        for position, (kind, description, resource_type, quantity, price, amount) in enumerate(
            _LINES, start=1
        )
    ]
    with in_language(language):
        document = invoice_document(
            invoice, items, issuer=issuer, units=settings.RESOURCE_UNITS, taxes=[]
        )
        return render_document({**document, "preview": True}, timestamp=int(_ISSUED.timestamp()))
