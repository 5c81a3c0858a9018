"""The weekly summary: a mail on Monday to owners of workspaces with budgets."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from billing import months
from billing.formats import date_range, money, percent
from billing.links import page_url
from billing.models import Email, OptionalMail, Workspace
from billing.money import ZERO
from billing.services.emails import addresses_wanting
from billing.services.notifications import Notification, mail_notification
from usage.models import Budget, UsageRollup
from usage.queries.budgets import BudgetSpan, budgets_with_parts, span_of, standings_now
from usage.resources import resource

_WEEK = dt.timedelta(days=7)
_FROM_HOUR = 7
# A scheduler that was down on Monday makes up for it until Wednesday.
_LAST_WEEKDAY = 2
_TYPES_SHOWN = 5


def mail_weekly_summaries(*, now: dt.datetime) -> int:
    """Mail the summaries of the week before that are due and were not mailed; how many."""
    mailed = 0
    for workspace in Workspace.objects.filter(
        status=Workspace.Status.ACTIVE, budgets__isnull=False
    ).distinct():
        local = now.astimezone(workspace.zone)
        if local.weekday() > _LAST_WEEKDAY or (local.weekday() == 0 and local.hour < _FROM_HOUR):
            continue
        this_week = span_of(Budget.Period.WEEK, local.date())
        with transaction.atomic():
            mailed += _mail(workspace, this_week, now)
    return mailed


def _key(workspace_id: UUID, week: BudgetSpan) -> str:
    return f"weekly-summary:{workspace_id}:{week.first}"


def _mail(workspace: Workspace, this_week: BudgetSpan, now: dt.datetime) -> bool:
    key = _key(workspace.pk, this_week)
    start = months.midnight(this_week.first, workspace.zone)
    # Who makes a first budget on a Tuesday has waited for no summary.
    budgets = list(budgets_with_parts().filter(workspace=workspace, created_at__lt=start))
    if not budgets or Email.objects.filter(key=key).exists():
        return False
    return mail_notification(
        workspace,
        addresses_wanting(workspace, OptionalMail.WEEKLY_SUMMARY),
        lambda: _notification(workspace, this_week, budgets, now),
        key=key,
        kind="weekly_summary",
        now=now,
    )


def _notification(
    workspace: Workspace, this_week: BudgetSpan, budgets: list[Budget], now: dt.datetime
) -> Notification:
    week = BudgetSpan(this_week.first - _WEEK, this_week.first)
    spent = _by_type(workspace.pk, week)
    total = sum(spent.values(), ZERO)
    before = sum(_by_type(workspace.pk, BudgetSpan(week.first - _WEEK, week.first)).values(), ZERO)
    currency = workspace.currency
    largest = sorted(spent.items(), key=lambda each: (-each[1], each[0]))[:_TYPES_SHOWN]
    return Notification(
        subject=_("{workspace}: {amount} spent last week").format(
            workspace=workspace.name, amount=money(total, currency)
        ),
        paragraphs=[
            _("{days}: {amount} for usage, {before} in the week before.").format(
                days=date_range(week.first, week.last),
                amount=money(total, currency),
                before=money(before, currency),
            ),
            _("Below it are the largest parts, and how the budgets stand now."),
            _("In your account you can turn this mail off."),
        ],
        facts=[
            *((resource(name).label, money(cost, currency)) for name, cost in largest),
            *(
                (
                    _("Budget “{name}”").format(name=each.budget.name),
                    _("{spent} of {amount} ({used})").format(
                        spent=money(each.spend, currency),
                        amount=money(each.budget.amount, currency),
                        used=percent(each.used / 100, places=0),
                    ),
                )
                for each in standings_now(budgets, now=now)
            ),
        ],
        link_label=_("See your usage"),
        link_url=page_url("analytics:dashboard", workspace.pk),
    )


def _by_type(workspace_id: UUID, week: BudgetSpan) -> dict[str, Decimal]:
    rows = (
        UsageRollup.objects.filter(
            workspace=workspace_id, usage_date__gte=week.first, usage_date__lt=week.until
        )
        .order_by()
        .values_list("resource_type")
    )
    return dict(rows.annotate(Sum("final_cost")))
