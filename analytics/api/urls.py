"""API endpoints of analytics, below /api/v1/."""

from django.urls import path

from analytics.api import views, what_if

app_name = "analytics-api"
urlpatterns = [
    path(
        "workspaces/<uuid:workspace_id>/usage-summary/",
        views.UsageSummaryView.as_view(),
        name="usage-summary",
    ),
    path("prices/what-if/", what_if.WhatIfView.as_view(), name="what-if"),
    path(
        "workspaces/<uuid:workspace_id>/analytics/", views.AnalyticsView.as_view(), name="analytics"
    ),
]
