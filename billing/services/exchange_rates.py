"""Exchange rates by day: what a unit of a provider's currency is worth in a workspace's."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from billing.models import ExchangeRate
from billing.money import CURRENCIES, without_exponent
from billing.rating import Fault
from billing.services.faults import FaultyInput
from billing.services.sheets import Cells, read_sheet, write_sheet

MAX_RATES = 5000
COLUMNS = ("from_currency", "to_currency", "day", "rate")


class NewExchangeRate(NamedTuple):
    from_currency: str
    to_currency: str
    day: dt.date
    rate: Decimal


def set_exchange_rates(*, rates: Sequence[NewExchangeRate], now: dt.datetime) -> list[ExchangeRate]:
    """Write each; one for the same day is replaced. What was recorded keeps the rate that it was
    recorded with. Raises `FaultyInput`.
    """
    rates = [normalized(rate) for rate in rates]
    if faults := list(_faults(rates)):
        raise FaultyInput(faults)
    rows = [ExchangeRate(**rate._asdict(), created_at=now) for rate in rates]
    with transaction.atomic():
        ExchangeRate.objects.bulk_create(
            sorted(rows, key=lambda row: (row.from_currency, row.to_currency, row.day)),
            update_conflicts=True,
            unique_fields=["from_currency", "to_currency", "day"],
            update_fields=["rate"],
        )
    return rows


def normalized(rate: NewExchangeRate) -> NewExchangeRate:
    """Currencies as the platform writes them."""
    return rate._replace(
        from_currency=rate.from_currency.strip().upper(),
        to_currency=rate.to_currency.strip().upper(),
    )


def _faults(rates: Sequence[NewExchangeRate]) -> Iterable[Fault]:
    if not rates:
        yield Fault("/rates", "required", "There are no exchange rates.")
    if len(rates) > MAX_RATES:
        yield Fault("/rates", "too_many_rates", f"At most {MAX_RATES} at once.")
        return
    seen: set[tuple[object, ...]] = set()
    for index, rate in enumerate(rates):
        for field, code, detail in faults_of(rate):
            yield Fault(f"/rates/{index}/{field}", code, detail)
        if rate[:3] in seen:
            detail = "Another one of these is for the same currencies and day."
            yield Fault(f"/rates/{index}", "duplicate_match", detail)
        seen.add(rate[:3])


def faults_of(rate: NewExchangeRate) -> Iterable[tuple[str, str, str]]:
    """Field, code and detail of what is wrong with one."""
    for field in ("from_currency", "to_currency"):
        if getattr(rate, field) not in CURRENCIES:
            detail = f"There is no currency {getattr(rate, field)!r}."
            yield field, "unknown_currency", detail
    if rate.from_currency == rate.to_currency:
        yield "to_currency", "same_currency", "Must be another one than from_currency."
    if rate.rate <= 0:
        yield "rate", "too_small", "Must be more than zero."


def exchange_rates_csv(rows: Iterable[ExchangeRate]) -> str:
    """One line a rate; `exchange_rates_from_csv` reads it back."""
    return write_sheet(
        COLUMNS,
        (
            {
                "from_currency": row.from_currency,
                "to_currency": row.to_currency,
                "day": row.day.isoformat(),
                "rate": without_exponent(row.rate.normalize()),
            }
            for row in rows
        ),
    )


def exchange_rates_from_csv(content: bytes) -> list[NewExchangeRate]:
    """Raises `Invalid`, which names the first lines that are wrong."""
    return read_sheet(content, COLUMNS, _rate_of_row, max_rows=MAX_RATES, noun="rates")


def _rate_of_row(row: Mapping[str, str]) -> NewExchangeRate:
    cells = Cells(row, COLUMNS)
    rate = cells.decimal("rate", integer_digits=8, decimals=12)
    day = cells.day("day", otherwise=dt.date.min)
    found = normalized(
        NewExchangeRate(cells["from_currency"], cells["to_currency"], day, rate),
    )
    cells.refuse((field, detail) for field, _, detail in faults_of(found))
    return found
