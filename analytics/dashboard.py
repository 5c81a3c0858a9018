"""Context of the overview page: the chosen period, its invoices, and what needs attention."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db.models import Count

from analytics.banners import banners
from analytics.period_view import PeriodView
from billing.compiled import CompiledQuery
from billing.models import BillingPeriod, Workspace, WorkspaceMember
from billing.queries import active_periods, add_totals, with_subtotals
from invoices.models import Invoice
from invoices.payments.models import StripeCustomer
from invoices.queries import expiring_card_of, with_standing
from usage.budget_cards import cards_of
from usage.models import CallPrice, VoiceAgent

RECENT_INVOICES = 6
DEAREST_CALLS = 5
# Periods offered for choice; older ones are reached through their invoices.
MAX_PERIODS = 24

_periods = CompiledQuery[BillingPeriod](
    lambda workspace_id: (
        with_subtotals(BillingPeriod.objects.filter(workspace_id=workspace_id))
        .select_related("tier")
        .order_by("-period_start")[:MAX_PERIODS]
    )
)
_active = CompiledQuery[UUID](
    lambda now, workspace_id: (
        active_periods(now).filter(workspace_id=workspace_id).values_list("pk", flat=True)[:1]
    )
)
_recent_invoices = CompiledQuery[Invoice](
    lambda workspace_id: (
        Invoice.objects.filter(workspace_id=workspace_id)
        .select_related("billing_period__workspace")
        .order_by("-issued_at", "-id")[:RECENT_INVOICES]
    )
)
_unpaid_invoices = CompiledQuery[Invoice](
    lambda workspace_id: with_standing(
        Invoice.objects.filter(workspace_id=workspace_id, status__in=Invoice.UNPAID)
    ).order_by("issued_at", "id")[:100]
)
_refused_details = CompiledQuery[str](
    lambda workspace_id: StripeCustomer.objects.filter(
        workspace_id=workspace_id, status="blocked"
    ).values_list("last_error", flat=True)[:1]
)
_paused_by_limit = CompiledQuery[int](
    lambda workspace_id: (
        VoiceAgent.objects.filter(
            workspace_id=workspace_id, paused_reason=VoiceAgent.PausedReason.USAGE_LIMIT
        )
        .order_by()
        .values("workspace_id")
        .values_list(Count("pk"), flat=True)
    )
)
_dearest = CompiledQuery[CallPrice](
    lambda workspace_id, start, end: (
        CallPrice.objects.filter(
            workspace_id=workspace_id, started_at__gte=start, started_at__lt=end, price__gt=0
        )
        .select_related("agent")
        .order_by("-price", "-call_id")[:DEAREST_CALLS]
    )
)


def periods_of(workspace: Workspace) -> list[BillingPeriod]:
    """Newest first, to choose from; `billing.queries.add_totals` completes those that are shown."""
    periods = _periods(workspace.pk)
    for period in periods:
        period.workspace = workspace
    return periods


def chosen_period(
    periods: list[BillingPeriod], chosen: UUID | None, active: UUID | None
) -> BillingPeriod | None:
    """The one asked for, else the active one, else the newest."""
    for period in periods:
        if period.pk == (chosen or active):
            return period
    return periods[0] if periods and not chosen else None


def active_id(workspace_id: UUID, now: dt.datetime) -> UUID | None:
    """The period that usage of now enters."""
    return _active.first(now, workspace_id)


def overview(
    *,
    membership: WorkspaceMember,
    periods: list[BillingPeriod],
    period: BillingPeriod | None,
    active: UUID | None,
    now: dt.datetime,
) -> dict[str, Any]:
    """The template context of `analytics/dashboard.html`; as many queries, whatever was used."""
    workspace = membership.workspace
    invoices = _recent_invoices(workspace.pk)
    context: dict[str, Any] = {
        "periods": periods,
        "period": period,
        "active_id": active,
        "invoices": invoices,
        "budgets": cards_of(workspace, now=now),
    }
    spend = None
    if period is not None:
        is_active = period.pk == active
        before = _before(periods, period)
        add_totals([each for each in (period, before) if each])
        view = PeriodView(membership, period, before, now, is_active=is_active)
        context |= view.context()
        context["dearest"] = _dearest(workspace.pk, period.period_start, period.period_end)
        spend = view.spend.net if is_active else None
    context["banners"] = banners(
        membership=membership,
        unpaid=_unpaid_invoices(workspace.pk),
        spend=spend,
        expiring=expiring_card_of(workspace.pk, now=now),
        today=now.astimezone(workspace.zone).date(),
        refused_details=_refused_details.first(workspace.pk) or "",
        paused_by_limit=_paused_by_limit.first(workspace.pk) or 0,
        pausing_budgets=[card.budget.name for card in context["budgets"] if card.is_pausing],
    )
    return context


def _before(periods: list[BillingPeriod], period: BillingPeriod) -> BillingPeriod | None:
    return next((each for each in periods if each.period_end == period.period_start), None)
