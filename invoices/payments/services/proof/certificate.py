"""Exactness certificate of one invoice: counts, sums and residuals of each step, and its seal.

What it says about money is what the workspace pays; what things cost the platform is not in it, nor
where exactly something differs: `check_ledger --period` says that.
"""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Sum

from billing.errors import NotFound
from billing.models import AuditEntry, BillingPeriod, PeriodCounter
from billing.money import ZERO, without_exponent
from invoices.einvoices.reading import Unreadable, totals_of
from invoices.models import CreditNoteItem, EInvoice, Invoice
from invoices.payments.models import PaymentEntry
from invoices.payments.services.proof.report import Proof, prove
from invoices.payments.services.proof.steps import STEPS
from invoices.payments.services.stripe_units import stripe_minor
from usage.models import PeriodSeal, UsageRollup
from usage.services.ledger import Scope
from usage.services.sealing import canonical

FORM = "exactness-certificate/1"
# Steps about one period; the calls of an hour belong to none.
_STEPS = tuple(step for step in STEPS if step.name != "calls")


class Figure(NamedTuple):
    name: str
    value: str


@dataclass(frozen=True)
class CertifiedStep:
    """`residual` is by how much the step's sum differs from what it should be."""

    name: str
    title: str
    proves: str
    passed: bool
    figures: list[Figure]
    residual: str


@dataclass(frozen=True)
class Certificate:
    """`seal` is None until the period is sealed, some minutes after its close."""

    invoice: Invoice
    period: BillingPeriod
    made_at: dt.datetime
    steps: list[CertifiedStep]
    seal: dict[str, Any] | None

    @property
    def verdict(self) -> str:
        if not all(step.passed for step in self.steps):
            return "differs"
        return "proven" if self.seal else "not_sealed_yet"

    def as_json(self) -> dict[str, Any]:
        """With the SHA-256 of its own text, and a code that only the platform's key can make."""
        content = self._content()
        digest = hashlib.sha256(canonical_text(content)).hexdigest()
        key_id, key = next(iter(canonical.key_ids().items()))
        mac = canonical.mac_of(digest, key)
        return {**content, "digest": digest, "key_id": key_id, "mac": mac}

    def _content(self) -> dict[str, Any]:
        invoice, period = self.invoice, self.period
        return {
            "form": FORM,
            "verdict": self.verdict,
            "made_at": f"{self.made_at:%Y-%m-%dT%H:%M:%SZ}",
            "workspace_id": str(invoice.workspace_id),
            "bill_to": invoice.bill_to_name,
            "invoice_id": str(invoice.pk),
            "invoice_number": invoice.number,
            "currency": invoice.currency,
            "amount": without_exponent(invoice.amount),
            "exact_amount": without_exponent(invoice.exact_amount),
            "rounding": without_exponent(invoice.residual),
            "billing_period_id": str(period.pk),
            "period_start": f"{period.period_start.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
            "period_end": f"{period.period_end.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
            "steps": [
                {
                    "name": step.name,
                    "title": step.title,
                    "proves": step.proves,
                    "passed": step.passed,
                    "figures": [figure._asdict() for figure in step.figures],
                    "residual": step.residual,
                }
                for step in self.steps
            ],
            "seal": self.seal,
        }


def canonical_text(content: dict[str, Any]) -> bytes:
    """What a certificate's digest is the SHA-256 of: sorted keys, no spaces, UTF-8."""
    bare = {key: content[key] for key in content if key not in ("digest", "key_id", "mac")}
    return json.dumps(bare, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def certify(invoice: Invoice, *, now: dt.datetime) -> Certificate:
    """Prove the invoice's period now, from its records on.

    Reads all of its records twice: some seconds for a million. Raises `NotFound` for an invoice
    that bills no period, and so rests on no records.
    """
    period = invoice.billing_period
    if period is None:
        raise NotFound(f"{invoice.number} bills no month: there is nothing to certify.")
    proof = prove(Scope.of_period(period), now=now, steps=_STEPS)
    return Certificate(invoice, period, now, _steps(proof, invoice, period), _seal(period))


def _seal(period: BillingPeriod) -> dict[str, Any] | None:
    seal = PeriodSeal.objects.filter(billing_period=period).first()
    if seal is None:
        return None
    return {
        "sequence": seal.sequence,
        "records": seal.records,
        "records_digest": seal.records_digest,
        "previous_digest": seal.previous_digest,
        "digest": seal.digest,
        "sealed_at": f"{seal.sealed_at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "key_id": seal.key_id,
        "mac": seal.mac,
    }


_RECORDS = """
SELECT count(*), count(*) FILTER (WHERE late), coalesce(sum(final_cost), 0)
  FROM {records} AS record
"""


def _steps(proof: Proof, invoice: Invoice, period: BillingPeriod) -> list[CertifiedStep]:
    figures = _figures(invoice, period)
    found = []
    for result in proof.results:
        step = result.step
        shown, residual = figures[step.name]
        found.append(
            CertifiedStep(
                step.name,
                step.title,
                step.proves,
                result.passed,
                [Figure(name, _text(value)) for name, value in shown.items()],
                _text(residual),
            )
        )
    return found


_Shown = tuple[dict[str, Decimal | int | str], Decimal]


def _figures(invoice: Invoice, period: BillingPeriod) -> dict[str, _Shown]:
    """What each step counts and sums, and the residual to the step before."""
    scope = Scope.of_period(period)
    with connection.cursor() as cursor:
        cursor.execute(_RECORDS.replace("{records}", scope.records), scope.values)
        records, late, price = cursor.fetchone()
    rollups = UsageRollup.objects.filter(billing_period=period).aggregate(
        rows=Count("pk"), records=Sum("records", default=0), price=Sum("final_cost", default=ZERO)
    )
    counters = PeriodCounter.objects.filter(period=period).aggregate(
        records=Sum("records", default=0), price=Sum("final_cost", default=ZERO)
    )
    items = list(invoice.items.all())
    exact = sum((item.exact_amount for item in items), ZERO)
    billed = sum((item.amount for item in items), ZERO)
    fees = period.subscription_fee + period.add_on_fees
    taken_off = period.discounts + period.commitment_shortfall
    parts = period.subtotal + fees + taken_off + period.manual_items
    parts += period.credit_brought_forward + period.reversals_credited
    return {
        "records": (
            {"Records": records, "Of them late": late, "Sum at list price": price},
            ZERO,
        ),
        "rollups": (
            {"Sums": rollups["rows"], "Records in them": rollups["records"], **_sum(rollups)},
            rollups["price"] - price,
        ),
        "counters": (
            {"Records counted": counters["records"], **_sum(counters)},
            counters["price"] - rollups["price"],
        ),
        "adjustments": (
            {"Meters": period.meters.count(), "Added by tiers and packages": period.adjustment},
            period.subtotal - period.adjustment - rollups["price"],
        ),
        "totals": (
            {
                "Usage": period.subtotal,
                "Fees": fees,
                "Discounts and minimums": taken_off,
                "Lines by hand": period.manual_items,
                "Credit brought forward": period.credit_brought_forward,
                "Given back by credit notes": period.reversals_credited,
                "Total": period.total_amount,
            },
            period.total_amount - parts,
        ),
        "reversals": (
            {"Given back by credit notes": period.reversals_credited},
            period.reversals_credited - _taken_over(period),
        ),
        "items": (
            {"Lines": len(items), "Exact sum": exact, "As billed": billed},
            exact - period.total_amount,
        ),
        "invoices": (
            {
                "Exact amount": invoice.exact_amount,
                "Net": invoice.net,
                "Rounded once by": invoice.residual,
            },
            (invoice.amount if invoice.prices_include_tax else invoice.net) - billed,
        ),
        "taxes": (
            {"Net": invoice.net, "Tax": invoice.tax, "Amount": invoice.amount},
            invoice.amount - invoice.net - invoice.tax,
        ),
        "e_invoices": _e_invoice(invoice),
        "stripe": _stripe(invoice),
        "payments": _payments(invoice),
        "history": ({"Changes of the invoice": _logged(invoice)}, ZERO),
    }


def _logged(invoice: Invoice) -> int:
    entries = AuditEntry.objects.filter(table=Invoice._meta.db_table, object_id=str(invoice.pk))
    return entries.count()


def _taken_over(period: BillingPeriod) -> Decimal:
    issued = CreditNoteItem.objects.filter(period=period, credit_note__status="issued")
    return issued.aggregate(total=Sum("taken_over", default=ZERO))["total"]


def _sum(sums: dict[str, Any]) -> dict[str, Decimal]:
    return {"Sum at list price": sums["price"]}


def _e_invoice(invoice: Invoice) -> _Shown:
    kept = EInvoice.of(invoice)
    if kept is None:
        return {"E-invoice": "none"}, ZERO
    try:
        said = totals_of(kept.xml)
    except Unreadable:
        return {"E-invoice": "cannot be read"}, ZERO
    shown: dict[str, Decimal | int | str] = {
        "E-invoice": kept.get_format_display(),
        "Net": said.net,
        "Tax": said.tax,
        "Amount due": said.due,
    }
    return shown, said.due - invoice.amount


def _stripe(invoice: Invoice) -> _Shown:
    if invoice.stripe_invoice_id is None:
        return {"Invoice in Stripe": "none"}, ZERO
    asked = stripe_minor(invoice.amount, invoice.currency)
    return {"Invoice in Stripe": invoice.stripe_invoice_id, "In Stripe's units": asked}, ZERO


def _payments(invoice: Invoice) -> _Shown:
    payments = PaymentEntry.objects.filter(invoice=invoice, kind=PaymentEntry.Kind.PAYMENT)
    sums = payments.aggregate(count=Count("pk"), amount=Sum("amount", default=ZERO))
    shown: dict[str, Decimal | int | str] = {
        "Asked for": invoice.amount_charged,
        "Payments": sums["count"],
        "Paid": sums["amount"],
        "Given back": invoice.amount_refunded,
        "Status": invoice.get_status_display(),
    }
    is_known = invoice.status == Invoice.Status.PAID and sums["count"]
    return shown, sums["amount"] - invoice.amount_charged if is_known else ZERO


def _text(value: Decimal | int | str) -> str:
    return without_exponent(value) if isinstance(value, Decimal) else str(value)
