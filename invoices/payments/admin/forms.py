"""Dialogs that ask for money: how much, when, which way, and why."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone as clock
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from billing.admin.dialogs import DialogForm, OnceForm
from billing.formats import money
from billing.models import Workspace
from billing.money import exponent
from billing.text import UnfitText, printable_line
from invoices.admin.manual_item_forms import tax_class_name
from invoices.models import CreditNote, Invoice
from invoices.payments.models import Payment, PaymentAllocation
from invoices.payments.services.credit_notes import creditable, refundable
from invoices.payments.services.receiving import WAYS
from invoices.payments.services.settle.credit import credit_balance
from invoices.services import manual_lines


class DateInput(UnfoldAdminTextInputWidget):
    input_type = "date"

    def format_value(self, value: Any) -> str:
        return value.isoformat() if isinstance(value, dt.date) else str(value or "")


class DatedForm(OnceForm):
    """`on` and `reference`: when it was, and by what it is found again."""

    on = forms.DateField(label="Date", initial=clock.localdate, widget=DateInput)
    reference = forms.CharField(
        label="Reference, as on the bank statement",
        max_length=140,
        widget=UnfoldAdminTextInputWidget,
    )


class WayForm(DatedForm):
    way = forms.ChoiceField(
        label="How it came",
        choices=[(way.value, way.label) for way in WAYS],
        initial=Payment.Way.BANK_TRANSFER.value,
        widget=UnfoldAdminRadioSelectWidget,
    )


class PaidForm(WayForm):
    """All that is open of an invoice has come."""

    reason = forms.CharField(
        label="How it is known", max_length=500, widget=UnfoldAdminTextInputWidget
    )
    field_order = ("way", "on", "reference", "reason", "key")


class ReasonForm(DialogForm):
    reason = forms.CharField(
        label="Reason, as the customer may read it",
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
    )


class DecisionForm(OnceForm):
    """Money that is given up: why, since when, by whose word."""

    reason = forms.CharField(
        label="Reason, as the customer may read it",
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
    )
    on = forms.DateField(label="Date", initial=clock.localdate, widget=DateInput)
    reference = forms.CharField(
        label="Reference, such as a ticket or a letter",
        max_length=140,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )


def amount_field(label: str) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        max_digits=20,
        decimal_places=3,
        min_value=Decimal("0.001"),
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autofocus": True}),
    )


def plain(amount: Decimal, currency: str) -> str:
    """As it is typed: "41.34"."""
    return f"{amount:.{exponent(currency)}f}"


class InvoicePaymentForm(WayForm):
    """Some of an invoice, or all of it, has come; what is open is filled in."""

    amount = amount_field("Amount")
    field_order = ("amount", "way", "on", "reference", "key")

    def __init__(self, request: Any, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        invoice = Invoice.objects.filter(pk=object_id).first()
        if invoice is not None:
            self.fields["amount"].label = f"Amount in {invoice.currency}"
            self.fields["amount"].initial = plain(invoice.amount_open, invoice.currency)


class WorkspacePaymentForm(WayForm):
    """Money of a workspace, for one invoice or for what is due first."""

    amount = amount_field("Amount")
    invoice = forms.ChoiceField(label="It pays", required=False, widget=UnfoldAdminSelectWidget)
    field_order = ("amount", "invoice", "way", "on", "reference", "key")

    def __init__(self, request: Any, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        workspace = Workspace.objects.filter(pk=object_id).first()
        if workspace is not None:
            self.fields["amount"].label = f"Amount in {workspace.currency}"
        unpaid = Invoice.objects.filter(
            workspace=object_id,
            status__in=("draft", *Invoice.UNPAID, "uncollectible"),
            carried_over=0,
        )
        choices = [
            (
                str(invoice.pk),
                f"{invoice.number}: {plain(invoice.amount_open, invoice.currency)}"
                f" {invoice.currency} open, due {invoice.due_date:%d %B %Y}",
            )
            for invoice in unpaid.order_by("due_date", "number")[:200]
        ]
        field = self.fields["invoice"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "what is due first; the rest becomes credit"), *choices]


class TakeBackForm(DialogForm):
    """A payment by hand, of an invoice or of a workspace, that was recorded wrongly."""

    payment = forms.ChoiceField(label="Payment", widget=UnfoldAdminSelectWidget)
    reason = forms.CharField(
        label="What was wrong, as the customer may read it",
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, request: Any, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        field = self.fields["payment"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            (
                str(payment.pk),
                f"{plain(payment.amount, payment.currency)} {payment.currency} on"
                f" {payment.received_on:%d %B %Y}, {payment.reference}",
            )
            for payment in payments_by_hand(object_id)[:200]
        ]


def payments_by_hand(object_id: Any) -> QuerySet[Payment]:
    """Those of an invoice, or of a workspace, that can be taken back, latest first."""
    mine = Q(workspace=object_id) | Exists(
        PaymentAllocation.objects.filter(payment=OuterRef("pk"), invoice=object_id)
    )
    return Payment.objects.filter(mine, way__in=WAYS, reversal__isnull=True)


class PayOutForm(DatedForm):
    """Credit that goes back to the customer."""

    amount = amount_field("Amount")
    reason = forms.CharField(label="Reason", max_length=500, widget=UnfoldAdminTextInputWidget)
    field_order = ("amount", "on", "reference", "reason", "key")

    def __init__(self, request: Any, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        workspace = Workspace.objects.filter(pk=object_id).first()
        if workspace is None:
            return
        left = plain(credit_balance(workspace.pk, workspace.currency), workspace.currency)
        self.fields["amount"].label = f"Amount in {workspace.currency} (at most {left})"
        self.fields["amount"].initial = left


class CreditNoteForm(OnceForm):
    """Some of an invoice, or all of it, is taken back."""

    amount = amount_field("Amount, tax included")
    line = forms.ChoiceField(label="Of", required=False, widget=UnfoldAdminSelectWidget)
    reason = forms.ChoiceField(
        label="Reason", choices=CreditNote.Reason.choices, widget=UnfoldAdminSelectWidget
    )
    explanation = forms.CharField(
        label="Why, as the customer reads it", max_length=500, widget=UnfoldAdminTextInputWidget
    )
    rest_to = forms.ChoiceField(
        label="What is paid already goes",
        choices=CreditNote.RestTo.choices,
        initial=CreditNote.RestTo.REFUND.value,
        widget=UnfoldAdminRadioSelectWidget,
    )
    field_order = ("amount", "line", "reason", "explanation", "rest_to", "key")

    def __init__(self, request: Any, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        invoice = Invoice.objects.filter(pk=object_id).first()
        if invoice is None:
            return
        left = plain(creditable(invoice), invoice.currency)
        amount = self.fields["amount"]
        amount.label = f"Amount in {invoice.currency}, tax included (at most {left})"
        limit = money(Decimal(settings.SECOND_PERSON_ABOVE), invoice.currency)
        amount.help_text = f"Above {limit} it waits until somebody else approves it."
        line = self.fields["line"]
        assert isinstance(line, forms.ChoiceField)
        line.choices = [
            ("", "all lines, in proportion"),
            *(
                (
                    str(item.pk),
                    f"{item.description}: an amount before tax, at most"
                    f" {plain(item.net - item.net_credited, invoice.currency)}",
                )
                for item in invoice.items.filter(net__gt=F("net_credited"))
            ),
        ]
        if not any(pk for pk, _ in refundable(invoice)):
            self.fields["rest_to"].initial = CreditNote.RestTo.CREDIT.value


class CorrectionForm(OnceForm):
    """What was missing on an invoice, to be asked for now."""

    amount = amount_field("Amount")
    description = forms.CharField(
        label="As the invoice says it", max_length=200, widget=UnfoldAdminTextInputWidget
    )
    tax_class = forms.ChoiceField(
        label="Rate of tax, where any is charged", widget=UnfoldAdminSelectWidget
    )
    reason = forms.CharField(
        label="Why, for colleagues and auditors",
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ("amount", "description", "tax_class", "reason", "key")

    def __init__(self, request: Any, object_id: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        known = self.fields["tax_class"]
        assert isinstance(known, forms.ChoiceField)
        known.choices = [(name, tax_class_name(name)) for name in manual_lines.known_tax_classes()]
        invoice = Invoice.objects.filter(pk=object_id).first()
        if invoice is not None:
            tax = "tax included" if invoice.prices_include_tax else "before tax"
            limit = money(Decimal(settings.MANUAL_ITEM_APPROVAL_ABOVE), invoice.currency)
            amount = self.fields["amount"]
            amount.label = f"Amount in {invoice.currency}, {tax}"
            amount.help_text = f"Above {limit} it waits until somebody else approves it."

    def clean_description(self) -> str:
        try:
            return printable_line(self.cleaned_data["description"])
        except UnfitText as error:
            raise forms.ValidationError(str(error)) from None

    def line(self) -> manual_lines.ManualLine:
        said = self.cleaned_data
        return manual_lines.ManualLine(
            "charge", said["description"], said["amount"], said["tax_class"]
        )
