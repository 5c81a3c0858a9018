"""What finance does about the demo's bills: a German company that invoices Germans, tax in two
countries and in Texas, a fee by hand, money given back, and money that came by bank transfer.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import ROUND_UP, Decimal
from uuid import UUID

from django.conf import settings
from django.db.models import Sum

from billing.models import BillingPeriod, IssuerBankAccount, IssuingEntity, TaxRegistration
from billing.money import charge_step
from billing.services.tax_rates import add_registration, ensure_tax_rates
from dev.demo.personas import FINANCE_EMAIL, Company, Story
from invoices.models import CreditNote, Invoice
from invoices.payments.models import CallDispute, Payment
from invoices.payments.services.call_disputes import approve_dispute, open_dispute
from invoices.payments.services.credit_notes import credit_invoice
from invoices.payments.services.receiving import PaymentShare, record_payment
from invoices.services.manual_items import add_manual_item
from invoices.services.manual_lines import ManualLine
from usage.models import UsageRecord

# At home in the EU: customers of its other countries pay its tax, until they have a VAT number.
_REGISTERED = ("NL", "NL004495445B01")
_STRIPE = "https://api.stripe.com"
_REGISTERED_IN_TEXAS = ("US", "3-20712-0000-1")
_REGISTERED_IN_GERMANY = ("DE", "DE136695976")
_GERMAN_COMPANY = {
    "series": "INV-DE",
    "name": "Voice Platform GmbH",
    "address_line1": "Torstraße 1",
    "address_postal_code": "10119",
    "address_city": "Berlin",
    "address_country": "DE",
    "register": "Amtsgericht Charlottenburg, HRB 123456",
    "contact_name": "Rechnungswesen",
    "phone": "+49 30 5550100",
    "email": "rechnung@voice-platform.example",
}


def make_german_company() -> None:
    """Who invoices German customers, with all that an XRechnung names of its issuer."""
    entity, _ = IssuingEntity.objects.get_or_create(code="DE", defaults=_GERMAN_COMPANY)
    IssuerBankAccount.objects.get_or_create(
        entity=entity,
        currency="EUR",
        defaults={"iban": "DE75512108001245126199", "bic": "SOLADEST600"},
    )


def register_for_tax(*, now: dt.datetime) -> None:
    ensure_tax_rates()
    _register(*_REGISTERED, None, now)
    _register(*_REGISTERED_IN_GERMANY, IssuingEntity.objects.get(code="DE"), now)
    if settings.STRIPE_API_BASE != _STRIPE:
        # An account of one's own at Stripe would have to be registered there too.
        _register(*_REGISTERED_IN_TEXAS, None, now, region="TX", is_home=False)


def _register(
    country: str,
    number: str,
    whose: IssuingEntity | None,
    now: dt.datetime,
    *,
    region: str = "",
    is_home: bool = True,
) -> None:
    if TaxRegistration.objects.filter(country=country).exists():
        return
    add_registration(
        country=country,
        region=region,
        number=number,
        starts_on=dt.date(now.year - 1, 1, 1),
        is_home=is_home,
        issuing_entity=whose,
        now=now,
    )


def add_fee(company: Company, *, now: dt.datetime) -> None:
    """A set-up fee on the first bill of who has one."""
    if company.set_up_fee is None:
        return
    add_manual_item(
        workspace_id=company.id,
        line=ManualLine("charge", "Set-up of call routing", company.set_up_fee),
        reason="Agreed on with the contract.",
        asked_by=FINANCE_EMAIL,
        idempotency_key="set-up-fee",
        now=now,
    )


def give_and_take(personas: Sequence[Company], *, now: dt.datetime) -> None:
    """Give 20.00 back for a bad call, and take in half of an invoice; each once, when it can be.

    An invoice that Stripe has not settled yet, or that a visitor has dealt with, is left alone.
    """
    for company in personas:
        if company.story is Story.CREDITED:
            _give_back(company, now=now)
            _dispute(company, now=now)
        elif company.story is Story.PART_PAID:
            _pay_half(company, now=now)


def _give_back(company: Company, *, now: dt.datetime) -> None:
    if CreditNote.objects.filter(workspace=company.id, key="bad-call").exists():
        return
    invoice = _first_invoice(company, Invoice.Status.PAID)
    if invoice is None:
        return
    credit_invoice(
        invoice_id=invoice.pk,
        total=min(Decimal("20.00"), invoice.amount),
        reason=CreditNote.Reason.DROPPED,
        # In the customer's language, as finance would write it.
        explanation="Ein Gespräch brach zweimal ab, beim dritten Mal nahm niemand ab.",
        rest_to=CreditNote.RestTo.REFUND,
        drafted_by=FINANCE_EMAIL,
        key="bad-call",
        now=now,
    )


def _dispute(company: Company, *, now: dt.datetime) -> None:
    """A dispute of a call of last month, given back by a credit note, and one of this month that
    waits for somebody's decision."""
    if CallDispute.objects.filter(workspace=company.id).exists():
        return
    invoice = _first_invoice(company, Invoice.Status.PAID)
    running = BillingPeriod.objects.filter(workspace=company.id, status="current")
    if invoice is None:
        return
    last_month = _call_of(company, invoice.billing_period)
    this_month = _call_of(company, running.order_by("period_start").last())
    if last_month is not None:
        decided, _ = open_dispute(
            workspace_id=company.id,
            call_id=last_month,
            reason=CallDispute.Reason.DROPPED,
            text="Das Gespräch brach mitten im Satz ab.",
            opened_by=company.owner_email,
            now=now,
        )
        approve_dispute(
            dispute_id=decided.pk,
            by=FINANCE_EMAIL,
            decision="Sie haben recht, das bedauern wir.",
            now=now,
        )
    if this_month is not None:
        open_dispute(
            workspace_id=company.id,
            call_id=this_month,
            reason=CallDispute.Reason.QUALITY,
            text="In der ersten Minute war nur Rauschen zu hören.",
            opened_by=company.owner_email,
            now=now,
        )


def _call_of(company: Company, period: BillingPeriod | None) -> UUID | None:
    """The dearest call of a period: one that somebody would look at."""
    if period is None:
        return None
    used = UsageRecord.objects.filter(
        workspace=company.id,
        billing_period=period,
        occurred_at__gte=period.period_start,
        occurred_at__lt=period.period_end,
        call__isnull=False,
    )
    dearest = used.order_by().values("call_id").annotate(price=Sum("final_cost"))
    first = dearest.order_by("-price", "call_id").first()
    return first["call_id"] if first else None


def _pay_half(company: Company, *, now: dt.datetime) -> None:
    if Payment.objects.filter(workspace=company.id).exists():
        return
    invoice = _first_invoice(company, Invoice.Status.OPEN)
    if invoice is None:
        return
    step = charge_step(invoice.currency)
    record_payment(
        workspace_id=company.id,
        amount=(invoice.amount / 2 / step).to_integral_value(ROUND_UP) * step,
        currency=invoice.currency,
        way=Payment.Way.BANK_TRANSFER,
        received_on=now.astimezone(company.zone).date(),
        reference=f"{company.name} {invoice.number}, first half",
        shares=[PaymentShare(invoice.pk)],
        recorded_by=FINANCE_EMAIL,
        key="first-half",
        now=now,
    )


def _first_invoice(company: Company, status: str) -> Invoice | None:
    invoices = Invoice.objects.filter(workspace=company.id, amount__gt=0, status=status)
    return invoices.order_by("number").first()
