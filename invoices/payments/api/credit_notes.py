"""Credit notes: drafted and issued in one request, or waiting for a second person."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone as clock
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import caller_name, visible_or_404
from billing.api.fields import (
    AmountField,
    AwareDateTimeField,
    ExactDecimalField,
    IdField,
    PlainTextField,
)
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.errors import Invalid
from invoices.api.e_invoices import SCHEMA, EInvoiceView
from invoices.models import CreditedRecord, CreditNote, Invoice
from invoices.payments.services.credit_notes import credit_invoice, void_credit_note
from invoices.payments.services.credit_notes.records import credited_records
from invoices.pdf import pdf_response, render_credit_note, xml_response
from invoices.services.e_invoices import credit_note_xml


class CreditedItemSerializer(StrictSerializer):
    item_id = IdField()
    net = ExactDecimalField(integer_digits=17, decimals=3, help_text="Before tax.")


class NewCreditNoteSerializer(StrictSerializer):
    idempotency_key = PlainTextField(
        max_length=128, help_text="Names the note: the same one again is issued once."
    )
    amount = ExactDecimalField(
        integer_digits=17,
        decimals=3,
        required=False,
        help_text="Tax included, of all lines in proportion. Or name `items`.",
    )
    items = CreditedItemSerializer(many=True, required=False)
    reason = serializers.ChoiceField(choices=CreditNote.Reason.choices)
    explanation = PlainTextField(max_length=500, help_text="As the customer reads it.")
    rest_to = serializers.ChoiceField(
        choices=CreditNote.RestTo.choices, help_text="Where what is paid already goes."
    )


class CreditNoteItemSerializer(serializers.Serializer):
    item_id = serializers.UUIDField()
    description = serializers.CharField(source="item.description")
    net = AmountField("net", currency="credit_note.currency")
    billing_period_id = serializers.UUIDField(
        source="period_id",
        allow_null=True,
        help_text="Late reversals: the period that they entered, which is not lowered by them.",
    )
    taken_over = ExactDecimalField(
        allow_null=True, help_text="Late reversals: how much of them, at list price."
    )


class CreditNoteTaxSerializer(serializers.Serializer):
    category = serializers.CharField()
    rate = ExactDecimalField(decimals=4, shown=0)
    base = AmountField("base", currency="credit_note.currency")
    tax = AmountField("tax", currency="credit_note.currency")


class CreditNoteSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    invoice_id = serializers.UUIDField()
    credit_note_number = serializers.CharField(source="number", allow_null=True)
    status = serializers.ChoiceField(
        choices=CreditNote.Status.choices,
        help_text="`draft` waits for a second person, in the admin. `void` takes nothing back; one"
        " without a number was never issued.",
    )
    reason = serializers.ChoiceField(choices=CreditNote.Reason.choices)
    explanation = serializers.CharField()
    currency = serializers.CharField()
    net = AmountField("net")
    tax = AmountField("tax")
    total = AmountField("total")
    to_open = AmountField("to_open")
    to_refund = AmountField("to_refund")
    to_credit = AmountField("to_credit")
    to_out_of_band = AmountField("to_out_of_band")
    items = CreditNoteItemSerializer(many=True)
    taxes = CreditNoteTaxSerializer(many=True)
    issued_at = AwareDateTimeField(allow_null=True)
    voided_at = AwareDateTimeField(allow_null=True)
    void_reason = serializers.CharField(help_text="Why an issued one is void; else empty.")
    void_asked_at = serializers.SerializerMethodField(
        help_text="Somebody has asked to void it, and another has to agree; else null."
    )

    @extend_schema_field(AwareDateTimeField(allow_null=True))
    def get_void_asked_at(self, note: CreditNote) -> str | None:
        asked = getattr(note, "awaited", None)
        return AwareDateTimeField().to_representation(asked.asked_at) if asked else None


def _shown() -> "QuerySet[CreditNote]":
    return CreditNote.objects.select_related("awaited").prefetch_related("items__item", "taxes")


class CreditNotes(ApiView, ListAPIView):
    """The credit notes of an invoice, latest first; posting issues one, if one person may."""

    required_scopes = {"GET": "billing:read", "POST": "billing:write"}
    lists = True
    queryset = CreditNote.objects.none()  # for the schema
    serializer_class = CreditNoteSerializer
    ordering = ("-created_at", "-id")

    @extend_schema(operation_id="credit_notes_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[CreditNote]":
        shown = Invoice.objects.all()
        return _shown().filter(
            invoice=visible_or_404(shown, self.request, pk=self.kwargs["invoice_id"])
        )

    @extend_schema(
        operation_id="credit_notes_issue",
        request=NewCreditNoteSerializer,
        responses={200: CreditNoteSerializer, 201: CreditNoteSerializer},
    )
    def post(self, request: Request, invoice_id: UUID) -> Response:
        invoice = visible_or_404(Invoice.objects.all(), request, pk=invoice_id)
        asked = self.read(NewCreditNoteSerializer)
        key = f"api:{asked['idempotency_key']}"
        known = CreditNote.objects.filter(workspace=invoice.workspace_id, key=key).exists()
        lines = asked.get("items", [])
        items = {each["item_id"]: each["net"] for each in lines}
        if len(items) < len(lines):
            raise Invalid("Name each line once.", field="items", code="repeated_line")
        note = credit_invoice(
            invoice_id=invoice.pk,
            total=asked.get("amount"),
            items=items or None,
            reason=asked["reason"],
            explanation=asked["explanation"],
            rest_to=asked["rest_to"],
            key=key,
            drafted_by=caller_name(request),
            now=clock.now(),
        )
        shown = _shown().get(pk=note.pk)
        return Response(CreditNoteSerializer(shown).data, status=200 if known else 201)


class CreditedRecordSerializer(serializers.Serializer):
    record_id = serializers.UUIDField(help_text="The reversal.")
    reversed_id = serializers.UUIDField(help_text="The record that it takes back.")
    call_id = serializers.UUIDField(allow_null=True)
    item_id = serializers.UUIDField(source="item.item_id", help_text="Of the invoice.")
    amount = ExactDecimalField(help_text="At list price.")


class CreditNoteRecords(ApiView, ListAPIView):
    """The usage records that an issued credit note gives back; none where it is about an amount."""

    required_scopes = {"GET": "billing:read"}
    lists = True
    queryset = CreditedRecord.objects.none()  # for the schema
    serializer_class = CreditedRecordSerializer
    ordering = ("reversed_id", "id")

    @extend_schema(operation_id="credit_notes_records")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[CreditedRecord]":
        note = visible_or_404(
            CreditNote.objects.filter(CreditNote.NUMBERED),
            self.request,
            pk=self.kwargs["credit_note_id"],
        )
        return credited_records(note)


class VoidCreditNoteSerializer(StrictSerializer):
    reason = PlainTextField(max_length=500, help_text="Why; the customer reads it.")


class VoidCreditNote(ApiView):
    """Has an issued credit note take nothing back any more; its number stays used.

    Only while none of its money has moved for good: no refund, nothing sent back, and what became
    credit is still there. Again it changes nothing. Over `SECOND_PERSON_ABOVE` it stays issued
    with `void_asked_at`, until a second person confirms it in the admin, or another key asks too.
    """

    required_scopes = {"POST": "billing:write"}
    serializer_class = VoidCreditNoteSerializer

    @extend_schema(operation_id="credit_notes_void", responses=CreditNoteSerializer)
    def post(self, request: Request, credit_note_id: UUID) -> Response:
        note = visible_or_404(
            CreditNote.objects.filter(CreditNote.NUMBERED), request, pk=credit_note_id
        )
        asked = self.read(VoidCreditNoteSerializer)
        void_credit_note(
            credit_note_id=note.pk,
            reason=asked["reason"],
            by=caller_name(request),
            now=clock.now(),
        )
        return Response(CreditNoteSerializer(_shown().get(pk=note.pk)).data)


class CreditNotePdf(ApiView):
    """An issued credit note as PDF."""

    required_scopes = {"GET": "billing:read"}

    @extend_schema(
        operation_id="credit_notes_pdf", responses={(200, "application/pdf"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, credit_note_id: UUID) -> HttpResponse:
        note = visible_or_404(
            CreditNote.objects.filter(CreditNote.NUMBERED).select_related("invoice", "workspace"),
            request,
            pk=credit_note_id,
        )
        return pdf_response(render_credit_note(note), f"{note.number}.pdf", inline=True)


class CreditNoteEInvoice(EInvoiceView):
    """An issued credit note for software, as XML, as its invoice is."""

    @extend_schema(operation_id="credit_notes_e_invoice", **SCHEMA)
    def get(self, request: Request, credit_note_id: UUID) -> HttpResponse:
        note = visible_or_404(
            CreditNote.objects.filter(CreditNote.NUMBERED).select_related(
                "invoice__billing_period", "workspace"
            ),
            request,
            pk=credit_note_id,
        )
        wanted = self.wanted(note.workspace)
        return xml_response(credit_note_xml(note, wanted), f"{note.number}-{wanted}.xml")
