"""Pages of invoices."""

from django.urls import path

from invoices import pages

app_name = "invoices"
_INVOICE = "w/<uuid:workspace_id>/invoices/<uuid:invoice_id>/"
urlpatterns = [
    path("w/<uuid:workspace_id>/invoices/", pages.invoice_list, name="list"),
    path("w/<uuid:workspace_id>/invoices.zip", pages.year_zip, name="year-zip"),
    path("w/<uuid:workspace_id>/invoices/upcoming/", pages.upcoming, name="upcoming"),
    path("w/<uuid:workspace_id>/invoices/upcoming/pdf/", pages.upcoming_pdf, name="upcoming-pdf"),
    path(_INVOICE, pages.detail, name="detail"),
    path(f"{_INVOICE}pdf/", pages.pdf, name="pdf"),
    path(f"{_INVOICE}e-invoice/", pages.e_invoice, name="e-invoice"),
    path(
        "w/<uuid:workspace_id>/credit-notes/<uuid:credit_note_id>/pdf/",
        pages.credit_note_pdf,
        name="credit-note-pdf",
    ),
    path(
        "w/<uuid:workspace_id>/credit-notes/<uuid:credit_note_id>/e-invoice/",
        pages.credit_note_e_invoice,
        name="credit-note-e-invoice",
    ),
    path(f"{_INVOICE}items/<uuid:item_id>/", pages.item_records, name="item"),
]
