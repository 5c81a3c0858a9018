"""API endpoints of usage, below /api/v1/."""

from django.urls import path

from usage.api import hot

app_name = "usage-api"
urlpatterns = [
    path("usage/", hot.record_one, name="usage"),
    path("usage/batch/", hot.record_batch, name="usage-batch"),
    path("calls/", hot.record_call, name="calls"),
    path("calls/batch/", hot.record_call_batch, name="calls-batch"),
    path("workspaces/<uuid:workspace_id>/admission/", hot.admission, name="admission"),
]
