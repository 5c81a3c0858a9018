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

from billing.admin.base import asking
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
)
from invoices.payments.admin.outcomes import (
    OUTCOMES,
    received,
    take_back,
    what_it_gave,
    what_it_paid,
)
from invoices.payments.admin.permissions import InvoicePermissionsMixin
from invoices.payments.models import InvoiceAction
from invoices.payments.services import collection
from invoices.payments.services.credit_notes import credit_invoice
from invoices.payments.services.receiving import PaymentShare, pay_in_full, record_payment
from invoices.payments.services.stripe_sync import retry_sync
from invoices.services import manual_items
from invoices.services.mailing import addresses_of_invoice, mail_again
from invoices.services.reissuing import leave_unbilled, reissue_invoice

_Ask = Callable[..., InvoiceAction]


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


class InvoiceActionsMixin(InvoicePermissionsMixin):
    actions_detail = (
        "retry_the_sync",
        "retry_the_payment",
        "record_a_payment",
        "give_back",
        {
            "title": "More",
            "icon": "more_vert",
            "items": [
                *("mail_it_again", "correct", "mark_as_paid", "take_back_a_payment"),
                *("write_off", "void"),
            ],
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
            shares=[PaymentShare(invoice.pk)],
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
        "Mail again",
        icon="forward_to_inbox",
        permission="mail",
        title="Mail this invoice again?",
        text="It goes with its PDF to whom it went before, or to the customer's billing e-mail"
        " where that is another now.",
        submit="Mail again",
    )
    def mail_it_again(self, request: HttpRequest, invoice: Invoice, form: Any) -> str:
        addresses = ", ".join(addresses_of_invoice(invoice))
        mail_again(invoice_id=invoice.pk, now=clock.now())
        return f"It is mailed again, to {addresses}."

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


def _ask(request: HttpRequest, invoice: Invoice, ask: _Ask, title: str) -> str:
    assert isinstance(request.user, User)
    asked = ask(invoice_id=invoice.pk, actor=request.user, now=clock.now())
    return f"{title}: {OUTCOMES[InvoiceAction.Status(asked.status)]}"


def _decision(form: DecisionForm) -> dict[str, Any]:
    given = form.cleaned_data
    return {
        "reason": given["reason"],
        "decided_on": given["on"],
        "reference": given["reference"],
    }
