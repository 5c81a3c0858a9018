"""What a report is, what it is asked, and how its statements are run.

Days of documents are those printed on them: of the workspace's calendar. A document counts from its
own day on: a payment from the day on the bank statement, a note or a void from the day it was made.
"""

import datetime as dt
import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from billing.months import first_of_next_month
from billing.replica import reading_connection
from billing.tables import Column, Kind, Row

_DAY = dt.timedelta(days=1)


class Basis(enum.StrEnum):
    """Which days a report is asked for."""

    RANGE = "range"
    MONTHS = "months"  # whole ones: those that the range touches
    AS_OF = "as of"


@dataclass(frozen=True)
class ReportRequest:
    """`first` and `last` are both included; what was not yet known on `as_of` is left out."""

    first: dt.date
    last: dt.date
    as_of: dt.date
    now: dt.datetime
    currency: str = ""
    workspace_id: UUID | None = None

    @property
    def first_month(self) -> dt.date:
        return self.first.replace(day=1)

    @property
    def last_month(self) -> dt.date:
        return self.last.replace(day=1)

    @property
    def months(self) -> list[dt.date]:
        """Their first days."""
        found = [self.first_month]
        while found[-1] < self.last_month:
            found.append(first_of_next_month(found[-1]))
        return found

    @property
    def is_now(self) -> bool:
        """Whether it is about all that is known: as of today, or later."""
        return self.as_of >= self.now.date()

    @property
    def parameters(self) -> dict[str, Any]:
        """Of statements: days, months by their first days, and whom it is about."""
        return {
            "first": self.first,
            "last": self.last,
            "first_month": self.first_month,
            "last_month": self.last_month,
            "as_of": self.as_of,
            # East of UTC it is tomorrow already: as of now, what was issued there counts too.
            "known_on": self.as_of + _DAY if self.is_now else self.as_of,
            "as_of_end": dt.datetime.combine(self.as_of + _DAY, dt.time(), tzinfo=dt.UTC),
            "workspace": self.workspace_id,
            "currency": self.currency or None,
        }


@dataclass(frozen=True)
class Report:
    """`rows` gives a mapping for each row, with the names of the columns and what links need."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: Callable[[ReportRequest], Iterable[Row]]
    basis: Basis
    # How each figure is computed, for whoever wants to do it by hand.
    how: str
    links: Mapping[str, Callable[[Row, ReportRequest], str]] = field(default_factory=dict)

    def url(self, **parameters: Any) -> str:
        given = {key: str(value) for key, value in parameters.items() if value not in (None, "")}
        page = reverse("finance:report", args=[self.key])
        return page + (f"?{urlencode(given)}" if given else "")


CUSTOMER = Column("customer", "Customer")
CURRENCY = Column("currency", "Currency")
MONTH = Column("month", "Month", Kind.MONTH)


def text(name: str, label: str) -> Column:
    return Column(name, label)


def money(name: str, label: str, *, is_summed: bool = True) -> Column:
    return Column(name, label, Kind.MONEY, is_summed)


def exact(name: str, label: str, *, is_summed: bool = True) -> Column:
    return Column(name, label, Kind.EXACT_MONEY, is_summed)


def count(name: str, label: str, *, is_summed: bool = True) -> Column:
    return Column(name, label, Kind.COUNT, is_summed)


def day(name: str, label: str) -> Column:
    return Column(name, label, Kind.DAY)


def share(name: str, label: str) -> Column:
    return Column(name, label, Kind.SHARE)


# In statements: `w` is the workspace, `i` an invoice, `n` a credit note.
ASKED_FOR = """(%(workspace)s::uuid IS NULL OR w.id = %(workspace)s::uuid)
   AND (%(currency)s::text IS NULL OR {currency} = %(currency)s::text)"""
ISSUED_ON = "(i.issued_at AT TIME ZONE w.timezone)::date"
VOIDED_ON = "(i.voided_at AT TIME ZONE w.timezone)::date"
NOTED_ON = "(n.issued_at AT TIME ZONE w.timezone)::date"
NOTE_VOIDED_ON = "(n.voided_at AT TIME ZONE w.timezone)::date"
# Issued by then, and not void by then.
LIVE_NOTE = (
    f"n.number IS NOT NULL AND {NOTED_ON} <= %(known_on)s"
    f" AND (n.voided_at IS NULL OR {NOTE_VOIDED_ON} > %(known_on)s)"
)
LIVE_INVOICE = (
    f"{ISSUED_ON} <= %(known_on)s AND (i.voided_at IS NULL OR {VOIDED_ON} > %(known_on)s)"
)


def selected(statement: str, asked: ReportRequest, **more: Any) -> list[dict[str, Any]]:
    with reading_connection().cursor() as cursor:
        cursor.execute(statement, {**asked.parameters, **more})
        names = [each.name for each in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def to_admin(name: str, /, **filters: Any) -> str:
    """A list of the admin ("app_model"), filtered."""
    given = {field: str(value) for field, value in filters.items() if value not in (None, "")}
    return reverse(f"admin:{name}_changelist") + (f"?{urlencode(given)}" if given else "")


def to_workspace(row: Row, asked: ReportRequest) -> str:
    return reverse("finance:customer", args=[row["workspace_id"]])


def to_invoice(row: Row, asked: ReportRequest) -> str:
    return reverse("admin:invoices_invoice_change", args=[row["invoice_id"]])


def to_note(row: Row, asked: ReportRequest) -> str:
    return reverse("admin:invoices_creditnote_change", args=[row["note_id"]])
