"""API endpoints of usage, below /api/v1/."""

from django.urls import URLPattern

app_name = "usage-api"
urlpatterns: list[URLPattern] = []
