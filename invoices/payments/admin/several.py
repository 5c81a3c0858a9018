"""What may be done about several issued invoices at once, each looked at first."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone as clock

from billing.admin.base import BillingAdmin, amount
from billing.admin.bulk import Outlook, bulk
from billing.errors import Conflict
from billing.formats import money
from billing.models import User
from invoices.models import Invoice
from invoices.payments.admin.forms import DecisionForm
from invoices.payments.admin.outcomes import OUTCOMES
from invoices.payments.admin.permissions import sync_of
from invoices.payments.models import InvoiceAction, StripeSync
from invoices.payments.services import collection
from invoices.payments.services.stripe_sync import retry_sync
from invoices.queries import card_of
from invoices.services.mailing import addresses_of_invoice, mail_again

_Kind = InvoiceAction.Kind


class SeveralInvoicesMixin(BillingAdmin):
    actions = (
        "mail_selected_again",
        "sync_selected_again",
        "charge_selected_again",
        "write_selected_off",
    )

    def will_be_mailed(self, request: HttpRequest, invoice: Invoice) -> Outlook:
        if invoice.status == Invoice.Status.VOID:
            raise Conflict("It is void.")
        if not invoice.bill_to_email:
            raise Conflict("It has no address to go to.")
        said = f"It goes to {', '.join(addresses_of_invoice(invoice))}."
        return Outlook(said, amount(invoice.amount, invoice.currency))

    @bulk(
        "Mail again",
        title="Mail these invoices again?",
        text="Each goes with its PDF to whom it went before, or to the customer's billing e-mail"
        " where that is another now.",
        submit="Mail again",
        will=will_be_mailed,
    )
    def mail_selected_again(self, request: HttpRequest, invoice: Invoice, asked: Any) -> str:
        mail_again(invoice_id=invoice.pk, now=clock.now())
        return f"{invoice.number} is mailed again."

    def will_be_synced(self, request: HttpRequest, invoice: Invoice) -> Outlook:
        sync = sync_of(invoice)
        if sync is None or sync.status not in (
            StripeSync.Status.BLOCKED,
            StripeSync.Status.WAITING,
        ):
            raise Conflict("Nothing of it waits to be sent to Stripe.")
        step = sync.steps.filter(build=sync.build, done_at=None).order_by("position").first()
        said = f"It goes on from “{step.get_kind_display()}”." if step else "It goes on."
        told = f" It failed with: {sync.last_error}" if sync.last_error else ""
        return Outlook(f"{said}{told}", amount(invoice.amount, invoice.currency))

    @bulk(
        "Sync with Stripe again",
        title="Sync these invoices with Stripe again?",
        text="Each goes on from the step that failed. Nothing is sent to a customer twice.",
        submit="Sync again",
        will=will_be_synced,
    )
    def sync_selected_again(self, request: HttpRequest, invoice: Invoice, asked: Any) -> str:
        retry_sync(invoice_id=invoice.pk, now=clock.now())
        return f"The sync of {invoice.number} goes on."

    def will_be_charged(self, request: HttpRequest, invoice: Invoice) -> Outlook:
        self._require(_Kind.RETRY_PAYMENT, invoice)
        method = card_of(invoice.workspace_id, invoice.stripe_account)
        if method is None:
            raise Conflict("There is no payment method on file.")
        return Outlook(f"Stripe charges {method}.", amount(invoice.amount_due, invoice.currency))

    @bulk(
        "Retry payment",
        title="Charge these customers again?",
        text="Stripe charges the payment method on file for the whole amount due of each.",
        submit="Charge again",
        will=will_be_charged,
    )
    def charge_selected_again(self, request: HttpRequest, invoice: Invoice, asked: Any) -> str:
        assert isinstance(request.user, User)
        made = collection.retry_payment(invoice_id=invoice.pk, actor=request.user, now=clock.now())
        return f"{invoice.number}: {OUTCOMES[InvoiceAction.Status(made.status)]}"

    def will_be_written_off(self, request: HttpRequest, invoice: Invoice) -> Outlook:
        self._require(_Kind.MARK_UNCOLLECTIBLE, invoice)
        left = money(invoice.amount_open, invoice.currency)
        said = f"{left} is no longer asked for, though it may still be paid."
        return Outlook(said, amount(invoice.amount_open, invoice.currency))

    @bulk(
        "Write off",
        title="Write these invoices off?",
        text="What is open of them is no longer asked for, though it may still be paid one day.",
        submit="Write off",
        will=will_be_written_off,
        form_class=DecisionForm,
    )
    def write_selected_off(
        self, request: HttpRequest, invoice: Invoice, asked: dict[str, Any]
    ) -> str:
        assert isinstance(request.user, User)
        made = collection.mark_invoice_uncollectible(
            invoice_id=invoice.pk,
            actor=request.user,
            reason=asked["reason"],
            decided_on=asked["on"],
            reference=asked["reference"],
            now=clock.now(),
        )
        return f"{invoice.number}: {OUTCOMES[InvoiceAction.Status(made.status)]}"

    def _require(self, kind: str, invoice: Invoice) -> None:
        if kind not in collection.allowed_actions(invoice):
            raise Conflict(f"It is {invoice.get_status_display().lower()}.")
