"""What analytics tells when others ask."""

from typing import Any

from django.dispatch import receiver

from analytics.bill_comparison import compare_bills, sentence
from billing.models import BillingPeriod
from billing.queries import with_totals
from invoices.models import Invoice
from invoices.signals import amount_explained


@receiver(amount_explained, dispatch_uid="analytics.amount_explained")
def _explain_amount(sender: Any, *, invoice: Invoice, **kwargs: Any) -> str:
    """How a month's invoice differs from that of the month before, in a sentence."""
    period = invoice.billing_period
    if period is None:
        return ""
    both = with_totals(
        BillingPeriod.objects.filter(workspace_id=invoice.workspace_id).filter(
            period_end__in=[period.period_start, period.period_end]
        )
    )
    found = list(both.prefetch_related("invoices").order_by("period_start"))
    if len(found) < 2:
        return ""
    before, now = found
    return sentence(compare_bills(before, now, at=invoice.issued_at))
