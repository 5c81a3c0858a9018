"""API endpoints of analytics, below /api/v1/."""

from django.urls import path

from analytics.api import views

app_name = "analytics-api"
urlpatterns = [
    path(
        "workspaces/<uuid:workspace_id>/usage-summary/",
        views.UsageSummaryView.as_view(),
        name="usage-summary",
    ),
    path(
        "workspaces/<uuid:workspace_id>/analytics/", views.AnalyticsView.as_view(), name="analytics"
    ),
]
