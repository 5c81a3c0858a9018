"""One period as its owner reads it: the bill, the limit, the forecast, figures and comparisons."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from analytics import breakdowns, figures
from analytics.call_sums import Calls, call_sums_between, calls_between
from analytics.dimensions import dimensions_of_period
from analytics.forecast import Forecast, forecast
from analytics.queries import Spend, days_of, included_units, spend_of_periods, totals_at, totals_of
from analytics.shown import ShownAmounts
from billing import months
from billing.formats import duration, exact_money, money, number, percent
from billing.models import BillingPeriod, Workspace, WorkspaceBillingSettings, WorkspaceMember
from billing.money import ZERO, exponent
from invoices.queries import invoice_of
from usage.resources import resource


@dataclass(frozen=True)
class LimitMeter:
    """Usage against the limit; amounts in the workspace's currency, lengths in percent.

    `spend` decides what state it is in, `shown` is that amount as the page says it.
    """

    spend: Decimal
    shown: Decimal
    limit: Decimal
    threshold: Decimal

    @property
    def used(self) -> Decimal:
        return self.spend / self.limit if self.limit else Decimal(1)

    @property
    def fill(self) -> str:
        return f"{min(max(self.used, ZERO), Decimal(1)) * 100:.1f}"

    @property
    def tick(self) -> str:
        return f"{self.threshold:.2f}"

    @property
    def threshold_amount(self) -> Decimal:
        return self.limit * self.threshold / 100

    @property
    def remaining(self) -> Decimal:
        return max(self.limit - self.shown, ZERO)

    @property
    def state(self) -> str:
        if self.spend >= self.limit:
            return "over"
        return "near" if self.spend >= self.threshold_amount else ""


@dataclass(frozen=True)
class IncludedMeter:
    """Units that a price includes in the period, and how many of them are used."""

    subject: str
    unit: str
    included: Decimal
    used: Decimal

    @property
    def fill(self) -> str:
        return f"{min(max(self.used / self.included, ZERO), Decimal(1)) * 100:.1f}"

    @property
    def left(self) -> Decimal:
        return self.included - self.used


@dataclass(frozen=True)
class Bill:
    """What the period costs, as shown; one that runs also has the total it is heading for."""

    amounts: ShownAmounts
    tier: str
    projected: Decimal | None


@dataclass(frozen=True)
class Stat:
    label: str
    value: str
    hint: str


class PeriodView:
    """One period seen at one moment, beside the period before it."""

    # `period` comes with its totals (`billing.queries.with_totals`); the active one is what usage
    # of now enters, which may be a month that has not begun (`billing.queries.active_periods`).
    def __init__(
        self,
        membership: WorkspaceMember,
        period: BillingPeriod,
        before: BillingPeriod | None,
        now: dt.datetime,
        *,
        is_active: bool,
    ) -> None:
        self.workspace = membership.workspace
        self.terms: WorkspaceBillingSettings = self.workspace.billing_settings
        self.currency = self.workspace.currency
        self.period, self.before, self.now = period, before, now
        self.days = days_of(period)
        self.is_active = is_active
        self.has_begun = period.period_start <= now
        today = months.local_date(now, self.workspace.zone) if period.is_current else self.days[-1]
        self.today = max(self.days[0], min(today, self.days[-1]))
        self.running = is_active and self.has_begun
        self._read_spend()
        self._read_calls()
        self.totals = totals_of(period, self.spend)
        self.shown = ShownAmounts(self.spend, self.totals, self.currency)
        self.shown_before: ShownAmounts | None = None
        if before and self.spend_before:
            totals = totals_of(before, self.spend_before)
            self.shown_before = ShownAmounts(self.spend_before, totals, self.currency)

    def _read_spend(self) -> None:
        before = self.before
        spends = spend_of_periods([each for each in (self.period, before) if each])
        self.spend = spends[self.period.pk]
        self.spend_before = spends[before.pk] if before and spends[before.pk].total else None
        # Like is compared with like: while this period runs, the same days of the one before.
        self.compared: Spend | None = self.spend_before
        if before and self.spend_before and self.running:
            same_day = days_of(before)[0] + (self.today - self.days[0])
            self.compared = self.spend_before.until(same_day)

    def _read_calls(self) -> None:
        tomorrow = dt.timedelta(days=1)
        self.calls = calls_between(self.workspace.pk, self.days[0], self.days[-1] + tomorrow)
        self.calls_before: Calls | None = None
        if self.before:
            start = days_of(self.before)[0]
            same_day = start + (self.today - self.days[0])
            until = min(self.days[0], same_day + tomorrow) if self.running else self.days[0]
            self.calls_before = call_sums_between(self.workspace.pk, start, until)

    def context(self) -> dict[str, Any]:
        ahead = self._forecast()
        bill = self._bill(ahead)
        shown = {
            "bill": bill,
            "invoice": None if self.period.is_current else invoice_of(self.period),
            "first_day": self.days[0],
            "last_day": self.days[-1],
            "active": self.is_active,
            "running": self.running,
            "has_begun": self.has_begun,
            "has_ended": self.period.period_end <= self.now,
            "forecast": ahead,
            "meter": self._meter(),
            "included": self._included(),
            "comparison": self._comparison(),
            "late": self.shown.before(self.days[0]),
            "stats": self._stats(),
            "has_usage": bool(self.spend.rows),
            "has_calls": bool(self.calls.total),
        }
        return shown | self._charts(ahead) | self._breakdowns()

    def _stands_still(self) -> bool:
        """Whether nothing more is used for now: suspended, or paused at the limit."""
        limit = self.terms.usage_limit_monthly
        reached = limit is not None and self.spend.net >= limit
        active = self.workspace.status == Workspace.Status.ACTIVE
        return not active or (reached and self.terms.auto_pause_on_limit)

    def _forecast(self) -> Forecast | None:
        if not self.running or self._stands_still():
            return None
        full_days = [day for day in self.days if day < self.today]
        return forecast(
            spend=self.spend.net,
            full_days=[self.spend.by_day.get(day, ZERO) for day in full_days],
            limit=self.terms.usage_limit_monthly,
            period_start=self.period.period_start,
            period_end=self.period.period_end,
            now=self.now,
            meters=self.spend.paces(full_days),
        )

    def _bill(self, ahead: Forecast | None) -> Bill:
        projected = totals_at(self.period, ahead.at_end).total if ahead else None
        return Bill(self.shown, self.period.tier.name, projected)

    def _meter(self) -> LimitMeter | None:
        limit = self.terms.usage_limit_monthly
        if limit is None or not self.is_active:
            return None
        threshold = self.terms.alert_threshold_percentage
        return LimitMeter(self.totals.usage, self.shown.usage, limit, threshold)

    def _included(self) -> list[IncludedMeter]:
        return [
            IncludedMeter(
                each.description, resource(each.resource_type).unit, each.included, each.used
            )
            for each in included_units(self.spend.meters)
        ]

    @property
    def _month_before(self) -> str:
        return self.before.label.split()[0] if self.before else ""

    def _comparison(self) -> str:
        if self.compared is None or not self.has_begun:
            return ""
        change = breakdowns.changed(self.spend.net, self.compared.net)
        then = money(self.compared.net, self.currency)
        return (
            _("It was {amount} by this day in {month} ({change}).")
            if self.running
            else _("It was {amount} in {month} ({change}).")
        ).format(amount=then, month=self._month_before, change=change)

    def _stats(self) -> list[Stat]:
        calls, before = self.calls, self.calls_before
        against = (
            _("the same days of {month}").format(month=self._month_before)
            if self.running
            else self._month_before
        )
        hint = (
            _("{total} in {against}").format(total=number(f"{before.total:,}"), against=against)
            if before and before.total
            else _("in this period")
        )
        per_call = self.spend.net / calls.total if calls.total else None
        if per_call is not None:  # often less than a cent: two decimals more than the currency has
            per_call = round(per_call, exponent(self.currency) + 2)
        return [
            Stat(_("Calls"), number(f"{calls.total:,}"), hint),
            Stat(_("Call time"), duration(calls.duration_seconds), _("of ended calls")),
            Stat(_("Success rate"), percent(calls.success_rate), _("completed of all that ended")),
            Stat(_("Average call"), duration(calls.average_seconds), _("of ended calls")),
            Stat(_("Usage per call"), exact_money(per_call, self.currency), _("usage / calls")),
        ]

    def _charts(self, ahead: Forecast | None) -> dict[str, Any]:
        so_far = [day for day in self.days if day <= self.today]
        before: list[Decimal] = []
        if self.before and self.shown_before:
            before = self.shown_before.by_day(days_of(self.before))
        return {
            "spend_by_day": figures.spend_by_day(
                days=self.days,
                by_type=self.shown.by_type_and_day(since=self.days[0]),
                currency=self.currency,
                usage=reverse("usage:records", args=[self.workspace.pk]),
            ),
            "spend_to_date": figures.spend_to_date(
                days=self.days,
                totals=self.shown.by_day(so_far),
                before=before,
                before_name=self.before.label if self.before else "",
                limit=self.terms.usage_limit_monthly if self.is_active else None,
                at_end=ahead.at_end if ahead else None,
                currency=self.currency,
            ),
            "calls_by_day": figures.calls_by_day(
                days=self.days, by_status=self.calls.by_status_and_day
            ),
            "peak_hours": figures.peak_hours(
                by_hour=self.calls.by_hour, timezone=self.workspace.timezone
            ),
        }

    def _breakdowns(self) -> dict[str, Any]:
        usage = reverse("usage:records", args=[self.workspace.pk])
        shared = {
            "before_name": self._month_before[:3],
            "currency": self.currency,
            "link": f"{usage}?billing_period={self.period.pk}",
        }
        at = {"currency": self.currency, "link": shared["link"]}
        dimensions = dimensions_of_period(self.period, self.spend)
        return {
            "by_agent": breakdowns.by_agent(self.shown, dimensions.by_agent, **at),
            "by_model": breakdowns.by_model(self.shown, dimensions.by_model, **at),
            "by_type": breakdowns.by_resource_type(self.shown, self.spend, self.compared, **shared),
            "by_provider": breakdowns.by_provider(
                self.shown, self.spend, self.compared, self.calls, **shared
            ),
            "by_status": breakdowns.by_status(self.calls),
            "by_direction": breakdowns.by_direction(self.calls),
        }
