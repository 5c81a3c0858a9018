"""The days that a page of spend is about, and those it is compared with, from its address."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.formats import month_name, short_day
from billing.months import last_of_month, months_before
from usage.filters import SENSIBLE_DAYS

THIS_MONTH, LAST_MONTH, DATES = "this_month", "last_month", "dates"
BEFORE, NOTHING = "before", "nothing"
_LAST_DAYS = (7, 30, 90)
# Months offered by name.
_MONTHS = 18
MAX_DAYS = 732
_DAY = dt.timedelta(days=1)
_DATE = forms.DateInput(attrs={"type": "date"})


@dataclass(frozen=True)
class DayRange:
    """Days of the workspace's calendar, both ends included."""

    first: dt.date
    last: dt.date

    @property
    def until(self) -> dt.date:
        """The day after the last."""
        return self.last + _DAY

    @property
    def days(self) -> list[dt.date]:
        return [self.first + turn * _DAY for turn in range((self.last - self.first).days + 1)]

    @property
    def label(self) -> str:
        if self.first.day == 1 and self.last == last_of_month(self.first):
            return month_name(self.first)
        if self.first == self.last:
            return short_day(self.first)
        return f"{short_day(self.first)} – {short_day(self.last)}"


class RangeForm(forms.Form):
    """What is asked for; without anything, this month beside the same days of the last one."""

    days = forms.ChoiceField(label=gettext_lazy("Days"), required=False)
    day_from = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=_DATE, validators=SENSIBLE_DAYS
    )
    day_to = forms.DateField(
        label=gettext_lazy("To"), required=False, widget=_DATE, validators=SENSIBLE_DAYS
    )
    compare = forms.ChoiceField(label=gettext_lazy("Compared with"), required=False)
    with_from = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=_DATE, validators=SENSIBLE_DAYS
    )
    with_to = forms.DateField(
        label=gettext_lazy("To"), required=False, widget=_DATE, validators=SENSIBLE_DAYS
    )

    def __init__(self, data: Any, *, today: dt.date) -> None:
        data = data.copy()
        # Dates without a choice mean themselves.
        if not data.get("days"):
            data["days"] = DATES if data.get("day_from") or data.get("day_to") else THIS_MONTH
        if not data.get("compare"):
            data["compare"] = DATES if data.get("with_from") or data.get("with_to") else BEFORE
        super().__init__(data)
        self.today = today
        months = [months_before(today, back) for back in range(_MONTHS)]
        named = [(f"{first:%Y-%m}", month_name(first)) for first in months]
        last = [(str(days), _("Last %(days)s days") % {"days": days}) for days in _LAST_DAYS]
        self.fields["days"].choices = [  # type: ignore[attr-defined]
            (THIS_MONTH, _("This month")),
            (LAST_MONTH, _("Last month")),
            *last,
            (DATES, _("The dates below")),
            (_("A month"), named),
        ]
        self.fields["compare"].choices = [  # type: ignore[attr-defined]
            (BEFORE, _("The days before")),
            (NOTHING, _("Nothing")),
            (DATES, _("The dates below")),
            (_("A month"), named),
        ]

    def clean(self) -> dict[str, Any]:
        chosen: dict[str, Any] = super().clean() or {}
        for choice, first, last in (
            ("days", "day_from", "day_to"),
            ("compare", "with_from", "with_to"),
        ):
            if chosen.get(choice) != DATES or self.errors:
                continue
            if not chosen[first] or not chosen[last]:
                self.add_error(first, _("Choose a first and a last day."))
            elif not 0 <= (chosen[last] - chosen[first]).days < MAX_DAYS:
                self.add_error(first, _("The first day comes before the last, two years at most."))
        return chosen

    @property
    def span(self) -> DayRange:
        chosen = self.cleaned_data
        if chosen["days"] == DATES:
            return DayRange(chosen["day_from"], chosen["day_to"])
        return self._named(chosen["days"])

    @property
    def compared(self) -> DayRange | None:
        chosen = self.cleaned_data
        if chosen["compare"] == NOTHING:
            return None
        if chosen["compare"] == DATES:
            return DayRange(chosen["with_from"], chosen["with_to"])
        return before(self.span) if chosen["compare"] == BEFORE else self._named(chosen["compare"])

    def _named(self, name: str) -> DayRange:
        today = self.today
        if name == THIS_MONTH:
            return DayRange(today.replace(day=1), today)
        if name == LAST_MONTH:
            return _month_of(months_before(today, 1))
        if name.isdecimal():
            return DayRange(today - (int(name) - 1) * _DAY, today)
        return _month_of(dt.date.fromisoformat(f"{name}-01"))


def before(span: DayRange) -> DayRange:
    """As many days before; of a month, or the first days of one, those of the month before."""
    last = span.first - _DAY
    if span.first.day > 1 or span.last > last_of_month(span.first):
        return DayRange(span.first - len(span.days) * _DAY, last)
    if span.last == last_of_month(span.first):
        return _month_of(last)
    return DayRange(last.replace(day=1), min(last, last.replace(day=1) + (span.last - span.first)))


def _month_of(day: dt.date) -> DayRange:
    return DayRange(day.replace(day=1), last_of_month(day))
