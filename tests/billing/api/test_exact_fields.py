import datetime as dt
from decimal import Decimal

import pytest
from rest_framework.exceptions import ValidationError

from billing.api.fields import (
    EmailTextField,
    ExactDecimalField,
    FlagField,
    IdField,
    PlainTextField,
    WholeNumberField,
    aware_time,
    decimal_text,
)
from billing.decimals import NotExact, exact_decimal


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("0.0125", "0.0125"),
        (Decimal("0.1"), "0.1"),
        (3, "3"),
        ("-2.5", "-2.5"),
        ("1e3", "1000"),
        ("0.1000000000", "0.1"),
        ("0e999999", "0"),
        ("-0", "0"),
        ("12345678", "12345678"),
    ],
)
def test_a_decimal_that_fits_is_taken_as_it_is(given: object, read: str):
    assert exact_decimal(given, integer_digits=8, decimals=4) == Decimal(read)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("0.00001", "too_many_decimals"),
        ("123456789", "too_large"),
        ("1e999999", "too_large"),
        (Decimal("1e99999999"), "too_large"),
        ("1e-999999", "too_many_decimals"),
        ("NaN", "invalid_decimal"),
        (Decimal("NaN"), "invalid_decimal"),
        (Decimal("Infinity"), "invalid_decimal"),
        ("", "invalid_decimal"),
        (" 1", "invalid_decimal"),
        ("1_000", "invalid_decimal"),
        ("١", "invalid_decimal"),
        ("1,5", "invalid_decimal"),
        (True, "invalid_decimal"),
        (None, "invalid_decimal"),
        (["1"], "invalid_decimal"),
        (0.5, "invalid_decimal"),
    ],
)
def test_a_decimal_that_does_not_fit_is_refused_not_rounded(given: object, code: str):
    with pytest.raises(NotExact) as refusal:
        exact_decimal(given, integer_digits=8, decimals=4)
    assert refusal.value.code == code


def test_decimals_show_their_scale_or_only_what_they_need():
    assert decimal_text(Decimal("12.34"), 10) == "12.3400000000"
    assert decimal_text(Decimal("3.250000"), 6, shown=0) == "3.25"
    assert decimal_text(Decimal("500.0000"), 4, shown=2) == "500.00"
    assert decimal_text(Decimal("500.1250"), 4, shown=2) == "500.125"
    assert decimal_text(Decimal("80.0000"), 4, shown=0) == "80"
    assert decimal_text(Decimal("1E+3"), 0) == "1000"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-22T09:30:00Z", dt.datetime(2026, 11, 22, 9, 30)),
        ("2026-11-22T09:30:00+00:00", dt.datetime(2026, 11, 22, 9, 30)),
        ("2026-11-22T09:30:00.123456+00:00", dt.datetime(2026, 11, 22, 9, 30, 0, 123456)),
        ("2026-11-22T09:30:00.123456+05:45", dt.datetime(2026, 11, 22, 3, 45, 0, 123456)),
        ("2026-11-22t09:30z", dt.datetime(2026, 11, 22, 9, 30)),
        ("2026-11-22T09:30Z", dt.datetime(2026, 11, 22, 9, 30)),
        ("2026-11-22 09:30:00+00", dt.datetime(2026, 11, 22, 9, 30)),
        ("2026-11-22T09:30:00-0230", dt.datetime(2026, 11, 22, 12, 0)),
        ("2026-11-22T09:30:00,5Z", dt.datetime(2026, 11, 22, 9, 30, 0, 500000)),
        # Cut, not rounded: it stays in November.
        ("2026-11-30T23:59:59.9999999Z", dt.datetime(2026, 11, 30, 23, 59, 59, 999999)),
        ("2026-11-30T23:59:59.999999999+00", dt.datetime(2026, 11, 30, 23, 59, 59, 999999)),
        ("2026-03-29T02:30:00+01:00", dt.datetime(2026, 3, 29, 1, 30)),
    ],
)
def test_a_time_with_an_offset_is_read_as_utc(text: str, utc: dt.datetime):
    assert aware_time(text) == utc.replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "given",
    [
        "2026-11-22T09:30:00",
        "2026-11-22",
        "2026-02-30T00:00:00Z",
        "2026-11-22T24:30:00Z",
        "2026-11-22T09:30:00.Z",
        "2026-11-22T09:30:00.+00:00",
        "2026-11-22T09:30:00.12Z+00:00",
        "2026-11-22T09:30:00:Z",
        "2026-11-22T09:30:00+1",
        "2026-W48-7T09:30:00Z",
        "2026-W48-7T09:30:00+00:00",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        "tomorrow",
        1795339800,
        None,
    ],
)
def test_any_other_time_is_refused(given: object):
    with pytest.raises(NotExact):
        aware_time(given)


@pytest.mark.parametrize(
    ("field", "given", "code"),
    [
        (PlainTextField(), "a\tb", "invalid_text"),
        (PlainTextField(), "\x1b[31m", "invalid_text"),
        (PlainTextField(), "\ud800", "invalid_text"),
        (PlainTextField(), "Ac\u202eme", "invalid_text"),
        (PlainTextField(), "Ac\u200bme", "invalid_text"),
        (PlainTextField(), "Acme\u2028Ltd", "invalid_text"),
        (PlainTextField(), "Acme\u200d", "invalid_text"),
        (PlainTextField(), "\u3164", "invalid_text"),
        (PlainTextField(), 5, "invalid_text"),
        (IdField(), True, "invalid_uuid"),
        (IdField(), 5, "invalid_uuid"),
        (IdField(), "{7f3c1f0e-52a4-4c6b-9a51-0d2f6f1d9c11}", "invalid_uuid"),
        (EmailTextField(), "owner at acme.test", "invalid_email"),
        (EmailTextField(), "o\u200bwner@acme.test", "invalid_email"),
        (PlainTextField(), "  ", "blank"),
        (PlainTextField(max_length=3), "abcd", "max_length"),
        (FlagField(), "yes", "invalid_flag"),
        (FlagField(), 1, "invalid_flag"),
        (WholeNumberField(), "14", "invalid_number"),
        (WholeNumberField(), Decimal("1.5"), "invalid_number"),
        (WholeNumberField(), True, "invalid_number"),
        (ExactDecimalField(minimum=Decimal(0)), "-0.1", "too_small"),
        (ExactDecimalField(maximum=Decimal(100)), "100.1", "too_large"),
    ],
)
def test_fields_take_their_own_type_only(field, given: object, code: str):
    with pytest.raises(ValidationError) as refusal:
        field.run_validation(given)
    assert refusal.value.get_codes() == [code]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Acme ", "Acme"),
        ("\u0bae\u0bb0\u0bae\u0bcd", "\u0bae\u0bb0\u0bae\u0bcd"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",) * 2,
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467 Calls",) * 2,
        ("Cafe\u0301", "Caf\u00e9"),
    ],
)
def test_names_of_every_script_are_kept_composed(given: str, kept: str):
    assert PlainTextField().run_validation(given) == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (" Owner@ACME.test ", "Owner@acme.test"),
        ("jörg@München.test", "jörg@münchen.test"),
        ("jörg@xn--mnchen-3ya.test", "jörg@münchen.test"),
        ("用户@例え.テスト", "用户@例え.テスト"),
        ("иван@пример.рф", "иван@пример.рф"),
    ],
)
def test_addresses_of_every_script_are_addresses(given: str, kept: str):
    assert EmailTextField().run_validation(given) == kept
