"""What owners read when their workspace nears or reaches its limit."""

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Email, LimitAlert, Workspace, WorkspaceBillingSettings
from billing.services.emails import queue_email
from billing.services.periods import open_period
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def alert_email(kind: str, *, spend: str, auto_pause: bool = True) -> Email:
    """The e-mail of an alert of Acme with a limit of 500 dollars and a threshold of 80 %."""
    workspace = make_workspace("Acme & Sons")
    WorkspaceBillingSettings.objects.filter(workspace=workspace).update(
        auto_pause_on_limit=auto_pause
    )
    workspace = Workspace.objects.get(pk=workspace.pk)
    alert = LimitAlert.objects.create(
        workspace=workspace,
        period=open_period(workspace_id=workspace.pk, at=NOW, now=NOW),
        kind=kind,
        spend=Decimal(spend),
        usage_limit=Decimal(500),
        threshold_percentage=Decimal(80),
    )
    email = queue_email(
        key=f"alert:{alert.pk}",
        kind="limit",
        recipients=["owner@acme.test"],
        subject="About your limit",
        template="emails/limit_threshold" if kind == "threshold" else "emails/limit_reached",
        context={
            "workspace": workspace,
            "alert": alert,
            "used": f"{alert.spend // 5}%",
            "told_at": "80%",
            "remaining": Decimal(500) - alert.spend,
            "period_label": "November 2026",
            "currency": "USD",
        },
        now=NOW,
    )
    assert email is not None
    return email


def test_the_threshold_says_what_is_left_and_what_will_happen():
    email = alert_email("threshold", spend="401.2345678900")

    for text in (email.text, email.html):
        assert "80% of its limit" in text
        assert "$401.23" in text
        assert "$500.00" in text
        assert "$98.77" in text
        assert "live agents are paused" in text


def test_the_threshold_says_so_when_agents_will_not_be_paused():
    assert (
        "Your agents go on taking calls"
        in alert_email("threshold", spend="401", auto_pause=False).text
    )


def test_the_limit_says_that_agents_are_paused_and_how_they_come_back():
    email = alert_email("limit", spend="512.5000000000")

    for text in (email.text, email.html):
        assert "has reached its usage limit" in text
        assert "live agents have been paused" in text
        assert "$512.50" in text
        assert "Left" not in text


def test_the_limit_says_so_when_agents_go_on():
    assert (
        "usage above the limit is billed"
        in alert_email("limit", spend="500", auto_pause=False).text
    )


def test_a_name_is_escaped_in_html_only():
    email = alert_email("limit", spend="500")

    assert "Acme & Sons has reached" in email.text
    assert "Acme &amp; Sons has reached" in email.html
