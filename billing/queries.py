"""Queries about billing periods."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db.models import (
    Case,
    DecimalField,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from billing.models import (
    BillingPeriod,
    PeriodCounter,
    PlatformSetting,
    TierPrice,
    WorkspaceBillingSettings,
)

_AMOUNT = DecimalField(max_digits=28, decimal_places=10)
_ZERO = Value(Decimal(0), output_field=_AMOUNT)


def with_totals(periods: "QuerySet[BillingPeriod]") -> "QuerySet[BillingPeriod]":
    """`periods` with `live_subtotal`, `live_fee` and `live_total`, all in one query.

    A closed period has its frozen figures. A current one has what its counters hold now, the fee
    of its tier in the workspace's currency, and both with the credit brought forward: what it
    would come to if it closed this moment. Its counters are a few rows found by their period.
    """
    counted = (
        PeriodCounter.objects.filter(period=OuterRef("pk"))
        .order_by()
        .values("period")
        .values_list(Sum("final_cost"))
    )
    fee = TierPrice.objects.filter(
        tier=OuterRef("tier"), currency=OuterRef("workspace__currency")
    ).values("monthly_fee")
    return periods.annotate(
        live_subtotal=_live(Subquery(counted), "subtotal"),
        live_fee=_live(Subquery(fee), "subscription_fee"),
    ).annotate(
        live_total=ExpressionWrapper(
            F("live_subtotal") + F("live_fee") + F("credit_brought_forward"), _AMOUNT
        )
    )


def _live(current: Subquery, frozen: str) -> Case:
    return Case(
        When(Q(status=BillingPeriod.Status.CURRENT), Coalesce(current, _ZERO)),
        default=F(frozen),
        output_field=_AMOUNT,
    )


def period_with_totals(*, workspace_id: UUID, at: dt.datetime) -> BillingPeriod | None:
    """The period of the workspace that holds `at`, with its totals; None when it has none."""
    periods = BillingPeriod.objects.filter(
        workspace_id=workspace_id, period_start__lte=at, period_end__gt=at
    )
    return with_totals(periods).first()


def markup_in_force(workspace_id: UUID) -> Decimal:
    """The workspace's markup, else the platform's, else 20."""
    own = WorkspaceBillingSettings.objects.filter(workspace=workspace_id).values_list(
        "markup_percentage", flat=True
    )
    platform = PlatformSetting.objects.filter(pk=PlatformSetting.MARKUP).values_list(
        "value", flat=True
    )
    for markup in (own.first(), platform.first()):
        if markup is not None:
            return markup
    return Decimal(20)
