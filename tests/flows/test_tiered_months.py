"""Months with tiers, packages and included units: from the use to the invoice, worked by hand."""

import datetime as dt
from decimal import Decimal

import pytest
import time_machine

from billing.models import BillingPeriod
from invoices.services.closing import finalize_due_periods
from invoices.services.ledger import close_differences
from tests.kit.api import ApiClient
from tests.kit.personas import make_workspace
from tests.kit.prices import override, per_unit, published, rate, use
from tests.kit.usage import make_usage
from usage.models import PeriodMeter, UsageRecord
from usage.services.ledger import rebuild_rollups, usage_differences
from usage.services.voiding import void_record

pytestmark = pytest.mark.django_db
D = Decimal
DECEMBER = dt.date(2026, 12, 1)
DECEMBER_5 = dt.datetime(2026, 12, 5, 12, tzinfo=dt.UTC)
JANUARY_3 = dt.datetime(2027, 1, 3, 12, tzinfo=dt.UTC)
FEBRUARY_3 = dt.datetime(2027, 2, 3, 12, tzinfo=dt.UTC)
CONTRACT = per_unit("0.12", included="1000", increment={"first": "0.5", "step": "0.1"})
TIERS = [{"up_to": "1000", "unit_price": "0.02"}, {"up_to": None, "unit_price": "0.015"}]
GRADUATED = {"model": "graduated", "tiers": TIERS}
VOLUME = {"model": "volume", "tiers": TIERS}
PACKAGE = {"model": "package", "size": "100", "price": "2.00"}


@pytest.fixture
def api():
    return ApiClient()


def pays(price, name: str = "Acme"):
    """A workspace that pays so for call minutes from December on, and 15 % for all else."""
    made = make_workspace(name)
    card = published(rate(price, "call_minutes"), name=f"Card of {name}", day=DECEMBER)
    use(card, made.pk, day=DECEMBER)
    return made


def talk(owner, *quantities: str, at: dt.datetime = DECEMBER_5, now: dt.datetime | None = None):
    for quantity in quantities:
        make_usage(owner, at, quantity, "0.0125", now=now)


def summary(api, owner, now: dt.datetime = DECEMBER_5) -> dict:
    with time_machine.travel(now, tick=False):
        return api.get(f"workspaces/{owner.pk}/usage-summary/").json()


def close(api, owner, now: dt.datetime = JANUARY_3) -> dict:
    """The invoice of the month that has ended; everything agrees with everything."""
    finalize_due_periods(now=now)
    assert usage_differences() == []
    assert close_differences() == []
    with time_machine.travel(now, tick=False):
        found = api.get("invoices/", workspace_id=owner.pk).json()["results"]
    return found[0]


def usage_item(invoice: dict, kind: str = "usage") -> dict:
    (item,) = [each for each in invoice["items"] if each["kind"] == kind]
    return item


def said(item: dict) -> list[tuple[str, str | None, str]]:
    return [
        (line["description"], line["quantity"], line["amount"])
        for meter in item["meters"]
        for line in meter["lines"]
    ]


def test_a_contract_with_included_minutes_and_increments(api):
    """Twelve cents a minute after 1,000, billed 30/6: 301 calls of 3.21 minutes are 993.3, ten of
    12 seconds are 5, ten of 1.2 minutes are 12: 1,010.3 billed, 10.3 of them at 0.12."""
    acme = pays(CONTRACT)
    talk(acme, *["3.21"] * 301, *["0.2"] * 10, *["1.2"] * 10)

    running = summary(api, acme)
    assert running["subtotal"] == "1.2360000000"
    assert running["by_resource_type"] == [
        {"type": "call_minutes", "quantity": "980.210000", "cost": "121.2360000000"}
    ]
    assert running["adjustments"] == [
        {
            "description": "Call Minutes: 1,000 included",
            "resource_type": "call_minutes",
            "amount": "-120.0000000000",
        }
    ]
    assert running["included"] == [
        {
            "description": "Call Minutes",
            "resource_type": "call_minutes",
            "included": "1000.000000",
            "used": "1000.000000",
        }
    ]
    assert running["total_amount"] == "50.2360000000"
    period = api.get("billing-periods/", workspace_id=acme.pk).json()["results"][0]
    assert (period["subtotal"], period["adjustment"]) == ("1.2360000000", "-120.0000000000")

    invoice = close(api, acme)

    assert invoice["amount"] == "50.24"
    item = usage_item(invoice)
    assert (item["exact_amount"], item["adjustment"]) == ("1.2360000000", "-120.0000000000")
    assert said(item) == [
        ("Included, of 1,000", "1000", "0"),
        ("Units", "10.3", "1.236"),
    ]
    behind = api.get(f"invoices/{invoice['id']}/items/{item['id']}/records/").json()
    assert behind["record_count"] == 321
    assert behind["list_amount"] == "121.2360000000"
    assert behind["adjustment"] == "-120.0000000000"
    assert behind["exact_amount"] == "1.2360000000"
    closed = api.get(f"billing-periods/{invoice['billing_period_id']}/").json()
    assert (closed["subtotal"], closed["adjustment"]) == ("1.2360000000", "-120.0000000000")
    with time_machine.travel(JANUARY_3, tick=False):
        frozen = api.get(
            f"workspaces/{acme.pk}/usage-summary/", billing_period_id=invoice["billing_period_id"]
        ).json()
    for name in ("subtotal", "adjustments", "included", "by_resource_type"):
        assert frozen[name] == running[name]


@pytest.mark.parametrize(
    ("price", "quantities", "net", "lines"),
    [
        (
            GRADUATED,
            ["900", "600"],
            "27.5000000000",
            [("Units up to 1,000", "1000", "20.00"), ("Units above 1,000", "500.000000", None)],
        ),
        (VOLUME, ["900", "600"], "22.5000000000", [("All units above 1,000", "1500.000000", None)]),
        (VOLUME, ["900", "100"], "20.0000000000", [("All units up to 1,000", "1000", None)]),
        (PACKAGE, ["150", "51"], "6.0000000000", [("Packages of 100", "3", "6.00")]),
        (
            {"model": "graduated", "tiers": [{**TIERS[0], "flat": "3"}, {**TIERS[1], "flat": "5"}]},
            ["1100"],
            "29.5000000000",
            [("Units up to 1,000", "1000", "23.00"), ("Units above 1,000", "100.000000", None)],
        ),
    ],
)
def test_every_model_of_a_whole_month(api, price, quantities, net, lines):
    acme = pays(price)
    talk(acme, *quantities)
    assert summary(api, acme)["subtotal"] == net

    item = usage_item(close(api, acme))

    assert item["exact_amount"] == net
    for (description, quantity, amount), (name, units, total) in zip(
        lines, said(item), strict=True
    ):
        assert description == name
        assert D(quantity) == D(units)
        assert amount is None or D(amount) == D(total)


def test_what_is_taken_back_moves_through_the_tiers(api):
    """1,200 minutes cost 20 and 3; without 500 of them it is 14: list prices fall by 10, the
    month's price by 9."""
    acme = pays(GRADUATED)
    talk(acme, "700", "500")
    assert summary(api, acme)["subtotal"] == "23.0000000000"

    void_record(
        workspace_id=acme.pk,
        record_id=UsageRecord.objects.get(quantity=500).pk,
        reason="Charged twice",
        now=DECEMBER_5,
    )

    assert summary(api, acme)["subtotal"] == "14.0000000000"
    assert usage_item(close(api, acme))["exact_amount"] == "14.0000000000"


def test_a_late_record_counts_in_the_month_that_bills_it(api):
    """December's 900 minutes are included. 250 more of it arrive in January, which has 800 of its
    own: 1,050 count there, and 50 of the late ones are charged."""
    acme = pays(CONTRACT)
    talk(acme, "900")
    assert close(api, acme)["amount"] == "49.00"
    talk(acme, "800", at=dt.datetime(2027, 1, 4, 12, tzinfo=dt.UTC))
    talk(acme, "250", at=DECEMBER_5, now=dt.datetime(2027, 1, 5, 12, tzinfo=dt.UTC))

    invoice = close(api, acme, FEBRUARY_3)

    assert invoice["amount"] == "55.00"
    own, late = usage_item(invoice), usage_item(invoice, "late_usage")
    assert (own["exact_amount"], own["adjustment"]) == ("0.0000000000", "-96.0000000000")
    assert (late["exact_amount"], late["adjustment"]) == ("6.0000000000", "-24.0000000000")
    assert said(late) == [
        ("Included, of 1,000", "200", "0"),
        ("Units", "50", "6"),
    ]
    behind = api.get(f"invoices/{invoice['id']}/items/{late['id']}/records/").json()
    assert (behind["list_amount"], behind["exact_amount"]) == ("30.0000000000", "6.0000000000")


def test_what_a_later_month_takes_back_is_owed_at_its_own_tiers(api):
    """January has nothing but the reversal of December's 1,200 minutes."""
    acme = pays(GRADUATED)
    talk(acme, "1200")
    assert usage_item(close(api, acme))["exact_amount"] == "23.0000000000"

    with time_machine.travel(JANUARY_3, tick=False):
        void_record(
            workspace_id=acme.pk,
            record_id=UsageRecord.objects.get().pk,
            reason="Never happened",
            now=JANUARY_3,
        )
    assert summary(api, acme, JANUARY_3)["subtotal"] == "-23.0000000000"

    invoice = close(api, acme, FEBRUARY_3)

    assert invoice["amount"] == "26.00"
    assert usage_item(invoice, "late_usage")["exact_amount"] == "-23.0000000000"


def test_two_rates_of_one_type_have_meters_of_their_own(api):
    acme = pays(GRADUATED)
    override(acme.pk, rate(PACKAGE, "call_minutes", "telnyx"), starts_on=DECEMBER)
    talk(acme, "1100")
    make_usage(acme, DECEMBER_5, "150", "0.01", provider="telnyx")
    make_usage(acme, DECEMBER_5, "10", "0.10", resource_type="storage")

    running = summary(api, acme)
    # 20 + 1.50, two packages, and 1 at cost plus 15 %.
    assert running["subtotal"] == "26.6500000000"
    assert [(each["description"], each["amount"]) for each in running["adjustments"]] == [
        ("Call Minutes, Telnyx: packages of 100", "1.0000000000"),
        ("Call Minutes: graduated tiers", "-0.5000000000"),
    ]

    items = close(api, acme)["items"]

    assert [(each["description"], each["exact_amount"]) for each in items[1:]] == [
        ("Call Minutes", "25.5000000000"),
        ("Recording Storage", "1.1500000000"),
    ]
    assert len(items[1]["meters"]) == 2


def test_rebuilt_rollups_come_to_the_same(api):
    acme = pays(GRADUATED)
    talk(acme, "1500")
    rebuild_rollups()

    assert summary(api, acme)["subtotal"] == "27.5000000000"


def test_what_was_frozen_is_proved_from_the_rollups(api):
    acme = pays(GRADUATED)
    talk(acme, "1500")
    close(api, acme)
    period = BillingPeriod.objects.get(has_meters=True)
    period.subtotal -= 1
    period.adjustment -= 1
    period.total_amount -= 1
    period.save()

    found = [f"{each.what}: {each.detail}" for each in close_differences()]

    assert (
        "period and meters: closed with -3.5000000000 for its meters, which add up to"
        " -2.5000000000; its invoices' items: -2.5000000000"
    ) in found


def test_a_meter_never_changes_after_the_close(api):
    acme = pays(GRADUATED)
    talk(acme, "1500")
    close(api, acme)

    with pytest.raises(Exception, match="frozen when its period was closed"):
        PeriodMeter.objects.update(adjustment=0, net_amount=30)


def test_another_workspace_has_its_own_meter(api):
    acme, globex = pays(GRADUATED), pays(GRADUATED, "Globex")
    talk(acme, "900")
    talk(globex, "900")

    assert summary(api, acme)["subtotal"] == summary(api, globex)["subtotal"] == "18.0000000000"
