"""Pages of payments."""

from django.urls import path

from invoices.payments import pages
from invoices.payments.webhooks.view import webhook

app_name = "payments"
_METHOD = "w/<uuid:workspace_id>/payment-method/"
urlpatterns = [
    path("stripe/webhook/<uuid:endpoint_uuid>/", webhook, name="webhook"),
    path(_METHOD, pages.payment_method, name="payment-method"),
    path(f"{_METHOD}saved/", pages.payment_method_saved, name="payment-method-saved"),
]
