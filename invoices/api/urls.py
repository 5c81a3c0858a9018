"""API endpoints of invoices, below /api/v1/."""

from django.urls import path

from invoices.api import invoices, periods, upcoming

app_name = "invoices-api"
urlpatterns = [
    path("billing-periods/<uuid:period_id>/finalize/", periods.Finalize.as_view(), name="finalize"),
    path(
        "workspaces/<uuid:workspace_id>/upcoming-invoice/",
        upcoming.UpcomingInvoice.as_view(),
        name="upcoming-invoice",
    ),
    path(
        "workspaces/<uuid:workspace_id>/upcoming-invoice/pdf/",
        upcoming.UpcomingPdf.as_view(),
        name="upcoming-invoice-pdf",
    ),
    path("invoices/", invoices.InvoiceList.as_view(), name="invoices"),
    path("invoices/<uuid:invoice_id>/", invoices.InvoiceDetail.as_view(), name="invoice"),
    path("invoices/<uuid:invoice_id>/pdf/", invoices.InvoicePdf.as_view(), name="invoice-pdf"),
    path(
        "invoices/<uuid:invoice_id>/items/<uuid:item_id>/records/",
        invoices.ItemRecords.as_view(),
        name="item-records",
    ),
]
