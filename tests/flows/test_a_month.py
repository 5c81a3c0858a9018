"""One workspace's month: used, limited, closed, charged; declined, suspended, paid; paid back."""

from typing import Any
from uuid import UUID

import pytest
from django.core import mail

from tests.kit.walk import Walk


def minutes(workspace: UUID, quantity: str, at: str, **facts: Any) -> dict[str, Any]:
    """Call minutes at 0.0125 each, 0.015 with the platform's markup of 20 %."""
    return {
        "workspace_id": str(workspace),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": quantity,
        "unit_cost": "0.0125",
        "occurred_at": at,
        **facts,
    }


def mailed(recipient: str) -> list[str]:
    return [message.subject for message in mail.outbox if message.to == [recipient]]


def begin(walk: Walk) -> UUID:
    """In Berlin on the starter tier, 49.00 a month, since 3 January 2028, with a card."""
    walk.go_to("2028-01-03T09:00:00+01:00")
    workspace = walk.workspace("Acme")
    walk.give_card(workspace, "pm_card_visa")
    return workspace


@pytest.fixture
def walk(begun_walk: Walk) -> Walk:
    return begun_walk


def test_a_month_is_watched_closed_charged_and_its_latecomers_billed_next(
    walk: Walk, acme: UUID
) -> None:
    walk.terms(acme, usage_limit_monthly="10.00", alert_threshold_percentage="80")
    agent = walk.agent(acme)

    walk.go_to("2028-01-10T12:00:00+01:00")
    first = minutes(acme, "400", "2028-01-10T11:00:00+01:00", idempotency_key="call 1")
    assert walk.use(first)["accepted"] == 1
    assert walk.use(first)["duplicates"] == 1
    assert walk.summary(acme)["subtotal"] == "6.0000000000"
    assert mailed("owner@acme.test") == []

    # 10,000 characters at 0.00018 are 1.80, and 2.16 with the markup: 8.16 of 10.
    characters = {"resource_type": "synthesis", "provider": "elevenlabs", "unit_cost": "0.00018"}
    walk.use(minutes(acme, "10000", "2028-01-10T11:30:00+01:00", **characters))
    assert mailed("owner@acme.test") == ["Acme has used 81% of its usage limit for January 2028"]
    assert walk.admission(acme)["allowed"]
    assert walk.agent_state(agent) == ("live", None)

    # 300 minutes at 0.0062 are 1.86, and 2.232 with the markup: 10.392 of 10.
    heard = {"resource_type": "transcription", "provider": "assemblyai", "unit_cost": "0.0062"}
    walk.use(minutes(acme, "300", "2028-01-10T11:40:00+01:00", **heard))
    assert mailed("owner@acme.test")[1:] == ["Acme has reached its usage limit for January 2028"]
    assert walk.admission(acme)["reason"] == "usage_limit"
    assert walk.agent_state(agent) == ("paused", "usage_limit")

    walk.go_to("2028-02-01T00:30:00+01:00")
    assert walk.agent_state(agent) == ("live", None)
    assert walk.admission(acme)["allowed"]
    # 5 GB at 0.023 are 0.115, and 0.138 with the markup: within the grace, so January's.
    stored = {"resource_type": "storage", "provider": "aws", "unit_cost": "0.023"}
    walk.use(minutes(acme, "5", "2028-01-31T23:59:59.999999+01:00", **stored))

    walk.go_to("2028-02-01T23:59:00+01:00")
    assert walk.invoices(acme) == []
    walk.go_to("2028-02-02T00:05:00+01:00")
    (january,) = walk.invoices(acme)
    # 49 + 6 + 2.232 + 2.16 + 0.138 = 59.53: the last cent is storage's, whose 0.8 is largest.
    assert walk.lines(january) == [
        ("Monthly Subscription", "49.00"),
        ("Call Minutes", "6.00"),
        ("Transcription", "2.23"),
        ("Voice Synthesis", "2.16"),
        ("Recording Storage", "0.14"),
    ]
    assert (january["amount"], january["status"]) == ("59.53", "paid")
    assert january["invoice_number"] == "INV-2028-000001"
    assert walk.periods(acme)[0]["status"] == "paid"
    assert walk.periods(acme)[0]["total_amount"] == "59.5300000000"
    assert "Invoice INV-2028-000001 from Voice Platform Inc." in mailed("owner@acme.test")

    # 8 minutes, 0.12, for January after its close.
    walk.use(minutes(acme, "8", "2028-01-20T10:00:00+01:00"))
    walk.go_to("2028-03-02T00:05:00+01:00")
    assert walk.lines(walk.invoices(acme)[1]) == [
        ("Monthly Subscription", "49.00"),
        ("Late usage, January 2028", "0.12"),
    ]


def test_a_declined_card_suspends_until_the_owner_pays_on_stripes_page(walk: Walk) -> None:
    walk.go_to("2028-01-03T09:00:00+01:00")
    globex = walk.workspace("Globex")
    walk.give_card(globex, "pm_card_chargeCustomerFail")
    agent = walk.agent(globex)
    walk.use(minutes(globex, "1000", "2028-01-03T08:00:00+01:00"))

    walk.go_to("2028-02-02T00:05:00+01:00")
    (january,) = walk.invoices(globex)
    assert (january["amount"], january["status"]) == ("64.00", "overdue")
    assert walk.periods(globex)[0]["status"] == "overdue"
    assert walk.status_of(globex) == "suspended"
    assert walk.admission(globex)["reason"] == "suspended"
    assert walk.agent_state(agent) == ("paused", "suspended")
    # Calls that were under way still end, and are billed.
    walk.use(minutes(globex, "2", "2028-02-02T00:04:00+01:00"))

    walk.go_to("2028-02-05T10:00:00+01:00")
    walk.pay_on_page(january, "pm_card_visa")
    (january,) = walk.invoices(globex)
    assert (january["status"], january["paid_at"]) == ("paid", "2028-02-05T09:00:00Z")
    assert walk.periods(globex)[0]["status"] == "paid"
    assert walk.status_of(globex) == "active"
    assert walk.agent_state(agent) == ("live", None)


def test_a_refund_shows_and_leaves_the_invoice_paid(walk: Walk, acme: UUID) -> None:
    walk.use(minutes(acme, "1000", "2028-01-03T08:00:00+01:00"))
    walk.go_to("2028-02-02T00:05:00+01:00")
    (january,) = walk.invoices(acme)
    assert january["status"] == "paid"

    walk.go_to("2028-02-10T10:00:00+01:00")
    walk.refund(january, 1500)
    (january,) = walk.invoices(acme)
    assert (january["status"], january["amount_refunded"]) == ("paid", "15.00")
    assert walk.status_of(acme) == "active"


def test_what_is_taken_back_after_the_close_lowers_the_invoices_that_follow(walk: Walk) -> None:
    """Initech, on the free tier: 15.00 in January, all of it void; 6.00 in February, 30.00 in
    March."""
    walk.go_to("2028-01-03T09:00:00+01:00")
    initech = walk.workspace("Initech", tier="free")
    walk.give_card(initech, "pm_card_visa")
    walk.use(minutes(initech, "1000", "2028-01-03T08:00:00+01:00"))
    walk.go_to("2028-02-02T00:05:00+01:00")
    assert [invoice["amount"] for invoice in walk.invoices(initech)] == ["15.00"]

    walk.void_all(initech, reason="Billed to the wrong workspace.")
    walk.use(minutes(initech, "400", "2028-02-02T00:04:00+01:00"))
    walk.go_to("2028-03-02T00:05:00+01:00")
    # 6.00 less 15.00: nothing is asked for, 9.00 is owed.
    february = walk.periods(initech)[1]
    assert (february["status"], february["total_amount"]) == ("finalized", "-9.0000000000")
    assert len(walk.invoices(initech)) == 1

    walk.use(minutes(initech, "2000", "2028-03-02T00:04:00+01:00"))
    walk.go_to("2028-04-02T00:05:00+02:00")
    march = walk.invoices(initech)[1]
    assert walk.lines(march) == [("Call Minutes", "30.00"), ("Credit brought forward", "-9.00")]
    assert (march["amount"], march["status"]) == ("21.00", "paid")


def test_an_invoice_that_is_not_paid_is_reminded_of_then_overdue_then_suspends(
    walk: Walk,
) -> None:
    """Due fourteen days after 2 February, on the 16th; suspended fourteen days after that."""
    walk.go_to("2028-01-03T09:00:00+01:00")
    hooli = walk.workspace("Hooli")
    walk.terms(hooli, collection_method="send_invoice", payment_terms_days=14)
    walk.go_to("2028-01-03T10:00:00+01:00")
    walk.go_to("2028-02-02T00:05:00+01:00")
    (january,) = walk.invoices(hooli)
    assert (january["amount"], january["due_date"]) == ("49.00", "2028-02-16")

    story = []
    for day in ("02-12", "02-13", "02-16", "02-17", "02-23", "02-29", "03-01"):
        mail.outbox.clear()
        walk.go_to(f"2028-{day}T09:00:00+01:00")
        (january,) = walk.invoices(hooli)
        story.append((day, january["status"], walk.status_of(hooli), mailed("owner@hooli.test")))
    number = january["invoice_number"]
    assert story == [
        ("02-12", "open", "active", []),
        ("02-13", "open", "active", [f"Invoice {number} is due on 16 February 2028"]),
        ("02-16", "open", "active", []),
        ("02-17", "overdue", "active", [f"Invoice {number} is overdue"]),
        ("02-23", "overdue", "active", [f"Invoice {number} is still unpaid"]),
        ("02-29", "overdue", "active", []),
        ("03-01", "overdue", "suspended", ["Hooli is suspended"]),
    ]

    walk.go_to("2028-03-01T15:00:00+01:00")
    walk.pay_on_page(january, "pm_card_visa")
    (january,) = walk.invoices(hooli)
    assert (january["status"], walk.status_of(hooli)) == ("paid", "active")
