"""Context of the overview page: the chosen period, its invoices, and what needs attention."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, OuterRef, Subquery

from analytics.banners import banners
from analytics.period_view import PeriodView
from billing.compiled import CompiledQuery
from billing.models import BillingPeriod, Workspace, WorkspaceMember
from billing.queries import active_period_id, add_totals, with_subtotals
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
    lambda workspace_id, now: (
        with_subtotals(BillingPeriod.objects.filter(workspace_id=workspace_id))
        .annotate(active_id=active_period_id(workspace_id, now))
        .select_related("tier")
        .order_by("-period_start")[:MAX_PERIODS]
    )
)
_recent_invoices = CompiledQuery[Invoice](
    lambda workspace_id: (
        Invoice.objects.filter(workspace_id=workspace_id)
        .select_related("billing_period")
        .order_by("-issued_at", "-id")[:RECENT_INVOICES]
    )
)
_unpaid_invoices = CompiledQuery[Invoice](
    lambda workspace_id: with_standing(
        Invoice.objects.filter(workspace_id=workspace_id, status__in=Invoice.UNPAID)
    ).order_by("issued_at", "id")[:100]
)
_refusals = StripeCustomer.objects.filter(workspace_id=OuterRef("pk"), status="blocked")
_paused_by_limit = VoiceAgent.objects.filter(
    workspace_id=OuterRef("pk"), paused_reason=VoiceAgent.PausedReason.USAGE_LIMIT
)
# Why billing details were refused, and how many agents the limit has paused.
_troubles = CompiledQuery[tuple[str | None, int | None]](
    lambda workspace_id: Workspace.objects.filter(pk=workspace_id).values_list(
        Subquery(_refusals.values("last_error")[:1]),
        Subquery(_paused_by_limit.order_by().values("workspace_id").values_list(Count("pk"))),
    )
)
_dearest = CompiledQuery[CallPrice](
    lambda workspace_id, start, end: (
        CallPrice.objects.filter(
            workspace_id=workspace_id, started_at__gte=start, started_at__lt=end, price__gt=0
        )
        .select_related("agent")
        .order_by("-price", "-call_id")[:DEAREST_CALLS]
    ),
    # Of few calls by when they started, of many by their price.
    plan_each=True,
)


def periods_of(workspace: Workspace, now: dt.datetime) -> list[BillingPeriod]:
    """Newest first, to choose from; `billing.queries.add_totals` completes those that are shown."""
    periods = _periods(workspace.pk, now)
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


def active_id(periods: Sequence[Any]) -> UUID | None:
    """Which of the periods that there are usage of now enters."""
    return periods[0].active_id if periods else None


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
    for invoice in invoices:
        if invoice.billing_period:
            invoice.billing_period.workspace = workspace
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
        # What a closed one came to stands in it.
        add_totals([each for each in (period, before) if each and each.is_current])
        view = PeriodView(membership, period, before, now, is_active=is_active)
        context |= view.context()
        context["dearest"] = _dearest(workspace.pk, period.period_start, period.period_end)
        spend = view.spend.net if is_active else None
    refused_details, paused = _troubles.first(workspace.pk) or ("", 0)
    context["banners"] = banners(
        membership=membership,
        unpaid=_unpaid_invoices(workspace.pk),
        spend=spend,
        expiring=expiring_card_of(workspace.pk, now=now),
        today=now.astimezone(workspace.zone).date(),
        refused_details=refused_details or "",
        paused_by_limit=paused or 0,
        pausing_budgets=[card.budget.name for card in context["budgets"] if card.is_pausing],
    )
    return context


def _before(periods: list[BillingPeriod], period: BillingPeriod) -> BillingPeriod | None:
    return next((each for each in periods if each.period_end == period.period_start), None)
