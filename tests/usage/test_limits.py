"""Usage limits: one alert for each level of a limit, owners told, agents paused and back."""

import datetime as dt
from decimal import Decimal

import pytest
import time_machine

from billing.models import Email, LimitAlert
from billing.services.workspaces import update_billing_settings
from tests.kit.api import ApiClient
from tests.kit.personas import NOW, make_workspace
from usage.models import VoiceAgent
from usage.services.limits import sweep_limits

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


@pytest.fixture
def noon():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme():
    """Ten dollars a month, told at 80 %."""
    made = make_workspace("Acme")
    set_terms(made, usage_limit_monthly=Decimal(10))
    return made


@pytest.fixture
def caller():
    return ApiClient()


def set_terms(owner, **changes):
    update_billing_settings(workspace_id=owner.pk, changes=changes, now=NOW)


def spend(caller, owner, dollars: str, **facts):
    """Usage that costs the workspace so many dollars with the markup of 20 %."""
    number = LimitAlert.objects.count(), Email.objects.count(), facts, dollars
    return caller.post(
        "usage/",
        {
            "idempotency_key": f"{number}"[:128],
            "workspace_id": str(owner.pk),
            "resource_type": "call_minutes",
            "provider": "twilio",
            "quantity": str(Decimal(dollars) / Decimal("1.2")),
            "unit_cost": "1",
            **facts,
        },
    )


def agent(caller, owner, name, status="live"):
    body = {"workspace_id": str(owner.pk), "name": name, "status": status}
    return VoiceAgent.objects.get(pk=caller.post("agents/", body).json()["id"])


def states() -> dict[str, tuple[str, str | None]]:
    return {each.name: (each.status, each.paused_reason) for each in VoiceAgent.objects.all()}


def alerts() -> list[tuple[str, Decimal]]:
    return [(a.kind, a.spend) for a in LimitAlert.objects.order_by("created_at", "-kind")]


def admission(caller, owner):
    return caller.get(f"workspaces/{owner.pk}/admission/").json()


def test_below_the_threshold_nothing_happens(acme, caller):
    spend(caller, acme, "7.80")

    assert alerts() == []
    assert admission(caller, acme) == {"allowed": True, "reason": None, "remaining": "2.2000000000"}


def test_crossing_the_threshold_tells_the_owners_once(acme, caller):
    spend(caller, acme, "8.4")
    spend(caller, acme, "0.6")

    assert alerts() == [("threshold", Decimal("8.4"))]
    mail = Email.objects.get()
    assert mail.recipients == ["owner@acme.test"]
    assert "8.40" in mail.text
    assert admission(caller, acme)["allowed"] is True


def test_reaching_the_limit_pauses_live_agents_only(acme, caller):
    agent(caller, acme, "Reception")
    agent(caller, acme, "Draft", status="draft")
    agent(caller, acme, "Night", status="paused")

    spend(caller, acme, "12")

    assert alerts() == [("threshold", Decimal(12)), ("limit", Decimal(12))]
    assert states() == {
        "Reception": ("paused", "usage_limit"),
        "Draft": ("draft", None),
        "Night": ("paused", "manual"),
    }
    assert admission(caller, acme) == {
        "allowed": False,
        "reason": "usage_limit",
        "remaining": "0",
    }


def test_without_auto_pause_the_owners_are_told_and_calls_go_on(acme, caller):
    set_terms(acme, auto_pause_on_limit=False)
    agent(caller, acme, "Reception")

    spend(caller, acme, "12")

    assert [kind for kind, _ in alerts()] == ["threshold", "limit"]
    assert states() == {"Reception": ("live", None)}
    assert admission(caller, acme)["allowed"] is True


@pytest.mark.parametrize("limit", [Decimal(20), None])
def test_agents_come_back_when_the_limit_is_raised_or_removed(acme, caller, limit):
    agent(caller, acme, "Reception")
    agent(caller, acme, "Night", status="paused")
    spend(caller, acme, "12")

    set_terms(acme, usage_limit_monthly=limit)

    assert states() == {"Reception": ("live", None), "Night": ("paused", "manual")}


def test_a_raised_limit_that_is_reached_again_pauses_again(acme, caller):
    agent(caller, acme, "Reception")
    spend(caller, acme, "12")
    set_terms(acme, usage_limit_monthly=Decimal(15))

    spend(caller, acme, "3.6")

    assert states() == {"Reception": ("paused", "usage_limit")}
    assert [
        (a.kind, a.usage_limit) for a in LimitAlert.objects.order_by("usage_limit", "kind")
    ] == [
        ("limit", Decimal(10)),
        ("threshold", Decimal(10)),
        ("limit", Decimal(15)),
        ("threshold", Decimal(15)),
    ]


def test_agents_come_back_when_the_next_month_begins(acme, caller):
    agent(caller, acme, "Reception")
    spend(caller, acme, "12")

    with time_machine.travel(dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC), tick=False):
        spend(caller, acme, "0.12", occurred_at="2026-12-01T08:00:00Z")
        assert states() == {"Reception": ("live", None)}
        assert admission(caller, acme)["allowed"] is True


def test_the_sweep_brings_agents_back_before_the_months_first_use(acme, caller):
    agent(caller, acme, "Reception")
    spend(caller, acme, "12")

    sweep_limits(now=dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC))

    assert states() == {"Reception": ("live", None)}


def test_lowering_the_limit_below_what_is_spent_pauses_at_once(acme, caller):
    agent(caller, acme, "Reception")
    spend(caller, acme, "6")

    set_terms(acme, usage_limit_monthly=Decimal(5))

    assert states() == {"Reception": ("paused", "usage_limit")}


def test_an_agent_made_live_over_the_limit_starts_paused(acme, caller):
    spend(caller, acme, "12")

    assert agent(caller, acme, "Late").paused_reason == "usage_limit"


def test_late_usage_of_last_month_does_not_pause_this_months_agents(acme, caller):
    agent(caller, acme, "Reception")

    spend(caller, acme, "12", occurred_at="2026-10-20T10:00:00Z")

    assert [kind for kind, _ in alerts()] == ["threshold", "limit"]
    assert states() == {"Reception": ("live", None)}


def test_another_workspaces_limit_is_its_own(acme, caller):
    globex = make_workspace("Globex")
    agent(caller, globex, "Other")

    spend(caller, acme, "12")
    spend(caller, globex, "12")

    assert states() == {"Other": ("live", None)}
    assert admission(caller, globex)["remaining"] is None


def mails() -> list[str]:
    return list(Email.objects.order_by("requested_at").values_list("subject", flat=True))


def test_a_raised_limit_warns_again_at_its_own_levels(acme, caller):
    spend(caller, acme, "8.4")
    set_terms(acme, usage_limit_monthly=Decimal(100))
    spend(caller, acme, "12")
    assert mails() == ["Acme has used 84% of its usage limit for November 2026"]

    spend(caller, acme, "60")
    spend(caller, acme, "24")

    assert mails() == [
        "Acme has used 84% of its usage limit for November 2026",
        "Acme has used 80% of its usage limit for November 2026",
        "Acme has reached its usage limit for November 2026",
    ]


def test_a_limit_set_back_to_what_it_was_does_not_repeat_itself(acme, caller):
    spend(caller, acme, "8.4")
    set_terms(acme, usage_limit_monthly=Decimal(100))
    spend(caller, acme, "0.12")
    set_terms(acme, usage_limit_monthly=Decimal(10))

    spend(caller, acme, "0.12")

    assert alerts() == [("threshold", Decimal("8.4"))]
    assert len(mails()) == 1


def test_a_threshold_that_is_raised_warns_again(acme, caller):
    spend(caller, acme, "8.4")
    set_terms(acme, alert_threshold_percentage=Decimal(95))

    spend(caller, acme, "1.2")

    assert mails() == [
        "Acme has used 84% of its usage limit for November 2026",
        "Acme has used 96% of its usage limit for November 2026",
    ]


def test_one_jump_over_both_levels_is_one_mail_that_says_so(acme, caller):
    spend(caller, acme, "24")

    assert [kind for kind, _ in alerts()] == ["threshold", "limit"]
    assert mails() == ["Acme has reached its usage limit for November 2026"]
    sweep_limits(now=NOW)
    assert len(mails()) == 1


def test_a_limit_of_nothing_pauses_at_once_and_tells_with_the_first_spend(acme, caller):
    agent(caller, acme, "Reception")
    set_terms(acme, usage_limit_monthly=Decimal(0))
    spend(caller, acme, "0")
    sweep_limits(now=NOW)
    assert mails() == []
    assert states() == {"Reception": ("paused", "usage_limit")}

    spend(caller, acme, "0.12")

    assert mails() == ["Acme has reached its usage limit for November 2026"]


def test_a_limit_of_nothing_that_pauses_nobody_tells_with_the_first_spend(acme, caller):
    set_terms(acme, usage_limit_monthly=Decimal(0), auto_pause_on_limit=False)
    spend(caller, acme, "0")

    spend(caller, acme, "0.12")
    spend(caller, acme, "0.24")

    assert mails() == ["Acme has reached its usage limit for November 2026"]


def test_late_usage_over_the_limit_says_that_nobody_is_paused(acme, caller):
    agent(caller, acme, "Reception")

    spend(caller, acme, "12", occurred_at="2026-10-20T10:00:00Z")

    mail = Email.objects.get()
    assert mail.subject == "Acme has reached its usage limit for October 2026"
    assert "no agent is paused for it" in mail.text
    assert "have been paused" not in mail.text + mail.html
