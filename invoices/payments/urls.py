"""Pages of payments."""

from django.urls import path

from invoices.payments import pages

app_name = "payments"
_METHOD = "w/<uuid:workspace_id>/payment-method/"
urlpatterns = [
    path(_METHOD, pages.payment_method, name="payment-method"),
    path(f"{_METHOD}saved/", pages.payment_method_saved, name="payment-method-saved"),
]
