"""The record of a month's end: signed off by one person, confirmed by a second, kept as it stood.

It closes nothing and opens nothing: documents are corrected by documents, and the record says what
has changed since.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Sum

from billing.compiled import CompiledQuery
from billing.errors import Conflict, Invalid, NotFound, SecondPersonNeeded
from billing.money import ZERO
from billing.months import first_of_next_month
from invoices.models import CreditNote, Invoice, InvoiceEvent
from invoices.payments.models import MonthRecord

# Months end at another moment in each timezone, up to 14 hours from UTC's.
_TIMEZONES = dt.timedelta(days=1)
SUMS = ("invoiced", "tax", "credited", "paid", "open")


class MonthClosed(Conflict):
    """The month has a record that two people have put their names to."""

    code = "month_closed"


class MonthChanged(Conflict):
    """What was looked at is no longer what is to be signed or confirmed."""

    code = "month_changed"


class Change(NamedTuple):
    """A sum of a record that is another one now."""

    currency: str
    what: str
    then: Decimal
    now: Decimal


def ends_of_month(month: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Between which moments the periods of a month end, both included."""
    following = first_of_next_month(month)
    end = dt.datetime.combine(following, dt.time(), tzinfo=dt.UTC)
    return end - _TIMEZONES, end + _TIMEZONES


def invoices_ended_between(first: dt.datetime, last: dt.datetime) -> QuerySet[Invoice]:
    return Invoice.objects.filter(
        billing_period__period_end__gte=first, billing_period__period_end__lte=last
    )


def invoices_of_month(month: dt.date) -> QuerySet[Invoice]:
    """Those of billing periods that ended with the month, void ones too."""
    return invoices_ended_between(*ends_of_month(month))


def _live(first: dt.datetime, last: dt.datetime) -> QuerySet[Invoice]:
    return invoices_ended_between(first, last).exclude(status=Invoice.Status.VOID)


# All that was credited, what was paid before and went back or became credit too.
_credited = CompiledQuery[tuple[str, Decimal]](
    lambda first, last: (
        CreditNote.objects.filter(status=CreditNote.Status.ISSUED, invoice__in=_live(first, last))
        .order_by()
        .values_list("currency")
        .annotate(given=Sum("total"))
    )
)
_sums = CompiledQuery[Any](
    lambda first, last: (
        _live(first, last)
        .order_by("currency")
        .values("currency")
        .annotate(
            invoices=Count("pk"),
            invoiced=Sum("amount"),
            tax_sum=Sum("tax"),
            paid=Sum(F("amount_paid") + F("credit_used")),
            open=Sum(
                F("amount") - F("amount_paid") - F("credit_used") - F("amount_credited"),
                filter=~Q(status=Invoice.Status.UNCOLLECTIBLE),
                default=ZERO,
            ),
        )
    )
)


def sums_of_month(month: dt.date) -> list[dict[str, Any]]:
    """By currency: how many invoices that are not void, and their sums as texts."""
    ended = ends_of_month(month)
    credited = dict(_credited(*ended))
    return [
        {
            "currency": row["currency"],
            "invoices": row["invoices"],
            "invoiced": f"{row['invoiced']:f}",
            "tax": f"{row['tax_sum']:f}",
            "credited": f"{credited.get(row['currency'], ZERO):.3f}",
            "paid": f"{row['paid']:f}",
            "open": f"{row['open']:f}",
        }
        for row in _sums(*ended)
    ]


def snapshot_of(month: dt.date, steps: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """What would be signed now: `steps` as title, state and detail, and the sums."""
    return {
        "steps": [dict(zip(("title", "state", "detail"), step, strict=True)) for step in steps],
        "sums": sums_of_month(month),
    }


def digest_of(snapshot: dict[str, Any]) -> str:
    text = json.dumps(snapshot, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def seen_of(snapshot: dict[str, Any]) -> str:
    """The digest of what its reader decides by: details of steps, as when a source was last heard
    of, change by the minute."""
    steps = [{**step, "detail": ""} for step in snapshot["steps"]]
    return digest_of({**snapshot, "steps": steps})


def sign_month(
    *,
    month: dt.date,
    snapshot: dict[str, Any],
    seen: str,
    reason: str,
    by: str,
    now: dt.datetime,
) -> MonthRecord:
    """Sign off the month as it stands. `seen` (`seen_of`) is what its signer looked at.

    Signing again, before anybody has confirmed it, takes the place of what was signed before.
    """
    if seen_of(snapshot) != seen:
        raise MonthChanged("Something has changed since this page was opened: look again.")
    if any(step["state"] != "done" for step in snapshot["steps"]) and not reason.strip():
        raise Invalid("Not every step is done: say why the month is closed all the same.")
    if record_of(month) is not None:
        raise MonthClosed(f"{month:%B %Y} is closed already.")
    return MonthRecord.objects.create(
        month=month,
        snapshot=snapshot,
        digest=digest_of(snapshot),
        is_complete=all(step["state"] == "done" for step in snapshot["steps"]),
        reason=reason.strip(),
        signed_by=by,
        signed_at=now,
    )


def confirm_month(*, record_id: UUID, seen: str, by: str, now: dt.datetime) -> MonthRecord:
    """Confirm what another person signed off last; of two at once the second is told so."""
    with transaction.atomic():
        # All that were signed for the month: whoever confirms another of them waits here.
        asked = MonthRecord.objects.filter(pk=record_id).values("month")
        rows = MonthRecord.objects.select_for_update().filter(month__in=asked)
        signed = sorted(rows, key=lambda row: row.signed_at, reverse=True)
        if not signed:
            raise NotFound("There is no such record.")
        if any(row.is_confirmed for row in signed):
            raise MonthClosed(f"{signed[0].month:%B %Y} is closed already.")
        record = signed[0]
        if record.pk != record_id or record.digest != seen:
            raise MonthChanged("It was signed off anew since: look again.")
        if record.signed_by.casefold() == by.casefold():
            raise SecondPersonNeeded("Another person than who signed it off has to confirm it.")
        record.confirmed_by, record.confirmed_at = by, now
        record.save(update_fields=["confirmed_by", "confirmed_at"])
        return record


def record_of(month: dt.date) -> MonthRecord | None:
    """The one that two people have put their names to."""
    return MonthRecord.objects.filter(month=month, confirmed_at__isnull=False).first()


_signed = CompiledQuery[MonthRecord](
    lambda month: MonthRecord.objects.filter(month=month).order_by(
        F("confirmed_at").desc(nulls_last=True), "-signed_at"
    )[:1]
)


def signed_record_of(month: dt.date) -> MonthRecord | None:
    """The confirmed one, else what was signed off last."""
    return _signed.first(month)


def changed_sums(record: MonthRecord) -> list[Change]:
    """Sums that are others now than in the record."""
    then, now = (
        {(row["currency"], name): Decimal(row[name]) for row in sums for name in SUMS}
        for sums in (record.snapshot["sums"], sums_of_month(record.month))
    )
    return [
        Change(currency, name, then.get((currency, name), ZERO), now.get((currency, name), ZERO))
        for currency, name in sorted({*then, *now}, key=lambda key: (key[0], SUMS.index(key[1])))
        if then.get((currency, name), ZERO) != now.get((currency, name), ZERO)
    ]


def events_since(record: MonthRecord, *, most: int) -> Sequence[InvoiceEvent]:
    """What happened to the month's invoices since it was signed off, latest first."""
    return list(
        InvoiceEvent.objects.filter(
            invoice__in=invoices_of_month(record.month), created_at__gt=record.signed_at
        )
        .select_related("invoice__workspace")
        .order_by("-created_at")[:most]
    )
