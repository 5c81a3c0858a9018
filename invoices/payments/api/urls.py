"""API endpoints of payments, below /api/v1/."""

from django.urls import path

from invoices.payments.api import (
    call_disputes,
    certificates,
    chargebacks,
    credit_notes,
    payments,
    statements,
    voiding,
)

app_name = "payments-api"
_WORKSPACE = "workspaces/<uuid:workspace_id>"
urlpatterns = [
    path(
        "invoices/<uuid:invoice_id>/certificate/",
        certificates.CertificateView.as_view(),
        name="certificate",
    ),
    path(
        "invoices/<uuid:invoice_id>/certificate/pdf/",
        certificates.CertificatePdf.as_view(),
        name="certificate-pdf",
    ),
    path("invoices/<uuid:invoice_id>/void/", voiding.VoidInvoice.as_view(), name="void"),
    path(
        "invoices/<uuid:invoice_id>/credit-notes/",
        credit_notes.CreditNotes.as_view(),
        name="credit-notes",
    ),
    path(
        "credit-notes/<uuid:credit_note_id>/void/",
        credit_notes.VoidCreditNote.as_view(),
        name="credit-note-void",
    ),
    path(
        "credit-notes/<uuid:credit_note_id>/pdf/",
        credit_notes.CreditNotePdf.as_view(),
        name="credit-note-pdf",
    ),
    path(
        "credit-notes/<uuid:credit_note_id>/e-invoice/",
        credit_notes.CreditNoteEInvoice.as_view(),
        name="credit-note-e-invoice",
    ),
    path(
        "credit-notes/<uuid:credit_note_id>/records/",
        credit_notes.CreditNoteRecords.as_view(),
        name="credit-note-records",
    ),
    path(
        f"{_WORKSPACE}/call-disputes/", call_disputes.CallDisputes.as_view(), name="call-disputes"
    ),
    path(
        f"{_WORKSPACE}/calls/<uuid:call_id>/dispute/",
        call_disputes.DisputeOfCall.as_view(),
        name="call-dispute",
    ),
    path(
        "call-disputes/<uuid:dispute_id>/withdraw/",
        call_disputes.WithdrawDispute.as_view(),
        name="call-dispute-withdraw",
    ),
    path(f"{_WORKSPACE}/chargebacks/", chargebacks.Chargebacks.as_view(), name="chargebacks"),
    path(
        "chargebacks/<uuid:chargeback_id>/decide/",
        chargebacks.DecideChargeback.as_view(),
        name="chargeback-decide",
    ),
    path(f"{_WORKSPACE}/statement/", statements.StatementView.as_view(), name="statement"),
    path(f"{_WORKSPACE}/statement/csv/", statements.StatementCsv.as_view(), name="statement-csv"),
    path(f"{_WORKSPACE}/statement/pdf/", statements.StatementPdf.as_view(), name="statement-pdf"),
    path(f"{_WORKSPACE}/payments/", payments.Payments.as_view(), name="payments"),
    path("payments/<uuid:payment_id>/take-back/", payments.TakeBack.as_view(), name="take-back"),
    path(f"{_WORKSPACE}/credit/", payments.Credit.as_view(), name="credit"),
]
