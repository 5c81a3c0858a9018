"""API endpoints of invoices, below /api/v1/."""

from django.urls import path

from invoices.api import e_invoices, invoices, manual_items, periods, trials, upcoming

app_name = "invoices-api"
urlpatterns = [
    path("billing-periods/<uuid:period_id>/finalize/", periods.Finalize.as_view(), name="finalize"),
    path(
        "workspaces/<uuid:workspace_id>/invoices.zip", invoices.YearZip.as_view(), name="year-zip"
    ),
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
    path(
        "workspaces/<uuid:workspace_id>/manual-items/",
        manual_items.ManualItemList.as_view(),
        name="manual-items",
    ),
    path(
        "workspaces/<uuid:workspace_id>/manual-items/<uuid:line_id>/",
        manual_items.ManualItemDetail.as_view(),
        name="manual-item",
    ),
    path(
        "workspaces/<uuid:workspace_id>/manual-items/<uuid:line_id>/approve/",
        manual_items.ManualItemApprove.as_view(),
        name="manual-item-approve",
    ),
    path(
        "workspaces/<uuid:workspace_id>/manual-items/<uuid:line_id>/cancel/",
        manual_items.ManualItemCancel.as_view(),
        name="manual-item-cancel",
    ),
    path(
        "workspaces/<uuid:workspace_id>/one-off-invoices/",
        manual_items.OneOffList.as_view(),
        name="one-off-invoices",
    ),
    path("trial-invoices/", trials.TrialList.as_view(), name="trial-invoices"),
    path("trial-invoices/approve/", trials.TrialApprove.as_view(), name="trial-invoices-approve"),
    path("invoices/", invoices.InvoiceList.as_view(), name="invoices"),
    path("invoices/<uuid:invoice_id>/", invoices.InvoiceDetail.as_view(), name="invoice"),
    path("invoices/<uuid:invoice_id>/pdf/", invoices.InvoicePdf.as_view(), name="invoice-pdf"),
    path(
        "invoices/<uuid:invoice_id>/e-invoice/",
        e_invoices.InvoiceEInvoice.as_view(),
        name="invoice-e-invoice",
    ),
    path(
        "invoices/<uuid:invoice_id>/items/<uuid:item_id>/records/",
        invoices.ItemRecords.as_view(),
        name="item-records",
    ),
]
