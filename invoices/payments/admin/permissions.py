"""Which of the buttons about an issued invoice its page has, for whom and in which status."""

from typing import Any

from django.http import HttpRequest

from billing.admin.once import OnceAdmin
from billing.compiled import CompiledQuery
from invoices.models import Invoice
from invoices.payments.admin.forms import payments_by_hand
from invoices.payments.models import InvoiceAction, StripeSync
from invoices.payments.services import collection
from invoices.payments.services.credit_notes import CREDITABLE, creditable
from invoices.payments.services.receiving import PAYABLE

_Kind = InvoiceAction.Kind


def sync_of(invoice: Invoice) -> StripeSync | None:
    """None while its sync has not begun."""
    return getattr(invoice, "stripe_sync", None)


_BY_HAND = CompiledQuery(lambda key: payments_by_hand(key).order_by().only("pk")[:1])


class InvoicePermissionsMixin(OnceAdmin):
    read_row = CompiledQuery(
        lambda key: Invoice.objects.select_related(
            *("workspace", "billing_period", "tax_decision", "stripe_sync", "replaced_by")
        ).filter(pk=key)
    )

    def complete(self, row: Any) -> Any:
        if row is not None and row.billing_period is not None:
            row.billing_period.workspace = row.workspace  # the same
        return row

    def has_retry_sync_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        invoice = self._invoice(request, object_id)
        sync = sync_of(invoice) if invoice else None
        return sync is not None and sync.status in (
            StripeSync.Status.BLOCKED,
            StripeSync.Status.WAITING,
        )

    def has_retry_payment_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._may(request, object_id, _Kind.RETRY_PAYMENT)

    def has_record_payment_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        invoice = self._invoice(request, object_id)
        return (
            invoice is not None
            and invoice.status in PAYABLE
            and not invoice.carried_over
            and invoice.amount_open > 0
        )

    def has_take_back_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        invoice = self._invoice(request, object_id)
        return invoice is not None and bool(_BY_HAND(invoice.pk))

    def has_credit_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        invoice = self._invoice(request, object_id)
        return (
            invoice is not None
            and invoice.status in CREDITABLE
            and not invoice.carried_over
            and creditable(invoice) > 0
        )

    def has_mail_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        invoice = self._invoice(request, object_id)
        return (
            invoice is not None
            and invoice.status != Invoice.Status.VOID
            and bool(invoice.bill_to_email)
        )

    def has_correct_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        invoice = self._invoice(request, object_id)
        return (
            invoice is not None
            and invoice.status != Invoice.Status.VOID
            and invoice.kind != Invoice.Kind.CORRECTION
        )

    def has_mark_uncollectible_permission(
        self, request: HttpRequest, object_id: Any = None
    ) -> bool:
        return self._may(request, object_id, _Kind.MARK_UNCOLLECTIBLE)

    def has_void_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._may(request, object_id, _Kind.VOID)

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        invoice = self._invoice(request, object_id)
        return (
            invoice is not None
            and invoice.status == Invoice.Status.VOID
            and invoice.replacement is None
        )

    def has_leave_unbilled_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        invoice = self._invoice(request, object_id)
        return (
            self.has_decide_permission(request, object_id)
            and invoice is not None
            and not invoice.unbilled_reason
        )

    def _may(self, request: HttpRequest, object_id: Any, kind: str) -> bool:
        invoice = self._invoice(request, object_id)
        if invoice is None:
            return False
        known: dict[Any, Any] = request.__dict__.setdefault("_allowed_actions", {})
        if invoice.pk not in known:
            known[invoice.pk] = collection.allowed_actions(invoice)
        return kind in known[invoice.pk]

    def _invoice(self, request: HttpRequest, object_id: Any) -> Invoice | None:
        """The invoice for those who may act on it, read once for all buttons of a page."""
        if not self.has_act_permission(request):
            return None
        invoice: Invoice | None = self.row_once(request, object_id)
        return invoice
