"""API endpoints of payments, below /api/v1/."""

from django.urls import path

from invoices.payments.api import voiding

app_name = "payments-api"
urlpatterns = [
    path("invoices/<uuid:invoice_id>/void/", voiding.Void.as_view(), name="void"),
]
