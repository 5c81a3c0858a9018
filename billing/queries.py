"""Queries about billing periods, and about what a workspace shows of costs."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from django.db.models import (
    Case,
    DateTimeField,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    UUIDField,
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

    There is no fee for a month that was over before its workspace was made.
    """
    counted = (
        PeriodCounter.objects.filter(period=OuterRef("pk"))
        .order_by()
        .values("period")
        .values_list(Sum("final_cost"))
    )
    price = TierPrice.objects.filter(
        tier=OuterRef("tier"), currency=OuterRef("workspace__currency")
    ).values("monthly_fee")
    fee = Case(
        When(period_end__lte=F("workspace__created_at"), then=_ZERO),
        default=Coalesce(Subquery(price), _ZERO),
        output_field=_AMOUNT,
    )
    return periods.annotate(
        live_subtotal=_live(Coalesce(Subquery(counted), _ZERO), "subtotal"),
        live_fee=_live(fee, "subscription_fee"),
    ).annotate(
        live_total=ExpressionWrapper(
            F("live_subtotal") + F("live_fee") + F("credit_brought_forward"), _AMOUNT
        )
    )


def _live(current: Case | Coalesce, frozen: str) -> Case:
    return Case(
        When(Q(status=BillingPeriod.Status.CURRENT), then=current),
        default=F(frozen),
        output_field=_AMOUNT,
    )


class _ActivePeriod(Func):
    """The id of a workspace's active period (`billing_active_period` in the database)."""

    function = "billing_active_period"
    template = "(SELECT active.id FROM %(function)s(%(expressions)s) AS active (id))"
    output_field = UUIDField()


def active_periods(at: dt.datetime) -> "QuerySet[BillingPeriod]":
    """The active period of every workspace: the open one that usage of `at` enters.

    Most often that is the month that holds `at`. Where it was closed early, it is the earliest
    that is open, though it may not have begun: what is used meanwhile is billed with it, so the
    limit, the forecast and "so far" are its own. A workspace has one or none.
    """
    return BillingPeriod.objects.filter(
        status=BillingPeriod.Status.CURRENT,
        pk=_ActivePeriod(F("workspace_id"), Value(at, output_field=DateTimeField())),
    )


def active_period(*, workspace_id: UUID, at: dt.datetime) -> BillingPeriod | None:
    """The workspace's active period (see `active_periods`), with its totals."""
    asked = _ActivePeriod(
        Value(workspace_id, output_field=UUIDField()), Value(at, output_field=DateTimeField())
    )
    return with_totals(BillingPeriod.objects.filter(pk=asked)).first()


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


def workspaces_that_show_cost(workspace_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the workspaces whose members may see costs and markups. One query."""
    shown_by_default = PlatformSetting.objects.filter(name=PlatformSetting.OWNERS_SEE_COST, value=1)
    shown = Q(owners_see=WorkspaceBillingSettings.OwnersSee.PRICE_AND_COST)
    return set(
        WorkspaceBillingSettings.objects.filter(
            shown | (Q(owners_see="") & Exists(shown_by_default)), workspace_id__in=workspace_ids
        ).values_list("workspace_id", flat=True)
    )


def shows_cost(terms: WorkspaceBillingSettings) -> bool:
    """Whether members of the workspace may see what providers charge, and the markup."""
    if terms.owners_see:
        return terms.owners_see == WorkspaceBillingSettings.OwnersSee.PRICE_AND_COST
    return bool(workspaces_that_show_cost([terms.workspace_id]))
