"""Budgets: levels told once a period, agents paused and back, figures those of the pages."""

import datetime as dt
import threading
from decimal import Decimal

import pytest
import time_machine
from django.conf import settings
from django.db import connection, transaction

from analytics.queries import spend_between
from billing.errors import Invalid
from billing.models import Email, OptionalMail, WorkspaceMember
from billing.services.workspaces import update_billing_settings, update_workspace
from tests.kit.api import ApiClient
from tests.kit.e_invoices import german_issuer
from tests.kit.locks import wait_until_somebody_waits
from tests.kit.personas import NOW, make_agent, make_member, make_workspace
from usage.models import BudgetDelivery, BudgetEvent, BudgetState, VoiceAgent
from usage.queries.budgets import budgets_with_parts, span_of, standings_now
from usage.services.budget_checks import check_budgets
from usage.services.budget_facts import Level
from usage.services.budgets import (
    BudgetExists,
    create_budget,
    remove_budget,
    update_budget,
)
from usage.services.weekly_summaries import mail_weekly_summaries

pytestmark = pytest.mark.django_db
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
BOTH = Level(Decimal(100), notifies=True, pauses=True)


@pytest.fixture
def acme():
    return make_workspace("Acme")


@pytest.fixture
def caller():
    return ApiClient()


def spend(caller, owner, dollars: str, *, at=NOW, **facts):
    """Usage that costs the workspace so many dollars with the markup of 20 %."""
    with time_machine.travel(at, tick=False):
        answer = caller.post(
            "usage/",
            {
                "idempotency_key": f"{at} {dollars} {facts}"[:128],
                "workspace_id": str(owner.pk),
                "resource_type": "call_minutes",
                "provider": "twilio",
                "quantity": str(Decimal(dollars) / Decimal("1.2")),
                "unit_cost": "1",
                **facts,
            },
        )
    assert answer.status_code == 201, answer.content
    return answer.json()


def make_budget(owner, *, now=NOW, **facts):
    return create_budget(
        workspace_id=owner.pk,
        facts={
            "name": "All",
            "scope": "workspace",
            "period": "month",
            "amount": "10",
            "levels": [Level(Decimal(80)), BOTH],
            **facts,
        },
        now=now,
    ).budget


def raise_to(budget, amount, *, now):
    return update_budget(
        workspace_id=budget.workspace_id, budget_id=budget.pk, changes={"amount": amount}, now=now
    ).budget


def reached() -> list[tuple[str, Decimal]]:
    rows = BudgetEvent.objects.order_by("created_at", "percentage")
    return [(f"{row.percentage.normalize():f}", row.spend) for row in rows]


def state(agent) -> tuple[str, str | None]:
    agent.refresh_from_db()
    return agent.status, agent.paused_reason


def test_a_level_tells_once_however_often_it_is_compared(acme, caller):
    make_budget(acme)
    spend(caller, acme, "8.4")

    assert check_budgets(now=NOW + MINUTE) == 1
    assert check_budgets(now=NOW + MINUTE) == 0
    BudgetState.objects.all().delete()  # as after a crash, or of a second worker
    assert check_budgets(now=NOW + 2 * MINUTE) == 0

    assert reached() == [("80", Decimal("8.4"))]
    mail = Email.objects.get()
    assert (mail.recipients, mail.kind) == (["owner@acme.test"], "budget")
    assert mail.subject == "Acme: 84% of the budget “All” is used"
    assert "$8.40 (84%)" in mail.text
    assert "Left: $1.60" in mail.text


def test_mails_are_from_the_workspaces_own_issuer(acme, caller):
    acme.issuing_entity = german_issuer(registered=False)
    acme.save()
    make_budget(acme)
    spend(caller, acme, "8.4")

    check_budgets(now=NOW + MINUTE)

    name = acme.issuing_entity.name
    assert name != settings.ISSUER_NAME
    assert f"-- \n{name}" in Email.objects.get().text


def test_of_several_levels_at_once_the_highest_tells_and_agents_come_back_with_the_month(
    acme, caller
):
    agent, by_hand = make_agent(acme, "Reception"), make_agent(acme, "Night", "paused", "manual")
    make_budget(acme)
    spend(caller, acme, "10.2")

    check_budgets(now=NOW + MINUTE)

    assert [level for level, _ in reached()] == ["80", "100"]
    assert "All live agents are paused" in Email.objects.get().text
    assert state(agent) == ("paused", "budget")
    # Going live yields to it, and a limit that ends does not end it.
    with time_machine.travel(NOW + MINUTE, tick=False):
        assert caller.patch(f"agents/{agent.pk}/", {"status": "live"}).json()["paused_reason"] == (
            "budget"
        )
        update_billing_settings(
            workspace_id=acme.pk, changes={"usage_limit_monthly": Decimal(5)}, now=NOW + MINUTE
        )
        assert state(agent) == ("paused", "usage_limit")
        update_billing_settings(
            workspace_id=acme.pk, changes={"usage_limit_monthly": None}, now=NOW + MINUTE
        )
        assert state(agent) == ("paused", "budget")

    check_budgets(now=dt.datetime(2026, 11, 30, 22, 59, tzinfo=dt.UTC))
    assert state(agent) == ("paused", "budget")
    check_budgets(now=dt.datetime(2026, 11, 30, 23, 0, tzinfo=dt.UTC))  # midnight in Berlin
    assert state(agent) == ("live", None)
    assert state(by_hand) == ("paused", "manual")


def test_raising_it_brings_agents_back_and_tells_again_at_its_new_levels(acme, caller):
    agent = make_agent(acme, "Reception")
    budget = make_budget(acme)
    spend(caller, acme, "10.2")
    check_budgets(now=NOW + MINUTE)

    raise_to(budget, "20", now=NOW + 2 * MINUTE)
    assert state(agent) == ("live", None)
    spend(caller, acme, "10.2", at=NOW + 3 * MINUTE)
    check_budgets(now=NOW + 4 * MINUTE)
    assert state(agent) == ("paused", "budget")
    assert reached()[-2:] == [("80", Decimal("20.4")), ("100", Decimal("20.4"))]

    remove_budget(workspace_id=acme.pk, budget_id=budget.pk, now=NOW + 5 * MINUTE)
    assert state(agent) == ("live", None)


def test_an_agents_budget_pauses_that_agent_alone(acme, caller):
    dear, other = make_agent(acme, "Dear"), make_agent(acme, "Other")
    make_budget(
        acme, scope="agent", agent_id=dear.pk, period="day", levels=[BOTH._replace(notifies=False)]
    )
    spend(caller, acme, "120", agent_id=str(other.pk))
    check_budgets(now=NOW + MINUTE)
    assert (state(dear), state(other)) == (("live", None), ("live", None))

    spend(caller, acme, "10.2", at=NOW + MINUTE, agent_id=str(dear.pk))
    check_budgets(now=NOW + 2 * MINUTE)
    assert (state(dear), state(other)) == (("paused", "budget"), ("live", None))
    assert not Email.objects.exists(), "the level only pauses"

    check_budgets(now=NOW + DAY)
    assert state(dear) == ("live", None)


def test_what_is_voided_ends_the_pause(acme, caller):
    agent = make_agent(acme, "Reception")
    make_budget(acme)
    record = spend(caller, acme, "10.2")
    check_budgets(now=NOW + MINUTE)
    assert state(agent) == ("paused", "budget")
    with time_machine.travel(NOW + MINUTE, tick=False):
        caller.post(f"usage/{record['id']}/void/", {"reason": "test"})
    check_budgets(now=NOW + 2 * MINUTE)
    assert state(agent) == ("live", None)


def test_usage_of_a_days_last_minutes_is_told_of_after_it(acme, caller):
    agent = make_agent(acme, "Reception")
    make_budget(acme, period="day")
    midnight = dt.datetime(2026, 11, 22, 23, 0, tzinfo=dt.UTC)
    spend(
        caller,
        acme,
        "12",
        at=midnight + MINUTE,
        occurred_at=(midnight - MINUTE).isoformat(),
    )
    check_budgets(now=midnight + 2 * MINUTE)
    assert [str(row.period_start) for row in BudgetEvent.objects.all()] == ["2026-11-22"] * 2
    assert state(agent) == ("live", None), "its day is over"
    assert "Nothing is stopped" in Email.objects.get().text


def test_its_figures_are_those_of_the_pages(acme, caller):
    for day, kind in ((1, "synthesis"), (16, "synthesis"), (21, "call_minutes"), (22, "synthesis")):
        at = dt.datetime(2026, 11, day, 12, tzinfo=dt.UTC)
        spend(caller, acme, "1.2", at=NOW, occurred_at=min(at, NOW).isoformat(), resource_type=kind)
    make_budget(acme)
    make_budget(acme, name="Week", period="week")
    make_budget(acme, name="Voices", scope="resource_type", resource_type="synthesis")
    found = {each.budget.name: each for each in standings_now(list(budgets_with_parts()), now=NOW)}
    assert {name: each.spend for name, each in found.items()} == {
        "All": Decimal("4.8"),
        "Week": Decimal("3.6"),
        "Voices": Decimal("3.6"),
    }
    for each in (found["All"], found["Week"]):
        assert each.spend == spend_between(acme.pk, *each.span).total
    assert str(span_of("week", dt.date(2026, 11, 22)).first) == "2026-11-16"


def test_unchanged_usage_is_not_compared_again(acme, caller, django_assert_max_num_queries):
    make_budget(acme)
    spend(caller, acme, "1.2")
    check_budgets(now=NOW + MINUTE)
    with django_assert_max_num_queries(6):
        check_budgets(now=NOW + 2 * MINUTE)


def test_who_is_told(acme, caller):
    make_member(acme, role="viewer")
    viewer = WorkspaceMember.objects.get(user__email="viewer@acme.test")
    owner = WorkspaceMember.objects.get(user__email="owner@acme.test")
    budget = make_budget(acme, member_ids=[owner.pk, viewer.pk], emails=["cfo@acme.example"])
    owner.mails_off = [OptionalMail.BUDGET]
    owner.save()
    spend(caller, acme, "8.4")
    check_budgets(now=NOW + MINUTE)
    told = sorted(Email.objects.values_list("recipients", flat=True))
    assert told == [["cfo@acme.example"], ["viewer@acme.test"]]

    # Whom it names have all left: its owners.
    owner.mails_off = []
    owner.save()
    update_budget(
        workspace_id=acme.pk,
        budget_id=budget.pk,
        changes={"member_ids": [viewer.pk], "emails": []},
        now=NOW + MINUTE,
    )
    viewer.delete()
    spend(caller, acme, "2.4", at=NOW + MINUTE)
    check_budgets(now=NOW + 2 * MINUTE)
    assert Email.objects.latest("requested_at").recipients == ["owner@acme.test"]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"name": ""}, "name"),
        ({"amount": "0"}, "amount"),
        ({"amount": "1e20"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"scope": "agent"}, "agent_id"),
        ({"agent_id": "7f000000-0000-4000-8000-000000000000"}, "agent_id"),
        ({"scope": "resource_type", "resource_type": "Not One"}, "resource_type"),
        ({"period": "year"}, "period"),
        ({"levels": []}, "levels"),
        ({"levels": [Level(Decimal(80)), Level(Decimal("80.0"))]}, "levels/1/percentage"),
        ({"levels": [Level(Decimal(-1))]}, "levels/0/percentage"),
        ({"levels": [Level(Decimal(80), notifies=False)]}, "levels/0/notify"),
        ({"member_ids": [], "emails": []}, "member_ids"),
        ({"emails": ["nobody"]}, "emails/0"),
        ({"webhook": {"kind": "slack"}}, "webhook/url"),
        ({"webhook": {"kind": "generic", "url": "http://hooks.example.com/"}}, "webhook/url"),
        ({"webhook": {"kind": "generic", "url": "https://127.0.0.1/"}}, "webhook/url"),
        ({"webhook": {"kind": "generic", "url": "https://[::ffff:10.0.0.1]/"}}, "webhook/url"),
        ({"webhook": {"kind": "generic", "url": "https://u:p@example.com/"}}, "webhook/url"),
    ],
)
def test_what_is_refused_names_its_field_and_writes_nothing(acme, facts, field):
    with pytest.raises(Invalid) as refused:
        make_budget(acme, **facts)
    assert refused.value.field == field
    assert not budgets_with_parts().exists()


def test_recipients_that_stay_count_among_those_that_are_added(acme):
    emails = [f"p{number}@acme.example" for number in range(20)]
    budget = make_budget(acme, emails=emails)
    owner = WorkspaceMember.objects.get(user__email="owner@acme.test")
    with pytest.raises(Invalid) as refused:
        update_budget(
            workspace_id=acme.pk,
            budget_id=budget.pk,
            changes={"member_ids": [owner.pk]},
            now=NOW + MINUTE,
        )
    assert (refused.value.field, refused.value.code) == ("member_ids", "too_many")
    assert budget.recipients.count() == 20


@pytest.mark.django_db(transaction=True)
def test_a_sweep_waits_for_a_suspension_and_brings_no_agent_back_into_it(acme):
    agent = make_agent(acme, "Reception", "paused", "budget")  # that none pauses any more

    def sweep() -> None:
        check_budgets(now=NOW)
        connection.close()

    sweeping = threading.Thread(target=sweep)
    with transaction.atomic():
        update_workspace(workspace_id=acme.pk, changes={"status": "suspended"}, now=NOW)
        sweeping.start()
        wait_until_somebody_waits()
    sweeping.join()
    assert state(agent) == ("paused", "suspended")


def test_a_name_is_one_budgets_and_another_workspaces_agent_is_none(acme):
    make_budget(acme)
    with pytest.raises(BudgetExists):
        make_budget(acme)
    foreign = make_agent(make_workspace("Globex"), "Theirs")
    with pytest.raises(Invalid, match="no such agent"):
        make_budget(acme, name="Theirs", scope="agent", agent_id=foreign.pk)


def test_the_weekly_summary_comes_on_monday_once_to_those_who_want_it(acme, caller):
    make_budget(acme)
    spend(caller, acme, "4.2")
    monday = dt.datetime(2026, 11, 23, 6, 15, tzinfo=dt.UTC)  # 07:15 in Berlin
    assert mail_weekly_summaries(now=monday - 2 * 60 * MINUTE) == 0
    assert mail_weekly_summaries(now=monday) == 1
    assert mail_weekly_summaries(now=monday + DAY) == 0
    mail = Email.objects.get()
    assert mail.subject == "Acme: $4.20 spent last week"
    assert "Budget “All”: $4.20 of $10.00 (42%)" in mail.text
    WorkspaceMember.objects.update(mails_off=["weekly_summary"])
    assert mail_weekly_summaries(now=monday + 7 * DAY) == 0
    assert not BudgetDelivery.objects.exists()
    assert VoiceAgent.objects.count() == 0
