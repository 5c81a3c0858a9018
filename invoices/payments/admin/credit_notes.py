"""Credit notes: what waits for approval, what is issued, and each one's way into Stripe."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone as clock
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from billing.admin.base import FrozenAdmin, FrozenInlineMixin, amount, asking, when
from billing.admin.bulk import bulk
from billing.errors import BillingError
from billing.formats import money
from invoices.admin.links import e_invoice_link, link
from invoices.models import CreditNote, CreditNoteItem, EInvoice
from invoices.payments.admin.finding import also, credit_notes_of
from invoices.payments.admin.forms import ReasonForm
from invoices.payments.admin.outcomes import what_it_gave, where_it_goes
from invoices.payments.services.credit_notes import (
    approve_and_issue,
    can_be_void,
    confirm_void,
    discard_credit_note,
    keep_credit_note,
    require_not_issued,
    void_credit_note,
)
from invoices.payments.services.second_person import awaited_of
from invoices.pdf import pdf_response, render_credit_note, xml_response
from invoices.services.e_invoices import chosen_format, credit_note_xml


class CreditNoteItemInline(FrozenInlineMixin, TabularInline):
    model = CreditNoteItem
    verbose_name_plural = "lines"
    fields = ("item", "taken", "records_behind")
    readonly_fields = fields

    @display(description="Before tax")
    def taken(self, line: CreditNoteItem) -> str:
        return amount(line.net, line.credit_note.currency)

    @display(description="Usage taken back")
    def records_behind(self, line: CreditNoteItem) -> str:
        """What of it calls, as far as a line has room for."""
        count = line.records.count()
        if not count or line.taken_over is None:
            return "–"
        calls = line.records.exclude(call_id=None).values_list("call_id", flat=True).distinct()
        named = ", ".join(str(call)[:8] for call in calls[:3])
        text = f"{count} record{'s' if count > 1 else ''} of {line.usage_month:%B %Y}"
        return f"{text}, calls {named}" if named else text


@admin.register(CreditNote)
class CreditNoteAdmin(FrozenAdmin):
    list_display = ("name", "invoice", "workspace", "over", "state", "reason", "issued", "file")
    list_filter = ("status", "reason", "rest_to", ("workspace", AutocompleteSelectFilter))
    list_sums = (("Net", "net"), ("Tax", "tax"), ("Total", "total"))
    search_fields = (
        *("number", "invoice__number", "invoice__bill_to_email"),
        *("workspace__name", "workspace__billing_email", "=id"),
    )
    search_help_text = "Number, invoice, customer, e-mail, amount, Stripe id, call id"
    list_select_related = ("invoice", "workspace")
    inlines = (CreditNoteItemInline,)
    fields = (
        ("name", "state", "workspace", "invoice"),
        ("over", "before_tax", "taxed"),
        ("reason", "explanation"),
        ("goes", "rest"),
        ("drafted_by", "approved_by", "issued_by", "issued"),
        ("voided", "voided_by", "void_reason"),
        "waits",
        ("file", "in_stripe"),
        "software",
    )
    readonly_fields = (
        *("name", "state", "over", "before_tax", "taxed", "goes", "rest"),
        *("issued", "voided", "waits", "file", "in_stripe", "software"),
    )
    actions = ("issue_selected", "discard_selected")
    actions_detail = ("approve_and_issue", "discard", "void", "confirm_void", "keep")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CreditNote], search_term: str
    ) -> tuple[QuerySet[CreditNote], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        which = credit_notes_of(search_term.strip())
        return (found, may_repeat) if which is None else (also(found, queryset, which), False)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.pdf)
        return [
            path("<uuid:credit_note_id>/pdf/", view, name="invoices_creditnote_pdf"),
            path(
                "<uuid:credit_note_id>/e-invoice/",
                self.admin_site.admin_view(self.e_invoice),
                name="invoices_creditnote_e_invoice",
            ),
            *super().get_urls(),
        ]

    def pdf(self, request: HttpRequest, credit_note_id: UUID) -> HttpResponse:
        note = self._issued(request, credit_note_id)
        return pdf_response(render_credit_note(note), f"{note.number}.pdf", inline=True)

    def e_invoice(self, request: HttpRequest, credit_note_id: UUID) -> HttpResponse:
        """It for software, in the form that its customer gets."""
        note = self._issued(request, credit_note_id)
        wanted = chosen_format(note.workspace)
        try:
            return xml_response(credit_note_xml(note, wanted), f"{note.number}-{wanted}.xml")
        except BillingError as refusal:
            messages.error(request, refusal.detail)
            return redirect("admin:invoices_creditnote_change", note.pk)

    def _issued(self, request: HttpRequest, credit_note_id: UUID) -> CreditNote:
        note: CreditNote | None = (
            self.get_queryset(request).filter(CreditNote.NUMBERED, pk=credit_note_id).first()
        )
        if note is None or not self.has_view_permission(request):
            raise Http404
        return note

    @asking(
        "Approve and issue",
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permission="decide",
        title="Approve this credit note and issue it?",
        text="It gets its number and goes to the customer; its money goes where it says.",
        submit="Approve and issue",
    )
    def approve_and_issue(self, request: HttpRequest, note: CreditNote, form: Any) -> str:
        issued = approve_and_issue(credit_note_id=note.pk, by=str(request.user), now=clock.now())
        return what_it_gave(issued)

    @asking(
        "Discard",
        icon="delete",
        permission="decide",
        title="Discard this credit note?",
        text="It was not issued: nothing changes for the customer.",
        submit="Discard",
    )
    def discard(self, request: HttpRequest, note: CreditNote, form: Any) -> str:
        discard_credit_note(credit_note_id=note.pk, now=clock.now())
        return "It is discarded."

    @bulk(
        "Approve and issue",
        title="Approve these credit notes and issue them?",
        text="Each gets its number and goes to the customer; its money goes where it says.",
        submit="Approve and issue",
        money_of=lambda note: amount(note.total, note.currency),
    )
    def issue_selected(self, request: HttpRequest, note: CreditNote, asked: Any) -> str:
        require_not_issued(note)
        issued = approve_and_issue(credit_note_id=note.pk, by=str(request.user), now=clock.now())
        return what_it_gave(issued)

    @bulk(
        "Discard",
        title="Discard these credit notes?",
        text="They were not issued: nothing changes for their customers.",
        submit="Discard",
        money_of=lambda note: amount(note.total, note.currency),
    )
    def discard_selected(self, request: HttpRequest, note: CreditNote, asked: Any) -> str:
        require_not_issued(note)
        discard_credit_note(credit_note_id=note.pk, now=clock.now())
        return f"The one for {note.invoice.number} is discarded."

    @asking(
        "Void",
        icon="delete_forever",
        variant=ActionVariant.DANGER,
        permission="void",
        title="Void this credit note?",
        text="It takes nothing back any more: what it lowered is asked for again, and credit that"
        " it gave is taken off. The customer is told. Its number stays used. This is for good.",
        submit="Void for good",
        form_class=ReasonForm,
    )
    def void(self, request: HttpRequest, note: CreditNote, form: ReasonForm) -> str:
        made = void_credit_note(
            credit_note_id=note.pk,
            reason=form.cleaned_data["reason"],
            by=str(request.user),
            now=clock.now(),
        )
        return _voided(made)

    @asking(
        "Confirm the void",
        icon="task_alt",
        variant=ActionVariant.DANGER,
        permission="confirm",
        title="Void this credit note, as was asked for?",
        text="What it lowered is asked for again, credit that it gave is taken off, and the"
        " customer reads the reason. Its number stays used. This is for good.",
        submit="Void for good",
    )
    def confirm_void(self, request: HttpRequest, note: CreditNote, form: Any) -> str:
        by = str(request.user)
        return _voided(confirm_void(credit_note_id=note.pk, by=by, now=clock.now()))

    @asking(
        "Keep it",
        icon="undo",
        permission="confirm",
        title="Keep this credit note as it is?",
        text="It stays issued, and nobody is asked to void it any more.",
        submit="Keep it",
    )
    def keep(self, request: HttpRequest, note: CreditNote, form: Any) -> str:
        keep_credit_note(credit_note_id=note.pk, by=str(request.user), now=clock.now())
        return "It stays issued."

    def has_void_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        note = CreditNote.objects.filter(pk=object_id, awaited__isnull=True).first()
        return self.has_act_permission(request) and note is not None and can_be_void(note)

    def has_confirm_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        asked = CreditNote.objects.filter(pk=object_id, awaited__isnull=False)
        return self.has_act_permission(request) and asked.exists()

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        waiting = CreditNote.objects.filter(pk=object_id, status__in=["draft", "approved"])
        return self.has_act_permission(request) and waiting.exists()

    @display(description="Number", ordering="number")
    def name(self, note: CreditNote) -> str:
        return note.number or "not issued"

    @display(description="Amount", ordering="total")
    def over(self, note: CreditNote) -> str:
        return amount(note.total, note.currency)

    @display(description="Net, before tax")
    def before_tax(self, note: CreditNote) -> str:
        return amount(note.net, note.currency)

    @display(description="Tax")
    def taxed(self, note: CreditNote) -> str:
        return amount(note.tax, note.currency)

    @display(description="Where the money goes")
    def goes(self, note: CreditNote) -> str:
        if note.is_void:
            return f"Nowhere: it is void. It had been {'; '.join(where_it_goes(note))}."
        if note.number is None:
            return "First to what is still open of the invoice, once it is issued."
        return "; ".join(where_it_goes(note))

    @display(description="What is paid already goes")
    def rest(self, note: CreditNote) -> str:
        return note.get_rest_to_display()

    @display(
        description="Status",
        ordering="status",
        label={
            "Waits for approval": "warning",
            "Issued": "success",
            "Approved": "info",
            "Void": "danger",
        },
    )
    def state(self, note: CreditNote) -> str:
        return note.status_label

    @display(description="Issued", ordering="issued_at")
    def issued(self, note: CreditNote) -> str:
        return when(note.issued_at)

    @display(description="Void since")
    def voided(self, note: CreditNote) -> str:
        return when(note.voided_at) if note.is_void else "–"

    @display(description="Waits for a second person")
    def waits(self, note: CreditNote) -> str:
        asked = awaited_of(note)
        return format_html("{}, {}", asked, when(asked.asked_at)) if asked else "–"

    @display(description="File")
    def file(self, note: CreditNote) -> str:
        if note.number is None:
            return "–"
        address = reverse("admin:invoices_creditnote_pdf", args=[note.pk])
        return link(address, "PDF", new_tab=True)

    @display(description="E-invoice")
    def software(self, note: CreditNote) -> str:
        if note.number is None:
            return "–"
        url = reverse("admin:invoices_creditnote_e_invoice", args=[note.pk])
        return e_invoice_link(url, EInvoice.of(note))

    @display(description="Into Stripe")
    def in_stripe(self, note: CreditNote) -> str:
        sync = getattr(note, "sync", None)
        if sync is None:
            return "–"
        steps = ", ".join(
            f"{step}: {'done' if step.done_at else 'to do'}" for step in sync.steps.all()
        )
        return f"{sync.get_status_display()}: {steps}" + (
            f" ({sync.last_error})" if sync.last_error else ""
        )


def _voided(note: CreditNote) -> str:
    if not note.is_void:
        return "It waits for a second person, who confirms it on this page."
    left = money(note.invoice.amount_open, note.currency)
    return f"{note.number} is void; {left} of {note.invoice.number} is open."
