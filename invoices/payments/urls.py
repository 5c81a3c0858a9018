"""Pages of payments."""

from django.urls import path

from invoices.payments import (
    credit_note_pages,
    dispute_pages,
    history_pages,
    pages,
    statement_pages,
)
from invoices.payments.webhooks.view import webhook

app_name = "payments"
_METHOD = "w/<uuid:workspace_id>/payment-method/"
_STATEMENT = "w/<uuid:workspace_id>/statement/"
_INVOICE = "w/<uuid:workspace_id>/invoices/<uuid:invoice_id>/"
_CREDIT_NOTE = "w/<uuid:workspace_id>/credit-notes/<uuid:credit_note_id>/"
urlpatterns = [
    path("stripe/webhook/<uuid:endpoint_uuid>/", webhook, name="webhook"),
    path("stripe/webhook/<slug:account>/<uuid:endpoint_uuid>/", webhook, name="webhook-of-account"),
    path(f"{_INVOICE}certificate/", pages.certificate, name="certificate"),
    path(f"{_INVOICE}certificate.json", pages.certificate_json, name="certificate-json"),
    path(_CREDIT_NOTE, credit_note_pages.page, name="credit-note"),
    path(f"{_CREDIT_NOTE}records.csv", credit_note_pages.records, name="credit-note-records"),
    path(
        "w/<uuid:workspace_id>/calls/<uuid:call_id>/dispute/",
        dispute_pages.dispute_call,
        name="dispute-call",
    ),
    path(
        "w/<uuid:workspace_id>/disputes/<uuid:dispute_id>/withdraw/",
        dispute_pages.withdraw,
        name="dispute-withdraw",
    ),
    path("w/<uuid:workspace_id>/payments/", history_pages.page, name="history"),
    path("w/<uuid:workspace_id>/payments.csv", history_pages.as_csv, name="history-csv"),
    path(_STATEMENT, statement_pages.page, name="statement"),
    path(f"{_STATEMENT}csv/", statement_pages.as_csv, name="statement-csv"),
    path(f"{_STATEMENT}pdf/", statement_pages.as_pdf, name="statement-pdf"),
    path(_METHOD, pages.payment_method, name="payment-method"),
    path(f"{_METHOD}saved/", pages.payment_method_saved, name="payment-method-saved"),
]
