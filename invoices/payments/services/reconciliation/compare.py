"""In what one of our invoices and its counterpart in Stripe differ. Reads only."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import Coalesce

from billing.formats import money
from billing.money import ZERO
from invoices.models import Invoice
from invoices.payments.models import Difference, PaymentEntry, ReportedPayment
from invoices.payments.services import settle, stripe_client
from invoices.payments.services.refresh import InvoiceState
from invoices.payments.services.settle.taking_back import stripe_is_ahead
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_sync.plan import stripe_lines
from invoices.payments.services.stripe_units import stripe_minor

Kind = Difference.Kind
Remedy = Difference.Remedy
# What Stripe calls our statuses; overdue is ours alone.
_IN_STRIPE = {
    Invoice.Status.DRAFT: "draft",
    Invoice.Status.OPEN: "open",
    Invoice.Status.PARTLY_PAID: "open",
    Invoice.Status.OVERDUE: "open",
    Invoice.Status.PAID: "paid",
    Invoice.Status.VOID: "void",
    Invoice.Status.UNCOLLECTIBLE: "uncollectible",
}


@dataclass(frozen=True)
class Found:
    """A difference before it is stored: what it is about, what we say, what Stripe says."""

    kind: Difference.Kind
    ours: str
    theirs: str
    remedy: str = ""


def same_status(invoice: Invoice, found: StripeObject) -> bool:
    """What is carried over is still open here, and paid in Stripe."""
    carried = settle.carried_over(found, invoice.currency)
    if invoice.status == Invoice.Status.OPEN and (carried or invoice.carried_over):
        return carried == invoice.carried_over
    unpaid = (*Invoice.UNPAID, Invoice.Status.UNCOLLECTIBLE)
    if found.get("status") == "paid" and invoice.status in unpaid:
        # It counts a payment that was taken back here, or by the bank.
        return stripe_is_ahead(invoice) >= invoice.amount_open
    return found.get("status") == _IN_STRIPE[Invoice.Status(invoice.status)]


def status_difference(invoice: Invoice, found: StripeObject) -> list[Found]:
    if same_status(invoice, found):
        return []
    remedy = ""
    if invoice.status == Invoice.Status.VOID and found.get("status") in ("open", "uncollectible"):
        remedy = Remedy.VOID_IN_STRIPE
    ours, theirs = invoice.status, str(found.get("status"))
    carried = settle.carried_over(found, invoice.currency)
    if carried or invoice.carried_over:
        ours += f", {money(invoice.carried_over, invoice.currency)} carried over"
        theirs += f", {money(carried, invoice.currency)} carried over"
    return [Found(Kind.STATUS, ours, theirs, remedy)]


def total_differences(invoice: Invoice, found: StripeObject) -> list[Found]:
    """By `total`: the amount due also depends on the customer's balance and smallest charges."""
    differences = []
    theirs_in = str(found.get("currency") or "").upper()
    if theirs_in != invoice.currency:
        differences.append(Found(Kind.CURRENCY, invoice.currency, theirs_in))
    ours = stripe_minor(invoice.amount, invoice.currency)
    if found.get("total") != ours:
        differences.append(Found(Kind.TOTAL, str(ours), str(found.get("total"))))
    return differences


def item_differences(invoice: Invoice, found: StripeObject) -> list[Found]:
    """The amounts of all lines, in any order. Raises `StripeFailure`."""
    lines = found.get("lines") or {}
    if lines.get("has_more") or "data" not in lines:
        theirs = list(
            stripe_client.every(invoice.stripe_account, f"/v1/invoices/{found['id']}/lines")
        )
    else:
        theirs = lines["data"]
    ours = Counter(line.amount_minor for line in stripe_lines(invoice).values())
    in_stripe = Counter(int(line.get("amount") or 0) for line in theirs)
    if ours == in_stripe:
        return []
    return [Found(Kind.ITEMS, _amounts(ours - in_stripe), _amounts(in_stripe - ours))]


def needs_payments(invoice: Invoice, found: StripeObject) -> bool:
    """Whether its payments have to be read: those we know do not make up what was paid."""
    if invoice.status != Invoice.Status.PAID:
        return bool(found.get("attempt_count")) and invoice.status == Invoice.Status.OPEN
    paid = found.get("amount_paid")
    return isinstance(paid, int) and paid != stripe_minor(payments_known(invoice), invoice.currency)


def payment_differences(invoice: Invoice, state: InvoiceState) -> list[Found]:
    if state.payments is None:
        return []
    ours = stripe_minor(payments_known(invoice), invoice.currency)
    theirs = sum(payment.amount for payment in state.payments if payment.status == "paid")
    return [] if ours == theirs else [Found(Kind.PAYMENTS, str(ours), str(theirs), Remedy.SETTLE)]


def payments_known(invoice: Invoice) -> Decimal:
    """What was paid in Stripe, and what Stripe was told of that was paid elsewhere."""
    told = ReportedPayment.objects.filter(invoice=invoice, attached_at__isnull=False)
    return _charged(invoice) + told.aggregate(total=Coalesce(Sum("amount"), ZERO))["total"]


def _charged(invoice: Invoice) -> Decimal:
    return PaymentEntry.objects.filter(invoice=invoice, kind=PaymentEntry.Kind.PAYMENT).aggregate(
        total=Coalesce(Sum("amount"), ZERO)
    )["total"]


def _amounts(lines: Counter[int]) -> str:
    """Lines that only one side has, in minor units."""
    text = ", ".join(str(amount) for amount in sorted(lines.elements())) or "none"
    return text if len(text) <= 180 else f"{lines.total()} lines"
