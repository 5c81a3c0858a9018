"""A version's rates as a CSV file, and a draft's rates from one."""

import csv
import io
from collections.abc import Sequence
from uuid import UUID

from billing.errors import Invalid
from billing.models import RateCardVersion
from billing.pricing import Matched
from billing.services.price_rows import COLUMNS, BadRow, rate_of, row_of
from billing.services.rate_cards import MOST_RATES, NewRate, replace_rates

MOST_BYTES = 1_000_000


def rates_csv(version: RateCardVersion) -> str:
    """One line a rate, with a header; `rates_from_csv` reads it back."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for rate in version.rates.all():
        writer.writerow(row_of(Matched(*rate.match), rate.price, rate.min_margin_percentage))
    return file.getvalue()


def rates_from_csv(content: bytes) -> list[NewRate]:
    """Raises `Invalid`, which names the first lines that are wrong."""
    if len(content) > MOST_BYTES:
        raise Invalid(f"The file has more than {MOST_BYTES} bytes.", code="body_too_large")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The file is not UTF-8 text.", code="invalid_text") from None
    head = text.partition("\n")[0]
    # Cells copied from a spreadsheet come with tabs, files of some countries with semicolons.
    separator = next((each for each in "\t;" if each in head), ",")
    reader = csv.DictReader(io.StringIO(text), delimiter=separator)
    unknown = [name for name in reader.fieldnames or () if name not in COLUMNS]
    if unknown or not reader.fieldnames:
        named = ", ".join(map(str, unknown)) or "none"
        raise Invalid(f"Its first line must name columns of {', '.join(COLUMNS)}; found: {named}.")
    rates: list[NewRate] = []
    faults: list[str] = []
    try:
        for row in reader:
            if len(rates) >= MOST_RATES:
                raise Invalid(f"At most {MOST_RATES} rates are kept.", code="too_many_rates")
            try:
                rates.append(rate_of(row))
            except BadRow as error:
                faults.append(f"line {reader.line_num}: {error}")
    except csv.Error as error:
        raise Invalid(f"Line {reader.line_num} is not CSV: {error}.") from None
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise Invalid(f"{'; '.join(faults[:5])}{more}.")
    return rates


def import_rates(*, version_id: UUID, content: bytes) -> Sequence[NewRate]:
    """Put the rates of a file in place of a draft's, all or none."""
    rates = rates_from_csv(content)
    replace_rates(version_id=version_id, rates=rates)
    return rates
