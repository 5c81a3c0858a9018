"""API endpoints of billing, below /api/v1/."""

from django.urls import path

from billing.api import (
    audit,
    card_assignments,
    coupons,
    periods,
    prices,
    provider_costs,
    rate_cards,
    sheets,
    taxes,
    terms,
    workspace_prices,
    workspaces,
)

app_name = "billing-api"
urlpatterns = [
    path("audit-log/", audit.AuditLog.as_view(), name="audit-log"),
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
    path(
        "workspaces/<uuid:workspace_id>/pricing/",
        workspace_prices.WorkspacePricing.as_view(),
        name="workspace-pricing",
    ),
    path(
        "workspaces/<uuid:workspace_id>/price-overrides/",
        workspace_prices.OverrideList.as_view(),
        name="price-overrides",
    ),
    path(
        "workspaces/<uuid:workspace_id>/price-overrides/<uuid:override_id>/",
        workspace_prices.OverrideDetail.as_view(),
        name="price-override",
    ),
    path("workspaces/<uuid:workspace_id>/add-ons/", terms.AddOnList.as_view(), name="add-ons"),
    path(
        "workspaces/<uuid:workspace_id>/add-ons/<uuid:add_on_id>/",
        terms.AddOnDetail.as_view(),
        name="add-on",
    ),
    path(
        "workspaces/<uuid:workspace_id>/commitments/",
        terms.CommitmentList.as_view(),
        name="commitments",
    ),
    path(
        "workspaces/<uuid:workspace_id>/commitments/<uuid:commitment_id>/",
        terms.CommitmentDetail.as_view(),
        name="commitment",
    ),
    path(
        "workspaces/<uuid:workspace_id>/discounts/",
        terms.DiscountList.as_view(),
        name="discounts",
    ),
    path(
        "workspaces/<uuid:workspace_id>/discounts/<uuid:discount_id>/",
        terms.DiscountDetail.as_view(),
        name="discount",
    ),
    path("coupons/", coupons.CouponList.as_view(), name="coupons"),
    path("coupons/<uuid:coupon_id>/", coupons.CouponDetail.as_view(), name="coupon"),
    path("rate-cards/", rate_cards.CardList.as_view(), name="rate-cards"),
    path("rate-cards/<uuid:card_id>/", rate_cards.CardDetail.as_view(), name="rate-card"),
    path(
        "rate-cards/<uuid:card_id>/versions/",
        rate_cards.VersionList.as_view(),
        name="rate-card-versions",
    ),
    path(
        "rate-cards/<uuid:card_id>/versions/<int:number>/",
        rate_cards.VersionDetail.as_view(),
        name="rate-card-version",
    ),
    path(
        "rate-cards/<uuid:card_id>/versions/<int:number>/csv/",
        sheets.VersionSheet.as_view(),
        name="rate-card-version-csv",
    ),
    path(
        "rate-cards/<uuid:card_id>/versions/<int:number>/publish/",
        rate_cards.VersionPublish.as_view(),
        name="rate-card-publish",
    ),
    path(
        "rate-cards/<uuid:card_id>/assignments/",
        card_assignments.AssignmentList.as_view(),
        name="rate-card-assignments",
    ),
    path(
        "rate-cards/<uuid:card_id>/assignments/<uuid:assignment_id>/",
        card_assignments.AssignmentDetail.as_view(),
        name="rate-card-assignment",
    ),
    path("provider-costs/csv/", sheets.CostSheet.as_view(), name="provider-costs-csv"),
    path("exchange-rates/csv/", sheets.ExchangeRateSheet.as_view(), name="exchange-rates-csv"),
    path("tax-registrations/", taxes.RegistrationList.as_view(), name="tax-registrations"),
    path("tax-rates/", taxes.RateList.as_view(), name="tax-rates"),
    path("provider-costs/", provider_costs.CostList.as_view(), name="provider-costs"),
    path(
        "provider-costs/<uuid:cost_id>/", provider_costs.CostDetail.as_view(), name="provider-cost"
    ),
    path("exchange-rates/", provider_costs.ExchangeRateList.as_view(), name="exchange-rates"),
    path("prices/preview/", prices.PricePreview.as_view(), name="price-preview"),
    path("billing-periods/<uuid:period_id>/", periods.PeriodDetail.as_view(), name="period"),
]
