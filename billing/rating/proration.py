"""Shares of a fee by days. Days are those of the workspace's calendar, spans half-open."""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import NamedTuple

from billing.money import EXACT

_STEP = Decimal("1E-10")


class Span(NamedTuple):
    """The days `[first, until)`."""

    first: dt.date
    until: dt.date

    @property
    def days(self) -> int:
        return (self.until - self.first).days

    @property
    def last(self) -> dt.date:
        return self.until - dt.timedelta(days=1)

    def within(self, other: "Span") -> "Span":
        """What both have; of no days where they have none in common."""
        first = max(self.first, other.first)
        return Span(first, max(first, min(self.until, other.until)))


def share(fee: Decimal, days: int, of_days: int) -> Decimal:
    """`fee x days / of_days`, rounded half-up to ten decimals once."""
    with localcontext(EXACT):
        return rounded(fee * days / of_days)


def rounded(amount: Decimal) -> Decimal:
    """To ten decimals, half away from zero, as PostgreSQL rounds a numeric."""
    with localcontext(EXACT):
        return amount.quantize(_STEP, rounding=ROUND_HALF_UP)


def span_text(span: Span) -> str:
    """Its first and last day: "16-30 November", or with years where they are two."""
    first, last = span.first, span.last
    if first == last:
        return f"{first.day} {first:%B}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}-{last.day} {last:%B}"
    if first.year == last.year:
        return f"{first.day} {first:%B} - {last.day} {last:%B}"
    return f"{first.day} {first:%B} {first.year} - {last.day} {last:%B} {last.year}"


def part_text(name: str, part: Span, whole: Span) -> str:
    """`name`, with its days where these are not all: "Pro, 16-30 November, 15 of 30 days"."""
    if part == whole:
        return name
    return f"{name}, {span_text(part)}, {part.days} of {whole.days} days"
