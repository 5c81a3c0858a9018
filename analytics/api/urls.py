"""API endpoints of analytics, below /api/v1/."""

from django.urls import URLPattern

app_name = "analytics-api"
urlpatterns: list[URLPattern] = []
