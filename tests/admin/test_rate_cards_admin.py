"""Rate cards in the admin, as someone of finance meets them."""

import csv
import datetime as dt
import html
import io
import re

import pytest
import time_machine
from django.urls import reverse

from billing.models import PriceOverride, Rate, RateCard, RateCardAssignment, RateCardVersion
from billing.services.price_rows import COLUMNS
from tests.kit.personas import make_workspace
from tests.kit.prices import per_unit, published, rate, use
from tests.kit.staff import change_page, finance_client, page_after, press, viewer_client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today():
    with time_machine.travel("2026-11-22T09:00:00Z", tick=False):
        yield


def rate_form(number: int, **facts: str) -> dict[str, str]:
    return {f"rates-{number}-{name}": value for name, value in facts.items()}


def save_rates(client, version, *rates: dict[str, str]):
    """Post a draft's page with these rates in place of the one it has."""
    own = version.rates.get()
    data = {
        "rates-TOTAL_FORMS": str(len(rates) + 1),
        "rates-INITIAL_FORMS": "1",
        **rate_form(0, id=str(own.pk), version=str(version.pk), price_model="cost_plus",
                    amount="15"),
    }  # fmt: skip
    for number, facts in enumerate(rates, start=1):
        data |= rate_form(number, id="", version=str(version.pk), **facts)
    return client.post(reverse("admin:billing_ratecardversion_change", args=[version.pk]), data)


MINUTES = {
    "resource_type": "call_minutes",
    "price_model": "per_unit",
    "amount": "0.12",
    "increment_first": "0.5",
    "increment_step": "0.1",
}


def test_a_card_is_made_filled_published_and_used():
    acme = make_workspace()
    client = finance_client()

    made = client.post(
        reverse("admin:billing_ratecard_add"),
        {"name": "Voice 2027", "currency": "usd", "description": ""},
    )
    draft = RateCardVersion.objects.get()
    assert made["Location"] == reverse("admin:billing_ratecardversion_change", args=[draft.pk])
    assert "cost plus 20%" in page_after(client, made)

    saved = save_rates(client, draft, MINUTES)
    assert saved.status_code == 302, saved.context["errors"]
    shown = change_page(client, "billing_ratecardversion", draft.pk)
    assert "$0.12 a unit, billed for at least 0.5, then in steps of 0.1" in shown
    assert "cost plus 15%" in shown
    assert "Nothing: it can be published." in shown
    # The worked example of a call of 33 seconds, billed as 36.
    assert "$0.072" in shown

    unconfirmed = press(
        client, "billing_ratecardversion", "publish", draft.pk, effective_from="2026-12-01"
    )
    assert "Check the worked examples" in unconfirmed.content.decode()
    too_early = press(
        client,
        "billing_ratecardversion",
        "publish",
        draft.pk,
        effective_from="2020-01-01",
        confirmed="on",
    )
    told = page_after(client, too_early)
    assert "Prices do not reach back" in told
    assert "/effective_from" not in told
    answer = press(
        client,
        "billing_ratecardversion",
        "publish",
        draft.pk,
        effective_from="2026-12-01",
        confirmed="on",
    )
    assert "is published, from 2026-12-01 on" in page_after(client, answer)

    card = RateCard.objects.get()
    used = client.post(
        reverse("admin:billing_ratecard_change", args=[card.pk]),
        {
            "name": card.name,
            "description": "",
            "assignments-TOTAL_FORMS": "1",
            "assignments-INITIAL_FORMS": "0",
            "assignments-0-card": str(card.pk),
            "assignments-0-workspace": str(acme.pk),
            "assignments-0-starts_on": "2026-12-01",
        },
    )
    assert used.status_code == 302, used.context["errors"]
    assert RateCardAssignment.objects.get().workspace == acme
    assert "1 workspace: Acme" in change_page(client, "billing_ratecard", card.pk)


def test_a_bad_price_is_refused_at_its_field():
    client = finance_client()
    client.post(reverse("admin:billing_ratecard_add"), {"name": "Voice", "currency": "USD"})
    draft = RateCardVersion.objects.get()

    answer = save_rates(
        client,
        draft,
        {**MINUTES, "amount": "-0.12", "increment_step": "0"},
        {"resource_type": "speech", "price_model": "graduated", "tiers": "up to 9: 1\nfoo"},
        {"resource_type": "storage", "price_model": "graduated", "tiers": "up to 9: 1"},
    )

    assert answer.status_code == 200
    text = answer.content.decode()
    assert "Must not be negative." in text
    assert "Must be more than zero." in text
    assert "Tier 2 is not understood" in text
    assert "The last tier must be open" in text
    assert draft.rates.count() == 1


def test_a_price_of_a_whole_month_is_published_from_the_first_of_one():
    client = finance_client()
    client.post(reverse("admin:billing_ratecard_add"), {"name": "Voice", "currency": "USD"})
    draft = RateCardVersion.objects.get()
    save_rates(client, draft, {**MINUTES, "included": "1000"})
    use(draft.card, make_workspace().pk)

    def publish_from(day: str) -> str:
        answer = press(
            client,
            "billing_ratecardversion",
            "publish",
            draft.pk,
            effective_from=day,
            confirmed="on",
        )
        return page_after(client, answer)

    assert "the first of a month is expected" in publish_from("2027-12-05")
    draft.refresh_from_db()
    assert draft.is_draft
    publish_from("2027-12-01")
    draft.refresh_from_db()
    assert not draft.is_draft


def test_a_draft_is_shown_beside_what_is_in_force():
    client = finance_client()
    now = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
    card = published(rate(per_unit("0.12"), "call_minutes"), now=now)

    made = press(client, "billing_ratecard", "new_draft", card.pk)
    draft = card.versions.get(status="draft")
    assert made["Location"].endswith(f"{draft.pk}/change/")
    Rate.objects.filter(version=draft, resource_type="call_minutes").update(
        price_json=per_unit("0.10")
    )

    for shown in (
        change_page(client, "billing_ratecardversion", draft.pk),
        change_page(client, "billing_ratecard", card.pk),
    ):
        assert "$0.12 a unit" in shown
        assert "<strong>$0.10 a unit</strong>" in shown
        assert "<strong>cost plus 15%</strong>" not in shown


def test_a_draft_is_shown_beside_what_comes_later_too():
    now = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
    card = published(rate(per_unit("0.12"), "call_minutes"), day=dt.date(2027, 1, 1), now=now)
    client = finance_client()
    press(client, "billing_ratecard", "new_draft", card.pk)
    draft = card.versions.get(status="draft")
    Rate.objects.filter(version=draft, resource_type="call_minutes").update(
        price_json=per_unit("0.10")
    )

    shown = change_page(client, "billing_ratecardversion", draft.pk)

    assert "v1, from 2027-01-01" in shown
    assert "<strong>$0.10 a unit</strong>" in shown


def test_a_card_goes_out_as_csv_and_comes_back():
    client = finance_client()
    now = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
    tiers = {
        "model": "graduated",
        "tiers": [
            {"up_to": "1000", "unit_price": "0.02"},
            {"up_to": None, "unit_price": "0.015", "flat": "5"},
        ],
    }
    card = published(rate(per_unit("0.12", fixed="0.01"), "call_minutes", "twilio"), now=now)
    press(client, "billing_ratecard", "new_draft", card.pk)
    draft = card.versions.get(status="draft")

    exported = client.get(
        reverse("admin:billing_ratecardversion_export_csv", args=[draft.pk])
    ).content.decode()
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert [
        (row["resource_type"], row["provider"], row["amount"], row["fixed"]) for row in rows
    ] == [
        ("", "", "15", ""),
        ("call_minutes", "twilio", "0.12", "0.01"),
    ]

    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    writer.writerows([*rows, {"resource_type": "synthesis", "price_model": "graduated",
                              "tiers": "up to 1,000: 0.02; above: 0.015 + 5"}])  # fmt: skip
    answer = press(
        client,
        "billing_ratecardversion",
        "import_csv",
        draft.pk,
        lines=file.getvalue(),
    )
    assert "has 3 rates now" in page_after(client, answer)
    assert draft.rates.get(resource_type="synthesis").price_json == tiers

    bad = press(
        client,
        "billing_ratecardversion",
        "import_csv",
        draft.pk,
        lines="resource_type\tamount\nspeech\t-1\n\tcheap\n",
    )
    text = page_after(client, bad)
    assert "line 2: amount: Must not be negative; line 3" in text
    assert "line 3: amount: A decimal number is expected" in text
    assert draft.rates.count() == 3


def test_an_override_added_from_a_customers_list_is_the_customers():
    acme = make_workspace("Acme")
    client = finance_client()
    of_acme = client.get(
        reverse("admin:billing_priceoverride_changelist"), {"workspace__id__exact": acme.pk}
    ).content.decode()
    add = reverse("admin:billing_priceoverride_add")
    links = {html.unescape(each) for each in re.findall(f'href="({add}[^"]*)"', of_acme)}
    assert len(links) == 1, links
    [address] = links
    page = client.get(address).content.decode()
    assert re.search(f'<option value="{acme.pk}"[^>]* selected[^>]*>Acme</option>', page)
    # What is no id fills in nothing.
    nobody = client.get(add, {"_changelist_filters": "workspace__id__exact=acme"})
    assert "selected" not in nobody.content.decode().partition('name="workspace"')[2][:300]


def test_an_override_is_added_and_ended():
    acme = make_workspace()
    client = finance_client()

    made = client.post(
        reverse("admin:billing_priceoverride_add"),
        {**MINUTES, "workspace": str(acme.pk), "starts_on": "2026-11-25", "reason": "Contract"},
    )
    assert made.status_code == 302, made.context["errors"]
    override = PriceOverride.objects.get()
    again = client.post(
        reverse("admin:billing_priceoverride_add"),
        {**MINUTES, "workspace": str(acme.pk), "starts_on": "2026-11-26", "reason": "Another"},
    )
    assert "Another override holds" in page_after(client, again)
    change = reverse("admin:billing_priceoverride_change", args=[override.pk])
    ended = client.post(change, {"ends_on": "2026-12-01"})
    assert ended.status_code == 302
    override.refresh_from_db()
    assert override.ends_on == dt.date(2026, 12, 1)
    taken_back = client.post(change, {"ends_on": ""}).content.decode()
    assert "An end is not taken back: add another one." in taken_back


def test_who_only_looks_cannot_publish():
    now = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
    card = published(now=now)
    press(finance_client(), "billing_ratecard", "new_draft", card.pk)
    draft = card.versions.get(status="draft")

    answer = press(
        viewer_client(),
        "billing_ratecardversion",
        "publish",
        draft.pk,
        effective_from="2026-12-01",
        confirmed="on",
    )

    assert answer.status_code in (302, 403)
    draft.refresh_from_db()
    assert draft.is_draft
