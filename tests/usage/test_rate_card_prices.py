"""Records priced by rate cards and overrides: written once, by the price in force on their day."""

import datetime as dt
import json
import threading
from decimal import Decimal

import pytest
from django.db import connection

from billing.services import rate_cards
from billing.services.price_assignments import assign_card, end_assignment, end_override
from tests.kit.personas import NOW, make_workspace
from tests.kit.prices import cost_plus, override, per_unit, publish, published, rate, use
from usage.models import UsageRecord
from usage.services.ingest import check_entries, record_usage
from usage.services.ingest.parsing import usage_parser
from usage.services.ledger import usage_differences
from usage.services.voiding import void_record

# Outside of any transaction, as in a web process: within one, terms are not cached.
pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
STEPS = {"first": "0.5", "step": "0.1"}


def entries(owner, *uses: tuple[str, str, str], at: dt.datetime = NOW):
    """Uses as key, resource type and quantity, at a provider's cost of 0.0125 a unit."""
    return [
        usage_parser.single(
            json.dumps(
                {
                    "idempotency_key": key,
                    "workspace_id": str(owner.pk),
                    "resource_type": kind,
                    "provider": "twilio",
                    "quantity": quantity,
                    "unit_cost": "0.0125",
                    "occurred_at": at.isoformat(),
                }
            ).encode()
        )
        for key, kind, quantity in uses
    ]


def record(owner, *uses: tuple[str, str, str], at: dt.datetime = NOW, now: dt.datetime = NOW):
    records, errors = check_entries(entries(owner, *uses, at=at), now=now)
    assert errors == []
    result = record_usage(records, now=now)
    assert result.errors == []
    return [result.answer(place)[1] for place in range(len(uses))]


def priced(stored) -> tuple[Decimal, Decimal, Decimal | None, Decimal]:
    return (
        stored.billed_quantity,
        stored.total_cost,
        stored.markup_percentage,
        stored.final_cost,
    )


def test_every_model_of_a_single_record():
    acme = make_workspace()
    card = published(
        rate(per_unit("0.12", increment=STEPS), "call_minutes"),
        rate(per_unit("0.12", increment=STEPS, fixed="0.01", max_amount="1"), "transfer"),
        rate(cost_plus("50", min_amount="0.02"), "speech"),
        rate(cost_plus("15")),
    )
    use(card, acme.pk)

    stored = record(
        acme,
        ("a", "call_minutes", "3.21"),
        ("b", "call_minutes", "0.2"),
        ("c", "call_minutes", "0"),
        ("d", "transfer", "0.61"),
        ("e", "transfer", "100"),
        ("f", "speech", "4"),
        ("g", "speech", "1"),
        ("h", "storage", "3.25"),
    )

    assert [priced(each) for each in stored] == [
        (D("3.3"), D("0.040125"), None, D("0.396")),
        (D("0.5"), D("0.0025"), None, D("0.06")),
        (D(0), D(0), None, D(0)),
        (D("0.7"), D("0.007625"), None, D("0.094")),
        (D("100"), D("1.25"), None, D("1")),
        (D("4"), D("0.05"), D("50"), D("0.075")),
        (D("1"), D("0.0125"), D("50"), D("0.02")),
        (D("3.25"), D("0.040625"), D("15"), D("0.0467187500")),
    ]
    rates = {each.match_label: each.pk for each in card.versions.get().rates.all()}
    assert [each.rate_id for each in stored] == [
        rates[name] for name in ["call_minutes"] * 3 + ["transfer"] * 2 + ["speech"] * 2 + ["any"]
    ]
    # The same again is answered as it was written.
    assert record(acme, ("a", "call_minutes", "3.21")) == [
        stored[0]._replace(
            quantity=D("3.210000"),
            billed_quantity=D("3.300000"),
            unit_cost=D("0.0125000000"),
            occurred_at=NOW,
        )
    ]
    assert usage_differences() == []


def test_without_a_card_everything_is_as_it_was():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    use(published(rate(per_unit("1"))), globex.pk)

    (stored,) = record(acme, ("a", "call_minutes", "3.25"))

    assert priced(stored) == (D("3.25"), D("0.040625"), D(20), D("0.04875"))
    assert stored.rate_id is None
    row = UsageRecord.objects.get()
    assert (row.billed_quantity, row.rate_id) == (None, None)


def test_a_record_has_the_price_of_its_own_day():
    acme = make_workspace()
    card = published(rate(per_unit("1")))
    use(card, acme.pk)
    override(acme.pk, rate(per_unit("0.5"), "call_minutes"), starts_on=dt.date(2026, 11, 24))
    later = dt.datetime(2026, 11, 25, 9, 0, tzinfo=dt.UTC)

    def price(key: str, at: str) -> Decimal:
        moment = dt.datetime.fromisoformat(at)
        return record(acme, (key, "call_minutes", "10"), at=moment, now=later)[0].final_cost

    # Midnight is Berlin's.
    assert price("a", "2026-11-21T22:59:59Z") == D("0.15")
    assert price("b", "2026-11-21T23:00:00Z") == 10
    assert price("c", "2026-11-23T22:59:59Z") == 10
    assert price("d", "2026-11-23T23:00:00Z") == 5


def test_a_change_holds_from_the_next_record_on():
    """Whatever is published, assigned or ended is found out by the statement that writes."""
    acme = make_workspace()

    def price(key: str) -> Decimal:
        return record(acme, (key, "call_minutes", "10"))[0].final_cost

    assert price("a") == D("0.15")
    card = published(rate(per_unit("1")))
    assert price("b") == D("0.15")
    use(card, acme.pk)
    assert price("c") == 10
    own = override(acme.pk, rate(per_unit("2"), "call_minutes"))
    assert price("d") == 20
    end_override(override_id=own.pk, ends_on=NOW.date(), now=NOW)
    assert price("e") == 10
    end_assignment(assignment_id=card.assignments.get().pk, ends_on=NOW.date(), now=NOW)
    assert price("f") == D("0.15")
    # What was written stays, and a retry is a duplicate whatever has changed since.
    assert price("c") == 10


def test_a_workspace_that_changes_its_tier_pays_by_the_other_tiers_card():
    acme = make_workspace()
    assign_card(
        card_id=published(rate(per_unit("1"))).pk, tier="pro", starts_on=NOW.date(), now=NOW
    )

    assert record(acme, ("a", "call_minutes", "10"))[0].final_cost == D("0.15")
    acme.tier = acme.tier.__class__.objects.get(name="pro")
    acme.save()
    assert record(acme, ("b", "call_minutes", "10"))[0].final_cost == 10


def test_a_void_takes_back_what_was_written_whatever_the_price_is_now():
    acme = make_workspace()
    use(published(rate(per_unit("0.12", increment=STEPS))), acme.pk)
    (stored,) = record(acme, ("a", "call_minutes", "3.21"))
    override(acme.pk, rate(per_unit("9")))

    reversal, created = void_record(
        workspace_id=acme.pk, record_id=stored.id, reason="A test", now=NOW
    )

    assert created
    assert (reversal.quantity, reversal.billed, reversal.final_cost) == (
        D("-3.21"),
        D("-3.3"),
        D("-0.396"),
    )
    assert reversal.rate_id == stored.rate_id
    assert reversal.markup_percentage is None
    assert usage_differences() == []


def test_a_card_published_under_load_is_exact():
    """Eight writers and a price that changes meanwhile: each record has one price or the other,
    the one of the rate that it names, and the sums agree."""
    acme = make_workspace()
    card = published(rate(per_unit("1")))
    use(card, acme.pk)
    record(acme, ("first", "call_minutes", "1"))
    failures: list[Exception] = []

    def write(writer: int) -> None:
        try:
            for batch in range(8):
                uses = [(f"{writer}/{batch}/{n}", "call_minutes", "1") for n in range(25)]
                record(acme, *uses)
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    own = override(acme.pk, rate(per_unit("2")))
    other = published(rate(per_unit("4")), name="Other")
    publish_another = rate_cards.copy_version(version_id=other.versions.get().pk, now=NOW)
    publish(other, day=dt.date(2026, 12, 1))
    for writer in writers:
        writer.join()

    assert failures == []
    assert publish_another.number == 2
    rows = UsageRecord.objects.all()
    assert rows.count() == 1601
    expected = {card.versions.get().rates.get().pk: D(1), own.pk: D(2)}
    assert all(row.final_cost == expected[row.rate_id] for row in rows)
    assert usage_differences() == []
    assert record(acme, ("last", "call_minutes", "1"))[0].final_cost == 2
