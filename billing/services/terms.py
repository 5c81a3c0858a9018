"""Add-ons, minimum commitments and discounts of a workspace. Each verb is one transaction.

Nothing reaches back into a month that is closed; a month that has ended and is not closed yet can
still be changed. Rows are fixed but for their end.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from billing import months
from billing.errors import Conflict, Invalid, NotFound
from billing.models import (
    AddOn,
    AppliesTo,
    BillingPeriod,
    Commitment,
    Coupon,
    Discount,
    Proration,
    Workspace,
)
from billing.money import charge_step
from billing.services.overlaps import no_overlap

_Row = TypeVar("_Row", AddOn, Commitment, Discount)


def add_add_on(
    *,
    workspace_id: UUID,
    name: str,
    quantity: Decimal,
    unit_price: Decimal,
    now: dt.datetime,
    proration: str = Proration.NONE,
    starts_on: dt.date | None = None,
    ends_on: dt.date | None = None,
) -> AddOn:
    """A fee of `quantity x unit_price` a month, by default from today on."""
    with _locked(workspace_id) as workspace:
        today = months.local_date(now, workspace.zone)
        starts_on, ends_on = _days(workspace, starts_on, ends_on, default=today, now=now)
        if quantity <= 0:
            raise Invalid("More than zero is expected.", field="quantity", code="too_small")
        with no_overlap(
            "Another add-on of this name holds for some of these days: end that one first."
        ):
            return AddOn.objects.create(
                workspace=workspace,
                name=name,
                quantity=quantity,
                unit_price=unit_price,
                proration=proration,
                starts_on=starts_on,
                ends_on=ends_on,
                created_at=now,
            )


def add_commitment(
    *,
    workspace_id: UUID,
    amount: Decimal,
    now: dt.datetime,
    covers: str = Commitment.Covers.USAGE,
    starts_on: dt.date | None = None,
    ends_on: dt.date | None = None,
) -> Commitment:
    """At least `amount` is charged for what it covers in each month, by default from this one."""
    with _locked(workspace_id) as workspace:
        starts_on, ends_on = _months(workspace, starts_on, ends_on, now=now)
        check_amount(amount, workspace.currency)
        with no_overlap("Another commitment holds for some of these days: end that one first."):
            return Commitment.objects.create(
                workspace=workspace,
                amount=amount,
                covers=covers,
                starts_on=starts_on,
                ends_on=ends_on,
                created_at=now,
            )


def add_discount(
    *,
    workspace_id: UUID,
    name: str,
    now: dt.datetime,
    percentage: Decimal | None = None,
    amount: Decimal | None = None,
    applies_to: str = AppliesTo.USAGE_AND_FEES,
    starts_on: dt.date | None = None,
    ends_on: dt.date | None = None,
    periods: int | None = None,
) -> Discount:
    """A percentage or an amount off each month, for so many `periods`, until `ends_on`, or for
    ever."""
    check_reduction(percentage, amount)
    with _locked(workspace_id) as workspace:
        if amount is not None:
            check_amount(amount, workspace.currency)
        if periods is not None and ends_on is not None:
            raise Invalid("Either periods or ends_on is expected, not both.", field="periods")
        starts_on, ends_on = _months(workspace, starts_on, ends_on, now=now)
        return Discount.objects.create(
            workspace=workspace,
            name=name,
            percentage=percentage,
            amount=amount,
            applies_to=applies_to,
            starts_on=starts_on,
            ends_on=ends_on if periods is None else months_later(starts_on, periods),
            created_at=now,
        )


def redeem_coupon(*, workspace_id: UUID, code: str, now: dt.datetime) -> Discount:
    """The discount that a coupon gives, from this month on. Once a workspace."""
    with _locked(workspace_id) as workspace:
        coupon = Coupon.objects.select_for_update().filter(code=code.strip().upper()).first()
        if coupon is None:
            raise Invalid(f"There is no coupon {code!r}.", field="coupon", code="unknown_coupon")
        if coupon.discounts.filter(workspace=workspace).exists():
            raise Conflict(
                "The workspace has redeemed this coupon.", field="coupon", code="already_redeemed"
            )
        if coupon.expires_at is not None and coupon.expires_at <= now:
            raise Conflict("The coupon has expired.", field="coupon", code="coupon_expired")
        limit = coupon.max_redemptions
        if limit is not None and coupon.redemptions >= limit:
            raise Conflict("The coupon is used up.", field="coupon", code="coupon_used_up")
        if coupon.currency and coupon.currency != workspace.currency:
            raise Invalid(
                f"The workspace pays in {workspace.currency}, the coupon is in {coupon.currency}.",
                field="coupon",
                code="other_currency",
            )
        starts_on, _ = _months(workspace, None, None, now=now)
        coupon.redemptions += 1
        coupon.save(update_fields=["redemptions"])
        return Discount.objects.create(
            workspace=workspace,
            coupon=coupon,
            name=coupon.name,
            percentage=coupon.percentage,
            amount=coupon.amount,
            applies_to=coupon.applies_to,
            starts_on=starts_on,
            ends_on=None if coupon.periods is None else months_later(starts_on, coupon.periods),
            created_at=now,
        )


def end_add_on(*, add_on_id: UUID, ends_on: dt.date, now: dt.datetime) -> AddOn:
    """From `ends_on` it is charged no more. On its own first day: never."""
    return _end(AddOn, add_on_id, ends_on, now, whole_months=False)


def end_commitment(*, commitment_id: UUID, ends_on: dt.date, now: dt.datetime) -> Commitment:
    """From the month that begins on `ends_on` it holds no more."""
    return _end(Commitment, commitment_id, ends_on, now, whole_months=True)


def end_discount(*, discount_id: UUID, ends_on: dt.date, now: dt.datetime) -> Discount:
    """From the month that begins on `ends_on` it holds no more."""
    return _end(Discount, discount_id, ends_on, now, whole_months=True)


def first_open_day(workspace: Workspace, now: dt.datetime) -> dt.date:
    """The first day of what is not closed yet: terms may begin and end from then on."""
    current = workspace.periods.filter(status=BillingPeriod.Status.CURRENT)
    starts_at = current.order_by("period_start").values_list("period_start", flat=True).first()
    if starts_at is not None:
        return months.local_date(starts_at, workspace.zone)
    ends_at = workspace.periods.order_by("-period_end").values_list("period_end", flat=True).first()
    if ends_at is not None:
        return months.local_date(ends_at, workspace.zone)
    return months.local_date(now, workspace.zone).replace(day=1)


def check_reduction(percentage: Decimal | None, amount: Decimal | None) -> None:
    """Exactly one of the two, within its bounds. Raises `Invalid`."""
    if (percentage is None) == (amount is None):
        raise Invalid("Either a percentage or an amount is expected.", field="percentage")
    if percentage is not None and not 0 < percentage <= 100:
        raise Invalid(
            "More than 0 and at most 100 is expected.", field="percentage", code="out_of_range"
        )


def months_later(day: dt.date, count: int) -> dt.date:
    """The first day of the month `count` months after that of `day`."""
    years, month = divmod(day.month - 1 + count, 12)
    if day.year + years > dt.MAXYEAR:
        raise Invalid("There are no such days.", field="periods", code="out_of_range")
    return dt.date(day.year + years, month + 1, 1)


@contextmanager
def _locked(workspace_id: UUID) -> Iterator[Workspace]:
    """The close locks the workspace too: it sees all of a change or nothing of it."""
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).filter(pk=workspace_id).first()
        if workspace is None:
            raise NotFound("There is no such workspace.")
        yield workspace


def check_amount(amount: Decimal, currency: str) -> None:
    """More than zero, in steps of what can be charged. Raises `Invalid`."""
    if amount <= 0:
        raise Invalid("More than zero is expected.", field="amount", code="too_small")
    if amount % charge_step(currency):
        raise Invalid(
            f"{currency} is charged in steps of {charge_step(currency)}.",
            field="amount",
            code="not_in_charge_steps",
        )


def _days(
    workspace: Workspace,
    starts_on: dt.date | None,
    ends_on: dt.date | None,
    *,
    default: dt.date,
    now: dt.datetime,
) -> tuple[dt.date, dt.date | None]:
    earliest = first_open_day(workspace, now)
    if starts_on is None:
        starts_on = max(default, earliest)
    if starts_on < earliest:
        raise Invalid(
            f"Months before {earliest.isoformat()} are closed.",
            field="starts_on",
            code="in_the_past",
        )
    if ends_on is not None and ends_on <= starts_on:
        raise Invalid("Must be after starts_on.", field="ends_on", code="ends_before_its_start")
    return starts_on, ends_on


def _months(
    workspace: Workspace, starts_on: dt.date | None, ends_on: dt.date | None, *, now: dt.datetime
) -> tuple[dt.date, dt.date | None]:
    for name, day in (("starts_on", starts_on), ("ends_on", ends_on)):
        _check_first_of_month(name, day)
    this_month = months.local_date(now, workspace.zone).replace(day=1)
    return _days(workspace, starts_on, ends_on, default=this_month, now=now)


def _check_first_of_month(name: str, day: dt.date | None) -> None:
    if day is not None and day.day != 1:
        raise Invalid(
            "The first day of a month is expected: it holds for whole months.",
            field=name,
            code="not_the_first_of_a_month",
        )


def _end(
    model: type[_Row], row_id: UUID, ends_on: dt.date, now: dt.datetime, *, whole_months: bool
) -> _Row:
    if whole_months:
        _check_first_of_month("ends_on", ends_on)
    owner: Callable[[], UUID | None] = (
        model.objects.filter(pk=row_id).values_list("workspace_id", flat=True).first
    )
    workspace_id = owner()
    if workspace_id is None:
        raise NotFound(f"There is no such {model._meta.verbose_name}.")
    with _locked(workspace_id) as workspace:
        row = model.objects.select_for_update().get(pk=row_id)
        open_from = first_open_day(workspace, now)
        if row.ends_on is not None and row.ends_on <= open_from:
            raise Conflict("It has ended already.", field="ends_on", code="has_ended")
        earliest = max(open_from, row.starts_on)
        if ends_on < earliest:
            raise Invalid(
                f"The first day possible is {earliest.isoformat()}.",
                field="ends_on",
                code="in_the_past",
            )
        row.ends_on = ends_on
        with no_overlap("Another one begins before that day.", field="ends_on"):
            row.save(update_fields=["ends_on"])
        return row
