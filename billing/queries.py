"""Queries about billing periods, and about what a workspace shows of costs."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID

from django.db.models import (
    Case,
    DateTimeField,
    DecimalField,
    Exists,
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

from billing.charges import TermsReader, frozen_charges
from billing.compiled import CompiledQuery
from billing.models import (
    BillingPeriod,
    IssuingEntity,
    PeriodCounter,
    PlatformSetting,
    Workspace,
    WorkspaceBillingSettings,
)
from billing.models.periods import PeriodQuerySet
from billing.money import EXACT, ZERO
from billing.rating.bills import charged, period_charges
from billing.rating.charges import ChargeKind
from billing.signals import adjustments_asked
from billing.stripe_accounts import DEFAULT, AccountName

_AMOUNT = DecimalField(max_digits=28, decimal_places=10)
_ZERO = Value(Decimal(0), output_field=_AMOUNT)


def with_totals(periods: "QuerySet[BillingPeriod]") -> "PeriodQuerySet":
    """`periods` with their workspaces, `live_subtotal`, `live_charges`, the sums of these by kind
    (`live_fee`, `live_add_ons`, `live_discounts`, `live_shortfall`, `live_manual`), `live_total`.

    A closed period has its frozen figures. A current one has what its counters hold now, and what
    it would be charged besides if it closed this moment. Its counters are a few rows found by their
    period. Two more queries than that of the periods, for any number of them: terms, and what was
    frozen. `live_subtotal` alone is a column that can be ordered by.

    There is no fee for a month that was over before its workspace was made.

    `live_subtotal` is net, and `live_adjustment` says how much of it prices of the whole period
    added to list prices. Where a running period has such prices, the column is still at list price.
    """
    return with_subtotals(periods.select_related("workspace")).completed_by(add_totals)


def with_subtotals(periods: "QuerySet[BillingPeriod]") -> "PeriodQuerySet":
    """Only the column of `with_totals`: for many, of which `add_totals` completes a few."""
    assert isinstance(periods, PeriodQuerySet)
    counted = (
        PeriodCounter.objects.filter(period=OuterRef("pk"))
        .order_by()
        .values("period")
        .values_list(Sum("final_cost"))
    )
    return periods.annotate(live_subtotal=_live(Coalesce(Subquery(counted), _ZERO), "subtotal"))


def _live(current: Coalesce, frozen: str) -> Case:
    return Case(
        When(Q(status=BillingPeriod.Status.CURRENT), then=current),
        default=F(frozen),
        output_field=_AMOUNT,
    )


def add_totals(periods: list[Any]) -> None:
    """Complete periods that come `with_subtotals` and their workspaces; two queries at most."""
    current = [period for period in periods if period.is_current]
    closed = [period.pk for period in periods if not period.is_current]
    terms = TermsReader(period.workspace_id for period in current) if current else None
    frozen = frozen_charges(closed) if closed else {}
    added = _adjustments([period.pk for period in current if period.has_meters])
    for period in periods:
        period.live_adjustment = period.adjustment
        if period.is_current:
            period.live_adjustment = added.get(period.pk, ZERO)
            period.live_subtotal = EXACT.add(period.live_subtotal, period.live_adjustment)
        period.live_terms = terms.of(period) if terms and period.is_current else None
        charges = frozen.get(period.pk, [])
        period.live_charges = charges
        if period.live_terms:
            period.live_charges = period_charges(
                period.live_terms, EXACT.add(period.live_subtotal, period.reversals_credited)
            )
            sums = charged(period.live_charges)
            period.live_fee = sums[ChargeKind.SUBSCRIPTION]
            period.live_add_ons = sums[ChargeKind.ADD_ON]
            period.live_discounts = sums[ChargeKind.DISCOUNT]
            period.live_shortfall = sums[ChargeKind.COMMITMENT]
            period.live_manual = sums[ChargeKind.MANUAL]
        else:
            period.live_fee = period.subscription_fee
            period.live_add_ons = period.add_on_fees
            period.live_discounts = period.discounts
            period.live_shortfall = period.commitment_shortfall
            period.live_manual = period.manual_items
        with localcontext(EXACT):
            period.live_total = (
                period.live_subtotal
                + period.live_fee
                + period.live_add_ons
                + period.live_discounts
                + period.live_shortfall
                + period.live_manual
                + period.credit_brought_forward
                + period.reversals_credited
            )


def _adjustments(period_ids: list[UUID]) -> dict[UUID, Decimal]:
    found: dict[UUID, Decimal] = {}
    if period_ids:
        answers: list[Any] = adjustments_asked.send(BillingPeriod, period_ids=period_ids)
        for _, amounts in answers:
            found.update(amounts)
    return found


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


_active = CompiledQuery[BillingPeriod](
    lambda workspace_id, at: with_totals(
        BillingPeriod.objects.filter(pk=active_period_id(workspace_id, at))
    ).order_by()
)


def active_period_id(workspace_id: UUID, at: dt.datetime) -> Func:
    """Its id, in a query: of no rows in it, so that it is looked up once."""
    return _ActivePeriod(
        Value(workspace_id, output_field=UUIDField()), Value(at, output_field=DateTimeField())
    )


def active_period(*, workspace_id: UUID, at: dt.datetime) -> BillingPeriod | None:
    """The workspace's active period (see `active_periods`), with its totals, net."""
    return _active.first(workspace_id, at)


def issuing_entity_at(workspace: Workspace, at: dt.datetime) -> IssuingEntity | None:
    """Who invoices the workspace then: a change holds from the next period on."""
    return issuer_of(workspace, active_periods(at).filter(workspace=workspace).first())


def issuer_of(workspace: Workspace, period: BillingPeriod | None) -> IssuingEntity | None:
    """Who invoices the workspace, by its active period."""
    return workspace.issuing_entity if period is None else period.issuing_entity


_account = CompiledQuery[AccountName](
    lambda workspace_id: (
        IssuingEntity.objects.filter(workspaces=workspace_id)
        .order_by()
        .values_list("stripe_account", flat=True)
    )
)


def account_of_workspace(workspace_id: UUID) -> AccountName:
    """The Stripe account that its next periods are collected by, and where it keeps a card."""
    return _account.first(workspace_id) or DEFAULT


_platform_markup = CompiledQuery[Decimal](
    lambda name: PlatformSetting.objects.filter(pk=name).values_list("value", flat=True)
)


def markup_in_force(workspace_id: UUID) -> Decimal:
    """The workspace's markup, else the platform's, else 20."""
    return markup_by(WorkspaceBillingSettings.objects.get(workspace=workspace_id))


def markup_by(terms: WorkspaceBillingSettings) -> Decimal:
    """The same by a workspace's terms."""
    if terms.markup_percentage is not None:
        return terms.markup_percentage
    platform = _platform_markup.first(PlatformSetting.MARKUP)
    return Decimal(20) if platform is None else platform


def workspaces_that_show_cost(workspace_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the workspaces whose members may see costs and markups. One query."""
    return set(_that_show_cost().filter(workspace_id__in=workspace_ids))


def _that_show_cost() -> "QuerySet[WorkspaceBillingSettings, UUID]":
    shown_by_default = PlatformSetting.objects.filter(name=PlatformSetting.OWNERS_SEE_COST, value=1)
    shown = Q(owners_see=WorkspaceBillingSettings.OwnersSee.PRICE_AND_COST)
    return WorkspaceBillingSettings.objects.filter(
        shown | (Q(owners_see="") & Exists(shown_by_default))
    ).values_list("workspace_id", flat=True)


_that_shows_cost = CompiledQuery[UUID](
    lambda workspace_id: _that_show_cost().filter(workspace_id=workspace_id)
)


def shows_cost(terms: WorkspaceBillingSettings) -> bool:
    """Whether members of the workspace may see what providers charge, and the markup."""
    if terms.owners_see:
        return terms.owners_see == WorkspaceBillingSettings.OwnersSee.PRICE_AND_COST
    return bool(_that_shows_cost(terms.workspace_id))
