"""Tax rates and registrations: those that come with the software, and what finance adds."""

import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from billing.errors import Conflict, Invalid
from billing.models import IssuingEntity, TaxRate, TaxRegistration
from billing.rating.taxes import CALCULATED, EU, ONE_STOP_SHOP
from billing.rating.us_states import state_code
from billing.services.overlaps import no_overlap
from billing.services.tax_numbers import check_missing
from billing.taxnumbers import COUNTRIES, vat_number

_Row = TypeVar("_Row", TaxRate, TaxRegistration)
SHIPPED = Path(__file__).resolve().parent.parent / "data" / "tax_rates.csv"


def ensure_tax_rates() -> None:
    """Add the shipped rates that are missing; a rate that one follows ends with it.

    Where finance has said what holds since, nothing is added.
    """
    with transaction.atomic():
        known: dict[tuple[str, str, str], list[TaxRate]] = defaultdict(list)
        for rate in TaxRate.objects.order_by("starts_on"):
            known[rate.country, rate.region, rate.tax_class].append(rate)
        new = []
        for rate in _shipped():
            rates = known[rate.country, rate.region, rate.tax_class]
            if rates:
                last = rates[-1]
                if last.starts_on >= rate.starts_on:
                    continue
                if last.ends_on is None:
                    last.ends_on = rate.starts_on
                    if not last._state.adding:
                        last.save(update_fields=["ends_on"])
                elif last.ends_on > rate.starts_on:
                    continue
            rates.append(rate)
            new.append(rate)
        TaxRate.objects.bulk_create(new)


def _shipped() -> Iterator[TaxRate]:
    with SHIPPED.open(encoding="ascii", newline="") as file:
        for row in csv.DictReader(file):
            yield TaxRate(
                country=row["country"],
                region=row["region"] or "",
                name=row["name"] or "VAT",
                tax_class=row["tax_class"],
                percent=Decimal(row["percent"]),
                starts_on=dt.date.fromisoformat(row["starts_on"]),
                ends_on=dt.date.fromisoformat(row["ends_on"]) if row["ends_on"] else None,
            )


def add_tax_rate(
    *,
    country: str,
    percent: Decimal,
    starts_on: dt.date,
    region: str = "",
    tax_class: str = "standard",
    name: str = "VAT",
    ends_on: dt.date | None = None,
) -> TaxRate:
    """A rate from a day on; the one it follows ends with it. Raises `Invalid` or `Conflict`."""
    _check_country(country)
    if not 0 <= percent <= 100:
        raise Invalid("0 to 100 is expected.", field="percent", code="out_of_range")
    if tax_class == "exempt":
        raise Invalid("What is exempt has no rate.", field="tax_class", code="invalid_class")
    _check_days(starts_on, ends_on)
    with transaction.atomic():
        TaxRate.objects.filter(
            country=country,
            region=region,
            tax_class=tax_class,
            starts_on__lt=starts_on,
            ends_on__isnull=True,
        ).update(ends_on=starts_on)
        with no_overlap("Another rate of this place and class holds for some of these days."):
            return TaxRate.objects.create(
                country=country,
                region=region,
                tax_class=tax_class,
                name=name,
                percent=percent,
                starts_on=starts_on,
                ends_on=ends_on,
            )


def add_registration(
    *,
    country: str,
    number: str,
    starts_on: dt.date,
    now: dt.datetime,
    region: str = "",
    consumers_only: bool = False,
    is_home: bool = False,
    ends_on: dt.date | None = None,
    issuing_entity: IssuingEntity | None = None,
) -> TaxRegistration:
    """From `starts_on` the entity's customers there are charged tax; without one, those of the
    issuer whom the settings name. In the US it is of a state, by its code or name, and Stripe Tax
    works the amounts out. Raises `Invalid` or `Conflict`.

    Of documents that are issued from now on: what is issued stays as it is.
    """
    if country != ONE_STOP_SHOP:
        _check_country(country)
    elif not consumers_only or is_home:
        raise Invalid(
            "EU stands for the one-stop shop, which is for consumers and nobody's home.",
            field="country",
            code="one_stop_shop_is_for_consumers",
        )
    if country in EU and not vat_number(number, country=country):
        raise Invalid(
            f"{number!r} is no VAT number of {country}.", field="number", code="invalid_tax_id"
        )
    _check_days(starts_on, ends_on)
    if country in CALCULATED:
        region = _known_state(region)
    elif country != ONE_STOP_SHOP:
        _require_rate(country, region)
    with no_overlap("Another registration there, or another home, holds for some of these days."):
        registration = TaxRegistration.objects.create(
            issuing_entity=issuing_entity,
            country=country,
            region=region,
            number=number,
            consumers_only=consumers_only,
            is_home=is_home,
            starts_on=starts_on,
            ends_on=ends_on,
            created_at=now,
        )
    check_missing(now=now)
    return registration


def _known_state(region: str) -> str:
    code = state_code(region)
    if not code:
        raise Invalid(
            "In the US each state taxes by itself: its code or name is expected, as TX or Texas.",
            field="region",
            code="unknown_state",
        )
    return code


def _require_rate(country: str, region: str) -> None:
    rates = TaxRate.objects.filter(tax_class="standard", country=country)
    if not rates.filter(region__in=["", region]).exists():
        raise Conflict(
            f"There is no standard tax rate of {country} {region}".rstrip() + ": add one first.",
            field="country",
            code="no_tax_rate",
        )


def end_registration(*, registration_id: UUID, ends_on: dt.date) -> TaxRegistration:
    """From `ends_on` nobody is charged tax there any more."""
    row = TaxRegistration.objects.get(pk=registration_id)
    return _end(row, ends_on)


def end_tax_rate(*, rate_id: int, ends_on: dt.date) -> TaxRate:
    """From `ends_on` the rate holds no more; add the one that follows it."""
    row = TaxRate.objects.get(pk=rate_id)
    return _end(row, ends_on)


def _end(row: _Row, ends_on: dt.date) -> _Row:
    if ends_on < row.starts_on:
        raise Invalid("Must not be before it starts.", field="ends_on", code="ends_before_start")
    row.ends_on = ends_on
    with no_overlap("Another one begins before that day.", field="ends_on"):
        row.save(update_fields=["ends_on"])
    return row


def _check_country(country: str) -> None:
    if country not in COUNTRIES:
        raise Invalid(
            "A country's two capital letters are expected, as DE (ISO 3166).",
            field="country",
            code="invalid_country",
        )


def _check_days(starts_on: dt.date, ends_on: dt.date | None) -> None:
    if ends_on is not None and ends_on <= starts_on:
        raise Invalid("Must be after it starts.", field="ends_on", code="ends_before_start")
