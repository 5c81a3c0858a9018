"""The page that says why a bill differs from another: its rows, its chart, and where they lead."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from analytics.bill_comparison import Comparison, SideBill, labels, sentence, signed
from analytics.bridge import Driver, Effect, Subject, as_decimal
from analytics.charts import Chart, Table, axis_value, bar, figure_json, money_axis
from analytics.dimensions import names_of_agents
from billing.formats import money, number
from billing.models import BillingPeriod, ManualItem
from billing.money import to_minor
from billing.rating.charges import PeriodTerms
from usage.resources import provider_name, resource

_PARTS = 3
_AGENTS = (Driver.NEW_AGENTS, Driver.GONE_AGENTS)


@dataclass(frozen=True)
class Row:
    label: str
    amount: str
    detail: str
    link: str


class ComparisonView:
    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.currency = comparison.currency
        self.workspace_id = comparison.now.period.workspace_id
        self.labels = labels()
        ids = {
            subject[0]
            for change in comparison.changes
            for subject, _ in change.largest(_PARTS)
            if subject[0]
        }
        self.agents = names_of_agents(ids)

    def context(self) -> dict[str, Any]:
        comparison = self.comparison
        rows = [self._row(change, amount) for change, amount in self._shown()]
        return {
            "comparison": comparison,
            "rows": rows,
            "sentence": sentence(comparison),
            "difference": signed(comparison.difference, self.currency),
            "chart": self._chart(rows),
        }

    def _shown(self) -> list[tuple[Effect, Decimal]]:
        """The changes of a cent and more."""
        both = zip(self.comparison.changes, self.comparison.amounts, strict=True)
        return [(change, amount) for change, amount in both if amount]

    def _row(self, change: Effect, amount: Decimal) -> Row:
        return Row(
            label=self.labels[change.step],
            amount=signed(amount, self.currency),
            detail=self._detail(change),
            link=self._link(change),
        )

    def _detail(self, change: Effect) -> str:
        if change.step == Driver.MANUAL:
            return self._lines_by_hand()
        parts = [
            f"{name} {signed(as_decimal(amount), self.currency)}"
            for subject, amount in change.largest(_PARTS)
            if (name := self._name(subject)) and to_minor(as_decimal(amount), self.currency)
        ]
        said = ", ".join(parts)
        if change.step == Driver.VOLUME and self.comparison.now.calls:
            now, before = self.comparison.now.calls, self.comparison.before.calls
            calls = ngettext("%(now)s call", "%(now)s calls", now) % {"now": number(f"{now:,}")}
            before_shown = number(f"{before:,}")
            calls = _("%(calls)s, %(before)s before") % {"calls": calls, "before": before_shown}
            said = f"{calls}; {said}" if said else calls
        return said

    def _lines_by_hand(self) -> str:
        """The lines that one of the two bills has and the other has not, largest first."""
        lines: dict[str, Decimal] = defaultdict(Decimal)
        for side, sign in ((self.comparison.now, 1), (self.comparison.before, -1)):
            for name, amount in _by_hand(side.period):
                lines[name] += sign * amount
        largest = sorted(lines.items(), key=lambda line: -abs(line[1]))[:_PARTS]
        return ", ".join(
            f"{name} {signed(amount, self.currency)}" for name, amount in largest if amount
        )

    def _name(self, subject: Subject) -> str:
        agent, kind, provider, model = subject
        if agent:
            return self.agents.get(agent, "")
        words = [resource(kind).label if kind else "", provider_name(provider), model or ""]
        return " ".join(word for word in words if word)

    def _link(self, change: Effect) -> str:
        """To the calls or records that a step is about; else to the documents."""
        now, step = self.comparison.now, change.step
        of = self.comparison.before if step == Driver.GONE_AGENTS else now
        days: dict[str, object] = {"day_from": of.first, "day_to": of.last}
        agent, kind, provider, model = change.main()
        if step in _AGENTS:
            return self._to("usage:calls", {**days, "agent": agent or "", "sort": "-price"})
        if step == Driver.VOLUME:
            return self._to("usage:calls", days)
        if step == Driver.LENGTH:
            return self._to("usage:calls", {**days, "sort": "-duration_seconds"})
        if step in (Driver.PROVIDERS, Driver.MODELS, Driver.PRICES):
            chosen = {"resource_type": kind, "provider": provider, "model": model or ""}
            kept = {name: value for name, value in chosen.items() if value}
            return self._to("usage:records", {"billing_period": now.period.pk, **kept})
        if step == Driver.LATE:
            before = now.first - dt.timedelta(days=1)
            return self._to("usage:records", {"billing_period": now.period.pk, "day_to": before})
        if step == Driver.ALLOWANCE:
            return self._to("usage:records", {"billing_period": now.period.pk})
        # To the one that has it: a fee that was charged once is on the earlier one alone.
        earlier = self.comparison.before.invoice
        document = now.invoice if now.bill.other.get(step) else earlier or now.invoice
        if document is not None:
            return reverse("invoices:detail", args=[self.workspace_id, document.pk])
        return reverse("invoices:upcoming", args=[self.workspace_id])

    def _to(self, name: str, query: dict[str, object]) -> str:
        return f"{reverse(name, args=[self.workspace_id])}?{urlencode(query)}"

    def _chart(self, rows: Sequence[Row]) -> Chart:
        """A waterfall: from the one total over each step to the other."""
        before, now = self.comparison.before, self.comparison.now
        names = [_side_name(before), *(row.label for row in rows), _side_name(now)]
        bases, heights, colours = [Decimal(0)], [before.shown], ["var(--chart-8)"]
        reached = before.shown
        for _step, amount in self._shown():
            bases.append(min(reached, reached + amount))
            heights.append(abs(amount))
            colours.append("var(--chart-3)" if amount > 0 else "var(--chart-2)")
            reached += amount
        bases.append(Decimal(0))
        heights.append(now.shown)
        colours.append("var(--chart-1)")
        totals = [money(before.shown, self.currency), money(now.shown, self.currency)]
        texts = [totals[0], *(row.amount for row in rows), totals[1]]
        steps = bar(
            orientation="h",
            y=names,
            x=[axis_value(each) for each in heights],
            base=[axis_value(each) for each in bases],
            marker={"color": colours, "cornerradius": 2},
            customdata=texts,
            hovertemplate="%{y}: %{customdata}<extra></extra>",
        )
        layout = {
            "height": 90 + 34 * len(names),
            "showlegend": False,
            "xaxis": money_axis(self.currency),
            "yaxis": {"type": "category", "autorange": "reversed", "showgrid": False},
        }
        return Chart(
            key="bridge",
            title=_("From one bill to the other"),
            note=_("Orange adds, green takes away"),
            summary=_("From %(before)s to %(now)s: %(steps)s.")
            % {
                "before": f"{names[0]}, {texts[0]}",
                "now": f"{names[-1]}, {texts[-1]}",
                "steps": ", ".join(f"{row.label} {row.amount}" for row in rows) or "–",
            },
            figure=figure_json([steps], layout),
            table=Table([_("Step"), _("Amount")], list(zip(names, texts, strict=True))),
        )


def _by_hand(period: BillingPeriod) -> list[tuple[str, Decimal]]:
    """Lines that were added by hand, as the period's bill has them or would have them now."""
    if period.is_current:
        terms: PeriodTerms = period.live_terms  # type: ignore[attr-defined]
        return [(item.description, item.amount) for item in terms.manual]
    billed = ManualItem.objects.filter(period=period)
    return [(item.description, item.signed) for item in billed]


def _side_name(side: SideBill) -> str:
    if side.is_whole:
        return side.period.label
    return _("%(month)s, to the %(day)s") % {"month": side.period.label, "day": side.last.day}


def pair_of(
    periods: Sequence[BillingPeriod], chosen: BillingPeriod, other: UUID | None
) -> BillingPeriod | None:
    """What `chosen` is compared with: the one asked for, else the month before it."""
    for period in periods:
        if period.pk == other or (other is None and period.period_end <= chosen.period_start):
            return period
    return None
