"""Formatting of money, quantities, prices, durations, shares and dates, always with their unit.

For pages, mails, papers and charts alike, in the language that is active where they are made. A
person may prefer numbers as another language writes them.
"""

import datetime as dt
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

from babel import Locale
from babel.dates import format_date, format_interval, format_skeleton
from babel.numbers import get_currency_symbol
from django.utils.translation import gettext, pgettext

from billing import money as exact
from billing.languages import active_language, habits

NO_BREAK = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
_EN_DASH = "\N{EN DASH}"


class _Marks(NamedTuple):
    """How a language writes numbers."""

    decimal: str
    group: str
    symbol_behind: bool
    before_percent: str


@lru_cache(maxsize=16)
def _marks_of(language: str) -> _Marks:
    locale = Locale(language)
    symbols = locale.number_symbols["latn"]
    percent = locale.percent_formats[None].pattern
    return _Marks(
        symbols["decimal"],
        symbols["group"],
        locale.currency_formats["standard"].pattern.endswith("¤"),
        percent.partition("%")[0].lstrip("#,0"),
    )


def _marks() -> _Marks:
    return _marks_of(habits().number_format or active_language())


def number(text: str) -> str:
    """Digits as Python groups them, "1,234.5", as the language writes them."""
    return _written(text, _marks())


def _written(text: str, marks: _Marks) -> str:
    if marks.group == "," and marks.decimal == ".":
        return text
    whole, point, decimals = text.partition(".")
    return whole.replace(",", marks.group) + (marks.decimal + decimals if point else "")


def money(amount: Decimal | int | None, currency: str) -> str:
    """`amount` rounded half-up to the currency's smallest unit: "$1,234.50", "¥7,000"."""
    return "–" if amount is None else money_in(currency)(amount)


def money_in(currency: str) -> Callable[[Decimal | int], str]:
    """`money` for many amounts on one page: language and symbol are looked up once."""
    before, after, marks = _around(currency, active_language(), habits().number_format)

    def shown(amount: Decimal | int) -> str:
        rounded = exact.rounded(Decimal(amount), currency)
        sign = MINUS if rounded < 0 else ""
        return f"{sign}{before}{_written(f'{abs(rounded):,f}', marks)}{after}"

    return shown


def cents(amount: Decimal | int | None, currency: str) -> str:
    """`money`, but what is there and rounds to nothing is "< $0.01"."""
    shown = money(amount, currency)
    if not amount or exact.to_minor(Decimal(amount), currency):
        return shown
    step = _with_symbol(f"{exact.from_minor(1, currency):f}", currency, negative=amount < 0)
    return f"{'>' if amount < 0 else '<'}{NO_BREAK}{step}"


def exact_money(amount: Decimal | None, currency: str) -> str:
    """`amount` with all its decimals but trailing zeros: 0.0487500000 is "$0.04875"."""
    if amount is None:
        return "–"
    return _with_symbol(
        _trimmed(abs(amount), min_decimals=exact.exponent(currency)), currency, negative=amount < 0
    )


def exact_and_rounded(amount: Decimal, currency: str) -> tuple[str, str]:
    """`exact_money` and `money` of an amount; language and symbol are looked up once for both."""
    before, after, marks = _around(currency, active_language(), habits().number_format)
    rounded = exact.rounded(amount, currency)
    digits = _trimmed(abs(amount), min_decimals=exact.exponent(currency))
    return (
        f"{MINUS if amount < 0 else ''}{before}{_written(digits, marks)}{after}",
        f"{MINUS if rounded < 0 else ''}{before}{_written(f'{abs(rounded):,f}', marks)}{after}",
    )


def quantity(value: Decimal | None) -> str:
    """A quantity without trailing zeros: "1,812.5"."""
    if value is None:
        return "–"
    return f"{MINUS if value < 0 else ''}{number(_trimmed(abs(value), min_decimals=0))}"


def percent(share: Decimal | None, places: int = 1) -> str:
    """A fraction as a percentage: 0.9417 is "94.2%"."""
    if share is None:
        return "–"
    value = (share * 100).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return f"{number(f'{value:,f}').replace('-', MINUS)}{percent_sign()}"


def duration(seconds: Decimal | None) -> str:
    """Seconds as people say them: "3 min 22 s", "1 h 4 min"."""
    if seconds is None:
        return "–"
    whole = int(seconds.to_integral_value(rounding=ROUND_HALF_UP))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    units = _time_units(active_language())
    in_minutes = f"{minutes}{NO_BREAK}{units.minutes}"
    if whole < 3600:
        in_seconds = f"{rest}{NO_BREAK}{units.seconds}"
        return in_seconds if whole < 60 else f"{in_minutes} {in_seconds}"
    return f"{number(f'{hours:,}')}{NO_BREAK}{units.hours} {in_minutes}"


class _TimeUnits(NamedTuple):
    hours: str
    minutes: str
    seconds: str


@lru_cache(maxsize=16)
def _time_units(language: str) -> _TimeUnits:
    return _TimeUnits(pgettext("hours", "h"), pgettext("minutes", "min"), pgettext("seconds", "s"))


def percent_sign() -> str:
    """With the space that a language puts before it."""
    return f"{_marks().before_percent}%"


def _by_length(day: dt.date, english: str, length: Literal["medium", "long"]) -> str:
    language = active_language()
    return english if language == "en" else format_date(day, length, locale=language)


def _by_skeleton(day: dt.date, english: str, skeleton: str) -> str:
    language = active_language()
    return english if language == "en" else format_skeleton(skeleton, day, locale=language)


def long_date(day: dt.date) -> str:
    """As on paper: "2 November 2026", "2. November 2026", "2026年11月2日"."""
    return _by_length(day, f"{day.day} {day:%B} {day.year}", "long")


def month_name(day: dt.date) -> str:
    """The month of a day: "October 2026"."""
    return _by_skeleton(day, f"{day:%B} {day.year}", "yMMMM")


def short_month(day: dt.date) -> str:
    """The month of a day, as in tables: "Oct 2026"."""
    return _by_skeleton(day, f"{day:%b} {day.year}", "yMMM")


def date_range(first: dt.date, last: dt.date) -> str:
    """From the first day to the last: "1 October – 31 October 2026"."""
    if first == last:
        return long_date(last)
    language = active_language()
    if language == "en":
        year = f" {first.year}" if first.year != last.year else ""
        return f"{first.day} {first:%B}{year} {_EN_DASH} {long_date(last)}"
    return format_interval(first, last, "yMMMd", locale=language)


def short_day(day: dt.date) -> str:
    """As in tables: "2 Nov 2026"."""
    return _by_length(day, f"{day.day} {day:%b %Y}", "medium")


def day_month(day: dt.date) -> str:
    """Without its year: "2 November"."""
    return _by_skeleton(day, f"{day.day} {day:%B}", "MMMMd")


def weekday_date(day: dt.date) -> str:
    """With its weekday, without its year: "Monday, 2 November"."""
    language = active_language()
    if language == "en":
        return f"{day:%A}, {day.day} {day:%B}"
    return f"{format_date(day, 'EEEE', locale=language)}, {day_month(day)}"


def long_time(at: dt.datetime) -> str:
    return f"{long_date(at)}, {at:%H:%M}"


def short_time(at: dt.datetime) -> str:
    return f"{short_day(at)}, {at:%H:%M}"


def exact_time(at: dt.datetime) -> str:
    return f"{short_day(at)}, {at:%H:%M:%S}"


def country_name(code: str) -> str:
    """A country in the active language; a code that names none as it is."""
    return Locale(active_language()).territories.get(code, code)


def word(text: str) -> str:
    """A word of ours (`billing.words`) in the active language; any other text as it is."""
    return _word(text, active_language()) if text else ""


# A list asks for the same few words in each of its rows.
@lru_cache(maxsize=8192)
def _word(text: str, language: str) -> str:
    return gettext(text)


def readable(code: str) -> str:
    """A code made readable: "no_answer" is "No answer"."""
    return word(code.replace("_", " ").capitalize())


def _with_symbol(digits: str, currency: str, *, negative: bool) -> str:
    before, after, marks = _around(currency, active_language(), habits().number_format)
    return f"{MINUS if negative else ''}{before}{_written(digits, marks)}{after}"


@lru_cache(maxsize=512)
def _around(currency: str, language: str, own_format: str) -> tuple[str, str, _Marks]:
    """What stands before and after an amount's digits, and how these are written."""
    symbol: str = get_currency_symbol(currency, locale="en_US" if language == "en" else language)
    marks = _marks_of(own_format or language)
    if _marks_of(language).symbol_behind:
        return "", f"{NO_BREAK}{symbol}", marks
    return f"{symbol}{NO_BREAK if symbol[-1].isalpha() else ''}", "", marks


def _trimmed(value: Decimal, *, min_decimals: int) -> str:
    """Plain digits in thousands groups, without trailing zeros beyond `min_decimals` decimals."""
    whole, _, decimals = f"{value:,f}".partition(".")
    decimals = decimals.rstrip("0").ljust(min_decimals, "0")
    return f"{whole}.{decimals}" if decimals else whole
