"""The cost card and exchange rates: what holds on a day, and what is refused."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from billing.costs import read_cost_book
from billing.errors import BillingError
from billing.models import AuditEntry, ExchangeRate, PriceRevision, ProviderCost
from billing.services.exchange_rates import exchange_rates_csv, exchange_rates_from_csv
from billing.services.provider_costs import (
    NewCost,
    costs_csv,
    costs_from_csv,
    end_cost,
    set_costs,
)
from tests.kit.costs import cost, exchange_rate
from tests.kit.locks import wait_until_somebody_waits
from tests.kit.personas import NOW, make_workspace

pytestmark = pytest.mark.django_db
D = dt.date
TODAY = "2026-11-22"


def unit_cost(*use: str, day: str = TODAY, workspace=None) -> str | None:
    book = read_cost_book()
    owner = workspace.pk.hex if workspace else "0" * 32
    provider, kind, model = (*use, "", "")[:3]
    found = book and book.cost_for(owner, day, kind, provider, model)
    return found and f"{found.unit_cost.normalize():f} {found.currency}"


def refused(call) -> tuple[str, list[tuple[str, str]]]:
    with pytest.raises(BillingError) as refusal:
        call()
    faults = getattr(refusal.value, "errors", [])
    return refusal.value.code, [(fault["pointer"], fault["code"]) for fault in faults]


def test_the_most_specific_cost_wins_and_the_workspaces_own_before_everybodys():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    cost("1", "deepgram")
    cost("2", "deepgram", "transcription")
    cost("3", "deepgram", "transcription", "nova-3")
    cost("0", "deepgram", workspace_id=acme.pk)

    assert unit_cost("deepgram", "transcription", "nova-3") == "3 USD"
    assert unit_cost("deepgram", "transcription", "nova-2") == "2 USD"
    assert unit_cost("deepgram", "transcription") == "2 USD"
    assert unit_cost("deepgram", "synthesis") == "1 USD"
    assert unit_cost("elevenlabs", "synthesis") is None
    assert unit_cost("deepgram", "transcription", "nova-3", workspace=acme) == "0 USD"
    assert unit_cost("deepgram", "transcription", "nova-3", workspace=globex) == "3 USD"


def test_a_cost_holds_until_the_next_one_begins_whatever_the_order_they_came_in():
    cost("0.010", "twilio", "call_minutes", day=D(2026, 1, 1))
    cost("0.014", "twilio", "call_minutes", day=D(2026, 12, 1))
    cost("0.012", "twilio", "call_minutes", day=D(2026, 6, 1))

    days = ("2025-12-31", "2026-01-01", "2026-05-31", "2026-06-01", "2026-11-30", "2026-12-01")
    assert [unit_cost("twilio", "call_minutes", day=day) for day in days] == [
        None, "0.01 USD", "0.01 USD", "0.012 USD", "0.012 USD", "0.014 USD",
    ]  # fmt: skip


def test_the_same_cost_again_changes_nothing_and_another_from_the_same_day_takes_its_place():
    first = cost("0.010", "twilio", "call_minutes")
    again = cost("0.01", "Twilio ", "call_minutes")
    assert again.pk == first.pk

    cost("0.011", "twilio", "call_minutes")

    assert unit_cost("twilio", "call_minutes") == "0.011 USD"
    first.refresh_from_db()
    assert first.starts_on == first.ends_on


def test_a_cost_ends_and_is_taken_back_on_its_first_day():
    row = cost("0.010", "twilio", "call_minutes", day=D(2026, 11, 1))
    end_cost(cost_id=row.pk, ends_on=D(2026, 11, 20))
    assert unit_cost("twilio", "call_minutes") is None
    assert unit_cost("twilio", "call_minutes", day="2026-11-19") == "0.01 USD"
    assert refused(lambda: end_cost(cost_id=row.pk, ends_on=D(2026, 10, 1)))[0] == (
        "ends_before_its_start"
    )

    end_cost(cost_id=row.pk, ends_on=D(2026, 11, 1))
    assert unit_cost("twilio", "call_minutes", day="2026-11-19") is None


def test_bad_costs_are_refused_with_each_place_and_nothing_is_written():
    good = NewCost("twilio", Decimal("0.01"), "USD", D(2026, 11, 1), "call_minutes")
    bad = [
        good,
        good._replace(unit_cost=Decimal("-1"), currency="XXX"),
        good._replace(provider="", starts_on=D(2026, 1, 1)),
        good._replace(resource_type="", model="nova-3"),
        good._replace(ends_on=D(2026, 11, 1)),
        good._replace(provider="Twilio"),
    ]

    assert refused(lambda: set_costs(costs=bad, now=NOW)) == (
        "invalid",
        [
            ("/costs/1/currency", "unknown_currency"),
            ("/costs/1/unit_cost", "too_small"),
            ("/costs/1", "duplicate_match"),
            ("/costs/2/provider", "invalid_provider"),
            ("/costs/3/resource_type", "required"),
            ("/costs/4/ends_on", "ends_before_its_start"),
            ("/costs/4", "duplicate_match"),
            ("/costs/5", "duplicate_match"),
        ],
    )
    assert not ProviderCost.objects.exists()


def test_the_database_itself_refuses_what_the_service_does():
    row = cost("0.010", "twilio", "call_minutes")
    for change in (
        lambda: ProviderCost.objects.filter(pk=row.pk).update(unit_cost=1),
        lambda: ProviderCost.objects.filter(pk=row.pk).delete(),
        lambda: ProviderCost.objects.create(
            provider="twilio", resource_type="call_minutes", currency="USD",
            unit_cost=1, starts_on=D(2027, 1, 1),
        ),
        lambda: exchange_rate("-1"),
        lambda: ExchangeRate.objects.create(
            from_currency="EUR", to_currency="USD", day=D(2026, 1, 1), rate=0
        ),
    ):  # fmt: skip
        with pytest.raises((DatabaseError, BillingError)), transaction.atomic():
            change()
    assert ProviderCost.objects.count() == 1


def test_csv_goes_out_and_comes_in_again_unchanged():
    acme = make_workspace()
    cost("0.0043", "deepgram", "transcription", "nova-3", day=D(2026, 1, 1))
    cost("0.0045", "deepgram", "transcription", "nova-3", day=D(2026, 6, 1), currency="EUR")
    cost("0", "deepgram", workspace_id=acme.pk)
    # A spreadsheet does not run it, and it comes back as it was.
    cost("1", "=1+1", "synthesis", "'=2")
    text = costs_csv(ProviderCost.objects.all())

    assert "'=1+1,synthesis,''=2,USD," in text
    assert text.splitlines()[2] == ("deepgram,,,USD,0,2026-11-22,," + str(acme.pk))
    assert set_costs(costs=costs_from_csv(text.encode()), now=NOW).added == 0
    assert costs_csv(ProviderCost.objects.all()) == text

    semicolons = "provider;unit_cost;currency;starts_on\nDeepgram;0.01;usd;2026-12-01\n"
    assert set_costs(costs=costs_from_csv(semicolons.encode()), now=NOW).added == 1
    with pytest.raises(BillingError, match=r"line 2: unit_cost.*starts_on"):
        costs_from_csv(b"provider,unit_cost,currency,starts_on\nx,1e99,USD,01.12.2026\n")
    with pytest.raises(BillingError, match=r"^line 2: ends_on: A day is expected[^;]*$"):
        costs_from_csv(b"provider,unit_cost,currency,starts_on,ends_on\nx,1,USD,2026-12-01,1 May\n")


def test_a_rate_holds_for_a_week_without_a_newer_one():
    exchange_rate("1.10", day=D(2026, 11, 10))
    exchange_rate("1.20", day=D(2026, 11, 13))
    book = read_cost_book()

    def at(day: str, currency: str = "EUR", into: str = "USD") -> Decimal | None:
        return book.exchange_rate(currency, into, day)

    assert at("2026-11-09") is None
    assert at("2026-11-12") == Decimal("1.10")
    assert at("2026-11-13") == at("2026-11-20") == Decimal("1.20")
    assert at("2026-11-21") is None
    assert at("2026-11-13", "USD", "EUR") is None


def test_rates_are_replaced_imported_and_refused_by_place():
    exchange_rate("1.10")
    exchange_rate("1.11")
    assert ExchangeRate.objects.get().rate == Decimal("1.11")
    text = exchange_rates_csv(ExchangeRate.objects.all())
    assert text == "from_currency,to_currency,day,rate\nEUR,USD,2026-11-22,1.11\n"
    assert exchange_rates_from_csv(text.encode())[0].rate == Decimal("1.11")
    with pytest.raises(BillingError, match="line 2: rate: Must be more than zero"):
        exchange_rates_from_csv(b"from_currency,to_currency,day,rate\nEUR,USD,2026-11-22,0\n")


def test_what_changes_is_in_the_log_and_tells_whoever_keeps_compiled_prices():
    before = PriceRevision.objects.values_list("changes", flat=True).first() or 0
    cost("0.010", "twilio", "call_minutes")
    exchange_rate("1.10")

    assert PriceRevision.objects.get().changes >= before + 2
    tables = AuditEntry.objects.values_list("table", "operation")
    assert set(tables) >= {("billing_providercost", "insert"), ("billing_exchangerate", "insert")}


@pytest.mark.django_db(transaction=True)
def test_eight_who_set_the_same_cost_at_once_leave_one():
    def write(number: int) -> str | None:
        try:
            cost(f"0.01{number}", "twilio", "call_minutes")
        except BillingError as error:
            return error.code
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(8) as pool:
        codes = set(pool.map(write, range(8)))

    assert codes <= {None, "changed_meanwhile"}
    assert None in codes
    assert ProviderCost.objects.filter(ends_on__isnull=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_ends_a_cost_and_who_sets_it_at_once_wait_in_turn():
    row = cost("0.010", "twilio", "call_minutes")

    def end() -> None:
        try:
            end_cost(cost_id=row.pk, ends_on=D(2026, 12, 1))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            cost("0.020", "vonage")  # holds the card
            ending = pool.submit(end)
            wait_until_somebody_waits()
            cost("0.011", "twilio", "call_minutes", day=D(2027, 1, 1))
        ending.result(timeout=10)

    row.refresh_from_db()
    assert row.ends_on == D(2026, 12, 1)
