"""Rules of rate cards: which rates go together, and from which day on a version may hold."""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Q, QuerySet

from billing import months
from billing.models import RateCard, RateCardAssignment, RateCardVersion, Workspace
from billing.pricing import Matched
from billing.rating import Fault, Price, depends_on_period

MAX_RATES = 1000


class NewRate(NamedTuple):
    match: Matched
    price: Price
    min_margin_percentage: Decimal | None = None


def match_faults(rates: Sequence[NewRate]) -> Iterable[Fault]:
    if len(rates) > MAX_RATES:
        yield Fault("/rates", "too_many_rates", f"At most {MAX_RATES} rates are kept.")
        return
    seen: dict[Matched, int] = {}
    for index, rate in enumerate(rates):
        pointer = f"/rates/{index}/match"
        if rate.match in seen:
            detail = f"The rate at {seen[rate.match]} is for the same."
            yield Fault(pointer, "duplicate_match", detail)
        seen.setdefault(rate.match, index)
        if not rate.match.resource_type and any(rate.match):
            detail = "A provider or a model needs a resource_type."
            yield Fault(f"{pointer}/resource_type", "required", detail)


def publishing_faults(version: RateCardVersion) -> list[Fault]:
    """What keeps a version from being published, whatever the day."""
    rates = list(version.rates.all())
    faults = []
    if not any(rate.match == ("", "", "") for rate in rates):
        detail = "There must be a rate for any use: one without a resource_type."
        faults.append(Fault("/rates", "no_rate_for_any", detail))
    for index, rate in enumerate(rates):
        faults += [
            fault._replace(pointer=f"/rates/{index}{fault.pointer}")
            for fault in whole_month_faults(Matched(*rate.match), rate.price)
        ]
    return faults


def whole_month_faults(match: Matched, price: Price) -> Iterable[Fault]:
    """What keeps a price that depends on its whole month from a match."""
    if depends_on_period(price) and not match.resource_type:
        detail = "A price that depends on its whole month adds up units of one resource_type."
        yield Fault("/match/resource_type", "required", detail)


def of_whole_month(version: RateCardVersion | None) -> str:
    """What the first rate is for whose price depends on its whole month; "" without any."""
    rates = version.rates.all() if version else []
    return next((rate.match_label for rate in rates if depends_on_period(rate.price)), "")


def day_fault(
    day: dt.date | None,
    what: str,
    pointer: str,
    beginners: "QuerySet[Workspace] | None" = None,
) -> Iterable[Fault]:
    """Prices of a whole month begin and end with one; those of `beginners` begin on any day of the
    month in which they were made, which is their first."""
    if what and day is not None and day.day != 1:
        if beginners is not None and _are_new_in(day, beginners):
            return
        detail = (
            f"The price for {what} depends on its whole month: the first of a month is expected."
        )
        yield Fault(pointer, "not_a_months_first", detail)


def _are_new_in(day: dt.date, workspaces: "QuerySet[Workspace]") -> bool:
    """Whether each was made in the month of `day`, or will be."""
    first = day.replace(day=1)
    zones = workspaces.order_by("timezone").values_list("timezone", flat=True).distinct()
    return not any(
        workspaces.filter(
            timezone=zone, created_at__lt=months.midnight(first, Workspace(timezone=zone).zone)
        ).exists()
        for zone in zones
    )


def faults_of_start(
    version: RateCardVersion, effective_from: dt.date, now: dt.datetime
) -> Iterable[Fault]:
    affected = affected_workspaces(version.card, now.date())
    today = latest_today(affected, now)
    if effective_from < today:
        detail = f"Prices do not reach back: {today.isoformat()} or later is expected."
        yield Fault("/effective_from", "in_the_past", detail)
    taken = version.card.versions.filter(status="published", effective_from=effective_from)
    if other := taken.first():
        detail = f"Version {other.number} of this card holds from that day on."
        yield Fault("/effective_from", "day_taken", detail)
    replaced = version_on(version.card.versions.all(), effective_from)
    what = of_whole_month(version) or of_whole_month(replaced)
    yield from day_fault(effective_from, what, "/effective_from", affected)


def latest_today(workspaces: "QuerySet[Workspace]", now: dt.datetime) -> dt.date:
    """The day it is on the most advanced clock of the workspaces; UTC's without any."""
    zones = workspaces.order_by("timezone").values_list("timezone", flat=True).distinct()
    return max(
        (months.local_date(now, Workspace(timezone=zone).zone) for zone in zones),
        default=now.astimezone(dt.UTC).date(),
    )


def version_on(versions: Iterable[RateCardVersion], day: dt.date) -> RateCardVersion | None:
    """Of a card's versions, the one that holds on a day."""
    begun = [
        version
        for version in versions
        if not version.is_draft and version.effective_from and version.effective_from <= day
    ]
    return max(begun, key=lambda version: version.effective_from or dt.date.min, default=None)


def affected_workspaces(card: RateCard, on: dt.date) -> "QuerySet[Workspace]":
    """Who uses the card on a day or later."""
    uses = RateCardAssignment.objects.filter(Q(ends_on__isnull=True) | Q(ends_on__gt=on), card=card)
    return Workspace.objects.filter(
        Q(pk__in=uses.values("workspace")) | Q(tier__in=uses.values("tier"), currency=card.currency)
    ).exclude(status=Workspace.Status.CLOSED)
