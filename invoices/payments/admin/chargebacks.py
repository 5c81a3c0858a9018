"""Chargebacks by their deadline, what speaks for us, and the button that sends it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone as clock
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from billing.admin.base import FrozenAdmin, amount, asking, when
from billing.admin.dialogs import DialogForm
from billing.formats import money
from invoices.admin.links import link
from invoices.payments.models import Chargeback, ChargebackFile
from invoices.payments.services.chargebacks import (
    confirm_decision,
    decide_chargeback,
    evidence_for,
    submit_evidence,
)
from invoices.payments.services.chargebacks.files import file_for, terms_file
from invoices.payments.services.second_person import awaited_of
from invoices.pdf import pdf_response


class EvidenceForm(DialogForm):
    words = forms.CharField(
        label="In your words, before what our rows say",
        help_text="What was written with the customer, and why the charge is right.",
        max_length=5000,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
    )


class LossForm(DialogForm):
    decision = forms.ChoiceField(
        label="The money that is lost",
        choices=[
            (Chargeback.Decision.ASK_AGAIN, "is asked for again: the invoice is open"),
            (Chargeback.Decision.WRITE_OFF, "is written off: the invoice stays paid"),
        ],
        initial=Chargeback.Decision.ASK_AGAIN,
        widget=UnfoldAdminRadioSelectWidget,
    )
    reason = forms.CharField(
        label="Reason, as the customer may read it",
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
    )


@admin.register(Chargeback)
class ChargebackAdmin(FrozenAdmin):
    list_display = (
        "opened",
        "invoice_link",
        "workspace",
        "over",
        "because",
        "state",
        "deadline",
        "answered",
    )
    list_filter = ("status", "decision")
    list_sums = (("Amount", "amount"),)
    search_fields = (
        *("invoice__number", "workspace__name", "workspace__billing_email"),
        *("=stripe_id", "=charge_id"),
    )
    search_help_text = "Invoice, customer, e-mail, Stripe id"
    list_select_related = ("invoice", "workspace", "evidence")
    fields = (
        ("workspace", "invoice_link", "state"),
        ("over", "because", "deadline"),
        ("opened", "closed", "answered"),
        ("decided", "decision_reason"),
        "waits",
        "files",
        "speaks_for_us",
        "stripe_id",
    )
    readonly_fields = (
        *("invoice_link", "state", "over", "because", "deadline", "opened", "closed", "answered"),
        *("decided", "waits", "files", "speaks_for_us"),
    )
    actions_detail = ("send", "confirm", "decide")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.file)
        return [
            path("<uuid:chargeback_id>/files/<slug:field>/", view, name="payments_chargeback_file"),
            *super().get_urls(),
        ]

    def file(self, request: HttpRequest, chargeback_id: UUID, field: str) -> HttpResponse:
        """A PDF of the evidence: as it was sent, or as it would be now."""
        chargeback: Chargeback | None = (
            self.get_queryset(request)
            .select_related("invoice__billing_period")
            .filter(pk=chargeback_id)
            .first()
        )
        if chargeback is None or not self.has_view_permission(request):
            raise Http404
        kept = ChargebackFile.objects.filter(evidence=chargeback_id, field=field).first()
        if kept is not None:
            content = bytes(kept.content)
        elif field in ChargebackFile.Field.values and not _was_sent(chargeback):
            which = ChargebackFile.Field(field)
            said = evidence_for(chargeback)
            content = file_for(chargeback, which, said, now=clock.now())
        else:
            content = b""
        if not content:
            raise Http404
        return pdf_response(content, f"{chargeback.invoice.number}-{field}.pdf", inline=True)

    @asking(
        "Send the evidence",
        icon="gavel",
        variant=ActionVariant.PRIMARY,
        permission="send",
        title="Send this to the bank?",
        text="What stands on this page goes to Stripe, with your words before it and the PDFs that"
        " it names. The bank takes one answer, and no second.",
        submit="Send it",
        form_class=EvidenceForm,
    )
    def send(self, request: HttpRequest, chargeback: Chargeback, form: EvidenceForm) -> str:
        submit_evidence(
            chargeback_id=chargeback.pk,
            words=form.cleaned_data["words"],
            asked_by=str(request.user),
            now=clock.now(),
        )
        return "It is on its way to Stripe."

    @asking(
        "Decide on the loss",
        icon="balance",
        variant=ActionVariant.PRIMARY,
        permission="decide",
        title="What becomes of the money that is lost?",
        text="Asked for again, the invoice is unpaid: the customer is told, it is reminded of and"
        " overdue as any other, and can be written off later. Stripe calls its own paid and charges"
        " nothing: record the payment when it has come. Written off, nothing is asked for.",
        submit="Decide",
        form_class=LossForm,
    )
    def decide(self, request: HttpRequest, chargeback: Chargeback, form: LossForm) -> str:
        decided = decide_chargeback(
            chargeback_id=chargeback.pk,
            decision=form.cleaned_data["decision"],
            reason=form.cleaned_data["reason"],
            by=str(request.user),
            now=clock.now(),
        )
        return _decided(decided)

    @asking(
        "Confirm the decision",
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permission="confirm",
        title="Decide on the loss as was asked for?",
        text="What was asked for, by whom and why, stands on this page. This is for good.",
        submit="Confirm it",
    )
    def confirm(self, request: HttpRequest, chargeback: Chargeback, form: Any) -> str:
        by = str(request.user)
        return _decided(confirm_decision(chargeback_id=chargeback.pk, by=by, now=clock.now()))

    def has_confirm_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        asked = Chargeback.objects.filter(pk=object_id, awaited__isnull=False)
        return self.has_act_permission(request) and asked.exists()

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        lost = Chargeback.objects.filter(pk=object_id, status="lost", decision="")
        return self.has_act_permission(request) and lost.exists()

    def has_send_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        waiting = Chargeback.objects.filter(
            pk=object_id, status__in=Chargeback.NEEDS_RESPONSE, evidence__isnull=True
        )
        return self.has_act_permission(request) and waiting.exists()

    @display(description="Invoice", ordering="invoice__number")
    def invoice_link(self, chargeback: Chargeback) -> str:
        page = reverse("admin:invoices_invoice_change", args=[chargeback.invoice_id])
        return link(page, chargeback.invoice.number)

    @display(description="Amount", ordering="amount")
    def over(self, chargeback: Chargeback) -> str:
        return amount(chargeback.amount, chargeback.currency)

    @display(description="Reason")
    def because(self, chargeback: Chargeback) -> str:
        return chargeback.reason.replace("_", " ") or "–"

    @display(
        description="Status",
        ordering="status",
        label={"needs response": "danger", "won": "success", "lost": "danger"},
    )
    def state(self, chargeback: Chargeback) -> str:
        return chargeback.status.replace("_", " ")

    @display(description="Answer by", ordering="due_by")
    def deadline(self, chargeback: Chargeback) -> str:
        if chargeback.due_by is None or not chargeback.needs_response:
            return when(chargeback.due_by)
        days = (chargeback.due_by - clock.now()).days
        left = "has passed" if days < 0 else f"{days} day{'' if days == 1 else 's'} left"
        return format_html("{} ({})", when(chargeback.due_by), left)

    @display(description="Decided")
    def decided(self, chargeback: Chargeback) -> str:
        if not chargeback.decision:
            return "not yet" if chargeback.needs_decision else "–"
        said = chargeback.get_decision_display()
        at = when(chargeback.decided_at)
        return format_html("{}, {}, by {}", said, at, chargeback.decided_by)

    @display(description="Waits for a second person")
    def waits(self, chargeback: Chargeback) -> str:
        asked = awaited_of(chargeback)
        return format_html("{}, {}", asked, when(asked.asked_at)) if asked else "–"

    @display(description="Opened", ordering="opened_at")
    def opened(self, chargeback: Chargeback) -> str:
        return when(chargeback.opened_at)

    @display(description="Ended")
    def closed(self, chargeback: Chargeback) -> str:
        return when(chargeback.closed_at)

    @display(description="Evidence")
    def answered(self, chargeback: Chargeback) -> str:
        evidence = getattr(chargeback, "evidence", None)
        if evidence is None:
            return "not sent"
        if evidence.done_at is not None:
            return format_html("sent {} by {}", when(evidence.done_at), evidence.asked_by)
        return f"on its way: {evidence.last_error}" if evidence.last_error else "on its way"

    @display(description="PDFs that go with it")
    def files(self, chargeback: Chargeback) -> SafeString:
        if _was_sent(chargeback):
            fields = [file.field for file in chargeback.evidence.files.all()]
        else:
            has_terms = terms_file(chargeback.invoice) is not None
            terms = [ChargebackFile.Field.TERMS] if has_terms else []
            fields = [ChargebackFile.Field.RECEIPT, ChargebackFile.Field.SERVICE, *terms]
        links = format_html_join(", ", "{}", ((_file_link(chargeback, each),) for each in fields))
        if _was_sent(chargeback) or ChargebackFile.Field.TERMS in fields:
            return links
        return format_html("{}. No terms: TERMS_DIRECTORY has none.", links)

    @display(description="What speaks for us")
    def speaks_for_us(self, chargeback: Chargeback) -> SafeString:
        evidence = getattr(chargeback, "evidence", None)
        said = evidence.evidence if evidence else evidence_for(chargeback)
        return format_html_join(
            "",
            '<h2 class="font-semibold mt-3">{}</h2><pre class="whitespace-pre-wrap">{}</pre>',
            ((name.replace("_", " ").capitalize(), text) for name, text in said.items()),
        )


def _was_sent(chargeback: Chargeback) -> bool:
    return hasattr(chargeback, "evidence")


def _file_link(chargeback: Chargeback, field: str) -> SafeString:
    page = reverse("admin:payments_chargeback_file", args=[chargeback.pk, field])
    return link(page, ChargebackFile.Field(field).label, new_tab=True)


def _decided(chargeback: Chargeback) -> str:
    number = chargeback.invoice.number
    if not chargeback.decision:
        return "It waits for a second person, who confirms it on this page."
    if chargeback.asked_again:
        return f"{money(chargeback.asked_again, chargeback.currency)} of {number} is open again."
    return f"The loss is written off; {number} stays paid."
