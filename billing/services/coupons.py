"""Coupons: codes that give a discount. Their terms never change, only their limits."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction

from billing.errors import Conflict, Invalid, NotFound
from billing.models import AppliesTo, Coupon
from billing.money import CURRENCIES
from billing.services.terms import check_amount, check_reduction

# What a limit is left as.
UNCHANGED: object = object()


class CodeTaken(Conflict):
    code = "already_exists"


def create_coupon(
    *,
    code: str,
    name: str,
    now: dt.datetime,
    percentage: Decimal | None = None,
    amount: Decimal | None = None,
    currency: str = "",
    applies_to: str = AppliesTo.USAGE_AND_FEES,
    periods: int | None = None,
    max_redemptions: int | None = None,
    expires_at: dt.datetime | None = None,
) -> Coupon:
    """A percentage off, or an amount of `currency`, for so many `periods` from its redemption on.

    Raises `Invalid`, or `CodeTaken`.
    """
    check_reduction(percentage, amount)
    if amount is None and currency:
        raise Invalid("A percentage is of any currency.", field="currency")
    if amount is not None:
        if currency not in CURRENCIES:
            raise Invalid(
                f"{currency!r} is not a currency that can be billed.",
                field="currency",
                code="unknown_currency",
            )
        check_amount(amount, currency)
    try:
        with transaction.atomic():
            return Coupon.objects.create(
                code=code.strip().upper(),
                name=name,
                percentage=percentage,
                amount=amount,
                currency=currency,
                applies_to=applies_to,
                periods=periods,
                max_redemptions=max_redemptions,
                expires_at=expires_at,
                created_at=now,
            )
    except IntegrityError as error:
        if not Coupon.objects.filter(code=code.strip().upper()).exists():
            raise
        raise CodeTaken("There is a coupon with this code.", field="code") from error


def limit_coupon(
    *, coupon_id: UUID, max_redemptions: object = UNCHANGED, expires_at: object = UNCHANGED
) -> Coupon:
    """How often, and until when, it can be redeemed from now on; None for without a limit.

    Discounts that it gave stay as they are.
    """
    with transaction.atomic():
        coupon = Coupon.objects.select_for_update().filter(pk=coupon_id).first()
        if coupon is None:
            raise NotFound("There is no such coupon.")
        if max_redemptions is not UNCHANGED:
            if isinstance(max_redemptions, int) and max_redemptions < coupon.redemptions:
                raise Invalid(
                    f"It has been redeemed {coupon.redemptions} times.",
                    field="max_redemptions",
                    code="too_small",
                )
            coupon.max_redemptions = max_redemptions  # type: ignore[assignment]
        if expires_at is not UNCHANGED:
            coupon.expires_at = expires_at  # type: ignore[assignment]
        coupon.save(update_fields=["max_redemptions", "expires_at"])
        return coupon
