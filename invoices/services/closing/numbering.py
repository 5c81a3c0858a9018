"""Gapless invoice numbers, per issuer and year: `INV-2026-000042`."""

from django.db import connection

# One atomic upsert. The row stays locked until the transaction that closes the periods ends: the
# next one waits, and takes up where this one committed, or where it began if it rolled back.
_TAKE = """
INSERT INTO invoices_invoicesequence AS sequence (issuer, year, last_number)
VALUES (%s, %s, %s)
ON CONFLICT (issuer, year) DO UPDATE SET last_number = sequence.last_number + excluded.last_number
RETURNING last_number
"""


def take_numbers(*, issuer: str, year: int, count: int) -> list[str]:
    """The next `count` numbers. Take them late in the transaction: others wait meanwhile."""
    if count == 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [issuer, year, count])
        last = cursor.fetchone()[0]
    return [f"{issuer}-{year}-{number:06d}" for number in range(last - count + 1, last + 1)]
