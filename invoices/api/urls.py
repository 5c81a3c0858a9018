"""API endpoints of invoices, below /api/v1/."""

from django.urls import URLPattern

app_name = "invoices-api"
urlpatterns: list[URLPattern] = []
