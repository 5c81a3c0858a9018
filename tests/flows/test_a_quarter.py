"""Four customers from the last day of 2027 to April 2028, on each day that matters.

Each uses the same by its own clock, priced with the markup of 20 %, so that every month can be
worked out by hand:

- each noon 10 call minutes at 0.0125: 0.15 a day,
- in the first and in the last microsecond of each month a minute of transcription at 0.0333:
  0.03996 each,
- in each hour of 26 March (12 March for New York), which has 23 of them where summer time
  begins and 24 elsewhere, a gigabyte at 0.01: 0.012 each.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core import mail

from tests.kit.walk import START, Walk

# Whose clock changes, changes it on this day.
SUNDAYS = {
    "America/New_York": dt.date(2028, 3, 12),
    "Europe/Berlin": dt.date(2028, 3, 26),
    "Asia/Kathmandu": dt.date(2028, 3, 26),
    "UTC": dt.date(2028, 3, 26),
}
HOUR = dt.timedelta(hours=1)
MICROSECOND = dt.timedelta(microseconds=1)

# December has one day, a last microsecond and no first: 0.15 + 0.03996 = 0.18996.
# January has 31 days: 4.65 + 2 x 0.03996 = 4.72992. February 29: 4.35 + 0.07992 = 4.42992.
# March has January's and 23 x 0.012 = 0.276, or 24 x 0.012 = 0.288.
SUBTOTALS = ["0.1899600000", "4.7299200000", "4.4299200000"]
MARCH = {23: "5.0059200000", 24: "5.0179200000"}
# With the fee of 49.00, rounded half-up.
AMOUNTS = ["49.19", "53.73", "53.43"]
MARCH_AMOUNTS = {23: "54.01", 24: "54.02"}
# Cents by largest remainder: 49.00 + 4.65 + 0.07 + 0.27 leaves 2 cents of 54.01, which go to
# 0.07992 and 0.276; 49.00 + 4.65 + 0.07 + 0.28 leaves 2 of 54.02, for 0.07992 and 0.288.
MARCH_LINES = {
    hours: [
        ("Monthly Subscription", "49.00"),
        ("Call Minutes", "4.65"),
        ("Transcription", "0.08"),
        ("Recording Storage", storage),
    ]
    for hours, storage in ((23, "0.28"), (24, "0.29"))
}


def days_of(zone: ZoneInfo) -> Iterator[dt.date]:
    day = dt.date(2027, 12, 31)
    while day < dt.date(2028, 4, 1):
        yield day
        day += dt.timedelta(days=1)


def everything_used(workspace: UUID, timezone: str) -> list[dict[str, Any]]:
    """All of it, in the order in which it happens."""
    zone = ZoneInfo(timezone)

    def record(kind: str, at: dt.datetime, quantity: str, unit_cost: str) -> dict[str, Any]:
        return {
            "idempotency_key": f"{kind} {at.isoformat()}",
            "workspace_id": str(workspace),
            "resource_type": kind,
            "provider": "twilio",
            "quantity": quantity,
            "unit_cost": unit_cost,
            "occurred_at": at.astimezone(dt.UTC).isoformat(),
        }

    records = []
    for day in days_of(zone):
        begins = dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)
        ends = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone).astimezone(dt.UTC)
        noon = dt.datetime.combine(day, dt.time(12), zone)
        records.append(record("call_minutes", noon, "10", "0.0125"))
        if day.day == 1:
            records.append(record("transcription", begins, "1", "0.0333"))
        if (day + dt.timedelta(days=1)).day == 1:
            records.append(record("transcription", ends - MICROSECOND, "1", "0.0333"))
        if day == SUNDAYS[timezone]:
            hours = (ends - begins) // HOUR
            records += [record("storage", begins + n * HOUR, "1", "0.01") for n in range(hours)]
    return sorted(records, key=lambda each: each["occurred_at"])


def dates(first: str, last: str) -> set[dt.date]:
    begin, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    return {begin + dt.timedelta(days=day) for day in range((end - begin).days + 1)}


# Acme's limit is 4.00. 27 days of January or February make 0.03996 + 27 x 0.15 = 4.08996, 26 make
# 3.93996. In March 25 days with the change of clocks make 0.03996 + 3.75 + 0.276 = 4.06596. Seen
# from half past midnight UTC, New York's noon is yesterday's, and its month turns a day later.
ACME_PAUSED = (
    dates("2028-01-28", "2028-02-01")
    | dates("2028-02-28", "2028-03-01")
    | dates("2028-03-26", "2028-04-01")
)
# Days of each month on which nothing begins, ends or is due: what is used then arrives with the
# next day's.
QUIET = {4, *range(6, 12), 13, 14, *range(16, 21), 24, 29, 30}
# Each invoice is issued, and declined, on the second, and paid three days later.
INITECH_SUSPENDED = (
    dates("2028-01-02", "2028-01-05")
    | dates("2028-02-02", "2028-02-05")
    | dates("2028-03-02", "2028-03-05")
    | dates("2028-04-02", "2028-04-03")
)


def test_a_quarter_over_a_year_a_leap_day_and_a_change_of_clocks(walk: Walk) -> None:
    """Acme in New York pays by card and meets its limit, Globex in Berlin pays its invoices on
    Stripe's page after ten days, Initech's card is declined in Kathmandu, Umbrella on UTC gets
    January back."""
    acme = walk.workspace("Acme", timezone="America/New_York")
    globex = walk.workspace("Globex", timezone="Europe/Berlin")
    initech = walk.workspace("Initech", timezone="Asia/Kathmandu")
    umbrella = walk.workspace("Umbrella", timezone="UTC")
    everybody = (acme, globex, initech, umbrella)
    walk.terms(acme, usage_limit_monthly="4.00", alert_threshold_percentage="80")
    walk.terms(globex, collection_method="send_invoice", payment_terms_days=14)
    agent = walk.agent(acme)
    walk.give_card(acme, "pm_card_visa")
    walk.give_card(initech, "pm_card_chargeCustomerFail")
    walk.give_card(umbrella, "pm_card_mastercard")
    waiting = [
        record
        for workspace, timezone in zip(everybody, SUNDAYS, strict=True)
        for record in everything_used(workspace, timezone)
    ]

    acme_paused, initech_suspended = set(), set()
    for day in range(1, 95):
        at = START + dt.timedelta(days=day, minutes=30)
        if at.day in QUIET:
            continue
        walk.go_to(at)
        now, today = walk.now.isoformat(), walk.now.date()
        happened = [record for record in waiting if record["occurred_at"] <= now]
        waiting = [record for record in waiting if record["occurred_at"] > now]
        if happened:
            walk.use(*happened)
        if walk.agent_state(agent) == ("paused", "usage_limit"):
            acme_paused.add(today)
        if walk.status_of(initech) == "suspended":
            initech_suspended.add(today)
        if today.day == 5:
            walk.pay_on_page(walk.invoices(initech)[-1], "pm_card_visa")
        if today.day == 12:
            walk.pay_on_page(walk.invoices(globex)[-1], "pm_card_visa")
        if today == dt.date(2028, 3, 15):
            walk.refund(walk.invoices(umbrella)[1], 5373)
    assert waiting == []
    assert acme_paused == {day for day in ACME_PAUSED if day.day not in QUIET}
    assert initech_suspended == {day for day in INITECH_SUSPENDED if day.day not in QUIET}

    walk.go_to("2028-04-12T00:30:00+00:00")
    for workspace in (globex, initech):
        walk.pay_on_page(walk.invoices(workspace)[-1], "pm_card_visa")
    for workspace, hours in ((acme, 23), (globex, 23), (initech, 24), (umbrella, 24)):
        periods = walk.periods(workspace)[:4]
        assert [each["subtotal"] for each in periods] == [*SUBTOTALS, MARCH[hours]]
        assert {each["status"] for each in periods} == {"paid"}
        invoices = walk.invoices(workspace)
        assert [each["amount"] for each in invoices] == [*AMOUNTS, MARCH_AMOUNTS[hours]]
        assert {each["status"] for each in invoices} == {"paid"}
        assert walk.lines(invoices[3]) == MARCH_LINES[hours]
        assert walk.status_of(workspace) == "active"
    numbers = sorted(each["invoice_number"] for who in everybody for each in walk.invoices(who))
    assert numbers == [f"INV-2028-{number:06d}" for number in range(1, 17)]
    assert [each["amount_refunded"] for each in walk.invoices(umbrella)] == [
        "0.00",
        "53.73",
        "0.00",
        "0.00",
    ]
    # 22 days make 3.33996, 83.499 % of the limit; 20 of March 0.03996 + 3 + 0.276, 82.899 %.
    limits = [message.subject for message in mail.outbox if "limit" in message.subject]
    assert limits == [
        "Acme has used 83% of its usage limit for January 2028",
        "Acme has reached its usage limit for January 2028",
        "Acme has used 83% of its usage limit for February 2028",
        "Acme has reached its usage limit for February 2028",
        "Acme has used 82% of its usage limit for March 2028",
        "Acme has reached its usage limit for March 2028",
    ]
