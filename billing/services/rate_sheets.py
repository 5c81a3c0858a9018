"""A version's rates as a CSV file, and a draft's rates from one."""

from collections.abc import Sequence
from uuid import UUID

from billing.models import RateCardVersion
from billing.pricing import Matched
from billing.services.price_rows import COLUMNS, rate_of, row_of
from billing.services.rate_card_rules import MAX_RATES, NewRate
from billing.services.rate_cards import replace_rates
from billing.services.sheets import read_sheet, write_sheet


def rates_csv(version: RateCardVersion) -> str:
    """One line a rate, with a header; `rates_from_csv` reads it back."""
    return write_sheet(
        COLUMNS,
        (
            row_of(Matched(*rate.match), rate.price, rate.min_margin_percentage)
            for rate in version.rates.all()
        ),
    )


def rates_from_csv(content: bytes) -> list[NewRate]:
    """Raises `Invalid`, which names the first lines that are wrong."""
    return read_sheet(content, COLUMNS, rate_of, max_rows=MAX_RATES, noun="rates")


def import_rates(*, version_id: UUID, content: bytes) -> Sequence[NewRate]:
    """Put the rates of a file in place of a draft's, all or none."""
    rates = rates_from_csv(content)
    replace_rates(version_id=version_id, rates=rates)
    return rates
