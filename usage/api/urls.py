"""API endpoints of usage, below /api/v1/."""

from django.urls import path

from usage.api import agents, budgets, calls, estimates, ingest, records

app_name = "usage-api"
urlpatterns = [
    path("agents/", agents.AgentList.as_view(), name="agents"),
    path("agents/<uuid:agent_id>/", agents.AgentDetail.as_view(), name="agent"),
    path("usage/", records.UsageList.as_view(), name="usage"),
    path("usage/batch/", ingest.UsageBatch.as_view(), name="usage-batch"),
    path("usage/estimate/", estimates.UsageEstimate.as_view(), name="usage-estimate"),
    path("usage/<uuid:record_id>/", records.UsageDetail.as_view(), name="usage-record"),
    path("usage/<uuid:record_id>/void/", records.VoidRecord.as_view(), name="void"),
    path("usage/<uuid:record_id>/true-up/", records.TrueUp.as_view(), name="true-up"),
    path("calls/", calls.CallList.as_view(), name="calls"),
    path("calls/batch/", ingest.CallBatch.as_view(), name="calls-batch"),
    path("calls/<uuid:call_id>/", calls.CallDetail.as_view(), name="call"),
    path("calls/<uuid:call_id>/receipt/", calls.Receipt.as_view(), name="receipt"),
    path(
        "workspaces/<uuid:workspace_id>/admission/",
        ingest.AdmissionCheck.as_view(),
        name="admission",
    ),
    path("workspaces/<uuid:workspace_id>/budgets/", budgets.BudgetList.as_view(), name="budgets"),
    path(
        "workspaces/<uuid:workspace_id>/budgets/<uuid:budget_id>/",
        budgets.BudgetDetail.as_view(),
        name="budget",
    ),
]
