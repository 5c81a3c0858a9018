"""Gapless invoice numbers, per issuer and year of the issue date: `INV-2026-000042`."""

from collections import Counter
from collections.abc import Sequence

from django.db import connection

# One atomic upsert. The row stays locked until the transaction that closes the periods ends: the
# next one waits, and takes up where this one committed, or where it began if it rolled back.
_TAKE = """
INSERT INTO invoices_invoicesequence AS sequence (issuer, year, last_number)
VALUES (%s, %s, %s)
ON CONFLICT (issuer, year) DO UPDATE SET last_number = sequence.last_number + excluded.last_number
RETURNING last_number
"""


def take_numbers(*, issuer: str, years: Sequence[int]) -> list[str]:
    """The next number for each of `years`. Take them late in the transaction: others wait then.

    At a year's turn one run may issue in two years. Sequences are locked from the earlier year on.
    """
    following = {
        year: iter(_take(issuer, year, count)) for year, count in sorted(Counter(years).items())
    }
    return [next(following[year]) for year in years]


def _take(issuer: str, year: int, count: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [issuer, year, count])
        last = cursor.fetchone()[0]
    return [f"{issuer}-{year}-{number:06d}" for number in range(last - count + 1, last + 1)]
