"""What may be done about an issued invoice: each button asks first, then calls one service."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.utils import timezone as clock
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminRadioSelectWidget

from billing.admin.base import BillingAdmin, asking
from billing.formats import money
from billing.models import User
from invoices.models import CreditNote, Invoice
from invoices.payments.admin.forms import (
    CorrectionForm,
    CreditNoteForm,
    DecisionForm,
    InvoicePaymentForm,
    PaidForm,
    ReasonForm,
    TakeBackForm,
    payments_by_hand,
)
from invoices.payments.models import InvoiceAction, Payment, StripeSync
from invoices.payments.services import collection
from invoices.payments.services.credit_notes import (
    CREDITABLE,
    credit_invoice,
    creditable,
)
from invoices.payments.services.receiving import PAYABLE, Share, pay_in_full, record_payment
from invoices.payments.services.stripe_sync import retry_sync
from invoices.payments.services.taking_back import take_back_payment
from invoices.services import manual_items
from invoices.services.reissuing import leave_unbilled, reissue_invoice

_Kind = InvoiceAction.Kind
_Ask = Callable[..., InvoiceAction]
_OUTCOME = {
    InvoiceAction.Status.DONE: "done.",
    InvoiceAction.Status.WAITING: "asked of Stripe; the history shows the answer.",
}


def sync_of(invoice: Invoice) -> StripeSync | None:
    """None while its sync has not begun."""
    return getattr(invoice, "stripe_sync", None)


class VoidForm(DecisionForm):
    REISSUE, UNBILLED = "reissue", "unbilled"

    then = forms.ChoiceField(
        label="The usage it bills",
        choices=[
            (REISSUE, "is billed on a new invoice"),
            (UNBILLED, "is not billed"),
        ],
        initial=REISSUE,
        widget=UnfoldAdminRadioSelectWidget,
    )


class InvoiceActionsMixin(BillingAdmin):
    actions_detail = (
        "retry_the_sync",
        "retry_the_payment",
        "record_a_payment",
        "give_back",
        {
            "title": "More",
            "icon": "more_vert",
            "items": ["correct", "mark_as_paid", "take_back_a_payment", "write_off", "void"],
        },
        "issue_anew",
        "leave_unbilled",
    )

    @asking(
        "Sync with Stripe again",
        icon="sync",
        permission="retry_sync",
        title="Sync this invoice with Stripe again?",
        text="It goes on from the step that failed. Nothing is sent to the customer twice.",
        submit="Sync again",
    )
    def retry_the_sync(self, request: HttpRequest, invoice: Invoice, form: Any) -> str:
        retry_sync(invoice_id=invoice.pk, now=clock.now())
        return "The sync goes on; its steps are shown below."

    @asking(
        "Retry payment",
        icon="credit_card",
        variant=ActionVariant.PRIMARY,
        permission="retry_payment",
        title="Charge the customer again?",
        text="Stripe charges the payment method on file for the whole amount due.",
        submit="Charge again",
    )
    def retry_the_payment(self, request: HttpRequest, invoice: Invoice, form: Any) -> str:
        return _ask(request, invoice, collection.retry_payment, "Payment")

    @asking(
        "Record payment",
        icon="account_balance",
        permission="record_payment",
        title="Which payment has come?",
        text="It pays what is open of this invoice, in whole or in part; what is over becomes the"
        " customer's credit. Stripe charges only the rest. The customer sees it on the invoice.",
        submit="Record it",
        form_class=InvoicePaymentForm,
    )
    def record_a_payment(
        self, request: HttpRequest, invoice: Invoice, form: InvoicePaymentForm
    ) -> str:
        asked = form.cleaned_data
        payment = record_payment(
            workspace_id=invoice.workspace_id,
            amount=asked["amount"],
            currency=invoice.currency,
            shares=[Share(invoice.pk)],
            **received(request, asked),
        )
        return what_it_paid(payment)

    @asking(
        "Credit or refund",
        icon="undo",
        permission="credit",
        title="Take some of this invoice back?",
        text="A credit note with a number of its own goes to the customer at once. What is still"
        " open of the invoice is lowered first; what is paid already goes where you choose.",
        submit="Issue the credit note",
        form_class=CreditNoteForm,
    )
    def give_back(self, request: HttpRequest, invoice: Invoice, form: CreditNoteForm) -> str:
        asked = form.cleaned_data
        amount = asked["amount"]
        line = {UUID(asked["line"]): amount} if asked["line"] else None
        note = credit_invoice(
            invoice_id=invoice.pk,
            total=None if line else amount,
            items=line,
            reason=asked["reason"],
            explanation=asked["explanation"],
            rest_to=asked["rest_to"],
            key=asked["key"],
            drafted_by=str(request.user),
            now=clock.now(),
        )
        if note.status == CreditNote.Status.DRAFT:
            return f"A draft over {money(note.total, note.currency)} waits for another's approval."
        return what_it_gave(note)

    @asking(
        "Bill what was missing",
        icon="playlist_add",
        permission="correct",
        title="Ask for what was missing on this invoice?",
        text="A correction with a number of its own names this one, is taxed as it was, and goes"
        " to the customer at once. To give something back, use Credit or refund.",
        submit="Issue the correction",
        form_class=CorrectionForm,
    )
    def correct(self, request: HttpRequest, invoice: Invoice, form: CorrectionForm) -> str:
        made = manual_items.request_one_off(
            workspace_id=invoice.workspace_id,
            lines=[form.line()],
            reason=form.cleaned_data["reason"],
            asked_by=str(request.user),
            corrects=invoice.pk,
            # However often it is clicked.
            idempotency_key=form.cleaned_data["key"],
            now=clock.now(),
        )
        if made.invoice is None:
            return "It waits for a second person, under Lines by hand."
        total = money(made.invoice.amount, made.invoice.currency)
        return f"{made.invoice.number} over {total} is issued, as a correction of {invoice.number}."

    @asking(
        "Mark as paid",
        icon="payments",
        permission="record_payment",
        title="Has all that is open come outside of Stripe?",
        text="The open amount is recorded as one payment. Nothing is charged any more; a workspace"
        " suspended for this invoice comes back.",
        submit="Mark as paid",
        form_class=PaidForm,
    )
    def mark_as_paid(self, request: HttpRequest, invoice: Invoice, form: PaidForm) -> str:
        asked = form.cleaned_data
        payment = pay_in_full(
            invoice_id=invoice.pk, reason=asked["reason"], **received(request, asked)
        )
        return what_it_paid(payment)

    @asking(
        "Take a payment back",
        icon="settings_backup_restore",
        variant=ActionVariant.WARNING,
        permission="take_back",
        title="Take back a payment that was recorded wrongly?",
        text="For the wrong invoice, amount or customer. All of it is taken back, and what it paid"
        " is open again; record it anew as it was. No money is sent. Both stay on the statement.",
        submit="Take it back",
        form_class=TakeBackForm,
    )
    def take_back_a_payment(
        self, request: HttpRequest, invoice: Invoice, form: TakeBackForm
    ) -> str:
        return take_back(request, form)

    @asking(
        "Write off",
        icon="money_off",
        variant=ActionVariant.WARNING,
        permission="mark_uncollectible",
        title="Write this invoice off?",
        text="What is open of it is no longer asked for, though it may still be paid one day.",
        submit="Write off",
        form_class=DecisionForm,
    )
    def write_off(self, request: HttpRequest, invoice: Invoice, form: DecisionForm) -> str:
        ask = partial(collection.mark_invoice_uncollectible, **_decision(form))
        return _ask(request, invoice, ask, "Write-off")

    @asking(
        "Void",
        icon="delete_forever",
        variant=ActionVariant.DANGER,
        permission="void",
        title="Void this invoice?",
        text="Nothing is owed for it any more, and the customer is told so. Its number stays used."
        " This cannot be undone. A new invoice has today's billing details and terms.",
        submit="Void for good",
        form_class=VoidForm,
    )
    def void(self, request: HttpRequest, invoice: Invoice, form: VoidForm) -> str:
        ask = partial(
            collection.void_invoice,
            **_decision(form),
            reissue=form.cleaned_data["then"] == VoidForm.REISSUE,
        )
        return _ask(request, invoice, ask, "Void")

    @asking(
        "Issue anew",
        icon="restart_alt",
        variant=ActionVariant.PRIMARY,
        permission="decide",
        title="Bill the same usage on a new invoice?",
        text="The new one has a number of its own, today's billing details and terms, and goes to"
        " the customer.",
        submit="Issue it",
    )
    def issue_anew(self, request: HttpRequest, invoice: Invoice, form: Any) -> str:
        issued = reissue_invoice(invoice_id=invoice.pk, now=clock.now(), source=str(request.user))
        return f"{issued.number} is issued in its place."

    @asking(
        "Leave unbilled",
        icon="block",
        permission="leave_unbilled",
        title="Leave this usage unbilled?",
        text="The invoice stays void, and nothing bills its period.",
        submit="Leave unbilled",
        form_class=ReasonForm,
    )
    def leave_unbilled(self, request: HttpRequest, invoice: Invoice, form: ReasonForm) -> str:
        leave_unbilled(
            invoice_id=invoice.pk,
            reason=form.cleaned_data["reason"],
            now=clock.now(),
            source=str(request.user),
        )
        return "Its usage stays unbilled."

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
        return invoice is not None and payments_by_hand(invoice.pk).exists()

    def has_credit_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        invoice = self._invoice(request, object_id)
        return (
            invoice is not None
            and invoice.status in CREDITABLE
            and not invoice.carried_over
            and creditable(invoice) > 0
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
        return invoice is not None and kind in collection.allowed_actions(invoice)

    def _invoice(self, request: HttpRequest, object_id: Any) -> Invoice | None:
        """The invoice for those who may act on it, read once for all buttons of a page."""
        if not self.has_act_permission(request):
            return None
        known: dict[str, Invoice | None] = request.__dict__.setdefault("_invoices", {})
        key = str(object_id)
        if key not in known:
            known[key] = (
                Invoice.objects.select_related("stripe_sync", "replaced_by")
                .filter(pk=object_id)
                .first()
            )
        return known[key]


def _ask(request: HttpRequest, invoice: Invoice, ask: _Ask, title: str) -> str:
    assert isinstance(request.user, User)
    asked = ask(invoice_id=invoice.pk, actor=request.user, now=clock.now())
    return f"{title}: {_OUTCOME[InvoiceAction.Status(asked.status)]}"


def _decision(form: DecisionForm) -> dict[str, Any]:
    given = form.cleaned_data
    return {
        "reason": given["reason"],
        "decided_on": given["on"],
        "reference": given["reference"],
    }


def received(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """What every dialog about a payment asks alike, as its service takes it."""
    return {
        "way": given["way"],
        "received_on": given["on"],
        "reference": given["reference"],
        "key": given["key"],
        "recorded_by": str(request.user),
        "now": clock.now(),
    }


def take_back(request: HttpRequest, form: TakeBackForm) -> str:
    """Take the chosen payment back, and say what is open again."""
    reversal = take_back_payment(
        payment_id=UUID(form.cleaned_data["payment"]),
        reason=form.cleaned_data["reason"],
        taken_back_by=str(request.user),
        now=clock.now(),
    )
    payment = reversal.payment
    said = [
        f"{money(share.invoice.amount_open, payment.currency)} of {share.invoice.number} is open"
        for share in payment.allocations.select_related("invoice")
    ]
    if payment.amount_to_credit:
        said.append(f"{money(payment.amount_to_credit, payment.currency)} is off the credit")
    return f"{money(payment.amount, payment.currency)} taken back: {'; '.join(said)}."


def what_it_paid(payment: Payment) -> str:
    """What became of a payment, for whoever has recorded it."""
    said = [
        f"{money(each.amount, payment.currency)} for {each.invoice.number}"
        + ("" if each.invoice.amount_open else ", which is paid")
        for each in payment.allocations.select_related("invoice")
    ]
    if payment.amount_to_credit:
        said.append(f"{money(payment.amount_to_credit, payment.currency)} to the customer's credit")
    return f"{money(payment.amount, payment.currency)} recorded: {'; '.join(said)}."


def what_it_gave(note: CreditNote) -> str:
    """Where the money of an issued credit note goes, for whoever has issued it."""
    return f"{note.number} is issued: {', '.join(where_it_goes(note))}."


def where_it_goes(note: CreditNote) -> list[str]:
    """The parts of an issued note's money, each with its place."""
    places = [
        (note.to_open, f"taken off {note.invoice.number}"),
        (note.to_refund, "refunded through Stripe"),
        (note.to_credit, "to the customer's credit"),
        (note.to_out_of_band, "for you to send back"),
    ]
    return [f"{money(amount, note.currency)} {where}" for amount, where in places if amount]
