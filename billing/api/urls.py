"""API endpoints of billing, below /api/v1/."""

from django.urls import path

from billing.api import periods, prices, workspaces

app_name = "billing-api"
urlpatterns = [
    path("workspaces/", workspaces.WorkspaceList.as_view(), name="workspaces"),
    path("workspaces/<uuid:workspace_id>/", workspaces.WorkspaceDetail.as_view(), name="workspace"),
    path(
        "workspaces/<uuid:workspace_id>/billing-settings/",
        workspaces.BillingSettings.as_view(),
        name="billing-settings",
    ),
    path(
        "workspaces/<uuid:workspace_id>/members/", workspaces.MemberList.as_view(), name="members"
    ),
    path(
        "workspaces/<uuid:workspace_id>/members/<uuid:member_id>/",
        workspaces.MemberDetail.as_view(),
        name="member",
    ),
    path("billing-periods/", periods.PeriodList.as_view(), name="periods"),
    path("prices/preview/", prices.PricePreview.as_view(), name="price-preview"),
    path("billing-periods/<uuid:period_id>/", periods.PeriodDetail.as_view(), name="period"),
]
