"""Pages of invoices."""

from django.urls import path

from invoices import pages, pages_payment

app_name = "invoices"
_INVOICE = "w/<uuid:workspace_id>/invoices/<uuid:invoice_id>/"
urlpatterns = [
    path("w/<uuid:workspace_id>/invoices/", pages.invoice_list, name="list"),
    path(_INVOICE, pages.detail, name="detail"),
    path(f"{_INVOICE}pdf/", pages.pdf, name="pdf"),
    path(f"{_INVOICE}items/<uuid:item_id>/", pages.item_records, name="item"),
    path(
        "w/<uuid:workspace_id>/payment-method/", pages_payment.payment_method, name="payment-method"
    ),
    path(
        "w/<uuid:workspace_id>/payment-method/saved/",
        pages_payment.payment_method_saved,
        name="payment-method-saved",
    ),
]
