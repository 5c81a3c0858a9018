"""API endpoints of billing, below /api/v1/."""

from django.urls import URLPattern

app_name = "billing-api"
urlpatterns: list[URLPattern] = []
