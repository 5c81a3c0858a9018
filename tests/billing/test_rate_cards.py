"""Rate cards: publishing, fixed versions, who uses them, and which price wins."""

import datetime as dt
import threading

import pytest
from django.db import DatabaseError, connection, transaction

from billing import recorded_rates
from billing.errors import BillingError, Invalid
from billing.models import PriceOverride, Rate, RateCardAssignment, RateCardVersion
from billing.pricing import price_lists
from billing.recorded_rates import prices_by_rate
from billing.services import rate_card_rules, rate_cards
from billing.services.price_assignments import assign_card, end_assignment
from billing.services.rate_cards import BadRateCard
from tests.kit.locks import wait_until_somebody_waits
from tests.kit.personas import NOW, make_workspace
from tests.kit.prices import card, cost_plus, override, per_unit, publish, published, rate, use

pytestmark = pytest.mark.django_db
D = dt.date
# 22 November in Berlin, where the workspaces are.
TODAY = D(2026, 11, 22)


def faults_of(error: pytest.ExceptionInfo[BadRateCard]) -> list[tuple[str, str]]:
    return [(fault["pointer"], fault["code"]) for fault in error.value.errors]


def refused(call) -> tuple[str | None, str]:
    with pytest.raises(BillingError) as refusal:
        call()
    return refusal.value.field, refusal.value.code


def price(owner, *kind, day=TODAY):
    found = price_lists([owner.pk]).get(owner.pk)
    return found and found.price_for(day.isoformat(), *kind)


def test_the_most_specific_rate_wins():
    acme = make_workspace()
    use(
        published(
            rate(per_unit("1"), "speech"),
            rate(per_unit("2"), "speech", "deepgram"),
            rate(per_unit("4"), "call_minutes"),
        ),
        acme.pk,
    )

    assert price(acme, "speech", "deepgram").price.unit_price == 2
    assert price(acme, "speech", "elevenlabs").price.unit_price == 1
    assert price(acme, "call_minutes", "twilio").price.unit_price == 4
    assert price(acme, "storage", "aws").price.markup_percentage == 15
    assert price(acme, "speech", "deepgram").source == "workspace_card"


def test_an_override_comes_before_the_own_card_and_that_before_the_tiers():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    yen = make_workspace("Initech", currency="JPY")
    for_tier = published(rate(per_unit("1"), "speech"), name="Starter")
    assign_card(card_id=for_tier.pk, tier="starter", starts_on=TODAY, now=NOW)
    own = published(rate(per_unit("2"), "speech"), name="Acme")
    use(own, acme.pk)
    override(acme.pk, rate(per_unit("3"), "speech", "deepgram"))

    assert price(acme, "speech", "deepgram").price.unit_price == 3
    assert price(acme, "speech", "deepgram").source == "override"
    assert price(acme, "speech", "elevenlabs").price.unit_price == 2
    assert price(globex, "speech", "deepgram").price.unit_price == 1
    assert price(globex, "speech", "deepgram").source == "tier_card"
    # A tier's card is in one currency; who pays in another keeps the markup.
    assert price(yen, "speech", "deepgram") is None


def test_a_version_holds_from_its_day_until_the_next_one():
    acme = make_workspace()
    voice = published(rate(per_unit("1"), "speech"))
    use(voice, acme.pk)
    december = rate_cards.copy_version(version_id=voice.versions.get().pk, now=NOW)
    rate_cards.replace_rates(
        version_id=december.pk,
        rates=[rate(per_unit("2"), "speech"), rate(cost_plus("10"))],
    )
    publish(voice, day=D(2026, 12, 1))

    assert price(acme, "speech", "deepgram", day=D(2026, 11, 21)) is None
    assert price(acme, "speech", "deepgram", day=TODAY).price.unit_price == 1
    assert price(acme, "speech", "deepgram", day=D(2026, 11, 30)).version == 1
    assert price(acme, "speech", "deepgram", day=D(2026, 12, 1)).price.unit_price == 2


def test_an_override_ends_before_its_last_day():
    acme = make_workspace()
    override(acme.pk, rate(per_unit("3"), "speech"), ends_on=D(2026, 11, 24))

    assert price(acme, "speech", "x", day=D(2026, 11, 23)).price.unit_price == 3
    assert price(acme, "speech", "x", day=D(2026, 11, 24)) is None


def test_a_card_that_cannot_hold_is_not_published():
    voice = rate_cards.create_card(
        name="Voice",
        currency="USD",
        rates=[
            rate(per_unit("1", included="1000"), "call_minutes"),
            rate(per_unit("1"), "speech", "openai", "tts-1"),
        ],
        now=NOW,
    )

    with pytest.raises(BadRateCard) as refusal:
        publish(voice, day=D(2026, 11, 21))

    assert faults_of(refusal) == [
        ("/rates", "no_rate_for_any"),
        ("/effective_from", "in_the_past"),
    ]
    assert voice.versions.get().is_draft


def test_prices_of_a_whole_month_begin_with_one_or_in_a_workspaces_first():
    acme = make_workspace("Acme", now=NOW - dt.timedelta(days=40))
    globex = make_workspace("Globex", now=NOW - dt.timedelta(days=1))
    included = rate(per_unit("1", included="1000"), "call_minutes")
    today, december = NOW.date(), D(2026, 12, 1)
    voice = published(included, day=today)

    use(voice, globex.pk, day=today)
    for day in (today, D(2026, 12, 2)):
        with pytest.raises(Invalid) as refusal:
            use(voice, acme.pk, day=day)
        assert (refusal.value.field, refusal.value.code) == ("starts_on", "not_a_months_first")
    with pytest.raises(Invalid):
        override(acme.pk, rate(per_unit("1", included="5"), "speech"), starts_on=today)
    override(globex.pk, rate(per_unit("1", included="5"), "speech"), starts_on=today)
    use(voice, acme.pk, day=december)
    rate_cards.copy_version(version_id=voice.versions.get().pk, now=NOW)
    with pytest.raises(BadRateCard) as refused:
        publish(voice, day=D(2026, 12, 20))
    assert faults_of(refused) == [("/effective_from", "not_a_months_first")]


def test_a_later_version_is_looked_at_too_when_a_card_is_assigned():
    acme = make_workspace("Acme", now=NOW - dt.timedelta(days=40))
    voice = published(rate(per_unit("1"), "call_minutes"))
    rate_cards.create_version(
        card_id=voice.pk,
        rates=[rate(per_unit("1", included="9"), "call_minutes"), rate(per_unit("1"))],
        now=NOW,
    )
    publish(voice, day=D(2026, 12, 20))

    with pytest.raises(Invalid, match="the first of a month is expected"):
        use(voice, acme.pk, day=D(2026, 12, 1))


def test_today_is_that_of_the_workspaces_that_use_the_card():
    evening = dt.datetime(2026, 11, 22, 23, 30, tzinfo=dt.UTC)  # the 23rd in Berlin
    acme = make_workspace()
    voice = published()
    use(voice, acme.pk)
    rate_cards.copy_version(version_id=voice.versions.get().pk, now=NOW)

    with pytest.raises(BadRateCard) as refusal:
        publish(voice, day=TODAY, now=evening)

    assert "2026-11-23 or later" in refusal.value.detail


def test_rates_for_the_same_use_are_refused():
    with pytest.raises(BadRateCard) as refusal:
        card(
            rate(per_unit("1"), "speech"),
            rate(per_unit("2"), "speech"),
            rate(per_unit("3"), "", "deepgram"),
        )

    assert faults_of(refusal) == [
        ("/rates/1/match", "duplicate_match"),
        ("/rates/2/match/resource_type", "required"),
    ]


def test_what_is_published_never_changes():
    voice = published()
    version = voice.versions.get()

    assert refused(lambda: rate_cards.replace_rates(version_id=version.pk, rates=[]))[1] == (
        "version_published"
    )
    changes = [
        lambda: version.rates.update(price_json={}),
        lambda: version.rates.all().delete(),
        lambda: RateCardVersion.objects.filter(pk=version.pk).update(effective_from=None),
        lambda: RateCardVersion.objects.filter(pk=version.pk).update(status="draft"),
        lambda: RateCardVersion.objects.filter(pk=version.pk).delete(),
        lambda: Rate.objects.create(version=version, resource_type="x", price_json={}),
    ]
    for change in changes:
        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            change()


def test_a_use_and_an_override_only_change_their_end():
    acme = make_workspace()
    use(published(), acme.pk)
    override(acme.pk, rate(per_unit("1"), "speech"))

    for rows in (RateCardAssignment.objects.all(), PriceOverride.objects.all()):
        with pytest.raises(DatabaseError, match="only the end"), transaction.atomic():
            rows.update(starts_on=D(2026, 1, 1))
        with pytest.raises(DatabaseError, match="only the end"), transaction.atomic():
            rows.delete()


def test_no_two_cards_or_overrides_hold_for_the_same_day():
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    voice, other = published(name="Voice"), published(name="Other")
    use(voice, acme.pk)
    override(acme.pk, rate(per_unit("1"), "speech"), ends_on=D(2026, 12, 1))

    assert refused(lambda: use(other, acme.pk, day=D(2027, 1, 1))) == ("starts_on", "overlaps")
    assert refused(
        lambda: override(acme.pk, rate(per_unit("2"), "speech"), starts_on=D(2026, 11, 30))
    ) == ("starts_on", "overlaps")
    use(other, globex.pk)
    override(acme.pk, rate(per_unit("2"), "speech"), starts_on=D(2026, 12, 1))
    override(acme.pk, rate(per_unit("2"), "speech", "deepgram"))
    override(globex.pk, rate(per_unit("2"), "speech"))


def test_one_tier_may_have_a_card_in_each_currency():
    make_workspace()
    dollars, euros = published(name="Dollars"), published(name="Euros", currency="EUR")
    more = published(name="More dollars")

    def for_starter(on):
        return assign_card(card_id=on.pk, tier="starter", starts_on=TODAY, now=NOW)

    for_starter(dollars)
    for_starter(euros)
    assert refused(lambda: for_starter(more)) == ("starts_on", "overlaps")


def test_a_use_ends_on_a_day_to_come():
    acme = make_workspace()
    voice = published(rate(per_unit("1"), "speech"))
    use(voice, acme.pk)
    row = RateCardAssignment.objects.get()

    assert refused(
        lambda: end_assignment(assignment_id=row.pk, ends_on=D(2026, 11, 21), now=NOW)
    ) == ("ends_on", "in_the_past")
    end_assignment(assignment_id=row.pk, ends_on=D(2026, 12, 1), now=NOW)

    assert price(acme, "speech", "x", day=D(2026, 11, 30)) is not None
    assert price(acme, "speech", "x", day=D(2026, 12, 1)) is None
    # On its own first day: it never held.
    end_assignment(assignment_id=row.pk, ends_on=TODAY, now=NOW)
    assert price(acme, "speech", "x") is None
    use(published(name="Other"), acme.pk)


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"starts_on": D(2026, 11, 21)}, ("starts_on", "in_the_past")),
        ({"ends_on": TODAY}, ("ends_on", "ends_before_its_start")),
        ({"tier": "starter"}, ("workspace_id", "invalid")),
        ({"workspace_id": None, "tier": "gold"}, ("tier", "unknown_tier")),
        ({"workspace_id": None}, ("workspace_id", "invalid")),
    ],
)
def test_a_use_that_cannot_be_is_refused(facts, fault):
    acme = make_workspace()
    voice = published()

    facts = {"workspace_id": acme.pk, "starts_on": TODAY, **facts}
    assert refused(lambda: assign_card(card_id=voice.pk, now=NOW, **facts)) == fault


def test_a_card_is_in_the_currency_that_its_workspaces_pay_in():
    acme = make_workspace(currency="EUR")
    voice = published()

    assert refused(lambda: use(voice, acme.pk)) == ("workspace_id", "other_currency")


def test_a_published_version_keeps_its_worked_examples():
    voice = published(rate(per_unit("0.12", increment={"first": "0.5", "step": "0.1"}), "minutes"))

    examples = voice.versions.get().examples
    minutes = [each for each in examples if each["match"]["resource_type"] == "minutes"]
    assert [(each["quantity"], each["amount"]) for each in minutes] == [
        ("0.5", "0.060"),
        ("0.55", "0.072"),
        ("1", "0.120"),
        ("100", "12.000"),
        ("1000", "120.000"),
    ]


@pytest.mark.django_db(transaction=True)
def test_of_two_drafts_that_are_published_for_one_day_the_second_is_refused():
    voice = card()
    first, second = (
        voice.versions.get(),
        rate_cards.copy_version(version_id=voice.versions.get().pk, now=NOW),
    )
    seen: list[list[tuple[str, str]]] = []

    def publish_second() -> None:
        with pytest.raises(BadRateCard) as refused:
            rate_cards.publish_version(version_id=second.pk, effective_from=TODAY, now=NOW)
        seen.append(faults_of(refused))
        connection.close()

    publishing = threading.Thread(target=publish_second)
    with transaction.atomic():
        rate_cards.publish_version(version_id=first.pk, effective_from=TODAY, now=NOW)
        publishing.start()
        wait_until_somebody_waits()
    publishing.join()
    assert seen == [[("/effective_from", "day_taken")]]


def test_who_pays_by_a_card_until_some_day_is_affected_until_then():
    acme = make_workspace()
    voice = published()
    assign_card(
        card_id=voice.pk,
        workspace_id=acme.pk,
        starts_on=TODAY,
        ends_on=D(2026, 12, 1),
        now=NOW,
    )

    assert list(rate_card_rules.affected_workspaces(voice, D(2026, 11, 30))) == [acme]
    assert list(rate_card_rules.affected_workspaces(voice, D(2026, 12, 1))) == []


def test_prices_of_records_are_all_given_though_another_thread_forgets_them():
    published(rate(per_unit("1"), "speech"))
    first, second = Rate.objects.values_list("pk", flat=True)[:2]
    prices_by_rate([first])

    def forgetting(execute, *args):
        recorded_rates._prices.clear()
        return execute(*args)

    with connection.execute_wrapper(forgetting):
        assert prices_by_rate([first, second]).keys() == {first, second}
