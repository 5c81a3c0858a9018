"""Disputes of calls, with what is known of each call and two buttons."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone as clock
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from billing.admin.base import FrozenAdmin, amount, asking, when
from billing.admin.bulk import Outlook, bulk
from billing.admin.dialogs import DialogForm
from billing.formats import duration, money
from billing.id_ranges import ids_beginning
from invoices.admin.links import link
from invoices.models import CreditNote
from invoices.payments.models import CallDispute
from invoices.payments.services.call_disputes import approve_dispute, refuse_dispute, require_open
from usage.resources import provider_name


class GiveBackForm(DialogForm):
    rest_to = forms.ChoiceField(
        label="If its month is billed and paid already",
        choices=CreditNote.RestTo.choices,
        initial=CreditNote.RestTo.CREDIT,
        widget=UnfoldAdminSelectWidget,
    )
    decision = forms.CharField(
        label="What the owner reads",
        max_length=500,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )


class ApproveForm(GiveBackForm):
    amount = forms.DecimalField(
        label="How much, before tax",
        help_text="Empty: all of it.",
        min_value=Decimal(0),
        max_digits=20,
        decimal_places=10,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    field_order = ("amount", "rest_to", "decision")


class RefuseForm(DialogForm):
    decision = forms.CharField(
        label="Why, as the owner reads it",
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


@admin.register(CallDispute)
class CallDisputeAdmin(FrozenAdmin):
    list_display = ("opened", "call", "workspace", "reason", "costs", "status", "age", "asked")
    list_filter = ("state", "reason", "by_rule")
    list_sums = (("Price", "price"), ("Given back", "amount"))
    search_fields = ("workspace__name", "workspace__billing_email", "text", "opened_by")
    search_help_text = "Customer, e-mail, call id, text"
    list_select_related = ("workspace", "credit_note", "manual_item")
    fields = (
        ("workspace", "call", "status"),
        ("reason", "costs"),
        "text",
        "known",
        ("opened_by", "opened"),
        ("decided_by", "decided", "by_rule"),
        ("given", "outcome"),
        "decision",
    )
    readonly_fields = (
        *("call", "status", "costs", "known", "opened", "decided", "given", "outcome"),
        "age",
    )
    actions = ("approve_selected", "refuse_selected")
    actions_detail = ("approve", "refuse")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[CallDispute]":
        return super().get_queryset(request).order_by("-opened_at")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[CallDispute]", search_term: str
    ) -> "tuple[QuerySet[CallDispute], bool]":
        """By the id of the call too, or how it begins."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if (calls := ids_beginning(search_term)) is not None:
            found |= queryset.filter(calls.of("call_id"))
        return found, may_repeat

    @asking(
        "Approve",
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permission="decide",
        title="Give this call back?",
        text="Usage of the open month is taken back. Of a closed month a credit note goes to the"
        " invoice it was billed on. The owner is told.",
        submit="Give it back",
        form_class=ApproveForm,
    )
    def approve(self, request: HttpRequest, dispute: CallDispute, form: ApproveForm) -> str:
        asked = form.cleaned_data
        decided = approve_dispute(
            dispute_id=dispute.pk,
            by=str(request.user),
            amount=asked["amount"],
            rest_to=asked["rest_to"],
            decision=asked["decision"],
            now=clock.now(),
        )
        note = f" by {decided.credit_note.number}" if decided.credit_note else ""
        return f"{money(decided.amount, decided.currency)} is given back{note}."

    @asking(
        "Refuse",
        icon="block",
        permission="decide",
        title="Refuse this dispute?",
        text="Nothing is given back. The owner is told, with your words.",
        submit="Refuse",
        form_class=RefuseForm,
    )
    def refuse(self, request: HttpRequest, dispute: CallDispute, form: RefuseForm) -> str:
        refuse_dispute(
            dispute_id=dispute.pk,
            by=str(request.user),
            decision=form.cleaned_data["decision"],
            now=clock.now(),
        )
        return "It is refused, and the owner is told."

    def will_be_given_back(self, request: HttpRequest, dispute: CallDispute) -> Outlook:
        """As it is where the rest of a paid invoice becomes credit, as the form begins with."""
        require_open(dispute)
        decided = approve_dispute(dispute_id=dispute.pk, by=str(request.user), now=clock.now())
        given = money(decided.amount, decided.currency)
        if decided.credit_note is not None:
            of = decided.credit_note.invoice.number
            said = f"A credit note for {of} gives {given} back."
        elif decided.manual_item is not None:
            said = f"A credit on the next bill gives {given} back."
        else:
            said = f"Usage of {given} is taken back; it is not billed yet."
        return Outlook(said, amount(decided.amount, decided.currency))

    @bulk(
        "Approve",
        title="Give these calls back?",
        text="Usage of the open month is taken back. Of a closed month a credit note goes to the"
        " invoice it was billed on. The owners are told.",
        submit="Give back",
        will=will_be_given_back,
        form_class=GiveBackForm,
    )
    def approve_selected(
        self, request: HttpRequest, dispute: CallDispute, asked: dict[str, Any]
    ) -> str:
        decided = approve_dispute(
            dispute_id=dispute.pk,
            by=str(request.user),
            rest_to=asked["rest_to"],
            decision=asked["decision"],
            now=clock.now(),
        )
        note = f" by {decided.credit_note.number}" if decided.credit_note else ""
        return f"{money(decided.amount, decided.currency)} is given back{note}."

    def will_be_refused(self, request: HttpRequest, dispute: CallDispute) -> Outlook:
        require_open(dispute)
        price = amount(dispute.price, dispute.currency)
        return Outlook(f"{dispute.opened_by} is told. Nothing is given back.", price)

    @bulk(
        "Refuse",
        title="Refuse these disputes?",
        text="Nothing is given back. The owners are told, with your words.",
        submit="Refuse",
        will=will_be_refused,
        form_class=RefuseForm,
    )
    def refuse_selected(
        self, request: HttpRequest, dispute: CallDispute, asked: dict[str, Any]
    ) -> str:
        decision, by = asked["decision"], str(request.user)
        refuse_dispute(dispute_id=dispute.pk, by=by, decision=decision, now=clock.now())
        return f"The dispute of {dispute.workspace} is refused."

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        waiting = CallDispute.objects.filter(pk=object_id, state=CallDispute.State.OPEN)
        return self.has_act_permission(request) and waiting.exists()

    @display(description="Call")
    def call(self, dispute: CallDispute) -> str:
        address = reverse("admin:usage_call_changelist") + f"?q={dispute.call_id}"
        return link(address, str(dispute.call_id)[:8])

    @display(description="Price", ordering="price")
    def costs(self, dispute: CallDispute) -> str:
        return amount(dispute.price, dispute.currency)

    @display(
        description="Status",
        ordering="state",
        label={"Open": "warning", "Approved": "success", "Refused": "danger"},
    )
    def status(self, dispute: CallDispute) -> str:
        return dispute.get_state_display()

    @display(description="Opened", ordering="opened_at")
    def opened(self, dispute: CallDispute) -> str:
        return when(dispute.opened_at)

    @display(description="Waits for")
    def age(self, dispute: CallDispute) -> str:
        if dispute.state != CallDispute.State.OPEN:
            return "–"
        days = (clock.now() - dispute.opened_at).days
        return f"{days} day{'' if days == 1 else 's'}"

    @display(description="Asked by")
    def asked(self, dispute: CallDispute) -> str:
        return dispute.opened_by

    @display(description="Decided")
    def decided(self, dispute: CallDispute) -> str:
        return when(dispute.decided_at)

    @display(description="Given back, before tax")
    def given(self, dispute: CallDispute) -> str:
        return amount(dispute.amount, dispute.currency)

    @display(description="By")
    def outcome(self, dispute: CallDispute) -> str:
        if dispute.credit_note is not None:
            page = reverse("admin:invoices_creditnote_change", args=[dispute.credit_note_id])
            return link(page, str(dispute.credit_note.number))
        if dispute.manual_item is not None:
            return "a credit on the next bill"
        return "its usage was taken back" if dispute.amount else "–"

    @display(description="What is known")
    def known(self, dispute: CallDispute) -> SafeString:
        rows = _facts(dispute)
        return format_html_join("", "<div>{}: <strong>{}</strong></div>", rows)


def _facts(dispute: CallDispute) -> list[tuple[str, str]]:
    facts = dispute.facts
    usual = facts.get("usual") or {}
    duplicates = facts.get("duplicates")
    rows = [
        ("Status", facts.get("status", "the call was not reported")),
        ("Agent", facts.get("agent")),
        ("Started, UTC", facts.get("started_at")),
        ("Our duration", _time(facts.get("duration_seconds"))),
        (f"Billed by {provider_name(facts.get('provider', 'the provider'))}", _minutes(facts)),
        (
            "Calls of this agent at the same time",
            None if duplicates is None else ", ".join(each[:8] for each in duplicates) or "none",
        ),
        (
            "This agent’s usual",
            f"{_time(usual['seconds'])} and {money(Decimal(usual['price']), dispute.currency)},"
            f" over {usual['calls']} calls in 30 days"
            if usual
            else None,
        ),
        ("On", ", ".join(facts.get("invoices", [])) or "no invoice yet"),
        (
            "Earlier disputes",
            ", ".join(f"{count} {state}" for state, count in facts.get("earlier", {}).items())
            or "none",
        ),
    ]
    return [(label, text) for label, text in rows if text]


def _time(seconds: str | None) -> str | None:
    return None if seconds is None else duration(Decimal(seconds))


def _minutes(facts: dict[str, Any]) -> str:
    text = f"{facts.get('billed_minutes', '0')} min"
    over = facts.get("billed_beyond_duration_seconds")
    return f"{text}, {over} s more than it lasted" if over and Decimal(over) > 0 else text
