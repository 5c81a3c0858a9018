"""An amount that is searched for, as people of several countries write it."""

from decimal import Decimal

import pytest

from invoices.admin.search import amount_in


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1332.70", "1332.70"),
        ("$1,332.70", "1332.70"),
        ("1.332,70 €", "1332.70"),
        ("405,61", "405.61"),
        ("1,332", "1332"),
        ("12,345,678", "12345678"),
        ("1.332", "1.332"),
        ("¥1500", "1500"),
    ],
)
def test_an_amount_is_read_as_it_is_written(text: str, amount: str):
    assert amount_in(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["INV-2026-000001", "1.33,70", "1.332,705", "", "-5", "1e3"])
def test_what_is_no_amount_is_none(text: str):
    assert amount_in(text) is None
